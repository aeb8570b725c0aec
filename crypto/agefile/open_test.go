package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

func TestOpener_MaxAttempts(t *testing.T) {
	ids := make([]age.Identity, 5000)
	for i := range ids {
		ids[i] = &counting{}
	}
	p := newPair(t)
	ids[4999] = p.id
	file := encrypt(t, false, []byte("hello"), p.rec)
	if _, err := agefile.Open(bytes.NewReader(file), ids...); !errors.Is(err, agefile.ErrTooManyAttempts) {
		t.Errorf("with the default: %v", err)
	}
	o, err := agefile.Opener{Identities: ids, MaxAttempts: 5000}.Open(bytes.NewReader(file))
	if err != nil || o.Index != 4999 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOpenAt(t *testing.T) {
	p := newPair(t)
	for _, n := range sizes() {
		plain := content(n)
		file := encrypt(t, false, plain, newPair(t).rec, p.rec)
		at, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), newPair(t).id, p.id)
		if err != nil {
			t.Fatal(err)
		}
		if at.Size != int64(n) || at.Index != 1 || len(at.Info.Stanzas) != 2 || strings.Contains(fmt.Sprintf("%v %+v %x", at, at, at), fmt.Sprintf("%x", at.FileKey)) {
			t.Errorf("%d bytes: size %d, index %d, %+v", n, at.Size, at.Index, at.Info)
		}
		for off := n; off >= 0; off -= 9973 {
			got := make([]byte, min(100, n-off))
			if m, err := at.ReadAt(got, int64(off)); m != len(got) || !bytes.Equal(got, plain[off:off+m]) {
				t.Errorf("%d bytes at %d of %d: %v", m, off, n, err)
			}
		}
		for _, cut := range []int{1, 16, 17, len(file) - 10, len(file) - at.Info.HeaderSize - 8, len(file) - at.Info.HeaderSize} {
			if cut <= 0 || cut >= len(file) {
				continue
			}
			if _, err := agefile.OpenAt(bytes.NewReader(file[:len(file)-cut]), int64(len(file)-cut), p.id); !errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("%d bytes short by %d: %v, want ErrDamaged", n, cut, err)
			}
		}
	}
	armored := encrypt(t, true, []byte("x"), p.rec)
	if _, err := agefile.OpenAt(bytes.NewReader(armored), int64(len(armored)), p.id); !errors.Is(err, agefile.ErrArmored) {
		t.Errorf("armored: %v", err)
	}
	file := encrypt(t, false, []byte("x"), p.rec)
	var noKey *agefile.NoKeyError
	if _, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), newPair(t).id); !errors.As(err, &noKey) {
		t.Errorf("another key: %v", err)
	}
	for _, in := range []string{"", "hello"} {
		if _, err := agefile.OpenAt(strings.NewReader(in), int64(len(in)), p.id); !errors.Is(err, agefile.ErrFormat) {
			t.Errorf("%q: %v, want ErrFormat", in, err)
		}
	}
	lost := errors.New("disk gone")
	if _, err := agefile.OpenAt(failingAt{lost}, 1000, p.id); !errors.Is(err, lost) || errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("a source that fails: %v", err)
	}
}
