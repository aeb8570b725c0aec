package legacy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"zencrypt/crypto/legacy"
)

func ExampleOpenCFB() {
	file, _ := hex.DecodeString(vectorFile)
	r, err := legacy.OpenCFB(bytes.NewReader(file), vectorPassphrase)
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, err := io.ReadAll(r) // right or not, nothing here can tell
	fmt.Println(string(plain), err)
	// Output: Grüße, ten and a bit more than two blocks <nil>
}

func ExampleUnwrap() {
	file := base64.StdEncoding.EncodeToString([]byte(token))
	fmt.Println(legacy.LooksWebFile([]byte(file[:16])))
	inner, err := legacy.Unwrap(strings.NewReader(file), 64<<20)
	fmt.Println(string(inner[:6]), err)
	// Output:
	// true
	// gAAAAA <nil>
}

func ExampleLooksWebFile() {
	fmt.Println(legacy.LooksWebFile([]byte("Z0FBQUFBQmpL")), legacy.LooksWebFile([]byte("gAAAAABjK")))
	// Output: true false
}

func ExampleLooksRSAMessage() {
	fmt.Println(legacy.LooksRSAMessage([]byte(strings.Repeat("A", 342)+"==")), legacy.LooksRSAMessage([]byte("hello")))
	// Output: true false
}

func ExampleParsePrivateKey() {
	_, err := legacy.ParsePrivateKey([]byte("not a key"))
	fmt.Println(errors.Is(err, legacy.ErrKey))
	// Output: true
}

func ExampleDecryptMessage() {
	_, _, err := legacy.DecryptMessage([]byte(strings.Repeat("A", 342) + "=="))
	fmt.Println(err)
	// Output: open older zencrypt message: no key fits, or the message was changed
}
