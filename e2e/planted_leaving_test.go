//go:build linux

package e2e

import (
	"io"
	"strings"

	"filippo.io/age"
)

// leaving takes everything along, and fails to: what goes out must not stand anywhere on its way.
func (p *planted) leaving(c *client) {
	p.t.Helper()
	password, phrase := p.value("password"), p.value("passphrase of an export")
	form := func(current, phrase, again string) answer {
		return c.post("/account/export", "current", current, "to", "passphrase", "passphrase", phrase, "passphrase2", again)
	}
	c.must(form(p.value("wrong password of an export"), phrase, phrase), 422)
	c.must(form(password, phrase, p.value("mistyped passphrase of an export")), 422)
	c.must(c.post("/account/export", "current", password, "to", "recipient", "recipient", p.value("recipient of an export")), 422)
	a := c.must(form(password, phrase, phrase), 200)
	id, err := age.NewScryptIdentity(phrase)
	if err != nil {
		p.t.Fatal(err)
	}
	r, err := age.Decrypt(strings.NewReader(a.body), id)
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		p.t.Fatal(err)
	}
	// The search is not blind: what was planted before came out.
	if !strings.Contains(string(b), p.values["own age key"]) {
		p.t.Error("the export does not hold the person's key")
	}
	if found := p.in([]byte(a.body)); len(found) > 0 {
		p.t.Errorf("the export shows %q without being opened", found)
	}
}
