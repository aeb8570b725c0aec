package views

import (
	"encoding/base64"
	"strings"
	"time"
)

func passkeyAsk(kind string) *PasskeyAsk {
	return &PasskeyAsk{Kind: kind, Action: "/passkeys", Options: `{"challenge":"` + strings.Repeat("A", 43) + `","user":{"name":"<b>\"x"}}`, State: "c3RhdGU", Button: "Use a passkey", Next: "/vault"}
}

func factorPage(change func(*FactorPage)) FactorPage {
	p := FactorPage{Login: "Mira", On: true, App: moment0, CodesLeft: 8, CodesMade: moment0, PasskeysHere: true, Passkeys: []PasskeyRow{
		{ID: "p1", Name: "Phone", Created: moment0, Used: moment0.Add(time.Hour), Unlocks: true},
		{ID: "p2", Name: hostile, Created: moment0, Copied: true},
		{ID: "p3", Unreadable: true},
	}}
	if change != nil {
		change(&p)
	}
	return p
}

func factorExamples() []example {
	page, enter := on(user, "account", "Second factor"), narrow(on(guest, "login", "Second factor"))
	codes := strings.Fields("ABCD-EFGH-IJKL-MNOP QRST-UVWX-YZ23-4567 ABCD-EFGH-IJKL-MNOQ QRST-UVWX-YZ23-4562 ABCD-EFGH-IJKL-MNOR QRST-UVWX-YZ23-4563 ABCD-EFGH-IJKL-MNOS QRST-UVWX-YZ23-4564 ABCD-EFGH-IJKL-MNOT QRST-UVWX-YZ23-4565")
	setup := &AppSetup{URL: "otpauth://totp/Zencrypt%20zen.example:Mira?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", Secret: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
		QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(qrStandIn())}
	nothing := func(p *FactorPage) { *p = FactorPage{Login: "Mira", PasskeysHere: true} }
	list := []example{
		{name: "second-factor", page: page, body: SecondFactor(factorPage(nil))},
		{name: "second-factor-none", page: page, body: SecondFactor(factorPage(nothing))},
		{name: "second-factor-required", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { nothing(p); p.Required = true }))},
		{name: "second-factor-setup", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { nothing(p); p.Setup = setup }))},
		{name: "second-factor-setup-error", page: page, body: SecondFactor(factorPage(func(p *FactorPage) {
			nothing(p)
			p.Setup, p.Open, p.Errors = setup, "setup", Fields{"code": "This code is not right."}
		}))},
		{name: "second-factor-few-codes", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { p.CodesLeft, p.Notice, p.OthersStay = 1, "It is on.", true }))},
		{name: "second-factor-no-codes", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { p.CodesLeft, p.Damaged = 0, true }))},
		{name: "second-factor-address", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { p.PasskeysHere, p.PasskeyOrigin = false, "http://localhost:8080" }))},
		{name: "second-factor-no-name", page: page, body: SecondFactor(factorPage(func(p *FactorPage) { nothing(p); p.PasskeysHere = false }))},
		{name: "second-factor-codes-first", page: page, body: OneTimeCodes(FactorCodes{Codes: codes, Server: "zen.example", First: true, Unlock: passkeyAsk("get"), OthersStay: true})},
		{name: "second-factor-codes-new", page: page, body: OneTimeCodes(FactorCodes{Codes: codes, Server: "zen.example", Unlocks: true})},
		{name: "passkey-create", page: page, body: PasskeyStep(PasskeyPage{Ask: *passkeyAsk("create")})},
		{name: "passkey-unlock", page: page, body: PasskeyStep(PasskeyPage{Ask: *passkeyAsk("get")})},
		{name: "passkey-unlock-made", page: page, body: PasskeyStep(PasskeyPage{Ask: *passkeyAsk("get"), Made: true, OthersStay: true})},
		{name: "login-passkey", page: enter, body: Login(LoginForm{Next: "/vault", Passkey: passkeyAsk("get")})},
		{name: "factor-app", page: enter, body: Factor(FactorForm{TriesLeft: 5, App: true, Codes: true, Next: "/vault"})},
		{name: "factor-passkey", page: enter, body: Factor(FactorForm{TriesLeft: 1, Passkeys: true, Passkey: passkeyAsk("get"), Errors: Fields{"code": "This code is not right."}})},
		{name: "factor-passkey-elsewhere", page: enter, body: Factor(FactorForm{TriesLeft: 2, Passkeys: true, PasskeyOrigin: "https://zen.example", App: true, Recovering: true})},
		{name: "factor-passkey-nowhere", page: enter, body: Factor(FactorForm{TriesLeft: 2, Passkeys: true, Codes: true, Errors: Fields{"": "The answer does not fit."}})},
	}
	for form, errors := range map[string]Fields{"app": {"current": "Wrong."}, "off": {"current": "Wrong."}, "codes": {"current": "Wrong."},
		"passkey": {"name": "Too long.", "current": "Wrong."}, "unlock-p2": {"current": "Wrong."}, "delete-p1": {"current": "Wrong."}} {
		list = append(list, example{name: "second-factor-" + form + "-error", page: page,
			body: SecondFactor(factorPage(func(p *FactorPage) { p.Open, p.Errors = form, errors }))})
	}
	return list
}
