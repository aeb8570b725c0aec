package crypto_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/pgp"
)

func ExampleEncrypt() {
	var sealed bytes.Buffer
	w, err := crypto.Encrypt(&sealed, crypto.Target{Passphrase: "five random words do well", WorkFactor: 10}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(w, "a letter")
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	plain, err := crypto.Decrypt(&sealed, crypto.Keys{Passphrase: "five random words do well"}, crypto.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(plain)
	fmt.Printf("%s, opened with %s: %s %v\n", plain.Format, plain.Label, text, err)
	// Output: age, opened with the passphrase: a letter <nil>
}

func ExampleDecrypt() {
	_, err := crypto.Decrypt(strings.NewReader("just a text"), crypto.Keys{}, crypto.Options{})
	fmt.Println(errors.Is(err, crypto.ErrFormat))
	fmt.Println(err)
	// Output:
	// true
	// decrypt: this is neither an age file, an OpenPGP message nor a Fernet token
}

// A message of OpenPGP's usual kind is authenticated at its end only: it is read to there first, and handed
// on when it is opened again.
func ExampleReopen() {
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ada"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var b bytes.Buffer
	w, err := crypto.Encrypt(&b, crypto.Target{PGP: []*pgp.Certificate{key.Certificate()}, Sign: []*pgp.Key{key}}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(w, "a letter")
	w.Close()

	opt := crypto.Options{Verify: []*pgp.Certificate{key.Certificate()}}
	plain, err := crypto.Decrypt(bytes.NewReader(b.Bytes()), crypto.Keys{PGP: []crypto.NamedPGP{{Label: "my key", Key: key}}}, opt)
	if err != nil {
		fmt.Println(err)
		return
	}
	if plain.Trust == crypto.TrustAtEOF {
		if _, err := io.Copy(io.Discard, plain); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("signature:", plain.Signatures()[0].Status)
		if plain, err = crypto.Reopen(bytes.NewReader(b.Bytes()), plain, opt); err != nil {
			fmt.Println(err)
			return
		}
	}
	text, err := io.ReadAll(plain)
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// signature: good
	// a letter <nil>
}

func ExampleDetect() {
	fmt.Println(crypto.Detect([]byte("age-encryption.org/v1\n-> X25519 ")))
	fmt.Println(crypto.Detect([]byte("On Monday Ada wrote:\n> -----BEGIN PGP MESSAGE-----\n>\n")))
	fmt.Println(crypto.Detect([]byte("hello")))
	// Output:
	// age false
	// pgp true
	// unknown false
}

func ExampleInspect() {
	var b bytes.Buffer
	w, err := crypto.Encrypt(&b, crypto.Target{Passphrase: "a passphrase", WorkFactor: 10}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(w, "a letter")
	w.Close()
	info, err := crypto.Inspect(&b)
	fmt.Println(info.Format, info.Age.Stanzas, info.Age.WorkFactor, info.Content, info.Problem == "", err)
	// Output: age [scrypt] 10 8 true <nil>
}

func ExampleKeyFile_Private() {
	keys, err := crypto.KeyFile{Label: "my key file"}.Private([]byte("# made today\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n"))
	fmt.Println(len(keys.Age), keys, err)
	target, err := keys.Recipients()
	fmt.Println(len(target.Recipients), err)
	// Output:
	// 1 [redacted] <nil>
	// 1 <nil>
}

func ExampleKeyFile_Public() {
	_, err := crypto.KeyFile{}.Public([]byte("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"))
	fmt.Println(err)
	// Output: read public keys: this is a private key, which must stay with its owner: give the public one (age1...) (line 1)
}

func ExampleTarget_Check() {
	err := crypto.Target{Passphrase: "a passphrase", PassphraseFormat: crypto.FormatFernet}.Check(time.Now())
	fmt.Println(err)
	// Output: encrypt: a passphrase makes an age file or an OpenPGP message; Fernet needs a key
}

func ExampleNeedsPassphrase() {
	var sealed bytes.Buffer
	w, err := crypto.Encrypt(&sealed, crypto.Target{Passphrase: "five random words do well", WorkFactor: 10}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	_, err = crypto.Decrypt(&sealed, crypto.Keys{}, crypto.Options{})
	fmt.Println(crypto.NeedsPassphrase(err))
	_, err = crypto.Decrypt(strings.NewReader("just a text"), crypto.Keys{}, crypto.Options{})
	fmt.Println(crypto.NeedsPassphrase(err))
	// Output:
	// true
	// false
}
