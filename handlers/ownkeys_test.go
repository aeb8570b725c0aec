package handlers

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
)

// TestDecrypt_OnlyItsKeys: a format reads the keys that it can use and no others. A key that can't be read tells by its
// line in the log whether somebody tried.
func TestDecrypt_OnlyItsKeys(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	broken := newPGP(t, pgp.KeyParams{Name: "Broken"})
	s.givePGP(t, "ring", broken, []byte("no key at all"))
	whole := newPGP(t, pgp.KeyParams{Name: "Whole"})
	c.post("/keys/import", "text", whole.Armor()).want(t, 200)
	tried := func() bool { return strings.Contains(s.log.String(), "a key of a ring can't be read") }
	key, err := fernet.ParseKey(fernet.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	token, err := fernet.Encrypt(key, []byte("x"), s.opt.Now())
	if err != nil {
		t.Fatal(err)
	}
	age := armorOf(t, c.post("/encrypt", "to", "me", "text", "by age").want(t, 200).body)
	c.post("/decrypt", "text", string(token)).want(t, 422, "No key fits")
	c.post("/decrypt", "text", age).want(t, 200, "by age", "Opened with your key")
	c.upload("/decrypt", []string{"mode", "files"}, [2]string{"a.age", age}, [2]string{"b.fernet", string(token)}).want(t, 422, "Opened with your key")
	c.post("/decrypt", "text", "nothing that is known").want(t, 422, "Not a format")
	c.upload("/vault", []string{"kind", "ciphertext", "title", "kept", "encoding", "base64", "text", base64Of(age)}).want(t, 303)
	if tried() {
		t.Error("an OpenPGP key was read for what it can't open")
	}
	c.post("/decrypt", "text", pgpMessage(t, "by OpenPGP", whole)).want(t, 200, "by OpenPGP", "Opened with your key “Whole”")
}

// TestDecrypt_ManyKeys: with many OpenPGP keys those are read that a message names, of all versions; and all of them for
// one that names none.
func TestDecrypt_ManyKeys(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	u := s.unlock(t, "ring")
	var keys []*pgp.Key
	var pairs []models.Pair
	for i := range 40 {
		k := newPGP(t, pgp.KeyParams{Name: fmt.Sprintf("Key %02d", i)})
		found, err := models.ReadPairs(k.Bytes(), models.ReadOptions{Now: s.opt.Now()})
		if err != nil {
			t.Fatal(err)
		}
		keys, pairs = append(keys, k), append(pairs, found...)
	}
	done, err := s.db.Keys.Import(t.Context(), u, "", pairs)
	if err != nil {
		t.Fatal(err)
	}
	s.givePGP(t, "ring", newPGP(t, pgp.KeyParams{Name: "Broken"}), []byte("no key at all"))
	before := pgpMessage(t, "to the first version", keys[20])
	if err := s.db.Keys.Rotate(t.Context(), u, done[20].Key); err != nil {
		t.Fatal(err)
	}
	ring, err := s.db.Keys.Get(t.Context(), u, done[20].Key)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := ring.Newest().PGP()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*pgp.Key{keys[0], keys[39]} {
		c.post("/decrypt", "text", pgpMessage(t, "for "+k.Fingerprint(), k, keys[7])).want(t, 200, "for "+k.Fingerprint(), "Good signature by you", "Key 07")
	}
	c.post("/decrypt", "text", before).want(t, 200, "to the first version", "“Key 20”, version 1")
	c.post("/decrypt", "text", pgpMessage(t, "to the second", rotated)).want(t, 200, "to the second", "“Key 20”, version 2")
	large := strings.Repeat("a longer file ", 20_000)
	page := c.upload("/decrypt", []string{"mode", "files"}, [2]string{"large.asc", pgpMessage(t, large, keys[30])}).want(t, 200, "Opened with your key “Key 30”")
	if got := c.get(resultPath(t, page.body)+"/file").want(t, 200).body; got != large {
		t.Errorf("%d bytes came out", len(got))
	}
	stranger := newPGP(t, pgp.KeyParams{Name: "Stranger"})
	c.post("/decrypt", "text", pgpMessage(t, "x", stranger)).want(t, 422, "No key fits", "a private key is needed")
	c.post("/decrypt", "identity", stranger.Armor(), "text", pgpMessage(t, "with a pasted key", stranger)).want(t, 200, "with a pasted key")
	const tried = "a key of a ring can't be read"
	if strings.Contains(s.log.String(), tried) {
		t.Error("keys were read that the message does not name")
	}
	c.post("/decrypt", "text", strings.Replace(before, "\n\n", "\n\nAAAA", 1)).want(t, 422)
	needGPG(t)
	g := newGPG(t)
	g.run(keys[5].Certificate().Armor(), "--import")
	c.post("/decrypt", "text", g.run("to nobody by name", "-a", "--throw-keyids", "-e", "-r", keys[5].Fingerprint())).want(t, 200, "to nobody by name", "“Key 05”")
	if !strings.Contains(s.log.String(), tried) {
		t.Error("this test would not see it")
	}
}

// TestOpenPGP_Names: a message that the page makes of a file carries neither its name nor a time, since the name of the
// download says what to call it; what gpg has written into one is shown, and names nothing.
func TestOpenPGP_Names(t *testing.T) {
	s := newServer(t)
	c, key := s.account(t, "ada")
	for _, to := range [][]string{{"to", "me", "format", "pgp"}, {"to", "people", "recipients", key.Certificate().Armor()}, {"to", "passphrase", "format", "pgp", "passphrase", "open sesame"}} {
		page := c.upload("/encrypt", append(to, "mode", "files"), [2]string{"zq secret plan.txt", "the plan"}).want(t, 200, "zq secret plan.txt.gpg")
		file := c.get(resultPath(t, page.body)+"/file").want(t, 200)
		if name := file.Header.Get("Content-Disposition"); !strings.Contains(name, "zq secret plan.txt.gpg") {
			t.Errorf("downloaded as %q", name)
		}
		m, err := pgp.Open(strings.NewReader(file.body), pgp.OpenOptions{Keys: []*pgp.Key{key}, Passphrases: []string{"open sesame"}})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(m); err != nil || string(b) != "the plan" || m.Name != "" || !m.Time.IsZero() {
			t.Errorf("%q: %q with name %q and time %v, %v", to, b, m.Name, m.Time, err)
		}
	}
	named := func(name string) string {
		var b bytes.Buffer
		w, err := pgp.Encrypt(&b, pgp.EncryptOptions{To: []*pgp.Certificate{key.Certificate()}, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "content")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const label = "Name inside, not signed"
	for name, shown := range map[string]string{"plan.txt": "plan.txt", "../../etc/<b>passwd": "../../etc/&lt;b&gt;passwd", "evil\u202egpj.exe": "evil\ufffdgpj.exe", "": "", "_CONSOLE": ""} {
		page := c.upload("/decrypt", []string{"mode", "files"}, [2]string{"came.gpg", named(name)}).want(t, 200, "Download came")
		result := resultPath(t, page.body)
		for _, a := range []answer{page, c.get(result).want(t, 200), c.post("/decrypt", "encoding", "base64", "text", base64Of(named(name))).want(t, 200)} {
			if has := strings.Contains(a.body, label); has != (shown != "") || !strings.Contains(a.body, shown) {
				t.Errorf("%q: the page of %s has it: %v", name, a.Request.URL.Path, has)
			}
			if strings.ContainsAny(a.body, "\u202e") {
				t.Errorf("%q reaches the page as it is", name)
			}
		}
		if got := c.get(result+"/file").want(t, 200).Header.Get("Content-Disposition"); !strings.Contains(got, `"came"`) {
			t.Errorf("%q: downloaded as %q", name, got)
		}
	}
	needGPG(t)
	g := newGPG(t)
	g.run(key.Certificate().Armor(), "--import")
	write(t, g.home, "from gpg.txt", "x")
	c.post("/decrypt", "text", g.run("", "-a", "-o", "-", "-e", "-r", "ada", g.home+"/from gpg.txt")).want(t, 200, label, "from gpg.txt")
}
