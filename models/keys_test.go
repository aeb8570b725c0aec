package models

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

func makeKey(t testing.TB, db *DB, u *Unlocked, kind, name string) *Key {
	t.Helper()
	k, err := db.Keys.Create(t.Context(), u, KeyParams{Name: name, PairParams: PairParams{Kind: kind, Name: "Ann", Email: "ann@example.org"}})
	if err != nil {
		t.Fatalf("make %s key: %v", kind, err)
	}
	return k
}

func getRing(t *testing.T, db *DB, u *Unlocked, id ID) *Key {
	t.Helper()
	k, err := db.Keys.Get(t.Context(), u, id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// states are a key's versions in short: "1 retired, 2 active".
func states(k *Key) string {
	var all []string
	for _, v := range k.Versions {
		all = append(all, fmt.Sprintf("%d %s", v.N, v.State))
	}
	return strings.Join(all, ", ")
}

func saveCiphertext(t *testing.T, db *DB, u *Unlocked, k *Key, n int) *Item {
	t.Helper()
	item := &Item{Kind: "ciphertext", Title: "secret", Body: []byte("sealed"), Size: 6, Meta: ItemMeta{Format: "age", KeyID: k.ID.String(), KeyVersion: n}}
	if err := db.Items.Save(t.Context(), u, item); err != nil {
		t.Fatal(err)
	}
	return item
}

func TestKeys_Create(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for _, kind := range []string{KindAge, KindAgePQ, KindPGP, KindFernet} {
		k := makeKey(t, db, u, kind, "my "+kind)
		got := getRing(t, db, u, k.ID)
		if got.Name != "my "+kind || got.Kind != kind || states(got) != "1 active" || got.Active(c.now()) == nil || got.MinVersion != 1 {
			t.Errorf("%s: %q, %s", kind, got.Name, states(got))
		}
		// The kinds of registration have their default already.
		if want := kind == KindAgePQ || kind == KindPGP; got.Default != want {
			t.Errorf("%s: default %v, want %v", kind, got.Default, want)
		}
		if (got.Versions[0].Public == "") != (kind == KindFernet) {
			t.Errorf("%s: public part %q", kind, got.Versions[0].Public)
		}
	}
	for name, tt := range map[string]struct {
		p     KeyParams
		field string
	}{
		"Kind":      {KeyParams{PairParams: PairParams{Kind: "rot13"}}, "kind"},
		"RSA":       {KeyParams{PairParams: PairParams{Kind: KindRSA}}, "kind"},
		"Algorithm": {KeyParams{PairParams: PairParams{Kind: KindPGP, Algorithm: "dsa1024"}}, "algorithm"},
		"Passed":    {KeyParams{PairParams: PairParams{Kind: KindAge, Expires: c.now()}}, "expires"},
		"LongName":  {KeyParams{Name: strings.Repeat("n", 101), PairParams: PairParams{Kind: KindAge}}, "name"},
		"Brackets":  {KeyParams{PairParams: PairParams{Kind: KindPGP, Name: "<b>Ann</b>"}}, "user_name"},
		"Control":   {KeyParams{PairParams: PairParams{Kind: KindPGP, Name: "Ann\x1b[2J"}}, "user_name"},
		"RightLeft": {KeyParams{PairParams: PairParams{Kind: KindPGP, Name: "Ann \u202egro.elpmaxe"}}, "user_name"},
		"Address":   {KeyParams{PairParams: PairParams{Kind: KindPGP, Email: "ann @example.org"}}, "user_name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := db.Keys.Create(t.Context(), u, tt.p)
			wantCode(t, err, Invalid, tt.field)
		})
	}
	t.Run("Name", func(t *testing.T) {
		k := makeKey(t, db, u, KindAge, "  a\u202eb\x00\nc ")
		if k.Name != "a b  c" {
			t.Errorf("the name is %q", k.Name)
		}
		if k := makeKey(t, db, u, KindPGP, ""); k.Name != "Ann <ann@example.org>" {
			t.Errorf("without a name an OpenPGP key is %q", k.Name)
		}
	})
	t.Run("Full", func(t *testing.T) {
		ring := make([]Key, MaxKeys)
		wantCode(t, room(ring, []Key{{}}), Conflict, "")
		if err := room(ring[1:], []Key{{}}); err != nil {
			t.Error(err)
		}
		wantCode(t, room([]Key{{Kind: KindFernet, Versions: make([]KeyVersion, maxFernet+1)}}, nil), Conflict, "")
		wantCode(t, room([]Key{{Versions: make([]KeyVersion, maxPairs+1)}}, nil), Conflict, "")
	})
}

func TestKeys_Rotate(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for _, kind := range []string{KindAge, KindAgePQ, KindPGP, KindFernet} {
		t.Run(kind, func(t *testing.T) {
			k := makeKey(t, db, u, kind, "")
			first := k.Versions[0]
			for range 2 {
				c.add(time.Hour)
				if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
					t.Fatal(err)
				}
			}
			got := getRing(t, db, u, k.ID)
			if states(got) != "1 retired, 2 retired, 3 active" || got.Active(c.now()).N != 3 {
				t.Fatal(states(got))
			}
			if !bytes.Equal(got.Versions[0].Secret, first.Secret) || bytes.Equal(got.Versions[2].Secret, first.Secret) {
				t.Error("the first version's secret changed, or the third has the same")
			}
			// Only what is active is published.
			if n := count(t, db.main, "SELECT count(*) FROM key_versions WHERE key_id = ? AND public <> ''", k.ID[:]); n != 1 && kind != KindFernet {
				t.Errorf("%d versions are published", n)
			}
			for _, v := range got.Versions {
				if v.PublicDiffers {
					t.Errorf("version %d: the published copy differs", v.N)
				}
			}
		})
	}
	t.Run("PGP", func(t *testing.T) {
		k := makeKey(t, db, u, KindPGP, "")
		old, err := k.Versions[0].PGP()
		if err != nil {
			t.Fatal(err)
		}
		var sealed bytes.Buffer
		w, err := pgp.Encrypt(&sealed, pgp.EncryptOptions{To: []*pgp.Certificate{old.Certificate()}, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "hello")
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c.add(time.Hour)
		if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
			t.Fatal(err)
		}
		k = getRing(t, db, u, k.ID)
		fresh, err := k.Newest().PGP()
		if err != nil {
			t.Fatal(err)
		}
		if fresh.Fingerprint() != old.Fingerprint() || len(fresh.Info(c.now()).Subkeys) != 2 {
			t.Errorf("after the rotation: key %s, %d subkeys", fresh.Fingerprint(), len(fresh.Info(c.now()).Subkeys))
		}
		m, err := pgp.Open(bytes.NewReader(sealed.Bytes()), pgp.OpenOptions{Keys: []*pgp.Key{fresh}, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		var plain bytes.Buffer
		if _, err := plain.ReadFrom(m); err != nil || plain.String() != "hello" {
			t.Errorf("the older message gave %q, %v", plain.String(), err)
		}
	})
	t.Run("Limits", func(t *testing.T) {
		k := makeKey(t, db, u, KindAge, "")
		full := Key{Versions: make([]KeyVersion, maxVersions)}
		wantCode(t, full.add(KeyVersion{}, c.now()), Conflict, "")
		if err := db.Keys.SetExpiry(t.Context(), u, k.ID, c.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Hour)
		wantCode(t, db.Keys.Rotate(t.Context(), u, k.ID), Conflict, "")
	})
	t.Run("Meanwhile", func(t *testing.T) {
		k := makeKey(t, db, u, KindAge, "")
		once := true
		meanwhile(&db.main.r, `SELECT "key_version_row"`, func() {
			if once {
				once = false
				if err := db.Keys.SetState(t.Context(), u, k.ID, 1, KeyRevoked, 0); err != nil {
					t.Error(err)
				}
			}
		})
		wantCode(t, db.Keys.Rotate(t.Context(), u, k.ID), Conflict, "")
		if got := states(getRing(t, db, u, k.ID)); got != "1 revoked" {
			t.Error(got)
		}
	})
}

func TestKeys_State(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	k := makeKey(t, db, u, KindAge, "")
	set := func(n int, state string) error { return db.Keys.SetState(t.Context(), u, k.ID, n, state, pgp.NoReason) }
	if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, set(1, KeyRetired), Conflict, "version")
	wantCode(t, set(1, KeyActive), Invalid, "version")
	wantCode(t, set(3, KeyRetired), NotFound, "")
	if err := set(2, KeyRetired); err != nil {
		t.Fatal(err)
	}
	if err := set(1, KeyRevoked); err != nil {
		t.Fatal(err)
	}
	wantCode(t, set(1, KeyRevoked), Conflict, "version")
	got := getRing(t, db, u, k.ID)
	if states(got) != "1 revoked, 2 retired" || got.Active(c.now()) != nil {
		t.Fatal(states(got))
	}
	wantCode(t, db.Keys.SetDefault(t.Context(), u, k.ID), Conflict, "")
	// A new version makes it encrypt again, under a number of its own.
	if err := db.Keys.DeleteVersion(t.Context(), u, k.ID, 2); err != nil {
		t.Fatal(err)
	}
	if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	if got := states(getRing(t, db, u, k.ID)); got != "1 revoked, 3 active" {
		t.Error(got)
	}
	t.Run("PGP", func(t *testing.T) {
		k := makeKey(t, db, u, KindPGP, "")
		if err := db.Keys.SetState(t.Context(), u, k.ID, 1, KeyRevoked, pgp.Compromised); err != nil {
			t.Fatal(err)
		}
		got := getRing(t, db, u, k.ID)
		key, err := got.Versions[0].PGP()
		if err != nil {
			t.Fatal(err)
		}
		before, err := k.Versions[0].PGP()
		if err != nil {
			t.Fatal(err)
		}
		if !key.Info(c.now()).Revoked || before.Info(c.now()).Revoked {
			t.Error("the key is not revoked, or was before")
		}
		revoked, err := before.Certificate().ApplyRevocation(strings.NewReader(got.Versions[0].Revocation))
		if err != nil || !revoked.Info(c.now()).Revoked {
			t.Errorf("the revocation certificate does not revoke: %v", err)
		}
		if n := count(t, db.main, "SELECT count(*) FROM key_versions WHERE key_id = ? AND public LIKE '%PUBLIC KEY BLOCK%'", k.ID[:]); n != 1 {
			t.Error("the revoked certificate is not published")
		}
		wantCode(t, db.Keys.Rotate(t.Context(), u, k.ID), Conflict, "")
		wantCode(t, db.Keys.SetExpiry(t.Context(), u, k.ID, c.now().Add(time.Hour)), Conflict, "")
	})
}

func TestKeys_Default(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	c.add(time.Minute)
	second := makeKey(t, db, u, KindAge, "second")
	c.add(time.Minute)
	third := makeKey(t, db, u, KindAge, "third")
	if err := db.Keys.SetDefault(t.Context(), u, second.ID); err != nil {
		t.Fatal(err)
	}
	ring, err := db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defaults := map[string]string{}
	for _, k := range ring {
		if k.Default {
			defaults[k.Kind] += k.Name
		}
	}
	if defaults[KindAge] != "second" || defaults[KindFernet] != "Fernet" {
		t.Errorf("defaults are %v", defaults)
	}
	if err := db.Keys.Delete(t.Context(), u, second.ID); err != nil {
		t.Fatal(err)
	}
	if k, err := db.Keys.Default(t.Context(), u, KindAge); err != nil || k.ID != third.ID {
		t.Errorf("after the default was deleted: %v, %v", k, err)
	}
	// A default that can't encrypt is not replaced unasked.
	if err := db.Keys.SetState(t.Context(), u, third.ID, 1, KeyRetired, 0); err != nil {
		t.Fatal(err)
	}
	_, err = db.Keys.Default(t.Context(), u, KindAge)
	wantCode(t, err, Invalid, "to")
}

func TestKeys_Expiry(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for _, kind := range []string{KindAge, KindPGP} {
		k := makeKey(t, db, u, kind, "")
		wantCode(t, db.Keys.SetExpiry(t.Context(), u, k.ID, c.now()), Invalid, "expires")
		end := c.now().Add(48 * time.Hour)
		if err := db.Keys.SetExpiry(t.Context(), u, k.ID, end); err != nil {
			t.Fatal(err)
		}
		got := getRing(t, db, u, k.ID)
		if !got.Expires.Equal(end) || got.Active(end.Add(-time.Second)) == nil || got.Active(end) != nil {
			t.Errorf("%s: it expires %v", kind, got.Expires)
		}
		if kind == KindPGP {
			key, err := got.Versions[0].PGP()
			if err != nil {
				t.Fatal(err)
			}
			if e := key.Info(c.now()).Expires; !e.Equal(end) {
				t.Errorf("for others it expires %v", e)
			}
		}
		if err := db.Keys.SetExpiry(t.Context(), u, k.ID, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := getRing(t, db, u, k.ID); !got.Expires.IsZero() || got.Active(end) == nil {
			t.Errorf("%s: it still expires %v", kind, got.Expires)
		}
	}
}

func TestKeys_Depending(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	k := makeKey(t, db, u, KindAge, "")
	one, two := saveCiphertext(t, db, u, k, 1), saveCiphertext(t, db, u, k, 1)
	if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	wantDepends := func(err error, n string) {
		t.Helper()
		wantCode(t, err, Conflict, "depends")
		if !strings.Contains(err.Error(), n+" item") {
			t.Errorf("the error is %q, want the count %s", err, n)
		}
	}
	wantDepends(db.Keys.DeleteVersion(t.Context(), u, k.ID, 1), "2")
	wantDepends(db.Keys.Delete(t.Context(), u, k.ID), "2")
	wantDepends(db.Keys.SetMinVersion(t.Context(), u, k.ID, 2), "2")
	wantCode(t, db.Keys.DeleteVersion(t.Context(), u, k.ID, 2), Conflict, "version")
	wantCode(t, db.Keys.DeleteVersion(t.Context(), u, k.ID, 9), NotFound, "")
	if _, err := db.Items.Forget(t.Context(), u, one.ID); err != nil {
		t.Fatal(err)
	}
	// What is in the trash can come back.
	if _, err := db.Items.Trash(t.Context(), u, two.ID); err != nil {
		t.Fatal(err)
	}
	wantDepends(db.Keys.DeleteVersion(t.Context(), u, k.ID, 1), "1")
	item, err := db.Items.GetAny(t.Context(), u, two.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Items.Note(t.Context(), u, item, k.ID, 2); err != nil {
		t.Fatal(err)
	}
	if err := db.Keys.SetMinVersion(t.Context(), u, k.ID, 2); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, -1, 3} {
		wantCode(t, db.Keys.SetMinVersion(t.Context(), u, k.ID, n), Invalid, "min_version")
	}
	if err := db.Keys.DeleteVersion(t.Context(), u, k.ID, 1); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.Keys.SetState(t.Context(), u, k.ID, 1, KeyRevoked, 0), NotFound, "")
	if err := db.Keys.SetState(t.Context(), u, k.ID, 2, KeyRetired, 0); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.Keys.DeleteVersion(t.Context(), u, k.ID, 2), Conflict, "version") // the only one
}

// All versions of an OpenPGP key are one key: none of them can be left out.
func TestKeys_MinVersionPGP(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	k := makeKey(t, db, u, KindPGP, "")
	if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2, 3} {
		err := db.Keys.SetMinVersion(t.Context(), u, k.ID, n)
		if wantCode(t, err, Conflict, ""); !strings.Contains(err.Error(), "are one key") {
			t.Errorf("the error says %q", err)
		}
	}
	if got := getRing(t, db, u, k.ID); got.MinVersion > 1 {
		t.Errorf("the lowest version is %d", got.MinVersion)
	}
}

// ListKinds gives the keys of some kinds as List gives them.
func TestKeys_ListKinds(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	for _, kind := range []string{KindPGP, KindAgePQ, KindAge, KindFernet} {
		makeKey(t, db, u, kind, "")
	}
	all, err := db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	for _, kinds := range [][]string{{KindPGP}, {KindAge, KindAgePQ}, {KindFernet}, {KindRSA}, {}} {
		got, err := db.Keys.ListKinds(t.Context(), u, kinds...)
		if err != nil {
			t.Fatal(err)
		}
		var want []Key
		for _, k := range all {
			if slices.Contains(kinds, k.Kind) {
				want = append(want, k)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %d keys, want %d", kinds, len(got), len(want))
		}
	}
}

func TestKeys_Others(t *testing.T) {
	db, c := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	k := makeKey(t, db, ada, KindAge, "")
	ctx := t.Context()
	_, err := db.Keys.Get(ctx, bob, k.ID)
	for name, err := range map[string]error{
		"Get": err, "Rotate": db.Keys.Rotate(ctx, bob, k.ID), "SetDefault": db.Keys.SetDefault(ctx, bob, k.ID),
		"Describe": db.Keys.Describe(ctx, bob, k.ID, "n", ""), "SetExpiry": db.Keys.SetExpiry(ctx, bob, k.ID, c.now().Add(time.Hour)),
		"SetMinVersion": db.Keys.SetMinVersion(ctx, bob, k.ID, 1), "SetState": db.Keys.SetState(ctx, bob, k.ID, 1, KeyRevoked, 0),
		"DeleteVersion": db.Keys.DeleteVersion(ctx, bob, k.ID, 1), "Delete": db.Keys.Delete(ctx, bob, k.ID),
	} {
		if ErrorCode(err) != NotFound {
			t.Errorf("%s of another's key: %v", name, err)
		}
	}
	if got := getRing(t, db, ada, k.ID); states(got) != "1 active" {
		t.Error(states(got))
	}
}

// An unreadable key or version takes nothing else along, and only the key as a whole can be deleted.
func TestKeys_Unreadable(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	k := makeKey(t, db, u, KindAge, "")
	for range 2 {
		if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db.main, "UPDATE key_versions SET sealed_version = randomblob(200) WHERE key_id = ? AND n = 1", k.ID[:])
	if err := db.Keys.Describe(t.Context(), u, k.ID, "named", "described\nin two lines"); err != nil {
		t.Fatal(err)
	}
	got := getRing(t, db, u, k.ID)
	if states(got) != "2 retired, 3 active" || got.Name != "named" || got.Description != "described\nin two lines" {
		t.Errorf("%q, %q, %s", got.Name, got.Description, states(got))
	}
	if n := count(t, db.main, "SELECT count(*) FROM key_versions WHERE key_id = ?", k.ID[:]); n != 3 {
		t.Errorf("%d rows are left of 3", n)
	}
	exec(t, db.main, "UPDATE keys SET sealed_key = randomblob(200) WHERE id = ?", k.ID[:])
	wantCode(t, db.Keys.Rotate(t.Context(), u, k.ID), Conflict, "")
	wantCode(t, db.Keys.Describe(t.Context(), u, k.ID, "n", ""), Conflict, "")
	if err := db.Keys.Delete(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.main, "SELECT count(*) FROM key_versions WHERE key_id = ?", k.ID[:]); n != 0 {
		t.Errorf("%d versions of a deleted key", n)
	}
}
