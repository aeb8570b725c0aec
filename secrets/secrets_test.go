package secrets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func env(name, value string) func(string) string {
	return func(asked string) string {
		if asked == name {
			return value
		}
		return ""
	}
}

// write puts a file with a mode, whatever the umask.
func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func encoded(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), KeySize))) + "\n"
}

func TestFind(t *testing.T) {
	root, work, cred, explicit := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	t.Chdir(work)
	run, etc := filepath.Join(root, "run/secrets"), filepath.Join(root, "etc/secrets")
	credentials := env("CREDENTIALS_DIRECTORY", cred)
	expect := func(step, explicit, want string, wantOK bool) {
		t.Helper()
		if dir, ok := Find(explicit, credentials, root); dir != want || ok != wantOK {
			t.Errorf("%s: got %s, %v; want %s, %v", step, dir, ok, want, wantOK)
		}
	}

	expect("nothing", "", LocalDir, false)
	write(t, filepath.Join(etc, "zen.key"), "old server", 0o600)
	write(t, filepath.Join(etc, KeyFile+".1"), encoded('o'), 0o600)
	expect("folders without an active key", "", LocalDir, false)
	expect("explicit without a key", explicit, explicit, false)

	// From the last place to the first, each wins over those before it.
	write(t, filepath.Join(LocalDir, KeyFile), encoded('l'), 0o600)
	expect("local", "", LocalDir, true)
	write(t, filepath.Join(etc, KeyFile), encoded('e'), 0o600)
	expect("etc", "", etc, true)
	write(t, filepath.Join(run, KeyFile), encoded('r'), 0o600)
	expect("run", "", run, true)
	write(t, filepath.Join(cred, KeyFile), encoded('c'), 0o600)
	expect("credentials", "", cred, true)
	expect("explicit without a key, though others have one", explicit, explicit, false)
	write(t, filepath.Join(explicit, KeyFile), encoded('x'), 0o600)
	expect("explicit", explicit, explicit, true)
}

// Where looking fails for another reason than absence, a key may well be there:
// making a second one would lock everybody out.
func TestFind_Unclear(t *testing.T) {
	root := t.TempDir()
	t.Chdir(t.TempDir())
	write(t, filepath.Join(root, "etc/secrets"), "a file where a directory belongs", 0o600)
	if dir, ok := Find("", env("", ""), root); !ok || dir != filepath.Join(root, "etc/secrets") {
		t.Errorf("got %s, %v", dir, ok)
	}
}

func TestMounted(t *testing.T) {
	root := t.TempDir()
	credentials := env("CREDENTIALS_DIRECTORY", "/run/credentials/zencrypt.service/")
	for dir, want := range map[string]bool{
		filepath.Join(root, "run/secrets"):  true,
		"/run/credentials/zencrypt.service": true,
		filepath.Join(root, "etc/secrets"):  false,
		LocalDir:                            false,
		".":                                 false,
	} {
		if Mounted(dir, credentials, root) != want {
			t.Errorf("Mounted(%s) is not %v", dir, want)
		}
	}
	if Mounted(".", env("", ""), root) {
		t.Error("an unset variable counts as the working directory")
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, KeyFile), encoded('a'), 0o600)
	write(t, filepath.Join(dir, KeyFile+".2"), encoded('2'), 0o400)
	write(t, filepath.Join(dir, KeyFile+".10"), strings.TrimSpace(encoded('t')), 0o600)
	for _, other := range []string{".bak", ".0", ".01", ".-1", ".1~", "", "x"} {
		write(t, filepath.Join(dir, "x"+KeyFile+other), "not ours", 0o644)
		if other != "" {
			write(t, filepath.Join(dir, KeyFile+other), "not ours", 0o644)
		}
	}
	ring, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if string(ring.Active.Secret.Bytes()) != strings.Repeat("a", 32) || ring.Active.Version != 0 || ring.Created || ring.Dir != dir {
		t.Errorf("wrong active key: %+v", ring)
	}
	var versions []int
	for _, k := range ring.Older {
		versions = append(versions, k.Version)
		if got, ok := ring.ByFingerprint(k.Fingerprint); !ok || got.Version != k.Version || got.Path != k.Path {
			t.Errorf("fingerprint %s finds version %d", k.Fingerprint, got.Version)
		}
	}
	if !slices.Equal(versions, []int{10, 2}) {
		t.Errorf("older versions are %v", versions)
	}
	if got, ok := ring.ByFingerprint(ring.Active.Fingerprint); !ok || got.Version != 0 {
		t.Error("the active key is not found by its fingerprint")
	}
	for _, fp := range []string{"", "0000000000000000", strings.ToUpper(ring.Active.Fingerprint) + "x"} {
		if _, ok := ring.ByFingerprint(fp); ok {
			t.Errorf("fingerprint %q finds a key", fp)
		}
	}
}

func TestLoad_Shared(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o644, 0o620, 0o601, 0o440} {
		for _, name := range []string{KeyFile, KeyFile + ".1"} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "it's here")
				write(t, filepath.Join(dir, KeyFile), encoded('a'), 0o600)
				path := filepath.Join(dir, name)
				write(t, path, encoded('b'), mode)
				_, err := Load(dir, LoadOptions{})
				if !errors.Is(err, ErrShared) {
					t.Fatalf("got %v", err)
				}
				if want := "chmod 600 '" + strings.ReplaceAll(path, "'", `'\''`) + "'"; !strings.Contains(err.Error(), want) {
					t.Errorf("does not say %s: %v", want, err)
				}
				if _, err := Load(dir, LoadOptions{AllowShared: true}); err != nil {
					t.Errorf("refused although allowed: %v", err)
				}
			})
		}
	}
	t.Run("NoKey", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "passwd")
		write(t, path, "root:x:0:0:root:/root:/bin/sh\n", 0o644)
		if _, err := Load(path, LoadOptions{}); !errors.Is(err, ErrBadKey) || strings.Contains(err.Error(), "chmod") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("Directory", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, KeyFile), encoded('a'), 0o600)
		for mode, want := range map[fs.FileMode]bool{0o755: true, 0o711: true, 0o500: true, 0o775: false, 0o702: false} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir, LoadOptions{})
			if (err == nil) != want || (err != nil && (!errors.Is(err, ErrShared) || !strings.Contains(err.Error(), "chmod go-w "+dir))) {
				t.Errorf("%o: got %v", mode, err)
			}
		}
	})
}

func TestLoad_Bad(t *testing.T) {
	long := base64.StdEncoding.EncodeToString(make([]byte, 33))
	for name, tt := range map[string]struct{ text, want string }{
		"Empty":     {"", "empty"},
		"Blank":     {" \r\n", "empty"},
		"NotBase64": {"Planted-Secret!!", "base64"},
		"Short":     {base64.StdEncoding.EncodeToString([]byte(planted[:31])), "got 31"},
		"Long":      {long, "got 33"},
		"Hex":       {hex.EncodeToString([]byte(planted)), "got 48"},
		"Unpadded":  {strings.TrimRight(encoded('a'), "=\n"), "base64"},
		"TwoLines":  {encoded('a') + encoded('b'), "base64"},
		"Huge":      {strings.Repeat("A", 1<<20), "longer than 1024"},
		"NUL":       {encoded('a') + "\x00", "base64"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, KeyFile)
			write(t, path, tt.text, 0o600)
			_, err := Load(dir, LoadOptions{})
			if !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "Planted") {
				t.Errorf("shows what the file holds: %v", err)
			}
		})
	}
	t.Run("Missing", func(t *testing.T) {
		for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
			if _, err := Load(dir, LoadOptions{}); !errors.Is(err, ErrMissing) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("Directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, KeyFile), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir, LoadOptions{}); !errors.Is(err, ErrBadKey) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("BadOlder", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, KeyFile), encoded('a'), 0o600)
		write(t, filepath.Join(dir, KeyFile+".7"), "?", 0o600)
		if _, err := Load(dir, LoadOptions{}); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), KeyFile+".7") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCreate(t *testing.T) {
	t.Run("NewDirectory", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "secrets")
		ring, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !ring.Created || len(ring.Active.Secret.Bytes()) != KeySize {
			t.Errorf("got %+v", ring)
		}
		wantMode(t, dir, 0o700)
		wantMode(t, filepath.Join(dir, KeyFile), 0o400)
		loaded, err := Load(dir, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !loaded.Active.Secret.Equal(ring.Active.Secret) || loaded.Active.Fingerprint != ring.Active.Fingerprint || loaded.Created {
			t.Error("what was made is not what is loaded")
		}
	})
	t.Run("EveryLevelSynced", func(t *testing.T) {
		root := t.TempDir()
		var synced []string
		note := func(dir string) error { synced = append(synced, strings.TrimPrefix(dir, root)); return nil }
		if err := makeLevels(filepath.Join(root, "a", "b", "secrets"), note); err != nil {
			t.Fatal(err)
		}
		if want := []string{"", "/a", "/a/b"}; !slices.Equal(synced, want) {
			t.Errorf("synced %q, want %q", synced, want)
		}
	})
	t.Run("NeverTwice", func(t *testing.T) {
		dir := t.TempDir()
		first, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Create(dir); !errors.Is(err, fs.ErrExist) {
			t.Errorf("got %v", err)
		}
		again, err := Load(dir, LoadOptions{})
		if err != nil || !again.Active.Secret.Equal(first.Active.Secret) {
			t.Errorf("the first key is gone: %v", err)
		}
	})
	t.Run("AfterCrash", func(t *testing.T) {
		dir := t.TempDir()
		for _, text := range []string{"", encoded('c')[:20], encoded('c')} { // at any point before the key is in place
			if _, err := writeTemp(dir, text); err != nil {
				t.Fatal(err)
			}
		}
		if _, ok := Find(dir, env("", ""), ""); ok {
			t.Fatal("half a key is taken for one")
		}
		made, err := Create(dir)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := Load(dir, LoadOptions{})
		if err != nil || !ring.Active.Secret.Equal(made.Active.Secret) || len(ring.Older) != 0 {
			t.Errorf("loaded %+v, %v", ring, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
			t.Errorf("%v, %v: want the key and what the crashes left", entries, err)
		}
	})
	t.Run("NothingBesides", func(t *testing.T) {
		dir := t.TempDir()
		for range 2 { // the second one is refused
			_, _ = Create(dir)
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || entries[0].Name() != KeyFile {
				t.Errorf("%v, %v", entries, err)
			}
		}
	})
	t.Run("Differ", func(t *testing.T) {
		a, err := Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		b, err := Create(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if a.Active.Secret.Equal(b.Active.Secret) || a.Active.Fingerprint == b.Active.Fingerprint {
			t.Error("two keys are the same")
		}
	})
	t.Run("LocalIsTightened", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := os.Mkdir(LocalDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(LocalDir, 0o775); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(LocalDir); err != nil {
			t.Fatal(err)
		}
		wantMode(t, LocalDir, 0o700)
	})
	t.Run("OthersCanWrite", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := Create(dir); !errors.Is(err, ErrShared) {
			t.Errorf("got %v", err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("left %v", entries)
		}
		wantMode(t, dir, 0o777)
	})
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
	}
}

func TestKeyring_Derive(t *testing.T) {
	ring := &Keyring{Active: newKey(0, "", []byte(planted))}
	want, err := hkdf.Key(sha256.New, []byte(planted), nil, "zencrypt/v1/pepper", 32)
	if err != nil {
		t.Fatal(err)
	}
	got := ring.Derive("zencrypt/v1/pepper")
	if string(got[:]) != string(want) || got != ring.Active.Derive("zencrypt/v1/pepper") {
		t.Error("is not HKDF-SHA-256 without salt")
	}
	if got == ring.Derive("zencrypt/v1/pepper2") {
		t.Error("two purposes have one key")
	}

	// From OpenSSL 3.0.19, with 61 standing 32 times for the key:
	// openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:6161... -kdfopt info:test HKDF
	frozen := newKey(0, "", []byte(strings.Repeat("a", 32))).Derive("test")
	if got := hex.EncodeToString(frozen[:]); got != "90f0b54d684acb1ffa2832b4c303b2ac50eedc1bf24f983314871f9b4670762d" {
		t.Errorf("got %s", got)
	}
}

func TestKey_Fingerprint(t *testing.T) {
	key := newKey(0, "", []byte(planted))
	derived := key.Derive("zencrypt/v1/fingerprint")
	sum := sha256.Sum256(derived[:])
	if key.Fingerprint != hex.EncodeToString(sum[:8]) {
		t.Errorf("got %s", key.Fingerprint)
	}
	// It is in every database and must not change. From OpenSSL 3.0.19: the command
	// above with -binary and info:zencrypt/v1/fingerprint, piped through sha256sum.
	if got := newKey(0, "", []byte(strings.Repeat("a", 32))).Fingerprint; got != "5c383a17c19b2e63" {
		t.Errorf("got %s", got)
	}
}
