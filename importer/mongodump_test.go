package importer

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zencrypt/importer/testdata/older"
)

// TestV5_Mongodump reads an archive that mongodump's own code wrote (see testdata/mongodump), with an empty collection
// and one of the server's, and finds in it what stands in a dump of the same data, and nothing else.
func TestV5_Mongodump(t *testing.T) {
	spec := older.Spec{Seed: 7, Accounts: 5, Texts: 12, Digests: 4, Passwords: 5}
	dir := t.TempDir()
	if err := spec.V5(dir, older.Dump); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "zen.key")
	want := readAll(t, openV5(dir, key))
	if len(want.accounts) != 5 || len(want.texts) != 12 || len(want.digests) != 4 {
		t.Fatalf("the dump has %d accounts, %d texts, %d digests", len(want.accounts), len(want.texts), len(want.digests))
	}
	got := readAll(t, openV5("testdata/mongodump/zencrypt.archive", key))
	for name, pair := range map[string][2]any{"accounts": {got.accounts, want.accounts}, "texts": {got.texts, want.texts},
		"digests": {got.digests, want.digests}, "keys": {got.keys, want.keys}, "rejects": {got.rejects, want.rejects}} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
	var notes []string
	for _, n := range got.notes {
		notes = append(notes, n.Collection+" "+n.Text)
	}
	if len(notes) != len(want.notes)+2 || !strings.Contains(strings.Join(notes, "\n"), "zencrypt.sessions this is no collection of Zencrypt 5") {
		t.Errorf("notes: %q", notes)
	}
}
