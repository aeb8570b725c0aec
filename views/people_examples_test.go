package views

import (
	"encoding/base64"
	"strings"
	"time"
)

func personRows() []PersonRow {
	return []PersonRow{
		{ID: "p1", Name: "Mira", Login: "mira@example.org", Kinds: []string{"age", "OpenPGP"}, Verified: true},
		{ID: "p2", Name: hostile, Kinds: []string{"SSH"}, State: "new"},
		{ID: "p3", Name: "Jonas", Login: "jonas", Kinds: []string{"age"}, State: "changed"},
		{ID: "p4", Name: "Grace", Login: "grace", Kinds: []string{"OpenPGP"}, State: "announced"},
		{ID: "p5", Name: "Old friend", Login: "gone", State: "gone"},
		{ID: "p6", State: "unreadable"}}
}

func keyView(kind string) PublicKeyView {
	k := PublicKeyView{Kind: kind, Algorithm: "X25519", Fingerprint: recipient, Public: recipient, Pinned: moment0,
		QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(qrStandIn())}
	if kind == "OpenPGP" {
		k.Algorithm, k.Fingerprint, k.Public = "ed25519", "9F3A 77C1 02BE 4D19 A6D0 5E21 8C44 0B7E 13D9 F2A5", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
		k.UserIDs, k.Problem = []string{"Mira <mira@example.org>", hostile}, "It has expired."
	}
	return k
}

func signatureViews() []Signature {
	print := "9F3A 77C1 02BE 4D19 A6D0 5E21 8C44 0B7E 13D9 F2A5"
	return []Signature{
		{Class: "ok", Headline: "Good signature by Mira", Detail: "Over exactly this.", Fingerprint: print, Link: "/people/p1", Time: moment0},
		{Class: "warn", Headline: "Signed by a key that is not known here", Detail: "It could not be checked.", Fingerprint: "0123456789ABCDEF"},
		{Class: "bad", Headline: "Bad signature by " + hostile, Detail: "The content or the signature was changed.", Fingerprint: print, Time: moment0}}
}

func peopleExamples() []example {
	person := func(change func(*PersonPage)) PersonPage {
		p := PersonPage{Row: personRows()[0], Created: moment0, Note: hostile, Keys: []PublicKeyView{keyView("age"), keyView("OpenPGP")}, State: strings.Repeat("ab", 32), Acceptable: true,
			Phrases: []Phrase{{"age", "dreamy kooky unpeeled linseed hazing spoilage steerable zoning"}}}
		change(&p)
		return p
	}
	old, now := keyView("age"), keyView("OpenPGP")
	page := wide(on(user, "people", "People"))
	one := on(user, "people", "Mira")
	choices := []PersonChoice{{ID: "p1", Name: "Mira", Checked: true}, {ID: "p2", Name: hostile}, {ID: "p3", Name: "Jonas", State: "changed"}}
	keys := []KeyChoice{{"k1", "work " + hostile, "9F3A 77C1 02BE 4D19 A6D0 5E21 8C44 0B7E 13D9 F2A5"}}
	enc := EncryptForm{LoggedIn: true, Mode: "text", To: "people", People: choices, MorePeople: 3, AlsoMe: true, Format: "pgp", OwnPGP: true, SignKeys: keys, SignWith: "k1", Errors: Fields{}}
	encBad := enc
	encBad.Errors = Fields{"format": "Choose.", "sign_with": "This key can't sign.", "also_me": "You have no key.", "recipients": "No single format."}
	changed := &Problem{Title: "The key of Jonas has changed", Detail: "Nothing was encrypted.", Next: "Look at both keys", Link: "/people/p3", NewTab: true}
	ver := VerifyForm{LoggedIn: true, Mode: "text", MaxUpload: 10 << 30}
	verBad := VerifyForm{Mode: "files", Text: hostile, Signature: hostile, Certificate: hostile, Errors: Fields{"certificate": "No key.", "signature": "No signature.", "text": "Nothing.", "file": "Nothing."}}
	signed := file("ready")
	signed.Verb, signed.Name, signed.Signatures = "sign", "report.pdf.sig", signatureViews()
	text := textOK()
	text.Verb, text.Signatures = "decrypt", signatureViews()
	return []example{
		{name: "people", page: page, body: People(PeoplePage{Rows: personRows(), Notice: "Removed from your list.", Warn: changed})},
		{name: "people-search", page: page, body: People(PeoplePage{Rows: personRows()[:2], Pages: ListPages{Path: "/people", Query: hostile, Total: 1000, Found: 120, First: "/people?q=x", Next: "/people?q=x&after=p2"}, Alarms: personRows()[2:5]})},
		{name: "people-search-none", page: page, body: People(PeoplePage{Pages: ListPages{Path: "/people", Query: hostile, Total: 1000}})},
		{name: "people-empty", page: page, body: People(PeoplePage{})},
		{name: "people-found", page: page, body: People(PeoplePage{Rows: personRows()[:1], Found: &FoundPerson{Login: "mira@example.org", Keys: []PublicKeyView{keyView("age")}}})},
		{name: "people-found-known", page: page, body: People(PeoplePage{Found: &FoundPerson{Login: hostile, Keys: []PublicKeyView{keyView("age")}, Known: "/people/p1"}})},
		{name: "people-found-own", page: page, body: People(PeoplePage{Found: &FoundPerson{Login: "Mira", Own: true}})},
		{name: "people-errors", page: page, body: People(PeoplePage{Find: FindForm{Login: hostile, Errors: Fields{"login": "Nobody."}}, Add: AddForm{PublicKey: hostile, Name: hostile, Note: hostile, Errors: Fields{"public_key": "No key.", "name": "Taken.", "note": "Too long."}}})},
		{name: "person", page: one, body: Person(person(func(*PersonPage) {}))},
		{name: "person-describe-errors", page: one, body: Person(person(func(p *PersonPage) {
			p.Describe = DescribeForm{Name: hostile, Note: hostile, Errors: Fields{"name": "Taken.", "note": "Too long."}}
		}))},
		{name: "person-verified", page: one, body: Person(person(func(p *PersonPage) { p.Verified, p.Notice = moment0.Add(time.Hour), "Noted." }))},
		{name: "person-outside", page: one, body: Person(person(func(p *PersonPage) { p.Row, p.Phrases = personRows()[1], nil }))},
		{name: "person-changed", page: one, body: Person(person(func(p *PersonPage) {
			p.Row, p.Stopped, p.Errors = personRows()[2], true, Fields{"": "The keys are not those that the page showed."}
			p.Changes = []ChangeView{{Title: "The age key has changed", Detail: "Ask them.", Loud: true, Pinned: &old, Offered: &now}, {Title: "There is a new OpenPGP key", Offered: &now}}
		}))},
		{name: "person-announced", page: one, body: Person(person(func(p *PersonPage) {
			p.Row, p.Changes = personRows()[3], []ChangeView{{Title: "The OpenPGP key was renewed by its owner", Pinned: &now, Offered: &now}}
		}))},
		{name: "person-gone", page: one, body: Person(person(func(p *PersonPage) {
			p.Row, p.Stopped, p.Changes = personRows()[4], true, []ChangeView{{Title: "The account is gone", Loud: true}}
		}))},
		{name: "person-unreadable", page: one, body: Person(PersonPage{Row: personRows()[5], Created: moment0, Stopped: true})},
		{name: "encrypt-people", page: on(user, "encrypt", "Encrypt"), body: Encrypt(enc, Outcome{Text: textOK(), Warning: &Problem{Title: "The public copy of your key was changed", Detail: hostile}})},
		{name: "encrypt-people-errors", page: on(user, "encrypt", "Encrypt"), body: Encrypt(encBad, Outcome{})},
		{name: "encrypt-people-changed", page: on(user, "encrypt", "Encrypt"), body: Encrypt(enc, Outcome{Problem: changed})},
		{name: "sign", page: on(user, "sign", "Sign"), body: Sign(SignForm{Mode: "text", Keys: keys, Key: "k1", Armor: true, MaxUpload: 10 << 30, Quota: 20 << 30}, Outcome{Files: []FileResult{signed}})},
		{name: "sign-errors", page: on(user, "sign", "Sign"), body: Sign(SignForm{Mode: "files", Text: hostile, Keys: keys, Errors: Fields{"key": "It can't sign.", "text": "Nothing.", "file": "Nothing."}}, Outcome{})},
		{name: "sign-no-key", page: on(user, "sign", "Sign"), body: Sign(SignForm{Mode: "text"}, Outcome{})},
		{name: "result-sign", page: on(user, "", "Result"), body: ResultPage(signed, nil)},
		{name: "decrypt-signed", page: on(user, "decrypt", "Decrypt"), body: Decrypt(DecryptForm{LoggedIn: true, Mode: "text"}, Outcome{Text: text})},
		{name: "verify", page: on(user, "verify", "Verify"), body: Verify(ver, Outcome{})},
		{name: "verify-guest", page: on(guest, "verify", "Verify"), body: Verify(VerifyForm{Mode: "text"}, Outcome{})},
		{name: "verify-errors", page: on(guest, "verify", "Verify"), body: Verify(verBad, Outcome{})},
		{name: "verify-results", page: on(user, "verify", "Verify"), body: Verify(ver, Outcome{Verify: []VerifyResult{
			{Name: "The text", Signatures: signatureViews(), HasText: true, Text: hostile, Around: true}, {Name: hostile, Signatures: signatureViews()[2:], HasText: true, Text: "x"}}})},
		{name: "account-unlisted", page: on(user, "account", "Account"), body: Account(func() AccountPage { a := account("", nil); a.Unlisted = true; return a }())},
	}
}
