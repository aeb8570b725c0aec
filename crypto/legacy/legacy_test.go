package legacy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
)

// fixtures is where data lies that older versions wrote, of invented people. It is not part of
// the project; without it the vectors below and other people's tools have to do.
const fixtures = "../../../shared/fixtures/legacy"

// truth is what is known about the data of one version.
type truth struct {
	dir   string
	Users []struct {
		Keys []struct {
			ID    int
			Value string `json:"key_value"`
		}
		PGPKeys []struct {
			ID      int
			Private string `json:"private_key"`
		} `json:"pgp_keys"`
		PGPMessages []struct {
			Key        int `json:"pgp_key_id"`
			Plaintext  string
			Ciphertext string
		} `json:"pgp_messages"`
	}
	Web []struct {
		File, Plain, SHA256 string
		Key                 string `json:"fernet_key"`
	} `json:"web_files"`
	CLI []struct {
		File, Plain, Password, SHA256 string
		Size                          int
	} `json:"cli_files"`
	Key string `json:"zen_key"`
}

func readTruth(t *testing.T, version string) truth {
	t.Helper()
	dir := filepath.Join(fixtures, version)
	b, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the data of older versions is not here")
	} else if err != nil {
		t.Fatal(err)
	}
	tr := truth{dir: dir}
	if err := json.Unmarshal(b, &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

func (tr truth) read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tr.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func TestOpenCFB_Fixtures(t *testing.T) {
	tr := readTruth(t, "v62")
	if len(tr.CLI) != 7 {
		t.Fatalf("%d files", len(tr.CLI))
	}
	for _, f := range tr.CLI {
		t.Run(f.File, func(t *testing.T) {
			enc, want := tr.read(t, f.File), tr.read(t, f.Plain)
			r, err := legacy.OpenCFB(iotest.OneByteReader(bytes.NewReader(enc)), f.Password)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) || hexSum(got) != f.SHA256 || len(got) != f.Size {
				t.Errorf("%d bytes, %v, want %d", len(got), err, f.Size)
			}
			r, err = legacy.OpenCFB(bytes.NewReader(enc), f.Password+" ")
			if err != nil {
				t.Fatal(err)
			}
			if wrong, err := io.ReadAll(r); err != nil || len(wrong) != len(want) || len(want) > 0 && bytes.Equal(wrong, want) {
				t.Errorf("another passphrase: %d bytes, %v", len(wrong), err)
			}
		})
	}
}

// Made with Python's hashlib and cryptography 48.0.0, not with this package.
const (
	vectorPassphrase = "pässwörd 🔑"
	vectorPlain      = "Grüße, ten and a bit more than two blocks"
	vectorFile       = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fa0dc9a57343ae5982ad4f214c64cf90dde8e9427d55484cb5d100aa2bdc4e1578e10c08a65978136fff114"
)

func TestOpenCFB(t *testing.T) {
	file, err := hex.DecodeString(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := legacy.OpenCFB(bytes.NewReader(file), vectorPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(iotest.HalfReader(r)); err != nil || string(got) != vectorPlain {
		t.Errorf("%q, %v", got, err)
	}
	for n := range legacy.CFBOverhead {
		if _, err := legacy.OpenCFB(bytes.NewReader(file[:n]), vectorPassphrase); !errors.Is(err, legacy.ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	broken := errors.New("connection lost")
	if _, err := legacy.OpenCFB(io.MultiReader(bytes.NewReader(file[:20]), iotest.ErrReader(broken)), ""); !errors.Is(err, broken) || errors.Is(err, legacy.ErrDamaged) {
		t.Errorf("a source that fails early: %v", err)
	}
	r, err = legacy.OpenCFB(io.MultiReader(bytes.NewReader(file[:40]), iotest.ErrReader(broken)), vectorPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); !errors.Is(err, broken) || string(got) != vectorPlain[:8] {
		t.Errorf("a source that fails late: %q, %v", got, err)
	}
}

func TestUnwrap_Fixtures(t *testing.T) {
	for version, files := range map[string]int{"v62": 6, "v53": 3} {
		tr := readTruth(t, version)
		if len(tr.Web) != files {
			t.Fatalf("%s: %d files", version, len(tr.Web))
		}
		for _, f := range tr.Web {
			t.Run(f.File, func(t *testing.T) {
				file := tr.read(t, f.File)
				if !legacy.LooksWebFile(file[:8]) || !legacy.LooksWebFile(file[:min(len(file), 4096)]) || legacy.LooksRSAMessage(file) {
					t.Error("does not look like one")
				}
				token, err := legacy.Unwrap(bytes.NewReader(file), fernet.MaxToken)
				if err != nil {
					t.Fatal(err)
				}
				if f.Key == "" {
					f.Key = tr.Key
				}
				key, err := fernet.ParseKey(f.Key)
				if err != nil {
					t.Fatal(err)
				}
				got, _, err := fernet.Decrypt(token, 0, time.Now, key)
				if err != nil || !bytes.Equal(got, tr.read(t, f.Plain)) || hexSum(got) != f.SHA256 {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// The token of the Fernet specification's generate.json.
const token = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="

func TestUnwrap(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	file := b64([]byte(token))
	for name, in := range map[string]string{
		"Plain": file, "Newline": file + "\n", "BOM": "\ufeff" + file, "Wrapped": file[:64] + "\r\n" + file[64:], "Before": " \n" + file,
	} {
		if got, err := legacy.Unwrap(iotest.HalfReader(strings.NewReader(in)), 1000); err != nil || string(got) != token {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if !legacy.LooksWebFile([]byte(in)) {
			t.Errorf("%s: does not look like one", name)
		}
	}
	for name, in := range map[string]string{
		"Empty": "", "Blank": " \n", "Token": token, "OtherBase64": b64([]byte("hello, world, this is text")),
		"URLSafe": base64.URLEncoding.EncodeToString([]byte("gAAAAA\xff\xff\xff")), "Cut": file[:len(file)-1], "CutMore": file[:41], "Behind": file + "!",
		"NUL": file[:10] + "\x00" + file[10:],
	} {
		if got, err := legacy.Unwrap(strings.NewReader(in), 1000); !errors.Is(err, legacy.ErrFormat) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if name != "Cut" && name != "CutMore" && legacy.LooksWebFile([]byte(in)) && name != "URLSafe" {
			t.Errorf("%s: looks like one", name)
		}
	}
	for _, size := range []int{99, 3000, 1 << 20} {
		in := b64(bytes.Repeat([]byte(token), size/len(token)+2))
		if _, err := legacy.Unwrap(strings.NewReader(in), size); !errors.Is(err, legacy.ErrTooLarge) {
			t.Errorf("a token of more than %d bytes: %v", size, err)
		}
	}
	if got, err := legacy.Unwrap(strings.NewReader(file), len(token)); err != nil || string(got) != token {
		t.Errorf("a token of just the length: %v", err)
	}
	broken := errors.New("connection lost")
	if _, err := legacy.Unwrap(io.MultiReader(strings.NewReader(file), iotest.ErrReader(broken)), 1000); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte(token))))
	f.Add([]byte("\ufeffZ0FBQUFB\r\n"))
	f.Add([]byte("Z0FBQUFB=="))
	f.Fuzz(func(t *testing.T, in []byte) {
		in0 := bytes.Clone(in)
		got, err := legacy.Unwrap(bytes.NewReader(in), 200)
		if err != nil {
			if got != nil || !errors.Is(err, legacy.ErrFormat) && !errors.Is(err, legacy.ErrTooLarge) {
				t.Errorf("%q, %v", got, err)
			}
		} else if len(got) > 200 || !bytes.HasPrefix(got, []byte("gAAAAA")) || !legacy.LooksWebFile(in) {
			t.Errorf("%q", got)
		}
		if legacy.LooksRSAMessage(in); !bytes.Equal(in, in0) {
			t.Error("changed its input")
		}
	})
}

func FuzzOpenCFB(f *testing.F) {
	f.Add([]byte("short"), "x")
	f.Fuzz(func(t *testing.T, in []byte, passphrase string) {
		if len(in) > legacy.CFBOverhead+64 {
			t.Skip() // a run takes 20 ms, whatever the length
		}
		r, err := legacy.OpenCFB(bytes.NewReader(in), passphrase)
		if (err == nil) != (len(in) >= legacy.CFBOverhead) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if got, err := io.ReadAll(r); err != nil || len(got) != len(in)-legacy.CFBOverhead {
			t.Errorf("%d bytes of %d, %v", len(got), len(in), err)
		}
	})
}
