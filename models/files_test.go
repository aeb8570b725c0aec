package models

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// forms are how a value could lie in a file.
func forms(s string) map[string][]byte {
	out := map[string][]byte{"raw": []byte(s), "hex": []byte(hex.EncodeToString([]byte(s))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(s))))}
	for skip := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + s))
		out[fmt.Sprint("base64 at ", skip)] = []byte(enc[4 : len(enc)-4])
	}
	return out
}

func findInDir(t *testing.T, dir, what string, forms map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for form, value := range forms {
			if bytes.Contains(b, value) {
				t.Errorf("%s stands in %s (%s)", what, e.Name(), form)
			}
		}
	}
}

func TestFiles_NothingReadable(t *testing.T) {
	db, _ := newTestDB(t)
	const secret = "planted-7f3a-xylophone-quagmire"
	u, err := db.Accounts.Register(t.Context(), "ada", secret)
	if err != nil {
		t.Fatal(err)
	}
	code := pending(t, db, u, ReasonNew)
	item := saveFile(t, db, u, secret)
	save(t, db, u, secret+"2", secret)
	if err := db.Items.Rename(t.Context(), u, item.ID, secret+"3"); err != nil {
		t.Fatal(err)
	}
	token, s := login(t, db, u)
	if err := db.Results.Create(t.Context(), s, &Result{Owner: "x", Verb: "encrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{Name: secret}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Renew(t.Context(), u, secret); err != nil {
		t.Fatal(err)
	}
	keys, err := db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	_, key := u.Ring.Current()
	planted := map[string]string{"password, text or title": secret, "recovery code": code, "token": token, "token bytes": string(raw), "account key": string(key[:])}
	for _, k := range keys {
		planted[k.Kind+" key"] = string(k.Versions[0].Secret)
	}
	for what, value := range planted {
		findInDir(t, db.opts.Dir, what, forms(value))
	}
}

// What was deleted is gone from both files and their logs after a checkpoint.
func TestCheckpoint_ForgetsDeleted(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	var kept []*Item
	var sealed [][]byte
	var purge []ID
	for i := range 40 {
		item := save(t, db, u, fmt.Sprint("item ", i), strings.Repeat("x", 50+i*200)) // also over several pages
		if i%2 == 0 {
			kept = append(kept, item)
			continue
		}
		purge = append(purge, item.ID)
		for _, column := range []string{"sealed_title", "sealed_body", "sealed_meta"} {
			b := value(t, db.main, blobColumn{"items", column}, item.ID[:])
			sealed = append(sealed, b[:40], b[len(b)-40:])
		}
	}
	token, s := login(t, db, u)
	if err := db.Results.Create(t.Context(), s, &Result{Owner: "x", Verb: "encrypt", State: StateReady, Blob: NewID()}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []blobColumn{{"sessions", "sealed_account_key"}, {"results", "sealed_meta"}} {
		var b []byte
		if err := db.sessions.w.DB.QueryRow("SELECT " + c.column + " FROM " + c.table).Scan(&b); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, b[:40], b[len(b)-40:])
	}
	old := value(t, db.main, blobColumn{"accounts", "sealed_unlock"}, u.Account.ID[:])
	sealed = append(sealed, old[:40], old[len(old)-40:])

	if n, err := db.Items.Trash(t.Context(), u, purge...); err != nil || n != 20 {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := db.Items.Purge(t.Context(), c.now()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Sessions.End(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
		t.Fatal(err)
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, value := range sealed {
		findInDir(t, db.opts.Dir, fmt.Sprint("deleted seal ", i), map[string][]byte{"raw": value})
	}
	for _, name := range []string{mainFile, sessionsFile} {
		if info, err := os.Stat(filepath.Join(db.opts.Dir, name+"-wal")); err != nil || info.Size() != 0 {
			t.Errorf("%s-wal: %v, %v", name, info, err)
		}
	}
	for _, item := range kept {
		if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || !bytes.Equal(got.Body, item.Body) {
			t.Fatalf("kept item: %v", err)
		}
	}
	if _, _, err := db.Sessions.Lookup(t.Context(), token); ErrorCode(err) != NotFound {
		t.Fatal(err)
	}
}

func TestDB_Concurrent(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	token, _ := login(t, db, u)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				item := &Item{Kind: "note", Title: "t", Body: []byte("b")}
				if err := db.Items.Save(context.Background(), u, item); err != nil {
					t.Error(err)
				}
				if got, err := db.Items.Get(context.Background(), u, item.ID); err != nil || got.Unreadable {
					t.Errorf("an acknowledged save is not there: %v", err)
				}
				if _, _, err := db.Sessions.Lookup(context.Background(), token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if err := db.Checkpoint(context.Background()); err != nil && ErrorCode(err) != Unavailable {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if n, err := db.Items.Count(t.Context(), u, ""); err != nil || n != 160 {
		t.Fatalf("%d items, %v", n, err)
	}
}
