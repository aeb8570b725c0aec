package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/iotest"
	"testing/synctest"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

const (
	job    = 8 * chunk // what one goroutine gets
	sealed = chunk + 16
)

// parallelSizes are those around the borders of chunks and of jobs, and more than all buffers hold.
func parallelSizes() []int {
	sizes := []int{0, 1, 2, chunk - 1, chunk, chunk + 1, 2 * chunk, 7*job + 12345}
	for k := 1; k <= 3; k++ {
		sizes = append(sizes, k*job-1, k*job, k*job+1, k*job+chunk-1, k*job+chunk, k*job-chunk)
	}
	return sizes
}

func encryptParallel(t testing.TB, armored bool, workers int, plain []byte, write func(io.Writer, []byte) error, rs ...age.Recipient) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := agefile.EncryptParallel(&buf, armored, workers, rs...)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(w, plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// writers are the ways content may come: whole, in pieces of any size, and read by ReadFrom.
var writers = map[string]func(io.Writer, []byte) error{
	"Whole": func(w io.Writer, p []byte) error { _, err := w.Write(p); return err },
	"Pieces": func(w io.Writer, p []byte) error {
		rng := rand.New(rand.NewPCG(1, uint64(len(p))))
		for len(p) > 0 {
			n := min(len(p), rng.IntN(3*chunk))
			if _, err := w.Write(p[:n]); err != nil {
				return err
			}
			p = p[n:]
		}
		_, err := w.Write(nil)
		return err
	},
	"ReadFrom": func(w io.Writer, p []byte) error {
		_, err := io.Copy(w, struct{ io.Reader }{bytes.NewReader(p)})
		return err
	},
	"ReadFromHalves": func(w io.Writer, p []byte) error {
		half := len(p) / 2
		if _, err := w.Write(p[:half]); err != nil {
			return err
		}
		n, err := w.(io.ReaderFrom).ReadFrom(iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(p[half:]))))
		if n != int64(len(p)-half) {
			return fmt.Errorf("ReadFrom says %d bytes", n)
		}
		return err
	},
}

// With the same randomness age and this package write the same bytes.
func TestEncryptParallel_SameBytes(t *testing.T) {
	p := newPair(t)
	for _, armored := range []bool{false, true} {
		for i, n := range parallelSizes() {
			plain := content(n)
			cryptotest.SetGlobalRandom(t, uint64(n))
			want := encrypt(t, armored, plain, p.rec)
			for name, write := range writers {
				workers := 2 + i%4
				cryptotest.SetGlobalRandom(t, uint64(n))
				if got := encryptParallel(t, armored, workers, plain, write, p.rec); !bytes.Equal(got, want) {
					t.Errorf("armored %v, %d bytes, %s: %d bytes that are not age's %d", armored, n, name, len(got), len(want))
				}
			}
		}
	}
}

type failAfter struct {
	n   int
	err error
}

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func TestEncryptParallel_DestinationError(t *testing.T) {
	p := newPair(t)
	full := errors.New("disk full")
	for _, n := range []int{0, 300, 2 * job, 5 * job} {
		w, err := agefile.EncryptParallel(&failAfter{n, full}, false, 2, p.rec)
		if n == 0 {
			if !errors.Is(err, full) {
				t.Errorf("the header: %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(content(9 * job))
		if !errors.Is(err, full) {
			t.Errorf("after %d bytes: Write: %v", n, err)
		}
		if _, err := w.Write([]byte("x")); !errors.Is(err, full) {
			t.Errorf("after %d bytes: second Write: %v", n, err)
		}
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("after %d bytes: Close: %v", n, err)
		}
	}
	src := errors.New("connection lost")
	w, err := agefile.EncryptParallel(io.Discard, false, 2, p.rec)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(w, io.MultiReader(bytes.NewReader(content(job+3)), iotest.ErrReader(src))); n != job+3 || !errors.Is(err, src) {
		t.Errorf("ReadFrom: %d bytes, %v", n, err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if _, err := w.Write([]byte("x")); err == nil {
		t.Error("wrote after Close")
	}
}

// In a bubble a test fails when a goroutine is left that waits for something.
func TestWorkers_NoGoroutineLeft(t *testing.T) {
	p := newPair(t)
	plain := content(9*job + 1)
	file := encrypt(t, false, plain, p.rec)
	changed := bytes.Clone(file)
	changed[4*job] ^= 1
	for name, f := range map[string]func(t *testing.T){
		"WriterAbandoned": func(t *testing.T) {
			w, err := agefile.EncryptParallel(io.Discard, false, 4, p.rec)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(plain)
		},
		"WriterFailed": func(t *testing.T) {
			w, err := agefile.EncryptParallel(&failAfter{2 * job, io.ErrShortWrite}, false, 4, p.rec)
			if err != nil {
				t.Fatal(err)
			}
			w.Write(plain)
		},
		"ReaderAbandoned": func(t *testing.T) {
			o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: 4}.Open(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			o.Read(make([]byte, 1))
		},
		"ReaderClosed": func(t *testing.T) {
			o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: 4}.Open(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			o.Read(make([]byte, 1))
			o.Close()
			if n, err := o.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("after Close: %d, %v", n, err)
			}
		},
		"Damaged": func(t *testing.T) { same(t, "changed", changed, p.id) },
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
}

// Memory does not grow with the content, and no chunk leaves garbage.
func TestWorkers_NoGarbage(t *testing.T) {
	p := newPair(t)
	use := func(n int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		pr, pw := &zeros{n}, &counter{}
		w, err := agefile.EncryptParallel(pw, false, 2, p.rec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, pr); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if pw.n < n {
			t.Fatalf("%d bytes written of %d", pw.n, n)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := use(8*job), use(200*job)
	if large > small+small/2+64<<10 {
		t.Errorf("%d bytes allocated for 100 MiB, %d for 4 MiB", large, small)
	}
	file := encrypt(t, false, make([]byte, 100*job), p.rec)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: 2}.Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(&counter{}, o); n != 100*job || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes allocated to open 50 MiB", used)
	}
}

type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// Every kind of recipient goes through the one that takes the file key along.
func TestEncryptParallel_Recipients(t *testing.T) {
	p, other := newPair(t), newPair(t)
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pass, err := agefile.PassphraseRecipient("secret", 5)
	if err != nil {
		t.Fatal(err)
	}
	right, err := agefile.PassphraseIdentity("secret", 5)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		id age.Identity
		rs []age.Recipient
	}{
		"Two": {p.id, []age.Recipient{other.rec, p.rec}}, "PostQuantum": {pq, []age.Recipient{pq.Recipient(), pq.Recipient()}}, "Passphrase": {right, []age.Recipient{pass}},
	} {
		if got, err := decrypt(encryptParallel(t, false, 2, []byte("hello"), writers["Whole"], tc.rs...), tc.id); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := agefile.EncryptParallel(io.Discard, false, 2, pq.Recipient(), p.rec); !errors.Is(err, agefile.ErrMixed) {
		t.Errorf("mixed: %v", err)
	}
	if _, err := agefile.EncryptParallel(io.Discard, false, 2); !errors.Is(err, agefile.ErrNoRecipient) {
		t.Errorf("no recipient: %v", err)
	}
	if got := fmt.Sprintf("%T", must(agefile.EncryptParallel(io.Discard, false, 1, p.rec))); strings.Contains(got, "parallel") {
		t.Errorf("one worker gives a %s", got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
