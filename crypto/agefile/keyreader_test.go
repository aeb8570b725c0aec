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
	"testing/iotest"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"zencrypt/crypto/agefile"
)

func TestNewHybridIdentity(t *testing.T) {
	secret, public, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if len(secret) != 77 || len(public) != 1959 {
		t.Errorf("%d and %d characters, want 77 and 1959", len(secret), len(public))
	}
	ids, err := agefile.ParseIdentities(secret)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agefile.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, false, []byte("hello"), rs...)
	if got, err := decrypt(file, ids...); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := agefile.Inspect(bytes.NewReader(file)); err != nil || info.Stanzas[0] != "mlkem768x25519" {
		t.Errorf("%+v, %v", info, err)
	}
	if got := publicKey(t, ids[0]); got != public {
		t.Errorf("the public half is %q", got)
	}
}

// publicKey is what keygen -y prints for an identity.
func publicKey(t testing.TB, id age.Identity) string {
	t.Helper()
	rs, err := agefile.RecipientsOf(id)
	if err != nil || len(rs) != 1 {
		t.Fatalf("%d recipients, %v", len(rs), err)
	}
	line, err := agefile.PublicKey(rs[0])
	if err != nil {
		t.Fatal(err)
	}
	return line
}

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

// asker counts how often a passphrase is asked for.
type asker struct {
	pass string
	n    int
	err  error
}

func (a *asker) ask() (string, error) { a.n++; return a.pass, a.err }

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

func TestKeyReader_Recipients(t *testing.T) {
	_, a := identity(t)
	_, b := identity(t)
	_, pq, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	_, ed := sshPair(t, "ssh-ed25519", "")
	_, rsaLine := sshPair(t, "ssh-rsa", "")
	_, ec := sshPair(t, "ecdsa-sha2-nistp256", "")
	_, small := sshPair(t, "small", "")
	for name, tc := range map[string]struct {
		text     string
		n, warns int
	}{
		"Lines": {"# us\n\n" + a + "\r\n" + b + "\n", 2, 0}, "BOM": {"\ufeff" + a, 1, 0}, "PostQuantum": {pq, 1, 0},
		"SSH": {ed + " me@home # not a comment\n" + rsaLine + "\n" + ed, 3, 0}, "Unsupported": {ec + " work\n" + ed + "\n" + small + "\n", 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var warned []string
			k := agefile.KeyReader{Warn: func(m string) { warned = append(warned, m) }}
			rs, err := k.Recipients(iotest.HalfReader(strings.NewReader(tc.text)))
			if err != nil || len(rs) != tc.n || len(warned) != tc.warns {
				t.Errorf("%d recipients, %q, %v, want %d and %d warnings", len(rs), warned, err, tc.n, tc.warns)
			}
			k.Warn = nil
			if _, err := k.Recipients(strings.NewReader(tc.text)); (err != nil) != (tc.warns > 0) {
				t.Errorf("without Warn: %v", err)
			}
		})
	}
	secret, _ := identity(t)
	for name, tc := range map[string]struct {
		text, mentions string
		want           error
	}{
		"Empty": {"# nobody\n", "no public key", agefile.ErrKeys}, "Typo": {a + "\n" + b[:50] + "\n", "line 2", agefile.ErrKeys},
		"TwoOnOneLine": {a + " " + b, "line 1", agefile.ErrKeys}, "Private": {a + "\n" + secret, "line 2", agefile.ErrPrivateKey},
		"OnlyUnsupported": {ec, "no public key", agefile.ErrKeys}, "Login": {"alice", "line 1", agefile.ErrKeys}, "GitHub": {"github:alice", "line 1", agefile.ErrKeys},
		"BrokenSSH": {ed[:40], "line 1", agefile.ErrKeys}, "Huge": {strings.Repeat("#\n", 200<<10), "longer than", agefile.ErrKeys}, "Invalid": {"\xff\xfe", "UTF-8", agefile.ErrKeys},
		"Many": {strings.Repeat(a+"\n", 65), "more than 64", agefile.ErrKeys}, "Plugin": {"age1test10qdmzv9q", "plugin", agefile.ErrKeys},
		"LongLine": {"age1" + strings.Repeat("q", 9000), "too long", agefile.ErrKeys}, "Escape": {"\x1b[2J AAAAAARbWzJK", "line 1", agefile.ErrKeys},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agefile.KeyReader{Warn: func(string) {}}.Recipients(strings.NewReader(tc.text))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.mentions) {
				t.Errorf("error %v, want one about %q", err, tc.mentions)
			} else if len(err.Error()) > 200 || strings.Contains(err.Error(), secret[20:30]) || strings.Contains(err.Error(), "alice") {
				t.Errorf("the error repeats the line: %v", err)
			}
		})
	}
	k := agefile.KeyReader{MaxBytes: agefile.CommandMaxBytes, MaxKeys: agefile.CommandMaxKeys}
	if rs, err := k.Recipients(strings.NewReader(strings.Repeat(a+"\n", 4096))); err != nil || len(rs) != 4096 {
		t.Errorf("with a command's limits: %d recipients, %v", len(rs), err)
	}
	lost := errors.New("disk gone")
	if _, err := k.Recipients(iotest.ErrReader(lost)); !errors.Is(err, lost) {
		t.Errorf("a source that fails: %v", err)
	}
}

func TestKeyReader_Identities(t *testing.T) {
	a, public := identity(t)
	pq, _, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := agefile.KeyReader{}.Identities(strings.NewReader("# created: today\n# public key: " + public + "\n" + a + "\n\n" + pq + "\n"))
	if err != nil || len(ids) != 2 {
		t.Fatalf("%d identities, %v", len(ids), err)
	}
	for name, tc := range map[string]struct {
		text, mentions string
		want           error
	}{
		"Empty": {"", "no private key", agefile.ErrKeys}, "Public": {public, "public key", agefile.ErrPublicKey}, "Typo": {a + "\n" + a[:len(a)-1] + "b", "line 2", agefile.ErrKeys},
		"Plugin": {"AGE-PLUGIN-TEST-10Q32NLXM", "plugin", agefile.ErrKeys}, "Invalid": {a + "\xff", "UTF-8", agefile.ErrKeys}, "Huge": {strings.Repeat("#\n", 200<<10), "longer than", agefile.ErrKeys},
		"Many": {strings.Repeat(a+"\n", 65), "more than 64", agefile.ErrKeys}, "Other": {"hunter2", "line 1", agefile.ErrKeys},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agefile.KeyReader{}.Identities(strings.NewReader(tc.text))
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.mentions) || strings.Contains(err.Error(), a[20:30]) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want one about %q without an echo", err, tc.mentions)
			}
		})
	}
	if _, err := (agefile.KeyReader{}).PluginIdentity("yubikey"); !errors.Is(err, agefile.ErrKeys) {
		t.Errorf("a plugin without permission: %v", err)
	}
}

func TestKeyReader_LockedFile(t *testing.T) {
	a, public := identity(t)
	b, _ := identity(t)
	rec, err := agefile.PassphraseRecipient("open sesame", 5)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agefile.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	mine, others := encrypt(t, false, []byte("hello"), rs...), encrypt(t, false, []byte("hello"), newPair(t).rec)
	protected := encrypt(t, false, []byte("hello"), rec)
	for _, armored := range []bool{false, true} {
		who := &asker{pass: "open sesame"}
		k := agefile.KeyReader{Passphrase: who.ask}
		ids, err := k.Identities(bytes.NewReader(encrypt(t, armored, []byte("# mine\n"+b+"\n"+a+"\n"), rec)))
		if err != nil || len(ids) != 1 {
			t.Fatalf("%d identities, %v", len(ids), err)
		}
		native := newPair(t)
		both := encrypt(t, false, []byte("hello"), native.rec, rs[0])
		if got, err := decrypt(both, ids[0], native.id); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		var noKey *agefile.NoKeyError
		if _, err := decrypt(protected, ids...); !errors.As(err, &noKey) || !noKey.Passphrase {
			t.Errorf("a passphrase file: %v", err)
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
		if _, err := decrypt(mine, ids...); !errors.Is(err, gone) {
			t.Errorf("nobody to ask: %v", err)
		}
		*who = asker{pass: "open sesame"}
		o, err := agefile.Open(bytes.NewReader(mine), newPair(t).id, ids[0])
		if err != nil || o.Index != 1 {
			t.Fatalf("%+v, %v", o, err)
		}
		if _, err := decrypt(others, ids...); !errors.As(err, &noKey) || noKey.Tried != 1 {
			t.Errorf("somebody else's file: %v", err)
		}
		if rs, err := agefile.RecipientsOf(ids...); err != nil || len(rs) != 2 {
			t.Errorf("%d recipients, %v", len(rs), err)
		}
		if who.n != 1 {
			t.Errorf("asked %d times, want once", who.n)
		}
		if out := fmt.Sprintf("%v %+v %#v", ids[0], ids[0], ids[0]); strings.Contains(out, "SECRET") {
			t.Error("the keys print")
		}
		// Each key within counts as an attempt.
		if _, err := (agefile.Opener{Identities: ids, MaxAttempts: 1}).Open(bytes.NewReader(mine)); !errors.Is(err, agefile.ErrTooManyAttempts) {
			t.Errorf("two attempts of one: %v", err)
		}
	}
	heavy, err := agefile.PassphraseRecipient("open sesame", 6)
	if err != nil {
		t.Fatal(err)
	}
	who := &asker{pass: "open sesame"}
	k := agefile.KeyReader{Passphrase: who.ask, MaxWorkFactor: 5, MaxBytes: 1000}
	whole := encrypt(t, false, []byte(a), rec)
	for name, file := range map[string][]byte{
		"ToAKey": encrypt(t, false, []byte(a), rs...), "TooMuchWork": encrypt(t, false, []byte(a), heavy), "CutHeader": whole[:40], "Armor": []byte("-----BEGIN AGE ENCRYPTED FILE-----\nxyz\n"),
	} {
		if _, err := k.Identities(bytes.NewReader(file)); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("%s: %v, want ErrKeys", name, err)
		}
	}
	if who.n != 0 {
		t.Errorf("asked %d times for files that are of no use", who.n)
	}
	for name, file := range map[string][]byte{
		"CutContent": whole[:len(whole)-1], "NoKeys": encrypt(t, false, []byte("hunter2"), rec), "Empty": encrypt(t, false, nil, rec),
	} {
		ids, err := k.Identities(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := decrypt(mine, ids...); !errors.Is(err, agefile.ErrKeys) || errors.Is(err, agefile.ErrDamaged) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want ErrKeys", name, err)
		}
	}
	if _, err := (agefile.KeyReader{}).Identities(bytes.NewReader(whole)); !errors.Is(err, agefile.ErrKeys) {
		t.Errorf("nobody may be asked: %v", err)
	}
}

func TestAskPassphrase(t *testing.T) {
	rec, err := agefile.PassphraseRecipient("open sesame", 6)
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, false, []byte("hello"), rec)
	who := &asker{pass: "open sesame"}
	id, err := agefile.AskPassphrase(who.ask, 6)
	if err != nil {
		t.Fatal(err)
	}
	var noKey *agefile.NoKeyError
	if _, err := decrypt(encrypt(t, false, nil, newPair(t).rec), id); !errors.As(err, &noKey) || who.n != 0 {
		t.Errorf("a file for a key: asked %d times, %v", who.n, err)
	}
	for range 2 {
		if got, err := decrypt(file, id); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if who.n != 1 {
		t.Errorf("asked %d times, want once", who.n)
	}
	low, err := agefile.AskPassphrase(who.ask, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(file, low); !errors.Is(err, agefile.ErrWorkFactor) || who.n != 1 {
		t.Errorf("too much work: asked %d times, %v", who.n, err)
	}
	for name, who := range map[string]*asker{"NoTerminal": {err: errors.ErrUnsupported}, "Empty": {}} {
		id, err := agefile.AskPassphrase(who.ask, 6)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decrypt(file, id); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, agefile.ErrPassphrase) || errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpener_MaxAttempts(t *testing.T) {
	ids := make([]age.Identity, 5000)
	for i := range ids {
		ids[i] = &counting{}
	}
	p := newPair(t)
	ids[4999] = p.id
	file := encrypt(t, false, []byte("hello"), p.rec)
	if _, err := agefile.Open(bytes.NewReader(file), ids...); !errors.Is(err, agefile.ErrTooManyAttempts) {
		t.Errorf("with the default: %v", err)
	}
	o, err := agefile.Opener{Identities: ids, MaxAttempts: 5000}.Open(bytes.NewReader(file))
	if err != nil || o.Index != 4999 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestOpenAt(t *testing.T) {
	p := newPair(t)
	for _, n := range sizes() {
		plain := content(n)
		file := encrypt(t, false, plain, newPair(t).rec, p.rec)
		at, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), newPair(t).id, p.id)
		if err != nil {
			t.Fatal(err)
		}
		if at.Size != int64(n) || at.Index != 1 || len(at.Info.Stanzas) != 2 || strings.Contains(fmt.Sprintf("%v %+v %x", at, at, at), fmt.Sprintf("%x", at.FileKey)) {
			t.Errorf("%d bytes: size %d, index %d, %+v", n, at.Size, at.Index, at.Info)
		}
		for off := n; off >= 0; off -= 9973 {
			got := make([]byte, min(100, n-off))
			if m, err := at.ReadAt(got, int64(off)); m != len(got) || !bytes.Equal(got, plain[off:off+m]) {
				t.Errorf("%d bytes at %d of %d: %v", m, off, n, err)
			}
		}
		for _, cut := range []int{1, 16, 17, len(file) - 10, len(file) - at.Info.HeaderSize - 8, len(file) - at.Info.HeaderSize} {
			if cut <= 0 || cut >= len(file) {
				continue
			}
			if _, err := agefile.OpenAt(bytes.NewReader(file[:len(file)-cut]), int64(len(file)-cut), p.id); !errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("%d bytes short by %d: %v, want ErrDamaged", n, cut, err)
			}
		}
	}
	armored := encrypt(t, true, []byte("x"), p.rec)
	if _, err := agefile.OpenAt(bytes.NewReader(armored), int64(len(armored)), p.id); !errors.Is(err, agefile.ErrArmored) {
		t.Errorf("armored: %v", err)
	}
	file := encrypt(t, false, []byte("x"), p.rec)
	var noKey *agefile.NoKeyError
	if _, err := agefile.OpenAt(bytes.NewReader(file), int64(len(file)), newPair(t).id); !errors.As(err, &noKey) {
		t.Errorf("another key: %v", err)
	}
	for _, in := range []string{"", "hello"} {
		if _, err := agefile.OpenAt(strings.NewReader(in), int64(len(in)), p.id); !errors.Is(err, agefile.ErrFormat) {
			t.Errorf("%q: %v, want ErrFormat", in, err)
		}
	}
	lost := errors.New("disk gone")
	if _, err := agefile.OpenAt(failingAt{lost}, 1000, p.id); !errors.Is(err, lost) || errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("a source that fails: %v", err)
	}
}
