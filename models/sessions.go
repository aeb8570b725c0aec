package models

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

const (
	tokenSize    = 32              // bytes, random
	touchEvery   = time.Minute     // a session's use is written at most this often, and ten times in its idle time
	pendingLife  = 5 * time.Minute // between the password and the second factor
	pendingTries = 5
)

// Session is one log-in, or a guest's stay. Only the cookie holds its token.
type Session struct {
	ID      ID
	Account *ID // nil for a guest
	Guest   bool
	Pending bool // the second factor is still to come: it serves nothing else
	Locked  bool // its account key was deleted after idle time: the password makes it anew
	Created time.Time
	Touched time.Time
	Expires time.Time // at the latest
	Tries   int       // left for the second factor
	Key     seal.Key  // of the session's results, from the token; zero in a list
	unlock  seal.Key  // opens the account key in the row
}

// Sessions is the store of sessions, in sessions.db.
type Sessions struct {
	db    *DB
	seen  sync.Map // account to the last day that was noted, see markSeen
	fresh sync.Map // session to the unlocked token that a form gave it, for the same form sent twice
	used  sync.Map // session to when it was used last, while that can't be written
}

type sessionRow struct {
	bun.BaseModel `bun:"table:sessions"`

	ID               ID `bun:",pk"`
	TokenHash        []byte
	AccountID        *ID
	Epoch            int64
	Pending          bool
	Tries            int
	Created          int64
	Touched          int64
	Expires          int64
	SealedAccountKey []byte

	lockAfter time.Duration // see lockRow
}

func (r *sessionRow) session() *Session {
	return &Session{
		ID: r.ID, Account: r.AccountID, Guest: r.AccountID == nil, Pending: r.Pending, Tries: r.Tries,
		Created: fromMillis(r.Created), Touched: fromMillis(r.Touched), Expires: fromMillis(r.Expires),
	}
}

func (r *sessionRow) place() seal.Place {
	return place("sessions", "sealed_account_key", r.ID, *r.AccountID)
}

// withToken puts in the keys that HKDF makes from the token.
func (s *Session) withToken(token []byte) *Session {
	s.Key, s.unlock = seal.Derive(token, infoResults), seal.Derive(token, infoSession)
	return s
}

// Create begins a session and returns its token, base64url of 32 random bytes, which is
// stored nowhere. Without u it is a guest's. A pending session lives 5 minutes and has
// 5 tries. Suspended for an account that is: however it was opened.
func (s *Sessions) Create(ctx context.Context, u *Unlocked, pending bool) (token string, session *Session, err error) {
	if u != nil && u.Account.Suspended {
		return "", nil, errSuspended()
	}
	secret := make([]byte, tokenSize)
	rand.Read(secret)
	row, session, err := s.newSession(ctx, u, pending, secret)
	if err != nil {
		return "", nil, err
	}
	if err := s.db.sessions.try(ctx, row.insert); err != nil {
		return "", nil, err
	}
	return base64.RawURLEncoding.EncodeToString(secret), session, nil
}

func (s *Sessions) newSession(ctx context.Context, u *Unlocked, pending bool, secret []byte) (*sessionRow, *Session, error) {
	hash := sha256.Sum256(secret)
	now := s.db.now()
	row := &sessionRow{ID: NewID(), TokenHash: hash[:], Pending: pending, Created: millis(now), Touched: millis(now)}
	row.Expires = millis(now.Add(s.db.opts.SessionMax))
	if pending {
		row.Expires, row.Tries = millis(now.Add(pendingLife)), pendingTries
	}
	if u != nil {
		id := u.Account.ID
		row.AccountID, row.Epoch = &id, u.Account.Epoch
		version, key := u.Ring.Current()
		row.SealedAccountKey = seal.Seal(seal.Derive(secret, infoSession), version, row.place(), key[:])
		choices, err := s.db.Accounts.Settings(ctx, u)
		if err != nil {
			return nil, nil, err
		}
		if choices.SessionLife > 0 {
			row.Expires = min(row.Expires, millis(now.Add(choices.SessionLife)))
		}
		row.lockAfter = choices.LockAfter
	}
	return row, row.session().withToken(secret), nil
}

func errNoSession() error { return Errorf(NotFound, "", "find session: there is none") }

// Lookup finds the session of a token and opens its account, with the older versions
// of its key; Unlocked is nil for a guest and while a second factor is pending. It is
// NotFound for no session and Gone for one that has ended: idle, too old, or of an
// epoch before the account's last change of password, code or key. The use is noted
// at most once a minute. A session that locked itself comes without Unlocked too.
func (s *Sessions) Lookup(ctx context.Context, token string) (*Session, *Unlocked, error) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The decoder passes over line ends, so that the text's length is looked at too.
	if err != nil || len(secret) != tokenSize || len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return nil, nil, errNoSession()
	}
	hash := sha256.Sum256(secret)
	row := new(sessionRow)
	err = s.db.sessions.r.NewSelect().Model(row).Where("token_hash = ?", hash[:]).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, errNoSession()
	}
	if err != nil {
		return nil, nil, storeError(err)
	}
	s.recall(row)
	session := row.session().withToken(secret)
	if s.ended(row) {
		s.remove(ctx, row)
		return nil, nil, errGone()
	}
	if session.Locked, err = s.locked(ctx, row); err != nil {
		return nil, nil, err
	}
	var u *Unlocked
	if session.Locked {
		err = s.checkEpoch(ctx, row)
	} else if row.AccountID != nil {
		u, err = s.open(ctx, row, session.unlock)
	}
	if err != nil {
		if ErrorCode(err) == Gone {
			s.remove(ctx, row)
		}
		return nil, nil, err
	}
	if session.Locked {
		return session, nil, nil // asking for the password is no use of what it opens
	}
	if row.AccountID != nil && !row.Pending {
		s.markSeen(ctx, *row.AccountID)
	}
	if now := s.db.now(); now.Sub(session.Touched) >= s.touchEvery(row) {
		if err := s.Touch(ctx, row.ID); err != nil && ErrorCode(err) != Unavailable {
			return nil, nil, err
		}
		session.Touched = fromMillis(millis(now))
	}
	if row.Pending {
		u = nil
	}
	return session, u, nil
}

// touchEvery is how often a session's use is noted: ten times in the time after which it would end or lock.
func (s *Sessions) touchEvery(row *sessionRow) time.Duration {
	every := min(touchEvery, s.db.opts.SessionIdle/10)
	if row.lockAfter > 0 {
		every = min(every, row.lockAfter/10)
	}
	return every
}

func (s *Sessions) ended(row *sessionRow) bool {
	now := s.db.now()
	unused := now.Sub(fromMillis(row.Touched))
	idle := !row.Pending && unused >= s.db.opts.SessionIdle
	// One of a time to come began under a clock that was wrong, and would outlive all others.
	ahead := -unused > s.db.opts.SessionIdle
	return idle || ahead || millis(now) >= row.Expires
}

// remove takes away the row of a session that has ended; where that fails, Expire does it
// later. Its results stay for Results.Expire, which reports their files.
func (s *Sessions) remove(ctx context.Context, row *sessionRow) {
	var stopped []sessionRow
	err := s.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) (err error) {
		stopped, err = removeRows(ctx, tx, []ID{row.ID})
		return err
	})
	if err == nil {
		s.stopped(stopped)
		s.forget(row.ID)
	}
}

func errGone() error { return Errorf(Gone, "", "this session has ended: log in again") }

// open opens the account of a session in one state of zencrypt.db. Gone when the
// account is, or its epoch has risen.
func (s *Sessions) open(ctx context.Context, row *sessionRow, by seal.Key) (u *Unlocked, err error) {
	err = s.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := accountBy(ctx, tx, "id", *row.AccountID)
		if errors.Is(err, sql.ErrNoRows) {
			return errGone()
		}
		if err != nil {
			return err
		}
		if account.Epoch != row.Epoch || account.Suspended != nil {
			return errGone()
		}
		key, err := seal.Open(by, row.place(), row.SealedAccountKey)
		if err != nil {
			return fail(Unauthorized, "open session: it was changed, log in again", err)
		}
		if v, _ := seal.Version(row.SealedAccountKey); v != account.KeyVersion || len(key) != seal.KeySize {
			return errGone()
		}
		r, err := ring(ctx, tx, account, seal.Key(key))
		u = &Unlocked{Account: account.account(), Ring: r}
		return err
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}
