package agefile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zencrypt/crypto/agefile"
)

// ageCommand is the age of the system, an implementation that is not linked in here.
func ageCommand(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("age")
	if err != nil {
		t.Skip("age is not installed")
	}
	return path
}

func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", filepath.Base(name), err, stderr.String())
	}
	return out
}

func TestAge_Identity(t *testing.T) {
	bin := ageCommand(t)
	secret, public := identity(t)
	p := pair{}
	ids, err := agefile.ParseIdentities(secret)
	if err != nil {
		t.Fatal(err)
	}
	recs, err := agefile.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	p.id, p.rec = ids[0], recs[0]
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, armored := range []bool{false, true} {
		for _, n := range sizes() {
			t.Run(fmt.Sprintf("Armored=%v/%d", armored, n), func(t *testing.T) {
				plain := content(n)
				if got := run(t, encrypt(t, armored, plain, p.rec), bin, "-d", "-i", keyFile); !bytes.Equal(got, plain) {
					t.Error("age opens something else than was encrypted")
				}
				args := []string{"-r", public}
				if armored {
					args = append(args, "-a")
				}
				if got, err := decrypt(run(t, plain, bin, args...), p.id); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("Open of age's file: %d bytes, %v", len(got), err)
				}
			})
		}
	}
}

// age asks for a passphrase on a terminal only; script(1) lends one.
func TestAge_Passphrase(t *testing.T) {
	bin := ageCommand(t)
	script, err := exec.LookPath("script")
	if err != nil {
		t.Skip("script is not installed")
	}
	const pass = "correct horse battery staple"
	rec, err := agefile.PassphraseRecipient(pass, 10)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	quiet := func(command string, typed string) {
		run(t, []byte(typed), script, "-qec", command, os.DevNull)
	}
	in, out := write("in.age", encrypt(t, false, []byte("from here"), rec)), filepath.Join(dir, "out")
	quiet(fmt.Sprintf("%s -d -o %s %s", bin, out, in), pass+"\n")
	if got, err := os.ReadFile(out); err != nil || string(got) != "from here" {
		t.Errorf("age opens %q, %v", got, err)
	}
	plain, file := write("plain", []byte("from age")), filepath.Join(dir, "file.age")
	quiet(fmt.Sprintf("%s -p -a -o %s %s", bin, file, plain), strings.Repeat(pass+"\n", 2))
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	id, err := agefile.PassphraseIdentity(pass, agefile.ServerMaxWorkFactor)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decrypt(b, id); err != nil || string(got) != "from age" {
		t.Errorf("Open of age's file: %q, %v", got, err)
	}
}
