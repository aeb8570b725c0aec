package sop_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestSqop_Keys: each takes the other's keys and certificates for what they are.
func TestSqop_Keys(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	for _, p := range b.pairs() {
		key := b.read(p.key)
		one, two := b.do(b.ours(), key, "extract-cert", "--no-armor"), b.do(sqop, key, "extract-cert", "--no-armor")
		// The order of what belongs to a user id is anybody's: their length and the primary key are the same.
		if len(one) != len(two) || !bytes.Equal(one[:40], two[:40]) {
			b.Errorf("%s: the certificates have %d and %d bytes", p.name, len(one), len(two))
		}
		b.same(p.name+" dearmor", b.do(b.ours(), key, "dearmor"), b.do(sqop, key, "dearmor"))
	}
}

// TestSqop_Detached signs with each key, over binary and text, and tells a change.
func TestSqop_Detached(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	pairs := b.pairs()
	b.directions(func(b *bench, from, to tool) {
		for _, p := range pairs {
			for _, as := range []string{"binary", "text"} {
				for i, content := range [][]byte{nil, prose(70_000)} {
					args := []string{"sign", "--as=" + as}
					if i == 1 {
						args = append(args, "--no-armor")
					}
					micalg := b.fresh()
					sig := b.file(b.do(from, content, append(args, "--micalg-out="+micalg, p.key)...))
					if got := string(b.read(micalg)); !strings.HasPrefix(got, "pgp-sha") {
						b.Errorf("%s: micalg %q", p.name, got)
					}
					line := string(b.do(to, content, "verify", sig, p.cert))
					if strings.Count(line, "\n") != 1 {
						b.Errorf("%s, %s: %q", p.name, as, line)
					}
					if to.name == "zencrypt" && !strings.Contains(line, "mode:"+as) {
						b.Errorf("%s: %q", p.name, line)
					}
					// Both find the same signature of the same key at the same time.
					other := strings.Fields(string(b.do(from, content, "verify", sig, p.cert)))
					if got := strings.Fields(line); strings.Join(got[:3], " ") != strings.Join(other[:3], " ") {
						b.Errorf("%s: one says %q, the other %q", p.name, got, other)
					}
					if _, code, _ := b.try(to, append(content[:len(content):len(content)], 'x'), "verify", sig, p.cert); code != 3 {
						b.Errorf("%s: a change gives exit %d", p.name, code)
					}
				}
			}
		}
	})
}

// TestSqop_Inline signs messages in each way, takes them apart again, and passes armor on.
func TestSqop_Inline(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	pairs := b.pairs()
	b.directions(func(b *bench, from, to tool) {
		for _, p := range pairs {
			for _, as := range []string{"binary", "text", "clearsigned"} {
				for i, content := range [][]byte{prose(1), prose(70_000)} {
					args := []string{"inline-sign", "--as=" + as}
					if i == 1 && as != "clearsigned" {
						args = append(args, "--no-armor")
					}
					msg := b.do(from, content, append(args, p.key)...)
					v := b.fresh()
					got := b.do(to, msg, "inline-verify", "--verifications-out="+v, p.cert)
					if to.name == "sqop" && as == "text" {
						got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")) // as it stands in the message
					}
					b.same(p.name+" "+as, got, content)
					if lines := string(b.read(v)); strings.Count(lines, "\n") != 1 {
						b.Errorf("%s, %s: %q", p.name, as, lines)
					}
					sig := b.fresh()
					if to.name == "sqop" && as == "clearsigned" {
						continue // sqop 0.27 adds a line end to the content, and its own verify says that it was changed
					}
					apart := b.do(to, msg, "inline-detach", "--signatures-out="+sig)
					b.do(from, apart, "verify", sig, p.cert)
					b.do(to, apart, "verify", sig, p.cert)
				}
			}
		}
	})
}

// TestSqop_Messages encrypts to each key, signed and not, in each form, and reads what the session key opens.
func TestSqop_Messages(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	pairs := b.pairs()
	b.directions(func(b *bench, from, to tool) {
		for i, p := range pairs {
			signer := pairs[(i+1)%len(pairs)]
			for n, content := range [][]byte{nil, prose(513), noise(1), noise(70_000)} {
				args := []string{"encrypt"}
				if n%2 == 0 {
					args = append(args, "--no-armor")
				}
				sk, v := b.fresh(), b.fresh()
				read := []string{"decrypt", "--session-key-out=" + sk, p.key}
				if n > 1 {
					args = append(args, "--sign-with="+signer.key)
					read = append(read, "--verify-with="+signer.cert, "--verifications-out="+v)
				} else if n == 1 {
					args = append(args, "--as=text")
				}
				msg := b.do(from, content, append(args, p.cert)...)
				b.same(fmt.Sprintf("%s, %d bytes", p.name, len(content)), b.do(to, msg, read...), content)
				if n > 1 {
					if lines := string(b.read(v)); strings.Count(lines, "\n") != 1 {
						b.Errorf("%s: %q", p.name, lines)
					}
				}
				b.same(p.name+" by session key", b.do(from, msg, "decrypt", "--with-session-key="+sk), content)
				if _, code, _ := b.try(to, msg, "decrypt", signer.key); code != 29 {
					b.Errorf("%s: another key gives exit %d", p.name, code)
				}
			}
		}
		// To everybody at once, and with a password.
		var certs []string
		for _, p := range pairs {
			certs = append(certs, p.cert)
		}
		pass := b.file([]byte("pässword \n"))
		msg := b.do(from, []byte("all"), append([]string{"encrypt", "--with-password=" + pass}, certs...)...)
		for _, p := range pairs {
			b.same(p.name+" among all", b.do(to, msg, "decrypt", p.key), []byte("all"))
		}
		b.same("password", b.do(to, msg, "decrypt", "--with-password="+pass), []byte("all"))
	})
}

// TestSqop_Large: 20 MB, with keys, passwords and signatures.
func TestSqop_Large(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	p := b.pair("sqop", b.do(sqop, nil, "generate-key", "Bob"), sqop)
	pass := b.file([]byte("password"))
	content := noise(20 << 20)
	b.directions(func(b *bench, from, to tool) {
		msg := b.do(from, content, "encrypt", "--sign-with="+p.key, "--with-password="+pass, p.cert)
		b.same("key", b.do(to, msg, "decrypt", p.key), content)
		b.same("password", b.do(to, msg, "decrypt", "--with-password="+pass), content)
		sig := b.file(b.do(from, content, "sign", p.key))
		b.do(to, content, "verify", sig, p.cert)
		b.same("inline", b.do(to, b.do(from, content, "inline-sign", p.key), "inline-verify", p.cert), content)
		armored := b.do(from, b.do(from, msg, "dearmor"), "armor")
		b.same("armor", b.do(to, armored, "dearmor"), b.do(to, msg, "dearmor"))
	})
}

// TestSqop_Locked: each unlocks what the other locked, and says the same when it can't.
func TestSqop_Locked(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	pass, wrong := b.file([]byte("open sesame")), b.file([]byte("wrong"))
	b.directions(func(b *bench, from, to tool) {
		key := b.do(from, nil, "generate-key", "--with-key-password="+pass, "Locked")
		p := b.pair("locked", key, from)
		sig := b.file(b.do(to, []byte("hello"), "sign", "--with-key-password="+wrong, "--with-key-password="+pass, p.key))
		b.do(from, []byte("hello"), "verify", sig, p.cert)
		msg := b.do(from, []byte("hello"), "encrypt", p.cert)
		b.same("decrypt", b.do(to, msg, "decrypt", "--with-key-password="+pass, p.key), []byte("hello"))
		for _, args := range [][]string{{"sign", p.key}, {"sign", "--with-key-password=" + wrong, p.key}} {
			_, one, _ := b.try(from, []byte("hello"), args...)
			_, two, _ := b.try(to, []byte("hello"), args...)
			if one != 67 || two != 67 {
				b.Errorf("%v: exits %d and %d", args, one, two)
			}
		}
	})
}

// TestSqop_Codes: both end alike. sqop 0.27 follows an older draft: what that left open is not here.
func TestSqop_Codes(t *testing.T) {
	need(t, "sqop")
	b := newBench(t)
	p := b.pair("sqop", b.do(sqop, nil, "generate-key", "Bob"), sqop)
	other := b.pair("other", b.do(sqop, nil, "generate-key", "Eve"), sqop)
	taken := b.file(nil)
	msg := b.do(sqop, []byte("hello"), "encrypt", p.cert)
	sig := b.file(b.do(sqop, nil, "sign", p.key))
	for _, tt := range []struct {
		in   []byte
		args []string
	}{
		{nil, []string{"sign", "nothing"}},
		{nil, []string{"sign", "--micalg-out=" + taken, p.key}},
		{msg, []string{"decrypt", "--verify-with=" + p.cert, p.key}},
		{msg, []string{"decrypt", "--session-key-out=" + taken, p.key}},
		{msg, []string{"decrypt", other.key}},
		{nil, []string{"verify", sig, other.cert}},
		{[]byte("x"), []string{"verify", sig, p.cert}},
		{nil, []string{"sign", "@HARDWARE:1"}},
		{nil, []string{"sign"}},
		{nil, []string{"frobnicate"}},
	} {
		_, one, _ := b.try(b.ours(), tt.in, tt.args...)
		_, two, stderr := b.try(sqop, tt.in, tt.args...)
		if one != two || one == 0 {
			b.Errorf("%v: ours ends with %d, sqop with %d: %s", tt.args, one, two, stderr)
		}
	}
}

// TestSqop_Revoked: a revoked certificate of ours is one for Sequoia. (sqop 0.27 would still encrypt to it.)
func TestSqop_Revoked(t *testing.T) {
	need(t, "sqop")
	need(t, "sq")
	b := newBench(t)
	for _, p := range b.pairs() {
		revoked := b.file(b.do(b.ours(), b.read(p.key), "revoke-key"))
		sig := b.file(b.do(sqop, nil, "sign", p.key))
		if _, code, _ := b.try(sqop, nil, "verify", sig, revoked); code != 3 {
			b.Errorf("%s: sqop verifies by it: exit %d", p.name, code)
		}
		if said := string(b.do(sq, nil, "inspect", revoked)); !strings.Contains(said, "Revoked:") {
			b.Errorf("%s: sq says %s", p.name, said)
		}
	}
}
