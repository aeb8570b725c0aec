package agefile_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

func BenchmarkEncrypt(b *testing.B) {
	p := newPair(b)
	plain := make([]byte, 64<<20)
	for _, workers := range []int{1, 2, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("Workers=%d", workers), func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := agefile.EncryptParallel(io.Discard, false, workers, p.rec)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(w, struct{ io.Reader }{bytes.NewReader(plain)}); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecrypt(b *testing.B) {
	p := newPair(b)
	file := encrypt(b, false, make([]byte, 64<<20), p.rec)
	for _, workers := range []int{1, 2, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("Workers=%d", workers), func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: workers}.Open(bytes.NewReader(file))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(struct{ io.Writer }{io.Discard}, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
