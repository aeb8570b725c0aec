package agefile_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"

	"zencrypt/crypto/agefile"
)

func TestParseRecipients_SSH(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	_, native := identity(t)
	for name, text := range map[string]string{
		"Plain": line, "Comment": line + " me at home", "CommaAfter": line + " me, " + native, "Lines": native + "\r\n" + line + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := agefile.ParseRecipients(text)
			if err != nil {
				t.Fatal(err)
			}
			id, err := agessh.NewEd25519Identity(private)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := decrypt(encrypt(t, true, []byte("x"), rs...), id); err != nil || !bytes.Equal(got, []byte("x")) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, text := range []string{"ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M= me", line[:40]} {
		if _, err := agefile.ParseRecipients(text); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("%q: %v, want ErrKeys", text, err)
		}
	}
}
