package importer

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"zencrypt/crypto/fernet"
	"zencrypt/importer/testdata/older"
)

const (
	oddPassword = "pbkdf2:sha256:1000$salt$abababababababababababababababababababababababababababababababab"
	oddDigest   = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef"
)

// oddKey parses a key of [small]'s.
func oddKey(t testing.TB, n int) fernet.Key {
	t.Helper()
	k, err := fernet.ParseKey(small.Key(n))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func oddToken(t testing.TB, n int, plain string) string {
	t.Helper()
	b, err := fernet.Encrypt(oddKey(t, n), []byte(plain), time.Unix(1.7e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// reasonsOf are the rejects as "collection id reason", sorted.
func reasonsOf(f *found) (out []string) {
	for _, r := range f.rejects {
		out = append(out, r.Collection+" "+r.ID+" "+r.Reason)
	}
	slices.Sort(out)
	return out
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// texts whose bytes must survive.
var oddTexts = []string{"", " ", "\n", "\r\n", "\u2028", "\x00", "a\x00b\x00", "\ufeffx\ufeff", "  both  ", "e\u0301 \u00e9", strings.Repeat("x", 1<<20)}

// TestV6_Odd is what SQLite lets a table hold, whatever the old program meant to write.
func TestV6_Odd(t *testing.T) {
	made, path := filepath.Join(t.TempDir(), "odd.db"), filepath.Join(t.TempDir(), "odd ?#%20&.db")
	db := writer(t, made, "_pragma=foreign_keys(0)")
	for _, q := range []string{
		// Without NOT NULL and UNIQUE, so that everything can be there; in another spelling; with columns and tables of others.
		`CREATE TABLE "USER" (id INTEGER PRIMARY KEY, more BLOB, email VARCHAR(120), password_hash, created_at DATETIME)`,
		`CREATE TABLE "key" (id INTEGER PRIMARY KEY, key_value, active BOOLEAN, created_at DATETIME, user_id)`,
		`CREATE TABLE hash (hash_value, user_id INTEGER)`,
		`CREATE TABLE encrypted_text (id TEXT, encrypted_content, created_at DATETIME, user_id INTEGER)`,
		`CREATE TABLE "an ""other" (x)`, `INSERT INTO "an ""other" VALUES (1), (2)`, `CREATE TABLE ecc_key (x)`,
		`CREATE VIEW everybody AS SELECT * FROM user`,
	} {
		mustExec(t, db, q)
	}
	date := "2024-02-03 04:05:06"
	for id, u := range map[int][]any{
		1: {"one", oddPassword, date}, 2: {nil, oddPassword, date}, 3: {"", oddPassword, nil}, 4: {[]byte("four"), oddPassword, nil},
		5: {strings.Repeat("x", 5000), oddPassword, nil}, 6: {"one", oddPassword, nil}, 7: {"ONE", oddPassword, "yesterday"}, 8: {"eight", nil, nil},
		9: {"nine", "plain", nil}, 10: {"ten", "pbkdf2:sha256:999999999$s$" + oddDigest, nil}, 11: {"eleven", []byte(oddPassword), nil}, 12: {" \n\x00 ", oddPassword, 1.5e9},
		-13: {"minus", oddPassword, "2024-02-03T04:05:06+02:00"}, 14: {"\xff", oddPassword, nil},
	} {
		mustExec(t, db, `INSERT INTO user (id, email, password_hash, created_at, more) VALUES (?, ?, ?, ?, x'00')`, append([]any{id}, u...)...)
	}
	k1, k2 := small.Key(1), small.Key(2)
	for id, k := range map[int][]any{
		1: {[]byte(" " + k1[:10] + "\r\n\t" + k1[10:] + "\n"), "true", date, 1}, 2: {strings.NewReplacer("-", "+", "_", "/").Replace(k2), nil, nil, 1},
		3: {k1, 1, nil, 1}, 4: {nil, 1, nil, 1}, 5: {"", 1, nil, 1}, 6: {7, 1, nil, 1}, 7: {strings.TrimRight(k1, "="), 1, nil, 7}, 8: {k1, 1, nil, 2}, 9: {k1, 1, nil, nil}, 10: {k1, 1, nil, "x"},
	} {
		mustExec(t, db, `INSERT INTO "key" VALUES (?, ?, ?, ?, ?)`, append([]any{id}, k...)...)
	}
	want := map[string]string{}
	for i, s := range oddTexts {
		var content any = oddToken(t, 1+i%2, s)
		if i%3 == 1 {
			content = []byte(content.(string)) // SQLAlchemy, when it was given bytes
		}
		mustExec(t, db, `INSERT INTO encrypted_text VALUES (?, ?, ?, 1)`, fmt.Sprint("t", i), content, i*1000)
		want[fmt.Sprint("encrypted_text:t", i)] = s
	}
	mustExec(t, db, `INSERT INTO encrypted_text VALUES (NULL, ?, NULL, 7), ('null', NULL, NULL, 7), ('empty', '', NULL, 7), ('number', 5, NULL, 7), ('stranger', ?, NULL, -13), ('orphan', 'x', NULL, 99), ('rejected', 'x', NULL, 6)`,
		oddToken(t, 1, "no id"), oddToken(t, 3, "no key"))
	want["encrypted_text:null"] = "no id"
	mustExec(t, db, `INSERT INTO encrypted_text VALUES ('long', replace(hex(zeroblob(13000000)), '0', 'A'), NULL, 7)`)
	mustExec(t, db, `INSERT INTO hash VALUES (?, 1), (?, 1), (NULL, 1), (5, 1), (?, 8)`, oddDigest, []byte(oddDigest), oddDigest)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(made, path); err != nil {
		t.Fatal(err)
	}

	f := readAll(t, openV6(path))
	wantLines(t, reasonsOf(f),
		"user 2 email is null", "user 3 email is empty", "user 4 email is not text", "user 5 email is too long", "user 6 duplicate email",
		"user 8 password hash is null", "user 9 unsupported password hash", "user 10 password hash is too costly", "user 11 password hash is not text", "user 14 email is not text",
		"key 4 missing Fernet key", "key 5 malformed Fernet key", "key 6 malformed Fernet key", "key 8 owner rejected", "key 9 orphan: no user_id", "key 10 orphan: bad user_id",
		"encrypted_text null encrypted_content is null", "encrypted_text empty not a token", "encrypted_text number encrypted_content is not text", "encrypted_text long encrypted_content is too long",
		"encrypted_text orphan orphan: no such user", "encrypted_text rejected owner rejected",
		"hash 3 hash_value is null", "hash 4 digest is not 64 hex", "hash 5 owner rejected")
	if !slices.Equal(f.order, []string{"user:-13", "user:1", "user:7", "user:12"}) {
		t.Errorf("order %v", f.order)
	}
	for ref, login := range map[string]string{"user:1": "one", "user:7": "ONE", "user:12": " \n\x00 ", "user:-13": "minus"} {
		if f.accounts[ref]["login"] != login {
			t.Errorf("%s: %v", ref, f.accounts[ref])
		}
	}
	for ref, made := range map[string]string{"user:1": "2024-02-03T04:05:06.000000Z", "user:7": "", "user:12": "2017-07-14T02:40:00.000000Z", "user:-13": "2024-02-03T02:05:06.000000Z"} {
		if f.accounts[ref]["created"] != made {
			t.Errorf("%s: %v", ref, f.accounts[ref])
		}
	}
	for ref, plain := range want {
		if x := f.texts[ref]; x == nil || x["plain"] != plain || x["readable"] != true {
			t.Errorf("%s: %.100v", ref, x)
		}
	}
	if x := f.texts["encrypted_text:stranger"]; x == nil || x["readable"] != false || len(f.texts) != len(want)+1 {
		t.Errorf("%d texts, %v", len(f.texts), x)
	}
	if k := f.keys["key:1"]; len(f.keys) != 3 || k["key"] != k1 || k["active"] != true || f.keys["key:2"]["key"] != k2 || f.keys["key:2"]["active"] != false || f.keys["key:7"]["key"] != k1 {
		t.Errorf("keys %v", f.keys)
	}
	if len(f.digests) != 2 || f.digests["hash:1"]["digest"] != oddDigest || f.digests["hash:2"]["digest"] != oddDigest || f.digests["hash:1"]["salt"].(*string) != nil {
		t.Errorf("digests %v", f.digests)
	}
	notes := fmt.Sprint(f.notes)
	for _, part := range []string{`{an "other  2 rows`, "{pgp_key  the database has no such table", "{user 7 created_at is no date", "{key 3 the same key as key:1"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note %q in %s", part, notes)
		}
	}
}

// TestV5_Odd is what MongoDB lets a collection hold, as BSON and as Extended JSON.
func TestV5_Odd(t *testing.T) {
	id := func(n int) bson.ObjectID { return small.ID(9, n) }
	e := func(pairs ...any) (d bson.D) {
		for i := 0; i < len(pairs); i += 2 {
			d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
		}
		return d
	}
	login := func(n any, email string, more ...any) bson.D {
		return append(e("_id", n, "email", email, "password", oddPassword), e(more...)...)
	}
	when := time.Date(2024, 2, 3, 4, 5, 6, 7e6, time.UTC)
	deep := bson.D{{Key: "x", Value: 1}}
	for range 90 {
		deep = bson.D{{Key: "x", Value: bson.A{}}, {Key: "y", Value: deep}}
	}
	users := []bson.D{
		login(id(1), "one", "created_at", when, "d", bson.NewDecimal128(1, 2), "r", bson.Regex{Pattern: "a", Options: "i"}, "c", bson.CodeWithScope{Code: "x", Scope: bson.D{}},
			"min", bson.MinKey{}, "max", bson.MaxKey{}, "u", bson.Undefined{}, "p", bson.DBPointer{DB: "x", Pointer: id(1)}, "s", bson.Symbol("s"), "t", bson.Timestamp{T: 1, I: 2}, "nan", math.NaN(), "js", bson.JavaScript("x"), "deep", deep, "$odd", 1, "a.b", 1),
		login("a-name", "two", "createdAt", "2024-02-03T04:05:06.007+00:00"),
		login(int32(7), "seven", "created", "long ago"),
		login(int64(1)<<40, "long"),
		login(id(2), "ONE"), login(id(3), "one"), login(id(4), "straße"), login(id(5), "STRASSE"), login(id(6), " one"), login(id(7), "Zoe\u0308"), login(id(8), "zo\u00eb"),
		e("_id", id(10), "email", "binary", "password", bson.Binary{Data: []byte(oddPassword)}),
		e("_id", id(11), "email", "costly", "password", "scrypt:1073741824:8:1$s$"+oddDigest+oddDigest), e("_id", id(12), "email", "number", "password", 5), e("_id", id(13), "email", "null", "password", nil),
		e("_id", id(14), "email", bson.A{"x"}, "password", oddPassword), login(id(15), strings.Repeat("x", 5000)), e("email", "noid", "password", oddPassword), login(id(1), "once more"),
		login(id(16), "Costly"),
	}
	texts := []bson.D{}
	want := map[string]string{}
	for i, s := range oddTexts {
		owner := []any{id(1), id(1).Hex(), strings.ToUpper(id(1).Hex())}[i%3]
		var token any = oddToken(t, -1, s)
		if i%2 == 1 {
			token = bson.Binary{Data: []byte(token.(string))}
		}
		texts = append(texts, e("encryptedText", token, "userId", owner, "_id", id(100+i), "created_at", when.UnixMilli()))
		want["encrypted_texts:"+id(100+i).Hex()] = s
	}
	token := oddToken(t, -1, "text")
	for i, d := range []bson.D{
		e("userId", "a-name", "encryptedText", token), e("userId", int32(7), "encryptedText", token), e("userId", "7", "encryptedText", token), e("userId", int64(1)<<40, "encryptedText", token),
		e("userId", nil, "encryptedText", token), e("userId", 3.5, "encryptedText", token), e("userId", bson.A{}, "encryptedText", token), e("userId", "", "encryptedText", token), e("userId", id(99), "encryptedText", token),
		e("userId", id(12), "encryptedText", token), e("userId", id(1), "encryptedText", nil), e("userId", id(1), "encryptedText", 5), e("userId", id(1), "encryptedText", ""),
	} {
		texts = append(texts, append(d, bson.E{Key: "_id", Value: id(200 + i)}))
		if i < 4 {
			want["encrypted_texts:"+id(200+i).Hex()] = "text"
		}
	}
	texts = append(texts, append(e("_id", id(100)), texts[0][:2]...), e("userId", id(1), "encryptedText", token))
	hashes := []bson.D{
		e("_id", id(300), "userId", id(1), "hash", oddDigest, "salt", "\r\n\x00"), e("_id", "h", "userId", id(1), "hash", oddDigest, "salt", 5),
		e("_id", id(301), "userId", id(1), "hash", nil), e("_id", id(302), "userId", id(1), "hash", 1), e("_id", id(303), "userId", id(1), "hash", oddDigest+"\n"),
	}
	all := map[string][]bson.D{"users": users, "encrypted_texts": texts, "hashes": hashes}
	for name, form := range map[string]func(bson.D) []byte{
		"bson": func(d bson.D) []byte { return marshal(t, d) },
		"json": func(d bson.D) []byte {
			b, err := bson.MarshalExtJSON(d, false, true)
			if err != nil {
				t.Fatal(err)
			}
			return append(b, '\n')
		},
		"jsonl": func(d bson.D) []byte {
			b, err := bson.MarshalExtJSON(d, true, false)
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for c, docs := range all {
				var b []byte
				for _, d := range docs {
					b = append(b, form(d)...)
				}
				if err := os.WriteFile(filepath.Join(dir, c+"."+name), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			key := filepath.Join(dir, "zen.key")
			if err := os.WriteFile(key, []byte(small.Key(-1)[:20]+"\r\n"+small.Key(-1)[20:]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			checkOdd(t, readAll(t, openV5(dir, key)), want, func(n int) string { return id(n).Hex() })
		})
	}
}

func checkOdd(t *testing.T, f *found, want map[string]string, id func(int) string) {
	t.Helper()
	wantLines(t, reasonsOf(f),
		"users "+id(2)+" duplicate_email_case", "users "+id(3)+" duplicate_email_exact", "users "+id(11)+" password_hash_too_costly", "users "+id(12)+" password_not_string",
		"users "+id(13)+" password_null", "users "+id(14)+" email_not_string", "users "+id(15)+" email_too_long", "users "+id(1)+" duplicate_id",
		"encrypted_texts "+id(204)+" bad_userId", "encrypted_texts "+id(205)+" bad_userId", "encrypted_texts "+id(206)+" bad_userId", "encrypted_texts "+id(207)+" bad_userId", "encrypted_texts "+id(208)+" orphan_userId",
		"encrypted_texts "+id(209)+" owner_rejected", "encrypted_texts "+id(210)+" encryptedText_null", "encrypted_texts "+id(211)+" encryptedText_not_string", "encrypted_texts "+id(212)+" broken_token_garbage",
		"encrypted_texts "+id(100)+" duplicate_id",
		"hashes h salt_not_string", "hashes "+id(301)+" hash_null", "hashes "+id(302)+" hash_not_string", "hashes "+id(303)+" hash_not_64_hex")
	if len(f.accounts) != 12 {
		t.Errorf("accounts %v", f.order)
	}
	for ref, made := range map[string]string{
		"users:" + id(1): "2024-02-03T04:05:06.007000Z", "users:a-name": "2024-02-03T04:05:06.007000Z", "users:7": "", "users:" + id(4): idTime(t, id(4)),
	} {
		if a := f.accounts[ref]; a == nil || a["created"] != made {
			t.Errorf("%s: %v, want %s", ref, a, made)
		}
	}
	nameless := 0
	for ref, x := range f.texts {
		if strings.Contains(ref, "@") {
			nameless++
		} else if plain, ok := want[ref]; !ok || x["plain"] != plain || x["readable"] != true {
			t.Errorf("%s: %.100v", ref, x)
		}
	}
	if nameless != 1 || len(f.texts) != len(want)+1 {
		t.Errorf("%d texts, %d without an id", len(f.texts), nameless)
	}
	if s := f.digests["hashes:"+id(300)]["salt"].(*string); len(f.digests) != 1 || *s != "\r\n\x00" {
		t.Errorf("digests %v", f.digests)
	}
}

func TestParseTime(t *testing.T) {
	at := func(ns int) string { return stampOf(time.Date(2026, 11, 23, 9, 23, 9, ns, time.UTC)) }
	for _, tt := range []struct {
		in   any
		want string
	}{
		{"2026-11-23 09:23:09.335198", at(335198e3)}, {"2026-11-23 09:23:09", at(0)}, {"2026-11-23T09:23:09", at(0)}, {"2026-11-23T09:23:09Z", at(0)}, {"2026-11-23T09:23:09z", at(0)},
		{"2026-11-23T11:23:09.5+02:00", at(5e8)}, {"2026-11-23 04:23:09-0500", at(0)}, {"2026-11-23 09:23:09 +00:00", at(0)}, {"2026-11-23 09:23:09 UTC", at(0)}, {"2026-11-23 09:23:09+00", at(0)},
		{"2026-11-23 09:23:09,335", at(335e6)}, {" 2026-11-23 09:23:09\n", at(0)}, {"Mon, 23 Nov 2026 09:23:09 GMT", at(0)}, {"2026-11-23", "2026-11-23T00:00:00.000000Z"}, {"2026-11-23 09:23", "2026-11-23T09:23:00.000000Z"},
		{int64(1795425789), at(0)}, {int64(1795425789335), at(335e6)}, {int64(1795425789335198), at(335198e3)}, {1795425789.5, at(5e8)}, {int32(1795425789), at(0)},
		{"", ""}, {"yesterday", ""}, {"0001-01-01 00:00:00", ""}, {"9999-12-31 00:00:00", ""}, {int64(0), ""}, {int64(-5), ""}, {int64(math.MinInt64), ""}, {int64(math.MaxInt64), ""}, {math.NaN(), ""}, {math.Inf(1), ""}, {nil, ""}, {true, ""},
		{"2026-13-01 00:00:00", ""}, {"2026-02-30 00:00:00", ""}, {strings.Repeat("2", 100), ""},
	} {
		got, ok := parseTime(tt.in)
		if ok != (tt.want != "") || stampOf(got) != tt.want || got.Location() != time.UTC {
			t.Errorf("%v: %s, %t, want %s", tt.in, stampOf(got), ok, tt.want)
		}
	}
}

// TestSecrets prints what is yielded in every way.
func TestSecrets(t *testing.T) {
	for _, form := range []older.Form{"", older.Dump} {
		job := made(t, small, form)
		open := openV6(job.Path)
		if form != "" {
			open = openV5(job.Path, job.Key)
		}
		s, err := open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		show := func(v any) {
			fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d\n", v, v, v, v, v, v, v)
			if b, err := json.Marshal(v); err == nil {
				out.Write(b)
			}
		}
		for a, err := range s.Accounts(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			show(*a)
			show(a.Keys)
			show(a.Password)
			for x := range a.Texts {
				show(x.Plain)
				x.Token = nil
				show(x)
			}
			for x := range a.Digests {
				fmt.Fprintf(&out, "%v %+v %#v\n", x, x, &x)
			}
		}
		s.Close()
		for _, secret := range []string{"pbkdf2", fmt.Sprintf("%x", "pbkdf2"), small.Key(0)[:20], small.Key(-1)[:20], "of account", fmt.Sprintf("%x", "of account")} {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%s: %q is printed", formName(form), secret)
			}
		}
		if !strings.Contains(out.String(), "[redacted]") {
			t.Error("nothing was printed")
		}
	}
}
