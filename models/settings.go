package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// MinSession and MinLock are the shortest that a person may choose: a session's use is noted once a minute.
const (
	MinSession = 5 * time.Minute
	MinLock    = 5 * time.Minute
)

// Settings are a person's own choices. They are sealed: who writes the database can take them all away, or put an
// older state back, and not make up another.
type Settings struct {
	History     bool          // events are kept
	SessionLife time.Duration // a session ends after it; 0 is as long as the server lets it
	LockAfter   time.Duration // a session that is not used for this long asks for the password; 0 is never
	// Unreadable is true when there are settings whose seal does not open; the others are the defaults then.
	Unreadable bool
	// HistoryDiffers is true when the row says otherwise than the seal whether events are kept: failures while nobody
	// is logged in go by the row.
	HistoryDiffers bool
}

func defaultSettings() Settings { return Settings{History: true} }

type settingsRow struct {
	bun.BaseModel `bun:"table:settings"`

	ID             ID `bun:",pk"`
	AccountID      ID
	SealVersion    int64
	History        bool
	SealedSettings []byte
}

// sealedSettings are Settings as they are sealed. Times are in milliseconds.
type sealedSettings struct {
	History                bool
	SessionLife, LockAfter int64
}

func (r *settingsRow) place() seal.Place {
	return place("settings", "sealed_settings", r.ID, r.AccountID)
}

func settingsRowOf(ctx context.Context, db bun.IDB, account ID) (*settingsRow, error) {
	row := new(settingsRow)
	err := db.NewSelect().Model(row).Where("account_id = ?", account).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return row, err
}

func settingsOf(ctx context.Context, db bun.IDB, u *Unlocked) (Settings, error) {
	row, err := settingsRowOf(ctx, db, u.Account.ID)
	if err != nil || row == nil {
		return defaultSettings(), err
	}
	var s sealedSettings
	if err := openJSON(u.Ring, seal.Account, row.place(), row.SealedSettings, &s); err != nil {
		out := defaultSettings()
		out.Unreadable = true
		return out, nil
	}
	return Settings{
		History: s.History, SessionLife: time.Duration(s.SessionLife) * time.Millisecond, LockAfter: time.Duration(s.LockAfter) * time.Millisecond,
		HistoryDiffers: s.History != row.History,
	}, nil
}

// keepsHistory is what the row says, for what happens while nobody is logged in.
func keepsHistory(ctx context.Context, db bun.IDB, account ID) (bool, error) {
	row, err := settingsRowOf(ctx, db, account)
	return err == nil && (row == nil || row.History), err
}

// Settings returns a person's choices, or the defaults.
func (a *Accounts) Settings(ctx context.Context, u *Unlocked) (Settings, error) {
	s, err := settingsOf(ctx, a.db.main.r, u)
	return s, storeError(err)
}

// SetSettings keeps a person's choices. Invalid for the fields "session" and "lock".
func (a *Accounts) SetSettings(ctx context.Context, u *Unlocked, s Settings) error {
	switch {
	case s.SessionLife != 0 && (s.SessionLife < MinSession || s.SessionLife > a.db.opts.SessionMax):
		return Errorf(Invalid, "session", "choose a time from the list: this server ends sessions after %s", a.db.opts.SessionMax)
	case s.LockAfter != 0 && (s.LockAfter < MinLock || s.LockAfter >= a.db.opts.SessionIdle):
		return Errorf(Invalid, "lock", "choose a time from the list: a session that is not used for %s ends anyway", a.db.opts.SessionIdle)
	}
	return a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		row, err := settingsRowOf(ctx, tx, u.Account.ID)
		if err != nil {
			return err
		}
		if row == nil {
			row = &settingsRow{ID: NewID(), AccountID: u.Account.ID}
		}
		row.SealVersion, row.History = version, s.History
		row.SealedSettings, err = sealJSON(u.Ring, seal.Account, row.place(), sealedSettings{
			History: s.History, SessionLife: s.SessionLife.Milliseconds(), LockAfter: s.LockAfter.Milliseconds()})
		if err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).On("CONFLICT (id) DO UPDATE").Set("seal_version = EXCLUDED.seal_version").
			Set("history = EXCLUDED.history").Set("sealed_settings = EXCLUDED.sealed_settings").Exec(ctx)
		return err
	})
}

// Bounds returns the longest session that the server allows, and the idle time after which any session ends.
func (s *Sessions) Bounds() (longest, idle time.Duration) {
	return s.db.opts.SessionMax, s.db.opts.SessionIdle
}
