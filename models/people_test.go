package models

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
	"zencrypt/crypto/seal"
)

func newRecipient(t testing.TB) string {
	t.Helper()
	_, r, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parsePublic(t testing.TB, text string) []PublicKey {
	t.Helper()
	keys, err := ParsePublic(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// addPerson puts somebody from outside on a list.
func addPerson(t testing.TB, db *DB, u *Unlocked, name string) *Person {
	t.Helper()
	p := &Person{Name: name, Keys: parsePublic(t, newRecipient(t)), Note: "note on " + name}
	if err := db.People.Add(t.Context(), u, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// addLogin puts somebody who has an account on a list, as pages do: with what is offered now.
func addLogin(t testing.TB, db *DB, u *Unlocked, login string) *Person {
	t.Helper()
	o, err := db.People.Find(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	p := &Person{Name: o.Login, Login: o.Login, Account: o.Account, Keys: o.Keys()}
	if err := db.People.Add(t.Context(), u, p); err != nil {
		t.Fatal(err)
	}
	return p
}

func newPersonKey(t testing.TB, c *clock, name string) *pgp.Key {
	t.Helper()
	k, err := pgp.NewKey(pgp.KeyParams{Name: name, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// insertPGP gives an account an OpenPGP key.
func insertPersonKey(t testing.TB, db *DB, u *Unlocked, k *pgp.Key) {
	t.Helper()
	now := db.now()
	key := Key{ID: NewID(), Kind: KindPGP, Name: "OpenPGP", Default: true, Created: now, MinVersion: 1,
		Versions: []KeyVersion{{N: 1, State: KeyActive, Created: now, Public: k.Certificate().Armor(), Secret: []byte(k.Armor())}}}
	tx, err := db.main.w.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := insertKey(t.Context(), tx, u, &key); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func getTest(t testing.TB, db *DB, u *Unlocked, id ID) (*Person, *Offer) {
	t.Helper()
	p, o, err := db.People.Get(t.Context(), u, id)
	if err != nil {
		t.Fatal(err)
	}
	return p, o
}

func TestPeople_Add(t *testing.T) {
	db, c := newTestDB(t)
	ada, bob := register(t, db, "Ada"), register(t, db, "Bob")
	mira := addPerson(t, db, ada, "  Mira\u202e  Ölund ")
	if mira.Name != "Mira Ölund" || mira.Keys[0].Pinned != c.now() || mira.Keys[0].Algorithm != "X25519" {
		t.Fatalf("added as %q, %v", mira.Name, mira.Keys[0])
	}
	got, offer := getTest(t, db, ada, mira.ID)
	if got.Name != mira.Name || got.Note != "note on   Mira\u202e  Ölund" || got.Keys[0] != mira.Keys[0] || offer != nil || got.Unreadable {
		t.Fatalf("came back as %q %q %v", got.Name, got.Note, got.Keys)
	}
	if keys, stopped := got.Usable(offer); stopped || len(keys) != 1 {
		t.Fatal("a person from outside can't be encrypted to")
	}
	added := addLogin(t, db, ada, "bOB")
	if added.Login != "Bob" || len(added.Keys) != 1 || added.Account != bob.Account.ID {
		t.Fatalf("Bob was added as %q with %d keys", added.Login, len(added.Keys))
	}
	same := *added
	same.Name = "Another name"
	wantCode(t, db.People.Add(t.Context(), ada, &same), Conflict, "login")
	for name, p := range map[string]struct {
		p    Person
		code Code
		on   string
	}{
		"SameName":   {Person{Name: "MIRA o\u0308lund", Keys: parsePublic(t, newRecipient(t))}, Conflict, "name"},
		"LoginsName": {Person{Name: "BOB", Keys: parsePublic(t, newRecipient(t))}, Conflict, "name"},
		"NoName":     {Person{Name: " \u200e ", Keys: parsePublic(t, newRecipient(t))}, Invalid, "name"},
		"Comma":      {Person{Name: "a, b", Keys: parsePublic(t, newRecipient(t))}, Invalid, "name"},
		"KeyAsName":  {Person{Name: "AGE1abc", Keys: parsePublic(t, newRecipient(t))}, Invalid, "name"},
		"LongName":   {Person{Name: strings.Repeat("ä", 201), Keys: parsePublic(t, newRecipient(t))}, Invalid, "name"},
		"LongNote":   {Person{Name: "n", Note: strings.Repeat("ä", 2001), Keys: parsePublic(t, newRecipient(t))}, Invalid, "note"},
		"NoKey":      {Person{Name: "n"}, Invalid, "public_key"},
		"ManyKeys":   {Person{Name: "n", Keys: make([]PublicKey, maxPinned+1)}, Invalid, "public_key"},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, db.People.Add(t.Context(), ada, &p.p), p.code, p.on) })
	}
	people, now, err := db.People.List(t.Context(), ada)
	if err != nil || len(people) != 2 || people[0].Name != "Bob" || now[bob.Account.ID].Login != "Bob" {
		t.Fatalf("the list has %d people, %v", len(people), err)
	}
	// Nobody sees, changes or removes another's.
	if people, _, err := db.People.List(t.Context(), bob); err != nil || len(people) != 0 {
		t.Fatalf("Bob's list has %d people, %v", len(people), err)
	}
	_, _, err = db.People.Get(t.Context(), bob, mira.ID)
	wantCode(t, err, NotFound, "")
	wantCode(t, db.People.Accept(t.Context(), bob, mira.ID, ""), NotFound, "")
	wantCode(t, db.People.Verify(t.Context(), bob, mira.ID, "", true), NotFound, "")
	wantCode(t, db.People.Delete(t.Context(), bob, mira.ID), NotFound, "")
	if err := db.People.Delete(t.Context(), ada, mira.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.People.Delete(t.Context(), ada, mira.ID), NotFound, "")
}

// A person's name and note can be changed later; nothing else changes by it.
func TestPeople_Describe(t *testing.T) {
	db, _ := newTestDB(t)
	ada, bob := register(t, db, "Ada"), register(t, db, "Bob")
	mira, jonas := addPerson(t, db, ada, "Mira"), addPerson(t, db, ada, "Jonas")
	person := addLogin(t, db, ada, "Bob")
	_, offer := getTest(t, db, ada, person.ID)
	if err := db.People.Verify(t.Context(), ada, person.ID, person.State(offer), true); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		id         ID
		name, note string
		code       Code
		on         string
	}{
		"Empty":      {mira.ID, " \u202e ", "", Invalid, "name"},
		"Comma":      {mira.ID, "Mira, Jonas", "", Invalid, "name"},
		"Key":        {mira.ID, "AGE1abc", "", Invalid, "name"},
		"LongName":   {mira.ID, strings.Repeat("ä", 201), "", Invalid, "name"},
		"LongNote":   {mira.ID, "Mira", strings.Repeat("ä", 2001), Invalid, "note"},
		"Taken":      {mira.ID, "JONAS", "", Conflict, "name"},
		"TakenLogin": {mira.ID, "bob", "", Conflict, "name"},
		"Unknown":    {NewID(), "Mira", "", NotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, db.People.Describe(t.Context(), ada, tt.id, tt.name, tt.note), tt.code, tt.on)
		})
	}
	wantCode(t, db.People.Describe(t.Context(), bob, mira.ID, "stolen", ""), NotFound, "")
	if got, _ := getTest(t, db, ada, mira.ID); got.Name != "Mira" || got.Note != "note on Mira" {
		t.Fatalf("a refusal changed it: %q, %q", got.Name, got.Note)
	}
	if err := db.People.Describe(t.Context(), ada, mira.ID, " mira\tÖlund ", " by phone\r\nat work "); err != nil {
		t.Fatal(err)
	}
	got, _ := getTest(t, db, ada, mira.ID)
	if got.Name != "mira Ölund" || got.Note != "by phone\r\nat work" || got.Keys[0] != mira.Keys[0] || got.Created != mira.Created {
		t.Errorf("it is %q, %q now", got.Name, got.Note)
	}
	// Once a name is given up another may have it, and an account keeps its login and what was verified.
	for id, name := range map[ID]string{jonas.ID: "Mira", person.ID: "Robert"} {
		if err := db.People.Describe(t.Context(), ada, id, name, ""); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := getTest(t, db, ada, person.ID); got.Name != "Robert" || got.Login != "Bob" || got.Verified.IsZero() || got.Account != bob.Account.ID {
		t.Errorf("the login's entry is %q (%q), verified %v", got.Name, got.Login, got.Verified)
	}
}

// What names, notes and fingerprints hold is found in any case, with or without the blanks of a fingerprint.
func TestHolds(t *testing.T) {
	p := &Person{Name: "Mira Ölund", Login: "mira@example.org", Note: "met at the Harbour", Keys: []PublicKey{{Kind: KindPGP, Fingerprint: "9F3A77C102BE4D19", Public: "armor"}}}
	k := &Key{Kind: KindPGP, Name: "Work", Description: "since the harbour", Versions: []KeyVersion{{Fingerprint: "9F3A77C102BE4D19", Public: "-----BEGIN", Secret: []byte("zq")}}}
	a := &Key{Kind: KindAge, Name: "laptop", Versions: []KeyVersion{{Public: "age1ql3z7hjy54pw3hyww5"}}}
	for query, want := range map[string][3]bool{
		"o\u0308LUND": {true, false, false}, "EXAMPLE": {true, false, false}, " harbour ": {true, true, false}, "work": {false, true, false},
		"77c1 02be": {true, true, false}, "77C102": {true, true, false}, "AGE1QL3Z": {false, false, true}, "top": {false, false, true},
		"armor": {}, "BEGIN": {}, "zq": {}, "nobody": {}, "Mira mira": {},
	} {
		if got := [3]bool{p.Holds(query), k.Holds(query), a.Holds(query)}; got != want {
			t.Errorf("%q is found %v, want %v", query, got, want)
		}
	}
}

// Every kind of public key is told apart, written in one way, and has the fingerprint that other programs show.
func TestParsePublic(t *testing.T) {
	_, hybrid, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(hybrid))
	// Made for this test with ssh-keygen 9.2, which prints the fingerprint.
	const sshKey, sshPrint = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINLoasPeJsnH2JsADym6X539RMNiQYdsToTqtp65zQxS", "SHA256:dQp3ZwJfJoQ7pImL1WPGgsOH4Ix+vwG8w8ieJetR8fM"
	r, k := newRecipient(t), newPersonKey(t, newClock(), "Ada")
	for name, tt := range map[string]struct{ text, kind, algorithm, public, fingerprint string }{
		"X25519":      {" " + r + "\n", KindAge, "X25519", r, r},
		"PostQuantum": {hybrid, KindAgePQ, "post-quantum", hybrid, hex.EncodeToString(sum[:])},
		"SSH":         {sshKey + " ada@<laptop>", KindSSH, "ssh-ed25519", sshKey, sshPrint},
		"OpenPGP":     {"mail:\n" + k.Certificate().Armor() + "\n-- \nAda", KindPGP, "ed25519", k.Certificate().Armor(), k.Fingerprint()},
	} {
		t.Run(name, func(t *testing.T) {
			got := parsePublic(t, tt.text)
			if want := (PublicKey{Kind: tt.kind, Algorithm: tt.algorithm, Public: tt.public, Fingerprint: tt.fingerprint}); len(got) != 1 || got[0] != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	identity, _, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, private := range map[string]string{"age": identity, "OpenPGP": k.Armor(), "SSH": "-----BEGIN OPENSSH PRIVATE KEY-----\nzq-secret\n-----END OPENSSH PRIVATE KEY-----"} {
		_, err := ParsePublic(private)
		wantCode(t, err, Invalid, "public_key")
		body := strings.Fields(private)
		if !IsPrivate(private) || strings.Contains(err.Error(), body[len(body)/2]) || !strings.Contains(err.Error(), "private key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "mira", "age1", r[:30], "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3MAAACB", strings.Repeat("x", maxPublic+1)} {
		_, err := ParsePublic(text)
		wantCode(t, err, Invalid, "public_key")
	}
}

func TestPeople_Add_Full(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	addPerson(t, db, u, "first")
	// The others are copies of the row: they do not open, and count all the same.
	exec(t, db.main, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO people SELECT randomblob(16), account_id, created, seal_version, sealed_person FROM people, n`, maxPeople-1))
	wantCode(t, db.People.Add(t.Context(), u, &Person{Name: "one more", Keys: parsePublic(t, newRecipient(t))}), Invalid, "")
}

func TestPeople_Find(t *testing.T) {
	db, c := newTestDB(t)
	bob := register(t, db, "Bob@example.org")
	o, err := db.People.Find(t.Context(), " BOB@example.ORG ")
	if err != nil || o.Login != "Bob@example.org" || o.Account != bob.Account.ID || !strings.HasPrefix(o.Public[KindAge], "age1") || len(o.Public) != 1 {
		t.Fatalf("found %v, %v", o, err)
	}
	k := newPersonKey(t, c, "Bob")
	insertPersonKey(t, db, bob, k)
	if o, err = db.People.Find(t.Context(), "bob@example.org"); err != nil || o.Public[KindPGP] != k.Certificate().Armor() {
		t.Fatalf("the OpenPGP key is not offered: %v", err)
	}
	_, unknown := db.People.Find(t.Context(), "nobody@example.org")
	wantCode(t, unknown, NotFound, "login")
	if err := db.Accounts.SetUnlisted(t.Context(), bob, true); err != nil {
		t.Fatal(err)
	}
	_, hidden := db.People.Find(t.Context(), "bob@example.org")
	if hidden == nil || hidden.Error() != unknown.Error() {
		t.Fatalf("unlisted: %v; unknown: %v", hidden, unknown)
	}
	for _, part := range []string{"bob", "example.org", "", "%", "bob@example.or_", "age1x"} {
		_, err := db.People.Find(t.Context(), part)
		wantCode(t, err, NotFound, "login")
	}
	if is, err := db.Accounts.Unlisted(t.Context(), bob.Account.ID); !is || err != nil {
		t.Fatal("the switch does not show")
	}
	if err := db.Accounts.SetUnlisted(t.Context(), bob, false); err != nil {
		t.Fatal(err)
	}
	if _, err := db.People.Find(t.Context(), "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Delete(t.Context(), bob, goodPassword); err != nil {
		t.Fatal(err)
	}
	_, err = db.People.Find(t.Context(), "bob@example.org")
	wantCode(t, err, NotFound, "login")
}

// What others get is the active version of the default key, which only the owner's session can tell.
func TestKeys_Offer(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	first := newRecipient(t)
	for i, tt := range []struct {
		state string
		min   int
		want  bool
	}{{KeyActive, 1, true}, {KeyRetired, 1, false}, {KeyRevoked, 1, false}, {KeyActive, 2, false}} {
		exec(t, db.main, "DELETE FROM keys WHERE account_id = ?", u.Account.ID[:])
		k := Key{ID: NewID(), Kind: KindAge, Name: "age", Default: true, MinVersion: tt.min, Created: db.now(),
			Versions: []KeyVersion{{N: 1, State: tt.state, Public: first, Created: db.now()}}}
		tx, err := db.main.w.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := insertKey(t.Context(), tx, u, &k); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		o, err := db.People.Find(t.Context(), "ada")
		if err != nil || (o.Public[KindAge] == first) != tt.want || (len(o.Public) == 1) != tt.want {
			t.Errorf("%d: offered %v, %v", i, o, err)
		}
	}
}

// A key that is replaced in the database stops what would be encrypted to it, until it is accepted.
func TestPeople_Changed(t *testing.T) {
	db, c := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	id := addLogin(t, db, ada, "bob").ID
	p, o := getTest(t, db, ada, id)
	if len(p.Changes(o)) != 0 || p.Gone(o) {
		t.Fatal("nothing changed yet")
	}
	if err := db.People.Verify(t.Context(), ada, id, p.State(o), true); err != nil {
		t.Fatal(err)
	}
	before := p.Keys[0]
	evil := newRecipient(t)
	exec(t, db.main, "UPDATE key_versions SET public = ? WHERE account_id = ? AND public <> ''", evil, bob.Account.ID[:])
	shown := p.State(o)
	p, o = getTest(t, db, ada, id)
	all := p.Changes(o)
	if len(all) != 1 || !all[0].Stops() || all[0].Announced || all[0].Pinned.Fingerprint != before.Fingerprint || all[0].Offered.Fingerprint != evil {
		t.Fatalf("the change is %+v", all)
	}
	if keys, stopped := p.Usable(o); !stopped || keys != nil {
		t.Fatal("it can be encrypted to")
	}
	if p.Keys[0] != before || p.Verified.IsZero() {
		t.Fatal("what was pinned changed by looking")
	}
	// What another page showed is not accepted, nor is a changed key verified.
	wantCode(t, db.People.Accept(t.Context(), ada, id, shown), Conflict, "")
	wantCode(t, db.People.Verify(t.Context(), ada, id, p.State(o), true), Conflict, "")
	if err := db.People.Accept(t.Context(), ada, id, p.State(o)); err != nil {
		t.Fatal(err)
	}
	p, o = getTest(t, db, ada, id)
	if keys, stopped := p.Usable(o); stopped || keys[0].Public != evil || keys[0].Pinned != c.now() || !p.Verified.IsZero() {
		t.Fatal("it was not accepted, or counts as verified")
	}

	// No key any more, something that is none, and a private key in its place.
	for what, public := range map[string]string{"Nothing": "", "Nonsense": "<b>no key</b>", "Private": "AGE-SECRET-KEY-1QQQ"} {
		exec(t, db.main, "UPDATE key_versions SET public = ? WHERE key_id IN (SELECT id FROM keys WHERE account_id = ? AND kind = 'age')", public, bob.Account.ID[:])
		p, o = getTest(t, db, ada, id)
		if _, stopped := p.Usable(o); !stopped {
			t.Errorf("%s: it can be encrypted to", what)
		}
		if err := db.People.Accept(t.Context(), ada, id, p.State(o)); (err == nil) != (public == "") {
			t.Errorf("%s: accepted with %v", what, err)
		}
		if p, o = getTest(t, db, ada, id); public == "" {
			if keys, stopped := p.Usable(o); stopped || len(keys) != 0 {
				t.Error("a key that is given no longer stays")
			}
			exec(t, db.main, "UPDATE key_versions SET public = ? WHERE key_id IN (SELECT id FROM keys WHERE account_id = ? AND kind = 'age')", evil, bob.Account.ID[:])
			p, o = getTest(t, db, ada, id)
			if c := p.Changes(o); len(c) != 1 || c[0].Stops() {
				t.Errorf("a new kind of key is %v", c)
			}
			if err := db.People.Accept(t.Context(), ada, id, p.State(o)); err != nil {
				t.Fatal(err)
			}
		}
	}

	// The account is gone: who was pinned can be kept as somebody from outside.
	exec(t, db.main, "UPDATE key_versions SET public = ? WHERE key_id IN (SELECT id FROM keys WHERE account_id = ? AND kind = 'age')", evil, bob.Account.ID[:])
	if _, err := db.Accounts.Delete(t.Context(), bob, goodPassword); err != nil {
		t.Fatal(err)
	}
	p, o = getTest(t, db, ada, id)
	if _, stopped := p.Usable(o); !stopped || !p.Gone(o) {
		t.Fatal("a deleted account can be encrypted to")
	}
	if err := db.People.Accept(t.Context(), ada, id, p.State(o)); err != nil {
		t.Fatal(err)
	}
	p, o = getTest(t, db, ada, id)
	if keys, stopped := p.Usable(o); stopped || len(keys) != 1 || p.Login != "" || p.Gone(o) {
		t.Fatal("the pinned key was not kept")
	}
}

// What an OpenPGP key's own primary has signed is no change to stop for; a revocation stays whatever is offered later.
func TestPeople_Announced(t *testing.T) {
	db, c := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	k := newPersonKey(t, c, "Bob")
	insertPersonKey(t, db, bob, k)
	id := addLogin(t, db, ada, "bob").ID
	p, o := getTest(t, db, ada, id)
	if err := db.People.Verify(t.Context(), ada, id, p.State(o), true); err != nil {
		t.Fatal(err)
	}
	offer := func(public string) (*Person, *Offer) {
		t.Helper()
		exec(t, db.main, "UPDATE key_versions SET public = ? WHERE key_id IN (SELECT id FROM keys WHERE account_id = ? AND kind = 'pgp')", public, bob.Account.ID[:])
		return getTest(t, db, ada, id)
	}
	c.add(time.Hour)
	later, err := k.SetExpiry(c.now().AddDate(1, 0, 0), c.now())
	if err != nil {
		t.Fatal(err)
	}
	p, o = offer(later.Certificate().Armor())
	all := p.Changes(o)
	if len(all) != 1 || !all[0].Announced || all[0].Stops() {
		t.Fatalf("a new expiry is %+v", all)
	}
	keys, stopped := p.Usable(o)
	if stopped || len(keys) != 2 || keys[1].Public != later.Certificate().Armor() {
		t.Fatal("the announced key is not used")
	}
	if err := db.People.Accept(t.Context(), ada, id, p.State(o)); err != nil {
		t.Fatal(err)
	}
	if p, o = getTest(t, db, ada, id); p.Verified.IsZero() || len(p.Changes(o)) != 0 {
		t.Fatal("an announced change took the verification away")
	}
	p, o = offer(newPersonKey(t, c, "Bob").Certificate().Armor())
	if all := p.Changes(o); len(all) != 1 || all[0].Announced || !all[0].Stops() {
		t.Fatalf("another key of the same name is %+v", all)
	}
	revoked, err := later.Revoke(pgp.Compromised, "", c.now())
	if err != nil {
		t.Fatal(err)
	}
	p, o = offer(revoked.Certificate().Armor())
	if keys, _ := p.Usable(o); keys[1].CheckEncrypt(c.now()) == nil {
		t.Fatal("a revoked key can be encrypted to")
	}
	if err := db.People.Accept(t.Context(), ada, id, p.State(o)); err != nil {
		t.Fatal(err)
	}
	p, o = offer(later.Certificate().Armor()) // as it was before
	if keys, _ := p.Usable(o); keys[1].CheckEncrypt(c.now()) == nil {
		t.Fatal("a revocation is undone by an older copy")
	}
}

func TestSafetyPhrase(t *testing.T) {
	a, b := newRecipient(t), newRecipient(t)
	phrase := SafetyPhrase(KindAge, a, b)
	if phrase != SafetyPhrase(KindAge, b, a) || phrase == SafetyPhrase(KindPGP, a, b) || phrase == SafetyPhrase(KindAge, a, a) {
		t.Fatal("the phrase does not depend on both keys alone")
	}
	if n := len(strings.Fields(phrase)); n != 8 {
		t.Fatalf("%d words", n)
	}
	// Fixed, since two versions of the program have to agree. Computed by another program:
	// python3 over EFF's list, int.from_bytes(sha256) and divmod by 7776.
	if got, want := SafetyPhrase("age", "one", "two"), "dreamy kooky unpeeled linseed hazing spoilage steerable zoning"; got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	if rolls(0) != 11111 || rolls(7775) != 66666 || rolls(6) != 11121 {
		t.Fatal("the dice are thrown wrongly")
	}
}

func TestPerson_Redacted(t *testing.T) {
	p := Person{ID: NewID(), Name: "zq-name", Login: "zq-login", Note: "zq-note", Keys: []PublicKey{{Public: "zq-key"}}}
	b, err := json.Marshal(map[string]any{"p": p})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "p", p, "q", &p)
	for _, s := range []string{string(b), log.String(), fmt.Sprintf("%v %+v %#v %s %d", p, &p, p, p, p)} {
		if strings.Contains(s, "zq-") {
			t.Errorf("printed: %s", s)
		}
	}
}

// A person's row takes part in a renewal, and opens under the new key alone.
func TestPeople_Renew(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	id := addPerson(t, db, u, "mira").ID
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Accounts.Reseal(t.Context(), u, 1000); left != 0 || err != nil {
		t.Fatalf("%d left, %v", left, err)
	}
	var sealed []byte
	if err := db.main.w.DB.QueryRow("SELECT sealed_person FROM people WHERE id = ?", id[:]).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if v, _ := seal.Version(sealed); v != 2 {
		t.Fatalf("the seal is of version %d", v)
	}
	if p, _ := getTest(t, db, u, id); p.Name != "mira" {
		t.Fatal("it does not open")
	}
}
