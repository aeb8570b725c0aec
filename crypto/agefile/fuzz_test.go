package agefile_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"

	"zencrypt/crypto/agefile"
)

// seeds are the files of the test vectors that a fuzzer can work with, and the identities of the X25519 ones.
func seeds(f *testing.F) []age.Identity {
	var ids []age.Identity
	for _, v := range vectors(f) {
		if len(v.file) < 4<<10 {
			f.Add(v.file)
		}
		if v.name == "x25519" || v.name == "hybrid" {
			ids = append(ids, v.identities...)
		}
	}
	return ids
}

// typed tells whether an error of Open is one that its comment names.
func typed(err error) bool {
	var noKey *agefile.NoKeyError
	return errors.As(err, &noKey) || !strings.HasPrefix(class(err), "untyped")
}

// All ways to open a file agree.
func FuzzOpener(f *testing.F) {
	ids := seeds(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		if info, err := agefile.Inspect(bytes.NewReader(file)); err == nil && info.Passphrase {
			return // the identities open none, and there is no time for scrypt
		}
		out, kind := same(t, "fuzzed", file, ids...)
		if strings.HasPrefix(kind, "untyped") {
			t.Error(kind)
		}
		strictOut, strictKind := outcome(agefile.Opener{Identities: ids, Strict: true}, file)
		if strictKind == "success" && (kind != "success" || !bytes.Equal(out, strictOut)) {
			t.Errorf("strict opens %d bytes, otherwise %d and %s", len(strictOut), len(out), kind)
		}
		strict(t, file, ids, strictOut, strictKind)
		at, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), ids...)
		if err != nil && !errors.Is(err, agefile.ErrArmored) && !typed(err) {
			t.Errorf("OpenAt: untyped error: %v", err)
		}
		if err == nil {
			whole, err := io.ReadAll(io.NewSectionReader(at, 0, at.Size))
			if (err == nil) != (kind == "success") || err == nil && !bytes.Equal(whole, out) {
				t.Errorf("OpenAt gives %d bytes and %v, Open %d and %s", len(whole), err, len(out), kind)
			}
		}
	})
}

// strict holds Strict against age itself: it opens what age opens, and nothing else.
func strict(t *testing.T, file []byte, ids []age.Identity, out []byte, kind string) {
	var src io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(bytes.TrimSpace(file[:min(len(file), 1024+len(armor.Header))]), []byte(armor.Header)) {
		src = armor.NewReader(src)
	}
	var theirs []byte
	r, err := age.Decrypt(src, ids...)
	if err == nil {
		theirs, err = io.ReadAll(r)
	}
	if (err == nil) != (kind == "success") || err == nil && !bytes.Equal(theirs, out) {
		t.Errorf("age gives %d bytes and %v, Strict %d and %s", len(theirs), err, len(out), kind)
	}
}

// What is put into armor is passed over or refused, and never changes what is in it.
func FuzzArmor(f *testing.F) {
	p := newPair(f)
	file := string(encrypt(f, true, content(300), p.rec))
	for at := 0; at < len(file); at += 10 {
		for _, with := range []string{"\n", "\r\n", " ", "\x00", "=", "QUJD\n", "text\n", "\ufeff", "-----END AGE ENCRYPTED FILE-----\n"} {
			f.Add(at, with, 0)
		}
	}
	f.Add(0, "Hello,\n\nhere it is:\n", 0)
	f.Add(100, "", 7)
	f.Fuzz(func(t *testing.T, at int, with string, without int) {
		at = min(max(at, 0), len(file))
		changed := file[:at] + with + file[min(at+max(without, 0), len(file)):]
		for _, strict := range []bool{false, true} {
			opened, err := agefile.Opener{Identities: []age.Identity{p.id}, Strict: strict}.Open(strings.NewReader(changed))
			var got []byte
			if err == nil {
				got, err = io.ReadAll(opened)
			}
			if err == nil && !bytes.Equal(got, content(300)) {
				t.Errorf("strict %v: %q opens as %q", strict, changed, got)
			}
			if err != nil && !typed(err) {
				t.Errorf("strict %v: untyped error: %v", strict, err)
			}
		}
	})
}

func FuzzKeyReaderRecipients(f *testing.F) {
	secret, public := identity(f)
	_, pq, err := agefile.NewHybridIdentity()
	if err != nil {
		f.Fatal(err)
	}
	_, ed := sshPair(f, "ssh-ed25519", "")
	_, rsaLine := sshPair(f, "ssh-rsa", "")
	_, ec := sshPair(f, "ecdsa-sha2-nistp256", "")
	for _, seed := range []string{public, "# x\n" + pq, secret, ed + " me\n" + rsaLine, ec, "age1test10qdmzv9q", "\ufeff\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k := agefile.KeyReader{MaxKeys: 5, Warn: func(m string) {
			if strings.ContainsFunc(m, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("a warning that cannot be shown: %q", m)
			}
		}}
		rs, err := k.Recipients(bytes.NewReader(text))
		if err == nil && (len(rs) == 0 || len(rs) > 5) {
			t.Errorf("%d recipients without an error", len(rs))
		}
		if err != nil && !errors.Is(err, agefile.ErrKeys) && !errors.Is(err, agefile.ErrPrivateKey) {
			t.Errorf("untyped error: %v", err)
		}
		_, one := k.Recipient(string(text))
		for _, err := range []error{err, one} {
			if err != nil && (len(err.Error()) > 300 || len(text) > 40 && strings.Contains(err.Error(), string(text))) {
				t.Errorf("the error repeats the keys: %v", err)
			}
		}
	})
}

func FuzzKeyReaderIdentities(f *testing.F) {
	secret, public := identity(f)
	pq, _, err := agefile.NewHybridIdentity()
	if err != nil {
		f.Fatal(err)
	}
	lock, err := agefile.PassphraseRecipient("x", 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"} {
		file, _ := sshPair(f, kind, "")
		f.Add(file)
	}
	for _, seed := range []string{secret, "# x\r\n" + pq, public, "AGE-PLUGIN-TEST-10Q32NLXM", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"} {
		f.Add([]byte(seed))
	}
	f.Add(encrypt(f, true, []byte(secret), lock))
	f.Add(encrypt(f, false, []byte(secret), lock))
	f.Fuzz(func(t *testing.T, text []byte) {
		k := agefile.KeyReader{
			MaxKeys: 5, MaxWorkFactor: 1, Passphrase: func() (string, error) { return "x", nil },
			PublicKey: func() ([]byte, error) { return []byte("ssh-ed25519 AAAA"), nil },
		}
		ids, err := k.Identities(bytes.NewReader(text))
		if err == nil && (len(ids) == 0 || len(ids) > 5) {
			t.Errorf("%d identities without an error", len(ids))
		}
		if err == nil {
			_, err = agefile.RecipientsOf(ids...)
		}
		if err != nil && !errors.Is(err, agefile.ErrKeys) && !errors.Is(err, agefile.ErrPublicKey) && !errors.Is(err, agefile.ErrKeyPassphrase) {
			t.Errorf("untyped error: %v", err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("the error repeats the keys: %v", err)
		}
	})
}
