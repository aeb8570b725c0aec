package importer

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func stampOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02T15:04:05.000000Z07:00")
}

// expectedV6 is what the truth says of version 6, with the two things that are settled here: a key that
// was imported again is the version it was, and of two active keys the newer one is.
func expectedV6(tr truth) *found {
	want := tr.expected()
	delete(want.keys, "key:38")
	want.keys["key:20"]["active"] = true
	want.keys["key:40"]["active"] = false
	return want
}

func TestV6_Truth(t *testing.T) {
	tr := readTruth(t, "v62")
	got, want := readAll(t, openV6(filepath.Join(tr.dir, "zencrypt.db"))), expectedV6(tr)
	same(t, "account", got.accounts, want.accounts)
	same(t, "text", got.texts, want.texts)
	same(t, "digest", got.digests, want.digests)
	same(t, "key", got.keys, want.keys)
	same(t, "pair", got.pairs, want.pairs)
	sameRejects(t, got.rejects, nil)
	if c := (Counts{tr.Counts["user"], tr.Counts["key"], tr.Counts["pgp_key"], tr.Counts["encrypted_text"], tr.Counts["hash"]}); got.counts != c {
		t.Errorf("counts: %+v, want %+v", got.counts, c)
	}
	notes := fmt.Sprint(got.notes)
	for _, part := range []string{"{key 38 the same key as key:20", "{key 40 the account has more than one active key", "{encrypted_text 30 no key"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note %q in %s", part, notes)
		}
	}
	if len(got.notes) != 3 {
		t.Errorf("notes: %v", got.notes)
	}
	for i, ref := range got.order {
		if ref != fmt.Sprint("user:", i+1) {
			t.Errorf("account %d is %s", i, ref)
		}
	}
}

func TestDefects(t *testing.T) {
	tr := readTruth(t, "v62")
	got, want := readAll(t, openV6(filepath.Join(tr.dir, tr.Defects.File))), expectedV6(tr)
	delete(want.texts, "encrypted_text:1")
	delete(want.texts, "encrypted_text:2")
	same(t, "account", got.accounts, want.accounts)
	same(t, "text", got.texts, want.texts)
	same(t, "digest", got.digests, want.digests)
	same(t, "key", got.keys, want.keys)
	same(t, "pair", got.pairs, want.pairs)
	sameRejects(t, got.rejects, tr.Defects.Rejects)
}
