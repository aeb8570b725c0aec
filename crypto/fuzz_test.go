package crypto_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

// kinds are all the kinds that an error about an input may have.
var kinds = []error{crypto.ErrFormat, crypto.ErrNoKey, crypto.ErrWrongPassphrase, crypto.ErrDamaged, crypto.ErrTooLarge, crypto.ErrRefused, crypto.ErrExpired}

func kindOf(err error) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// FuzzDecrypt: whatever comes in, the answer is a plaintext or an error of a known kind, and inspecting it
// agrees on what it is.
func FuzzDecrypt(f *testing.F) {
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	rs, err := agefile.ParseRecipients(recipient)
	if err != nil {
		f.Fatal(err)
	}
	keys, err := crypto.KeyFile{}.Private([]byte(identity))
	if err != nil {
		f.Fatal(err)
	}
	fk, err := fernet.ParseKey(fernet.NewKey())
	if err != nil {
		f.Fatal(err)
	}
	key, err := pgp.NewKey(pgp.KeyParams{Now: now})
	if err != nil {
		f.Fatal(err)
	}
	keys.Fernet, keys.PGP = []crypto.NamedFernet{{"f", fk}}, []crypto.NamedPGP{{"p", key}}
	for _, t := range []crypto.Target{
		{Recipients: rs}, {Recipients: rs, Armor: true}, {Fernet: &fk}, {PGP: []*pgp.Certificate{key.Certificate()}},
		{PGP: []*pgp.Certificate{key.Certificate()}, Armor: true},
	} {
		var b bytes.Buffer
		w, err := crypto.Encrypt(&b, t, now())
		if err != nil {
			f.Fatal(err)
		}
		io.WriteString(w, "content")
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("Z0FBQUFBQmxVX0VBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EeTAyMWNwR1ZXS1pfZUV3Q0dNNEJMTEZf"))
	f.Fuzz(func(t *testing.T, in []byte) {
		format, _ := crypto.Detect(in)
		p, err := crypto.Decrypt(bytes.NewReader(in), keys, crypto.Options{Now: now})
		if err == nil {
			var got []byte
			if got, err = io.ReadAll(io.LimitReader(p, 1<<20)); err == nil && string(got) != "content" {
				t.Errorf("forged: %q", got)
			}
		}
		if err != nil && !kindOf(err) {
			t.Errorf("an error without a kind: %v", err)
		}
		info, err := crypto.Inspect(bytes.NewReader(in))
		if err != nil && !kindOf(err) {
			t.Errorf("inspect: an error without a kind: %v", err)
		}
		if p != nil && (info.Format != p.Format || format != p.Format) {
			t.Errorf("decrypted as %s, inspected as %s, detected as %s", p.Format, info.Format, format)
		}
	})
}

// FuzzKeyFile: what is no key is an error that does not repeat it.
func FuzzKeyFile(f *testing.F) {
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	key, err := pgp.NewKey(pgp.KeyParams{Now: now})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{identity, recipient, key.Armor(), key.Certificate().Armor(), fernet.NewKey(), "# a\n" + identity + "\r\n", "-----BEGIN PRIVATE KEY-----\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		k, err := crypto.KeyFile{}.Private(in)
		if err == nil && k.Empty() {
			t.Error("neither a key nor an error")
		}
		if err != nil && len(in) > 40 && bytes.Contains([]byte(err.Error()), in) {
			t.Error("the error repeats what was read")
		}
		p, err := crypto.KeyFile{}.Public(in)
		if err == nil && len(p.Age)+len(p.PGP) == 0 {
			t.Error("neither a public key nor an error")
		}
	})
}
