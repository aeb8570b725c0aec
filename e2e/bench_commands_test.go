//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkCommands times the command line beside the commands that people would use instead, on a file in the
// page cache, in turns. All but OpenPGP's decryption write to /dev/null.
func BenchmarkCommands(b *testing.B) {
	size := int64(1 << 30)
	if os.Getenv("ZENCRYPT_E2E_BULK") != "" {
		size = bulkSize(b)
	}
	dir := b.TempDir()
	needDisk(b, dir, 6*size)
	in := func(name string) string { return filepath.Join(dir, name) }
	plain, key, pass := in("plain"), in("key.txt"), in("pass")
	writeNoise(b, plain, size)
	if err := os.WriteFile(pass, []byte("a passphrase for benchmarks\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	ours := func(args ...string) func() { return func() { command(b, binary(b), args...) } }
	ours("keygen", "-o", key)()
	recipient := strings.TrimSpace(command(b, binary(b), "keygen", "-y", key))
	ours("encrypt", "-r", recipient, "-o", in("plain.age"), plain)()
	ours("encrypt", "--passphrase-file", pass, "--format", "pgp", "-o", in("plain.gpg"), plain)()

	gpg := optional(b, "gpg")
	home := in("gnupg")
	if err := os.Mkdir(home, 0o700); err != nil {
		b.Fatal(err)
	}
	theirs := func(program string, args ...string) func() {
		return optionally(optional(b, program), func() { command(b, program, args...) })
	}
	gnupg := func(args ...string) func() {
		return optionally(gpg, func() {
			command(b, "gpg", append([]string{"--homedir", home, "--batch", "--yes", "--quiet", "--no-permission-warning", "--pinentry-mode", "loopback",
				"--passphrase-file", pass, "--compress-algo", "none", "--cipher-algo", "AES256"}, args...)...)
		})
	}
	jobs := []job{
		{"age: encrypt", "age -r", ours("encrypt", "-r", recipient, "-o", os.DevNull, plain), theirs("age", "-r", recipient, "-o", os.DevNull, plain), nil},
		{"age: decrypt", "age -d -i", ours("decrypt", "-i", key, "-o", os.DevNull, in("plain.age")), theirs("age", "-d", "-i", key, "-o", os.DevNull, in("plain.age")), nil},
		{"openpgp: encrypt with passphrase", "gpg --symmetric", ours("encrypt", "--passphrase-file", pass, "--format", "pgp", "-o", os.DevNull, plain), gnupg("-o", os.DevNull, "--symmetric", plain), nil},
		// To a file: to anything else ours opens the message twice, since all of it is checked before any of it is let out.
		{"openpgp: decrypt with passphrase", "gpg --decrypt", ours("decrypt", "--passphrase-file", pass, "-o", in("ours"), in("plain.gpg")), gnupg("-o", in("theirs"), "--decrypt", in("plain.gpg")), nil},
		{"age: encrypt with passphrase", "openssl enc -chacha20 -pbkdf2", ours("encrypt", "--passphrase-file", pass, "-o", os.DevNull, plain),
			theirs("openssl", "enc", "-chacha20", "-pbkdf2", "-pass", "file:"+pass, "-in", plain, "-out", os.DevNull), nil},
		{"hash: sha256", "sha256sum", ours("hash", plain), theirs("sha256sum", plain), nil},
		{"hash: sha512", "sha512sum", ours("hash", "-a", "sha512", plain), theirs("sha512sum", plain), nil},
		{"hash: blake2b-512", "b2sum", ours("hash", "-a", "blake2b-512", plain), theirs("b2sum", plain), nil},
		{"hash: blake3", "b3sum", ours("hash", "-a", "blake3", plain), theirs("b3sum", plain), nil},
	}
	fmt.Print(sideBySide(b, size, jobs)) // b.Log shows ten lines
}
