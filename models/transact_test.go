package models

import (
	"context"
	"testing"
	"time"

	"github.com/uptrace/bun"
)

// forever is a query that does not end by itself.
const forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

// TestLimits: what takes too long is cut off, is told as busy, and leaves connections that work.
func TestLimits(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	soon := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(t.Context(), 50*time.Millisecond)
	}
	for name, slow := range map[string]func(context.Context) error{
		"Read": func(ctx context.Context) error {
			return db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
				var n int
				return tx.NewRaw(forever).Scan(ctx, &n)
			})
		},
		"ReadAlone": func(ctx context.Context) error {
			var n int
			return storeError(db.main.r.NewRaw(forever).Scan(ctx, &n))
		},
		"Write": func(ctx context.Context) error {
			return db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
				if _, err := tx.NewDelete().Model((*itemRow)(nil)).Where("TRUE").Exec(ctx); err != nil {
					return err
				}
				var n int
				return tx.NewRaw(forever).Scan(ctx, &n)
			})
		},
		"Upkeep": func(ctx context.Context) error { return db.main.exec(ctx, forever) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 * readers { // no connection is lost
				ctx, cancel := soon()
				if err := slow(ctx); !Busy(err) || ReadOnly(err) {
					t.Fatalf("%v", err)
				}
				cancel()
			}
			if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || string(got.Body) != "body" {
				t.Fatalf("%v, %v", got, err)
			}
			save(t, db, u, "after", "body")
			for _, pragma := range []string{"foreign_keys", "secure_delete", "query_only"} {
				want := int64(1)
				if pragma == "query_only" {
					want = 0
				}
				if n, err := db.main.pragma(t.Context(), pragma); err != nil || n != want {
					t.Fatalf("%s is %d, %v", pragma, n, err)
				}
			}
		})
	}
}

// TestLimits_Usual: everything has a limit, whoever asks.
func TestLimits_Usual(t *testing.T) {
	db, _ := newTestDB(t)
	left := func(ctx context.Context) time.Duration {
		end, ok := ctx.Deadline()
		if !ok {
			t.Error("there is no limit")
		}
		return time.Until(end)
	}
	within := func(what string, got, most time.Duration) {
		t.Helper()
		if got > most || most == longTime && got < longTime/2 {
			t.Errorf("%s: %v are left of %v", what, got, most)
		}
	}
	for _, tc := range []struct {
		ctx         context.Context
		read, write time.Duration
	}{
		{t.Context(), readTime, writeTime},
		{Unhurried(t.Context()), longTime, longTime},
	} {
		err := db.main.read(tc.ctx, func(ctx context.Context, _ bun.Tx) error { within("read", left(ctx), tc.read); return nil })
		if err != nil {
			t.Fatal(err)
		}
		err = db.main.write(tc.ctx, func(ctx context.Context, _ bun.Tx) error { within("write", left(ctx), tc.write); return nil })
		if err != nil {
			t.Fatal(err)
		}
		ctx := limitHook{}.BeforeQuery(tc.ctx, &bun.QueryEvent{IQuery: db.main.r.NewSelect()})
		within("statement", left(ctx), tc.read)
		limitHook{}.AfterQuery(ctx, nil)
		if ctx.Err() == nil {
			t.Error("a statement's timer goes on after it")
		}
	}
	own, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if ctx := (limitHook{}).BeforeQuery(own, &bun.QueryEvent{IQuery: db.main.r.NewSelect()}); ctx != own {
		t.Error("a limit of its own was shortened")
	}
}
