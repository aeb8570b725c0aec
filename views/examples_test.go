package views

import (
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"zencrypt/embed"
)

// example is one state of one page, as a handler would render it.
type example struct {
	name     string
	page     Page
	body     templ.Component
	fragment bool // swapped in by htmx: no layout around it
}

var (
	moment0   = time.Date(2026, 1, 2, 15, 4, 0, 0, time.UTC)
	recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	armored   = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBkNnlqK3lUaXZ6M3Q1c0l1\n" +
		"OXlZbXdqV1lOcVhvSlR3Q3ZtbG1lb2tNa0NNCm9xQ2V1b0p1b2t4aVd3R0xKWnZ2\n-----END AGE ENCRYPTED FILE-----\n"
	// hostile must come out as text wherever it is put.
	hostile = `"><script>alert(1)</script><b onclick='x'>&` + "\u202e" + strings.Repeat("long", 40)
	user    = Page{Login: "Mira", Guests: true, Register: true, Path: "/encrypt"}
	guest   = Page{Guests: true, Register: true, Path: "/encrypt"}
)

func with(p Page, change func(*Page)) Page {
	change(&p)
	return p
}

func on(p Page, active, title string) Page {
	p.Active, p.Title, p.Path = active, title, "/"+active
	return p
}

func wide(p Page) Page { p.Wide = true; return p }

func narrow(p Page) Page { p.Narrow = true; return p }

func algorithms() []Algorithm {
	list := []Algorithm{{ID: "sha256", Label: "SHA-256", Group: "SHA-2", HMAC: true, Checked: true}}
	for _, x := range [][2]string{{"sha224", "SHA-224"}, {"sha384", "SHA-384"}, {"sha512", "SHA-512"}, {"sha512-256", "SHA-512/256"}} {
		list = append(list, Algorithm{ID: x[0], Label: x[1], Group: "SHA-2", HMAC: true})
	}
	for _, n := range []string{"224", "256", "384", "512"} {
		list = append(list, Algorithm{ID: "sha3-" + n, Label: "SHA3-" + n, Group: "SHA-3", HMAC: true})
	}
	list = append(list, Algorithm{ID: "blake2b-256", Label: "BLAKE2b-256", Group: "BLAKE"}, Algorithm{ID: "blake2b-512", Label: "BLAKE2b-512", Group: "BLAKE"},
		Algorithm{ID: "blake2s-256", Label: "BLAKE2s-256", Group: "BLAKE"}, Algorithm{ID: "blake3", Label: "BLAKE3", Group: "BLAKE"})
	return append(list, Algorithm{ID: "md5", Label: "MD5", Group: "Old", Broken: true}, Algorithm{ID: "sha1", Label: "SHA-1", Group: "Old", Broken: true})
}

func textOK() *TextResult {
	return &TextResult{OK: true, Verb: "encrypt", Headline: "Encrypted for you", Text: armored, Base64: encode(armored), Name: "message.age", Size: int64(len(armored)),
		Took: 4 * time.Millisecond, Facts: []Fact{{"Format", "age, X25519"}}, Commands: []string{"age -d -i key.txt message.age"}, CanSave: true}
}

func file(state string) FileResult {
	r := FileResult{ID: "0f8a1c", Name: "report.pdf", State: state, Verb: "decrypt", Headline: "Opened with your key “age”, version 1", Size: 40055603, Expires: moment0, Tries: 4,
		Facts: []Fact{{"Format", "age, X25519"}}, Commands: []string{"age -d -i key.txt -o report.pdf report.pdf.age"}}
	switch state {
	case "locked":
		r.Headline, r.Message, r.Size = "No key of yours opens this", "It was encrypted to two X25519 recipients. Nothing was changed; the encrypted file waits here, and you can paste a key for this time only.", -1
	case "failed":
		r.ID, r.Headline, r.Message = "", "This file is damaged", "Its end is missing: it stops after 196,608 bytes. Nothing was stored. Ask the sender for the whole file."
	}
	return r
}

func hashOK(matched bool) *HashResult {
	sum := strings.Repeat("9f86d081884c7d65", 4)
	return &HashResult{Compared: true, Matched: matched, Expected: sum, Took: 12 * time.Millisecond, CanSave: true, HMAC: true, Salted: true, Inputs: []HashInput{
		{Name: "debian-12.9.0-amd64-netinst.iso", Size: 663748608, Tags: "SHA256 (debian-12.9.0-amd64-netinst.iso) = " + sum + "\n",
			Rows: []HashRow{{Label: "SHA-256", Hex: sum, Match: matched}, {Label: "SHA-512", Hex: sum + sum}, {Label: "MD5", Hex: sum[:32], Broken: true}}},
		{Name: "Text", Size: 12, Saved: "/vault/77", Rows: []HashRow{{Label: "SHA-256", Hex: sum}}}}}
}

func vaultRows() []VaultRow {
	return []VaultRow{
		{ID: "a1", Title: "Recovery words, cold wallet", Kind: "note", Size: 214, Created: moment0},
		{ID: "a2", Title: "contract-final-signed-by-everybody-2026-01-02-with-annexes.pdf.age", Kind: "file", Size: 3250585, Created: moment0.Add(-time.Hour)},
		{ID: "a3", Title: "debian-12.9-amd64.iso", Kind: "digest", Size: 98, Created: moment0.Add(-48 * time.Hour)},
		{ID: "a4", Title: "Message to Mira", Kind: "ciphertext", Size: 612, Created: moment0.Add(-72 * time.Hour)},
		{ID: "a5", Kind: "note", Size: 10, Created: moment0, Unreadable: true}}
}

func account(open string, errors Fields) AccountPage {
	a := AccountPage{Login: "Mira", Created: moment0, Items: 128, Holds: Holds{Items: 128, Bytes: 7 << 30, Keys: 3, KeyVersions: 5, People: 1}, QuotaUsed: 7 << 30, Quota: 20 << 30, KeyVersion: 2, RecoveryCreated: moment0, Open: open,
		Sessions: []SessionRow{{ID: "s1", Created: moment0, Touched: moment0, Expires: moment0.Add(12 * time.Hour), Current: true},
			{ID: "s2", Created: moment0.Add(-time.Hour), Touched: moment0, Expires: moment0.Add(11 * time.Hour)}, {ID: "s3", Created: moment0.Add(-2 * time.Hour), Touched: moment0, Expires: moment0.Add(10 * time.Hour)}}}
	if open != "" {
		a.Errors = map[string]Fields{open: errors}
	}
	if open == "sessions" {
		a.Waiting = 2
	}
	return a
}

// wrong gives errors for the named fields of a form.
func wrong(names ...string) Fields {
	all := Fields{"login": "A login has at least 3 characters.", "password": "This one is among the most common ones.", "password2": "The two differ.",
		"code": "This is not the code.", "current": "This is not your password.", "": "Login or password is wrong."}
	e := Fields{}
	for _, name := range names {
		e[name] = all[name]
	}
	return e
}

func qrStandIn() []byte {
	data, _, _, _ := assets.Open(strings.TrimPrefix(assets.URL("icon.png"), assets.Base))
	return data
}

func about() About {
	a := About{Version: "7.0.0", Register: true, Guests: true}
	for _, s := range assets.Sums() {
		a.Assets = append(a.Assets, AssetSum{s.Path, s.SHA256})
	}
	return a
}

func examples() []example {
	encForm := EncryptForm{LoggedIn: true, Mode: "text", To: "me", Format: "age", MaxUpload: 10 << 30, Quota: 20 << 30, QuotaUsed: 7 << 30}
	guestForm := EncryptForm{Mode: "text", To: "passphrase", MaxUpload: 10 << 30, Quota: 1 << 30}
	made := guestForm
	made.Passphrase, made.Text = "outpost-drizzle-unfunded-cobalt-ream-shrubs-plaza-vocal-mummy-igloo", "The meeting point is the north gate, 18:40."
	people := encForm
	people.To, people.Recipients, people.AlsoMe, people.Save, people.Text = "people", recipient+"\nage1broken", true, true, hostile
	people.Errors = Fields{"recipients": "The second one, age1brok…, is not a whole public key.", "text": "There is nothing to encrypt: type or paste something.", "to": "Choose for whom."}
	files := encForm
	files.Mode, files.Format = "files", "fernet"
	dec := DecryptForm{LoggedIn: true, Mode: "text", MaxUpload: 10 << 30, Quota: 20 << 30}
	decFiles := DecryptForm{Mode: "files", MaxUpload: 10 << 30, Quota: 1 << 30, Errors: Fields{"identity": "That is a public key. A private one begins with AGE-SECRET-KEY-1.", "passphrase": "Give one.", "file": "Choose a file."}}
	bad := &TextResult{Verb: "decrypt", Headline: "The passphrase does not open this", Message: "Nothing was changed or stored. Check capitals and spaces at its ends, and try again."}
	binary := &TextResult{OK: true, Verb: "decrypt", Headline: hostile, Binary: true, Base64: "AAEC", Name: hostile, Size: 3, Saved: "/vault/1", CanSave: true}
	locked := file("locked")
	locked.ID, locked.NeedsPassphrase = "77", true
	problem := &Problem{Title: "The server is busy", Detail: "Too many slow jobs wait at the moment. Nothing was stored, and what you typed is still here.", Next: "Wait ten seconds and send it again.", ID: "c0ffee12"}
	hash := HashForm{LoggedIn: true, Mode: "text", Algorithms: algorithms(), MaxUpload: 10 << 30}
	hashBad := HashForm{Mode: "files", Algorithms: algorithms(), Salt: hostile, Expected: hostile, MaxUpload: 10 << 30,
		Errors: Fields{"expected": "That is no digest.", "algorithm": "Choose at least one.", "salt": "Too long.", "hmac_key": "Too long.", "text": "Nothing.", "file": "Choose a file."}}
	vault := VaultList{Rows: vaultRows(), Total: 128, QuotaUsed: 7 << 30, Quota: 20 << 30, Older: "/vault?before=x", Newest: "/vault"}
	item := VaultItem{Row: vaultRows()[3], Text: armored, Base64: encode(armored), FileName: "message.age", Facts: []Fact{{"Format", "age"}, {"Key", "age, version 1"}}, Commands: []string{"age -d -i key.txt message.age"}}
	list := []example{
		{name: "encrypt", page: on(user, "encrypt", "Encrypt"), body: Encrypt(encForm, Outcome{})},
		{name: "encrypt-result", page: on(user, "encrypt", "Encrypt"), body: Encrypt(encForm, Outcome{Text: textOK()})},
		{name: "encrypt-guest", page: on(guest, "encrypt", "Encrypt"), body: Encrypt(guestForm, Outcome{})},
		{name: "encrypt-made", page: on(guest, "encrypt", "Encrypt"), body: Encrypt(made, Outcome{})},
		{name: "encrypt-errors", page: on(user, "encrypt", "Encrypt"), body: Encrypt(people, Outcome{})},
		{name: "encrypt-files", page: on(user, "encrypt", "Encrypt"), body: Encrypt(files, Outcome{Files: []FileResult{file("ready"), file("failed")}})},
		{name: "encrypt-busy", page: with(on(guest, "encrypt", "Encrypt"), func(p *Page) { p.PlainHTTP = true }), body: Encrypt(guestForm, Outcome{Problem: problem})},
		{name: "decrypt", page: on(user, "decrypt", "Decrypt"), body: Decrypt(dec, Outcome{})},
		{name: "decrypt-old-file", page: on(user, "decrypt", "Decrypt"), body: Decrypt(DecryptForm{LoggedIn: true, Mode: "files", OldFile: true, Errors: wrong("old_file", "passphrase")}, Outcome{})},
		{name: "decrypt-wrong", page: on(user, "decrypt", "Decrypt"), body: Decrypt(dec, Outcome{Text: bad})},
		{name: "decrypt-files", page: on(user, "decrypt", "Decrypt"), body: Decrypt(dec, Outcome{Files: []FileResult{file("locked"), locked, file("failed")}})},
		{name: "decrypt-errors", page: on(guest, "decrypt", "Decrypt"), body: Decrypt(decFiles, Outcome{})},
		{name: "hash", page: on(user, "hash", "Hash"), body: Hash(hash, Outcome{})},
		{name: "hash-match", page: on(user, "hash", "Hash"), body: Hash(hash, Outcome{Hash: hashOK(true)})},
		{name: "hash-differs", page: on(user, "hash", "Hash"), body: Hash(hash, Outcome{Hash: hashOK(false)})},
		{name: "hash-errors", page: on(guest, "hash", "Hash"), body: Hash(hashBad, Outcome{})},
		{name: "result-ready", page: on(user, "", "Result"), body: ResultPage(file("ready"), nil)},
		{name: "result-locked", page: on(guest, "", "Result"), body: ResultPage(locked, problem)},
		{name: "register", page: narrow(on(guest, "register", "Register")), body: Register(RegisterForm{})},
		{name: "register-errors", page: narrow(on(guest, "register", "Register")), body: Register(RegisterForm{Login: hostile, Errors: wrong("login", "password", "password2")})},
		{name: "register-closed", page: narrow(on(guest, "register", "Register")), body: Register(RegisterForm{Closed: true})},
		{name: "recovery", page: narrow(on(user, "", "Recovery code")), body: Recovery(RecoveryCode{Code: "K3QF-77XA-PLM2-9TZC-WJ5D-H4RE-V6NB-YG2S", Reason: "new"})},
		{name: "recovery-wrong", page: narrow(on(user, "", "Recovery code")), body: Recovery(RecoveryCode{Code: "K3QF-77XA-PLM2-9TZC-WJ5D-H4RE-V6NB-YG2S", Reason: "used", Errors: wrong("code")})},
		{name: "login", page: narrow(on(guest, "login", "Log in")), body: Login(LoginForm{Register: true, Guests: true, Next: "/vault", Notice: "You are logged out."})},
		{name: "login-key-lost", page: narrow(on(guest, "login", "Log in")), body: Login(LoginForm{Register: true, KeyLost: moment0, Errors: wrong("")})},
		{name: "login-wrong", page: narrow(on(guest, "login", "Log in")), body: Login(LoginForm{Login: hostile, Errors: wrong("")})},
		{name: "factor", page: narrow(on(guest, "login", "Log in")), body: Factor(FactorForm{TriesLeft: 1, Errors: wrong("code")})},
		{name: "recovery-imported", page: narrow(on(user, "", "Recovery code")), body: Recovery(RecoveryCode{Code: "K3QF-77XA-PLM2-9TZC-WJ5D-H4RE-V6NB-YG2S", Reason: "imported"})},
		{name: "recover-imported", page: narrow(on(guest, "login", "Recover")), body: Recover(RecoverForm{Imported: true})},
		{name: "weak-password", page: with(on(user, "account", "Account"), func(p *Page) { p.WeakPassword = true }), body: Account(account("password", nil))},
		{name: "account-renamed", page: on(user, "account", "Account"), body: Account(func() AccountPage { a := account("", nil); a.Renamed, a.Login = true, hostile; return a }())},
		{name: "account-damaged", page: on(user, "account", "Account"), body: Account(func() AccountPage { a := account("", nil); a.Damaged = 3; return a }())},
		{name: "account-odd-login", page: on(user, "account", "Account"), body: Account(func() AccountPage { a := account("", nil); a.OddLogin, a.Login = true, hostile; return a }())},
		{name: "recover", page: narrow(on(guest, "login", "Recover")), body: Recover(RecoverForm{Errors: wrong("login", "code", "password", "password2", "")})},
		{name: "vault", page: wide(on(user, "vault", "Vault")), body: Vault(vault)},
		{name: "vault-undo", page: wide(on(user, "vault", "Vault")), body: Vault(VaultList{Rows: vaultRows()[:2], Kind: "note", Query: "words", Total: 2, Undo: []string{"x1", "x2"}, Quota: 1})},
		{name: "vault-empty", page: wide(on(user, "vault", "Vault")), body: Vault(VaultList{Quota: 20 << 30})},
		{name: "vault-nothing", page: wide(on(user, "vault", "Vault")), body: Vault(VaultList{Total: 12, Query: hostile, Notice: "Renamed."})},
		{name: "vault-kind", page: wide(on(user, "vault", "Vault")), body: Vault(VaultList{Total: 12, Kind: "digest"})},
		{name: "vault-new", page: wide(on(user, "vault", "Vault")), body: Vault(VaultList{Rows: vaultRows(), Total: 5, Quota: 20 << 30, New: &NoteForm{Title: hostile, Text: hostile, MaxUpload: 10 << 30, Errors: Fields{"title": "A title has at most 200 characters."}}})},
		{name: "item", page: on(user, "vault", "Item"), body: Item(item)},
		{name: "item-file", page: on(user, "vault", "Item"), body: Item(VaultItem{Row: vaultRows()[1], HasFile: true, FileName: hostile, Rename: true, Errors: Fields{"title": "Too long."}})},
		{name: "item-binary", page: on(user, "vault", "Item"), body: Item(VaultItem{Row: vaultRows()[0], Binary: true, Base64: "AAEC"})},
		{name: "item-unreadable", page: on(user, "vault", "Item"), body: Item(VaultItem{Row: vaultRows()[4]})},
		{name: "account", page: on(user, "account", "Account"), body: Account(account("", nil))},
		{name: "account-restored", page: narrow(on(user, "account", "Account")), body: Account(func() AccountPage { a := account("", nil); a.RestoredOf = moment0; return a }())},
		{name: "about", page: on(guest, "", "What the server sees"), body: AboutPage(about())},
		{name: "home", page: on(guest, "", ""), body: Home(about())},
		{name: "home-closed", page: on(Page{}, "", ""), body: Home(About{})},
		{name: "problem", page: with(on(guest, "", "Not found"), func(p *Page) { p.Theme = "dark" }), body: ProblemPage(Problem{Title: "There is nothing here", Detail: "The address is wrong, or what was here is gone or belongs to somebody else.", Next: "Go to your vault", Link: "/vault", ID: "c0ffee12"})},
		{name: "fragment-outcome", body: OutcomeFragment(Outcome{Text: binary, Hash: hashOK(false)}), fragment: true},
		{name: "fragment-errors", body: OutcomeFragment(Outcome{Errors: Fields{"": "Choose for whom.", "text": "There is nothing to encrypt."}, Problem: problem}), fragment: true},
		{name: "fragment-passphrase", body: PassphraseField(hostile, true), fragment: true},
		{name: "fragment-meter", body: StrengthMeter(Strength{Score: 2, Label: "Fair", Warning: hostile}), fragment: true},
		{name: "fragment-rows", body: VaultRows(vault), fragment: true},
	}
	for form, errors := range map[string]Fields{"password": wrong("current", "password", "password2"), "recovery": wrong("current"), "renew": wrong("current"),
		"sessions": wrong("current"), "delete": wrong("current", "login")} {
		a := account(form, errors)
		a.ResealLeft, a.Notice = 12, "Your other sessions are ended."
		list = append(list, example{name: "account-" + form, page: on(user, "account", "Account"), body: Account(a)})
	}
	return slices.Concat(list, keyExamples(), peopleExamples(), factorExamples(), activityExamples(), adminExamples(), leavingExamples(), readOnlyExamples())
}
