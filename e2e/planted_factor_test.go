//go:build linux

package e2e

import (
	"encoding/base32"
	"encoding/base64"
	"html"
	"net/http"
	"strings"

	"zencrypt/crypto/passkey"
)

// factor sets up a second factor of an account of its own, uses it rightly and wrongly, and begins a recovery that
// waits for it.
func (p *planted) factor() {
	const login = "factored-7q"
	password, next := p.value("factored password"), p.value("password that waits for a factor")
	c := newClient(p.t, p.named(), nil)
	recovery := c.register(login, password)
	p.plantCode("factored recovery code", recovery)
	c.must(c.post("/account/factor", "current", p.value("wrong current password for a factor")), 422)
	c.must(c.post("/account/factor", "current", password), http.StatusSeeOther)
	page := html.UnescapeString(c.must(c.get("/account/factor"), 200).body)
	_, rest, _ := strings.Cut(page, `id="secret"`)
	_, rest, _ = strings.Cut(rest, ">")
	secret, _, _ := strings.Cut(rest, "<")
	app := newPhone(p.t, secret)
	p.plantText("app's key", secret)
	p.plantText("app's key in one", strings.ReplaceAll(secret, " ", ""))
	p.plant("app's key decoded", app.seed)
	c.must(c.post("/account/factor/confirm", "code", p.value("wrong first code")), 422)
	codes := oneTimeCode.FindAllString(c.must(c.post("/account/factor/confirm", "code", app.code()), 200).body, -1)
	for _, code := range codes {
		p.plantText("one-time code", code)
		raw, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(code, "-", ""))
		if err != nil {
			p.t.Fatal(err)
		}
		p.plant("one-time code decoded", raw)
	}
	if len(codes) != 10 {
		p.t.Fatalf("%d one-time codes", len(codes))
	}
	c.must(c.post("/passkeys/new", "current", password, "name", p.value("passkey's name")), 200)
	prf := make([]byte, passkey.PRFSize)
	copy(prf, p.value("what a PRF gives"))
	c.must(c.post("/passkeys", "credential", p.value("a passkey's answer"), "prf", base64.RawURLEncoding.EncodeToString(prf), "state", p.value("a passkey's state")), 422)
	c.must(c.post("/login/passkey", "credential", p.value("a passkey's answer"), "prf", base64.RawURLEncoding.EncodeToString(prf), "state", p.value("a passkey's state")), 422)
	c.logout()
	c.must(c.post("/login", "login", login, "password", password), http.StatusSeeOther, "/login/factor")
	p.cookies("pending session", c)
	c.must(c.post("/login/factor", "code", p.value("wrong factor")), 422)
	c.must(c.post("/login/factor", "code", app.code()), http.StatusSeeOther)
	p.cookies("factored session", c)
	lost := newClient(p.t, p.named(), nil)
	lost.must(lost.post("/recover", "login", login, "code", recovery, "password", next, "password2", next), http.StatusSeeOther, "/login/factor")
	p.cookies("recovering session", lost)
}
