package handlers

import (
	"bytes"
	"encoding/base64"
	"html"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"zencrypt/crypto/pgp"
)

// entityOf is a key for go-crypto itself, which makes signatures that end: no program of ours does.
func entityOf(t testing.TB, k *pgp.Key) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// signedAt clear-signs a text at a time, with a signature that ends after a lifetime unless that is 0.
func signedAt(t testing.TB, text string, k *pgp.Key, at time.Time, lifetime time.Duration) string {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, entityOf(t, k).PrivateKey, &packet.Config{Time: func() time.Time { return at }, SigLifetimeSecs: uint32(lifetime / time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

// sealedAt is signedAt within a message to somebody.
func sealedAt(t testing.TB, text string, k, to *pgp.Key, at time.Time, lifetime time.Duration) string {
	t.Helper()
	var b bytes.Buffer
	w, err := openpgp.EncryptWithParams(&b, []*openpgp.Entity{entityOf(t, to)}, nil, &openpgp.EncryptParams{Signers: []*openpgp.Entity{entityOf(t, k)},
		Config: &packet.Config{Time: func() time.Time { return at }, SigLifetimeSecs: uint32(lifetime / time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSignature_Expired: a signature whose own time has run out, and one that a key made after its end, are told apart
// from good and from bad ones, of texts and of files, where it is verified and where it is decrypted.
func TestSignature_Expired(t *testing.T) {
	s := newServer(t)
	ada := s.client(t)
	ada.register("ada")
	now := time.Now()
	year := now.AddDate(-1, 0, 0)
	past := func() time.Time { return year }
	adaKey := newPGP(t, pgp.KeyParams{Name: "ada", Now: past})
	ada.post("/keys/import", "text", adaKey.Armor()).want(t, 200)
	lasting := newPGP(t, pgp.KeyParams{Name: "Grace", Now: past})
	ended := newPGP(t, pgp.KeyParams{Name: "Edith", Now: past, Expires: year.AddDate(0, 1, 0)})
	ada.post("/people", "name", "Grace", "public_key", lasting.Certificate().Armor()).want(t, 303)
	const text = "zq the gate opens at 18:40"
	check := func(what string, a answer, who, reason string) {
		t.Helper()
		body := html.UnescapeString(a.want(t, 200).body)
		for _, says := range []string{"Expired signature by " + who, reason, `class="signature warn"`} {
			if !strings.Contains(body, says) {
				t.Errorf("%s lacks %q\n%s", what, says, body)
			}
		}
		for _, not := range []string{"Good signature", "Bad signature", "signature ok"} {
			if strings.Contains(body, not) {
				t.Errorf("%s says %q", what, not)
			}
		}
	}
	const itsTime, itsKey = "own time has run out", "key had expired when it was made"
	clear := signedAt(t, text, lasting, now.Add(-48*time.Hour), 24*time.Hour)
	check("a text", ada.post("/verify", "text", clear), "Grace", itsTime)
	check("a file", ada.upload("/verify", []string{"mode", "files"}, [2]string{"a.asc", clear}), "Grace", itsTime)
	ada.post("/verify", "text", signedAt(t, text, lasting, now.Add(-time.Hour), 24*time.Hour)).want(t, 200, "Good signature by Grace")
	ada.post("/verify", "text", strings.Replace(clear, "18:40", "19:40", 1)).want(t, 200, "Bad signature by Grace")
	// Who is no longer of use can't be kept, and can be pasted. After its end the key could not sign here.
	late := signedAt(t, text, ended, year.AddDate(0, 2, 0), 0)
	check("a key's end", ada.post("/verify", "certificate", ended.Certificate().Armor(), "text", late), "Edith", itsKey)
	ada.post("/verify", "certificate", ended.Certificate().Armor(), "text", signedAt(t, text, ended, year.AddDate(0, 0, 3), 0)).
		want(t, 200, "Good signature, by a key that you do not know")

	ada.post("/verify", "certificate", ended.Certificate().Armor(), "text", strings.Replace(late, "18:40", "19:40", 1)).want(t, 200, "Expired signature by Edith", "was not compared with it")

	sealed := sealedAt(t, text, lasting, adaKey, now.Add(-48*time.Hour), 24*time.Hour)
	a := ada.post("/decrypt", "encoding", "base64", "text", base64Of(sealed))
	check("a message", a.want(t, 200, text), "Grace", itsTime)
	file := ada.upload("/decrypt", []string{"mode", "files"}, [2]string{"a.txt.gpg", sealed})
	check("a message in a file", file, "Grace", itsTime)
	result := resultPath(t, file.body)
	check("its result", ada.get(result), "Grace", itsTime)
	if got := ada.get(result+"/file").want(t, 200).body; got != text {
		t.Errorf("it opened as %q", got)
	}
}

// TestSignature_Newest: what one has signed is judged by the newest version of the key, which lasts longer than the first.
func TestSignature_Newest(t *testing.T) {
	s := newServer(t)
	ada := s.client(t)
	ada.register("ada")
	year := time.Now().AddDate(-1, 0, 0)
	old := newPGP(t, pgp.KeyParams{Name: "Ada", Now: func() time.Time { return year }, Expires: year.AddDate(0, 1, 0)})
	path := keyLink.FindString(ada.post("/keys/import", "text", old.Armor()).want(t, 200).body)
	ada.post(path+"/expiry", "expires", time.Now().AddDate(1, 0, 0).Format(time.DateOnly)).want(t, 303)
	ada.post(path+"/rotate").want(t, 303)
	ada.post(path+"/expiry", "expires", "").want(t, 303)
	signed := signedOf(t, ada.post("/sign", "text", "zq still here").want(t, 200))
	ada.post("/verify", "text", signed).want(t, 200, "Good signature by you", "zq still here")
	ada.post(path+"/versions/2/revoke", "reason", "2").want(t, 303)
	ada.post("/verify", "text", signed).want(t, 200, "with a revoked key")
}

// TestSignature_Vault: a signed text that is kept shows how gpg checks it, under the name that its download has, and is
// verified from there; so does a detached signature.
func TestSignature_Vault(t *testing.T) {
	s := newServer(t)
	ada, _ := s.account(t, "ada")
	signed := signedOf(t, ada.post("/sign", "text", "zq <signed> words").want(t, 200))
	for title, name := range map[string]string{"message.asc": "message.asc", "my words": "my words.asc", "it's $x": "it's $x.asc"} {
		item := ada.upload("/vault", []string{"kind", "note", "title", title, "encoding", "base64", "text", base64Of(signed)}).want(t, 303).Header.Get("Location")
		page := ada.get(item).want(t, 200, "Check it without Zencrypt", `action="/verify#result"`)
		if want := "gpg --verify " + quote(name); !strings.Contains(html.UnescapeString(page.body), want) {
			t.Errorf("%s: the page lacks %q\n%s", title, want, page.body)
		}
		file := ada.get(item+"/file").want(t, 200)
		if !strings.Contains(file.Header.Get("Content-Disposition"), "filename*=UTF-8''"+strings.NewReplacer(" ", "%20", "$", "%24", "'", "%27").Replace(name)) && !strings.Contains(file.Header.Get("Content-Disposition"), `"`+name+`"`) || file.body != signed {
			t.Errorf("%s: downloaded as %q", title, file.Header.Get("Content-Disposition"))
		}
		// As its Verify button sends it.
		b := between(page.body, `name="text" value="`, `"`, 1)
		back := ada.upload("/verify", []string{"encoding", "base64", "text", html.UnescapeString(b)}).want(t, 200, "Good signature by you", "zq &lt;signed&gt; words")
		if strings.Contains(back.body, b+"</textarea>") {
			t.Error("the form holds base64 instead of the text")
		}
	}
	plain := ada.post("/vault", "title", "plain", "text", "-----BEGIN\nwords").want(t, 303).Header.Get("Location")
	if a := ada.get(plain).want(t, 200); strings.Contains(a.body, "gpg --verify") || strings.Contains(a.body, "/verify#result") {
		t.Error("a plain note is called signed")
	}
	page := ada.upload("/sign", []string{"mode", "files"}, [2]string{"a plan.txt", "the plan"}).want(t, 200)
	kept := ada.post(resultPath(t, page.body)+"/save").want(t, 303).Header.Get("Location")
	ada.get(kept).want(t, 200, "OpenPGP, detached signature", "gpg --verify &#39;a plan.txt.sig&#39; &#39;a plan.txt&#39;")
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
