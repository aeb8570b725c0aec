package models

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/passkey"
)

func TestPasskeys(t *testing.T) {
	db, c := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	prf := bytes.Repeat([]byte{7}, passkey.PRFSize)
	codes, err := db.Passkeys.Add(t.Context(), ada, "  My \u202e laptop ", credential(t, 1), prf)
	if err != nil || len(codes) != oneTimeCodes {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	c.add(time.Second) // the list is in the order of time
	if more, err := db.Passkeys.Add(t.Context(), ada, "", credential(t, 2), prf[:31]); err != nil || more != nil {
		t.Fatalf("%v, %v", more, err)
	}
	_, err = db.Passkeys.Add(t.Context(), ada, "again", credential(t, 1), nil)
	wantCode(t, err, Conflict, "")
	_, err = db.Passkeys.Add(t.Context(), ada, strings.Repeat("x", maxPasskeyName+1), credential(t, 3), nil)
	wantCode(t, err, Invalid, "name")
	all, err := db.Passkeys.List(t.Context(), ada)
	if err != nil || len(all) != 2 || all[0].Name != "My laptop" || !all[0].Unlocks || all[1].Name != "Passkey" || all[1].Unlocks {
		t.Fatalf("%+v, %v", all, err)
	}

	// What the PRF gave opens the account, with that credential alone.
	u, k, err := db.Passkeys.Open(t.Context(), credentialID(1), prf)
	if err != nil || u.Account.Login != "ada" || k.ID != all[0].ID {
		t.Fatal(err)
	}
	_, want := ada.Ring.Current()
	if _, got := u.Ring.Current(); got != want {
		t.Fatal("another key came out")
	}
	other := bytes.Repeat([]byte{8}, passkey.PRFSize)
	for name, try := range map[string]struct{ id, prf []byte }{
		"OtherPRF": {credentialID(1), other}, "NoPRF": {credentialID(1), nil}, "ShortPRF": {credentialID(1), prf[:31]},
		"FactorOnly": {credentialID(2), prf}, "Unknown": {credentialID(9), prf}, "NoID": {nil, prf},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := db.Passkeys.Open(t.Context(), try.id, try.prf)
			wantCode(t, err, Unauthorized, "")
		})
	}

	c.add(time.Second)
	if err := db.Passkeys.Used(t.Context(), ada, all[0].ID, all[0].Credential, false); err != nil {
		t.Fatal(err)
	}
	if err := db.Passkeys.Used(t.Context(), ada, all[1].ID, all[1].Credential, true); err != nil {
		t.Fatal(err)
	}
	all, err = db.Passkeys.List(t.Context(), ada)
	if err != nil || all[0].Used.IsZero() || all[0].Copied || !all[1].Copied || !all[1].Used.IsZero() {
		t.Fatalf("%+v, %v", all, err)
	}
	wantCode(t, db.Passkeys.Used(t.Context(), bob, all[0].ID, all[0].Credential, false), NotFound, "")
	wantCode(t, db.Passkeys.Unlock(t.Context(), ada, all[1].ID, all[1].Credential, nil), Invalid, "")

	wantCode(t, db.Passkeys.Remove(t.Context(), bob, all[0].ID, goodPassword, false), NotFound, "")
	wantCode(t, db.Passkeys.Remove(t.Context(), ada, all[0].ID, otherPassword, false), Unauthorized, "current")
	if err := db.Passkeys.Remove(t.Context(), ada, all[0].ID, goodPassword, true); err != nil {
		t.Fatal(err)
	}
	_, _, err = db.Passkeys.Open(t.Context(), credentialID(1), prf)
	wantCode(t, err, Unauthorized, "")
	wantCode(t, db.Passkeys.Remove(t.Context(), ada, all[1].ID, goodPassword, true), Invalid, "")
	if err := db.Passkeys.Remove(t.Context(), ada, all[1].ID, goodPassword, false); err != nil {
		t.Fatal(err)
	}
	s, err := db.Factors.State(t.Context(), ada)
	if err != nil || s.On() || s.CodesLeft != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
}

func TestPasskeys_Many(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	for i := range maxPasskeys {
		if _, err := db.Passkeys.Add(t.Context(), u, "", credential(t, byte(i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	_, err := db.Passkeys.Add(t.Context(), u, "", credential(t, 100), nil)
	wantCode(t, err, Invalid, "")
}

// A recovery changes nothing before its second factor, and once then.
func TestRecovery_Pending(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	code := pending(t, db, u, ReasonNew)
	_, codes := turnOn(t, db, u)
	r, err := db.Accounts.OpenRecovery(t.Context(), "ada", code, otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := db.Sessions.CreateRecovering(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword); err != nil {
		t.Fatalf("the old password: %v", err)
	}
	s, who, err := db.Sessions.Lookup(t.Context(), token)
	if err != nil || who != nil || !s.Pending {
		t.Fatal(err)
	}
	opened, waiting, err := db.Sessions.OpenPending(t.Context(), s)
	if err != nil || waiting == nil {
		t.Fatal(err)
	}
	if err := db.Factors.Check(t.Context(), opened, codes[0]); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions.Claim(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.FinishRecovery(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.sessions, "SELECT count(*) FROM recoveries"); n != 0 {
		t.Fatal("the new password's verifier stays with no session")
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", otherPassword); err != nil {
		t.Fatal(err)
	}
	_, err = db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	// The same code again, by a session that had waited too.
	_, err = db.Accounts.OpenRecovery(t.Context(), "ada", code, goodPassword)
	wantCode(t, err, Unauthorized, "")
	wantCode(t, db.Accounts.FinishRecovery(t.Context(), r), Unauthorized, "")
}
