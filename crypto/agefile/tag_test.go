package agefile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"zencrypt/crypto/agefile"
)

// tagged are the two recipients of age's own test plugin, the classic one first.
func tagged(t *testing.T) (classic, hybrid string) {
	t.Helper()
	b, err := os.ReadFile("testdata/tag.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	return lines[1], lines[2]
}

// TestTag encrypts to keys on hardware without a plugin, and age's own test plugin opens it.
func TestTag(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "age-plugin-tagtest"), "filippo.io/age/tag/internal/age-plugin-tagtest")
	if out, err := build.CombinedOutput(); err != nil {
		missing(t, "age-plugin-tagtest of filippo.io/age", errors.New(string(out)))
	}
	classic, hybrid := tagged(t)
	k := agefile.KeyReader{Plugins: &plugin.ClientUI{}}
	secret, public := identity(t)
	for name, to := range map[string]string{"Classic": classic, "Hybrid": hybrid, "Mixed": classic + "\n" + public + "," + classic} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", "") // no plugin is started to encrypt
			rs, err := agefile.ParseRecipients(to)
			if err != nil {
				t.Fatal(err)
			}
			line, err := agefile.PublicKey(rs[0])
			if err != nil || line != strings.Fields(to)[0] {
				t.Errorf("it is written %.20q: %v", line, err)
			}
			var out bytes.Buffer
			w, err := agefile.Encrypt(&out, true, rs...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, "for a key on hardware"); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			id, err := k.PluginIdentity("tagtest")
			if err != nil {
				t.Fatal(err)
			}
			ids := []age.Identity{id}
			if name == "Mixed" {
				native, err := age.ParseX25519Identity(secret)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, native)
			}
			for _, id := range ids {
				r, err := agefile.Open(bytes.NewReader(out.Bytes()), id)
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(r); err != nil || string(b) != "for a key on hardware" {
					t.Errorf("opened %q, %v", b, err)
				}
			}
		})
	}
	// A classic recipient would undo what a post-quantum one promises; two post-quantum ones go together.
	_, pq, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   string
		want error
	}{{classic + "\n" + hybrid, agefile.ErrMixed}, {public + "\n" + hybrid, agefile.ErrMixed}, {classic + "\n" + pq, agefile.ErrMixed}, {hybrid + "\n" + pq, nil}} {
		rs, err := agefile.ParseRecipients(c.to)
		if err == nil {
			_, err = agefile.Encrypt(io.Discard, false, rs...)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%.20q and others: %v", c.to, err)
		}
	}
	for _, wrong := range []string{classic[:len(classic)-1], classic[:20] + "q" + classic[21:], strings.ToUpper(classic[:8]) + classic[8:], "age1tag1", "age1tagpq1" + classic[8:], hybrid[:500]} {
		if rs, err := agefile.ParseRecipients(wrong); err == nil {
			t.Errorf("%.30q is read as %d keys", wrong, len(rs))
		} else if strings.Contains(err.Error(), wrong) && len(wrong) > 20 {
			t.Errorf("the error repeats it: %v", err)
		}
	}
}
