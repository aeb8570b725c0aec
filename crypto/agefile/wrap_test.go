package agefile_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"zencrypt/crypto/agefile"
)

func sealFile(t testing.TB, plain []byte) (file []byte, key [16]byte) {
	t.Helper()
	var buf bytes.Buffer
	w, key, err := agefile.SealFile(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), key
}

func openFile(file []byte, key [16]byte) ([]byte, error) {
	r, err := agefile.OpenFile(bytes.NewReader(file), key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func openFileAt(file []byte, key [16]byte) ([]byte, error) {
	r, n, err := agefile.OpenFileAt(bytes.NewReader(file), int64(len(file)), key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(r, 0, n))
}

func TestSealFile_RoundTrip(t *testing.T) {
	for _, n := range sizes() {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			plain := content(n)
			file, key := sealFile(t, plain)
			if want := agefile.WrapOverhead + n + max(n-1, 0)/chunk*16; len(file) != want {
				t.Errorf("file has %d bytes, want %d", len(file), want)
			}
			if bytes.Contains(file, key[:]) {
				t.Error("the file key stands in the file")
			}
			if got, err := openFile(file, key); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("OpenFile: %d bytes, %v", len(got), err)
			}
			r, size, err := agefile.OpenFileAt(bytes.NewReader(file), int64(len(file)), key)
			if err != nil || size != int64(n) {
				t.Fatalf("OpenFileAt: %d bytes, %v", size, err)
			}
			for _, off := range []int{0, 1, n / 2, n - 1, n} {
				if off < 0 || off > n {
					continue
				}
				got := make([]byte, min(n-off, chunk+10))
				if m, err := r.ReadAt(got, int64(off)); m != len(got) || err != nil && err != io.EOF || !bytes.Equal(got, plain[off:off+m]) {
					t.Errorf("ReadAt %d: %d bytes, %v", off, m, err)
				}
			}
			if m, err := r.ReadAt(make([]byte, 1), int64(n)); m != 0 || err != io.EOF {
				t.Errorf("ReadAt past the end: %d bytes, %v", m, err)
			}
			if _, err := r.ReadAt(make([]byte, 1), -1); err == nil {
				t.Error("ReadAt before the beginning")
			}
		})
	}
}

func TestOpenFile_EveryBit(t *testing.T) {
	file, key := sealFile(t, []byte("attack at dawn"))
	for i := range len(file) * 8 {
		changed := bytes.Clone(file)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := openFile(changed, key); !errors.Is(err, agefile.ErrDamaged) {
			t.Fatalf("OpenFile: bit %d (%q): %v, want ErrDamaged", i, file[i/8], err)
		}
		if _, err := openFileAt(changed, key); !errors.Is(err, agefile.ErrDamaged) {
			t.Fatalf("OpenFileAt: bit %d (%q): %v, want ErrDamaged", i, file[i/8], err)
		}
	}
	for n := range len(file) {
		if _, err := openFile(file[:n], key); !errors.Is(err, agefile.ErrDamaged) {
			t.Fatalf("OpenFile: cut to %d bytes: %v, want ErrDamaged", n, err)
		}
		if _, err := openFileAt(file[:n], key); !errors.Is(err, agefile.ErrDamaged) {
			t.Fatalf("OpenFileAt: cut to %d bytes: %v, want ErrDamaged", n, err)
		}
	}
}

func TestOpenFileAt_Large(t *testing.T) {
	plain := content(3*chunk + 5)
	file, key := sealFile(t, plain)
	for name, changed := range map[string][]byte{
		"ChunkDropped": append(bytes.Clone(file[:len(file)-5-16-chunk-16]), file[len(file)-5-16:]...),
		"Cut":          file[:len(file)-1], "CutChunk": file[:len(file)-5-16], "Longer": append(bytes.Clone(file), make([]byte, 100)...),
	} {
		if _, err := openFileAt(changed, key); !errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
	}
	r, _, err := agefile.OpenFileAt(bytes.NewReader(file), int64(len(file)), key)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			got := make([]byte, chunk)
			off := i * 15_000
			if _, err := r.ReadAt(got, int64(off)); err != nil || !bytes.Equal(got, plain[off:off+chunk]) {
				t.Errorf("ReadAt %d: %v", off, err)
			}
		})
	}
	wg.Wait()
}

// Files cannot be put in each other's place, nor one that age made for somebody.
func TestOpenFile_OtherFile(t *testing.T) {
	a, keyA := sealFile(t, []byte("a"))
	b, _ := sealFile(t, []byte("b"))
	p := newPair(t)
	foreign := encrypt(t, false, []byte("foreign"), p.rec)
	o, err := agefile.Open(bytes.NewReader(foreign), p.id)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		file []byte
		key  [16]byte
	}{
		"OtherFile": {b, keyA}, "NoKey": {a, [16]byte{}}, "Foreign": {foreign, o.FileKey},
		"HeadOfOther": {append(bytes.Clone(a[:agefile.WrapOverhead-32]), b[agefile.WrapOverhead-32:]...), keyA},
	} {
		if _, err := openFile(tc.file, tc.key); !errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("OpenFile %s: %v, want ErrDamaged", name, err)
		}
		if _, err := openFileAt(tc.file, tc.key); !errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("OpenFileAt %s: %v, want ErrDamaged", name, err)
		}
	}
	var noKey *agefile.NoKeyError
	if _, err := agefile.Open(bytes.NewReader(a), p.id); !errors.As(err, &noKey) {
		t.Errorf("a wrapped file given to Open: %v, want NoKeyError", err)
	}
}

type failingAt struct{ err error }

func (f failingAt) ReadAt([]byte, int64) (int, error) { return 0, f.err }

func TestOpenFile_SourceError(t *testing.T) {
	broken := errors.New("input/output error")
	_, key := sealFile(t, nil)
	if _, _, err := agefile.OpenFileAt(failingAt{broken}, 1000, key); !errors.Is(err, broken) || errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("OpenFileAt: %v", err)
	}
}

func FuzzInspect(f *testing.F) {
	p := newPair(f)
	f.Add(encrypt(f, false, []byte("x"), p.rec))
	f.Add(encrypt(f, true, []byte("x"), p.rec))
	f.Add(scryptHeader("18"))
	f.Add([]byte("\ufeff \r\n-----BEGIN AGE ENCRYPTED FILE-----\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		info, err := agefile.Inspect(bytes.NewReader(file))
		switch {
		case err == nil && (len(info.Stanzas) == 0 || len(info.Stanzas) > agefile.MaxStanzas || info.HeaderSize == 0):
			t.Errorf("no error and %+v", info)
		case err != nil && !errors.Is(err, agefile.ErrDamaged) && !errors.Is(err, agefile.ErrFormat) && !errors.Is(err, agefile.ErrTooManyStanzas):
			t.Errorf("untyped error: %v", err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	p := newPair(f)
	f.Add(encrypt(f, false, []byte("x"), p.rec))
	f.Add(encrypt(f, true, []byte("x"), p.rec))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := decrypt(file, p.id)
		var noKey *agefile.NoKeyError
		switch {
		case err == nil && string(got) != "x":
			t.Errorf("forged: %q", got)
		case err != nil && !errors.As(err, &noKey) && !errors.Is(err, agefile.ErrDamaged) && !errors.Is(err, agefile.ErrFormat) && !errors.Is(err, agefile.ErrTooManyStanzas):
			t.Errorf("untyped error: %v", err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	p := newPair(b)
	plain := make([]byte, 16<<20)
	rand.Read(plain)
	file := encrypt(b, false, plain, p.rec)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		o, err := agefile.Open(bytes.NewReader(file), p.id)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, o); err != nil {
			b.Fatal(err)
		}
	}
}
