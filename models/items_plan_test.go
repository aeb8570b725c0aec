package models

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/uptrace/bun"
)

// asked collects what is asked of a database.
type asked struct {
	mu      sync.Mutex
	queries []string
}

func (a *asked) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (a *asked) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queries = append(a.queries, e.Query)
}

// TestItems_Plans: with many items no page, and no start, reads rows that it does not show: an index holds what is
// asked for.
func TestItems_Plans(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	plain := db.main.r
	for name, tt := range map[string]struct {
		ask  func() error
		want string
	}{
		"List":     {func() error { _, _, err := db.Items.List(t.Context(), u, Filter{}); return err }, "SEARCH item_row USING INDEX items_list (account_id=?)"},
		"ListKind": {func() error { _, _, err := db.Items.List(t.Context(), u, Filter{Kind: "file"}); return err }, "SEARCH item_row USING INDEX items_kind (account_id=? AND kind=?)"},
		"Count":    {func() error { _, err := db.Items.Count(t.Context(), u, ""); return err }, "SEARCH item_row USING COVERING INDEX items_kind (account_id=?)"},
		"CountKind": {func() error { _, err := db.Items.Count(t.Context(), u, "note"); return err },
			"SEARCH item_row USING COVERING INDEX items_kind (account_id=? AND kind=?)"},
		"Standing": {func() error { _, err := db.Items.Standing(t.Context(), u); return err }, "SEARCH item_row USING INDEX items_kind (account_id=? AND kind=?)"},
		"Blobs":    {func() error { _, err := db.Items.Blobs(t.Context()); return err }, "SEARCH item_row USING COVERING INDEX items_blob (blob_id>?)"},
		"Usage":    {func() error { _, err := db.Items.UsageByAccount(t.Context()); return err }, "SCAN item_row USING COVERING INDEX items_kind"},
	} {
		t.Run(name, func(t *testing.T) {
			a := new(asked)
			db.main.r = plain.WithQueryHook(a)
			defer func() { db.main.r = plain }()
			if err := tt.ask(); err != nil {
				t.Fatal(err)
			}
			var plans []string
			for _, q := range a.queries {
				if !strings.HasPrefix(q, "SELECT") {
					continue
				}
				rows, err := plain.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q)
				if err != nil {
					t.Fatalf("%s: %v", q, err)
				}
				for rows.Next() {
					var id, parent, unused int
					var detail string
					if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
						t.Fatal(err)
					}
					plans = append(plans, detail)
				}
				if err := rows.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got := strings.Join(plans, "; "); got != tt.want {
				t.Errorf("%q\nis done by %s\nwant       %s", a.queries, got, tt.want)
			}
		})
	}
}
