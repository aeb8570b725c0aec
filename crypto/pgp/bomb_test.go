package pgp_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// bomb is a compressed packet that unpacks to n MiB of a literal packet of zeros. Deflate
// blocks of zeros that end in a flush can be repeated: what they refer to is zeros, too.
func bomb(t testing.TB, n int) []byte {
	t.Helper()
	var out, block bytes.Buffer
	out.WriteByte(1)
	w, _ := flate.NewWriter(&out, 9)
	// A literal packet of the old format, to the end of the data.
	_, err := w.Write(append([]byte{0xaf, 'b', 0, 0, 0, 0, 0}, make([]byte, 1<<20)...))
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	head := out.Len()
	if _, err = w.Write(make([]byte, 1<<20)); err == nil {
		err = w.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	block.Write(out.Bytes()[head:])
	out.Truncate(head)
	for range n - 1 {
		out.Write(block.Bytes())
	}
	out.Write([]byte{1, 0, 0, 0xff, 0xff}) // an empty last block
	return append([]byte{0xa3}, out.Bytes()...)
}

// heap is what a function needs beyond what is there before, in bytes.
func heap(f func(sample func())) int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, peak := int64(m.HeapAlloc), int64(0)
	var n int
	f(func() {
		if n++; n%256 == 0 {
			runtime.ReadMemStats(&m)
			peak = max(peak, int64(m.HeapAlloc)-before)
		}
	})
	return peak
}

func TestOpen_CompressionBomb(t *testing.T) {
	b := bomb(t, 10<<10) // 10 GiB
	t.Logf("10 GiB are %d bytes", len(b))
	for name, msg := range map[string][]byte{"Plain": b, "Encrypted": seal(t, b)} {
		start := time.Now()
		var n int64
		peak := heap(func(sample func()) {
			var m *pgp.Message
			var err error
			if name == "Plain" {
				m, err = pgp.OpenSigned(bytes.NewReader(msg), pgp.OpenOptions{})
			} else {
				m, err = pgp.Open(bytes.NewReader(msg), withSecret)
			}
			buf := make([]byte, 64<<10)
			for err == nil {
				var k int
				k, err = m.Read(buf)
				n += int64(k)
				sample()
			}
			if !errors.Is(err, pgp.ErrTooLarge) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if n > pgp.MaxUnpacked || peak > 16<<20 {
			t.Errorf("%s: %d bytes, %d KiB of memory", name, n, peak>>10)
		}
		t.Logf("%s: refused after %s at %d MiB with %d KiB", name, time.Since(start).Round(time.Millisecond), n>>20, peak>>10)
	}
	small := seal(t, bomb(t, 4))
	o := withSecret
	o.MaxUnpacked = 2 << 20
	if _, _, err := open(small, o); !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("4 MiB with a limit of 2: %v", err)
	}
	o.MaxUnpacked = 5 << 20
	if got, _, err := open(small, o); err != nil || len(got) != 4<<20 {
		t.Errorf("4 MiB with a limit of 5: %d bytes, %v", len(got), err)
	}
	// What does not pack may be longer than the limit.
	plain := content(3 << 20)
	for i := range plain {
		plain[i] = byte(i * i >> 3 * 2654435761 >> 13)
	}
	o.MaxUnpacked = 1 << 20
	if got, _, err := open(seal(t, compressed(t, literal(plain))), o); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("content that does not pack: %d bytes, %v", len(got), err)
	}
	// Packed again and again, as a quine would be.
	nested := literal([]byte("x"))
	for range 4 {
		nested = compressed(t, nested)
	}
	if got, _, err := open(seal(t, nested), withSecret); err != nil || string(got) != "x" {
		t.Errorf("4 layers: %q, %v", got, err)
	}
	if _, _, err := open(seal(t, compressed(t, nested)), withSecret); !errors.Is(err, pgp.ErrRefused) {
		t.Errorf("5 layers: %v", err)
	}
}

// TestFlat encrypts and opens 128 MiB as they come.
func TestFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("128 MiB")
	}
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.Curve25519V6} {
		k := key(t, a)
		for _, armored := range []bool{false, true} {
			const size = 128 << 20
			peak := heap(func(sample func()) {
				r, w := io.Pipe()
				done := make(chan error, 1)
				go func() {
					e, err := pgp.Encrypt(w, pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Sign: []*pgp.Key{k}, Armor: armored})
					block := make([]byte, 1<<20)
					for i := 0; i < size>>20 && err == nil; i++ {
						_, err = e.Write(block)
					}
					if err == nil {
						err = e.Close()
					}
					w.CloseWithError(err)
					done <- err
				}()
				m, err := pgp.Open(r, pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: []*pgp.Certificate{k.Certificate()}})
				if err != nil {
					t.Fatal(err)
				}
				buf, n := make([]byte, 32<<10), 0
				for err == nil {
					var got int
					got, err = m.Read(buf)
					n += got
					sample()
				}
				if err != io.EOF || n != size || !pgp.AnyGood(m.Signatures()) {
					t.Errorf("%d bytes, %v", n, err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
			if peak > 24<<20 {
				t.Errorf("%s, armored %v: %d KiB", a, armored, peak>>10)
			}
			t.Logf("%s, armored %v: %d KiB", a, armored, peak>>10)
		}
	}
}
