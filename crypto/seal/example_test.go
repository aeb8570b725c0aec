package seal_test

import (
	"errors"
	"fmt"
	"log"

	"zencrypt/crypto/seal"
)

func ExampleSeal() {
	key := seal.NewKey()
	place := seal.Place{Table: "items", Column: "sealed_title", Row: []byte("row"), User: []byte("user")}
	sealed := seal.Seal(key, 1, place, []byte("a title"))
	title, err := seal.Open(key, place, sealed)
	fmt.Println(string(title), err, len(sealed)-len(title) == seal.Overhead)

	place.Row = []byte("another row")
	_, err = seal.Open(key, place, sealed)
	fmt.Println(errors.Is(err, seal.ErrOpen))
	// Output:
	// a title <nil> true
	// true
}

func ExampleOpen() {
	_, err := seal.Open(seal.NewKey(), seal.Place{}, []byte("short"))
	fmt.Println(err)
	// Output: open seal: not a sealed value
}

func ExampleVersion() {
	sealed := seal.Seal(seal.NewKey(), 7, seal.Place{}, nil)
	fmt.Println(seal.Version(sealed))
	// Output: 7 <nil>
}

func ExampleRing() {
	ring := seal.NewRing(1, seal.NewKey())
	place := seal.Place{Table: "items", Column: "sealed_body", Row: []byte("row"), User: []byte("user")}
	old := ring.Seal(seal.Items, place, []byte("sealed under the first version"))
	ring.Add(2, seal.NewKey())
	text, err := ring.Open(seal.Items, place, old)
	version, _ := ring.Current()
	fmt.Println(string(text), err, version)
	// Output: sealed under the first version <nil> 2
}

func ExampleNewRing() {
	fmt.Printf("%v\n", seal.NewRing(1, seal.NewKey()))
	// Output: [redacted]
}

func ExampleNewKey() {
	one, two := seal.NewKey(), seal.NewKey()
	fmt.Println(one == two)
	// Output: false
}

func ExampleDerive() {
	secret := seal.NewKey() // of full entropy, never a password
	fmt.Println(seal.Derive(secret[:], "one purpose") == seal.Derive(secret[:], "another"))
	// Output: false
}

// What anybody may seal, and only the account opens.
func ExampleSealTo() {
	public, private, err := seal.NewHPKE()
	if err != nil {
		log.Fatal(err)
	}
	message, err := seal.SealTo(public, []byte("event"), []byte("row"), []byte("a wrong password"))
	if err != nil {
		log.Fatal(err)
	}
	text, err := seal.OpenFrom(private, []byte("event"), []byte("row"), message)
	fmt.Println(string(text), err)
	// Output: a wrong password <nil>
}

func ExampleOpenFrom() {
	_, private, err := seal.NewHPKE()
	if err != nil {
		log.Fatal(err)
	}
	_, err = seal.OpenFrom(private, nil, nil, make([]byte, 48))
	fmt.Println(errors.Is(err, seal.ErrOpen))
	// Output: true
}

func ExampleNewHPKE() {
	public, private, err := seal.NewHPKE()
	fmt.Println(len(public), len(private), err)
	// Output: 32 32 <nil>
}
