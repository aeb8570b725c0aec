package models

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/uptrace/bun"
	"golang.org/x/text/unicode/norm"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// maxOldLogin bounds a login of an older Zencrypt, in bytes: that asked for none of today's rules.
const maxOldLogin = 4096

// maxTries is how many accounts one log-in tries a password on.
const maxTries = 4

// LoginKey is the key by which a login is found, as NormalizeLogin makes it, and that of a login of an older
// Zencrypt too, which breaks its rules. false for what is too long to be any.
func LoginKey(login string) (string, bool) {
	if len(login) > maxOldLogin {
		return "", false
	}
	login = strings.ReplaceAll(strings.ToValidUTF8(login, "\ufffd"), "\x00", "\ufffd")
	return fold(norm.NFC.String(strings.TrimSpace(login))), true
}

// OddLogin tells whether a login breaks today's rules, but for blanks around it: it came from an older Zencrypt.
func OddLogin(login string) bool {
	_, _, err := NormalizeLogin(login)
	return err != nil
}

// candidates are the accounts that a login may mean: the one whose login it is, and those that had it in other letters
// in an older Zencrypt, oldest first; at most four.
func (a *Accounts) candidates(ctx context.Context, login string) (rows []accountRow, err error) {
	key, ok := LoginKey(login)
	if !ok || !utf8.ValidString(login) {
		return nil, nil
	}
	rows, err = candidatesOf(ctx, a.db.main.r, key)
	return rows, storeError(err)
}

// Meant are the ids of the accounts that a login may mean, in the order in which a password is tried on them.
func (a *Accounts) Meant(ctx context.Context, login string) (ids []ID, err error) {
	rows, err := a.candidates(ctx, login)
	for i := range rows {
		ids = append(ids, rows[i].ID)
	}
	return ids, err
}

// WithoutSuffix is a login's key without what an import may have added to it: the spelling that several people had.
func WithoutSuffix(key string) string {
	at := strings.LastIndexByte(key, '-')
	if at <= 0 {
		return key
	}
	n, err := strconv.Atoi(key[at+1:])
	if err != nil || n < 2 || n > maxSuffix || strconv.Itoa(n) != key[at+1:] {
		return key
	}
	return key[:at]
}

// AnyAlias tells whether old spellings lead to accounts here.
func (im *Imports) AnyAlias(ctx context.Context) (bool, error) {
	any, err := im.db.main.r.NewSelect().Model((*aliasRow)(nil)).Exists(ctx)
	return any, storeError(err)
}

func candidatesOf(ctx context.Context, db bun.IDB, key string) (rows []accountRow, err error) {
	aliased := db.NewSelect().Model((*aliasRow)(nil)).Column("account_id").Where("alias_key = ?", key)
	err = withStanding(db.NewSelect().Model(&rows)).Where("deleted IS NULL").
		WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("login_key = ?", key).WhereOr("id IN (?)", aliased)
		}).
		OrderExpr("login_key <> ?, created, id", key).Limit(maxTries).Scan(ctx)
	return rows, err
}

// waits tells whether an account's person has not come since an import.
func (r *accountRow) waits() bool { return r.Verifier == "" }

// authenticateWaiting tries a password on an account that came from an older Zencrypt: computing its old digest again
// and opening the seal with it is the proof. It then is an account as any other. Unauthorized for another password.
func (a *Accounts) authenticateWaiting(ctx context.Context, row *accountRow, pw string) (*Unlocked, error) {
	waiting := &waitingRow{ID: row.ID}
	err := a.db.main.r.NewSelect().Model(waiting).WherePK().Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errCame
	}
	if err != nil {
		return nil, storeError(err)
	}
	key, err := a.openWaiting(row, waiting, pw)
	if err != nil {
		return nil, err
	}
	if row.Suspended != nil {
		return nil, errSuspended()
	}
	return a.arrive(ctx, row, key, pw)
}

// errCame says that the person came while the password was tried.
var errCame = errors.New("the account does not wait any more")

// openWaiting opens the account key with the password as it was typed, which is how the old program took it, and where
// that is another with its accents put together (NFC), as some keyboards send them.
func (a *Accounts) openWaiting(row *accountRow, waiting *waitingRow, pw string) (key seal.Key, err error) {
	server, ok := a.db.opts.Pepper.Keys[row.Pepper]
	if !ok {
		return seal.Key{}, errWrongLogin()
	}
	method, salt := waiting.Method, string(waiting.Salt)
	if err := password.CheckWaiting(method, salt); err != nil {
		return seal.Key{}, fail(Internal, "read waiting account", err)
	}
	forms := []string{pw}
	if nfc := norm.NFC.String(pw); nfc != pw {
		forms = append(forms, nfc)
	}
	for _, form := range forms {
		var digest []byte
		a.db.kdf.run(func() { digest, err = password.Werkzeug(method, salt, form) })
		if err != nil {
			return seal.Key{}, errWrongLogin() // too long for any account
		}
		if key, err = waiting.open(server, digest); err == nil {
			return key, nil
		}
	}
	return seal.Key{}, errWrongLogin()
}

// arrive moves an account from its waiting seal to the hierarchy of all accounts, in one transaction: the password
// gets a verifier and an unlock key, a recovery code waits in Pending, and the waiting seal is gone.
func (a *Accounts) arrive(ctx context.Context, waiting *accountRow, key seal.Key, pw string) (*Unlocked, error) {
	normalized, err := password.Normalize(pw)
	if err != nil {
		return nil, errWrongLogin()
	}
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, normalized)
	if err != nil {
		return nil, fail(Internal, "make verifier", err)
	}
	u := &Unlocked{Account: waiting.account(), Ring: seal.NewRing(waiting.KeyVersion, key)}
	advice := a.adviceFor(pw, waiting.Login)
	err = a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if !row.waits() {
			return errCame
		}
		row.setPassword(creds, unlock, key)
		row.Epoch++
		if err := row.newRecovery(u.Ring, millis(a.db.now()), ReasonImported); err != nil {
			return err
		}
		Failpoint("import-arrive")
		if _, err := tx.NewDelete().Model((*waitingRow)(nil)).Where("id = ?", row.ID).Exec(ctx); err != nil {
			return err
		}
		return advice.save(ctx, tx, u)
	})
	if errors.Is(err, errCame) || ErrorCode(err) == Unauthorized {
		return nil, errCame // another log-in was first, or it was deleted
	}
	if err != nil {
		return nil, err
	}
	Failpoint("import-arrived")
	return u, nil
}
