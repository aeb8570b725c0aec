//go:build linux

package e2e

import (
	"context"
	"encoding/base32"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"zencrypt/crypto/totp"
)

// named is the server under the name that browsers keep passkeys for.
func (s *server) named() string { return strings.Replace(s.url, "127.0.0.1", "localhost", 1) }

var oneTimeCode = regexp.MustCompile(`[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}`)

// phone is an authenticator app. It gives the code of now, or the next step's when that was given, since one that was used
// counts no more.
type phone struct {
	t    testing.TB
	seed []byte
	next int64
}

func newPhone(t testing.TB, secret string) *phone {
	t.Helper()
	seed, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil {
		t.Fatalf("read the key %q: %v", secret, err)
	}
	return &phone{t, seed, 0}
}

func (p *phone) code() string {
	p.t.Helper()
	p.next = max(p.next, totp.Step(time.Now())) // however long the pages before took
	code, err := totp.Code(p.seed, p.next)
	if err != nil {
		p.t.Fatal(err)
	}
	p.next++
	return code
}

// setUpApp sets an app up on the page and returns it with the one-time codes.
func (t *tab) setUpApp(password string) (*phone, []string) {
	t.t.Helper()
	t.fill("#app-current", password)
	t.follow("form[action='/account/factor'] button[type=submit]")
	p := newPhone(t.t, t.text("#secret"))
	t.fill("#setup-code", "000000")
	t.follow("#submit")
	t.reads(".problem", "This code is not right")
	t.fill("#setup-code", p.code())
	t.follow("#submit")
	t.reads("h1", "Keep these codes")
	codes := oneTimeCode.FindAllString(t.text("#onetime"), -1)
	if len(codes) != 10 {
		t.t.Fatalf("%d codes are shown", len(codes))
	}
	t.follow("main a.button")
	t.at("/account/factor")
	return p, codes
}

func (t *tab) logIn(login, password string) {
	t.t.Helper()
	t.open("/login")
	t.fill("#login", login)
	t.fill("#password", password)
	t.follow("#submit")
}

func (t *tab) logOut() {
	t.t.Helper()
	t.follow("header form[action='/logout'] button")
}

// TestFactorApp: an app is set up, asked for, counts once; the device is lost; it is switched off. With a script
// and without.
func TestFactorApp(t *testing.T) {
	b := openBrowser(t)
	for name, script := range map[string]bool{"WithScript": true, "WithoutScript": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			tab := (&browser{t, b.ctx}).tab(s.named(), script)
			c := newClient(t, s.named(), nil)
			c.register("Mira", walkPassword)
			tab.adopt(c)
			tab.open("/account")
			tab.follow("a[href='/account/factor']")
			if script != (tab.count("details[data-passkey-add]:not([hidden])") == 1) && script {
				t.Error("passkeys are not offered")
			}
			if !script {
				tab.reads("section:has(#passkeys-title)", "Passkeys need JavaScript")
			}
			phone, codes := tab.setUpApp(walkPassword)
			tab.reads("section:has(#codes-title)", "10 codes")
			tab.logOut()

			tab.logIn("mira", walkPassword)
			tab.at("/login/factor")
			tab.open("/vault")
			tab.at("/login/factor")
			code := phone.code()
			tab.fill("#code", code)
			tab.follow("#submit")
			tab.at("/encrypt")
			tab.logOut()

			tab.logIn("mira", walkPassword)
			tab.fill("#code", code)
			tab.follow("#submit")
			tab.reads(".problem", "used already")
			tab.reads("form .row", "4 tries left")
			// The device is lost.
			tab.unfold("The device is lost")
			tab.fill("#code", strings.ToLower(codes[7]))
			tab.follow("#submit")
			tab.at("/encrypt")
			tab.open("/account/factor")
			tab.reads("section:has(#codes-title)", "9 codes")
			tab.logOut()
			tab.logIn("mira", walkPassword)
			tab.fill("#code", codes[7])
			tab.follow("#submit")
			tab.reads(".problem", "This code is not right")
			tab.fill("#code", codes[8])
			tab.follow("#submit")

			tab.open("/account/factor")
			tab.unfold("Switch the app off")
			tab.fill("#off-current", walkPassword)
			tab.follow("form[action='/account/factor/off'] button[type=submit]")
			tab.reads(".notice", "no longer asked for")
			tab.logOut()
			tab.logIn("mira", walkPassword)
			tab.at("/encrypt")
		})
	}
}

// TestFactorRequired: where everybody needs a second factor, who has none is led to set one up, without a script.
func TestFactorRequired(t *testing.T) {
	b := openBrowser(t)
	s := newServer(t)
	c := newClient(t, s.named(), nil)
	c.register("Mira", walkPassword)
	c.must(c.get("/vault"), http.StatusOK)
	s.args = append(s.args, "--require-second-factor", "on")
	s.restart()
	tab := b.tab(s.named(), false)
	tab.logIn("mira", walkPassword)
	tab.at("/account/factor")
	tab.reads("#main", "This server asks everybody")
	for _, path := range []string{"/vault", "/keys", "/encrypt", "/account", "/people", "/sign"} {
		tab.open(path)
		tab.at("/account/factor")
	}
	phone, _ := tab.setUpApp(walkPassword)
	tab.open("/vault")
	tab.at("/vault")
	tab.open("/account/factor")
	tab.unfold("Switch the app off")
	tab.fill("#off-current", walkPassword)
	tab.follow("form[action='/account/factor/off'] button[type=submit]")
	tab.reads(".problem", "asks everybody for a second factor")
	tab.logOut()
	tab.logIn("mira", walkPassword)
	tab.fill("#code", phone.code())
	tab.follow("#submit")
	tab.at("/encrypt")
}

// authenticator is Chromium's virtual one, in this tab.
func (t *tab) authenticator(o webauthn.VirtualAuthenticatorOptions) (id webauthn.AuthenticatorID) {
	t.t.Helper()
	o.Protocol, o.Transport, o.AutomaticPresenceSimulation = webauthn.AuthenticatorProtocolCtap2, webauthn.AuthenticatorTransportInternal, true
	o.Ctap2version, o.HasResidentKey = webauthn.Ctap2versionCtap21, true
	t.call("add a virtual authenticator", func(ctx context.Context) error {
		if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		r, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &o})
		id = r.AuthenticatorID
		return err
	})
	return id
}

// addPasskey fills in the form and makes the passkey. It leaves the tab on the page that comes then.
func (t *tab) addPasskey(name, password string) {
	t.t.Helper()
	t.open("/account/factor")
	t.unfold("Add a passkey")
	t.fill("#passkey-name", name)
	t.fill("#passkey-current", password)
	t.follow("form[action='/passkeys/new'] button[type=submit]")
	t.reads("h1", "Your new passkey")
	t.follow("form[data-passkey] button")
}

// usePasskey presses the passkey's button and waits for the page that comes then.
func (t *tab) usePasskey() {
	t.t.Helper()
	t.follow("form[data-passkey] button")
}

// passkeySays presses the button and waits for what the browser's refusal is told as.
func (t *tab) passkeySays(text string) {
	t.t.Helper()
	t.click("form[data-passkey] button")
	t.waitText("[data-passkey-says]", text)
}

func passkeyTab(t *testing.T, o webauthn.VirtualAuthenticatorOptions, args ...string) (*server, *tab, webauthn.AuthenticatorID) {
	b := openBrowser(t)
	s := newServer(t, args...)
	tab := b.tab(s.named(), true)
	c := newClient(t, s.named(), nil)
	c.register("Mira", walkPassword)
	c.must(c.post("/vault", "title", "kept", "text", "what is kept"), http.StatusSeeOther)
	tab.adopt(c)
	id := tab.authenticator(o)
	return s, tab, id
}

// TestPasskey_PRF: a passkey with the PRF extension is a second factor and opens the account by itself, until it is
// removed or the account key renewed.
func TestPasskey_PRF(t *testing.T) {
	_, tab, _ := passkeyTab(t, webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true, HasPrf: true})
	tab.addPasskey("Laptop", walkPassword)
	tab.reads("h1", "Keep these codes")
	if tab.count("form[data-passkey]") == 1 { // the extension answers when a passkey is used, not when it is made
		tab.usePasskey()
		tab.reads(".notice", "opens your account without the password")
	}
	tab.open("/account/factor")
	tab.reads(".fobs", "Laptop")
	tab.reads(".fobs", "opens without the password")
	tab.open("/activity")
	tab.reads("main", "A passkey was let open the account without the password")
	tab.logOut()

	// Without login and password.
	tab.open("/login?next=/vault")
	tab.usePasskey()
	tab.at("/vault")
	tab.reads("main", "kept")
	tab.follow("table.list .name a")
	tab.reads("main", "what is kept")
	tab.logOut()

	// As the second factor.
	tab.logIn("mira", walkPassword)
	tab.at("/login/factor")
	tab.usePasskey()
	tab.at("/encrypt")

	// The same passkey twice.
	tab.open("/account/factor")
	tab.unfold("Add a passkey")
	tab.fill("#passkey-current", walkPassword)
	tab.follow("form[action='/passkeys/new'] button[type=submit]")
	tab.passkeySays("has a passkey for your account already")

	tab.open("/account")
	tab.logOut()

	// A new account key: the passkey stays a second factor, and can be let unlock again.
	tab.logIn("mira", walkPassword)
	tab.usePasskey()
	tab.open("/account")
	tab.unfold("Renew my account key")
	tab.fill("#renew-current", walkPassword)
	tab.follow("form[action='/account/renew'] button[type=submit]")
	tab.fill("#code", tab.text("#recovery-code"))
	tab.follow("#submit")
	tab.logOut()
	tab.open("/login")
	tab.usePasskey()
	tab.reads(".problem", "opens no account here")
	tab.logIn("mira", walkPassword)
	tab.usePasskey()
	tab.open("/account/factor")
	tab.reads(".fobs", "second factor only")
	tab.unfold("Change")
	tab.fill("[id^=unlock-][id$=-current]", walkPassword)
	tab.follow("form[action$='/unlock'] button[type=submit]")
	tab.reads("h1", "Unlock with a passkey")
	tab.usePasskey()
	tab.reads(".notice", "opens your account without the password")
	tab.logOut()
	tab.open("/login")
	tab.usePasskey()
	tab.at("/encrypt")

	// Removed.
	tab.open("/account/factor")
	tab.unfold("Change")
	tab.fill("[id^=delete-][id$=-current]", walkPassword)
	tab.follow("form[action$='/delete'] button[type=submit]")
	tab.reads(".notice", "removed")
	tab.logOut()
	tab.open("/login")
	tab.usePasskey()
	tab.reads(".problem", "opens no account here")
	tab.logIn("mira", walkPassword)
	tab.at("/encrypt")
}

// TestPasskey_Unverified: a device that does not make sure of the person is a second factor, and opens nothing alone.
func TestPasskey_Unverified(t *testing.T) {
	_, tab, _ := passkeyTab(t, webauthn.VirtualAuthenticatorOptions{HasPrf: true})
	tab.addPasskey("Key without a PIN", walkPassword)
	tab.reads("h1", "Keep these codes")
	tab.open("/account/factor")
	tab.reads(".fobs", "second factor only")
	tab.logOut()
	tab.open("/login")
	tab.passkeySays("No passkey answered")
	tab.logIn("mira", walkPassword)
	tab.usePasskey()
	tab.at("/encrypt")
}

// TestPasskey_WithoutPRF: such a passkey is a second factor only, and says so. One whose counter goes back is refused.
func TestPasskey_WithoutPRF(t *testing.T) {
	_, tab, id := passkeyTab(t, webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true})
	tab.addPasskey("", walkPassword)
	codes := oneTimeCode.FindAllString(tab.text("#onetime"), -1)
	if tab.count("form[data-passkey]") != 0 || len(codes) != 10 {
		t.Fatalf("it is asked to unlock, or there are %d codes", len(codes))
	}
	tab.open("/account/factor")
	tab.reads(".fobs", "second factor only")
	tab.unfold("Change")
	tab.fill("[id^=unlock-][id$=-current]", walkPassword)
	tab.follow("form[action$='/unlock'] button[type=submit]")
	tab.usePasskey()
	tab.reads(".problem", "stays a second factor")
	tab.logOut()
	tab.open("/login")
	tab.usePasskey()
	tab.reads(".problem", "cannot unlock your keys by itself")
	tab.logIn("mira", walkPassword)
	tab.usePasskey()
	tab.at("/encrypt")
	tab.logOut()

	// A copy from before: its counter is lower.
	tab.call("put a copy in its place", func(ctx context.Context) error {
		r, err := chromedp.Call(ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: id})
		if err != nil || len(r.Credentials) != 1 {
			return fmt.Errorf("%d credentials, %w", len(r.Credentials), err)
		}
		k := r.Credentials[0]
		if _, err := chromedp.Call(ctx, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{AuthenticatorID: id, CredentialID: k.CredentialID}); err != nil {
			return err
		}
		// Without the fields that this authenticator does not take, not even as false.
		type credential struct {
			CredentialID         []byte `json:"credentialId"`
			IsResidentCredential bool   `json:"isResidentCredential"`
			RpID                 string `json:"rpId"`
			PrivateKey           []byte `json:"privateKey"`
			UserHandle           []byte `json:"userHandle"`
			SignCount            int    `json:"signCount"`
		}
		type params struct {
			AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
			Credential      credential               `json:"credential"`
		}
		_, err = chromedp.Call(ctx, cdp.Command[params, cdp.Empty]{Method: webauthn.CommandAddCredential}, params{id,
			credential{k.CredentialID, k.IsResidentCredential, k.RpID, k.PrivateKey, k.UserHandle, 0}})
		return err
	})
	tab.logIn("mira", walkPassword)
	tab.usePasskey()
	tab.reads(".problem", "a copy of it may be in use")
	tab.fill("#code", codes[0])
	tab.follow("#submit")
	tab.open("/account/factor")
	tab.reads(".fobs", "A copy of it may be in use")
}

// TestPasskey_NoScript: a page without a script says that passkeys need one, and a code gets in.
func TestPasskey_NoScript(t *testing.T) {
	s, tab, _ := passkeyTab(t, webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true, HasPrf: true})
	tab.addPasskey("Phone", walkPassword)
	codes := oneTimeCode.FindAllString(tab.text("#onetime"), -1)
	plain := (&browser{t, tab.ctx}).tab(s.named(), false)
	plain.open("/login")
	plain.reads("main", "Passkeys need JavaScript")
	plain.logIn("mira", walkPassword)
	plain.reads("main", "Your passkey needs JavaScript")
	plain.fill("#code", codes[0])
	plain.follow("#submit")
	plain.at("/encrypt")
	plain.open("/account/factor")
	plain.reads("section:has(#passkeys-title)", "Passkeys need JavaScript")
	if plain.count("form[action='/passkeys/new']") > 0 && len(in(plain, "look for what needs a script", chromedp.Evaluate[[]string](
		`[...document.querySelectorAll("form[action='/passkeys/new'], form[action$='/unlock']")].filter(e => e.getClientRects().length).map(e => e.action)`))) > 0 {
		t.Error("a form that needs a script is shown without one")
	}
}
