package sop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gnuPG is a key ring of its own.
type gnuPG struct {
	*bench
	home string
	gpg  tool
	next int
}

func newGnuPG(b *bench) *gnuPG {
	b.Helper()
	// The agent's socket has to fit into 108 bytes, which a test's folder may not.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		os.RemoveAll(home)
	})
	argv := []string{"gpg", "--homedir", home, "--batch", "--quiet", "--no-tty", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", "--trust-model", "always"}
	return &gnuPG{bench: b, home: home, gpg: tool{"gpg", argv}}
}

func (g *gnuPG) do(in []byte, args ...string) []byte {
	g.Helper()
	return g.bench.do(g.gpg, in, args...)
}

// generate makes a key with a subkey that encrypts and returns it as text; algo is of both, with a slash between.
func (g *gnuPG) generate(algo string) []byte {
	g.Helper()
	g.next++
	user := fmt.Sprintf("user%d@example.org", g.next)
	primary, sub, _ := strings.Cut(algo, "/")
	g.do(nil, "--quick-generate-key", user, primary, "default", "never")
	var fpr string
	for _, line := range strings.Split(string(g.do(nil, "--with-colons", "--list-keys", user)), "\n") {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			fpr = fields[9]
			break
		}
	}
	g.do(nil, "--quick-add-key", fpr, sub, "encr", "never")
	return g.do(nil, "--armor", "--export-secret-keys", user)
}

// TestGPG: all that both do, with GnuPG's keys and ours, in both directions.
func TestGPG(t *testing.T) {
	need(t, "gpg")
	b := newBench(t)
	g, ours := newGnuPG(b), b.ours()
	var pairs []pair
	for _, algo := range []string{"ed25519/cv25519", "rsa3072/rsa3072", "nistp256/nistp256"} {
		pairs = append(pairs, b.pair("gpg "+algo, g.generate(algo), ours))
	}
	for _, profile := range []string{"default", "rfc4880", "nist"} {
		key := b.do(ours, nil, "generate-key", "--profile="+profile, profile+" <"+profile+"@example.org>")
		p := b.pair("zencrypt "+profile, key, ours)
		g.do(nil, "--import", p.key)
		pairs = append(pairs, p)
	}
	user := func(i int) string {
		if i < 3 {
			return fmt.Sprintf("user%d@example.org", i+1)
		}
		return []string{"default", "rfc4880", "nist"}[i-3] + "@example.org"
	}
	for i, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			g.bench = &bench{t}
			b := g.bench
			for n, content := range [][]byte{nil, noise(1), prose(70_000)} {
				msg := b.do(ours, content, "encrypt", "--sign-with="+p.key, p.cert)
				b.same("ours to gpg", g.do(msg, "--decrypt"), content)
				args := []string{"--encrypt", "--sign", "--recipient", user(i), "--local-user", user(i)}
				if n == 1 {
					args = append(args, "--armor", "--compress-algo", "none")
				}
				v := b.fresh()
				got := b.do(ours, g.do(content, args...), "decrypt", "--verify-with="+p.cert, "--verifications-out="+v, p.key)
				b.same("gpg to ours", got, content)
				if lines := string(b.read(v)); strings.Count(lines, "mode:binary") != 1 {
					b.Errorf("verifications %q", lines)
				}
				file := b.file(content)
				for _, as := range []string{"binary", "text"} {
					if as == "text" && n == 1 {
						continue
					}
					g.do(nil, "--verify", b.file(b.do(ours, content, "sign", "--as="+as, p.key)), file)
					args := []string{"--detach-sign", "--local-user", user(i)}
					if as == "text" {
						args = append(args, "--textmode")
					}
					line := string(b.do(ours, content, "verify", b.file(g.do(content, args...)), p.cert))
					if !strings.Contains(line, "mode:"+as) {
						b.Errorf("%s: %q", as, line)
					}
				}
			}
			text := prose(1000)
			b.same("clear-signed by us", g.do(b.do(ours, text, "inline-sign", "--as=clearsigned", p.key), "--decrypt"), text)
			clear := g.do(text, "--clear-sign", "--local-user", user(i))
			b.same("clear-signed by gpg", b.do(ours, clear, "inline-verify", p.cert), text)
			sig := b.fresh()
			b.do(ours, b.do(ours, clear, "inline-detach", "--signatures-out="+sig), "verify", sig, p.cert)
			b.same("signed by us", g.do(b.do(ours, text, "inline-sign", p.key), "--decrypt"), text)
			b.same("signed text by us", g.do(b.do(ours, text, "inline-sign", "--as=text", p.key), "--decrypt"), text)
			for _, mode := range [][]string{nil, {"--textmode"}} {
				signed := g.do(text, append(mode[:len(mode):len(mode)], "--sign", "--local-user", user(i))...)
				b.same("signed by gpg", b.do(ours, signed, "inline-verify", p.cert), text)
				sig := b.fresh()
				apart := b.do(ours, signed, "inline-detach", "--signatures-out="+sig)
				b.do(ours, apart, "verify", sig, p.cert)
			}
		})
	}
	g.bench = b

	// Passwords, a large message, and what opens a message again.
	pass := b.file([]byte("pass word"))
	large := noise(20 << 20)
	symmetric := tool{"gpg", append(g.gpg.argv[:len(g.gpg.argv):len(g.gpg.argv)], "--passphrase", "pass word")}
	b.same("password, ours to gpg", b.do(symmetric, b.do(ours, large, "encrypt", "--with-password="+pass), "--decrypt"), large)
	b.same("password, gpg to ours", b.do(ours, b.do(symmetric, large, "--symmetric", "--armor"), "decrypt", "--with-password="+pass), large)
	msg := g.do(large, "--encrypt", "--recipient", user(0))
	sk := b.fresh()
	b.same("large", b.do(ours, msg, "decrypt", "--session-key-out="+sk, pairs[0].key), large)
	b.same("session key", g.do(msg, "--override-session-key", strings.TrimSpace(string(b.read(sk))), "--decrypt"), large)

	// Locked keys, and GnuPG's armor of anything.
	locked := b.do(ours, b.read(pairs[3].key), "change-key-password", "--new-key-password="+pass)
	other := newGnuPG(b)
	other.gpg.argv = append(other.gpg.argv, "--passphrase", "pass word")
	other.do(locked, "--import")
	b.do(ours, large[:10], "verify", b.file(other.do(large[:10], "--detach-sign", "--local-user", user(3))), pairs[3].cert)
	exported := other.do(nil, "--export-secret-keys", user(3))
	b.do(ours, large[:10], "verify", b.file(b.do(ours, large[:10], "sign", "--with-key-password="+pass, b.file(exported))), pairs[3].cert)
	b.same("armor", g.do(b.do(ours, exported, "armor"), "--dearmor"), exported)
	armored := other.do(nil, "--export-secret-keys", "--armor", user(3))
	b.same("dearmor", b.do(ours, armored, "dearmor"), g.do(armored, "--dearmor"))

	// Each counts the other's signature over a user id.
	byUs := b.do(ours, b.read(pairs[0].cert), "certify-userid", "--userid=user1@example.org", pairs[3].key)
	g.do(byUs, "--import")
	if list := string(g.do(nil, "--with-colons", "--check-signatures", "user1@example.org")); !strings.Contains(list, "default <default@example.org>") || strings.Contains(list, "sig:-") {
		b.Errorf("GnuPG does not count our signature:\n%s", list)
	}
	g.do(nil, "--local-user", "user1@example.org", "--quick-sign-key", strings.Fields(string(b.do(ours, nil, "verify", b.file(b.do(ours, nil, "sign", pairs[5].key)), pairs[5].cert)))[2])
	byGPG := g.do(nil, "--export", user(5))
	b.do(ours, byGPG, "validate-userid", "nist <nist@example.org>", pairs[0].cert)
	b.do(ours, b.do(ours, b.read(pairs[5].cert), "merge-certs", b.file(byGPG)), "validate-userid", "--addr-spec-only", "nist@example.org", pairs[0].cert)
	if _, code, _ := b.try(ours, byGPG, "validate-userid", "nist <nist@example.org>", pairs[1].cert); code != 107 {
		b.Errorf("another's certificate gives exit %d", code)
	}

	// A revoked certificate revokes what GnuPG has.
	g.do(b.do(ours, b.read(pairs[4].key), "revoke-key"), "--import")
	if list := string(g.do(nil, "--with-colons", "--list-keys", user(4))); !strings.Contains(list, "pub:r:") {
		b.Errorf("GnuPG does not take it as revoked:\n%s", list)
	}
	if _, err := os.Stat(filepath.Join(g.home, "pubring.kbx")); err != nil {
		b.Error(err)
	}
}
