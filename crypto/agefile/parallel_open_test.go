package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

func TestOpener_Workers(t *testing.T) {
	p := newPair(t)
	for _, armored := range []bool{false, true} {
		for i, n := range parallelSizes() {
			plain := content(n)
			file := encrypt(t, armored, plain, p.rec)
			for name, read := range map[string]func(*agefile.Opened) ([]byte, error){
				"Read":  func(o *agefile.Opened) ([]byte, error) { return io.ReadAll(o.Reader) },
				"Small": func(o *agefile.Opened) ([]byte, error) { return io.ReadAll(iotest.HalfReader(o.Reader)) },
				"WriteTo": func(o *agefile.Opened) ([]byte, error) {
					var b bytes.Buffer
					_, err := io.Copy(&b, o)
					return b.Bytes(), err
				},
			} {
				o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: 2 + i%4}.Open(iotest.HalfReader(bytes.NewReader(file)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := read(o)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("armored %v, %d bytes, %s: %d bytes, %v", armored, n, name, len(got), err)
				}
				if n, err := o.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("after the end: %d, %v", n, err)
				}
				if err := o.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// outcome is what a reader yields and the class of its error.
func outcome(o agefile.Opener, file []byte) ([]byte, string) {
	opened, err := o.Open(bytes.NewReader(file))
	if err != nil {
		return nil, class(err)
	}
	defer opened.Close()
	out, err := io.ReadAll(opened)
	return out, class(err)
}

// same fails unless the file gives the same bytes and the same kind of error with and without workers.
func same(t *testing.T, what string, file []byte, ids ...age.Identity) (out []byte, kind string) {
	t.Helper()
	want, wantKind := outcome(agefile.Opener{Identities: ids}, file)
	got, kind := outcome(agefile.Opener{Identities: ids, Workers: 3}, file)
	if kind != wantKind || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes and %s, without workers %d bytes and %s", what, len(got), kind, len(want), wantKind)
	}
	return got, kind
}

func TestOpener_WorkersDamage(t *testing.T) {
	p := newPair(t)
	for _, n := range []int{0, 100, chunk, 3*chunk + 9, job, job + 1, 2*job + chunk, 3*job - 7} {
		plain := content(n)
		file := encrypt(t, false, plain, p.rec)
		info, err := agefile.Inspect(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		head := info.HeaderSize + 16
		chunks := slices.Collect(slices.Chunk(file[head:], sealed))
		join := func(cs [][]byte) []byte { return slices.Concat(file[:head], bytes.Join(cs, nil)) }
		damaged := func(what string, whole int, changed []byte) {
			t.Helper()
			out, kind := same(t, fmt.Sprintf("%d bytes, %s", n, what), changed, p.id)
			if kind != "payload failure" && kind != "header failure" {
				t.Errorf("%d bytes, %s: %s", n, what, kind)
			}
			if !bytes.HasPrefix(plain, out) || len(out) > whole*chunk {
				t.Errorf("%d bytes, %s: %d bytes came out, at most %d are authentic", n, what, len(out), whole*chunk)
			}
		}
		for i, c := range chunks {
			start := head + i*sealed
			for _, d := range []int{-1, 0, 1} {
				if at := start + d; at < len(file) {
					damaged(fmt.Sprintf("cut to %d", at), i, file[:at])
				}
			}
			for _, bit := range []int{0, len(c) * 4, len(c)*8 - 1} {
				changed := bytes.Clone(file)
				changed[start+bit/8] ^= 1 << (bit % 8)
				damaged(fmt.Sprintf("bit %d of chunk %d", bit, i), i, changed)
			}
			if i > 0 {
				swapped := slices.Clone(chunks)
				swapped[0], swapped[i] = swapped[i], swapped[0]
				damaged(fmt.Sprintf("chunks 0 and %d swapped", i), 0, join(swapped))
			}
			if len(chunks) > 1 {
				damaged(fmt.Sprintf("chunk %d twice", i), i+1, join(slices.Insert(slices.Clone(chunks), i, c)))
				damaged(fmt.Sprintf("chunk %d missing", i), i, join(slices.Delete(slices.Clone(chunks), i, i+1)))
			}
		}
		for _, more := range []int{1, 16, 17, sealed, job + 200} {
			damaged(fmt.Sprintf("%d bytes more", more), len(chunks), append(bytes.Clone(file), make([]byte, more)...))
		}
		damaged("nonce cut", 0, file[:head-1])
		damaged("two files", len(chunks), slices.Concat(file, file))
	}
}

// A source that fails is not a damaged file, and what was whole before comes out as from age.
func TestOpener_WorkersSourceError(t *testing.T) {
	p := newPair(t)
	lost := errors.New("connection lost")
	file := encrypt(t, false, content(3*job+5), p.rec)
	for _, n := range []int{300, sealed, job, job + sealed, len(file) - 1, len(file)} {
		for _, cause := range []error{lost, io.ErrUnexpectedEOF} {
			read := func(workers int) ([]byte, error) {
				o, err := agefile.Opener{Identities: []age.Identity{p.id}, Workers: workers}.Open(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(cause)))
				if err != nil {
					t.Fatal(err)
				}
				return io.ReadAll(o)
			}
			want, _ := read(0)
			got, err := read(2)
			if !errors.Is(err, cause) || errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("failing after %d bytes: %v", n, err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("failing after %d bytes: %d bytes came out, %d without workers", n, len(got), len(want))
			}
		}
	}
}
