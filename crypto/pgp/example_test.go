package pgp_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"zencrypt/crypto/pgp"
)

func ExampleEncrypt() {
	bob, err := pgp.NewKey(pgp.KeyParams{Name: "Bob", Email: "bob@example.org"})
	if err != nil {
		log.Fatal(err)
	}
	var message bytes.Buffer
	w, err := pgp.Encrypt(&message, pgp.EncryptOptions{To: []*pgp.Certificate{bob.Certificate()}, Armor: true})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "Meet me at noon."); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil { // without it the message is cut short
		log.Fatal(err)
	}
	m, err := pgp.Open(&message, pgp.OpenOptions{Keys: []*pgp.Key{bob}})
	if err != nil {
		log.Fatal(err)
	}
	// Not m.Chunked, so that nothing is authenticated before the end.
	text, err := io.ReadAll(m)
	fmt.Println(string(text), err, m.Chunked)
	// Output: Meet me at noon. <nil> false
}

func ExampleOpen_passphrase() {
	var message bytes.Buffer
	w, err := pgp.Encrypt(&message, pgp.EncryptOptions{Passphrases: []string{"correct horse"}, Modern: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, "hello")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = pgp.Open(bytes.NewReader(message.Bytes()), pgp.OpenOptions{Passphrases: []string{"battery staple"}})
	fmt.Println(err)
	m, err := pgp.Open(&message, pgp.OpenOptions{Passphrases: []string{"correct horse"}})
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(m)
	fmt.Println(string(text), err, m.Cipher, m.AEAD, m.SessionKey)
	// Output:
	// open message: wrong passphrase
	// hello <nil> AES-256 OCB [redacted]
}

func ExampleSignDetached() {
	ann, err := pgp.NewKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	var signature bytes.Buffer
	w, err := pgp.SignDetached(&signature, []*pgp.Key{ann}, pgp.SignOptions{Armor: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, "the content of a file")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	all, err := pgp.Verify(strings.NewReader("the content of a file"), &signature, []*pgp.Certificate{ann.Certificate()}, pgp.VerifyOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(all[0].Status, all[0].UserID)
	// Output: good Ann
}

func ExampleSignText() {
	ann, err := pgp.NewKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	signed, err := pgp.SignText([]byte("I owe Bob 1 coin.\n"), []*pgp.Key{ann}, 0, pgp.SignOptions{})
	if err != nil {
		log.Fatal(err)
	}
	forged := bytes.Replace(signed, []byte("1 coin"), []byte("9 coin"), 1)
	for _, text := range [][]byte{signed, forged} {
		t, err := pgp.VerifyText(bytes.NewReader(text), []*pgp.Certificate{ann.Certificate()}, 0, pgp.VerifyOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q %s\n", t.Text, t.Signatures[0].Status)
	}
	// Output:
	// "I owe Bob 1 coin.\n" good
	// "I owe Bob 9 coin.\n" bad
}

func ExampleSign() {
	ann, err := pgp.NewKey(pgp.KeyParams{Algorithm: pgp.Curve25519V6, Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	var message bytes.Buffer
	w, err := pgp.Sign(&message, []*pgp.Key{ann}, pgp.SignOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, "for everybody")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	m, err := pgp.OpenSigned(&message, pgp.OpenOptions{Verify: []*pgp.Certificate{ann.Certificate()}})
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(m)
	fmt.Println(string(text), err, pgp.AnyGood(m.Signatures()))
	// Output: for everybody <nil> true
}

func ExampleKey_Lock() {
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann", Expires: time.Now().AddDate(2, 0, 0)})
	if err != nil {
		log.Fatal(err)
	}
	locked, err := key.Lock("correct horse", pgp.LockOptions{})
	if err != nil {
		log.Fatal(err)
	}
	file := locked.Armor() // to be kept
	keys, err := pgp.ReadKeys(strings.NewReader(file), pgp.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = keys[0].Unlock("battery staple", pgp.LockOptions{})
	fmt.Println(err)
	unlocked, err := keys[0].Unlock("correct horse", pgp.LockOptions{})
	fmt.Println(unlocked.Locked(), err)
	// Output:
	// wrong passphrase
	// false <nil>
}

func ExampleKey_RevocationCertificate() {
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	note, err := key.RevocationCertificate(pgp.Compromised, "", time.Now()) // to be kept apart from the key
	if err != nil {
		log.Fatal(err)
	}
	cert, err := key.Certificate().ApplyRevocation(strings.NewReader(note))
	if err != nil {
		log.Fatal(err)
	}
	err = cert.CheckEncrypt(time.Now())
	fmt.Println(strings.TrimPrefix(err.Error(), "use key "+key.Fingerprint()))
	// Output: : it was revoked: it is no longer secret
}

func ExampleReadCertificates() {
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann"})
	if err != nil {
		log.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(strings.NewReader("My key:\n"+key.Certificate().Armor()), pgp.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	i := certs[0].Info(time.Now())
	fmt.Println(i.Algorithm, i.Version, i.UserIDs, i.CanEncrypt, i.Subkeys[0].Algorithm)
	_, err = pgp.ReadCertificates(strings.NewReader(key.Armor()), pgp.ReadOptions{})
	fmt.Println(err)
	// Output:
	// ed25519 4 [Ann] true cv25519
	// read public keys: this is a private key, which must stay with its owner: give the public one
}

func ExampleInspect() {
	var message bytes.Buffer
	w, err := pgp.Encrypt(&message, pgp.EncryptOptions{Passphrases: []string{"secret"}})
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	ok, armored := pgp.Looks(message.Bytes())
	fmt.Println(ok, armored)
	i, err := pgp.Inspect(&message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(i.Kind, i.Protection, i.Passphrases[0].S2K.Kind, i.Passphrases[0].S2K.Count, i.Whole)
	// Output:
	// true false
	// encrypted message SEIPDv1 iterated 65011712 true
}

func ExampleParseSessionKey() {
	var message bytes.Buffer
	w, err := pgp.Encrypt(&message, pgp.EncryptOptions{Passphrases: []string{"secret"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprint(w, "again")
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	first, err := pgp.Open(bytes.NewReader(message.Bytes()), pgp.OpenOptions{Passphrases: []string{"secret"}})
	if err != nil {
		log.Fatal(err)
	}
	session, err := pgp.ParseSessionKey(first.SessionKey.Encode())
	if err != nil {
		log.Fatal(err)
	}
	m, err := pgp.Open(&message, pgp.OpenOptions{SessionKey: session}) // without a slow hash
	if err != nil {
		log.Fatal(err)
	}
	text, err := io.ReadAll(m)
	fmt.Println(string(text), err)
	// Output: again <nil>
}
