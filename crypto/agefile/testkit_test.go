package agefile_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

// A vector is one of c2sp.org/CCTV/age (BSD-1-Clause OR CC0-1.0 OR Unlicense): lines of "key: value", an empty line, the file.
type vector struct {
	name, expect string
	payload      string // SHA-256 of the content, or of what comes out before the error
	fileKey      string
	armored      bool
	identities   []age.Identity
	file         []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	entries, err := fs.ReadDir(agetest.Vectors, ".")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	for _, e := range entries {
		b, err := fs.ReadFile(agetest.Vectors, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, readVector(t, e.Name(), b))
	}
	if len(vs) < 143 {
		t.Fatalf("%d vectors, want 143 or more", len(vs))
	}
	return vs
}

func readVector(t testing.TB, name string, b []byte) vector {
	t.Helper()
	head, file, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatalf("%s: no empty line", name)
	}
	v := vector{name: name, file: file}
	for line := range strings.Lines(string(head)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "file key":
			v.fileKey = value
		case "identity":
			ids, err := agefile.ParseIdentities(value)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			v.identities = append(v.identities, ids...)
		case "passphrase":
			id, err := agefile.PassphraseIdentity(value, agefile.CommandMaxWorkFactor)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			v.identities = append(v.identities, id)
		case "armored":
			v.armored = true
		case "compressed":
			r, err := zlib.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if v.file, err = io.ReadAll(r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		case "comment":
		default:
			t.Fatalf("%s: unknown key %q", name, key)
		}
	}
	return v
}

// class is what a vector calls an error of ours.
func class(err error) string {
	var noKey *agefile.NoKeyError
	switch {
	case err == nil:
		return "success"
	case errors.As(err, &noKey):
		return "no match"
	case errors.Is(err, agefile.ErrArmor):
		return "armor failure"
	case errors.Is(err, agefile.ErrMAC):
		return "HMAC failure"
	case errors.Is(err, agefile.ErrPayload):
		return "payload failure"
	case errors.Is(err, agefile.ErrHeader), errors.Is(err, agefile.ErrFormat), errors.Is(err, agefile.ErrWorkFactor), errors.Is(err, agefile.ErrTooManyStanzas):
		return "header failure"
	}
	return "untyped: " + err.Error()
}

// notArmor are vectors of broken armor that does not begin like armor. Who reads a file that may be
// binary as well can only say that it is none of age's: refused too, as another class.
var notArmor = map[string]string{
	"armor_garbage_leading":  "text stands before the first line (Strict; otherwise it opens)",
	"armor_lowercase":        "the first line is in lower case",
	"armor_whitespace_begin": "the first line is further down than is looked",
	"armor_wrong_type":       "the first line names another type",
}

// lenient are vectors of broken armor that open unless Strict is set: people paste armor out of
// messages, which indent it, double its line breaks and have text before it. What is inside the
// lines is not looked at differently, and the content is authenticated.
var lenient = map[string]string{
	"armor_cr_line_start":         "white space around a line",
	"armor_double_crlf":           "white space around a line",
	"armor_empty_last_line":       "an empty line",
	"armor_empty_line_begin":      "an empty line",
	"armor_empty_line_end":        "an empty line",
	"armor_garbage_leading":       "text before the first line",
	"armor_whitespace_eol":        "white space around a line",
	"armor_whitespace_last_line":  "white space around a line",
	"armor_whitespace_line_start": "white space around a line",
}

func TestVectors(t *testing.T) {
	openers := map[string]agefile.Opener{
		"Lenient": {}, "Strict": {Strict: true}, "Parallel": {Workers: 3}, "StrictParallel": {Strict: true, Workers: 2},
	}
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			for name, o := range openers {
				t.Run(name, func(t *testing.T) {
					want := v.expect
					if _, ok := notArmor[v.name]; ok {
						want = "header failure"
					}
					if _, ok := lenient[v.name]; ok && !o.Strict {
						want = "success"
					}
					o.Identities = v.identities
					opened, err := o.Open(bytes.NewReader(v.file))
					var out []byte
					if err == nil {
						if v.fileKey != "" && hex.EncodeToString(opened.FileKey[:]) != v.fileKey {
							t.Error("the file key is not the vector's")
						}
						out, err = io.ReadAll(opened)
						opened.Close()
					}
					if got := class(err); got != want {
						t.Errorf("%s, want %s (%v)", got, want, err)
					}
					if sum := sha256.Sum256(out); v.payload != "" && hex.EncodeToString(sum[:]) != v.payload {
						t.Errorf("%d bytes came out, which are not those of the vector", len(out))
					}
				})
			}
			t.Run("At", func(t *testing.T) { vectorAt(t, v) })
		})
	}
}

// vectorAt reads a vector from its end to its beginning. Damage is found earlier than by who reads
// in order, so that less may come out, and never something else.
func vectorAt(t *testing.T, v vector) {
	at, err := agefile.OpenAt(bytes.NewReader(v.file), int64(len(v.file)), v.identities...)
	if v.armored {
		if _, ok := notArmor[v.name]; ok && class(err) == "header failure" {
			return
		}
		if !errors.Is(err, agefile.ErrArmored) {
			t.Errorf("%v, want ErrArmored", err)
		}
		return
	}
	var out []byte
	if err == nil {
		out = make([]byte, at.Size)
		const step = 100_003
		for off := (at.Size - 1) / step * step; off >= 0 && err == nil; off -= step {
			_, err = io.ReadFull(io.NewSectionReader(at, off, step), out[off:min(off+step, at.Size)])
		}
	}
	if got := class(err); got != v.expect {
		t.Errorf("%s, want %s (%v)", got, v.expect, err)
	}
	if sum := sha256.Sum256(out); v.expect == "success" && hex.EncodeToString(sum[:]) != v.payload {
		t.Errorf("%d bytes came out, which are not those of the vector", len(out))
	}
}
