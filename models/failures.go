package models

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// maxFailures bounds the logins whose failures wait to be written, about 2 MB as people type, 8 MB at most. Each failure costs a slow hash, of
// which the server does some twenty a second, and they are written once a minute: nobody fills this up to hide one.
const maxFailures = 4096

// failures are counted in memory while somebody waits for an answer, and written later by somebody else: what a
// request does must not depend on whether a login exists.
type failures struct {
	mu      sync.Mutex
	waiting map[failureOf]*failure
	hours   map[hourOf]hour // the rows of the hour, which are written anew while it lasts

	writing sync.Mutex // one flush at a time, since two could write one row
}

// failureOf is whose failures these are: of a login as it was typed, folded, or of an account.
type failureOf struct {
	login   string
	account ID
	kind    string
}

type failure struct {
	n           int
	first, last time.Time
}

type hourOf struct {
	account ID
	kind    string
	begin   int64 // in milliseconds
}

type hour struct {
	row   ID
	n     int
	first time.Time
}

// FailureCount is what Flush wrote for one account.
type FailureCount struct {
	Account ID // zero for logins that do not exist, all together
	Kind    string
	N       int
}

// Failed counts a failure of a login that was typed, whether it exists or not. It touches no database. What no log-in
// takes, or has more bytes than any login of today's, is not counted.
func (a *Activity) Failed(login, kind string) {
	if key, ok := LoginKey(login); ok && key != "" && len(key) <= 8*maxLogin && utf8.ValidString(login) {
		a.failures.add(failureOf{login: key, kind: kind}, a.db.now())
	}
}

// FailedFor counts a failure of an account that is known.
func (a *Activity) FailedFor(account ID, kind string) {
	a.failures.add(failureOf{account: account, kind: kind}, a.db.now())
}

func (f *failures) add(of failureOf, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.waiting[of]
	if one == nil {
		if len(f.waiting) >= maxFailures {
			return
		}
		if f.waiting == nil {
			f.waiting = map[failureOf]*failure{}
		}
		one = &failure{first: now}
		f.waiting[of] = one
	}
	one.n++
	one.last = now
}

// take hands out what waits and fits.
func (f *failures) take(fits func(failureOf) bool) map[failureOf]*failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[failureOf]*failure{}
	for of, one := range f.waiting {
		if fits(of) {
			out[of] = one
			delete(f.waiting, of)
		}
	}
	return out
}

// back puts what could not be written with what waits.
func (f *failures) back(all map[failureOf]*failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for of, one := range all {
		if now := f.waiting[of]; now != nil {
			one.n, one.last = one.n+now.n, now.last
		}
		if f.waiting == nil {
			f.waiting = map[failureOf]*failure{}
		}
		f.waiting[of] = one
	}
}

// forget makes the next failure of an account begin a row of its own.
func (f *failures) forget(account ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for of := range f.hours {
		if of.account == account {
			delete(f.hours, of)
		}
	}
}

// Flush writes the failures that wait, one row for each account, kind and hour, and returns what there was, also of
// logins that do not exist. What can't be written waits on. A crash loses what waits, and a start within the hour
// begins another row.
func (a *Activity) Flush(ctx context.Context) ([]FailureCount, error) {
	return a.flush(ctx, func(failureOf) bool { return true })
}

// FlushOf writes the failures of one account. Nothing else may be written while a person waits: how long it takes
// would tell whether a login exists.
func (a *Activity) FlushOf(ctx context.Context, account *Account) ([]FailureCount, error) {
	key, ok := LoginKey(account.Login)
	return a.flush(ctx, func(of failureOf) bool { return of.account == account.ID || ok && of.login == key })
}

func (a *Activity) flush(ctx context.Context, fits func(failureOf) bool) (counts []FailureCount, err error) {
	a.failures.writing.Lock()
	defer a.failures.writing.Unlock()
	all := a.failures.take(fits)
	if len(all) == 0 {
		return nil, nil
	}
	unknown, rows := map[string]int{}, map[hourOf]hour{}
	err = a.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		for of, one := range all {
			accounts, err := of.accounts(ctx, tx)
			if err != nil {
				return err
			}
			if len(accounts) == 0 {
				unknown[of.kind] += one.n
			}
			for i := range accounts {
				account := &accounts[i]
				counts = append(counts, FailureCount{Account: account.ID, Kind: of.kind, N: one.n})
				keeps, err := keepsHistory(ctx, tx, account.ID)
				if err != nil {
					return err
				}
				if keeps {
					if err := a.count(ctx, tx, account, of.kind, one, rows); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		a.failures.back(all)
		return nil, err
	}
	a.failures.written(rows)
	for kind, n := range unknown {
		counts = append(counts, FailureCount{Kind: kind, N: n})
	}
	return counts, nil
}

// accounts are those that a failure was a try on: an old spelling may lead to several.
func (of failureOf) accounts(ctx context.Context, tx bun.Tx) ([]accountRow, error) {
	if of.login != "" {
		return candidatesOf(ctx, tx, of.login)
	}
	row, err := accountBy(ctx, tx, "id", of.account)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []accountRow{*row}, nil
}

// count writes the row of an account's failures in an hour, or writes it anew with more of them. rows are those of
// this flush.
func (a *Activity) count(ctx context.Context, tx bun.Tx, account *accountRow, kind string, one *failure, rows map[hourOf]hour) error {
	of := hourOf{account.ID, kind, millis(one.last.UTC().Truncate(time.Hour))}
	h, ok := rows[of]
	if !ok {
		h = a.failures.hour(of, one.first)
	}
	h.n += one.n
	rows[of] = h
	row := eventRow{ID: h.row, AccountID: account.ID, Created: millis(one.last)}
	e := Event{Kind: kind, Count: h.n, First: h.first}
	if err := row.close(account.HPKEPublic, &e); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&row).On("CONFLICT (id) DO UPDATE").
		Set("created = EXCLUDED.created").Set("sealed_event = EXCLUDED.sealed_event").Exec(ctx)
	return err
}

// hour is what stands in an hour's row, or a new row.
func (f *failures) hour(of hourOf, first time.Time) hour {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h, ok := f.hours[of]; ok {
		return h
	}
	return hour{row: NewID(), first: first}
}

// written remembers rows that stand in the database now, and forgets those of hours that are over.
func (f *failures) written(rows map[hourOf]hour) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.hours == nil {
		f.hours = map[hourOf]hour{}
	}
	newest := int64(0)
	for of, h := range rows {
		f.hours[of] = h
		newest = max(newest, of.begin)
	}
	for of := range f.hours {
		if of.begin < newest {
			delete(f.hours, of)
		}
	}
}
