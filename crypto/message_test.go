package crypto_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

func pgpKey(t *testing.T, p pgp.KeyParams) *pgp.Key {
	t.Helper()
	p.Now = now
	k, err := pgp.NewKey(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func lock(t *testing.T, k *pgp.Key, pass string) *pgp.Key {
	t.Helper()
	locked, err := k.Lock(pass, pgp.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return locked
}

// TestDecrypt_PGP: the key that fits is found and named, the trust is told, and what opened once opens again.
func TestDecrypt_PGP(t *testing.T) {
	other, mine := pgpKey(t, pgp.KeyParams{}), pgpKey(t, pgp.KeyParams{Name: "Ada"})
	modern := pgpKey(t, pgp.KeyParams{Algorithm: pgp.Curve25519V6})
	keys := crypto.Keys{PGP: []crypto.NamedPGP{{"other", other}, {"mine", lock(t, mine, "locked")}, {"modern", modern}}}
	content := bytes.Repeat([]byte("0123456789"), 30_000)
	for name, tc := range map[string]struct {
		target crypto.Target
		keys   crypto.Keys
		label  string
		index  int
		trust  crypto.Trust
		asked  int
	}{
		"Key":        {crypto.Target{PGP: []*pgp.Certificate{other.Certificate()}}, keys, "other", 0, crypto.TrustAtEOF, 0},
		"Locked":     {crypto.Target{PGP: []*pgp.Certificate{mine.Certificate()}, Armor: true}, keys, "mine", 1, crypto.TrustAtEOF, 1},
		"Modern":     {crypto.Target{PGP: []*pgp.Certificate{modern.Certificate()}}, keys, "modern", 2, crypto.TrustAsItComes, 0},
		"Passphrase": {crypto.Target{Passphrase: "locked", PassphraseFormat: crypto.FormatPGP}, crypto.Keys{}, "the passphrase", -1, crypto.TrustAtEOF, 1},
		"Both":       {crypto.Target{Passphrase: "locked", PGP: []*pgp.Certificate{other.Certificate()}}, crypto.Keys{}, "the passphrase", -1, crypto.TrustAtEOF, 1},
		"Signed":     {crypto.Target{PGP: []*pgp.Certificate{other.Certificate()}, Sign: []*pgp.Key{mine}}, keys, "other", 0, crypto.TrustAtEOF, 0},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := encrypt(t, tc.target, content)
			asked := 0
			tc.keys.Ask = func() (string, error) { asked++; return "locked", nil }
			opt := crypto.Options{Now: now, Verify: []*pgp.Certificate{mine.Certificate()}}
			p, err := crypto.Decrypt(bytes.NewReader(sealed), tc.keys, opt)
			if err != nil {
				t.Fatal(err)
			}
			if p.Format != crypto.FormatPGP || p.Armored != tc.target.Armor || p.Label != tc.label || p.KeyIndex != tc.index || p.Trust != tc.trust || asked != tc.asked {
				t.Errorf("%s, armored %v, label %q, index %d, trust %d, asked %d", p.Format, p.Armored, p.Label, p.KeyIndex, p.Trust, asked)
			}
			for again := range 2 {
				got, err := io.ReadAll(p)
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%d: %d bytes, %v", again, len(got), err)
				}
				if signed := len(tc.target.Sign) > 0; signed != pgp.AnyGood(p.Signatures()) {
					t.Errorf("%d: signatures %+v", again, p.Signatures())
				}
				if printed := fmt.Sprintf("%v %+v %#v %s", p, p, p, p); strings.Contains(printed, p.SessionKey().Encode()) {
					t.Error("prints its session key")
				}
				if p, err = crypto.Reopen(bytes.NewReader(sealed), p, opt); err != nil {
					t.Fatal(err)
				}
				if p.Label != tc.label {
					t.Errorf("reopened as %q", p.Label)
				}
			}
			sealed[len(sealed)-30] ^= 1
			if tc.target.Armor {
				return // the flipped bit may be one that base64 does not use
			}
			if p, err = crypto.Reopen(bytes.NewReader(sealed), p, opt); err == nil {
				_, err = io.ReadAll(p)
			}
			if !errors.Is(err, crypto.ErrDamaged) {
				t.Errorf("reopened when changed: %v", err)
			}
		})
	}
}

func TestDecrypt_PGPRefused(t *testing.T) {
	mine := pgpKey(t, pgp.KeyParams{})
	locked := lock(t, mine, "locked")
	toMe := encrypt(t, crypto.Target{PGP: []*pgp.Certificate{mine.Certificate()}}, []byte("x"))
	toPass := encrypt(t, crypto.Target{Passphrase: "right", PassphraseFormat: crypto.FormatPGP}, []byte("x"))
	ask := func(pass string) func() (string, error) { return func() (string, error) { return pass, nil } }
	errAsk := errors.New("nobody there")
	for name, tc := range map[string]struct {
		in         []byte
		keys       crypto.Keys
		want       error
		passphrase bool
	}{
		"NoKey":       {toMe, crypto.Keys{}, crypto.ErrNoKey, false},
		"OtherKey":    {toMe, crypto.Keys{PGP: []crypto.NamedPGP{{"o", pgpKey(t, pgp.KeyParams{})}}}, crypto.ErrNoKey, false},
		"Locked":      {toMe, crypto.Keys{PGP: []crypto.NamedPGP{{"l", locked}}}, crypto.ErrNoKey, true},
		"LockedWrong": {toMe, crypto.Keys{Passphrase: "wrong", PGP: []crypto.NamedPGP{{"l", locked}}}, crypto.ErrWrongPassphrase, true},
		"Passphrase":  {toPass, crypto.Keys{}, crypto.ErrNoKey, true},
		"Wrong":       {toPass, crypto.Keys{Passphrase: "wrong"}, crypto.ErrWrongPassphrase, true},
		"AskedWrong":  {toPass, crypto.Keys{Ask: ask("wrong")}, crypto.ErrWrongPassphrase, true},
		"AskFails":    {toPass, crypto.Keys{Ask: func() (string, error) { return "", errAsk }}, errAsk, false},
		"Cut":         {toMe[:len(toMe)-5], crypto.Keys{PGP: []crypto.NamedPGP{{"m", mine}}}, crypto.ErrDamaged, false},
		"Key":         {[]byte(mine.Certificate().Armor()), crypto.Keys{}, crypto.ErrFormat, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := crypto.Decrypt(bytes.NewReader(tc.in), tc.keys, crypto.Options{})
			if err == nil {
				_, err = io.ReadAll(p)
			}
			if !errors.Is(err, tc.want) || crypto.NeedsPassphrase(err) != tc.passphrase {
				t.Errorf("%v, needs a passphrase: %v; want %v", err, crypto.NeedsPassphrase(err), tc.want)
			}
		})
	}
}

// TestTarget_Check: what no single format can carry is refused before there is any content.
func TestTarget_Check(t *testing.T) {
	mine := newKeys(t, "mine")
	rs := crypto.Target{}.Recipients
	rs = append(rs, mine.recipient)
	certs := []*pgp.Certificate{pgpKey(t, pgp.KeyParams{}).Certificate()}
	signer := []*pgp.Key{pgpKey(t, pgp.KeyParams{})}
	for name, tc := range map[string]struct {
		target crypto.Target
		want   string // "" is accepted
	}{
		"Age": {crypto.Target{Recipients: rs}, ""}, "PGP": {crypto.Target{PGP: certs}, ""}, "Fernet": {crypto.Target{Fernet: &mine.fernet.Key}, ""},
		"PassAge": {crypto.Target{Passphrase: "p", PassphraseFormat: crypto.FormatAge}, ""}, "PassPGP": {crypto.Target{Passphrase: "p", PassphraseFormat: crypto.FormatPGP}, ""},
		"PGPBoth": {crypto.Target{PGP: certs, Passphrase: "p"}, ""}, "PGPSigned": {crypto.Target{PGP: certs, Sign: signer}, ""},
		"Nothing": {crypto.Target{}, "give a passphrase"}, "AgePGP": {crypto.Target{Recipients: rs, PGP: certs}, "keys of one kind"},
		"FernetAge": {crypto.Target{Recipients: rs, Fernet: &mine.fernet.Key}, "keys of one kind"}, "AgePass": {crypto.Target{Recipients: rs, Passphrase: "p"}, "one or the other"},
		"PassFernet": {crypto.Target{Passphrase: "p", PassphraseFormat: crypto.FormatFernet}, "Fernet needs a key"},
		"AgeSigned":  {crypto.Target{Recipients: rs, Sign: signer}, "only OpenPGP can sign"},
		"KeyFormat":  {crypto.Target{Recipients: rs, PassphraseFormat: crypto.FormatPGP}, "not pgp"},
		"Locked":     {crypto.Target{PGP: certs, Sign: []*pgp.Key{lock(t, signer[0], "x")}}, "locked"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.target.Check(now())
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if w, werr := crypto.Encrypt(io.Discard, tc.target, now()); (werr == nil) != (err == nil) {
				t.Errorf("Encrypt returns %v, %v", w, werr)
			}
		})
	}
}

// TestKeyFile: a file of keys is told by what it holds, and what it holds is never repeated.
func TestKeyFile(t *testing.T) {
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	hybrid, _, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	key := pgpKey(t, pgp.KeyParams{Name: "Ada"})
	f1, f2 := fernet.NewKey(), fernet.NewKey()
	for name, tc := range map[string]struct {
		in                    string
		age, pgp, fernet, rsa int
		err                   string
	}{
		"Age":        {"# mine\n" + identity + "\n" + hybrid + "\n", 2, 0, 0, 0, ""},
		"PGP":        {key.Armor(), 0, 1, 0, 0, ""},
		"PGPBinary":  {string(key.Bytes()), 0, 1, 0, 0, ""},
		"PGPLocked":  {lock(t, key, "x").Armor(), 0, 1, 0, 0, ""},
		"Fernet":     {f1 + "\n" + f2 + "\n", 0, 0, 2, 0, ""},
		"FernetBad":  {f1 + "\nnot a key\n", 0, 0, 0, 0, "line 2"},
		"AgePublic":  {recipient, 0, 0, 0, 0, "public key"},
		"PGPPublic":  {key.Certificate().Armor(), 0, 0, 0, 0, "public key"},
		"AgeMistype": {identity[:len(identity)-1] + "b", 0, 0, 0, 0, "line 1"},
		"Nothing":    {"hunter2 is no key", 0, 0, 0, 0, "there is none of"},
		"Empty":      {"", 0, 0, 0, 0, "there is none of"},
		"NUL":        {"\x00\xff\xfe", 0, 0, 0, 0, "there is none of"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := crypto.KeyFile{Label: "it"}.Private([]byte(tc.in))
			if len(k.Age) != tc.age || len(k.PGP) != tc.pgp || len(k.Fernet) != tc.fernet || len(k.RSA) != tc.rsa {
				t.Errorf("%d age, %d OpenPGP, %d Fernet, %d RSA keys", len(k.Age), len(k.PGP), len(k.Fernet), len(k.RSA))
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			for _, secret := range []string{f1, identity[:40], "hunter2"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats what was read: %v", err)
				}
			}
			if printed := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(printed, "AGE-SECRET") || strings.Contains(printed, f1) {
				t.Error("prints its keys")
			}
			if err != nil {
				return
			}
			target, err := k.Recipients()
			if err != nil || len(target.Recipients) != tc.age || len(target.PGP) != tc.pgp || (target.Fernet != nil) != (tc.fernet > 0) {
				t.Errorf("to encrypt to: %d age, %d OpenPGP, Fernet %v, %v", len(target.Recipients), len(target.PGP), target.Fernet != nil, err)
			}
		})
	}
	t.Run("Public", func(t *testing.T) {
		p, err := crypto.KeyFile{}.Public([]byte("# friends\n" + recipient + "\n"))
		if err != nil || len(p.Age) != 1 {
			t.Errorf("%d keys, %v", len(p.Age), err)
		}
		p, err = crypto.KeyFile{}.Public([]byte(key.Certificate().Armor()))
		if err != nil || len(p.PGP) != 1 {
			t.Errorf("%d certificates, %v", len(p.PGP), err)
		}
		for _, private := range []string{identity, key.Armor()} {
			if _, err := (crypto.KeyFile{}).Public([]byte(private)); err == nil || !strings.Contains(err.Error(), "private key") || strings.Contains(err.Error(), identity) {
				t.Errorf("a private key: %v", err)
			}
		}
	})
}
