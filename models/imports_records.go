package models

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// The kinds of a Record.
const (
	RecordNote       = "note"       // a text that a key of the person opened
	RecordUnreadable = "unreadable" // a text that none opened, kept as it is
	RecordDigest     = "digest"
)

// A Record is a text or a digest of an older Zencrypt. It prints as [redacted].
type Record struct {
	Ref     string // what the old database called it
	Kind    string
	Created time.Time // zero: the account's
	// Body is the text byte for byte, the token of one that nothing opened, or the digest as it was written.
	Body []byte
	Salt *string // of a digest; nil when there was none
}

// Format implements fmt.Formatter.
func (Record) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (Record) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MaxRecord is the longest text that is taken, in bytes: what MongoDB could hold in one document.
const MaxRecord = 16 << 20

// maxDerivedTitle is how much of a text its title shows, in characters.
const maxDerivedTitle = 60

// item is a record as it stands in the vault.
func (r *Record) item(created time.Time) *Item {
	item := &Item{ID: NewID(), Created: fromMillis(millis(created)), Body: r.Body, Size: int64(len(r.Body))}
	if item.Body == nil {
		item.Body = []byte{}
	}
	day := item.Created.Format("2 Jan 2006")
	switch r.Kind {
	case RecordNote:
		item.Kind, item.Title = "note", lineTitle(r.Body)
		if item.Title == "" {
			item.Title = "Text of " + day
		}
	case RecordUnreadable:
		item.Kind, item.Title = "ciphertext", "Unreadable text of "+day
		item.Meta = ItemMeta{Format: "fernet", Detail: "Fernet. None of your keys opened it when it was brought along, so it was kept as it was"}
	case RecordDigest:
		item.Kind, item.Title = "digest", "Digest of "+day
		item.Body = digestText(string(r.Body), r.Salt)
		item.Size = int64(len(item.Body))
		item.Meta.Detail = "SHA-256"
		if r.Salt != nil && *r.Salt != "" {
			item.Meta.Detail = "SHA-256, salted"
		}
	}
	return item
}

// lineTitle is the first line of a text that says anything.
func lineTitle(body []byte) string {
	if !utf8.Valid(body) {
		return ""
	}
	// What lies behind can't be in the title: the text may have megabytes.
	head := string(body[:min(len(body), 4096)])
	for line := range strings.Lines(head) {
		if line = cleanTitle(line); line != "" {
			return cut(line, maxDerivedTitle)
		}
	}
	return ""
}

// digestText is a digest as it stands in the vault: the line that the command line writes, and the salt as a JSON
// string, in which every byte of it can be seen; one that is no text as base64.
func digestText(hex string, salt *string) []byte {
	switch {
	case salt == nil:
		return fmt.Appendf(nil, "SHA256 (text) = %s\n", hex)
	case !utf8.ValidString(*salt):
		return fmt.Appendf(nil, "salted SHA256 (text) = %s\nsalt in base64 = %s\n", hex, base64.StdEncoding.EncodeToString([]byte(*salt)))
	}
	var quoted strings.Builder
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(*salt) // a string never fails; it ends with a line feed
	tag := "salted SHA256"
	if *salt == "" {
		tag = "SHA256"
	}
	return fmt.Appendf(nil, "%s (text) = %s\nsalt = %s", tag, hex, quoted.String())
}

// The rows of one INSERT: as many that it takes no more memory than this.
const (
	batchRows  = 200
	batchBytes = 1 << 20
)

// incomingWriter seals and writes the records of one account, some at a time.
type incomingWriter struct {
	im       *Imports
	tx       bun.Tx
	u        *Unlocked
	by       origins
	origin   []string
	out      *Brought
	now      time.Time
	fallback time.Time // of what has no time

	items   []*itemRow
	inbox   []*inboxRow
	digests []*importedRecordRow
	bytes   int
}

// note remembers that something came.
func (w *incomingWriter) note(ref string) {
	w.digests = append(w.digests, &importedRecordRow{AccountID: w.u.Account.ID, Digest: w.digest(ref)})
}

func (w *incomingWriter) digest(ref string) []byte {
	id := w.by.digest(append(append([]string{}, w.origin...), ref)...)
	return id[:]
}

// take checks a record and counts it; false when it can't come.
func (w *incomingWriter) take(r *Record) bool {
	if len(r.Body) > MaxRecord {
		w.out.Refused = append(w.out.Refused, Refused{r.Ref, fmt.Sprintf("it has %d bytes and %d MiB is the limit", len(r.Body), MaxRecord>>20)})
		return false
	}
	switch r.Kind {
	case RecordNote:
		w.out.Notes++
	case RecordUnreadable:
		w.out.Unreadable++
	default:
		w.out.Digests++
	}
	if r.Created.IsZero() {
		r.Created = w.fallback
	}
	return true
}

// add takes a record into a new account.
func (w *incomingWriter) add(ctx context.Context, r Record) error {
	if !w.take(&r) {
		return nil
	}
	row, err := closeItem(w.u, r.item(r.Created))
	if err != nil {
		return err
	}
	row.SealVersion = 1
	w.items = append(w.items, row)
	w.note(r.Ref)
	w.bytes += len(row.SealedBody)
	if len(w.items) >= batchRows || w.bytes >= batchBytes {
		return w.flush(ctx)
	}
	return nil
}

// flush writes what was collected.
func (w *incomingWriter) flush(ctx context.Context) error {
	if len(w.items) > 0 {
		if _, err := w.tx.NewInsert().Model(&w.items).Exec(ctx); err != nil {
			return err
		}
		Failpoint("import-items")
	}
	if len(w.inbox) > 0 {
		if _, err := w.tx.NewInsert().Model(&w.inbox).Exec(ctx); err != nil {
			return err
		}
		Failpoint("import-inbox")
	}
	// A reference that came twice in one source counts once.
	if len(w.digests) > 0 {
		if _, err := w.tx.NewInsert().Model(&w.digests).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
		Failpoint("import-digests")
	}
	w.items, w.inbox, w.digests, w.bytes = w.items[:0], w.inbox[:0], w.digests[:0], 0
	return nil
}
