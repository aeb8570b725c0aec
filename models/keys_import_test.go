package models

import (
	"slices"
	"testing"
	"time"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

func TestKeys_Import(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	read := func(data string, o ReadOptions) []Pair {
		t.Helper()
		o.Now = c.now()
		pairs, err := ReadPairs([]byte(data), o)
		if err != nil {
			t.Fatal(err)
		}
		return pairs
	}
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ann", Email: "ann@example.org", Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	locked, err := key.Lock("open sesame", pgp.LockOptions{Count: 65536})
	if err != nil {
		t.Fatal(err)
	}
	age, pq := makeKey(t, db, u, KindAge, ""), makeKey(t, db, u, KindAgePQ, "")
	other := register(t, db, "bob")
	pairs := slices.Concat(read("# a comment\n"+string(age.Versions[0].Secret)+"\n"+string(pq.Versions[0].Secret)+"\n", ReadOptions{}),
		read(fernet.NewKey()+"\n"+fernet.NewKey(), ReadOptions{}), read(locked.Armor(), ReadOptions{Passphrase: "open sesame"}), read(string(age.Versions[0].Secret), ReadOptions{}))
	done, err := db.Keys.Import(t.Context(), other, "", pairs)
	if err != nil || len(done) != 6 {
		t.Fatalf("%d imported, %v", len(done), err)
	}
	for i, one := range done {
		if one.Known != (i == 5) || one.Renewed || one.Name == "" {
			t.Errorf("%d: %+v", i, one)
		}
	}
	again, err := db.Keys.Import(t.Context(), other, "", pairs)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range again {
		if !one.Known {
			t.Errorf("%d was doubled", i)
		}
	}
	got := getRing(t, db, other, done[4].Key)
	kept, err := got.Versions[0].PGP()
	if err != nil || kept.Locked() || got.Name != "Ann <ann@example.org>" || got.Default != true {
		t.Errorf("the OpenPGP key: %q, %v", got.Name, err)
	}
	if ring, err := db.Keys.List(t.Context(), other); err != nil || len(ring) != 2+5 {
		t.Errorf("%d keys in the ring, %v", len(ring), err)
	}
	t.Run("Renewed", func(t *testing.T) {
		c.add(time.Hour)
		more, err := key.AddEncryptionSubkey(false, c.now())
		if err != nil {
			t.Fatal(err)
		}
		again, err := db.Keys.Import(t.Context(), other, "", read(more.Armor(), ReadOptions{}))
		if err != nil || len(again) != 1 || !again[0].Renewed || again[0].Key != done[4].Key {
			t.Fatalf("%+v, %v", again, err)
		}
		if got := states(getRing(t, db, other, done[4].Key)); got != "1 retired, 2 active" {
			t.Error(got)
		}
		if again, err = db.Keys.Import(t.Context(), other, "", read(key.Armor(), ReadOptions{})); err != nil || !again[0].Known {
			t.Errorf("the older copy: %+v, %v", again, err)
		}
	})
	t.Run("TooMany", func(t *testing.T) {
		_, err := db.Keys.Import(t.Context(), other, "", make([]Pair, MaxImport+1))
		wantCode(t, err, Invalid, "text")
	})
	t.Run("Expired", func(t *testing.T) {
		short, err := pgp.NewKey(pgp.KeyParams{Name: "Soon", Now: c.now, Expires: c.now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Hour)
		done, err := db.Keys.Import(t.Context(), other, "", read(short.Armor(), ReadOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		k := getRing(t, db, other, done[0].Key)
		if k.Active(c.now()) != nil || !k.Expired(c.now()) || k.Versions[0].SignsOnly {
			t.Error("an expired key encrypts, or seems to sign only")
		}
		if err := db.Keys.SetExpiry(t.Context(), other, k.ID, c.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if getRing(t, db, other, k.ID).Active(c.now()) == nil {
			t.Error("with a later date it does not encrypt")
		}
	})
	t.Run("Revoked", func(t *testing.T) {
		fresh, err := pgp.NewKey(pgp.KeyParams{Name: "Gone", Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		gone, err := fresh.Revoke(pgp.Retired, "", c.now())
		if err != nil {
			t.Fatal(err)
		}
		done, err := db.Keys.Import(t.Context(), other, "", read(gone.Armor(), ReadOptions{}))
		if err != nil {
			t.Fatal(err)
		}
		if k := getRing(t, db, other, done[0].Key); states(k) != "1 revoked" || k.Default {
			t.Error(states(k))
		}
	})
}
