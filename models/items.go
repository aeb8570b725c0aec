package models

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

const (
	maxTitle = 200     // characters
	maxBody  = 2 << 20 // bytes: 1 MiB of text as armored ciphertext takes 1.35 MiB
)

// Item is something saved in the vault.
type Item struct {
	ID      ID
	Kind    string // note, file, digest, ciphertext
	Title   string
	Size    int64 // bytes, as shown
	Created time.Time
	Body    []byte   // any bytes; nil in a list
	Blob    *BlobRef // the file, or nil
	Meta    ItemMeta
	// Unreadable is true when a seal did not open: the row was changed or belongs elsewhere.
	Unreadable bool
	Trashed    bool // it is gone in a minute unless it is restored

	seen []byte // sealed_meta as it was read: another one says that the row was changed meanwhile
}

// BlobRef names a blob and what opens it.
type BlobRef struct {
	ID   ID
	Key  [16]byte // the file key of its wrap
	Size int64    // bytes inside the wrap
	Disk int64    // bytes on the disk
}

// ItemMeta is what else is known of an item, sealed. KeyID and KeyVersion name the
// person's key that opens a ciphertext, Others the public keys of whom else it is for, one a line
// as age takes them; "" when nobody's are known. Kept says why the last rewrap left it as it was, "" when it did not.
type ItemMeta struct {
	FileName, Format, Detail string
	KeyID                    string
	KeyVersion               int
	Others                   string
	Kept                     string
}

// Items is the store of the vault.
type Items struct{ db *DB }

type itemRow struct {
	bun.BaseModel `bun:"table:items"`

	ID          ID `bun:",pk"`
	AccountID   ID
	Kind        string
	Size        int64
	Disk        int64
	Created     int64
	Trashed     *int64
	SealVersion int64
	BlobID      *ID
	SealedTitle []byte
	SealedMeta  []byte
	SealedBlob  []byte
	SealedBody  []byte
	HasBody     *bool `bun:",scanonly"` // in a list, which reads no bodies
}

// sealedItem is ItemMeta as it is sealed: a file name may hold any bytes. Kind, size and
// time are sealed too, and win over what the row says in the clear; Body and Blob say
// which parts there are, so that one that was taken away is missed.
type sealedItem struct {
	Kind          string
	Size, Created int64
	Body, Blob    bool
	FileName      []byte
	Format        string
	Detail        []byte
	KeyID         string
	KeyVersion    int
	Others        string `json:",omitempty"`
	Kept          string `json:",omitempty"`
}

func (r *itemRow) place(column string) seal.Place { return place("items", column, r.ID, r.AccountID) }

func validKind(kind string) bool {
	switch kind {
	case "note", "file", "digest", "ciphertext":
		return true
	}
	return false
}

// cleanTitle makes a title one line that can be read: what is no text or cannot be seen
// becomes a space.
func cleanTitle(s string) string {
	s = strings.Map(func(r rune) rune {
		// The joiners belong to scripts and emoji; other format characters turn or hide text.
		if r == '\u200c' || r == '\u200d' || unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.TrimSpace(s)
}

// Save seals an item; it is on the disk when Save returns. ID and Created are set when
// zero. A title over 200 characters is cut, since most come from file names, which
// stand whole in Meta. Invalid for a wrong kind and for a body over 2 MiB.
func (it *Items) Save(ctx context.Context, u *Unlocked, item *Item) error {
	return it.SaveAll(ctx, u, []*Item{item})
}

// prepare makes an item fit to be kept, and seals it.
func (it *Items) prepare(u *Unlocked, item *Item) (*itemRow, error) {
	if !validKind(item.Kind) {
		return nil, Errorf(Invalid, "kind", "save it: the kind is not known")
	}
	if len(item.Body) > maxBody {
		return nil, Errorf(Invalid, "text", "save it: the text has %d bytes and 2 MiB is the limit; save it as a file", len(item.Body))
	}
	if item.ID.IsZero() {
		item.ID = NewID()
	}
	if item.Created.IsZero() {
		item.Created = it.db.now()
	}
	item.Created = fromMillis(millis(item.Created))
	item.Title = cleanTitle(item.Title)
	if utf8.RuneCountInString(item.Title) > maxTitle {
		item.Title = string([]rune(item.Title)[:maxTitle-1]) + "…"
	}
	if item.Title == "" {
		item.Title = "Untitled"
	}
	return closeItem(u, item)
}

func closeItem(u *Unlocked, item *Item) (*itemRow, error) {
	row := &itemRow{ID: item.ID, AccountID: u.Account.ID, Kind: item.Kind, Size: item.Size, Created: millis(item.Created)}
	row.SealedTitle = u.Ring.Seal(seal.Names, row.place("sealed_title"), []byte(item.Title))
	m := item.Meta
	var err error
	row.SealedMeta, err = sealJSON(u.Ring, seal.Names, row.place("sealed_meta"), sealedItem{
		Kind: item.Kind, Size: item.Size, Created: row.Created, Body: item.Body != nil, Blob: item.Blob != nil, FileName: []byte(m.FileName),
		Format: m.Format, Detail: []byte(m.Detail), KeyID: m.KeyID, KeyVersion: m.KeyVersion, Others: m.Others, Kept: m.Kept,
	})
	if err != nil {
		return nil, err
	}
	if item.Body != nil {
		row.SealedBody = u.Ring.Seal(seal.Items, row.place("sealed_body"), item.Body)
		row.Disk += int64(len(item.Body))
	}
	if item.Blob != nil {
		row.BlobID = &item.Blob.ID
		row.Disk += item.Blob.Disk
		row.SealedBlob, err = sealJSON(u.Ring, seal.Files, row.place("sealed_blob"), struct {
			ID         []byte
			Key        []byte
			Size, Disk int64
		}{item.Blob.ID[:], item.Blob.Key[:], item.Blob.Size, item.Blob.Disk})
	}
	return row, err
}

// open opens an item's seals, all that were read. What does not open makes it
// Unreadable and empty.
func (r *itemRow) open(u *Unlocked) Item {
	item := Item{ID: r.ID, Kind: r.Kind, Size: r.Size, Created: fromMillis(r.Created), Trashed: r.Trashed != nil}
	if err := r.openInto(u, &item); err != nil {
		return Item{ID: r.ID, Kind: r.Kind, Size: r.Size, Created: fromMillis(r.Created), Trashed: r.Trashed != nil, Unreadable: true}
	}
	return item
}

func (r *itemRow) openInto(u *Unlocked, item *Item) error {
	title, err := u.Ring.Open(seal.Names, r.place("sealed_title"), r.SealedTitle)
	if err != nil {
		return err
	}
	item.Title = string(title)
	var m sealedItem
	if err := openJSON(u.Ring, seal.Names, r.place("sealed_meta"), r.SealedMeta, &m); err != nil {
		return err
	}
	hasBody := r.SealedBody != nil || r.HasBody != nil && *r.HasBody
	if m.Kind != r.Kind || m.Size != r.Size || m.Created != r.Created || m.Body != hasBody || m.Blob != (r.SealedBlob != nil) {
		return seal.ErrOpen
	}
	item.Meta = ItemMeta{FileName: string(m.FileName), Format: m.Format, Detail: string(m.Detail), KeyID: m.KeyID, KeyVersion: m.KeyVersion, Others: m.Others, Kept: m.Kept}
	item.seen = r.SealedMeta
	if r.SealedBody != nil {
		if item.Body, err = u.Ring.Open(seal.Items, r.place("sealed_body"), r.SealedBody); err != nil {
			return err
		}
		if item.Body == nil {
			item.Body = []byte{}
		}
	}
	if r.SealedBlob != nil {
		item.Blob = new(BlobRef)
		return r.openBlob(u, item.Blob)
	}
	return nil
}

func (r *itemRow) openBlob(u *Unlocked, ref *BlobRef) error {
	var b struct {
		ID         []byte
		Key        []byte
		Size, Disk int64
	}
	if err := openJSON(u.Ring, seal.Files, r.place("sealed_blob"), r.SealedBlob, &b); err != nil {
		return err
	}
	if len(b.ID) != len(ref.ID) || len(b.Key) != len(ref.Key) || r.BlobID == nil || ID(b.ID) != *r.BlobID {
		return seal.ErrOpen
	}
	*ref = BlobRef{ID: ID(b.ID), Key: [16]byte(b.Key), Size: b.Size, Disk: b.Disk}
	return nil
}

func errNoItem() error { return Errorf(NotFound, "", "find item: it is not there") }

// Get opens one item. NotFound for another's and for one in the trash.
func (it *Items) Get(ctx context.Context, u *Unlocked, id ID) (*Item, error) {
	row := new(itemRow)
	err := it.db.main.r.NewSelect().Model(row).Where("id = ?", id).
		Where("account_id = ?", u.Account.ID).Where("trashed IS NULL").Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoItem()
	}
	if err != nil {
		return nil, storeError(err)
	}
	item := row.open(u)
	return &item, nil
}

// Rename gives an item another title. Invalid for field "title" when it is empty or has
// more than 200 characters.
func (it *Items) Rename(ctx context.Context, u *Unlocked, id ID, title string) error {
	title = cleanTitle(title)
	if title == "" {
		return Errorf(Invalid, "title", "the title is empty")
	}
	if n := utf8.RuneCountInString(title); n > maxTitle {
		return Errorf(Invalid, "title", "the title has %d characters and 200 is the limit", n)
	}
	return it.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		row := &itemRow{ID: id, AccountID: u.Account.ID}
		err = tx.NewSelect().Model(row).Column("seal_version").WherePK().
			Where("account_id = ?", u.Account.ID).Where("trashed IS NULL").Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoItem()
		}
		if err != nil {
			return err
		}
		// The row counts as the oldest of its seals.
		_, err = tx.NewUpdate().Model(row).WherePK().
			Set("sealed_title = ?", u.Ring.Seal(seal.Names, row.place("sealed_title"), []byte(title))).
			Set("seal_version = ?", min(row.SealVersion, version)).Exec(ctx)
		return err
	})
}

// Forget removes an item at once, with nothing to restore, and tells whether it was
// there: only then the caller removes its blob and gives its space back.
func (it *Items) Forget(ctx context.Context, u *Unlocked, id ID) (gone bool, err error) {
	err = it.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewDelete().Model((*itemRow)(nil)).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Exec(ctx)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		gone = n > 0
		return err
	})
	return gone, err
}
