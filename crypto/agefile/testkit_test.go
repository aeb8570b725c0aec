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

// notArmor are those that say "armor failure" of what does not begin like armor at all. Nobody tells
// us that it should, so the answer is that it is no age file: refused as well.
var notArmor = map[string]string{
	"armor_garbage_leading":   "text stands before the armor",
	"armor_lowercase":         "the first line is in lower case",
	"armor_whitespace_begin":  "more white space before the armor than is looked through",
	"armor_whitespace_outside": "",
	"armor_wrong_type":        "the first line names another type",
}

// lenient are those that open without Strict, as a pasted message should.
var lenient = map[string]string{
	"armor_garbage_leading": "text before armor is passed over",
}

func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.name, func(t *testing.T) {
			for name, o := range map[string]agefile.Opener{
				"Server":   {},
				"Strict":   {Strict: true},
				"Parallel": {Strict: true, Workers: 3},
			} {
				t.Run(name, func(t *testing.T) {
					o.Identities = v.identities
					opened, err := o.Open(bytes.NewReader(v.file))
					var out []byte
					if err == nil {
						out, err = io.ReadAll(opened)
						opened.Close()
					}
					got := class(err)
					if got != v.expect {
						t.Errorf("%s, want %s (%v)", got, v.expect, err)
					}
					if sum := sha256.Sum256(out); v.payload != "" && hex.EncodeToString(sum[:]) != v.payload {
						t.Errorf("%d bytes came out, which are not those of the vector", len(out))
					}
				})
			}
		})
	}
}
