package cli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
	for _, args := range []string{"", "serve", "user", "user add", "user list", "user delete", "user invite", "user suspend", "user resume", "user quota", "user admin", "user reset-factor", "version"} {
		has(t, c.must(0, "", append(strings.Fields(args), "--help")...), "Exit codes", "    2  wrong usage")
	}
	has(t, strings.Join(strings.Fields(help), " "), "Default: 127.0.0.1:8080. ($ZENCRYPT_ADDR)", "give on or off", "4096", "A second one")
	for setting, value := range map[string]string{
		"ZENCRYPT_MAX_UPLOAD": "many", "ZENCRYPT_GUESTS": "perhaps", "ZENCRYPT_SESSION_IDLE": "48h", "ZENCRYPT_LOG_LEVEL": "loud",
		"ZENCRYPT_ORIGIN": "zen.example", "ZENCRYPT_TRUSTED_PROXIES": "everybody", "ZENCRYPT_KDF_MEMORY": "1MiB", "ZENCRYPT_SECRETS": "data/keys",
	} {
		t.Run(setting, func(t *testing.T) {
			t.Setenv(setting, value)
			has(t, c.must(2, "", "serve"), setting)
		})
	}
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
	has(t, c.must(1, "", "user", "reset-factor", "MIRA"), "has no second factor")
	has(t, c.must(1, "", "user", "reset-factor", "nobody"), "no such login")
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

// TestUser_NoDatabase: a mistyped directory makes nothing, but is named.
func TestUser_NoDatabase(t *testing.T) {
	c := newCommand(t)
	for _, args := range [][]string{{"user", "list"}, {"user", "list", "--json"}, {"user", "delete", "mira", "--yes"}} {
		has(t, c.must(1, "", args...), filepath.Join(c.dir, "data"), "--data", "ZENCRYPT_DATA")
		has(t, c.must(1, "", append(args, "--data", "dtaa", "--secrets", "keys")...), filepath.Join(c.dir, "dtaa"))
	}
	if entries, err := os.ReadDir(c.dir); err != nil || len(entries) != 0 {
		t.Errorf("made %v, %v", entries, err)
	}
}

// TestUser_Interrupted: the signal that ends the program ends a question too.
func TestUser_Interrupted(t *testing.T) {
	c := newCommand(t)
	c.must(0, goodPassword+"\n", "user", "add", "Mira", "--password-file", "-")
	for _, args := range [][]string{{"user", "delete", "mira"}, {"user", "add", "jonas", "--password-file", "-"}} {
		ctx, cancel := context.WithCancel(t.Context())
		r, w := io.Pipe() // nobody answers
		var out bytes.Buffer
		ended := make(chan int, 1)
		go func() { ended <- Run(ctx, args, r, io.Discard, &out) }()
		cancel()
		select {
		case code := <-ended:
			if code != 1 {
				t.Errorf("%q: exit %d\n%s", args, code, out.String())
			}
		case <-time.After(2 * time.Minute):
			t.Errorf("%q waits on", args)
		}
		w.Close()
	}
	has(t, c.must(0, "", "user", "list"), "Mira")
}

func TestOpenKeys(t *testing.T) {
	list := []string{"user", "list"}
	add := []string{"user", "add", "Mira", "--password-file", "-"}
	// made is a folder with a database.
	made := func(t *testing.T) *command {
		c := newCommand(t)
		c.must(0, goodPassword+"\n", add...)
		return c
	}

	t.Run("LostKey", func(t *testing.T) {
		c := made(t)
		key := filepath.Join("secrets", "zencrypt_key")
		if err := os.Rename(key, "aside"); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, "", list...), "zencrypt_key", "recovery codes")
		if _, err := os.Stat(key); err == nil {
			t.Error("a new key was made for an old database")
		}
		if err := os.Rename("aside", key); err != nil {
			t.Fatal(err)
		}
		c.must(0, "", list...)
	})
	t.Run("OtherKey", func(t *testing.T) {
		c := made(t)
		c.must(0, goodPassword+"\n", append(add, "--data", "second", "--secrets", "other")...)
		has(t, c.must(1, "", append(list, "--secrets", "other")...), "server key", "recovery codes")
	})
	t.Run("ReadableByOthers", func(t *testing.T) {
		c := made(t)
		if err := os.Chmod("secrets/zencrypt_key", 0o644); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, "", list...), "chmod")
		c.must(0, "", append(list, "--shared-secrets", "on")...)
	})
	t.Run("InsideData", func(t *testing.T) {
		c := newCommand(t)
		has(t, c.must(1, goodPassword+"\n", append(add, "--secrets", "data/keys")...), "beside")
	})
	t.Run("LostDatabase", func(t *testing.T) {
		c := newCommand(t)
		c.must(0, goodPassword+"\n", "user", "add", "mira", "--password-file", "-")
		kept := filepath.Join("data", "blobs", "00112233445566778899aabbccddeeff")
		if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(kept, []byte("sealed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join("data", "zencrypt.db"), "aside"); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, goodPassword+"\n", "user", "add", "jonas", "--password-file", "-"), "zencrypt.db", "blobs")
		if _, err := os.Stat(kept); err != nil {
			t.Errorf("the vault's file: %v", err)
		}
	})
	t.Run("OpenData", func(t *testing.T) {
		c := newCommand(t)
		if err := os.Mkdir("data", 0o755); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(1, goodPassword+"\n", add...), "chmod 700")
	})
}
