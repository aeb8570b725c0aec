package models

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/password"
)

const oldMethod = "pbkdf2:sha256:1000"

func yields(all ...Record) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range all {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func note(ref, body string) Record {
	return Record{Ref: ref, Kind: RecordNote, Body: []byte(body), Created: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)}
}

// incoming is an account of an older Zencrypt.
func incoming(t testing.TB, id, login, pw string, all ...Record) *Incoming {
	t.Helper()
	salt := "salt" + id
	digest, err := password.Werkzeug(oldMethod, salt, pw)
	if err != nil {
		t.Fatal(err)
	}
	return &Incoming{
		Origin: []string{"v6", "user:" + id}, Login: login, Method: oldMethod, Salt: salt, Digest: digest,
		Created: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Records: yields(all...),
	}
}

func bring(t testing.TB, db *DB, in *Incoming) *Brought {
	t.Helper()
	out, err := db.Imports.Import(t.Context(), in, false)
	if err != nil {
		t.Fatalf("import %s: %v", in.Login, err)
	}
	return out
}

// bodies are the texts of a vault, sorted.
func bodies(t testing.TB, db *DB, u *Unlocked) (out []string) {
	t.Helper()
	var f Filter
	for {
		items, next, err := db.Items.List(t.Context(), u, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			full, err := db.Items.Get(t.Context(), u, i.ID)
			if err != nil || full.Unreadable {
				t.Fatalf("item %s does not open: %v", i.ID, err)
			}
			out = append(out, string(full.Body))
		}
		if next == nil {
			slices.Sort(out)
			return out
		}
		f.Before = *next
	}
}

func enter(t testing.TB, db *DB, login, pw string) *Unlocked {
	t.Helper()
	u, err := db.Accounts.Authenticate(t.Context(), login, pw)
	if err != nil {
		t.Fatalf("log in as %q: %v", login, err)
	}
	return u
}

func wrong(t testing.TB, db *DB, login, pw string) {
	t.Helper()
	if _, err := db.Accounts.Authenticate(t.Context(), login, pw); err == nil || err.Error() != errWrongLogin().Error() {
		t.Fatalf("log in as %q: %v, want the words for a wrong password", login, err)
	}
}

func TestImports_Import(t *testing.T) {
	db, c := newTestDB(t)
	one, two, three := fernet.NewKey(), fernet.NewKey(), fernet.NewKey()
	salt, empty := "a\r\nb\u2028", ""
	texts := []string{" ", "\n", "\r\n", "\u2028", "nul\x00 and \xff no text", "", strings.Repeat("long ", 200_000)}
	var all []Record
	for i, s := range texts {
		all = append(all, note(fmt.Sprint("text:", i), s))
	}
	all = append(all,
		Record{Ref: "text:lost", Kind: RecordUnreadable, Body: []byte("gAAAAAlost")},
		Record{Ref: "hash:1", Kind: RecordDigest, Body: []byte(strings.Repeat("Ab", 32)), Salt: &salt},
		Record{Ref: "hash:2", Kind: RecordDigest, Body: []byte(strings.Repeat("cd", 32)), Salt: &empty},
		Record{Ref: "hash:3", Kind: RecordDigest, Body: []byte(strings.Repeat("ef", 32))})
	in := incoming(t, "1", "  Old.Login@Example.org ", " spaced pass ", all...)
	day := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	in.Keys = []IncomingKey{{Ref: "key:1", Key: one, Created: day}, {Ref: "key:2", Key: two, Active: true, Created: day.Add(time.Hour)}, {Ref: "key:3", Key: three}}

	runs := db.kdf.runs.Load()
	out := bring(t, db, in)
	if db.kdf.runs.Load() != runs {
		t.Error("an import ran a slow hash")
	}
	if out.State != ImportNew || out.Login != in.Login || out.Renamed || out.Odd || out.Keys != 3 || out.Notes != len(texts) || out.Unreadable != 1 || out.Digests != 3 || out.Later != 0 {
		t.Fatalf("brought %+v", out)
	}
	if n := count(t, db.main, "SELECT count(*) FROM waiting_accounts WHERE instr(hex(sealed_account_key), ?) > 0", strings.ToUpper(hex.EncodeToString(in.Digest))); n != 0 {
		t.Fatal("the old digest was kept")
	}
	waiting, err := db.Imports.Waiting(t.Context(), ID{}, 10)
	if err != nil || len(waiting) != 1 || waiting[0].Items != len(all) || !waiting[0].Created.Equal(in.Created) || !waiting[0].Imported.Equal(c.now()) {
		t.Fatalf("waiting %+v, %v", waiting, err)
	}
	wrong(t, db, in.Login, "spaced pass") // the old program trimmed nothing
	wrong(t, db, in.Login, in.Login)
	wrong(t, db, in.Login, "")
	_, err = db.Accounts.Recover(t.Context(), in.Login, strings.Repeat("AAAA-", 7)+"AAAA", goodPassword)
	wantCode(t, err, Unauthorized, "")

	u := enter(t, db, "OLD.login@example.org", " spaced pass ")
	if !u.Account.Created.Equal(in.Created) || u.Account.Login != in.Login || u.Account.Epoch != 2 {
		t.Fatalf("account %+v", u.Account)
	}
	code := pending(t, db, u, ReasonImported)
	if n := count(t, db.main, "SELECT count(*) FROM waiting_accounts"); n != 0 {
		t.Fatal("it still waits")
	}
	want := slices.Concat(texts, []string{
		"gAAAAAlost",
		"salted SHA256 (text) = " + strings.Repeat("Ab", 32) + "\nsalt = \"a\\r\\nb\\u2028\"\n",
		"SHA256 (text) = " + strings.Repeat("cd", 32) + "\nsalt = \"\"\n",
		"SHA256 (text) = " + strings.Repeat("ef", 32) + "\n"})
	slices.Sort(want)
	if got := bodies(t, db, u); !slices.Equal(got, want) {
		t.Fatalf("the vault holds %.300q", got)
	}
	t.Run("Ring", func(t *testing.T) {
		ring, err := db.Keys.List(t.Context(), u)
		if err != nil || len(ring) != 2 {
			t.Fatalf("%d keys, %v", len(ring), err)
		}
		k, err := db.Keys.Default(t.Context(), u, KindFernet)
		if err != nil || len(k.Versions) != 3 || k.Last != 3 || !k.Versions[0].Created.Equal(day) || !k.Versions[2].Created.Equal(in.Created) {
			t.Fatalf("key %v, %v", k, err)
		}
		for i, secret := range []string{one, two, three} {
			state := KeyRetired
			if i == 1 {
				state = KeyActive
			}
			if v := k.Versions[i]; string(v.Secret) != secret || v.State != state || v.N != i+1 {
				t.Errorf("version %d is %s", i+1, v.State)
			}
		}
		if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
			t.Fatal(err)
		}
		if k, err = db.Keys.Default(t.Context(), u, KindFernet); err != nil || len(k.Versions) != 4 || k.Active(c.now()).N != 4 || k.Versions[1].State != KeyRetired {
			t.Fatalf("rotated: %v, %v", k, err)
		}
		if o, err := db.People.Find(t.Context(), "old.login@example.org"); err != nil || o.key(KindAge) == nil {
			t.Fatalf("others are given %v, %v", o, err)
		}
	})
	// From here on it is an account as any other.
	runs = db.kdf.runs.Load()
	again := enter(t, db, in.Login, " spaced pass ")
	if n := db.kdf.runs.Load() - runs; n != 2 {
		t.Errorf("the second log-in made %d runs", n)
	}
	if err := db.Accounts.Confirm(t.Context(), again, code); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.CheckPassword(t.Context(), again, " spaced pass "); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Renew(t.Context(), again, " spaced pass "); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Accounts.Reseal(t.Context(), again, 10_000); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	if got := bodies(t, db, again); !slices.Equal(got, want) {
		t.Fatal("the vault changed with the account key")
	}
	code = pending(t, db, again, ReasonRenewed)
	if _, err := db.Accounts.Recover(t.Context(), in.Login, code, goodPassword); err != nil {
		t.Fatalf("recover: %v", err)
	}
	enter(t, db, in.Login, goodPassword)
}

func TestImports_Bare(t *testing.T) {
	db, c := newTestDB(t)
	in := incoming(t, "1", "bare", "x")
	in.Created = time.Time{}
	in.Keys = []IncomingKey{{Ref: "zen.key", Key: fernet.NewKey(), Active: true, Shared: true}}
	in.RSA = []IncomingRSA{{Ref: "pgp_key:1", Private: []byte("garbage")}}
	out := bring(t, db, in)
	if len(out.Refused) != 1 || out.Refused[0].Ref != "pgp_key:1" || out.RSA != 0 {
		t.Fatalf("refused %+v", out.Refused)
	}
	u := enter(t, db, "bare", "x")
	if !u.Account.Created.Equal(c.now()) {
		t.Fatalf("made %v", u.Account.Created)
	}
	// Everybody of the old server had that key: nothing new is encrypted with it.
	k, err := db.Keys.Default(t.Context(), u, KindFernet)
	if err != nil || string(k.Versions[0].Secret) == in.Keys[0].Key {
		t.Fatalf("default key %v, %v", k, err)
	}
	ring, err := db.Keys.List(t.Context(), u)
	if err != nil || len(ring) != 3 || ring[0].Kind == "" {
		t.Fatalf("%d keys, %v", len(ring), err)
	}
	if i := slices.IndexFunc(ring, func(k Key) bool { return string(k.Versions[0].Secret) == in.Keys[0].Key }); i < 0 || ring[i].Versions[0].State != KeyRetired {
		t.Fatal("the shared key is not there to open")
	}
	many := incoming(t, "2", "many keys", "x")
	for i := range 150 {
		many.Keys = append(many.Keys, IncomingKey{Ref: fmt.Sprint("key:", i), Key: fernet.NewKey(), Active: i == 70})
	}
	bring(t, db, many)
	u = enter(t, db, "many keys", "x")
	if k, err = db.Keys.Default(t.Context(), u, KindFernet); err != nil || string(k.Active(c.now()).Secret) != many.Keys[70].Key {
		t.Fatalf("active key %v, %v", k, err)
	}
	n := 0
	ring, _ = db.Keys.List(t.Context(), u)
	for _, k := range ring {
		n += len(k.Versions)
	}
	if n != 151 {
		t.Fatalf("%d versions", n)
	}
}

func TestImports_Logins(t *testing.T) {
	db, _ := newTestDB(t)
	register(t, db, "Taken")
	first := register(t, db, "given-up")
	if _, err := db.Accounts.Delete(t.Context(), first, goodPassword); err != nil {
		t.Fatal(err)
	}
	at := func(in *Incoming, rank int) *Incoming {
		in.Rank = rank
		in.Created = in.Created.Add(time.Duration(rank) * time.Hour)
		return in
	}
	for _, c := range []struct {
		in    *Incoming
		login string
	}{
		{at(incoming(t, "1", "Zoë@x", "one"), 0), "Zoë@x"},
		{at(incoming(t, "2", "zoe\u0308@X", "two"), 1), "zoe\u0308@X-2"},
		{at(incoming(t, "3", " ZOË@x ", "one"), 2), "ZOË@x-3"},
		{at(incoming(t, "4", "zoë@x\n", "four"), 3), "zoë@x-4"},
		{at(incoming(t, "5", "zoë@X", "five"), 4), "zoë@X-5"},
		{at(incoming(t, "6", "taken", "six"), 0), "taken-2"},
		{at(incoming(t, "7", "Given-Up", "seven"), 0), "Given-Up-2"},
		{at(incoming(t, "8", "a b", "eight"), 0), "a b"},
		{at(incoming(t, "9", "x", "nine"), 0), "x"},
		{at(incoming(t, "10", "age1looks", "ten"), 0), "age1looks"},
		{at(incoming(t, "11", "p\u0430y\u200bpal", "eleven"), 0), "p\u0430y\u200bpal"},
		{at(incoming(t, "12", "nul\x00 \xff", "twelve"), 0), "nul\ufffd \ufffd"},
		{at(incoming(t, "13", strings.Repeat("long", 100), "thirteen"), 0), strings.Repeat("long", 100)},
	} {
		if out := bring(t, db, c.in); out.Login != c.login || out.Renamed != (strings.TrimSpace(c.in.Login) != strings.TrimSpace(c.login) && c.in.Origin[1] != "user:12") {
			t.Errorf("%q became %q, renamed %v", c.in.Login, out.Login, out.Renamed)
		}
	}
	spelled := func(login, pw, want string) {
		t.Helper()
		if u := enter(t, db, login, pw); u.Account.Login != want {
			t.Errorf("%q leads to %q", login, u.Account.Login)
		}
	}
	for range 2 { // before they have come, and after
		spelled("zoë@x", "one", "Zoë@x") // the third has the same password, the first comes first
		spelled("ZOË@X", "two", "zoe\u0308@X-2")
		spelled("zoë@x", "four", "zoë@x-4")
		wrong(t, db, "zoë@x", "five") // four tries, and it is the fifth
		spelled("ZOË@x-5 ", "five", "zoë@X-5")
		spelled("zoë@x-3", "one", "ZOË@x-3")
		spelled("TAKEN", goodPassword, "Taken")
		spelled("Taken", "six", "taken-2")
		spelled("given-up", "seven", "Given-Up-2")
		spelled("A b ", "eight", "a b")
		spelled("X", "nine", "x")
		spelled("AGE1looks", "ten", "age1looks")
		spelled("p\u0430y\u200bpal", "eleven", "p\u0430y\u200bpal")
		spelled("nul\ufffd \ufffd", "twelve", "nul\ufffd \ufffd")
		spelled(strings.Repeat("LONG", 100), "thirteen", strings.Repeat("long", 100))
	}
	_, err := db.Accounts.Register(t.Context(), "zoë@X-2", goodPassword)
	wantCode(t, err, Conflict, "login")
	if a, err := db.Accounts.ByLogin(t.Context(), "A B"); err != nil || a.Login != "a b" {
		t.Fatalf("by login: %v, %v", a, err)
	}
	// The old spelling works with a recovery code, too.
	u := enter(t, db, "zoë@x", "four")
	if again, err := db.Accounts.Recover(t.Context(), "zoë@x", pending(t, db, u, ReasonImported), goodPassword); err != nil || again.Account.ID != u.Account.ID {
		t.Fatalf("recover by the old spelling: %v", err)
	}
	for _, in := range []*Incoming{
		incoming(t, "20", " \n", "x"), incoming(t, "21", strings.Repeat("x", 5000), "x"),
		{Origin: []string{"22"}, Login: "costly", Method: "scrypt:1048576:8:1", Salt: "s", Digest: make([]byte, 64)},
		{Origin: []string{"23"}, Login: "costly", Method: "pbkdf2:sha256:9000000", Salt: "s", Digest: make([]byte, 32)},
		{Origin: []string{"24"}, Login: "costly", Method: "md5", Salt: "s", Digest: make([]byte, 32)},
	} {
		_, err := db.Imports.Import(t.Context(), in, false)
		if ErrorCode(err) != Invalid {
			t.Errorf("%.20q %s: %v", in.Login, in.Method, err)
		}
	}
}

func TestImports_Twice(t *testing.T) {
	db, _ := newTestDB(t)
	all := func(extra ...Record) []*Incoming {
		a := incoming(t, "1", "ada", "old pass", slices.Concat([]Record{note("text:1", "one"), note("text:2", "two")}, extra)...)
		a.Keys = []IncomingKey{{Ref: "key:1", Key: "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", Active: true}}
		b := incoming(t, "2", "bob", "old pass", note("text:3", "three"))
		c := incoming(t, "3", "eve", "old pass", note("text:4", "four"))
		return []*Incoming{a, b, c}
	}
	for _, in := range all() {
		bring(t, db, in)
	}
	ada := enter(t, db, "ada", "old pass")
	items, _, err := db.Items.List(t.Context(), ada, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.Title == "one" { // gone for good, the other one has another title now
			if _, err := db.Items.Forget(t.Context(), ada, i.ID); err != nil {
				t.Fatal(err)
			}
		} else if err := db.Items.Rename(t.Context(), ada, i.ID, "mine"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Accounts.DeleteByAdmin(t.Context(), enter(t, db, "eve", "old pass").Account.ID); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		return fmt.Sprint(count(t, db.main, "SELECT count(*) FROM accounts"), count(t, db.main, "SELECT count(*) FROM items"), count(t, db.main, "SELECT count(*) FROM imported_records"),
			count(t, db.main, "SELECT count(*) FROM key_versions"), count(t, db.main, "SELECT count(*) FROM imported_inbox"), count(t, db.main, "SELECT count(*) FROM waiting_accounts"))
	}
	before := state()
	for i, want := range []string{ImportKnown, ImportKnown, ImportGone} {
		out := bring(t, db, all()[i])
		if out.State != want || out.Notes != 0 || out.Later != 0 || out.Keys != 0 || want == ImportKnown && out.Known == 0 {
			t.Errorf("again: %+v", out)
		}
	}
	if after := state(); after != before {
		t.Fatalf("%s became %s", before, after)
	}
	// The old server went on for a while.
	salt := "s"
	more := all(note("text:9", "nine"), Record{Ref: "hash:9", Kind: RecordDigest, Body: []byte(strings.Repeat("ab", 32)), Salt: &salt},
		Record{Ref: "text:10", Kind: RecordUnreadable, Body: []byte("gAAAAAx")})[0]
	key := fernet.NewKey()
	more.Keys = append(more.Keys, IncomingKey{Ref: "key:9", Key: key, Active: true})
	for range 2 {
		bring(t, db, more)
	}
	if n := count(t, db.main, "SELECT count(*) FROM imported_inbox"); n != 4 {
		t.Fatalf("%d records wait", n)
	}
	// Bob has not come, but his account is here: it waits in the inbox, too.
	if out := bring(t, db, incoming(t, "2", "bob", "old pass", note("text:3", "three"), note("text:11", "eleven"))); out.Later != 1 || out.Notes != 1 || out.Known != 1 {
		t.Fatalf("bob: %+v", out)
	}
	ada = enter(t, db, "ada", "old pass")
	if got := bodies(t, db, ada); !slices.Equal(got, []string{"gAAAAAx", "nine", "salted SHA256 (text) = " + strings.Repeat("ab", 32) + "\nsalt = \"s\"\n", "two"}) {
		t.Fatalf("ada has %q", got)
	}
	k, err := db.Keys.Default(t.Context(), ada, KindFernet)
	if err != nil || len(k.Versions) != 1 {
		t.Fatalf("the default key changed: %v, %v", k, err)
	}
	ring, _ := db.Keys.List(t.Context(), ada)
	if !slices.ContainsFunc(ring, func(k Key) bool { return string(k.Versions[0].Secret) == key && k.Versions[0].State == KeyRetired }) {
		t.Fatal("the new key did not come")
	}
	if got := bodies(t, db, enter(t, db, "bob", "old pass")); !slices.Equal(got, []string{"eleven", "three"}) {
		t.Fatalf("bob has %q", got)
	}
	if n := count(t, db.main, "SELECT count(*) FROM imported_inbox"); n != 0 {
		t.Fatalf("%d records are left", n)
	}
}

func TestImports_DryRun(t *testing.T) {
	db, _ := newTestDB(t)
	in := incoming(t, "1", "ada", "old pass", note("text:1", "one"))
	for range 2 {
		if out, err := db.Imports.Import(t.Context(), in, true); err != nil || out.State != ImportNew || out.Notes != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
	}
	for _, table := range []string{"accounts", "items", "imported_accounts", "imported_records", "waiting_accounts", "keys"} {
		if n := count(t, db.main, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}

// What fails in the middle leaves nothing, and tells why as it was told.
func TestImports_Cut(t *testing.T) {
	db, _ := newTestDB(t)
	broken := errors.New("read dump: truncated after 7 bytes")
	in := incoming(t, "1", "ada", "old pass")
	in.Records = func(yield func(Record, error) bool) {
		for i := range 1000 {
			if !yield(note(fmt.Sprint(i), "x"), nil) {
				return
			}
		}
		yield(Record{}, broken)
	}
	if _, err := db.Imports.Import(t.Context(), in, false); err != broken {
		t.Fatalf("got %v", err)
	}
	if n := count(t, db.main, "SELECT count(*) FROM accounts"); n != 0 {
		t.Fatal("half of it is there")
	}
	in.Records = yields(note("1", "x"), Record{Ref: "2", Kind: RecordNote, Body: make([]byte, MaxRecord+1)})
	if out := bring(t, db, in); out.Notes != 1 || len(out.Refused) != 1 || out.Refused[0].Ref != "2" {
		t.Fatalf("%+v", out)
	}
}

func TestImports_Purge(t *testing.T) {
	db, c := newTestDB(t)
	a := bring(t, db, incoming(t, "1", "ada", "old pass", note("text:1", "one")))
	b := bring(t, db, incoming(t, "2", "bob", "old pass", note("text:2", "two")))
	enter(t, db, "bob", "old pass")
	c.add(100 * 24 * time.Hour)
	if all, waiting, err := db.Imports.Tally(t.Context()); err != nil || all != 2 || waiting != 1 {
		t.Fatalf("%d, %d, %v", all, waiting, err)
	}
	for id, want := range map[ID]bool{a.Account: true, b.Account: false, NewID(): false} {
		if gone, err := db.Imports.Purge(t.Context(), id); err != nil || gone != want {
			t.Errorf("purged %v, %v; want %v", gone, err, want)
		}
	}
	wrong(t, db, "ada", "old pass")
	enter(t, db, "bob", "old pass")
	for _, table := range []string{"waiting_accounts", "login_aliases"} {
		if n := count(t, db.main, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%d rows left in %s", n, table)
		}
	}
	if n := count(t, db.main, "SELECT count(*) FROM items"); n != 1 {
		t.Errorf("%d items", n)
	}
	if out := bring(t, db, incoming(t, "1", "ada", "old pass")); out.State != ImportGone {
		t.Fatalf("it came back: %+v", out)
	}
}

func TestImports_Advice(t *testing.T) {
	db, _ := newTestDB(t)
	in := incoming(t, "1", "ada", "weak")
	bring(t, db, in)
	in = incoming(t, "2", "ADA", goodPassword)
	in.Rank = 1
	bring(t, db, in)
	u := enter(t, db, "ada", "weak")
	advised := func(u *Unlocked, want Advice) {
		t.Helper()
		if got, err := db.Imports.Advice(t.Context(), u); err != nil || got != want {
			t.Fatalf("advice %+v, %v; want %+v", got, err, want)
		}
	}
	advised(u, Advice{WeakPassword: true})
	advised(register(t, db, "other"), Advice{})
	advised(enter(t, db, "ada", goodPassword), Advice{Renamed: true})
	if err := db.Accounts.Renew(t.Context(), u, "weak"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Reseal(t.Context(), u, 1000); err != nil {
		t.Fatal(err)
	}
	u = enter(t, db, "ada", "weak")
	advised(u, Advice{WeakPassword: true})
	wantCode(t, db.Accounts.ChangePassword(t.Context(), u, "weak", "weaker"), Invalid, "password")
	advised(u, Advice{WeakPassword: true})
	if err := db.Accounts.ChangePassword(t.Context(), u, "weak", goodPassword); err != nil {
		t.Fatal(err)
	}
	advised(u, Advice{})
}

// Two log-ins at once are both let in, and one recovery code counts.
func TestImports_Race(t *testing.T) {
	db, _ := newTestDB(t)
	bring(t, db, incoming(t, "1", "ada", "old pass", note("text:1", "one")))
	var wg sync.WaitGroup
	codes := make([]string, 4)
	for i := range codes {
		wg.Go(func() {
			u, err := db.Accounts.Authenticate(context.Background(), "ada", "old pass")
			if err != nil {
				t.Errorf("log-in %d: %v", i, err)
				return
			}
			if codes[i], _, _, err = db.Accounts.Pending(context.Background(), u); err != nil {
				t.Errorf("log-in %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for _, code := range codes {
		if code != codes[0] || code == "" {
			t.Fatal("several codes")
		}
	}
}

// A password in another Unicode form than the old program got it is tried as it was typed first.
func TestImports_PasswordForms(t *testing.T) {
	db, _ := newTestDB(t)
	bring(t, db, incoming(t, "1", "composed", "pässwörd"))
	bring(t, db, incoming(t, "2", "apart", "pa\u0308sswo\u0308rd"))
	enter(t, db, "composed", "pa\u0308sswo\u0308rd")
	enter(t, db, "apart", "pa\u0308sswo\u0308rd")
	enter(t, db, "apart", "pässwörd") // argon2id gets one form
}

// After the server key was rotated, what waits under the older one opens, and what came is still known.
func TestImports_OtherServerKey(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "data")
	o := testOptions(t, dir, c)
	db := openTest(t, o)
	in := incoming(t, "1", "ada", "old pass", note("text:1", "one"))
	bring(t, db, in)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	old := o.Pepper.Keys[o.Pepper.Active]
	o.Pepper = PepperKeys{Active: "ffff", Keys: map[string]ServerKey{"0011223344556677": old, "ffff": {Pepper: [32]byte{9}, Logins: [32]byte{8}}}}
	db = openTest(t, o)
	if out := bring(t, db, in); out.State != ImportKnown || out.Known != 1 || out.Notes != 0 {
		t.Fatalf("%+v", out)
	}
	if got := bodies(t, db, enter(t, db, "ada", "old pass")); !slices.Equal(got, []string{"one"}) {
		t.Fatalf("%q", got)
	}
	row, err := accountBy(t.Context(), db.main.r, "login_key", "ada")
	if err != nil || row.Pepper != "ffff" {
		t.Fatalf("pepper %s, %v", row.Pepper, err)
	}
}

func TestImports_Redacted(t *testing.T) {
	in := incoming(t, "1", "ada", "old pass")
	in.Keys = []IncomingKey{{Key: "secret-secret"}}
	in.RSA = []IncomingRSA{{Private: []byte("secret-secret")}}
	for _, v := range []any{*in, in, in.Keys[0], in.RSA[0], Record{Body: []byte("secret-secret")}} {
		if s := fmt.Sprintf("%v %+v %s", v, v, v); strings.Contains(s, "secret") {
			t.Errorf("%T prints %s", v, s)
		}
	}
}
