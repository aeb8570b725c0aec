//go:build linux

package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	endian "encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// finder looks for planted values in every form that a program could leave them in.
type finder struct {
	patterns []pattern
	starts   [1 << 16][]int // patterns by their first two bytes
}

// pattern is a planted value in one encoding.
type pattern struct {
	label, encoding string
	bytes           []byte
}

// shortest is the least length in bytes of a planted value: its shortest pattern, base64 without the
// characters that neighbours share, has 12 bytes then, which ciphertext does not hold by chance.
const shortest = 10

// plant adds a value that must be found nowhere.
func (f *finder) plant(label string, value []byte) {
	if len(value) < shortest {
		panic("plant " + label + ": too short to be told from chance")
	}
	add := func(encoding string, b []byte) {
		for _, p := range f.patterns {
			if bytes.Equal(p.bytes, b) {
				return
			}
		}
		key := endian.BigEndian.Uint16(b)
		f.starts[key] = append(f.starts[key], len(f.patterns))
		f.patterns = append(f.patterns, pattern{label, encoding, b})
	}
	add("raw", value)
	add("hex", []byte(hex.EncodeToString(value)))
	add("HEX", []byte(strings.ToUpper(hex.EncodeToString(value))))
	for align := range 3 {
		// What stands before and after shares a character with the value's first and last bits.
		padded := append(make([]byte, align), value...)
		first, last := (align*8+5)/6, len(padded)*8/6
		add(fmt.Sprintf("base64+%d", align), []byte(base64.RawStdEncoding.EncodeToString(padded)[first:last]))
		add(fmt.Sprintf("base64url+%d", align), []byte(base64.RawURLEncoding.EncodeToString(padded)[first:last]))
	}
	if text := string(value); strings.ToValidUTF8(text, "") == text {
		le, be := []byte{}, []byte{}
		for _, u := range utf16.Encode([]rune(text)) {
			le, be = endian.LittleEndian.AppendUint16(le, u), endian.BigEndian.AppendUint16(be, u)
		}
		add("UTF-16LE", le)
		add("UTF-16BE", be)
		add("lower case", bytes.ToLower(value))
		add("upper case", bytes.ToUpper(value))
	}
}

// plantText adds a text.
func (f *finder) plantText(label, value string) { f.plant(label, []byte(value)) }

// plantCode adds a recovery code: as shown, without its dashes, and the bytes that it stands for.
func (f *finder) plantCode(label, code string) {
	plain := strings.ReplaceAll(code, "-", "")
	raw, err := base32.StdEncoding.DecodeString(plain)
	if err != nil {
		panic(err)
	}
	f.plantText(label, code)
	f.plantText(label+" without dashes", plain)
	f.plant(label+" decoded", raw)
}

// plantIdentity adds an age private key: its text and its 32 bytes.
func (f *finder) plantIdentity(label, identity string) {
	f.plantText(label, identity)
	f.plant(label+" decoded", bech32Data(identity))
}

// bech32Data is what a bech32 string (BIP 173) holds; its checksum is not looked at.
func bech32Data(s string) (out []byte) {
	s = strings.ToLower(s[strings.LastIndex(s, "1")+1:])
	acc, bits := 0, 0
	for _, c := range s[:len(s)-6] {
		acc, bits = acc<<5|strings.IndexRune("qpzry9x8gf2tvdw0s3jn54khce6mua7l", c), bits+5
		if bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
			acc &= 1<<bits - 1
		}
	}
	return out
}

// in returns what of the planted stands in b, each once.
func (f *finder) in(b []byte) (found []string) {
	for i := 0; i+1 < len(b); i++ {
		for _, n := range f.starts[endian.BigEndian.Uint16(b[i:])] {
			if p := f.patterns[n]; bytes.HasPrefix(b[i:], p.bytes) {
				if s := p.label + " (" + p.encoding + ")"; !slices.Contains(found, s) {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

// inTree looks into every file below dir, and at their names.
func (f *finder) inTree(t testing.TB, dir string) (found []string, files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file that went away meanwhile
		}
		if err != nil {
			return err
		}
		for _, s := range f.in([]byte(d.Name())) {
			found = append(found, "the name "+path+": "+s)
		}
		if !d.Type().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		files++
		for _, s := range f.in(b) {
			found = append(found, path+": "+s)
		}
		return err
	})
	if err != nil {
		t.Fatalf("search %s: %v", dir, err)
	}
	return found, files
}

// inProcess looks at a process's arguments, environment, and everything that it has open, also what has
// no name any more. regular counts the open files that were read.
func (f *finder) inProcess(t testing.TB, pid int) (found []string, regular int) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	for _, name := range []string{"cmdline", "environ", "comm"} {
		b, err := os.ReadFile(proc + name)
		if errors.Is(err, fs.ErrPermission) {
			missing(t, "root (the process lets nobody else look)", "what a process shows of itself")
		}
		if err != nil {
			t.Fatalf("search the process: %v", err)
		}
		for _, s := range f.in(b) {
			found = append(found, name+": "+s)
		}
	}
	entries, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatalf("search the process's open files: %v", err)
	}
	for _, e := range entries {
		path := proc + "fd/" + e.Name()
		target, err := os.Readlink(path)
		if err != nil {
			continue // closed meanwhile
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		b, err := io.ReadAll(file)
		file.Close()
		if err != nil {
			t.Fatalf("read open file %s: %v", target, err)
		}
		regular++
		for _, s := range f.in(b) {
			found = append(found, "open file "+target+": "+s)
		}
	}
	return found, regular
}

// A finder that finds nothing anywhere would make every search a success.
func TestFinder_Positive(t *testing.T) {
	// Bytes that make both alphabets of base64 differ, and a text.
	values := map[string][]byte{"bytes": {0xfb, 0xef, 0xff, 0x3e, 0xfb, 0xef, 0xbe, 1, 2, 0xff, 0xff, 0xfe}, "text": []byte("Pl4nted-Value-Zq7")}
	f := new(finder)
	for label, v := range values {
		f.plant(label, v)
	}
	swap := func(b []byte, order endian.AppendByteOrder) (out []byte) {
		for _, u := range utf16.Encode([]rune(string(b))) {
			out = order.AppendUint16(out, u)
		}
		return out
	}
	encodings := map[string]func([]byte) []byte{
		"raw":      func(b []byte) []byte { return b },
		"hex":      func(b []byte) []byte { return fmt.Appendf(nil, "%x", b) },
		"HEX":      func(b []byte) []byte { return fmt.Appendf(nil, "%X", b) },
		"UTF-16LE": func(b []byte) []byte { return swap(b, endian.LittleEndian) },
		"UTF-16BE": func(b []byte) []byte { return swap(b, endian.BigEndian) },
	}
	for before := range 3 {
		for after := range 3 {
			around := func(b []byte) []byte {
				out := make([]byte, before+len(b)+after)
				rand.Read(out)
				copy(out[before:], b)
				return out
			}
			name := fmt.Sprintf("%d+%d", before, after)
			encodings["base64/"+name] = func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(around(b))) }
			encodings["base64url/"+name] = func(b []byte) []byte { return []byte(base64.URLEncoding.EncodeToString(around(b))) }
		}
	}
	noise := func(n int) []byte { b := make([]byte, n); rand.Read(b); return b }
	for name, encode := range encodings {
		for label, v := range values {
			if label == "bytes" && strings.HasPrefix(name, "UTF-16") {
				continue
			}
			t.Run(name+"/"+label, func(t *testing.T) {
				for _, where := range [][2]int{{0, 0}, {1, 0}, {4097, 3}, {3, 70001}} {
					b := slices.Concat(noise(where[0]), encode(v), noise(where[1]))
					if got := f.in(b); len(got) == 0 || !strings.HasPrefix(got[0], label) {
						t.Errorf("at %d of %d: found %q", where[0], len(b), got)
					}
					b[where[0]+len(encode(v))/2] ^= 0x80
					if got := f.in(b); len(got) > 0 {
						t.Errorf("found %q in what differs by a bit", got)
					}
				}
			})
		}
	}
	t.Run("Case", func(t *testing.T) {
		for _, s := range []string{"pl4nted-value-zq7", "PL4NTED-VALUE-ZQ7"} {
			if len(f.in([]byte(s))) == 0 {
				t.Errorf("%s is not found", s)
			}
		}
	})
	t.Run("Nothing", func(t *testing.T) {
		if got := f.in(noise(8 << 20)); len(got) > 0 {
			t.Errorf("found %q in noise", got)
		}
	})
	t.Run("Identity", func(t *testing.T) {
		// 32 bytes of 1 in groups of five bits, and six characters in the checksum's place.
		identity := "AGE-SECRET-KEY-1" + strings.Repeat("QYQSZQGP", 6) + "QYQS" + "XXXXXX"
		want := bytes.Repeat([]byte{1}, 32)
		if got := bech32Data(identity); !bytes.Equal(got, want) {
			t.Errorf("decoded to %x", got)
		}
	})
	t.Run("Places", func(t *testing.T) { testFinderPlaces(t, f, values["text"]) })
}

// testFinderPlaces plants in a folder, a name, a deleted file that is open, and this process.
func testFinderPlaces(t *testing.T, f *finder, value []byte) {
	dir := t.TempDir()
	if found, files := f.inTree(t, dir); len(found) > 0 || files > 0 {
		t.Errorf("found %q in %d files of an empty folder", found, files)
	}
	deleted, err := os.Create(filepath.Join(dir, "deleted"))
	if err != nil {
		t.Fatal(err)
	}
	defer deleted.Close()
	if _, err := deleted.Write(slices.Concat(make([]byte, 5000), value)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(deleted.Name()); err != nil {
		t.Fatal(err)
	}
	has := func(found []string, want string) bool {
		return slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) && strings.Contains(s, "text") })
	}
	if found, _ := f.inProcess(t, os.Getpid()); !has(found, "deleted)") {
		t.Errorf("a deleted open file is not found: %q", found)
	}
	sub := filepath.Join(dir, "a", string(value))
	if err := os.MkdirAll(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sub, "b"), fmt.Appendf(nil, "..%x..", value), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, files := f.inTree(t, dir); files != 1 || !has(found, "the name") || !has(found, "/b: ") {
		t.Errorf("found %q in %d files", found, files)
	}
}
