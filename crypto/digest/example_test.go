package digest_test

import (
	"fmt"
	"io"
	"os"
	"strings"

	"zencrypt/crypto/digest"
)

func hash(text string, ids ...string) []digest.Sum {
	h, err := digest.New(ids, nil)
	if err != nil {
		panic(err)
	}
	if _, err := io.Copy(h, strings.NewReader(text)); err != nil {
		panic(err)
	}
	sums, err := h.Sums()
	if err != nil {
		panic(err)
	}
	return sums
}

func ExampleNew() {
	h, err := digest.New([]string{"sha256", "blake3"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.CopyBuffer(h, strings.NewReader("abc"), make([]byte, digest.Segment))
	sums, _ := h.Sums()
	for _, s := range sums {
		fmt.Println(s.Algorithm.Label, s.Hex()[:16], h.Size())
	}
	// Output:
	// SHA-256 ba7816bf8f01cfea 3
	// BLAKE3 6437b3ac38465133 3
}

func ExampleAlgorithms() {
	for _, a := range digest.Algorithms() {
		if a.Broken {
			fmt.Println(a.ID, a.Size)
		}
	}
	// Output:
	// sha1 20
	// md5 16
}

func ExampleLookup() {
	a, ok := digest.Lookup("blake2b-256")
	fmt.Println(a.Label, a.Size, ok)
	// Output: BLAKE2b-256 32 true
}

func ExampleParseExpected() {
	hexDigest, name, err := digest.ParseExpected("SHA256 (abc.txt) = BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD")
	fmt.Println(hexDigest[:8], name, err)
	// Output: ba7816bf abc.txt <nil>
}

func ExampleMatch() {
	fmt.Println(digest.Match(hash("abc", "sha256", "md5"), "900150983cd24fb0d6963f7d28e17f72"))
	// Output: 1
}

func ExampleTag() {
	fmt.Println(digest.Tag(hash("abc", "md5")[0], "a file"))
	// Output: MD5 (a file) = 900150983cd24fb0d6963f7d28e17f72
}

func ExampleAppendLine() {
	s := hash("abc", "md5")[0]
	os.Stdout.Write(digest.AppendLine(nil, s, "a file", digest.Style{}))
	os.Stdout.Write(digest.AppendLine(nil, s, "two\nlines", digest.Style{Tag: true}))
	// Output:
	// 900150983cd24fb0d6963f7d28e17f72  a file
	// \MD5 (two\nlines) = 900150983cd24fb0d6963f7d28e17f72
}
