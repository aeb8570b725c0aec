package password_test

import (
	"fmt"

	"zencrypt/crypto/password"
)

func ExampleHashString() {
	costs := password.DefaultStringCosts()
	costs.PBKDF2 = 1000 // for the example's sake
	s, err := password.HashString(password.PBKDF2SHA256, "correct horse", costs)
	if err != nil {
		fmt.Println(err)
		return
	}
	ok, err := password.VerifyString("correct horse", s)
	fmt.Println(s[:20], ok, err)
	// Output: $pbkdf2-sha256$1000$ true <nil>
}

func ExampleVerifyString() {
	ok, err := password.VerifyString("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleInspectString() {
	info, err := password.InspectString("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	fmt.Println(info.Method, info.Memory>>20, info.Weak, err)
	// Output: argon2id 64 it takes 65536 KiB of memory 2 times, and new ones 65536 KiB 3 times <nil>
}

func ExampleMethods() {
	fmt.Println(password.Methods())
	// Output: [argon2id bcrypt scrypt pbkdf2-sha256]
}

func ExampleDefaultStringCosts() {
	c := password.DefaultStringCosts()
	fmt.Println(c.Bcrypt, c.Scrypt, c.PBKDF2, c.Memory(password.Scrypt)>>20)
	// Output: 12 17 600000 128
}

func ExampleParseWerkzeug() {
	method, salt, digest, err := password.ParseWerkzeug("pbkdf2:sha1:1$salt$0c60c80f961f0e71f3a9b524af6012062fe037a6")
	fmt.Println(method, salt, len(digest), err)
	// Output: pbkdf2:sha1:1 salt 20 <nil>
}

func ExampleWerkzeug() {
	digest, err := password.Werkzeug("pbkdf2:sha1:1", "salt", "password") // RFC 6070
	fmt.Printf("%x %v\n", digest, err)
	// Output: 0c60c80f961f0e71f3a9b524af6012062fe037a6 <nil>
}

func ExampleHash() {
	costs := password.Params{Time: 1, MemoryKiB: 64, Threads: 4} // DefaultParams outside of examples
	normalized, _ := password.Normalize("correct horse battery")
	peppered := password.Pepper([32]byte{1}, normalized)
	phc, err := password.Hash(peppered, costs)
	if err != nil {
		fmt.Println(err)
		return
	}
	ok, err := password.Verify(peppered, phc)
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleCheck() {
	fmt.Println(password.Check("short"))
	// Output: the password has 5 characters and needs at least 12: four or five random words do well
}

func ExampleParseRecoveryCode() {
	code := password.NewRecoveryCode()
	b, err := password.ParseRecoveryCode(" " + code + "\n")
	fmt.Println(len(code), len(b), err)
	// Output: 39 20 <nil>
}
