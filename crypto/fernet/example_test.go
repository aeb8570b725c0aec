package fernet_test

import (
	"fmt"
	"strings"
	"time"

	"zencrypt/crypto/fernet"
)

func ExampleEncrypt() {
	k, err := fernet.ParseKey(fernet.NewKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := fernet.Encrypt(k, []byte("attack at dawn"), time.Now())
	fmt.Println(string(token[:6]), err)
	// Output: gAAAAA <nil>
}

func ExampleDecrypt() {
	// generate.json of the specification.
	k, _ := fernet.ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	token := "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
	plain, i, err := fernet.Decrypt([]byte(token), 0, time.Now, k)
	fmt.Println(string(plain), i, err)
	// Output: hello 0 <nil>
}

func ExampleParseKey() {
	k, err := fernet.ParseKey("not a key")
	fmt.Println(k, err)
	// Output: [redacted] read fernet key: it has 44 characters of base64 for 32 bytes
}

func ExampleNewKey() {
	fmt.Println(len(fernet.NewKey()))
	// Output: 44
}

func ExampleCreated() {
	made, err := fernet.Created([]byte("gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="))
	fmt.Println(made.UTC().Format(time.RFC3339), err)
	// Output: 1985-10-26T08:20:00Z <nil>
}

func ExampleLooks() {
	fmt.Println(fernet.Looks([]byte("gAAAAABjK1_A")), fernet.Looks([]byte("Z0FBQUFB")))
	// Output: true false
}

func ExampleParseKeys() {
	file := fernet.NewKey() + "\n" + fernet.NewKey() + "\n"
	keys, err := fernet.ParseKeys(strings.NewReader(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := keys.Encrypt([]byte("under the first"), time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	plain, i, err := keys.Decrypt(token, time.Hour, time.Now)
	fmt.Println(string(plain), i, err)
	_, err = fernet.ParseKeys(strings.NewReader(file + "# old\n"))
	fmt.Println(err)
	// Output:
	// under the first 0 <nil>
	// read fernet key file: line 3: read fernet key: it has 44 characters of base64 for 32 bytes
}
