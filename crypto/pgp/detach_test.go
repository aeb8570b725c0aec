package pgp_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"zencrypt/crypto/pgp"
)

// signedForms are a content and its signed forms: detached, as a message, as clear text.
func signedForms(t testing.TB) (content []byte, forms [][]byte) {
	k := key(t, pgp.Curve25519)
	content = []byte("one\n- two")
	for _, text := range []bool{false, true} {
		for _, armored := range []bool{false, true} {
			var sig, msg bytes.Buffer
			for dst, sign := range map[*bytes.Buffer]func(io.Writer, []*pgp.Key, pgp.SignOptions) (*pgp.Writer, error){&sig: pgp.SignDetached, &msg: pgp.Sign} {
				w, err := sign(dst, []*pgp.Key{k}, pgp.SignOptions{Text: text, Armor: armored})
				if err != nil {
					t.Fatal(err)
				}
				write(t, w, content)
			}
			forms = append(forms, sig.Bytes(), msg.Bytes())
		}
	}
	clear, err := pgp.SignText(content, []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return content, append(forms, clear)
}

// TestDetach: the signatures hold over the content alone, whichever form it was taken from.
func TestDetach(t *testing.T) {
	certs := []*pgp.Certificate{key(t, pgp.Curve25519).Certificate()}
	content, forms := signedForms(t)
	for i, form := range forms {
		var out bytes.Buffer
		sigs, err := pgp.Detach(&out, bytes.NewReader(form), 1<<10)
		if detached := i%2 == 0 && i < len(forms)-1; detached {
			if !errors.Is(err, pgp.ErrDamaged) && !errors.Is(err, pgp.ErrFormat) {
				t.Errorf("form %d is no message: %v", i, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.ReplaceAll(out.Bytes(), []byte("\r\n"), []byte("\n")); !bytes.Equal(got, content) {
			t.Errorf("form %d: %q", i, got)
		}
		verdicts, err := pgp.Verify(&out, bytes.NewReader(sigs), certs, pgp.VerifyOptions{})
		if err != nil || len(verdicts) != 1 || verdicts[0].Status != pgp.Good {
			t.Errorf("form %d: %+v, %v", i, verdicts, err)
		}
		for cut := range form {
			if i < len(forms)-1 || cut < len(form)-1 { // the last line end of armor is nobody's
				if _, err := pgp.Detach(io.Discard, bytes.NewReader(form[:cut]), 1<<10); err == nil && len(bytes.TrimSpace(form[cut:])) > 0 {
					t.Errorf("form %d cut at %d of %d: no error", i, cut, len(form))
				}
			}
		}
	}
	if _, err := pgp.Detach(io.Discard, bytes.NewReader(forms[len(forms)-1]), 10); !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("too long a text: %v", err)
	}
	full := errors.New("disk full")
	if _, err := pgp.Detach(fullDisk{full}, bytes.NewReader(forms[1]), 10); !errors.Is(err, full) || errors.Is(err, pgp.ErrDamaged) {
		t.Errorf("a failing writer: %v", err)
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }

// FuzzDetach: of what comes apart the signatures are read again, or refused by their form.
func FuzzDetach(f *testing.F) {
	_, forms := signedForms(f)
	for _, form := range forms {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sigs, err := pgp.Detach(io.Discard, bytes.NewReader(b), 1<<20)
		if err != nil {
			return
		}
		// A packet that only claims to be a signature is seen when it is to be checked.
		if text, err := pgp.TextSignatures(sigs); err == nil && len(text) == 0 || err != nil && !errors.Is(err, pgp.ErrFormat) {
			t.Errorf("%d signatures, %v", len(text), err)
		}
	})
}

// FuzzAddArmor: what is armored comes back as it was.
func FuzzAddArmor(f *testing.F) {
	_, forms := signedForms(f)
	for _, form := range append(forms, key(f, pgp.Curve25519).Bytes(), key(f, pgp.Curve25519V6).Certificate().Bytes()) {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var armored, binary bytes.Buffer
		if pgp.AddArmor(&armored, bytes.NewReader(b)) != nil || bytes.Equal(armored.Bytes(), b) {
			return
		}
		if err := pgp.RemoveArmor(&binary, &armored); err != nil || !bytes.Equal(binary.Bytes(), b) {
			t.Errorf("%d bytes came back as %d, %v", len(b), binary.Len(), err)
		}
	})
}
