package agefile_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

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
