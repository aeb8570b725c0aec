package agefile_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

// missing ends a test whose tool is not here: it skips, but fails under CI.
func missing(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not here, and CI needs it: %v", what, err)
	}
	t.Skipf("left out, for want of %s: %v", what, err)
}

func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name, err)
	}
	return path
}

// modernAge builds the commands of the age that go.mod names, with the modules that age's own go.sum
// names, and returns their folder.
func modernAge(t *testing.T) string {
	t.Helper()
	source, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "filippo.io/age").Output()
	if err != nil {
		missing(t, "the source of age", err)
	}
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-C", strings.TrimSpace(string(source)), "-o", dir+string(filepath.Separator), "./cmd/age", "./cmd/age-keygen", "./cmd/age-plugin-batchpass")
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "a build of age", fmt.Errorf("%w: %s", err, out))
	}
	return dir
}

// bothWays sends content between this package and an age command, in all forms. args are what
// encrypts to the key, id what opens it.
func bothWays(t *testing.T, bin string, large bool, ids []age.Identity, rs []age.Recipient, encryptArgs, decryptArgs []string) {
	t.Helper()
	lengths := []int{0, 1, chunk, 8*chunk + 1}
	if large {
		lengths = append(lengths, 20_000_000)
	}
	for _, n := range lengths {
		plain := content(n)
		for _, armored := range []bool{false, true} {
			for _, workers := range []int{1, 3} {
				file := encryptParallel(t, armored, workers, plain, writers["Whole"], rs...)
				if got := run(t, file, bin, append([]string{"-d"}, decryptArgs...)...); !bytes.Equal(got, plain) {
					t.Errorf("%d bytes, armored %v, %d workers: age opens %d others", n, armored, workers, len(got))
				}
			}
			args := encryptArgs
			if armored {
				args = append([]string{"-a"}, args...)
			}
			file := run(t, plain, bin, args...)
			for _, workers := range []int{0, 3} {
				got, kind := outcome(agefile.Opener{Identities: ids, Strict: true, Workers: workers}, file)
				if kind != "success" || !bytes.Equal(got, plain) {
					t.Errorf("%d bytes, armored %v, %d workers: from age %d bytes, %s", n, armored, workers, len(got), kind)
				}
			}
			if !armored {
				if at, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), ids...); err != nil || at.Size != int64(n) {
					t.Errorf("%d bytes: OpenAt of age's file: %v", n, err)
				}
			}
		}
	}
}

// keyFile writes a file of keys.
func keyFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readKeys reads a file as -i does, and its public halves.
func readKeys(t *testing.T, k agefile.KeyReader, path string) ([]age.Identity, []age.Recipient) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ids, err := k.Identities(f)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agefile.RecipientsOf(ids...)
	if err != nil {
		t.Fatal(err)
	}
	return ids, rs
}

func TestInterop_DebianAge(t *testing.T) {
	bin := tool(t, "age")
	t.Run("X25519", func(t *testing.T) {
		path := keyFile(t, "key", run(t, nil, tool(t, "age-keygen")))
		ids, rs := readKeys(t, agefile.KeyReader{}, path)
		bothWays(t, bin, true, ids, rs, []string{"-r", publicKey(t, ids[0])}, []string{"-i", path})
	})
	t.Run("SSH", func(t *testing.T) { interopSSH(t, bin) })
}

func TestInterop_ModernAge(t *testing.T) {
	dir := modernAge(t)
	bin := filepath.Join(dir, "age")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	keygen := filepath.Join(dir, "age-keygen")
	for name, args := range map[string][]string{"X25519": nil, "PostQuantum": {"-pq"}} {
		t.Run(name, func(t *testing.T) {
			secret := run(t, nil, keygen, args...)
			path := keyFile(t, "key", secret)
			ids, rs := readKeys(t, agefile.KeyReader{}, path)
			if got := strings.TrimSpace(string(run(t, secret, keygen, "-y"))); got != publicKey(t, ids[0]) {
				t.Errorf("age-keygen -y says %.20s..., PublicKey another", got)
			}
			bothWays(t, bin, args == nil, ids, rs, []string{"-R", keyFile(t, "public", []byte("# mine\n"+publicKey(t, ids[0])+"\n"))}, []string{"-i", path})
			if got, err := decrypt(run(t, []byte("to myself"), bin, "-e", "-i", path), ids...); err != nil || string(got) != "to myself" {
				t.Errorf("age -e -i: %q, %v", got, err)
			}
		})
	}
	t.Run("Made", func(t *testing.T) {
		secret, public, err := agefile.NewHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		path := keyFile(t, "key", []byte(secret+"\n"))
		ids, rs := readKeys(t, agefile.KeyReader{}, path)
		bothWays(t, bin, false, ids, rs, []string{"-r", public}, []string{"-i", path})
	})
	t.Run("SSH", func(t *testing.T) { interopSSH(t, bin) })
	t.Run("Passphrase", func(t *testing.T) {
		const pass = "correct horse battery staple"
		t.Setenv("AGE_PASSPHRASE", pass)
		t.Setenv("AGE_PASSPHRASE_WORK_FACTOR", "10")
		id, err := agefile.PassphraseIdentity(pass, agefile.ServerMaxWorkFactor)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := agefile.PassphraseRecipient(pass, 10)
		if err != nil {
			t.Fatal(err)
		}
		bothWays(t, bin, false, []age.Identity{id}, []age.Recipient{rec}, []string{"-e", "-j", "batchpass"}, []string{"-j", "batchpass"})
	})
	t.Run("EncryptedIdentities", func(t *testing.T) {
		const pass = "correct horse battery staple"
		t.Setenv("AGE_PASSPHRASE", pass)
		t.Setenv("AGE_PASSPHRASE_WORK_FACTOR", "10")
		secret := run(t, nil, keygen)
		for _, form := range [][]string{nil, {"-a"}} {
			locked := keyFile(t, "key.age", run(t, secret, bin, append(form, "-e", "-j", "batchpass")...))
			who := &asker{pass: pass}
			ids, rs := readKeys(t, agefile.KeyReader{Passphrase: who.ask}, locked)
			bothWays(t, bin, false, ids, rs, []string{"-e", "-i", keyFile(t, "key", secret)}, []string{"-i", keyFile(t, "key", secret)})
			if who.n != 1 {
				t.Errorf("asked %d times, want once", who.n)
			}
		}
	})
}

// An encrypted identity file made here is one that age asks a passphrase for.
func TestInterop_LockedFileForAge(t *testing.T) {
	bin, script := tool(t, "age"), tool(t, "script")
	const pass = "correct horse battery staple"
	secret, public := identity(t)
	rec, err := agefile.PassphraseRecipient(pass, 10)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agefile.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	locked := keyFile(t, "key.age", encrypt(t, true, []byte(secret+"\n"), rec))
	in, out := keyFile(t, "in.age", encrypt(t, false, []byte("from here"), rs...)), filepath.Join(t.TempDir(), "out")
	run(t, []byte(pass+"\n"), script, "-qec", fmt.Sprintf("%s -d -i %s -o %s %s", bin, locked, out, in), os.DevNull)
	if got, err := os.ReadFile(out); err != nil || string(got) != "from here" {
		t.Errorf("age opens %q, %v", got, err)
	}
}

// interopSSH uses keys of ssh-keygen, in the forms that it writes.
func interopSSH(t *testing.T, bin string) {
	keygen := tool(t, "ssh-keygen")
	for name, tc := range map[string]struct {
		args []string
		pass string
	}{
		"Ed25519": {[]string{"-t", "ed25519"}, ""}, "RSA": {[]string{"-t", "rsa", "-b", "3072"}, ""}, "RSAPEM": {[]string{"-t", "rsa", "-b", "2048", "-m", "PEM"}, ""},
		"Ed25519Locked": {[]string{"-t", "ed25519", "-a", "4"}, "open sesame"}, "RSALocked": {[]string{"-t", "rsa", "-b", "2048", "-a", "4"}, "open sesame"},
		"RSAPEMLocked": {[]string{"-t", "rsa", "-b", "2048", "-m", "PEM"}, "open sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "id")
			run(t, nil, keygen, append(tc.args, "-q", "-C", "me at home", "-N", tc.pass, "-f", path)...)
			who := &asker{pass: tc.pass}
			k := agefile.KeyReader{Passphrase: who.ask, PublicKey: func() ([]byte, error) { return os.ReadFile(path + ".pub") }}
			ids, rs := readKeys(t, k, path)
			line, err := os.ReadFile(path + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			if got := publicKey(t, ids[0]); !strings.HasPrefix(string(line), got+" ") {
				t.Errorf("public key %q, want %q", got, line)
			}
			fromFile, err := k.Recipients(bytes.NewReader(line))
			if err != nil {
				t.Fatal(err)
			}
			if tc.pass == "" {
				bothWays(t, bin, false, ids, append(rs, fromFile...), []string{"-R", path + ".pub"}, []string{"-i", path})
				return
			}
			file := run(t, []byte("from age"), bin, "-r", strings.TrimSpace(string(line)))
			wrong := asker{pass: "wrong"}
			k.Passphrase = wrong.ask
			wrongIDs, _ := readKeys(t, k, path)
			if _, err := decrypt(file, wrongIDs...); err == nil || class(err) == "success" || !strings.Contains(err.Error(), "wrong passphrase") {
				t.Errorf("wrong passphrase: %v", err)
			}
			if got, err := decrypt(file, ids...); err != nil || string(got) != "from age" || who.n != 1 {
				t.Errorf("%q, %v, asked %d times", got, err, who.n)
			}
		})
	}
}
