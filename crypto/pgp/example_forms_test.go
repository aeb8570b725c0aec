package pgp_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"zencrypt/crypto/pgp"
)

// Takes a clear-signed text apart, so that its signature can be checked beside the file that it stands for.
func ExampleDetach() {
	key, err := pgp.NewSigningKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	signed, err := pgp.SignText([]byte("as agreed\n"), []*pgp.Key{key}, 0, pgp.SignOptions{})
	if err != nil {
		log.Fatal(err)
	}
	var text bytes.Buffer
	signature, err := pgp.Detach(&text, bytes.NewReader(signed), 1<<10)
	if err != nil {
		log.Fatal(err)
	}
	over, err := pgp.TextSignatures(signature)
	fmt.Printf("%q %v %v\n", text.String(), over, err)
	// Output: "as agreed\n" [true] <nil>
}

func ExampleTextSignatures() {
	_, err := pgp.TextSignatures([]byte("no signature"))
	fmt.Println(errors.Is(err, pgp.ErrFormat))
	// Output: true
}

func ExampleNewSigningKey() {
	key, err := pgp.NewSigningKey(pgp.KeyParams{Name: "Releases"})
	if err != nil {
		log.Fatal(err)
	}
	info := key.Certificate().Info(time.Now())
	fmt.Println(len(info.UserIDs), info.CanSign, info.CanEncrypt)
	// Output: 1 true false
}

func ExampleAlgorithms() {
	fmt.Println(pgp.Algorithms()[0])
	// Output: curve25519
}

func ExampleAddArmor() {
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	binary := key.Certificate().Bytes()
	var armored, again bytes.Buffer
	if err := pgp.AddArmor(&armored, bytes.NewReader(binary)); err != nil {
		log.Fatal(err)
	}
	first, _, _ := strings.Cut(armored.String(), "\n")
	err = pgp.RemoveArmor(&again, &armored)
	fmt.Println(first, err, bytes.Equal(again.Bytes(), binary))
	// Output: -----BEGIN PGP PUBLIC KEY BLOCK----- <nil> true
}

func ExampleRemoveArmor() {
	err := pgp.RemoveArmor(&bytes.Buffer{}, strings.NewReader("just text"))
	fmt.Println(errors.Is(err, pgp.ErrFormat))
	// Output: true
}

func ExampleUserID() {
	id, err := pgp.UserID("Ann", "ann@example.org")
	fmt.Println(id, err)
	_, err = pgp.UserID("Ann <root>", "")
	fmt.Println(errors.Is(err, pgp.ErrUserID))
	// Output:
	// Ann <ann@example.org> <nil>
	// true
}

func ExampleDisplay() {
	fmt.Println(pgp.Display("Ann\u202e \x1b[2Jexample"))
	// Output: Ann� �[2Jexample
}
