package digest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// leftOut ends a test whose tool is not here: it skips, but fails under CI.
func leftOut(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format+", and CI needs it", args...)
	}
	t.Skipf(format, args...)
}

// tool runs another program, or leaves the test out if it is not installed.
func tool(t *testing.T, stdin []byte, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		leftOut(t, "%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := err.(*exec.ExitError); ok && bytes.Contains(e.Stderr, []byte("nsupported")) {
			leftOut(t, "%s does not know %v", name, args)
		}
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// coreutils names the commands that write and check each algorithm.
var coreutils = map[string][]string{
	"md5": {"md5sum"}, "sha1": {"sha1sum"}, "sha224": {"sha224sum"}, "sha256": {"sha256sum"},
	"sha384": {"sha384sum"}, "sha512": {"sha512sum"},
	"blake2b-512": {"b2sum"}, "blake2b-256": {"b2sum", "-l", "256"},
}

// openssl names the algorithms as openssl dgst does.
var openssl = map[string]string{
	"md5": "md5", "sha1": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512",
	"sha512-256": "sha512-256", "sha3-224": "sha3-224", "sha3-256": "sha3-256", "sha3-384": "sha3-384", "sha3-512": "sha3-512",
	"blake2b-512": "blake2b512", "blake2s-256": "blake2s256",
}

var toolInputs = map[string][]byte{
	"Empty": nil, "One": {0}, "Binary": pattern(100_003), "Text": []byte("Gr\u00fc\u00dfe\r\n\x00"),
}

// compare checks a tool's own line: what ParseExpected reads from it must match.
func compare(t *testing.T, id string, key, input []byte, line string) {
	t.Helper()
	want, _, err := ParseExpected(line)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if s := sums(t, []string{id}, key, input); Match(s, want) != 0 {
		t.Errorf("got %s, want %s", s[0].Hex(), want)
	}
}

func TestHasher_Coreutils(t *testing.T) {
	for id, command := range coreutils {
		for name, input := range toolInputs {
			t.Run(id+"/"+name, func(t *testing.T) {
				compare(t, id, nil, input, tool(t, input, command[0], command[1:]...))
				compare(t, id, nil, input, tool(t, input, command[0], append(command[1:], "--tag")...))
			})
		}
	}
}

func TestHasher_OpenSSL(t *testing.T) {
	for id, name := range openssl {
		for form, input := range toolInputs {
			t.Run(id+"/"+form, func(t *testing.T) {
				compare(t, id, nil, input, tool(t, input, "openssl", "dgst", "-"+name))
				compare(t, id, nil, input, tool(t, input, "openssl", "dgst", "-r", "-"+name))
				compare(t, id, nil, input, tool(t, input, "openssl", "dgst", "-c", "-"+name))
			})
			for _, size := range []int{1, 63, 64, 65, 127, 128, 129, 500} { // around every block size
				t.Run(id+"/"+form+"/HMAC"+strconv.Itoa(size), func(t *testing.T) {
					key := bytes.Repeat([]byte("k"), size)
					compare(t, id, key, input, tool(t, input, "openssl", "dgst", "-"+name, "-hmac", string(key)))
				})
			}
		}
	}
}

// difficult names, all of which a Linux directory can hold.
var names = []string{
	"plain.txt", "two words", " leading", "trailing ", "(brackets)", "a) = b", "back\\slash", "new\nline",
	"carriage\rreturn", "both\\\n\r\\n", "*star", "-dash", "=", "\u00fcml\u00e4ut", "\u202ebidi", "tab\tbed", "\xff\xfe",
	"SHA256 (x) = " + strings.Repeat("0", 64),
}

// TestTag_Coreutils writes the very lines of coreutils, and coreutils checks ours.
func TestTag_Coreutils(t *testing.T) {
	for id, command := range coreutils {
		t.Run(id, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range names {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
					t.Fatal(err)
				}
				s := sums(t, []string{id}, nil, []byte(name))[0]
				t.Chdir(dir)
				want := strings.TrimSuffix(tool(t, nil, command[0], append(command[1:], "--tag", "--", name)...), "\n")
				if got := Tag(s, name); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				plain := tool(t, nil, command[0], append(command[1:], "--", name)...)
				for _, line := range []string{want, plain, strings.Replace(plain, "  ", " *", 1)} {
					hexDigest, parsed, err := ParseExpected(line)
					if trimmed := strings.TrimRight(name, " "); err != nil || hexDigest != s.Hex() || (parsed != name && parsed != trimmed) {
						t.Errorf("%q is read as %s, %q, %v", line, hexDigest, parsed, err)
					}
				}
				if err := os.WriteFile(filepath.Join(dir, "SUMS"), []byte(Tag(s, name)+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				tool(t, nil, command[0], "-c", "--strict", "--status", "SUMS") // fails the test if it does not match
			}
		})
	}
}
