package sop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"zencrypt/cli/sop"
)

// folder is where a test's files are, with a key of each kind in it.
type folder struct {
	*testing.T
}

// made holds what is slow to make, by file name.
var made struct {
	sync.Once
	files map[string]string
}

// newFolder goes to a new folder that holds
//
//	alice.key, alice.cert	the default profile
//	six.key, six.cert	version 6
//	locked.key, locked.cert	the same as alice, locked with "open sesame"
//	signer.key, signer.cert	without a subkey that encrypts
//	revoked.cert	alice's
//	pass	"open sesame"
//	text, text.sig, text.signed, text.pgp	by and for alice
func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{t}
	t.Chdir(t.TempDir())
	made.Do(func() {
		made.files = map[string]string{"pass": "open sesame", "text": "some text\nof two lines\n"}
		f.write("pass", made.files["pass"])
		keep := func(name, in string, args ...string) {
			made.files[name] = f.must(0, in, args...)
			f.write(name, made.files[name])
		}
		keep("alice.key", "", "generate-key", "Alice <alice@example.org>", "Alice at work <work@example.org>")
		keep("six.key", "", "generate-key", "--profile=rfc9580", "Six <six@example.org>")
		keep("signer.key", "", "generate-key", "--signing-only", "Signer")
		keep("locked.key", made.files["alice.key"], "change-key-password", "--new-key-password=pass")
		for _, who := range []string{"alice", "six", "signer", "locked"} {
			keep(who+".cert", made.files[who+".key"], "extract-cert")
		}
		keep("revoked.cert", made.files["alice.key"], "revoke-key")
		keep("text.sig", made.files["text"], "sign", "alice.key")
		keep("text.signed", made.files["text"], "inline-sign", "alice.key")
		keep("text.pgp", made.files["text"], "encrypt", "--sign-with=alice.key", "alice.cert")
	})
	for name, content := range made.files {
		f.write(name, content)
	}
	return f
}

func (f *folder) write(name, content string) {
	f.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) read(name string) string {
	f.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	return string(b)
}

func run(ctx context.Context, in io.Reader, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = sop.Program{Version: "1.2.3"}.Run(ctx, args, in, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs a subcommand that has to end with a code, and returns what it put out.
func (f *folder) must(code int, in string, args ...string) string {
	f.Helper()
	got, out, err := run(f.Context(), strings.NewReader(in), args...)
	if got != code {
		f.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, err)
	}
	if (code != 0) != (strings.Count(err, "\n") == 1) {
		f.Errorf("%s: exit %d, but on stderr is %q", strings.Join(args, " "), code, err)
	}
	return out
}

// TestHelp: every subcommand explains itself, and that is a success.
func TestHelp(t *testing.T) {
	f := newFolder(t)
	for _, verb := range []string{"", "decrypt", "sign", "inline-verify"} {
		out := f.must(0, "", append(strings.Fields(verb), "--help")...)
		if !strings.Contains(out, "Usage: zencrypt sop "+verb) {
			t.Errorf("%s: %s", verb, out)
		}
	}
}

func TestVersion(t *testing.T) {
	f := newFolder(t)
	for option, want := range map[string]string{
		"": `^zencrypt 1\.2\.3\n$`, "--backend": `^go-crypto.*\n$`, "--extended": `^zencrypt 1\.2\.3\ngo-crypto`,
		"--sop-spec": `^~draft-dkg-openpgp-stateless-cli-\d\d\n`, "--sopv": `^1\.0\n$`,
	} {
		if out := f.must(0, "", append([]string{"version"}, strings.Fields(option)...)...); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("version %s: %q", option, out)
		}
	}
}

// program is the built zencrypt.
var program struct {
	sync.Once
	root, path string
	err        error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sop")
	if err != nil {
		panic(err)
	}
	program.path = filepath.Join(dir, "zencrypt")
	if program.root, err = filepath.Abs("../.."); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// zencrypt builds the program once.
func zencrypt(t *testing.T) string {
	t.Helper()
	program.Do(func() {
		build := exec.Command("go", "build", "-o", program.path, ".")
		build.Dir = program.root // tests go elsewhere
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

// TestProcess: exit codes, open files and the environment reach the subcommands of the real program.
func TestProcess(t *testing.T) {
	bin := zencrypt(t)
	f := newFolder(t)
	start := func(in string, env string, files []*os.File, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"sop"}, args...)...)
		cmd.Stdin, cmd.ExtraFiles = strings.NewReader(in), files
		cmd.Env = append(os.Environ(), env)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
			t.Fatal(err)
		}
		if n := strings.Count(stderr.String(), "\n"); (cmd.ProcessState.ExitCode() != 0) != (n == 1) {
			t.Errorf("%v: %q", args, &stderr)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	for args, want := range map[string]int{"version": 0, "frobnicate": 69, "sign --colour": 37, "sign": 19, "--help": 0, "decrypt --help": 0} {
		if code, _ := start("", "", nil, strings.Fields(args)...); code != want {
			t.Errorf("%s: exit %d, want %d", args, code, want)
		}
	}
	pass, err := os.Open("pass")
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	code, sig := start(f.read("text"), "", []*os.File{pass, w}, "sign", "--with-key-password=@FD:3", "--micalg-out=@FD:4", "locked.key")
	w.Close()
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	if micalg, err := io.ReadAll(r); err != nil || string(micalg) != "pgp-sha512" {
		t.Errorf("micalg %q, %v", micalg, err)
	}
	if code, out := start(f.read("text"), "SIG="+sig, nil, "verify", "@ENV:SIG", "alice.cert"); code != 0 || !strings.Contains(out, "mode:binary") {
		t.Errorf("exit %d, %s", code, out)
	}
}
