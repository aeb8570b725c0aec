package views

import "time"

// PasskeyAsk is a form that the script completes with what a passkey answers.
type PasskeyAsk struct {
	Kind    string // "create" or "get"
	Action  string
	Options string // JSON for the browser
	State   string // comes back with the answer
	Button  string
	Next    string // local path, or ""
}

// FactorForm is the state of /login/factor.
type FactorForm struct {
	TriesLeft  int
	Next       string
	Recovering bool // after the recovery code, not the password
	App        bool // an app gives codes
	Codes      bool // one-time codes are left
	Passkeys   bool // the account has passkeys
	Passkey    *PasskeyAsk
	// PasskeyOrigin is where the passkeys work when they don't under this address, or "".
	PasskeyOrigin string
	Errors        Fields
}

// AppSetup is an app that waits for its first code.
type AppSetup struct {
	URL    string // otpauth:
	Secret string // in groups of four
	QR     string // data: URL of a PNG, or ""
}

// PasskeyRow is one passkey of the list.
type PasskeyRow struct {
	ID         string
	Name       string
	Created    time.Time
	Used       time.Time // zero when never
	Unlocks    bool      // opens the account without the password
	Copied     bool      // a copy may be in use
	Unreadable bool
}

// FactorPage is the state of /account/factor.
type FactorPage struct {
	Login         string
	On            bool
	Required      bool      // this server asks everybody for a second factor
	App           time.Time // since when an app gives codes; zero when none does
	Setup         *AppSetup
	CodesLeft     int
	CodesMade     time.Time
	Passkeys      []PasskeyRow
	PasskeysHere  bool   // they work under this address
	PasskeyOrigin string // else where they do, or ""
	Damaged       bool   // something stored does not open
	Notice        string
	OthersStay    bool   // the other sessions were to be ended, and could not
	Open          string // the form that Errors are of: "app", "setup", "off", "codes", "passkey", "unlock-ID", "delete-ID"
	Errors        Fields
}

func (p FactorPage) errors(form string) Fields {
	if p.Open == form {
		return p.Errors
	}
	return nil
}

// FactorCodes are ten one-time codes, shown once.
type FactorCodes struct {
	Codes   []string
	Server  string
	First   bool        // they came with the first factor
	Unlocks bool        // the passkey they came with opens the account too
	Unlock  *PasskeyAsk // or it could, and is asked here
	// OthersStay: the other sessions were to be ended, and could not.
	OthersStay bool
}

// PasskeyPage is the page on which a passkey is made, or asked to unlock.
type PasskeyPage struct {
	Ask  PasskeyAsk
	Made bool // it was made just now
	// OthersStay: the other sessions were to be ended, and could not.
	OthersStay bool
}
