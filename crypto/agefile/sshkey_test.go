package agefile_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"zencrypt/crypto/agefile"
)

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// sshPair returns a private key file, protected when there is a passphrase, and its authorized_keys line.
func sshPair(t testing.TB, kind, pass string) (file []byte, line string) {
	t.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case "ssh-ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ssh-rsa":
		key, err = rsaKey()
	case "ecdsa-sha2-nistp256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "small":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "me at home")
	if pass != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "me at home", []byte(pass))
	}
	if err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func TestKeyReader_SSH(t *testing.T) {
	for _, kind := range []string{"ssh-ed25519", "ssh-rsa"} {
		t.Run(kind, func(t *testing.T) {
			file, line := sshPair(t, kind, "")
			ids, err := agefile.KeyReader{}.Identities(bytes.NewReader(append([]byte("\r\n"), file...)))
			if err != nil || len(ids) != 1 {
				t.Fatalf("%d identities, %v", len(ids), err)
			}
			r, err := agefile.KeyReader{}.Recipient(line + " me at home")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decrypt(encrypt(t, true, []byte("hello"), r), ids...); err != nil || string(got) != "hello" {
				t.Errorf("%q, %v", got, err)
			}
			rs, err := agefile.RecipientsOf(ids...)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decrypt(encrypt(t, true, []byte("hello"), rs...), ids...); err != nil || string(got) != "hello" {
				t.Errorf("to the private key's public half: %q, %v", got, err)
			}
			if got := publicKey(t, ids[0]); got != line {
				t.Errorf("public key %q, want %q", got, line)
			}
			if out := fmt.Sprintf("%v %+v %#v", ids[0], ids[0], ids[0]); strings.Contains(out, "rivate") || !strings.Contains(out, "redacted") {
				t.Error("the private key prints")
			}
		})
	}
}

func TestKeyReader_LockedSSH(t *testing.T) {
	native := newPair(t)
	for _, kind := range []string{"ssh-ed25519", "ssh-rsa"} {
		t.Run(kind, func(t *testing.T) {
			file, line := sshPair(t, kind, "open sesame")
			who := &asker{pass: "open sesame"}
			ids, err := agefile.KeyReader{Passphrase: who.ask}.Identities(bytes.NewReader(file))
			if err != nil || len(ids) != 1 {
				t.Fatalf("%d identities, %v", len(ids), err)
			}
			rs, err := agefile.RecipientsOf(ids...)
			if err != nil {
				t.Fatal(err)
			}
			if got := publicKey(t, ids[0]); got != line {
				t.Errorf("public key %q, want %q", got, line)
			}
			mine := encrypt(t, false, []byte("hello"), rs...)
			both := encrypt(t, false, []byte("hello"), rs[0], native.rec)
			others := encrypt(t, false, []byte("hello"), newPair(t).rec)
			var noKey *agefile.NoKeyError
			if _, err := decrypt(others, ids...); !errors.As(err, &noKey) {
				t.Errorf("somebody else's file: %v", err)
			}
			if got, err := decrypt(both, ids[0], native.id); err != nil || string(got) != "hello" {
				t.Errorf("with a key that needs nobody: %q, %v", got, err)
			}
			if who.n != 0 {
				t.Errorf("asked %d times without need", who.n)
			}
			who.pass = "wrong"
			if _, err := decrypt(mine, ids...); !errors.Is(err, agefile.ErrKeyPassphrase) {
				t.Errorf("wrong passphrase: %v", err)
			}
			gone := errors.New("no terminal")
			who.err = gone
			if _, err := decrypt(mine, ids...); !errors.Is(err, gone) || errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("nobody to ask: %v", err)
			}
			*who = asker{pass: "open sesame"}
			for range 2 {
				if got, err := decrypt(mine, ids...); err != nil || string(got) != "hello" {
					t.Errorf("%q, %v", got, err)
				}
			}
			if who.n != 1 {
				t.Errorf("asked %d times, want once", who.n)
			}
			if _, err := (agefile.KeyReader{}).Identities(bytes.NewReader(file)); !errors.Is(err, agefile.ErrKeys) {
				t.Errorf("nobody may be asked: %v", err)
			}
		})
	}
}

func TestKeyReader_SSHRefused(t *testing.T) {
	small, smallLine := sshPair(t, "small", "")
	ecdsaFile, ecdsaLine := sshPair(t, "ecdsa-sha2-nistp256", "")
	ecdsaLocked, _ := sshPair(t, "ecdsa-sha2-nistp256", "x")
	smallLocked, _ := sshPair(t, "small", "x")
	good, _ := sshPair(t, "ssh-ed25519", "")
	big16k := new(big.Int).Lsh(big.NewInt(1), 17_000)
	huge, err := asn1.Marshal(struct {
		Version int
		N       *big.Int
		E       int
	}{0, big16k, 65537})
	if err != nil {
		t.Fatal(err)
	}
	pkcs1small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pkcs1small)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	who := &asker{pass: "x"}
	for name, file := range map[string][]byte{
		"SmallRSA": small, "ECDSA": ecdsaFile, "LockedECDSA": ecdsaLocked, "LockedSmallRSA": smallLocked,
		"HugeRSA": block("RSA PRIVATE KEY", huge), "SmallPKCS1": block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(pkcs1small)), "SmallPKCS8": block("PRIVATE KEY", pkcs8),
		"Cut": good[:len(good)/2], "Other": block("CERTIFICATE", []byte{1, 2, 3}), "OpenPGP": []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxyz\n"),
		"Long": append(bytes.Clone(good), bytes.Repeat([]byte("x"), 20<<10)...), "EncryptedPKCS8": block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agefile.KeyReader{Passphrase: who.ask}.Identities(bytes.NewReader(file))
			if !errors.Is(err, agefile.ErrKeys) {
				t.Errorf("error %v, want ErrKeys", err)
			} else if len(err.Error()) > 200 {
				t.Errorf("the error is %d characters long", len(err.Error()))
			}
		})
	}
	if who.n != 0 {
		t.Errorf("asked %d times for keys that are of no use", who.n)
	}
	for _, line := range []string{smallLine, ecdsaLine} {
		if _, err := (agefile.KeyReader{}).Recipient(line); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("%.30s: %v, want ErrKeys", line, err)
		}
	}
}

func TestKeyReader_PEM(t *testing.T) {
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	_, line := sshPair(t, "ssh-rsa", "")
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ed8, err := x509.MarshalPKCS8PrivateKey(edKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"PKCS1": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"PKCS8": {Type: "PRIVATE KEY", Bytes: pkcs8}, "Ed25519": {Type: "PRIVATE KEY", Bytes: ed8},
	} {
		ids, err := agefile.KeyReader{}.Identities(bytes.NewReader(pem.EncodeToMemory(block)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := publicKey(t, ids[0]); name != "Ed25519" && got != line {
			t.Errorf("%s: public key %q", name, got)
		}
	}
}
