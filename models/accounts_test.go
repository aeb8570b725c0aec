package models

import (
	"strings"
	"testing"

	"zencrypt/crypto/seal"
)

func TestNormalizeLogin(t *testing.T) {
	for name, c := range map[string]struct{ in, spelling, key string }{
		"Trimmed":  {" \tAda \n", "Ada", "ada"},
		"NFC":      {"Ame\u0301lie", "Am\u00e9lie", "am\u00e9lie"},
		"Folded":   {"STRASSE", "STRASSE", "strasse"},
		"FullFold": {"Straße", "Straße", "strasse"},
		"Greek":    {"ΟΔΥΣΣΕΥΣ", "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"},
		"Mail":     {"A.B+c@Example.org", "A.B+c@Example.org", "a.b+c@example.org"},
		"Cherokee": {"\uab70\uab71\uab72", "\uab70\uab71\uab72", "\u13a0\u13a1\u13a2"},
		"Width":    {"Ａｄａ", "Ａｄａ", "ada"},
		"Thai":     {"น้ำ", "น้ำ", "น\u0e49\u0e4d\u0e32"},
		"Japanese": {"Taroたろう太郎", "Taroたろう太郎", "taroたろう太郎"},
		"Scripts":  {"иван.smith@пример.org", "иван.smith@пример.org", "иван.smith@пример.org"},
		"Longest":  {strings.Repeat("é", 254), strings.Repeat("é", 254), strings.Repeat("é", 254)},
	} {
		t.Run(name, func(t *testing.T) {
			spelling, key, err := NormalizeLogin(c.in)
			if err != nil || spelling != c.spelling || key != c.key {
				t.Fatalf("got %q, %q, %v; want %q, %q", spelling, key, err, c.spelling, c.key)
			}
			if _, again, err := NormalizeLogin(key); err != nil || again != key {
				t.Fatalf("the key of a key is %q, %v", again, err)
			}
		})
	}
	for name, in := range map[string]string{
		"Empty": "", "Short": "ab", "Long": strings.Repeat("a", 255), "Space": "a bcd", "NoBreakSpace": "ab\u00a0cd",
		"NUL": "abc\x00d", "Control": "abc\x1bd", "Bidi": "abc\u202ed", "ZeroWidth": "abc\u200bd",
		"Filler": "abc\u3164", "HalfFiller": "abc\uffa0", "Jamo": "abc\u115f", "Variation": "abc\ufe0f", "VariationTag": "abc\U000e0100", "Mongolian": "abc\u180b",
		"Joiner": "a\u034fbc", "SoftHyphen": "ab\u00adc", "Braille": "abc\u2800", "Notehead": "abc\U0001d159", "Egyptian": "abc\U00013441",
		"Cyrillic": "\u0430da", "CyrillicDigit": "p\u0430y4you", "Greek": "ad\u03b1", "Armenian": "\u0585da", "MixedDomain": "ada@ex\u0430mple.org", "BadUTF8": "abc\xffd",
		"Age": "age1qyz", "AgeSecret": "AGE-SECRET-KEY-1", "SSH": "ssh-ed25519", "SSHUpper": "SSH-RSA", "PEM": "-----BEGIN", "Huge": strings.Repeat("a", 1<<20),
	} {
		t.Run("Refused/"+name, func(t *testing.T) {
			_, _, err := NormalizeLogin(in)
			wantCode(t, err, Invalid, "login")
			if len(err.Error()) > 100 {
				t.Fatalf("the error repeats the login")
			}
		})
	}
}

func TestAccounts_Register(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, " Amélie ")
	if u.Account.Login != "Amélie" || !u.Account.RecoveryPending || u.Account.KeyVersion != 1 {
		t.Fatalf("account is %+v", u.Account)
	}
	t.Run("TakenInAnyCaseOrForm", func(t *testing.T) {
		for _, login := range []string{"Amélie", "AMÉLIE", "ame\u0301lie", "\tamélie"} {
			_, err := db.Accounts.Register(t.Context(), login, goodPassword)
			wantCode(t, err, Conflict, "login")
		}
	})
	t.Run("BadLogin", func(t *testing.T) {
		_, err := db.Accounts.Register(t.Context(), "a b c", goodPassword)
		wantCode(t, err, Invalid, "login")
	})
	t.Run("BadPassword", func(t *testing.T) {
		for _, pw := range []string{"", "short", "passwordpassword", "aaaaaaaaaaaaaaaaaa", strings.Repeat("x1", 600), "umber-otter\xff-glacier"} {
			_, err := db.Accounts.Register(t.Context(), "somebody", pw)
			wantCode(t, err, Invalid, "password")
		}
	})
	if n := count(t, db.main, "SELECT count(*) FROM accounts"); n != 1 {
		t.Fatalf("%d accounts, want 1", n)
	}
	t.Run("FirstKeys", func(t *testing.T) {
		keys, err := db.Keys.List(t.Context(), u)
		if err != nil || len(keys) != 2 {
			t.Fatalf("keys: %v, %v", keys, err)
		}
		for _, kind := range []string{"age", "fernet"} {
			k, err := db.Keys.Default(t.Context(), u, kind)
			if err != nil || len(k.Versions) != 1 || k.Versions[0].State != KeyActive || len(k.Versions[0].Secret) == 0 {
				t.Fatalf("default %s key: %v, %v", kind, k, err)
			}
		}
		_, err = db.Keys.Default(t.Context(), u, "pgp")
		wantCode(t, err, Invalid, "to")
	})
	t.Run("OwnPair", func(t *testing.T) {
		row, err := accountBy(t.Context(), db.main.r, "id", u.Account.ID)
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := row.openPairs(u.Ring)
		if err != nil || len(pairs) != 1 {
			t.Fatalf("%d pairs, %v", len(pairs), err)
		}
		ct, err := seal.SealTo(u.Account.HPKEPublic, []byte("i"), []byte("a"), []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		if pt, err := seal.OpenFrom(pairs[0].Private, []byte("i"), []byte("a"), ct); err != nil || string(pt) != "hello" {
			t.Fatalf("opened %q, %v", pt, err)
		}
	})
}

func TestAccounts_Delete(t *testing.T) {
	db, _ := newTestDB(t)
	u, other := register(t, db, "Ada"), register(t, db, "Bob")
	item, kept := saveFile(t, db, u, "mine"), saveFile(t, db, other, "theirs")
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil { // so that account_keys has a row
		t.Fatal(err)
	}
	token, s := login(t, db, u)
	if err := db.Results.Create(t.Context(), s, &Result{Owner: "x", Verb: "encrypt", State: StateReady, Blob: NewID()}); err != nil {
		t.Fatal(err)
	}
	_, err := db.Accounts.Delete(t.Context(), u, "wrong")
	wantCode(t, err, Unauthorized, "current")
	blobs, err := db.Accounts.Delete(t.Context(), u, goodPassword)
	if err != nil || len(blobs) != 1 || blobs[0] != item.Blob.ID {
		t.Fatalf("blobs %v, %v", blobs, err)
	}
	results, err := db.Sessions.EndAll(t.Context(), u.Account.ID, nil)
	if err != nil || len(results) != 1 {
		t.Fatalf("results %v, %v", results, err)
	}
	for table, query := range map[string]string{
		"accounts": "id", "account_keys": "account_id", "items": "account_id", "keys": "account_id", "key_versions": "account_id",
	} {
		if n := count(t, db.main, "SELECT count(*) FROM "+table+" WHERE "+query+" = ?", u.Account.ID[:]); n != 0 {
			t.Errorf("%s: %d rows left", table, n)
		}
	}
	for _, table := range []string{"sessions", "results"} {
		if n := count(t, db.sessions, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s: %d rows left", table, n)
		}
	}
	if _, _, err := db.Sessions.Lookup(t.Context(), token); ErrorCode(err) != NotFound {
		t.Fatalf("session: %v", err)
	}
	for _, login := range []string{"Ada", "ADA", " ada"} {
		_, err := db.Accounts.Register(t.Context(), login, goodPassword)
		wantCode(t, err, Conflict, "login")
	}
	if n := count(t, db.main, "SELECT count(*) FROM retired_logins WHERE instr(hex(digest), hex('ada')) > 0"); n != 0 {
		t.Fatal("the login itself was kept")
	}
	if got, err := db.Items.Get(t.Context(), other, kept.ID); err != nil || got.Unreadable {
		t.Fatalf("another account's item: %v, %v", got, err)
	}
	_, err = db.Accounts.DeleteByAdmin(t.Context(), u.Account.ID)
	wantCode(t, err, NotFound, "")
	if blobs, err := db.Accounts.DeleteByAdmin(t.Context(), other.Account.ID); err != nil || len(blobs) != 1 {
		t.Fatalf("delete by admin: %v, %v", blobs, err)
	}
	// A save that began before the end has nowhere to go.
	wantCode(t, db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "x"}), Unauthorized, "")
}

func TestAccounts_List(t *testing.T) {
	db, _ := newTestDB(t)
	seen := make(map[string]bool)
	for _, login := range []string{"ada", "bob", "eve"} {
		register(t, db, login)
	}
	var after ID
	for {
		page, err := db.Accounts.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, a := range page {
			seen[a.Login] = true
			after = a.ID
		}
	}
	if len(seen) != 3 {
		t.Fatalf("saw %v", seen)
	}
	if a, err := db.Accounts.ByLogin(t.Context(), "ADA"); err != nil || a.Login != "ada" {
		t.Fatalf("by login: %v, %v", a, err)
	}
	for _, login := range []string{"nobody", "a\x00b", "' OR 1=1 --"} {
		_, err := db.Accounts.ByLogin(t.Context(), login)
		wantCode(t, err, NotFound, "")
	}
}
