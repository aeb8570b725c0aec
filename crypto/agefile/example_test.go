package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

func Example() {
	secret, public, err := agefile.NewIdentity()
	if err != nil {
		log.Fatal(err)
	}
	recipients, err := agefile.ParseRecipients(public)
	if err != nil {
		log.Fatal(err)
	}
	identities, err := agefile.ParseIdentities(secret)
	if err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer
	w, err := agefile.Encrypt(&file, true, recipients...)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(w, "attack at dawn\n")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	opened, err := agefile.Open(&file, identities...)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(os.Stdout, opened); err != nil {
		log.Fatal(err)
	}
	// Output: attack at dawn
}

// exampleKey returns a key pair for the examples.
func exampleKey() (age.Identity, age.Recipient) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		log.Fatal(err)
	}
	return id, id.Recipient()
}

// exampleFile returns an age file.
func exampleFile(content string, armored bool, rs ...age.Recipient) []byte {
	var file bytes.Buffer
	w, err := agefile.Encrypt(&file, armored, rs...)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}

func ExampleEncrypt() {
	_, recipient := exampleKey()
	var file bytes.Buffer
	w, err := agefile.Encrypt(&file, false, recipient)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(w, "hello")
	if err := w.Close(); err != nil { // without it the file is cut short
		log.Fatal(err)
	}
	fmt.Printf("%d bytes, %q\n", file.Len(), file.Bytes()[:21])
	// Output: 205 bytes, "age-encryption.org/v1"
}

func ExampleEncryptParallel() {
	identity, recipient := exampleKey()
	var file bytes.Buffer
	w, err := agefile.EncryptParallel(&file, false, agefile.Workers(), recipient)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.Copy(w, strings.NewReader("a large file")); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	opener := agefile.Opener{Identities: []age.Identity{identity}, Workers: agefile.Workers()}
	opened, err := opener.Open(&file)
	if err != nil {
		log.Fatal(err)
	}
	defer opened.Close()
	if _, err := io.Copy(os.Stdout, opened); err != nil {
		log.Fatal(err)
	}
	// Output: a large file
}

func ExampleCheck() {
	_, recipient := exampleKey()
	passphrase, err := agefile.PassphraseRecipient("correct horse", agefile.ServerWorkFactor)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(errors.Is(agefile.Check(recipient, passphrase), agefile.ErrMixed))
	// Output: true
}

func ExampleOpen() {
	_, recipient := exampleKey()
	another, _ := exampleKey()
	_, err := agefile.Open(bytes.NewReader(exampleFile("hello", false, recipient)), another)
	var noKey *agefile.NoKeyError
	fmt.Println(errors.As(err, &noKey), err)
	// Output: true open age file: the key does not fit, it is encrypted to a public key
}

func ExampleOpener() {
	identity, recipient := exampleKey()
	pasted := "Hello,\nhere it is:\n\n" + string(exampleFile("hello", true, recipient))
	for _, strict := range []bool{false, true} {
		_, err := agefile.Opener{Identities: []age.Identity{identity}, Strict: strict}.Open(strings.NewReader(pasted))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// open age file: this is not an age file
}

func ExampleOpenAt() {
	identity, recipient := exampleKey()
	file := exampleFile("attack at dawn", false, recipient)
	at, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), identity)
	if err != nil {
		log.Fatal(err)
	}
	word := make([]byte, 4)
	if _, err := at.ReadAt(word, 10); err != nil && err != io.EOF {
		log.Fatal(err)
	}
	fmt.Printf("%s of %d bytes\n", word, at.Size)
	// Output: dawn of 14 bytes
}

func ExampleOpenWithFileKey() {
	identity, recipient := exampleKey()
	file := exampleFile("hello", true, recipient)
	opened, err := agefile.Open(bytes.NewReader(file), identity)
	if err != nil {
		log.Fatal(err)
	}
	// Later, without the identity.
	again, err := agefile.OpenWithFileKey(bytes.NewReader(file), opened.FileKey)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, again)
	// Output: hello
}

func ExampleOpenWithFileKeyAt() {
	identity, recipient := exampleKey()
	file := exampleFile("hello", false, recipient)
	opened, err := agefile.Open(bytes.NewReader(file), identity)
	if err != nil {
		log.Fatal(err)
	}
	again, err := agefile.OpenWithFileKeyAt(bytes.NewReader(file), int64(len(file)), opened.FileKey)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, again)
	// Output: hello
}

func ExampleInspect() {
	_, recipient := exampleKey()
	info, err := agefile.Inspect(bytes.NewReader(exampleFile("hello", true, recipient)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Armored, info.Stanzas, info.Passphrase)
	// Output: true [X25519] false
}

func ExampleMeasure() {
	_, recipient := exampleKey()
	file := exampleFile("hello", false, recipient)
	m, err := agefile.Measure(bytes.NewReader(file))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Size == int64(len(file)), m.Content, m.Problem == "")
	m, err = agefile.Measure(bytes.NewReader(file[:len(file)-10]))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Content, m.Problem == "")
	// Output:
	// true 5 true
	// -1 false
}

func ExampleLooks() {
	fmt.Println(agefile.Looks([]byte("age-encryption.org/v1\n")))
	fmt.Println(agefile.Looks([]byte("\n-----BEGIN AGE ENCRYPTED FILE-----\n")))
	fmt.Println(agefile.Looks([]byte("%PDF-1.7")))
	// Output:
	// true false
	// true true
	// false false
}

func ExampleArmored() {
	fmt.Println(agefile.Armored([]byte("see below:\n-----BEGIN AGE ENCRYPTED FILE-----\n")))
	// Output: true
}

func ExampleWorkers() {
	fmt.Println(agefile.Workers() >= 1, agefile.Workers() <= 16)
	// Output: true true
}

func ExampleSealFile() {
	var file bytes.Buffer
	w, key, err := agefile.SealFile(&file)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(w, "hello")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	content, err := agefile.OpenFile(&file, key)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, content)
	// Output: hello
}

func ExampleOpenFile() {
	_, err := agefile.OpenFile(strings.NewReader("something else"), [16]byte{})
	fmt.Println(errors.Is(err, agefile.ErrDamaged))
	// Output: true
}

func ExampleOpenFileAt() {
	var file bytes.Buffer
	w, key, err := agefile.SealFile(&file)
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(w, "hello")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	at, size, err := agefile.OpenFileAt(bytes.NewReader(file.Bytes()), int64(file.Len()), key)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, agefile.ReadAhead(at, size))
	// Output: hello
}

func ExampleReadAhead() {
	text := strings.NewReader("hello")
	io.Copy(os.Stdout, agefile.ReadAhead(text, text.Size()))
	// Output: hello
}
