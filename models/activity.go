package models

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// Activity is the store of what happened to accounts. An event is sealed to the account's HPKE pair, so that it can be
// written while nobody is logged in. Anybody who writes the database can add one or take one away: what opens is
// secret, and not vouched for.
type Activity struct {
	db       *DB
	failures failures
}

type eventRow struct {
	bun.BaseModel `bun:"table:activity"`

	ID          ID `bun:",pk"`
	AccountID   ID
	Created     int64
	SealedEvent []byte
}

// sealedEvent is an Event as it is sealed. Times are in milliseconds, 0 for none.
type sealedEvent struct {
	Created int64
	Kind    string
	Name    string `json:",omitempty"`
	Count   int    `json:",omitempty"`
	First   int64  `json:",omitempty"`
	Session []byte `json:",omitempty"`
	New     bool   `json:",omitempty"`
}

const (
	infoActivity = "zencrypt/v1/activity"
	// eventPad is what the length of an event is made a multiple of, in bytes: nearly all then have the same.
	eventPad = 256
	// maxEventName bounds a name in an event, in characters.
	maxEventName = 60
)

func (r *eventRow) place() seal.Place { return place("activity", "sealed_event", r.ID, r.AccountID) }

// close seals an event to a public key. JSON may have spaces at its end.
func (r *eventRow) close(public []byte, e *Event) error {
	s := sealedEvent{Created: r.Created, Kind: e.Kind, Name: shortName(e.Name), Count: e.Count, New: e.New}
	if !e.First.IsZero() {
		s.First = millis(e.First)
	}
	if !e.Session.IsZero() {
		s.Session = e.Session[:]
	}
	b, err := json.Marshal(s)
	if err != nil {
		return fail(Internal, "note event", err)
	}
	if rest := len(b) % eventPad; rest > 0 {
		b = append(b, bytes.Repeat([]byte{' '}, eventPad-rest)...)
	}
	r.SealedEvent, err = seal.SealTo(public, []byte(infoActivity), r.place().Additional(), b)
	if err != nil {
		return fail(Internal, "note event", err)
	}
	return nil
}

// open tries the account's pairs, the newest first.
func (r *eventRow) open(pairs []sealedPair) Event {
	unreadable := Event{ID: r.ID, Created: fromMillis(r.Created), Unreadable: true}
	for _, p := range pairs {
		b, err := seal.OpenFrom(p.Private, []byte(infoActivity), r.place().Additional(), r.SealedEvent)
		if err != nil {
			continue
		}
		var s sealedEvent
		if err := json.Unmarshal(b, &s); err != nil || s.Created != r.Created {
			return unreadable
		}
		e := Event{ID: r.ID, Created: fromMillis(s.Created), Kind: s.Kind, Name: s.Name, Count: s.Count, New: s.New}
		if s.First != 0 {
			e.First = fromMillis(s.First)
		}
		if len(s.Session) == len(e.Session) {
			e.Session = ID(s.Session)
		}
		return e
	}
	return unreadable
}

func shortName(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if utf8.RuneCountInString(s) <= maxEventName {
		return s
	}
	return string([]rune(s)[:maxEventName-1]) + "…"
}

// Note writes an event of a person who is logged in, unless they keep no history. It is sealed to the public key in
// the person's own seal, and not to the one in the row, which somebody else may have put there: where the two
// differ the row is put right, and that is an event too. ID and Created are set.
func (a *Activity) Note(ctx context.Context, u *Unlocked, e *Event) error {
	return a.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		s, err := settingsOf(ctx, tx, u)
		if err != nil || !s.History {
			return err
		}
		account, err := accountBy(ctx, tx, "id", u.Account.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		pairs, err := account.openPairs(u.Ring)
		if err != nil {
			return err
		}
		public := pairs[0].Public
		if !bytes.Equal(public, account.HPKEPublic) {
			_, err := tx.NewUpdate().Model((*accountRow)(nil)).Set("hpke_public = ?", public).Where("id = ?", account.ID).Exec(ctx)
			if err != nil {
				return err
			}
			if err := a.insert(ctx, tx, account.ID, public, &Event{Kind: EventPairExchanged}); err != nil {
				return err
			}
		}
		return a.insert(ctx, tx, account.ID, public, e)
	})
}

// NoteAway writes an event of an account while nobody of it is logged in, such as an administrator's act: sealed to
// the public key that stands in the row.
func (a *Activity) NoteAway(ctx context.Context, account ID, e *Event) error {
	return a.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", account)
		if errors.Is(err, sql.ErrNoRows) {
			return Errorf(NotFound, "", "note event: there is no such account")
		}
		if err != nil {
			return err
		}
		keeps, err := keepsHistory(ctx, tx, account)
		if err != nil || !keeps {
			return err
		}
		return a.insert(ctx, tx, account, row.HPKEPublic, e)
	})
}

func (a *Activity) insert(ctx context.Context, tx bun.Tx, account ID, public []byte, e *Event) error {
	e.ID, e.Created = NewID(), fromMillis(millis(a.db.now()))
	row := eventRow{ID: e.ID, AccountID: account, Created: millis(e.Created)}
	if err := row.close(public, e); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

// List returns a page of an account's events, newest first, and where the next one begins, nil at the end.
func (a *Activity) List(ctx context.Context, u *Unlocked, before Cursor, limit int) (events []Event, next *Cursor, err error) {
	limit = min(max(limit, 1), maxLimit)
	events, err = a.read(ctx, u, func(q *bun.SelectQuery) *bun.SelectQuery {
		if before != (Cursor{}) {
			q = q.Where("(created, id) < (?, ?)", millis(before.Created), before.ID)
		}
		return q.Limit(int64(limit + 1))
	})
	if err != nil || len(events) <= limit {
		return events, nil, err
	}
	last := events[limit-1]
	return events[:limit], &Cursor{Created: last.Created, ID: last.ID}, nil
}

// MostSince is how many events Since returns at most.
const MostSince = 100

// Since returns the newest events after a time.
func (a *Activity) Since(ctx context.Context, u *Unlocked, after time.Time) ([]Event, error) {
	return a.read(ctx, u, func(q *bun.SelectQuery) *bun.SelectQuery {
		return q.Where("created > ?", millis(after)).Limit(MostSince)
	})
}

func (a *Activity) read(ctx context.Context, u *Unlocked, which func(*bun.SelectQuery) *bun.SelectQuery) (events []Event, err error) {
	err = a.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := accountBy(ctx, tx, "id", u.Account.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		pairs, err := account.openPairs(u.Ring)
		if err != nil {
			return err
		}
		var rows []eventRow
		q := tx.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Order("created DESC", "id DESC")
		if err := which(q).Scan(ctx); err != nil {
			return err
		}
		for i := range rows {
			events = append(events, rows[i].open(pairs))
		}
		return nil
	})
	return events, storeError(err)
}

// Newest is the time of an account's newest event, zero when it has none. It opens nothing.
func (a *Activity) Newest(ctx context.Context, account ID) (time.Time, error) {
	var ms sql.NullInt64
	err := a.db.main.r.NewSelect().Model((*eventRow)(nil)).ColumnExpr("max(created)").Where("account_id = ?", account).Scan(ctx, &ms)
	if err != nil || !ms.Valid {
		return time.Time{}, storeError(err)
	}
	return fromMillis(ms.Int64), nil
}

// Clear removes all events of an account.
func (a *Activity) Clear(ctx context.Context, u *Unlocked) error {
	a.failures.forget(u.Account.ID)
	return a.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*eventRow)(nil)).Where("account_id = ?", u.Account.ID).Exec(ctx)
		return err
	})
}

// Prune removes up to 500 events older than a time and tells whether there may be more: not after a failure, which the
// next call would meet again.
func (a *Activity) Prune(ctx context.Context, before time.Time) (more bool, err error) {
	var ids []ID
	// Asked first: a deletion that finds nothing would have the database written anew.
	err = a.db.main.r.NewSelect().Model((*eventRow)(nil)).Column("id").Where("created < ?", millis(before)).Limit(purgeRows).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return false, storeError(err)
	}
	err = a.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*eventRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
		return err
	})
	return err == nil && len(ids) == purgeRows, err
}
