package agefile_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"zencrypt/crypto/agefile"
)

var errSource = errors.New("the source failed")

// brokenAt fails from an offset on, and gives what precedes it.
type brokenAt struct {
	data []byte
	from int64
}

func (f brokenAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(f.data[:f.from]).ReadAt(p, off)
	if err == io.EOF && off+int64(n) == f.from && f.from < int64(len(f.data)) {
		err = errSource
	}
	return n, err
}

func TestAhead(t *testing.T) {
	const window = 4 * agefile.ChunkSize
	for _, n := range []int{0, 1, window - 1, window, window + 1, 3*window + 7} {
		data := make([]byte, n)
		rand.Read(data)
		if err := iotest.TestReader(agefile.ReadAhead(bytes.NewReader(data), int64(n)), data); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
		// Backwards too, in steps that straddle the window.
		a := agefile.ReadAhead(bytes.NewReader(data), int64(n))
		for off := n - 70_000; off >= 0; off -= 70_000 {
			got := make([]byte, 70_000)
			if m, err := a.ReadAt(got, int64(off)); m != len(got) || err != nil || !bytes.Equal(got, data[off:off+70_000]) {
				t.Errorf("%d bytes at %d of %d: %d, %v", len(got), off, n, m, err)
			}
		}
		if m, err := a.ReadAt(make([]byte, 8), int64(n)-int64(min(n, 3))); m != min(n, 3) || err != io.EOF {
			t.Errorf("over the end of %d: %d, %v", n, m, err)
		}
		if n < 2 {
			continue
		}
		// What precedes an error comes first, and the error stays.
		failing := agefile.ReadAhead(brokenAt{data, int64(n / 2)}, int64(n))
		got, err := io.ReadAll(failing)
		if !bytes.Equal(got, data[:n/2]) || !errors.Is(err, errSource) {
			t.Errorf("failing at %d of %d: %d bytes, %v", n/2, n, len(got), err)
		}
		if m, err := failing.Read(make([]byte, 8)); m != 0 || !errors.Is(err, errSource) {
			t.Errorf("after the error: %d, %v", m, err)
		}
		if _, err := io.ReadAll(agefile.ReadAhead(bytes.NewReader(data[:n/2]), int64(n))); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a source shorter than it should be: %v", err)
		}
	}
}

func TestOpenWithFileKeyAt(t *testing.T) {
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ids, _ := agefile.ParseIdentities(identity)
	rs, _ := agefile.ParseRecipients(recipient)
	for _, n := range []int{0, 1, agefile.ChunkSize - 1, agefile.ChunkSize, agefile.ChunkSize + 1, 9*agefile.ChunkSize + 5} {
		for _, armored := range []bool{false, true} {
			want := make([]byte, n)
			rand.Read(want)
			var b bytes.Buffer
			w, err := agefile.Encrypt(&b, armored, rs...)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(want)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			o, err := agefile.Open(bytes.NewReader(b.Bytes()), ids...)
			if err != nil {
				t.Fatal(err)
			}
			open := func(file []byte) ([]byte, error) {
				r, err := agefile.OpenWithFileKeyAt(bytes.NewReader(file), int64(len(file)), o.FileKey)
				if err != nil {
					return nil, err
				}
				return io.ReadAll(r)
			}
			if got, err := open(b.Bytes()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, armored %t: %d bytes, %v", n, armored, len(got), err)
			}
			if armored {
				continue
			}
			if _, err := open(b.Bytes()[:b.Len()-1]); !errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("%d bytes, cut short: %v", n, err)
			}
			file := bytes.Clone(b.Bytes())
			file[len(file)-n/2-20] ^= 1
			if got, err := open(file); !errors.Is(err, agefile.ErrDamaged) || !bytes.HasPrefix(want, got) || len(got)%agefile.ChunkSize != 0 {
				t.Errorf("%d bytes, one bit changed: %d bytes, %v", n, len(got), err)
			}
		}
	}
}
