//go:build linux

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"zencrypt/crypto/pgp"
)

// people adds others to the list, with names and notes, and encrypts, signs and verifies.
func (p *planted) people(c *client) {
	now := time.Now()
	outside, signer := newPGPKey(p.t, "Outside", now), newPGPKey(p.t, "Signer", now)
	name := p.value("name of a person")
	path := c.addPerson("name", name, "note", p.value("note on a person"), "public_key", outside.Certificate().Armor())
	// A user id is its owner's word; in this list it is as private as the name.
	titled, err := pgp.NewKey(pgp.KeyParams{Name: p.value("user id of a person's key")})
	if err != nil {
		p.t.Fatal(err)
	}
	c.addPerson("public_key", titled.Certificate().Armor())
	for _, to := range []string{path, "/people", "/encrypt?person=" + strings.TrimPrefix(path, "/people/")} {
		if a := c.must(c.get(to), http.StatusOK); !strings.Contains(a.body, name) {
			p.t.Errorf("%s does not show the name", to)
		}
	}
	c.must(c.post(path+"/describe", "name", p.value("later name of a person"), "note", p.value("later note on a person")), http.StatusSeeOther)
	c.must(c.post(path+"/describe", "name", "", "note", p.value("refused note on a person")), http.StatusUnprocessableEntity)
	name = p.values["later name of a person"]
	for _, list := range []string{"/people", "/keys"} {
		c.must(c.get(list+"?q="+url.QueryEscape(p.value("search in "+list))), http.StatusOK)
	}
	p.plantText("fingerprint of a person's key", outside.Fingerprint())
	c.must(c.post("/people", "name", name, "note", p.value("note of a refused person"), "public_key", titled.Certificate().Armor()), http.StatusUnprocessableEntity)
	c.must(c.post("/people", "name", p.value("name of a refused person"), "public_key", p.value("no public key")), http.StatusUnprocessableEntity)
	c.must(c.post("/people", "name", p.value("name with a private key"), "public_key", p.values["pasted identity"]), http.StatusUnprocessableEntity)
	private := signer.Armor()
	p.plantText("line of a private OpenPGP key", strings.Split(private, "\n")[4])
	for _, to := range []string{"/people", "/encrypt"} {
		c.must(c.post(to, "to", "people", "public_key", private, "recipients", private, "text", "x"), http.StatusUnprocessableEntity)
	}
	c.must(c.post("/verify", "certificate", private, "text", p.value("text to verify with a private key")), http.StatusUnprocessableEntity)
	c.must(c.post("/people/find", "login", p.value("login that was looked for")), http.StatusUnprocessableEntity)
	c.must(c.post("/encrypt", "to", "people", "recipients", p.value("recipient that is nobody"), "text", "x"), http.StatusUnprocessableEntity)
	c.must(c.post("/encrypt", "to", "people", "recipients", name, "text", p.value("text for a person")), http.StatusOK)
	c.must(c.upload("/encrypt", field("to", "people"), field("recipients", name), file(p.value("file for a person"), p.content("content for a person"))), http.StatusOK)
	signed, err := pgp.SignText([]byte(p.value("signed text")), []*pgp.Key{signer}, 0, pgp.SignOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	c.must(c.post("/verify", "certificate", signer.Certificate().Armor(), "text", string(signed)), http.StatusOK)
	c.must(c.upload("/verify", field("certificate", signer.Certificate().Armor()), field("signature", "-----BEGIN PGP SIGNATURE-----"), file(p.value("verified file"), p.content("verified content"))), http.StatusUnprocessableEntity)

	c.importKey(private)
	c.must(c.post("/sign", "text", p.value("text signed here")), http.StatusOK)
	c.must(c.upload("/sign", file(p.value("file signed here"), p.content("content signed here"))), http.StatusOK)
	c.must(c.post(path+"/delete"), http.StatusSeeOther)
	p.search("after somebody was removed")
}
