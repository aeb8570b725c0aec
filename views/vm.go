package views

import (
	"context"
	"time"
)

// Page is what the layout needs around any body.
type Page struct {
	Title     string // without the suffix " · Zencrypt"
	Active    string // the tab: "encrypt", "decrypt", "hash", "vault", "account", "login", ""
	Login     string // the person's own spelling; empty for a guest
	Admin     bool   // the person administers the server
	Guests    bool   // guests may use the tools
	Register  bool   // registration is open
	Theme     string // "system", "dark", "light"
	Path      string // the current local path, for POST /theme's next
	PlainHTTP bool   // reached by http beyond loopback: show a warning banner
	Wide      bool   // lists use the wide column
	Narrow    bool   // log-in and its kin use the narrow one
	NoStore   bool   // informational: the page shows secrets
	// WeakPassword asks for a better one: it came from an older Zencrypt and breaks today's rules.
	WeakPassword bool
	Locked       bool // the session locked itself: it can be unlocked or left
	Alerts       []Alert
	ReadOnly     string // why nothing can be saved at present, half a sentence
}

// Fields maps a form field's name to what is wrong with it, one sentence.
// The key "" holds an error that belongs to no single field.
type Fields map[string]string

// Fact is one line of a result's description list.
type Fact struct{ Name, Value string }

// TextResult is an answer that was computed for a text and is stored nowhere.
type TextResult struct {
	OK       bool   // false shows Message as an error
	Verb     string // "encrypt", "decrypt"
	Headline string // "Encrypted for you", "Opened with your key “age”, version 1"
	Text     string // shown in <pre>; empty when Binary
	Binary   bool   // the content is not UTF-8 text: only Save and Download
	Base64   string // the exact bytes, for the hidden field of Save and Download
	Name     string // suggested file name for Download
	Size     int64
	Took     time.Duration
	Facts    []Fact
	// Signatures are the verdicts on an OpenPGP message's.
	Signatures []Signature
	Commands   []string // "Open it without Zencrypt", one shell command a line
	Saved      string   // the vault item's path when `save` was set, else ""
	CanSave    bool     // logged in
	Message    string   // when not OK: why, that nothing was lost, what to do
}

// FileResult is one row of the answer for uploaded files, or the page of one result.
type FileResult struct {
	ID         string // "" when the file failed before it had a result
	Name       string // name of what will be downloaded
	State      string // "ready", "locked" (no key fits yet), "failed"
	Verb       string // "encrypt", "decrypt"
	Headline   string
	Message    string // why it is locked or failed, and what to do
	Size       int64  // of the download, in bytes; -1 unknown
	Expires    time.Time
	Tries      int // tries left when locked
	Facts      []Fact
	Signatures []Signature
	Commands   []string
	Saved      string
	Guest      bool
	// NeedsPassphrase is true when the file asks for a passphrase, else a private key is asked for.
	NeedsPassphrase bool
}

// Problem is a refusal shown as a card: what happened, that nothing was lost, what to do next.
type Problem struct {
	Title  string
	Detail string
	Next   string // optional: what to do
	Link   string // optional: href for Next
	NewTab bool   // Link opens in a tab of its own, so that the form stays
	ID     string // request id, for 500s
	Typed  *Typed // what was typed, on a page of its own
}

// EncryptForm is the state of /encrypt.
type EncryptForm struct {
	LoggedIn   bool
	Mode       string // "text" or "files"
	Text       string
	To         string // "passphrase", "me", "people" (labelled "Public key")
	Recipients string
	People     []PersonChoice // of the person's own list, to be ticked
	MorePeople int            // people of the list that are not among them
	AlsoMe     bool
	Format     string      // "age", "pgp", "fernet"
	SignKeys   []KeyChoice // the person's own OpenPGP keys
	SignWith   string      // id of one, or ""
	SignOther  string      // name or fingerprint of one that is not among SignKeys
	MoreSign   int         // that are not among SignKeys
	OwnPGP     bool        // the person has an OpenPGP key to encrypt to
	Save       bool
	Passphrase string       // only ever set when the server has just made one
	Waiting    []FileResult // results that wait for their download
	Errors     Fields
	MaxUpload  int64
	QuotaUsed  int64
	Quota      int64
}

// DecryptForm is the state of /decrypt.
type DecryptForm struct {
	LoggedIn  bool
	Mode      string
	Text      string
	Save      bool
	OldFile   bool // it is said to be one of an older Zencrypt's command line
	Errors    Fields
	MaxUpload int64
	QuotaUsed int64
	Quota     int64
	Waiting   []FileResult
}

// Outcome is what stands below a verb's form: any mix of these, all optional.
type Outcome struct {
	Problem *Problem
	Warning *Problem // beside a result that is good
	Text    *TextResult
	Files   []FileResult
	Hash    *HashResult
	Verify  []VerifyResult
	// Errors are the form's field errors: under htmx the form stays as it is in the browser, so a 422 answers
	// OutcomeFragment(Outcome{Errors: f.Errors}) and the script marks the fields.
	Errors Fields
}

// Algorithm is one choice of the hash page.
type Algorithm struct {
	ID      string // "sha256"
	Label   string // "SHA-256"
	Group   string // "SHA-2", "SHA-3", "BLAKE", "Broken"
	Broken  bool   // MD5 and SHA-1: shown with a warning
	HMAC    bool   // has an HMAC
	Checked bool
}

// HashForm is the state of /hash.
type HashForm struct {
	LoggedIn   bool
	Mode       string
	Text       string
	Salt       string
	Expected   string
	Save       bool
	Algorithms []Algorithm
	Errors     Fields
	MaxUpload  int64
}

// HashRow is one algorithm's digest of one input.
type HashRow struct {
	Label  string
	Hex    string
	Broken bool
	Match  bool // equals the expected digest
}

// HashInput is one text or file that was hashed.
type HashInput struct {
	Name string // "Text" or the file's name
	Size int64
	Rows []HashRow
	Tags string // BSD-style lines "SHA256 (name) = hex", for Copy, Save and Download
	// Saved is the vault item's path when `save` was set.
	Saved string
}

// HashResult is the answer of /hash.
type HashResult struct {
	Inputs   []HashInput
	HMAC     bool
	Salted   bool
	Compared bool   // an expected digest was given
	Matched  bool   // and one row equals it
	Expected string // normalised
	Took     time.Duration
	CanSave  bool
}

// RegisterForm is the state of /register.
type RegisterForm struct {
	Login  string
	Errors Fields
	Closed bool // registration is not open: say so, offer log-in
	// ByInvitation: who has an invitation link may register all the same.
	ByInvitation  bool
	Invite        string // token of the invitation that brought the person here
	Administrator bool   // who registers by it becomes the first administrator
	Expires       time.Time
}

// RecoveryCode is the page that shows a fresh recovery code and asks for it back.
type RecoveryCode struct {
	Code   string // groups of four, shown once until confirmed
	Reason string // "new", "used", "renewed", "imported"
	Errors Fields
}

// LoginForm is the state of /login.
type LoginForm struct {
	Login    string
	Next     string // local path to go to afterwards, or ""
	Notice   string // "You are logged out.", "Please log in to go on."
	Register bool
	Guests   bool
	Passkey  *PasskeyAsk // nil where browsers have none for this server
	KeyLost  time.Time   // when a server key was given up that some passwords depend on; zero: none was
	Errors   Fields
}

// RecoverForm is the state of /recover.
type RecoverForm struct {
	Login    string
	Imported bool // accounts came from an older Zencrypt, some of which have no code yet
	Errors   Fields
}

// VaultRow is one line of the vault's list.
type VaultRow struct {
	ID         string
	Title      string
	Kind       string // "note", "file", "digest", "ciphertext"
	Size       int64
	Created    time.Time
	Unreadable bool // its seal did not open
}

// VaultList is the state of /vault.
type VaultList struct {
	Rows      []VaultRow
	Kind      string // the filter: "", "note", "file", "digest", "ciphertext"
	Query     string
	Older     string // path of the next page, or ""
	Newest    string // path back to the first page when on a later one, or ""
	Total     int
	QuotaUsed int64
	Quota     int64
	Undo      []string // ids that can be restored for a minute
	Notice    string
	New       *NoteForm // open when not nil
}

// NoteForm is the form for a note or file straight into the vault (GET /vault?new=1 opens it).
type NoteForm struct {
	Title     string
	Text      string
	Errors    Fields
	MaxUpload int64
}

// VaultItem is the page of one item.
type VaultItem struct {
	Row      VaultRow
	Text     string // shown when it is text
	Base64   string // exact bytes, for Download by hidden field when it is not a blob
	Binary   bool
	HasFile  bool // GET /vault/:id/file answers
	FileName string
	Facts    []Fact
	Commands []string
	Signed   bool // a clear-signed text: it can be verified
	Errors   Fields
	Rename   bool // show the rename form open
}

// SessionRow is one of the person's sessions.
type SessionRow struct {
	ID      string
	Created time.Time
	Touched time.Time
	Expires time.Time
	Current bool
}

// AccountPage is the state of /account.
type AccountPage struct {
	Login           string
	Created         time.Time
	Sessions        []SessionRow
	Waiting         int // log-ins that wait for their second factor
	Items           int
	Holds           Holds
	QuotaUsed       int64
	Quota           int64
	KeyVersion      uint32
	ResealLeft      int // rows that a renewal has still to reseal
	RecoveryCreated time.Time
	RestoredOf      time.Time // the day of the backup that the recovery code came from; zero: it did not
	Unlisted        bool      // nobody finds the account by its login
	// Of an account that came from an older Zencrypt: the login got a suffix, or breaks today's rules.
	Renamed, OddLogin bool
	Damaged           int  // records that came from an older Zencrypt and do not open
	Factor            bool // a second factor is asked for
	Notice            string
	Errors            map[string]Fields // by form: "password", "recovery", "renew", "sessions", "delete"
	Open              string            // which form to show open
}

// Strength is the answer of the password meter.
type Strength struct {
	Score   int    // 0..4; -1 nothing typed
	Label   string // "Too easy to guess", "Weak", "Fair", "Strong", "Very strong"
	Warning string
}

// About is the state of /about and of the guests' front page.
type About struct {
	Version  string
	Assets   []AssetSum
	Register bool
	Guests   bool
}

// AssetSum names one embedded file and its SHA-256 in hex.
type AssetSum struct{ Path, Sum string }

// Bytes writes a number of bytes for people, in binary units.
func Bytes(ctx context.Context, n int64) string { return size(ctx, n) }
