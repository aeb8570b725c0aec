package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const goodPassword = "correct horse battery staple 9"

// command runs the program in a folder of its own.
type command struct {
	t   *testing.T
	dir string
}

func newCommand(t *testing.T) *command {
	t.Helper()
	c := &command{t: t, dir: t.TempDir()}
	t.Chdir(c.dir)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	return c
}

func (c *command) run(stdin string, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, err bytes.Buffer
	code = Run(c.t.Context(), args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// must runs a command that has to end with a code, and gives both outputs together.
func (c *command) must(code int, stdin string, args ...string) string {
	c.t.Helper()
	got, out, err := c.run(stdin, args...)
	if got != code {
		c.t.Fatalf("zencrypt %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, err)
	}
	return out + err
}

func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("the output lacks %q:\n%s", p, text)
		}
	}
}

func TestRun_Usage(t *testing.T) {
	c := newCommand(t)
	has(t, c.must(0, "", "--help"), "serve", "user", "version")
	has(t, c.must(0, "", "version"), "zencrypt ")
	help := c.must(0, "", "serve", "--help")
	has(t, help, "--addr", "ZENCRYPT_ADDR", "127.0.0.1:8080", "--registration", "ZENCRYPT_MAX_UPLOAD", "zencrypt_key", "SIGTERM")
	has(t, c.must(2, "", "nonsense"), "nonsense", "--help")
	has(t, c.must(2, "", "serve", "--max-upload", "many"), "max-upload")
	has(t, c.must(2, "", "serve", "--addr", "0.0.0.0:0"), "ZENCRYPT_ORIGIN")
	has(t, c.must(2, "", "serve", "--registration", "perhaps"), "registration", "closed")
	if entries, err := os.ReadDir(c.dir); err != nil || len(entries) != 0 {
		t.Errorf("wrong usage left %v, %v", entries, err)
	}
}

func TestUser(t *testing.T) {
	c := newCommand(t)
	made := c.must(0, goodPassword+"\n", "user", "add", "Mira", "--password-file", "-")
	has(t, made, "A NEW SERVER KEY WAS MADE", "Mira", "Recovery code: ")
	has(t, c.must(1, goodPassword+"\n", "user", "add", "mIRA", "--password-file", "-"), "taken")
	has(t, c.must(1, "short\n", "user", "add", "jonas", "--password-file", "-"), "at least 12")
	has(t, c.must(2, "", "user", "add", "jonas"), "--password-file")

	list := c.must(0, "", "user", "list", "--json")
	has(t, list, `"login":"Mira"`, `"items":0`)
	if strings.Contains(list, "jonas") {
		t.Errorf("an account that was refused is listed:\n%s", list)
	}
	has(t, c.must(1, "nobody\n", "user", "delete", "mira"), "Nothing was deleted")
	has(t, c.must(0, "Mira\n", "user", "delete", "mira"), "deleted")
	has(t, c.must(0, "", "user", "list"), "No accounts yet")
	has(t, c.must(1, "", "user", "delete", "Mira", "--yes"), "no such login")
	has(t, c.must(1, goodPassword+"\n", "user", "add", "mira", "--password-file", "-"), "taken")

	for _, dir := range []string{"data", "secrets"} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v, want mode 0700", dir, info, err)
		}
	}
}

func TestOpenKeys(t *testing.T) {
	add := []string{"user", "list"}

	t.Run("LostKey", func(t *testing.T) {
		c := newCommand(t)
		c.must(0, "", add...)
		key := filepath.Join("secrets", "zencrypt_key")
		if err := os.Rename(key, "aside"); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, "", add...), "zencrypt_key", "recovery codes")
		if _, err := os.Stat(key); err == nil {
			t.Error("a new key was made for an old database")
		}
		if err := os.Rename("aside", key); err != nil {
			t.Fatal(err)
		}
		c.must(0, "", add...)
	})
	t.Run("OtherKey", func(t *testing.T) {
		c := newCommand(t)
		c.must(0, "", add...)
		c.must(0, "", append(add, "--data", "second", "--secrets", "other")...)
		has(t, c.must(1, "", append(add, "--secrets", "other")...), "server key", "recovery codes")
	})
	t.Run("ReadableByOthers", func(t *testing.T) {
		c := newCommand(t)
		c.must(0, "", add...)
		if err := os.Chmod("secrets/zencrypt_key", 0o644); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, "", add...), "chmod")
		c.must(0, "", append(add, "--shared-secrets", "on")...)
	})
	t.Run("InsideData", func(t *testing.T) {
		c := newCommand(t)
		has(t, c.must(1, "", append(add, "--secrets", "data/keys")...), "beside")
	})
	t.Run("OpenData", func(t *testing.T) {
		c := newCommand(t)
		if err := os.Mkdir("data", 0o755); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, "", add...), "chmod 700")
	})
}
