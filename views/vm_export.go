package views

// Holds is what an account has, as it is counted before it is taken along or deleted.
type Holds struct {
	Items             int
	Bytes             int64 // on the disk, with what is in the trash
	Keys, KeyVersions int
	People            int
}

// ExportForm is the state of GET and POST /account/export.
type ExportForm struct {
	Login          string
	To             string // "passphrase", "key", "recipient"
	Key, Recipient string
	Keys           []Choice // age keys that can encrypt
	Suggestion     string   // a passphrase to take
	Holds          Holds
	Errors         Fields
}
