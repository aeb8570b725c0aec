package views

import "time"

// PersonChoice is somebody who can be ticked on a form.
type PersonChoice struct {
	ID, Name string
	Checked  bool
	State    string // as of PersonRow
}

// KeyChoice is one of the person's own keys on a form.
type KeyChoice struct{ ID, Name, Fingerprint string }

// PersonRow is one line of the list of people.
type PersonRow struct {
	ID, Name, Login string
	Kinds           []string // "age", "OpenPGP", ...
	Verified        bool
	State           string // "", "changed", "announced", "new", "gone", "unreadable"
}

// PeoplePage is the state of /people.
type PeoplePage struct {
	Rows   []PersonRow
	Pages  ListPages
	Alarms []PersonRow // whose keys have changed, or whose account is gone, and who are not among Rows
	Notice string
	Warn   *Problem // about the person's own public keys
	Find   FindForm
	Add    AddForm
	Found  *FoundPerson
}

// FindForm looks somebody up by login.
type FindForm struct {
	Login  string
	Errors Fields
}

// AddForm adds somebody from outside.
type AddForm struct {
	PublicKey, Name, Note string
	Errors                Fields
	Open                  bool
}

// FoundPerson is an account that was found by its login.
type FoundPerson struct {
	Login string
	Keys  []PublicKeyView
	Known string // path, when the list has this person already
	Own   bool   // it is who asks
}

// PublicKeyView is one public key as people compare it.
type PublicKeyView struct {
	Kind        string // "age", "OpenPGP", "SSH"
	Algorithm   string
	Fingerprint string // in groups
	Public      string
	QR          string // data URL of a PNG with the fingerprint
	UserIDs     []string
	Problem     string // why it can't be encrypted to, or ""
	Pinned      time.Time
}

// ChangeView is a difference between a pinned key and what is offered now.
type ChangeView struct {
	Title, Detail string
	Loud          bool // nothing is encrypted before it is accepted
	Pinned        *PublicKeyView
	Offered       *PublicKeyView
}

// Phrase is the safety phrase of one kind of key.
type Phrase struct{ Kind, Words string }

// PersonPage is the state of /people/:id.
type PersonPage struct {
	Row        PersonRow
	Created    time.Time
	Note       string
	Keys       []PublicKeyView
	Changes    []ChangeView
	Acceptable bool // what is offered can be pinned
	Phrases    []Phrase
	Verified   time.Time
	State      string // what the page shows, for its forms
	Notice     string
	Errors     Fields
	Stopped    bool
	Describe   DescribeForm
}

// DescribeForm gives a person another name and note.
type DescribeForm struct {
	Name, Note string
	Errors     Fields
}

// ListPages is where a page stands in a list, and what was searched in it.
type ListPages struct {
	Path        string // of the list
	Query       string
	Total       int    // without a search
	Found       int    // with it, on all pages
	First, Next string // paths, or ""
}

// long tells whether a list is worth a search.
func (p ListPages) long() bool { return p.Total > 10 || p.Query != "" }
