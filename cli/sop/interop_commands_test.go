package sop_test

import (
	"strings"
	"testing"
)

// TestCommands holds the other commands (encrypt, decrypt, sign, verify, keygen) against GnuPG, sq and sqop.
func TestCommands(t *testing.T) {
	for _, name := range []string{"gpg", "sq", "sqop"} {
		need(t, name)
	}
	b := newBench(t)
	if help := string(b.do(sq, nil, "encrypt", "--help")); !strings.Contains(help, "--recipient-cert") {
		t.Skip("sq is here, but not of a version whose options are known (0.27)")
	}
	z := b.command()
	pass := b.file([]byte("open sesame\n"))
	for _, algorithm := range []string{"curve25519", "rsa3072", "p256", "p521"} {
		t.Run(algorithm, func(t *testing.T) {
			b := &bench{t}
			p := pair{key: b.fresh(), cert: b.fresh()}
			b.do(z, nil, "keygen", "--type=pgp", "--algorithm="+algorithm, "--name=Ann", "--email=ann@example.org", "-o", p.key)
			p.cert = b.file(b.do(z, nil, "keygen", "-y", p.key))
			g := newGnuPG(b)
			g.do(nil, "--import", p.key)
			for n, content := range [][]byte{nil, noise(1), prose(70_000)} {
				file := b.file(content)
				args := []string{"encrypt", "-R", p.cert, "--sign-with=" + p.key}
				if n == 2 {
					args = append(args, "-a")
				}
				msg := b.do(z, content, args...)
				in := b.file(msg)
				b.same("gpg decrypts", g.do(msg, "--decrypt"), content)
				b.same("sqop decrypts", b.do(sqop, msg, "decrypt", p.key), content)
				b.same("sq decrypts", b.do(sq, nil, "decrypt", "--recipient-key", p.key, "--signer-cert", p.cert, in), content)

				for by, msg := range map[string][]byte{
					"gpg":  g.do(content, "--encrypt", "--sign", "--recipient", "ann@example.org"),
					"sqop": b.do(sqop, content, "encrypt", "--sign-with="+p.key, p.cert),
					"sq":   b.do(sq, content, "encrypt", "--recipient-cert", p.cert, "--signer-key", p.key),
				} {
					// From a file, which is checked before anything is put out, and from a pipe to a file.
					got, code, stderr := b.try(z, nil, "decrypt", "-i", p.key, "--verify-with="+p.cert, b.file(msg))
					if code != 0 || !strings.Contains(stderr, "good signature by Ann") {
						b.Fatalf("%s: exit %d, %s", by, code, stderr)
					}
					b.same(by+", decrypted", got, content)
					out := b.fresh()
					b.do(z, msg, "decrypt", "-i", p.key, "-o", out)
					b.same(by+", decrypted to a file", b.read(out), content)
				}

				sig := b.file(b.do(z, content, "sign", "-a", "-k", p.key))
				g.do(nil, "--verify", sig, file)
				b.do(sqop, content, "verify", sig, p.cert)
				b.do(sq, nil, "verify", "--signer-cert", p.cert, "--detached", sig, file)
				for by, sig := range map[string][]byte{
					"gpg":  g.do(content, "--detach-sign"),
					"sqop": b.do(sqop, content, "sign", p.key),
					"sq":   b.do(sq, content, "sign", "--detached", "--signer-key", p.key),
				} {
					name := b.file(sig)
					if said := string(b.do(z, content, "verify", "-k", p.cert, "--signature", name)); !strings.HasPrefix(said, "good signature by Ann") {
						b.Errorf("%s: %s", by, said)
					}
					if _, code, _ := b.try(z, append(content[:len(content):len(content)], 'x'), "verify", "-k", p.cert, "--signature", name); code != 4 {
						b.Errorf("%s: a change gives exit %d", by, code)
					}
				}
			}
			text := prose(500)
			clear := b.do(z, text, "sign", "--clear", "-k", p.key)
			g.do(clear, "--verify")
			b.do(sqop, clear, "inline-verify", p.cert)
			for by, clear := range map[string][]byte{
				"gpg":  g.do(text, "--clear-sign"),
				"sqop": b.do(sqop, text, "inline-sign", "--as=clearsigned", p.key),
				"sq":   b.do(sq, text, "sign", "--cleartext-signature", "--signer-key", p.key),
			} {
				if said := string(b.do(z, clear, "verify", "-k", p.cert)); !strings.HasPrefix(said, "good signature by Ann") {
					b.Errorf("%s: %s", by, said)
				}
			}
		})
	}

	// Passphrases, and 20 MB.
	content := noise(20 << 20)
	g := newGnuPG(b)
	g.gpg.argv = append(g.gpg.argv, "--passphrase", "open sesame")
	sopPass := b.file([]byte("open sesame"))
	msg := b.do(z, content, "encrypt", "--format=pgp", "--passphrase-file="+pass)
	b.same("gpg, passphrase", g.do(msg, "--decrypt"), content)
	b.same("sqop, passphrase", b.do(sqop, msg, "decrypt", "--with-password="+sopPass), content)
	for by, msg := range map[string][]byte{
		"gpg":  g.do(content, "--symmetric"),
		"sqop": b.do(sqop, content, "encrypt", "--with-password="+sopPass),
		"ours": b.do(b.ours(), content, "encrypt", "--profile=rfc9580", "--with-password="+sopPass),
	} {
		b.same(by+", passphrase", b.do(z, nil, "decrypt", "--passphrase-file="+pass, b.file(msg)), content)
	}
}
