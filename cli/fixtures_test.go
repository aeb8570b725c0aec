package cli

import (
	"archive/tar"
	"bytes"
	"crypto/aes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

const (
	fixturePass = "correct horse battery"
	// quickFactor and quickCount are the least that slow hashes can cost, so that scripts are quick.
	quickFactor = 8
	quickCount  = 65536
	hello       = "hello\n"
)

// fixtures writes what scripts need and what is slow, or impossible, to make with the command itself.
type fixtures struct {
	*testing.T
	dir string
}

// makeFixtures makes a key of every kind, some locked with fixturePass, and inputs whose passphrase is quick to
// try. It does so once; nobody may change them.
func makeFixtures(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(builtDir(), "fixtures")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	f := &fixtures{t, dir}
	f.must(os.MkdirAll(dir, 0o700))
	f.write("pass", fixturePass+"\n")
	f.write("wrong", "something else\n")
	f.write("hello", hello)
	f.age()
	f.ssh()
	f.pgp()
	f.write("fernet.key", fernet.NewKey()+"\n")
	two := fernet.NewKey()
	f.write("fernet.old", two+"\n")
	f.write("fernet.both", fernet.NewKey()+"\n"+two+"\n")
	f.encrypt("low.age", crypto.Target{Passphrase: fixturePass, WorkFactor: quickFactor})
	f.encrypt("low.asc.age", crypto.Target{Passphrase: fixturePass, WorkFactor: quickFactor, Armor: true})
	return f.dir
}

func (f *fixtures) write(name, content string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(content), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *fixtures) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixtures) encrypt(name string, to crypto.Target) { f.encryptText(name, hello, to) }

func (f *fixtures) encryptText(name, text string, to crypto.Target) {
	f.Helper()
	var out bytes.Buffer
	w, err := crypto.Encrypt(&out, to, time.Now())
	f.must(err)
	_, err = io.WriteString(w, text)
	f.must(err)
	f.must(w.Close())
	f.write(name, out.String())
}

func (f *fixtures) age() {
	for name, make := range map[string]func() (string, string, error){
		"age": agefile.NewIdentity, "other": agefile.NewIdentity, "pq": agefile.NewHybridIdentity,
	} {
		private, public, err := make()
		f.must(err)
		f.write(name+".key", "# created: by a test\n"+private+"\n")
		f.write(name+".pub", public+"\n")
		if name == "age" {
			f.encryptText("locked.key", private+"\n", crypto.Target{Passphrase: fixturePass, WorkFactor: quickFactor})
			f.encryptText("locked.armored.key", private+"\n", crypto.Target{Passphrase: fixturePass, WorkFactor: quickFactor, Armor: true})
		}
	}
}

func (f *fixtures) ssh() {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	f.must(err)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	f.must(err)
	for name, key := range map[string]any{"ed25519": ed, "rsa": large} {
		signer, err := ssh.NewSignerFromKey(key)
		f.must(err)
		f.write("ssh_"+name+".pub", string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
		block, err := ssh.MarshalPrivateKey(key, "")
		f.must(err)
		f.write("ssh_"+name, string(pem.EncodeToMemory(block)))
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(fixturePass))
		f.must(err)
		f.write("ssh_"+name+"_locked", string(pem.EncodeToMemory(block)))
	}
}

func (f *fixtures) pgp() {
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.Curve25519V6, pgp.P256, pgp.RSA3072} {
		k, err := pgp.NewKey(pgp.KeyParams{Algorithm: a, Name: "Ann Example", Email: "ann@example.org"})
		f.must(err)
		f.write(string(a)+".asc", k.Armor())
		f.write(string(a)+".pub.asc", k.Certificate().Armor())
		f.write(string(a)+".pub.gpg", string(k.Certificate().Bytes()))
		k, err = k.Lock(fixturePass, pgp.LockOptions{Count: quickCount})
		f.must(err)
		f.write(string(a)+".locked.asc", k.Armor())
	}
	other, err := pgp.NewKey(pgp.KeyParams{Name: "Bob", Email: "bob@example.org"})
	f.must(err)
	f.write("bob.asc", other.Armor())
	f.write("bob.pub.asc", other.Certificate().Armor())
	now := time.Now()
	then := now.AddDate(-2, 0, 0)
	old, err := pgp.NewKey(pgp.KeyParams{Name: "Old", Expires: now.AddDate(-1, 0, 0), Now: func() time.Time { return then }})
	f.must(err)
	f.write("expired.asc", old.Armor())
	f.write("expired.pub.asc", old.Certificate().Armor())
	for name, o := range map[string]pgp.EncryptOptions{"low.gpg": {}, "low.asc": {Armor: true}, "modern.gpg": {Modern: true}} {
		o.Passphrases, o.Count = []string{fixturePass}, quickCount
		var out bytes.Buffer
		w, err := pgp.Encrypt(&out, o)
		f.must(err)
		_, err = io.WriteString(w, hello)
		f.must(err)
		f.must(w.Close())
		f.write(name, out.String())
	}
	f.write("unprotected.gpg", f.unprotected())
}

// unprotected is a message as before RFC 4880 had integrity protection: a passphrase packet and a packet of type
// 9 (RFC 4880 sections 5.3 and 5.7), which no program writes any more.
func (f *fixtures) unprotected() string {
	key := make([]byte, 16)
	var header bytes.Buffer
	s2k.Iterated(key, sha256.New(), []byte(fixturePass), []byte("saltsalt"), quickCount)
	header.Write([]byte{0xc3, 13, 4, byte(packet.CipherAES128), 3, 8})
	header.WriteString("saltsalt")
	header.WriteByte(96) // 65,536 bytes
	block, err := aes.NewCipher(key)
	f.must(err)
	literal := append([]byte{0xcb, byte(6 + len(hello)), 'b', 0, 0, 0, 0, 0}, hello...)
	prefix := bytes.Repeat([]byte{7}, aes.BlockSize)
	stream, head := packet.NewOCFBEncrypter(block, prefix, packet.OCFBResync)
	stream.XORKeyStream(literal, literal)
	header.Write([]byte{0xc9, byte(len(head) + len(literal))})
	header.Write(head)
	header.Write(literal)
	return header.String()
}

// archive FILE ENTRY... writes a tar archive. An entry is NAME=content for a file, NAME/ for a folder, NAME->TARGET
// for a symbolic link, NAME=>TARGET for a hard one; "|MODE" may follow, in octal.
func tarball(ts *testscript.TestScript, _ bool, args []string) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, entry := range args[1:] {
		h := &tar.Header{Mode: 0o644, ModTime: time.Unix(1_600_000_000, 0)}
		if spec, octal, ok := strings.Cut(entry, "|"); ok {
			entry = spec
			for _, c := range octal {
				if h.Mode = h.Mode<<3 | int64(c-'0'); len(octal) == 3 {
					h.Mode &= 0o777
				}
			}
		}
		var content string
		switch name, target, _ := strings.Cut(entry, "->"); {
		case name != entry:
			h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, name, target
		case strings.Contains(entry, "=>"):
			h.Name, h.Linkname, _ = strings.Cut(entry, "=>")
			h.Typeflag = tar.TypeLink
		case strings.Contains(entry, "="):
			h.Name, content, _ = strings.Cut(entry, "=")
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
		case entry == "global":
			h = &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "pax_global_header", PAXRecords: map[string]string{"comment": "made by a test"}}
		case entry == "pipe":
			h.Typeflag, h.Name = tar.TypeFifo, "pipe"
		default:
			h.Typeflag, h.Name = tar.TypeDir, entry
		}
		ts.Check(w.WriteHeader(h))
		_, err := io.WriteString(w, content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}
