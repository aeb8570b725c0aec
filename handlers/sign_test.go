package handlers

import (
	"bytes"
	"html"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

var shownSigned = regexp.MustCompile(`(?s)-----BEGIN PGP SIGNED MESSAGE-----.*?-----END PGP SIGNATURE-----`)

func signedOf(t *testing.T, a answer) string {
	t.Helper()
	m := shownSigned.FindString(html.UnescapeString(a.body))
	if m == "" {
		t.Fatalf("no signed text on the page:\n%s", a.body)
	}
	return m + "\n"
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSign_GnuPG: what is signed here passes gpg --verify, texts and files.
func TestSign_GnuPG(t *testing.T) {
	needGPG(t)
	s := newServer(t)
	ada, key := s.account(t, "ada")
	g, dir := newGPG(t), t.TempDir()
	g.run(key.Certificate().Armor(), "--import")
	for _, text := range []string{"The gate opens at 18:40.\n", "- dashes\n-----BEGIN PGP MESSAGE-----\nGrüße  \n\n\tlast line without an end", "x"} {
		signed := signedOf(t, ada.post("/sign", "text", text).want(t, 200, "Signed with your key", "gpg --verify message.asc"))
		g.run("", "--verify", write(t, dir, "message.asc", signed))
		ada.post("/verify", "text", signed).want(t, 200, "Good signature by you", `class="signature ok"`)
	}
	content := "\x00\xff" + strings.Repeat("binary\r\n", 100_000)
	plain := write(t, dir, "a b.bin", content)
	for armor, suffix := range map[string]string{"": ".sig", "1": ".asc"} {
		page := ada.upload("/sign", []string{"armor", armor, "mode", "files"}, [2]string{"a b.bin", content}).want(t, 200, "a b.bin"+suffix, "gpg --verify &#39;a b.bin"+suffix+"&#39; &#39;a b.bin&#39;")
		result := resultPath(t, page.body)
		signature := ada.get(result+"/file").want(t, 200).body
		if strings.HasPrefix(signature, "-----BEGIN PGP SIGNATURE") != (armor == "1") {
			t.Errorf("the signature begins %q", signature[:20])
		}
		g.run("", "--verify", write(t, dir, "a b.bin"+suffix, signature), plain)
		ada.signed(t, signature, "a b.bin", content).want(t, 200, "Good signature by you")
		ada.signed(t, signature, "a b.bin", content+"x").want(t, 200, "Bad signature", `class="signature bad"`)
		ada.get(result).want(t, 200, "A signature you made", "Check it without Zencrypt")
		ada.get("/sign").want(t, 200, "Waiting for you")
		ada.post(result+"/save").want(t, 303)
		if to := ada.post(result+"/delete").want(t, 303).Header.Get("Location"); to != "/sign" {
			t.Errorf("after the deletion at %s", to)
		}
	}
	// What gpg signs is verified here against a person of the list.
	g.run("", "--passphrase", "", "--quick-gen-key", "Grace <grace@example.org>", "future-default", "default", "never")
	path, _, _ := strings.Cut(ada.post("/people", "name", "Grace", "public_key", g.run("", "-a", "--export", "grace")).want(t, 303).Header.Get("Location"), "?")
	clear := g.run("from Grace\n- dashed\n", "-u", "grace", "--clear-sign")
	ada.post("/verify", "text", clear).want(t, 200, "Good signature by Grace", "You have not compared", path, "from Grace\n- dashed")
	ada.post(path+"/verify", "state", state(t, ada.get(path))).want(t, 303)
	ada.post("/verify", "text", clear).want(t, 200, "You have compared their key")
	ada.post("/verify", "text", "before\n"+clear+"after").want(t, 200, "Good signature by Grace", "more text around it")
	ada.post("/verify", "text", strings.Replace(clear, "from Grace", "from Craig", 1)).want(t, 200, "Bad signature by Grace", "Do not rely on it")
	ada.post("/verify", "text", g.run("packed and signed", "-u", "grace", "-a", "--sign")).want(t, 200, "Good signature by Grace", "packed and signed")
	ada.post("/verify", "signature", g.run("a text", "-u", "grace", "-a", "-b"), "text", "a text").want(t, 200, "Good signature by Grace")
	// Signed and encrypted: the same words, for texts and files.
	sealed := g.run("secret of Grace", "-u", "grace", "-a", "-s", "-e", "-r", "grace")
	secret := g.run("", "-a", "--export-secret-keys", "grace")
	ada.post("/decrypt", "identity", secret, "text", sealed).want(t, 200, "secret of Grace", "Good signature by Grace", `class="signature ok"`)
	file := ada.upload("/decrypt", []string{"identity", secret, "mode", "files"}, [2]string{"x.gpg", sealed}).want(t, 200, "Good signature by Grace")
	ada.get(resultPath(t, file.body)).want(t, 200, "Good signature by Grace")
	stranger := s.client(t)
	stranger.register("stranger")
	stranger.post("/decrypt", "identity", secret, "text", sealed).want(t, 200, "not known here", `class="signature warn"`)
}

// signed sends a file with its signature beside it, as the page's form does.
func (c *client) signed(t *testing.T, signature, name, content string, more ...string) answer {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(more); i += 2 {
		_ = w.WriteField(more[i], more[i+1])
	}
	p, err := w.CreateFormFile("signature_file", name+".sig")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(p, signature)
	if p, err = w.CreateFormFile("file", name); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(p, content)
	_ = w.Close()
	return c.do("POST", "/verify", w.FormDataContentType(), &b)
}

// TestVerify: every verdict in words, sign and colour; what is wrong with the form is said beside its field.
func TestVerify(t *testing.T) {
	s := newServer(t)
	ada, key := s.account(t, "ada")
	bob, _ := s.account(t, "bob")
	ada.befriend("bob")
	text := func(k *pgp.Key, at time.Time) string {
		b, err := pgp.SignText([]byte("the words\n"), []*pgp.Key{k}, 0, pgp.SignOptions{Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	other := newPGP(t, pgp.KeyParams{Name: "Mallory"})
	now := time.Now() // not before the keys were made
	year := now.AddDate(-1, 0, 0)
	old := newPGP(t, pgp.KeyParams{Name: "Old", Now: func() time.Time { return year }})
	revoked, err := old.Revoke(pgp.Compromised, "", now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fromBob := signedOf(t, bob.post("/sign", "text", "the words"))
	identity, recipient := ageKey(t)
	guest := s.client(t)
	for name, tt := range map[string]struct {
		c      *client
		fields []string
		status int
		says   []string
	}{
		"Known":          {ada, []string{"text", fromBob}, 200, []string{"Good signature by bob", "signature ok", "not compared"}},
		"Unknown":        {ada, []string{"text", text(other, now)}, 200, []string{"not known here", "signature warn"}},
		"Pasted":         {ada, []string{"certificate", other.Certificate().Armor(), "text", text(other, now)}, 200, []string{"by a key that you do not know", "signature warn", "Mallory"}},
		"PastedAndKnown": {ada, []string{"certificate", key.Certificate().Armor(), "text", text(key, now)}, 200, []string{"Good signature by you"}},
		"Changed":        {ada, []string{"text", strings.Replace(fromBob, "the words", "other words", 1)}, 200, []string{"Bad signature by bob", "signature bad"}},
		"Revoked":        {ada, []string{"certificate", revoked.Certificate().Armor(), "text", text(old, now.Add(-48*time.Hour))}, 200, []string{"with a revoked key", "signature bad"}},
		"Guest":          {guest, []string{"certificate", other.Certificate().Armor(), "text", text(other, now)}, 200, []string{"by a key that you do not know"}},
		"GuestNobody":    {guest, []string{"text", fromBob}, 422, []string{"Without an account nobody is known"}},
		"Nothing":        {ada, nil, 422, []string{"Nothing to verify"}},
		"NotSigned":      {ada, []string{"text", "only words"}, 422, []string{"no signature in the content itself"}},
		"CutShort":       {ada, []string{"text", fromBob[:len(fromBob)-60]}, 422, []string{"Damaged or changed"}},
		"Twice":          {ada, []string{"text", fromBob + fromBob}, 422, []string{"more than one signed text"}},
		"NoSignature":    {ada, []string{"signature", "nothing", "text", "words"}, 422, []string{"no detached signature"}},
		"AgeKey":         {ada, []string{"certificate", recipient, "text", fromBob}, 422, []string{"does not sign here"}},
		"PrivateKey":     {ada, []string{"certificate", other.Armor(), "text", fromBob}, 422, []string{"private key"}},
		"PrivateAge":     {ada, []string{"certificate", identity, "text", fromBob}, 422, []string{"private key"}},
		"Encrypted":      {ada, []string{"text", armorOf(t, ada.post("/encrypt", "to", "me", "format", "pgp", "text", "x").body)}, 422, []string{"no signature in the content"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := s.state(t)
			tt.c.t = t
			a := tt.c.post("/verify", tt.fields...)
			body := html.UnescapeString(a.body)
			if a.StatusCode != tt.status {
				t.Fatalf("status %d, want %d\n%s", a.StatusCode, tt.status, body)
			}
			for _, says := range tt.says {
				if !strings.Contains(body, says) {
					t.Errorf("it lacks %q\n%s", says, body)
				}
			}
			if strings.Contains(a.body, identity) || strings.Contains(a.body, strings.Split(other.Armor(), "\n")[4]) {
				t.Error("a private key comes back")
			}
			if s.state(t) != before {
				t.Error("something was stored")
			}
		})
	}
	ada.t, guest.t = t, t
	ada.signed(t, "x", "a", "b", "signature", "y").want(t, 422, "Give the signature once")
	guest.get("/sign").want(t, 303)
	if a := guest.get("/verify").want(t, 200); strings.Contains(a.body, `href="/sign"`) {
		t.Error("a guest sees a tab that leads to a refusal")
	}
	carl := s.client(t)
	carl.register("carl")
	carl.get("/sign").want(t, 200, "You need an OpenPGP key", `href="/keys"`)
	carl.post("/sign", "text", "x").want(t, 422, "You have no OpenPGP key")
	carl.post("/verify", "text", fromBob).want(t, 200, "not known here")
	ada.post("/sign", "text", "").want(t, 422, "Nothing to sign")
	ada.post("/sign", "text", "\x00").want(t, 422, "only text in UTF-8")
	ada.post("/sign", "key", strangerID, "text", "x").want(t, 422, "sign any more")
}
