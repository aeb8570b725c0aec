package views

import "time"

// Signature is the verdict on one signature.
type Signature struct {
	Class       string // "ok", "warn", "bad": never by colour alone, the headline says it too
	Status      string // crypto/pgp's word
	Headline    string
	Detail      string
	Fingerprint string // in groups
	Link        string // to the person, where comparing is due
	Time        time.Time
}

// SignForm is the state of /sign.
type SignForm struct {
	Mode      string // "text" or "files"
	Text      string
	Keys      []KeyChoice // none: how to make one
	Key       string      // id of the one chosen
	KeyOther  string      // name or fingerprint of one that is not among Keys
	MoreKeys  int         // that are not among Keys
	Armor     bool
	Errors    Fields
	MaxUpload int64
	QuotaUsed int64
	Quota     int64
	Waiting   []FileResult
}

// VerifyForm is the state of /verify.
type VerifyForm struct {
	LoggedIn    bool
	Mode        string
	Text        string
	Signature   string
	Certificate string
	Errors      Fields
	MaxUpload   int64
}

// VerifyResult is the answer for one text or file.
type VerifyResult struct {
	Name       string
	Signatures []Signature
	HasText    bool
	Text       string // what the signatures cover, and nothing else
	Around     bool   // there was more text, which is not signed
}
