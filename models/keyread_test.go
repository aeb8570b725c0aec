package models

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

// hugePEM is an RSA key of 16,384 bits as far as a reader looks before it works: no such key has to be made.
func hugePEM(t *testing.T) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), 16383)
	der, err := asn1.Marshal(struct {
		V       int
		N, E, D *big.Int
	}{0, n.Add(n, big.NewInt(1)), big.NewInt(65537), big.NewInt(3)})
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}))
}

// hugePGP is the packet of such a key in OpenPGP (RFC 9580 section 5.5.3), and a user id.
func hugePGP() []byte {
	body := append([]byte{4, 0, 0, 0, 1, 1}, 0x40, 0x00, 0x80) // version, time, RSA; 16,384 bits
	body = append(body, bytes.Repeat([]byte{1}, 2047)...)
	body = append(body, 0, 17, 1, 0, 1) // e
	body = append(body, 0)              // not locked
	for range 4 {
		body = append(body, 0, 1, 1)
	}
	body = append(body, 0, 4) // checksum
	packet := append([]byte{0xc5, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	return append(append(packet, body...), 0xcd, 1, 'a')
}

func TestReadPairs(t *testing.T) {
	now := newClock().now()
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann", Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	locked, err := key.Lock("open sesame", pgp.LockOptions{Count: 65536})
	if err != nil {
		t.Fatal(err)
	}
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(plain string, target crypto.Target) string {
		var b bytes.Buffer
		target.Armor, target.WorkFactor = true, 5
		w, err := crypto.Encrypt(&b, target, now)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(plain))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	file := sealed("# a comment\n"+identity+"\n", crypto.Target{Passphrase: "open sesame"})
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1PEM := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	pkcs8PEM := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	mistyped := identity[:len(identity)-1] + "Q"
	if mistyped == identity { // as one in 32 is
		mistyped = identity[:len(identity)-1] + "P"
	}
	small := strings.Repeat("A", 44)
	t.Run("Good", func(t *testing.T) {
		for name, tt := range map[string]struct {
			data, pass string
			kind       string
		}{
			"Age": {identity, "", KindAge}, "AgeFile": {file, "open sesame", KindAge}, "Fernet": {"\ufeff" + fernet.NewKey() + "\r\n", "", KindFernet},
			"PGP": {"text around it\n" + key.Armor() + "\nand behind", "", KindPGP}, "Binary": {string(key.Bytes()), "", KindPGP}, "Locked": {locked.Armor(), "open sesame", KindPGP},
			"PKCS1": {pkcs1PEM, "", KindRSA}, "PKCS8": {"\n " + pkcs8PEM, "", KindRSA},
		} {
			pairs, err := ReadPairs([]byte(tt.data), ReadOptions{Passphrase: tt.pass, Now: now})
			if err != nil || len(pairs) != 1 || pairs[0].Kind != tt.kind {
				t.Errorf("%s: %d pairs, %v", name, len(pairs), err)
			}
		}
		for range 300 { // one in 40 ends with a byte that looks like white space
			binary := sealBinary(t, identity, now)
			if _, err := ReadPairs(binary, ReadOptions{Passphrase: "open sesame", Now: now}); err != nil {
				t.Fatalf("a binary file that ends with %x: %v", binary[len(binary)-1], err)
			}
		}
		// The last byte of an Ed25519 signature is below 17, and of a key in three it looks like white space.
		for ends := []byte{1}; len(bytes.TrimSpace(ends)) == len(ends); {
			next, err := pgp.NewKey(pgp.KeyParams{Name: "Ann", Now: newClock().now})
			if err != nil {
				t.Fatal(err)
			}
			if ends = next.Bytes(); len(bytes.TrimSpace(ends)) < len(ends) {
				for name, data := range map[string][]byte{"Binary": ends, "BinaryInFile": sealBinary(t, string(ends), now)} {
					if pairs, err := ReadPairs(data, ReadOptions{Passphrase: "open sesame", Now: now}); err != nil || len(pairs) != 1 || pairs[0].Kind != KindPGP {
						t.Errorf("%s: a key that ends with %x: %d pairs, %v", name, ends[len(ends)-1], len(pairs), err)
					}
				}
			}
		}
		one, _ := ReadPairs([]byte(pkcs1PEM), ReadOptions{Now: now})
		two, _ := ReadPairs([]byte(pkcs8PEM), ReadOptions{Now: now})
		if one[0].Fingerprint != two[0].Fingerprint {
			t.Error("one RSA key in two forms has two fingerprints")
		}
	})
	huge := strings.Repeat(identity+"\n", 10_000)
	busy := errors.New("busy")
	for name, tt := range map[string]struct {
		data, pass, field, says string
	}{
		"Empty":           {" \n", "", "text", "no key"},
		"Words":           {"swordfish swordfish", "", "text", "no private key"},
		"PublicAge":       {recipient, "", "text", "public key"},
		"PublicPGP":       {key.Certificate().Armor(), "", "text", "public key"},
		"PublicSSH":       {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBP9J5uWKW6U9v5t5xRsXHPXO9qkKGCHXkUuqgCzQ7NG swordfish", "", "text", "public key"},
		"Truncated":       {key.Armor()[:len(key.Armor())/2], "", "text", ""},
		"Mistyped":        {mistyped, "", "text", "line 1"},
		"LockedNone":      {locked.Armor(), "", "passphrase", "locked"},
		"LockedWrong":     {locked.Armor(), "swordfish", "passphrase", "does not unlock"},
		"FileNone":        {file, "", "passphrase", "type it"},
		"FileWrong":       {file, "swordfish", "passphrase", "does not open"},
		"FileOfWords":     {sealed("swordfish", crypto.Target{Passphrase: "open sesame"}), "open sesame", "text", "no private key"},
		"Message":         {sealed("swordfish", mustTarget(t, recipient)), "", "text", "not a key"},
		"TenThousand":     {huge, "", "text", ""},
		"HugePEM":         {hugePEM(t), "", "text", "2,048 to 4,096 bits"},
		"HugePGP":         {string(hugePGP()), "", "text", "16384 bits"},
		"EncryptedPEM":    {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END ENCRYPTED PRIVATE KEY-----", "", "text", "passphrase"},
		"BrokenPEM":       {"-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END PRIVATE KEY-----", "", "text", "no RSA"},
		"ShortFernet":     {small[:43] + "!", "", "text", ""},
		"TooLong":         {strings.Repeat("a", MaxImportBytes+1), "", "text", "1 MiB"},
		"FernetWithWords": {fernet.NewKey() + "\nswordfish", "", "text", ""},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := ReadPairs([]byte(tt.data), ReadOptions{Passphrase: tt.pass, Now: now})
			wantCode(t, err, Invalid, tt.field)
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error is %q, want %q in it", err, tt.says)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
			for _, secret := range []string{"swordfish", identity, strings.TrimPrefix(identity, "AGE-SECRET-KEY-1")[:20], small[:20]} {
				if strings.Contains(ErrorMessage(err), secret) {
					t.Errorf("the error repeats what was read: %q", err)
				}
			}
		})
	}
	t.Run("Busy", func(t *testing.T) {
		for _, data := range []string{locked.Armor(), file} {
			_, err := ReadPairs([]byte(data), ReadOptions{Passphrase: "open sesame", Now: now, Acquire: func(int64) (func(), error) { return nil, busy }})
			if !errors.Is(err, busy) {
				t.Errorf("with no memory to be had: %v", err)
			}
		}
	})
	t.Run("ManyLocked", func(t *testing.T) {
		_, err := ReadPairs([]byte(strings.Repeat(locked.Armor(), maxLocked+1)), ReadOptions{Passphrase: "open sesame", Now: now})
		wantCode(t, err, Invalid, "text")
	})
}

func sealBinary(t *testing.T, plain string, now time.Time) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := crypto.Encrypt(&b, crypto.Target{Passphrase: "open sesame", WorkFactor: 1}, now)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte(plain))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustTarget(t *testing.T, recipient string) (target crypto.Target) {
	t.Helper()
	rs, err := agefile.ParseRecipients(recipient)
	if err != nil {
		t.Fatal(err)
	}
	target.Recipients = rs
	return target
}
