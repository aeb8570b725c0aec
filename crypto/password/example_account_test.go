package password_test

import (
	"fmt"
	"strings"

	"zencrypt/crypto/password"
)

func ExampleDefaultParams() {
	p := password.DefaultParams()
	fmt.Println(p.Time, p.MemoryKiB>>10, p.Threads)
	// Output: 3 64 4
}

func ExampleDecoy() {
	phc, err := password.Decoy(password.Params{Time: 1, MemoryKiB: 64, Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fits, err := password.Verify([]byte("any"), phc)
	fmt.Println(fits, err)
	// Output: false <nil>
}

func ExampleParamsOf() {
	p, err := password.ParamsOf("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	fmt.Println(p.MemoryKiB, p.Time, p.Threads, err)
	// Output: 65536 3 4 <nil>
}

func ExampleUnlockKey() {
	peppered := password.Pepper([32]byte{}, "correct horse battery")
	one := password.UnlockKey(peppered, []byte("0123456789abcdef"), password.Params{Time: 1, MemoryKiB: 64, Threads: 1})
	two := password.UnlockKey(peppered, []byte("another 16 bytes"), password.Params{Time: 1, MemoryKiB: 64, Threads: 1})
	fmt.Println(len(one), one == two)
	// Output: 32 false
}

func ExampleGenerate() {
	passphrase, err := password.Generate(10)
	fmt.Println(strings.Count(passphrase, "-") >= 9, err)
	// Output: true <nil>
}

func ExampleStrength() {
	score, warning := password.Strength("password1")
	fmt.Println(score, warning != "")
	score, warning = password.Strength("quarry-lentil-oxbow-thimble-varnish")
	fmt.Println(score, warning)
	// Output:
	// 0 true
	// 4
}
