package agefile_test

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

func identity(t testing.TB) (secret, public string) {
	t.Helper()
	secret, public, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return secret, public
}

func TestParseRecipients(t *testing.T) {
	_, a := identity(t)
	_, b := identity(t)
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text string
		n    int
	}{
		"One": {a, 1}, "Comma": {a + "," + b, 2}, "CommaSpace": {a + " , " + b + ",", 2}, "Space": {a + " " + b, 2}, "Lines": {a + "\n" + b, 2},
		"CRLF": {a + "\r\n\r\n" + b + "\r\n", 2}, "Comments": {"# Alice\n" + a + " # work\n#" + b + "\n" + b, 2}, "BOM": {"\ufeff" + a, 1},
		"Twice": {a + "\n" + a, 1}, "PostQuantum": {pq.Recipient().String(), 1}, "Tabs": {"\t" + a + "\t" + b, 2},
	} {
		t.Run(name, func(t *testing.T) {
			if rs, err := agefile.ParseRecipients(tc.text); err != nil || len(rs) != tc.n {
				t.Errorf("%d recipients, %v, want %d", len(rs), err, tc.n)
			}
		})
	}
	var many strings.Builder
	for range agefile.MaxStanzas + 1 {
		_, r := identity(t)
		many.WriteString(r + "\n")
	}
	for name, tc := range map[string]struct{ text, mentions string }{
		"Empty": {"", "no public key"}, "OnlyComment": {"# nobody", "no public key"}, "Typo": {a + "," + b[:len(b)-1] + "b", "entry 2"},
		// b is none of bech32's characters.
		"Cut": {a[:30], "entry 1"}, "Login": {a + "\nalice", "entry 2"}, "Many": {many.String(), "65 public keys"},
		"Long": {"age1" + strings.Repeat("q", 5000), "too long"}, "Huge": {strings.Repeat("a", 1<<20), "longer than"}, "Invalid": {"age1\xff", "UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agefile.ParseRecipients(tc.text)
			if !errors.Is(err, agefile.ErrKeys) || !strings.Contains(err.Error(), tc.mentions) {
				t.Errorf("error %v, want one about %q", err, tc.mentions)
			} else if len(err.Error()) > 200 {
				t.Errorf("the error repeats the entry: %d characters", len(err.Error()))
			}
		})
	}
}

func TestParseRecipients_PrivateKey(t *testing.T) {
	secret, public := identity(t)
	for _, text := range []string{
		secret, strings.ToLower(secret), public + "\n" + secret, "# " + secret, "AGE-PLUGIN-YUBIKEY-1QQ",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE=\n", "-----BEGIN PGP PRIVATE KEY BLOCK-----",
	} {
		_, err := agefile.ParseRecipients(text)
		if !errors.Is(err, agefile.ErrPrivateKey) {
			t.Errorf("error %v, want ErrPrivateKey", err)
		} else if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(secret[15:25])) {
			t.Errorf("the error repeats the private key: %v", err)
		}
	}
	// A secret in the wrong field is not shown beyond its first characters.
	if _, err := agefile.ParseRecipients("hunter2-my-secret"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
}

func TestParseIdentities(t *testing.T) {
	a, public := identity(t)
	b, _ := identity(t)
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		text string
		n    int
	}{
		"One": {a, 1}, "File": {"# created: 2026-01-01T00:00:00Z\n# public key: " + public + "\n" + a + "\n", 1}, "Two": {a + "\r\n\r\n  " + b + "  \r\n", 2},
		"PostQuantum": {pq.String(), 1}, "BOM": {"\ufeff" + a, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if ids, err := agefile.ParseIdentities(tc.text); err != nil || len(ids) != tc.n {
				t.Errorf("%d identities, %v, want %d", len(ids), err, tc.n)
			}
		})
	}
	if _, err := agefile.ParseIdentities(public); !errors.Is(err, agefile.ErrPublicKey) {
		t.Errorf("a public key: %v, want ErrPublicKey", err)
	}
	for name, text := range map[string]string{
		"Empty": "", "Typo": a[:len(a)-1] + "!", "Cut": a[:40], "Other": "hunter2", "Huge": strings.Repeat("A", 1<<20), "Many": strings.Repeat(a+"\n", 65), "Invalid": "\xff\xfe",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := agefile.ParseIdentities(text)
			if !errors.Is(err, agefile.ErrKeys) || strings.Contains(err.Error(), a[20:30]) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want ErrKeys without an echo", err)
			}
		})
	}
}

func FuzzParseRecipients(f *testing.F) {
	secret, public := identity(f)
	for _, seed := range []string{public, public + ", " + public, "# x\n" + public, secret, "ssh-ed25519 AAAA me", "age1pq1", "\ufeff,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := agefile.ParseRecipients(text)
		if err == nil && (len(rs) == 0 || len(rs) > agefile.MaxStanzas) {
			t.Errorf("%d recipients without an error", len(rs))
		}
		if err != nil && !errors.Is(err, agefile.ErrKeys) && !errors.Is(err, agefile.ErrPrivateKey) {
			t.Errorf("untyped error: %v", err)
		}
	})
}

func FuzzParseIdentities(f *testing.F) {
	secret, public := identity(f)
	for _, seed := range []string{secret, "# x\r\n" + secret, public, "AGE-SECRET-KEY-PQ-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := agefile.ParseIdentities(text)
		if err == nil && len(ids) == 0 {
			t.Error("no identity and no error")
		}
		if err != nil && !errors.Is(err, agefile.ErrKeys) && !errors.Is(err, agefile.ErrPublicKey) {
			t.Errorf("untyped error: %v", err)
		}
	})
}
