//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"zencrypt/crypto/pgp"
)

// addedPerson adds somebody to a client's list and returns their page.
func (c *client) addPerson(pairs ...string) string {
	c.t.Helper()
	path, _, _ := strings.Cut(c.must(c.post("/people", pairs...), http.StatusSeeOther).location(), "?")
	return path
}

// importKey brings a private key into the ring of a client and returns its page.
func (c *client) importKey(key string) string {
	c.t.Helper()
	return shownKey.FindString(c.must(c.upload("/keys/import", field("text", key)), http.StatusOK).body)
}

func newPGPKey(t testing.TB, name string, at time.Time) *pgp.Key {
	t.Helper()
	k, err := pgp.NewKey(pgp.KeyParams{Name: name, Email: strings.ToLower(name) + "@example.org", Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// peoplePages: the list, a person, and encrypting to people, in every state they have.
func peoplePages(t *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("knows-people", walkPassword)
	tab.adopt(c)
	tab.open("/people")
	tab.sound("people-empty")
	tab.fill("#find-login", "nobody-of-this-name")
	tab.follow("form[action='/people/find'] button")
	tab.reads(".problem", "Nobody of this login")
	tab.sound("people-find-error")
	tab.fill("#add-public_key", "no key at all")
	tab.follow("section[aria-labelledby=add-title] .row button")
	tab.reads(".problem", "is none")
	tab.sound("people-add-error")
	s.client().register("mira@example.org", walkPassword)
	tab.fill("#find-login", "MIRA@example.org")
	tab.follow("form[action='/people/find'] button")
	tab.reads("#found-title", "mira@example.org is here")
	tab.sound("people-found")
	tab.follow("section[aria-labelledby=found-title] button")
	tab.reads(".notice", "pinned")
	mira, _, _ := strings.Cut(tab.path(), "?")
	tab.sound("person-added")
	tab.unfold("The whole public key")
	tab.unfold("Remove from my list")
	tab.unfold("Name and note")
	tab.sound("person-open")
	tab.fill("#describe-name", "Mira, and others")
	tab.fill("#describe-note", "Met at the harbour.")
	tab.follow("form[action$='/describe'] button")
	tab.reads("#describe-name-error", "comma")
	tab.sound("person-describe-error")
	tab.fill("#describe-name", "Mira from the harbour")
	tab.follow("form[action$='/describe'] button")
	tab.reads("h1", "Mira from the harbour")
	tab.reads(".pre", "Met at the harbour.")
	tab.sound("person-described")
	c.must(c.post(mira+"/describe", "name", "mira@example.org"), http.StatusSeeOther)
	tab.open(mira)
	tab.follow("form[action$='/verify'] button")
	tab.reads("#compare-title", "Verified")
	tab.sound("person-verified")

	now := time.Now()
	outside := c.addPerson("name", strings.Repeat("A very long name ", 8), "note", "Met at the conference.\nBadge checked.", "public_key", newPGPKey(t, "Grace", now).Certificate().Armor())
	tab.open(outside)
	tab.sound("person-outside")
	c.addPerson("name", "שלום", "public_key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINLoasPeJsnH2JsADym6X539RMNiQYdsToTqtp65zQxS")
	gone := s.client()
	gone.register("goes-away", walkPassword)
	left := c.addPerson("login", "goes-away")
	gone.must(gone.post("/account/delete", "current", walkPassword, "login", "goes-away"), http.StatusSeeOther)
	tab.open(left)
	tab.sound("person-gone")
	broken := c.addPerson("name", "broken", "public_key", nobody)
	s.change("zencrypt.db", fmt.Sprintf(`UPDATE people SET sealed_person = CAST(substr(sealed_person, 1, 40) || x'00' || substr(sealed_person, 42) AS BLOB) WHERE hex(id) = upper('%s')`, strings.TrimPrefix(broken, "/people/")))
	tab.open(broken)
	tab.sound("person-unreadable")

	tab.open("/encrypt?person=" + strings.TrimPrefix(mira, "/people/"))
	tab.unfold("Format")
	tab.sound("encrypt-people")
	tab.fill("#text", "for Mira")
	tab.answer()
	tab.reads("#result h2", "Encrypted for mira@example.org and you")
	tab.sound("encrypt-people-result")

	s.change("zencrypt.db", `UPDATE key_versions SET public = '`+nobody+`' WHERE public <> '' AND account_id = (SELECT id FROM accounts WHERE login = 'mira@example.org')`)
	tab.fill("#text", "for Mira again")
	tab.answer()
	tab.reads("#result .problem h2", "The key of mira@example.org has changed")
	tab.sound("encrypt-people-changed")
	tab.whole()
	tab.sound("encrypt-people-changed-page")
	tab.open(mira)
	tab.reads(".problem h2", "The age key has changed")
	tab.sound("person-changed")
	tab.open("/people")
	tab.reads("table.people", "key changed")
	tab.sound("people-list")
	for i := range 60 {
		c.addPerson("name", fmt.Sprintf("Acquaintance %03d", i), "public_key", nobody)
	}
	tab.open("/people")
	tab.reads("main .problem h2", "A key has changed")
	tab.narrowAndWide("people-long", "light") // as long as a page gets, and in parts like the shorter one
	tab.fill(".search [name=q]", "ance 05")
	tab.follow(".search button")
	if n := tab.count("table.people tbody tr"); n != 10 {
		t.Errorf("a search found %d people", n)
	}
	tab.sound("people-search")
	tab.fill(".search [name=q]", "nobody like this")
	tab.follow(".search button")
	tab.sound("people-search-none")
	tab.follow(".empty a")
	tab.follow(".pages a.end")
	tab.follow(".pages a")
	tab.at("/people")
	tab.open(mira)
	tab.follow("form[action$='/accept'] button")
	tab.reads(".notice", "Accepted")
	tab.sound("person-accepted")
	s.change("zencrypt.db", `UPDATE key_versions SET public = '`+nobody+`' WHERE public <> '' AND account_id = (SELECT id FROM accounts WHERE login = 'knows-people')`)
	tab.open("/people")
	tab.reads(".problem", "was changed")
	tab.sound("people-own-changed")
	tab.open("/encrypt")
	tab.fill("#text", "my own")
	tab.answer()
	tab.reads("#result", "The public copy of your key")
	tab.sound("encrypt-own-changed")
	tab.open("/account")
	tab.follow("form[action='/account/listed'] button")
	tab.reads(".notice", "Nobody finds you")
	tab.sound("account-unlisted")
}

// nobody is a public key that nobody has the private half of here.
const nobody = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// signPages: signing and verifying, with every verdict.
func signPages(t *testing.T, s *server, tab *tab) {
	tab.open("/verify")
	tab.sound("guest-verify")
	tab.answer()
	tab.sound("guest-verify-error")
	c := s.client()
	c.register("signs-things", walkPassword)
	tab.adopt(c)
	tab.open("/sign")
	tab.sound("sign-no-key")
	now := time.Now()
	old := now.AddDate(-2, 0, 0)
	known, unknown, stale := newPGPKey(t, "Grace", old), newPGPKey(t, "Mallory", old), newPGPKey(t, "Stale", old)
	c.addPerson("name", "Grace", "public_key", known.Certificate().Armor())
	revoked, err := stale.Revoke(pgp.Compromised, "", now)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(k *pgp.Key, at time.Time) string {
		b, err := pgp.SignText([]byte("The gate opens at 18:40.\n"), []*pgp.Key{k}, 0, pgp.SignOptions{Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, v := range []struct{ name, certificate, text, says string }{
		{"known", "", signed(known, now), "Good signature by Grace"},
		{"expired", "", expiredText(t, known, now), "Expired signature by Grace"},
		{"unknown", "", signed(unknown, now), "not known here"},
		{"pasted", unknown.Certificate().Armor(), signed(unknown, now), "that you do not know"},
		{"bad", "", strings.Replace(signed(known, now), "18:40", "19:40", 1), "Bad signature by Grace"},
		{"revoked", revoked.Certificate().Armor(), signed(stale, old.Add(time.Hour)), "with a revoked key"},
		{"around", "", "Hello\n\n" + signed(known, now), "not signed"},
		{"not-signed", "", "only words", "no signature in the content"},
	} {
		tab.open("/verify")
		tab.unfold("not among my people")
		if v.certificate != "" {
			tab.fill("#certificate", v.certificate)
		}
		tab.fill("#text", v.text)
		tab.answer()
		tab.reads("#result", v.says)
		tab.sound("verify-" + v.name)
	}
	tab.open("/verify")
	tab.unfold("signature is separate")
	tab.mode("files")
	tab.choose("#signature_file", small(tab, "a.txt.sig", "nothing"))
	tab.choose("#file", small(tab, "a.txt", "content"))
	tab.sound("verify-files")
	tab.answer()
	tab.reads("#result", "no detached signature")
	tab.sound("verify-files-error")

	own := newPGPKey(t, "Own", old)
	c.importKey(own.Armor())
	for _, v := range []struct {
		name, says string
		sign       *pgp.Key
		lifetime   time.Duration
	}{{"own", "Good signature by you", own, 0}, {"known", "Good signature by Grace", known, 0}, {"unknown", "not known here", unknown, 0}, {"expired", "Expired signature by Grace", known, time.Second}} {
		message := sealedAt(t, v.sign, own, now, v.lifetime)
		tab.open("/decrypt")
		tab.fill("#text", message)
		tab.answer()
		tab.reads("#result .signature", v.says)
		tab.sound("decrypt-signed-" + v.name)
	}
	tab.open("/sign")
	tab.sound("sign")
	tab.fill("#text", "- I owe you nothing.\n")
	tab.answer()
	tab.reads("#result h2", "Signed with your key")
	tab.unfold("Check it without")
	tab.sound("sign-result")
	tab.click("#result form[action='/vault'] button")
	tab.wait("#result a.saved")
	tab.follow("#result a.saved")
	tab.unfold("Check it without")
	tab.reads("#item-commands", "gpg --verify message.asc")
	tab.sound("vault-signed")
	tab.follow("form[action^='/verify'] button")
	tab.reads("#result .signature", "Good signature by you")
	tab.sound("verify-from-vault")
	tab.open("/sign")
	tab.mode("files")
	tab.choose("#file", small(tab, "b.txt", "content"))
	tab.sound("sign-files")
	tab.answer()
	tab.reads("#result", "b.txt.sig")
	tab.sound("sign-files-result")
	tab.open("/sign")
	tab.answer()
	tab.sound("sign-error")
	tab.open("/encrypt")
	tab.unfold("Format and signature")
	tab.sound("encrypt-signature")
}

// entityOf is a key for go-crypto itself, which makes signatures that end: no program of ours does.
func entityOf(t testing.TB, k *pgp.Key) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(k.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// expiredText is signed with a signature that was good for a day, and is not since yesterday.
func expiredText(t testing.TB, k *pgp.Key, now time.Time) string {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, entityOf(t, k).PrivateKey, &packet.Config{Time: func() time.Time { return now.AddDate(0, 0, -2) }, SigLifetimeSecs: 86400})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "The gate opens at 18:40.\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String() + "\n"
}

// sealedAt is a message in armor, signed with a signature that ends after a lifetime unless that is 0.
func sealedAt(t testing.TB, k, to *pgp.Key, now time.Time, lifetime time.Duration) string {
	t.Helper()
	at := now.Add(-time.Minute)
	var b bytes.Buffer
	a, err := armor.Encode(&b, "PGP MESSAGE", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := openpgp.EncryptWithParams(a, []*openpgp.Entity{entityOf(t, to)}, nil, &openpgp.EncryptParams{Signers: []*openpgp.Entity{entityOf(t, k)},
		Config: &packet.Config{Time: func() time.Time { return at }, SigLifetimeSecs: uint32(lifetime / time.Second)}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "The gate opens at 18:40.\n")
	for _, c := range []io.Closer{w, a} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String() + "\n"
}
