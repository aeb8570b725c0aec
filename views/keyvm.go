package views

import (
	"context"
	"strings"
	"time"

	"zencrypt/lang"
)

// KeyCard is one key of the ring, as the list shows it.
type KeyCard struct {
	ID, Name    string
	Kind        string // "age", "age-pq", "pgp", "fernet", "rsa"
	Algorithm   string
	Default     bool
	Encrypts    bool // it has a version that encrypts, and has not expired
	Created     time.Time
	Expires     time.Time // zero: never
	Expired     bool
	Fingerprint string // in groups of four
	Versions    []KeyVersionRow
	Items       int // in the vault, under any version
	Older       int // under versions that are not the active one
	Warnings    []string
	Unreadable  bool
}

// KeyVersionRow is one version of a key, the newest first.
type KeyVersionRow struct {
	N         int
	State     string // "active", "retired", "revoked"
	Since     time.Time
	Items     int
	Bytes     int64
	Below     bool // below the lowest version that opens anything
	CanDelete bool
}

// KeyRing is the state of /keys.
type KeyRing struct {
	Cards  []KeyCard
	Pages  ListPages
	Older  int         // items that a rewrap would renew
	Left   []LeftItems // those that one has left as they are
	Notice string
	Import []ImportRow // what an import has just done
	Rewrap Rewrap
	New    *KeyForm    // open when not nil
	Load   *ImportForm // open when not nil
}

// ImportRow is what became of one imported key.
type ImportRow struct{ ID, Name, Text string }

// KeyForm is the state of the form for a new key.
type KeyForm struct {
	Kind, Algorithm, Name, UserName, Email, Expires string
	Algorithms                                      []Choice
	Errors                                          Fields
}

// Choice is one line of a list to choose from.
type Choice struct{ Value, Label string }

// ImportForm is the state of the form that takes private keys. What was pasted does not come back.
type ImportForm struct {
	Name   string
	Errors Fields
}

// Rewrap is how the renewal of what stands under older versions goes on.
type Rewrap struct {
	Running, Ended, Cancelled bool
	Total, Done               int
	Bytes, BytesDone          int64
	Problem                   string // why it stopped
}

// LeftItems are items under older versions that a rewrap has left as they are, for one reason.
type LeftItems struct {
	Why   string // "damaged", "shared", "signed"
	Count int
	Keys  []KeyChoice // under which they stand
}

// HeldItem is an item under a version of a key that is not the active one.
type HeldItem struct {
	ID, Title string
	Version   int
	Why       string // as in LeftItems; "" when a rewrap renews it
	Trashed   bool
}

// leftText says why items stay as they are; of one, or of several.
func leftText(ctx context.Context, why string, n int) string {
	switch why {
	case "shared":
		return lang.T(ctx, "keys.also-other-people-whose")
	case "signed":
		return lang.T(ctx, "keys.signed-encrypting-anew-would")
	}
	return lang.N(ctx, "keys.left-damaged", n)
}

// leftHelp says what a person can do about it.
func leftHelp(ctx context.Context, why string) string {
	switch why {
	case "shared":
		return lang.T(ctx, "keys.open-item-decrypt-keep")
	case "signed":
		return lang.T(ctx, "keys.open-item-decrypt-keep-what")
	}
	return lang.T(ctx, "keys.backup-this-server-from")
}

// KeyPage is the page of one key.
type KeyPage struct {
	Card        KeyCard
	Login       string
	Description string
	Public      string // recipient or certificate; "" when there is none
	PublicName  string // file name for its download
	QR          string // data: URL of a PNG, or ""
	QRFinger    bool   // the QR code holds the fingerprint only: the key is too long
	ToMe        []string
	Open        []string // commands that open with it without Zencrypt
	Revocation  string
	Held        []HeldItem // what keeps versions from being deleted
	MoreHeld    int        // how many more there are
	MinVersion  int
	Last        int
	Notice      string
	Form        string // which form to show open
	Errors      Fields // of that form
}

func (p KeyPage) rotates() bool { return p.Card.Kind != "rsa" && !p.Card.Expired }

// errors gives a form its errors.
func (p KeyPage) errors(form string) Fields {
	if p.Form == form {
		return p.Errors
	}
	return nil
}

func keyKind(ctx context.Context, kind string) string {
	switch kind {
	case "age":
		return lang.T(ctx, "keys.kind-age")
	case "age-pq":
		return lang.T(ctx, "keys.age-post-quantum")
	case "pgp":
		return lang.T(ctx, "keys.kind-openpgp")
	case "fernet":
		return lang.T(ctx, "keys.kind-fernet")
	case "rsa":
		return lang.T(ctx, "keys.older-zencrypt-rsa-key")
	}
	return kind
}

func cardHint(ctx context.Context, c KeyCard) string {
	parts := []string{keyKind(ctx, c.Kind)}
	if c.Algorithm != "" && c.Kind != "fernet" && c.Kind != "rsa" {
		parts[0] += ", " + c.Algorithm
	}
	switch {
	case c.Unreadable:
		return parts[0]
	case c.Kind == "rsa":
		parts = append(parts, lang.T(ctx, "keys.only-opens"))
	case c.Expired:
		parts = append(parts, lang.T(ctx, "keys.expired-on", lang.Args{"Day": day(ctx, c.Expires)}))
	case !c.Expires.IsZero():
		parts = append(parts, lang.T(ctx, "keys.expires-on", lang.Args{"Day": day(ctx, c.Expires)}))
	default:
		parts = append(parts, lang.T(ctx, "keys.no-expiry"))
	}
	return strings.Join(parts, " · ")
}

func keyTitle(ctx context.Context, c KeyCard) string {
	if c.Name != "" {
		return c.Name
	}
	return lang.T(ctx, "keys.key-whose-seal-does")
}

// shortFingerprint is enough to tell keys apart in a list.
func shortFingerprint(s string) string {
	groups := strings.Fields(s)
	if len(groups) > 10 {
		return strings.Join(groups[:5], " ") + " …"
	}
	return s
}

// shownVersions are those that the list has room for.
func shownVersions(all []KeyVersionRow) []KeyVersionRow { return all[:min(3, len(all))] }

func stateTag(state string) string {
	switch state {
	case "active":
		return "tag on"
	case "revoked":
		return "tag bad"
	}
	return "tag"
}

// stateName is a version's state in words.
func stateName(ctx context.Context, state string) string {
	switch state {
	case "active":
		return lang.T(ctx, "keys.active")
	case "retired":
		return lang.T(ctx, "keys.retired")
	case "revoked":
		return lang.T(ctx, "keys.revoked")
	}
	return state
}

func rewrapLabel(ctx context.Context, n int) string { return lang.N(ctx, "keys.rewrap-items", n) }
