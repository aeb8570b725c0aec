package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"zencrypt/crypto/agefile"
)

// asker counts how often a passphrase is asked for.
type asker struct {
	pass string
	n    int
	err  error
}

func (a *asker) ask() (string, error) { a.n++; return a.pass, a.err }

func TestKeyReader_LockedFile(t *testing.T) {
	a, public := identity(t)
	b, _ := identity(t)
	rec, err := agefile.PassphraseRecipient("open sesame", 5)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := agefile.ParseRecipients(public)
	if err != nil {
		t.Fatal(err)
	}
	mine, others := encrypt(t, false, []byte("hello"), rs...), encrypt(t, false, []byte("hello"), newPair(t).rec)
	protected := encrypt(t, false, []byte("hello"), rec)
	for _, armored := range []bool{false, true} {
		who := &asker{pass: "open sesame"}
		k := agefile.KeyReader{Passphrase: who.ask}
		ids, err := k.Identities(bytes.NewReader(encrypt(t, armored, []byte("# mine\n"+b+"\n"+a+"\n"), rec)))
		if err != nil || len(ids) != 1 {
			t.Fatalf("%d identities, %v", len(ids), err)
		}
		native := newPair(t)
		both := encrypt(t, false, []byte("hello"), native.rec, rs[0])
		if got, err := decrypt(both, ids[0], native.id); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		var noKey *agefile.NoKeyError
		if _, err := decrypt(protected, ids...); !errors.As(err, &noKey) || !noKey.Passphrase {
			t.Errorf("a passphrase file: %v", err)
		}
		if who.n != 0 {
			t.Errorf("asked %d times without need", who.n)
		}
		who.pass = "wrong"
		if _, err := decrypt(mine, ids...); !errors.Is(err, agefile.ErrKeyPassphrase) {
			t.Errorf("wrong passphrase: %v", err)
		}
		gone := errors.New("no terminal")
		who.err = gone
		if _, err := decrypt(mine, ids...); !errors.Is(err, gone) {
			t.Errorf("nobody to ask: %v", err)
		}
		*who = asker{pass: "open sesame"}
		o, err := agefile.Open(bytes.NewReader(mine), newPair(t).id, ids[0])
		if err != nil || o.Index != 1 {
			t.Fatalf("%+v, %v", o, err)
		}
		if _, err := decrypt(others, ids...); !errors.As(err, &noKey) || noKey.Tried != 1 {
			t.Errorf("somebody else's file: %v", err)
		}
		if rs, err := agefile.RecipientsOf(ids...); err != nil || len(rs) != 2 {
			t.Errorf("%d recipients, %v", len(rs), err)
		}
		if who.n != 1 {
			t.Errorf("asked %d times, want once", who.n)
		}
		if out := fmt.Sprintf("%v %+v %#v", ids[0], ids[0], ids[0]); strings.Contains(out, "SECRET") {
			t.Error("the keys print")
		}
		// Each key within counts as an attempt.
		if _, err := (agefile.Opener{Identities: ids, MaxAttempts: 1}).Open(bytes.NewReader(mine)); !errors.Is(err, agefile.ErrTooManyAttempts) {
			t.Errorf("two attempts of one: %v", err)
		}
	}
	heavy, err := agefile.PassphraseRecipient("open sesame", 6)
	if err != nil {
		t.Fatal(err)
	}
	who := &asker{pass: "open sesame"}
	k := agefile.KeyReader{Passphrase: who.ask, MaxWorkFactor: 5, MaxBytes: 1000}
	whole := encrypt(t, false, []byte(a), rec)
	for name, file := range map[string][]byte{
		"ToAKey": encrypt(t, false, []byte(a), rs...), "TooMuchWork": encrypt(t, false, []byte(a), heavy), "CutHeader": whole[:40], "Armor": []byte("-----BEGIN AGE ENCRYPTED FILE-----\nxyz\n"),
	} {
		if _, err := k.Identities(bytes.NewReader(file)); !errors.Is(err, agefile.ErrKeys) {
			t.Errorf("%s: %v, want ErrKeys", name, err)
		}
	}
	if who.n != 0 {
		t.Errorf("asked %d times for files that are of no use", who.n)
	}
	for name, file := range map[string][]byte{
		"CutContent": whole[:len(whole)-1], "NoKeys": encrypt(t, false, []byte("hunter2"), rec), "Empty": encrypt(t, false, nil, rec),
	} {
		ids, err := k.Identities(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := decrypt(mine, ids...); !errors.Is(err, agefile.ErrKeys) || errors.Is(err, agefile.ErrDamaged) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want ErrKeys", name, err)
		}
	}
	if _, err := (agefile.KeyReader{}).Identities(bytes.NewReader(whole)); !errors.Is(err, agefile.ErrKeys) {
		t.Errorf("nobody may be asked: %v", err)
	}
}

func TestAskPassphrase(t *testing.T) {
	rec, err := agefile.PassphraseRecipient("open sesame", 6)
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, false, []byte("hello"), rec)
	who := &asker{pass: "open sesame"}
	id, err := agefile.AskPassphrase(who.ask, 6)
	if err != nil {
		t.Fatal(err)
	}
	var noKey *agefile.NoKeyError
	if _, err := decrypt(encrypt(t, false, nil, newPair(t).rec), id); !errors.As(err, &noKey) || who.n != 0 {
		t.Errorf("a file for a key: asked %d times, %v", who.n, err)
	}
	for range 2 {
		if got, err := decrypt(file, id); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
	if who.n != 1 {
		t.Errorf("asked %d times, want once", who.n)
	}
	low, err := agefile.AskPassphrase(who.ask, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(file, low); !errors.Is(err, agefile.ErrWorkFactor) || who.n != 1 {
		t.Errorf("too much work: asked %d times, %v", who.n, err)
	}
	for name, who := range map[string]*asker{"NoTerminal": {err: errors.ErrUnsupported}, "Empty": {}} {
		id, err := agefile.AskPassphrase(who.ask, 6)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decrypt(file, id); !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, agefile.ErrPassphrase) || errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
