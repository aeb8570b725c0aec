package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"zencrypt/crypto/agefile"
)

// TestMain lets this test program be a plugin, as a file named age-plugin-....
func TestMain(m *testing.M) {
	if strings.HasPrefix(filepath.Base(os.Args[0]), "age-plugin-") {
		os.Exit(runPlugin())
	}
	os.Exit(m.Run())
}

// runPlugin speaks age's plugin protocol (C2SP age-plugin.md). Its keys hold native ones, and it
// asks for a PIN before it uses a private one.
func runPlugin() int {
	p, err := plugin.New("innative")
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return age.ParseX25519Recipient(string(data)) })
	p.HandleIdentityAsRecipient(func(data []byte) (age.Recipient, error) {
		id, err := age.ParseX25519Identity(string(data))
		if err != nil {
			return nil, err
		}
		return id.Recipient(), nil
	})
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		pin, err := p.RequestValue("PIN?", true)
		if err != nil {
			return nil, err
		}
		if pin != "1234" {
			return nil, errors.New("wrong PIN")
		}
		return age.ParseX25519Identity(string(data))
	})
	return p.Main()
}

// withPlugin puts the plugin on the PATH.
func withPlugin(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-innative")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestKeyReader_Plugins(t *testing.T) {
	withPlugin(t)
	secret, public := identity(t)
	recipient := plugin.EncodeRecipient("innative", []byte(public))
	private := plugin.EncodeIdentity("innative", []byte(secret))
	pin, asked := "1234", 0
	k := agefile.KeyReader{Plugins: &plugin.ClientUI{RequestValue: func(name, prompt string, isSecret bool) (string, error) {
		if name != "innative" || prompt != "PIN?" || !isSecret {
			t.Errorf("asked %q for %q", name, prompt)
		}
		asked++
		return pin, nil
	}}}
	r, err := k.Recipient(recipient)
	if err != nil {
		t.Fatal(err)
	}
	if rs, err := k.Recipients(strings.NewReader("# a card\n" + recipient + "\n")); err != nil || len(rs) != 1 {
		t.Fatalf("%d recipients, %v", len(rs), err)
	}
	if line, err := agefile.PublicKey(r); err != nil || line != recipient {
		t.Errorf("PublicKey = %q, %v", line, err)
	}
	ids, err := k.Identities(strings.NewReader("# a card\n" + private + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	native := newPair(t)
	both := encrypt(t, false, []byte("hello"), r, native.rec)
	if got, err := decrypt(both, ids[0], native.id); err != nil || string(got) != "hello" || asked != 0 {
		t.Errorf("with a key that needs nobody: %q, %v, asked %d times", got, err, asked)
	}
	if got, err := decrypt(both, ids...); err != nil || string(got) != "hello" || asked != 1 {
		t.Errorf("%q, %v, asked %d times", got, err, asked)
	}
	own, err := agefile.RecipientsOf(ids...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decrypt(encryptParallel(t, true, 2, []byte("hello"), writers["Whole"], own...), ids...); err != nil || string(got) != "hello" {
		t.Errorf("to the private key's public half: %q, %v", got, err)
	}
	if _, err := agefile.PublicKey(own[0]); !errors.Is(err, agefile.ErrKeys) {
		t.Errorf("the public half of a plugin's identity: %v", err)
	}
	pin = "0000"
	if _, err := decrypt(both, ids...); err == nil || errors.Is(err, agefile.ErrDamaged) || !strings.Contains(err.Error(), "wrong PIN") {
		t.Errorf("what the plugin said is lost: %v", err)
	}
	missing := plugin.EncodeRecipient("nowhere", nil)
	r, err = k.Recipient(missing)
	if err != nil {
		t.Fatal(err)
	}
	var notFound *plugin.NotFoundError
	if _, err := agefile.Encrypt(&bytes.Buffer{}, false, r); !errors.As(err, &notFound) || notFound.Name != "nowhere" {
		t.Errorf("a plugin that is not installed: %v", err)
	}
	ids, err = k.Identities(strings.NewReader(plugin.EncodeIdentity("nowhere", nil)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(both, ids...); !errors.As(err, &notFound) {
		t.Errorf("a plugin that is not installed: %v", err)
	}
	for _, text := range []string{recipient, "age1../sh1xyz", recipient[:len(recipient)-1] + "q"} {
		if _, err := (agefile.KeyReader{}).Recipient(text); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("%.20s: %v, want ErrKeys", text, err)
		}
		if _, err := agefile.ParseRecipients(text); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("pasted %.20s: %v, want ErrKeys", text, err)
		}
	}
	if _, err := agefile.ParseIdentities(private); !errors.Is(err, agefile.ErrKeys) || strings.Contains(fmt.Sprint(err), private[20:40]) {
		t.Errorf("pasted identity of a plugin: %v", err)
	}
	for _, name := range []string{"", "../sh", "a/b"} {
		if _, err := k.PluginIdentity(name); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("plugin %q: %v, want ErrKeys", name, err)
		}
	}
}
