//go:build linux

package e2e

import (
	"testing"

	"github.com/chromedp/cdproto/webauthn"
)

// secondFactorPages are those of the second factor: set up, with passkeys, at log-in.
func secondFactorPages(t *testing.T, s *server, address *tab) {
	tab := (&browser{t, address.ctx}).tab(s.named(), true)
	c := newClient(t, s.named(), nil)
	c.register("second-factor", walkPassword)
	tab.adopt(c)
	tab.authenticator(webauthn.VirtualAuthenticatorOptions{HasUserVerification: true, IsUserVerified: true, HasPrf: true})
	tab.open("/account/factor")
	tab.sound("second-factor-none")
	tab.fill("#app-current", "wrong")
	tab.follow("form[action='/account/factor'] button[type=submit]")
	tab.reads(".problem", "The password is wrong")
	tab.sound("second-factor-error")
	tab.fill("#app-current", walkPassword)
	tab.follow("form[action='/account/factor'] button[type=submit]")
	tab.sound("second-factor-setup")
	app := newPhone(t, tab.text("#secret"))
	tab.fill("#setup-code", app.code())
	tab.follow("#submit")
	tab.sound("second-factor-codes")
	tab.open("/account/factor?done=on")
	tab.sound("second-factor-on")
	tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
	tab.sound("second-factor-open")
	tab.fill("#passkey-name", "A key with a rather long name, blue, on the ring")
	tab.fill("#passkey-current", walkPassword)
	tab.follow("form[action='/passkeys/new'] button[type=submit]")
	tab.sound("passkey-create")
	tab.usePasskey()
	if tab.count("form[data-passkey]") > 0 {
		tab.sound("passkey-unlock")
		tab.usePasskey()
	}
	tab.reads(".fobs", "opens without the password")
	tab.unfold("Change")
	tab.sound("second-factor-passkey")
	tab.open("/account/factor?done=on&others=stay")
	tab.sound("second-factor-others-stay")
	newClient(t, s.named(), nil).login("second-factor", walkPassword)
	tab.open("/account")
	tab.reads("main", "1 log-in waits for its second factor")
	tab.sound("account-waiting")
	tab.logOut()
	tab.sound("login-passkey")
	tab.logIn("second-factor", walkPassword)
	tab.sound("factor")
	tab.fill("#code", "000000")
	tab.follow("#submit")
	tab.sound("factor-error")
	// By address there are no passkeys.
	other := (&browser{t, tab.ctx}).tab(s.url, true)
	other.logIn("second-factor", walkPassword)
	other.sound("factor-elsewhere")
	other.fill("#code", app.code())
	other.follow("#submit")
	other.open("/account/factor")
	other.sound("second-factor-elsewhere")
}
