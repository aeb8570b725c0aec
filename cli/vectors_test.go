package cli

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
)

// outcomes are the exit codes that an expectation of the vectors may end with. What is malformed is either damaged,
// not of the format, or, for one that asks for too much work or has too many recipients, refused.
var outcomes = map[string][]int{
	"success":         {exitDone},
	"no match":        {exitNoKey},
	"HMAC failure":    {exitDamaged},
	"payload failure": {exitDamaged},
	"header failure":  {exitDamaged, exitFormat},
	"armor failure":   {exitDamaged, exitFormat},
}

// refused are the vectors whose header asks for more work than the command does, which is no damage.
var refused = []string{"scrypt_work_factor_23", "scrypt_work_factor_overflow"}

// TestVectors runs the built command on all vectors of c2sp.org/CCTV/age (BSD-1-Clause OR CC0-1.0 OR Unlicense).
func TestVectors(t *testing.T) {
	built(t)
	entries, err := fs.ReadDir(agetest.Vectors, ".")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 143 {
		t.Errorf("%d vectors, want 143 or more", len(entries))
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			b, err := fs.ReadFile(agetest.Vectors, e.Name())
			if err != nil {
				t.Fatal(err)
			}
			readVector(t, b).run(t, e.Name())
		})
	}
}

type vector struct {
	expect, payload string
	args            []string
	file            []byte
	dir             string
}

// readVector writes the vector's file, and its keys where -i and --passphrase-file find them.
func readVector(t *testing.T, b []byte) vector {
	head, file, ok := bytes.Cut(b, []byte("\n\n"))
	if !ok {
		t.Fatal("no empty line")
	}
	v := vector{file: file, dir: t.TempDir()}
	var identities []string
	for line := range strings.Lines(string(head)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "identity":
			identities = append(identities, value)
		case "passphrase":
			v.write(t, "pass", []byte(value+"\n"))
			v.args = append(v.args, "--passphrase-file", "pass")
		case "compressed":
			r, err := zlib.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			if v.file, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(identities) > 0 {
		v.write(t, "keys", []byte(strings.Join(identities, "\n")+"\n"))
		v.args = append(v.args, "-i", "keys")
	}
	v.write(t, "in", v.file)
	return v
}

func (v vector) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(v.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (v vector) names(t *testing.T) (names []string) {
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (v vector) run(t *testing.T, name string) {
	want := outcomes[v.expect]
	if slices.Contains(refused, name) {
		want = []int{exitError}
	}
	check := func(how string, code int, stderr string) {
		t.Helper()
		if !slices.Contains(want, code) {
			t.Errorf("%s: exit %d, want one of %v for a %s\n%s", how, code, want, v.expect, stderr)
		}
		if code != 0 && (strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "zencrypt: ")) {
			t.Errorf("%s: want one line that says why:\n%s", how, stderr)
		}
	}
	// To standard output: all of it, nothing, or what the vector names as authenticated.
	code, out, stderr := runBuilt(t, v.dir, nil, append([]string{"decrypt", "in"}, v.args...)...)
	check("to standard output", code, stderr)
	sum := sha256.Sum256(out)
	switch v.expect {
	case "success", "payload failure":
		if hex.EncodeToString(sum[:]) != v.payload {
			t.Errorf("%d bytes came out, which are not those of the vector", len(out))
		}
	default:
		if len(out) > 0 {
			t.Errorf("%d bytes came out of what can't be opened", len(out))
		}
	}
	// From a pipe to a file that is there, which stays, and to one that is not, which does not appear.
	before := v.names(t)
	args := append([]string{"decrypt", "-o", "new"}, v.args...)
	code, _, stderr = runBuilt(t, v.dir, bytes.NewReader(v.file), args...)
	check("to a new file", code, stderr)
	if code != 0 {
		v.write(t, "old", []byte("kept"))
		before = append(before, "old")
		code, _, stderr = runBuilt(t, v.dir, nil, append([]string{"decrypt", "-o", "old", "in"}, v.args...)...)
		check("over a file", code, stderr)
		if b, err := os.ReadFile(filepath.Join(v.dir, "old")); err != nil || string(b) != "kept" {
			t.Errorf("a file that was there became %d bytes, %v", len(b), err)
		}
	} else {
		before = append(before, "new")
		b, err := os.ReadFile(filepath.Join(v.dir, "new"))
		if err != nil || !bytes.Equal(b, out) {
			t.Errorf("-o wrote %d bytes (%v), standard output had %d", len(b), err, len(out))
		}
	}
	slices.Sort(before)
	if after := v.names(t); !slices.Equal(before, after) {
		t.Errorf("there is %q now, want %q", after, before)
	}
}
