package views

import (
	"encoding/base64"
	"time"
)

func keyCards() []KeyCard {
	versions := []KeyVersionRow{{N: 5, State: "active", Since: moment0}, {N: 4, State: "retired", Since: moment0, Items: 14, Bytes: 3 << 20, CanDelete: true},
		{N: 3, State: "revoked", Since: moment0, CanDelete: true}, {N: 1, State: "retired", Since: moment0, Items: 1, Bytes: 12, Below: true, CanDelete: true}}
	return []KeyCard{
		{ID: "k1", Name: "laptop", Kind: "age", Algorithm: "X25519", Default: true, Encrypts: true, Created: moment0, Expires: moment0.Add(20 * 24 * time.Hour),
			Fingerprint: "age1 ql3z 7hjy 54pw 3hyw w5ay yfg7 zqgv c7w3 j2el w8zm rj2k", Versions: versions, Items: 15, Older: 15, Warnings: []string{"Expires within 30 days."}},
		{ID: "k2", Name: hostile, Kind: "pgp", Algorithm: "ed25519", Created: moment0, Expires: moment0, Expired: true,
			Fingerprint: "9F3A 77C1 02BE 4D19 A6D0 5E21 8C44 0B7E 13D9 F2A5", Versions: versions[:1]},
		{ID: "k3", Name: "zen.key", Kind: "fernet", Algorithm: "AES", Versions: versions[:2], Created: moment0, Encrypts: true},
		{ID: "k4", Name: "old", Kind: "rsa", Algorithm: "RSA, 2048 bits", Versions: versions[2:3], Created: moment0},
		{ID: "k5", Kind: "age", Unreadable: true, Created: moment0},
	}
}

func keyPage(form string, errors Fields) KeyPage {
	return KeyPage{Card: keyCards()[0], Login: "Mira", Description: hostile, Public: recipient, PublicName: "laptop.age.pub",
		QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(qrStandIn()), ToMe: []string{"age -r " + recipient}, Open: []string{"age -d"},
		MinVersion: 2, Last: 5, Form: form, Errors: errors}
}

func keyExamples() []example {
	page, one := wide(on(user, "keys", "Keys")), on(user, "keys", "laptop")
	cards := keyCards()
	pgp := keyPage("", nil)
	pgp.Card, pgp.QRFinger, pgp.Revocation, pgp.Last = cards[1], true, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n", 5
	fernet := keyPage("", nil)
	fernet.Card, fernet.Public, fernet.QR, fernet.ToMe = cards[2], "", "", nil
	old := fernet
	old.Card = cards[3]
	form := KeyForm{Kind: "pgp", Algorithm: "p256", Name: hostile, UserName: hostile, Email: hostile, Expires: "2027-01-01", Algorithms: []Choice{{"curve25519", "Curve25519"}, {"p256", "NIST P-256"}}}
	bad := form
	bad.Errors = Fields{"kind": "Choose a kind.", "algorithm": "Choose one.", "name": "Too long.", "user_name": "No brackets.", "expires": "Has passed."}
	list := []example{
		{name: "keys", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 1000, Found: 1000, Next: "/keys?after=x", First: "/keys"}, Older: 15})},
		{name: "keys-search", page: page, body: Keys(KeyRing{Cards: cards[:1], Pages: ListPages{Path: "/keys", Query: hostile, Total: 1000, Found: 61, Next: "/keys?q=x&after=y"}})},
		{name: "keys-search-none", page: page, body: Keys(KeyRing{Pages: ListPages{Path: "/keys", Query: hostile, Total: 1000}})},
		{name: "keys-empty", page: page, body: Keys(KeyRing{})},
		{name: "keys-new", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, New: &form})},
		{name: "keys-new-errors", page: page, body: Keys(KeyRing{New: &bad})},
		{name: "keys-import", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, Load: &ImportForm{}})},
		{name: "keys-import-errors", page: page, body: Keys(KeyRing{Load: &ImportForm{Name: hostile, Errors: Fields{"name": "Too long.", "text": "No key.", "file": "No key.", "passphrase": "Wrong."}}})},
		{name: "keys-imported", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, Import: []ImportRow{{"k1", hostile, "added"}, {"k2", "x", "was there already"}}})},
		{name: "keys-rewrap", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, Rewrap: Rewrap{Running: true, Total: 1000, Done: 12, Bytes: 20 << 20, BytesDone: 1 << 20}})},
		{name: "keys-rewrapped", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, Older: 3, Rewrap: Rewrap{Ended: true, Done: 12}, Left: []LeftItems{{"damaged", 1, []KeyChoice{{ID: "k1", Name: hostile}}}, {"shared", 2, []KeyChoice{{ID: "k1", Name: "a"}, {ID: "k2", Name: "b"}}}, {"signed", 1, []KeyChoice{{ID: "k1", Name: "c"}}}}})},
		{name: "keys-rewrap-stopped", page: page, body: Keys(KeyRing{Cards: cards, Pages: ListPages{Path: "/keys", Total: 5}, Older: 3, Rewrap: Rewrap{Ended: true, Done: 1, Problem: "The disk is full."}})},
		{name: "fragment-rewrap", body: RewrapCard(KeyRing{Rewrap: Rewrap{Running: true, Total: 3}}), fragment: true},
		{name: "key", page: one, body: Key(keyPage("", nil))},
		{name: "key-held", page: one, body: Key(func() KeyPage {
			p := keyPage("", nil)
			p.Held, p.MoreHeld = []HeldItem{{ID: "i1", Title: hostile, Version: 1}, {ID: "i2", Title: "shared", Version: 1, Why: "shared"}, {ID: "i3", Version: 2, Why: "damaged"},
				{ID: "i4", Title: "signed", Version: 2, Why: "signed"}, {ID: "i5", Title: "deleted", Version: 2, Trashed: true}}, 7
			return p
		}())},
		{name: "key-pgp", page: one, body: Key(pgp)},
		{name: "key-fernet", page: one, body: Key(fernet)},
		{name: "key-rsa", page: one, body: Key(old)},
		{name: "key-unreadable", page: one, body: Key(KeyPage{Card: cards[4], Login: "Mira"})},
	}
	for form, errors := range map[string]Fields{"describe": {"name": "Empty.", "description": "Too long."}, "expiry": {"expires": "Has passed."}, "lowest": {"min_version": "1 to 5."},
		"export": {"current": "Wrong.", "passphrase": "Too long."}, "delete": {"current": "Wrong."}, "version-4": {"current": "Wrong."}, "rotate": {"": "It has expired."}} {
		list = append(list, example{name: "key-" + form + "-error", page: one, body: Key(keyPage(form, errors))})
	}
	return list
}
