package pgp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"zencrypt/crypto/pgp"
)

// bigRSA is an RSA key packet of so many bits, without a meaning.
func bigRSA(tag byte, bits int) []byte {
	b := []byte{4, 0x60, 0, 0, 0, 1}
	b = binary.BigEndian.AppendUint16(b, uint16(bits))
	n := bytes.Repeat([]byte{0xff}, bits/8)
	b = append(append(b, n...), 0, 17, 1, 0, 1)
	if tag == 5 {
		b = append(b, 0) // not locked
		for range 4 {
			b = append(binary.BigEndian.AppendUint16(b, uint16(bits/2)), n[:bits/16]...)
		}
		b = append(b, 0, 0)
	}
	return append(raw(tag, b), raw(13, []byte("Big"))...)
}

func TestReadKeys_Limits(t *testing.T) {
	k := fresh(t, pgp.KeyParams{Name: "Many"})
	public, private := k.Certificate().Bytes(), k.Bytes()
	for _, tt := range []struct {
		name    string
		private bool
		in      []byte
		n       int
		kind    error
	}{
		{"1000Public", false, bytes.Repeat(public, 1000), 1000, nil},
		{"1001Public", false, bytes.Repeat(public, 1001), 0, pgp.ErrRefused},
		{"10000Public", false, bytes.Repeat(public, 10_000), 0, pgp.ErrRefused},
		{"64Private", true, bytes.Repeat(private, 64), 64, nil},
		{"65Private", true, bytes.Repeat(private, 65), 0, pgp.ErrRefused},
		{"10000Private", true, bytes.Repeat(private, 10_000), 0, pgp.ErrRefused},
		{"10000Armored", false, []byte(strings.Repeat(k.Certificate().Armor(), 10_000)), 0, pgp.ErrRefused},
		{"50Armored", false, []byte(strings.Repeat("Some text\r\n"+strings.ReplaceAll(k.Certificate().Armor(), "\n", "\r\n"), 50)), 50, nil},
		{"BOM", false, []byte("\ufeff" + k.Certificate().Armor()), 1, nil},
		{"Quoted", false, []byte("> hello\n> > " + strings.ReplaceAll(k.Certificate().Armor(), "\n", "\n> > ")), 1, nil},
		{"16kPublic", false, bigRSA(6, 16384), 0, pgp.ErrRefused},
		{"16kPrivate", true, bigRSA(5, 16384), 0, pgp.ErrRefused},
		{"64kPublic", false, bigRSA(6, 65528), 0, pgp.ErrRefused},
		{"HugeUserID", false, append(bytes.Clone(public), raw(13, make([]byte, 5000))...), 0, pgp.ErrRefused},
		{"HugePacket", false, append(bytes.Clone(public), raw(17, make([]byte, 1<<20))...), 0, pgp.ErrRefused},
		{"Flooded", false, append(bytes.Clone(public), bytes.Repeat(raw(2, make([]byte, 10)), 20_000)...), 0, pgp.ErrRefused},
		{"300UserIDs", false, append(bytes.Clone(public), bytes.Repeat(raw(13, []byte("x")), 300)...), 0, pgp.ErrRefused},
		{"Endless", false, bytes.Repeat([]byte("no key here\n"), 2<<20), 0, pgp.ErrTooLarge},
		{"Empty", false, nil, 0, pgp.ErrKeys},
		{"Text", false, []byte("hello"), 0, pgp.ErrKeys},
		{"Message", false, encrypt(t, nil, pgp.EncryptOptions{Passphrases: []string{"x"}}), 0, pgp.ErrKeys},
		{"ArmoredMessage", false, encrypt(t, nil, pgp.EncryptOptions{Passphrases: []string{"x"}, Armor: true}), 0, pgp.ErrKeys},
		{"Truncated", false, public[:len(public)-5], 0, pgp.ErrDamaged},
		{"TruncatedArmor", false, []byte(k.Certificate().Armor()[:300]), 0, pgp.ErrDamaged},
		{"NoEnd", false, []byte(strings.Replace(k.Certificate().Armor(), "-----END PGP PUBLIC KEY BLOCK-----\n", "", 1)), 0, pgp.ErrDamaged},
		{"Version3", false, append(raw(6, []byte{3, 0x30, 0, 0, 0, 0, 0, 1, 0, 8, 255, 0, 8, 3}), raw(13, []byte("Old"))...), 0, pgp.ErrKeys},
		{"OnlyPacket", false, public[:53], 0, pgp.ErrKeys},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			var n int
			var err error
			if tt.private {
				var keys []*pgp.Key
				keys, err = pgp.ReadKeys(bytes.NewReader(tt.in), pgp.ReadOptions{})
				n = len(keys)
			} else {
				var certs []*pgp.Certificate
				certs, err = pgp.ReadCertificates(bytes.NewReader(tt.in), pgp.ReadOptions{})
				n = len(certs)
			}
			if !errors.Is(err, tt.kind) || n != tt.n {
				t.Errorf("%d keys, %v", n, err)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
	var skipped []error
	certs, err := pgp.ReadCertificates(bytes.NewReader(append(bigRSA(6, 16384), public...)), pgp.ReadOptions{Skip: func(err error) { skipped = append(skipped, err) }})
	if err != nil || len(certs) != 1 || len(skipped) != 1 || !errors.Is(skipped[0], pgp.ErrRefused) {
		t.Errorf("%d keys, %v, skipped %v", len(certs), err, skipped)
	}
}

// TestErrPrivateKey wants no part of a private key in an error.
func TestErrPrivateKey(t *testing.T) {
	k := key(t, pgp.Curve25519)
	for _, in := range []string{k.Armor(), string(k.Bytes()), "text\n" + k.Armor()[:200], k.Certificate().Armor() + k.Armor()} {
		_, err := pgp.ReadCertificates(strings.NewReader(in), pgp.ReadOptions{})
		if !errors.Is(err, pgp.ErrPrivateKey) || strings.Contains(err.Error(), k.Armor()[50:70]) {
			t.Errorf("%v", err)
		}
	}
}

func TestUserID(t *testing.T) {
	for _, tt := range []struct{ name, email, want string }{
		{"", "", ""}, {"Ann", "", "Ann"}, {"", "a@b.c", "<a@b.c>"}, {"Ann \u00dc", "a@b.c", "Ann \u00dc <a@b.c>"}, {`"<script>"`, "", "!"}, {"a\nb", "", "!"},
		{"a\u202eb", "", "!"}, {"a\u200bb", "", "!"}, {"\xff", "", "!"}, {"a(b", "", "!"}, {"a", "b c@d", "!"}, {strings.Repeat("x", 255), "", "!"}, {"\x00", "", "!"}, {"", "a@b>c", "!"},
	} {
		got, err := pgp.UserID(tt.name, tt.email)
		if (err != nil) != (tt.want == "!") || err == nil && got != tt.want || err != nil && !errors.Is(err, pgp.ErrUserID) {
			t.Errorf("UserID(%q, %q) = %q, %v", tt.name, tt.email, got, err)
		}
		if _, err := pgp.NewKey(pgp.KeyParams{Name: tt.name, Email: tt.email}); (err != nil) != (tt.want == "!") {
			t.Errorf("NewKey(%q, %q): %v", tt.name, tt.email, err)
		}
	}
	k := fresh(t, pgp.KeyParams{Algorithm: pgp.Curve25519V6, UserIDs: []string{"Ann (work) <a@b.c>", "a@b.c", "Ann", "Ann", "<a@b.c>"}})
	if ids := k.Info(time.Now()).UserIDs; len(ids) != 4 {
		t.Errorf("%q", ids)
	}
	if !bytes.Equal(k.Bytes(), reread(t, k).Bytes()) {
		t.Error("the order of user ids changes")
	}
	for in, want := range map[string]string{"a\x00\x1b[31m\u202eb\u2028\xff": "a\ufffd\ufffd[31m\ufffdb\ufffd\ufffd", "<b>\u00dc": "<b>\u00dc", strings.Repeat("\u00fc", 300): strings.Repeat("\u00fc", 200) + "\u2026"} {
		if got := pgp.Display(in); got != want || !utf8.ValidString(got) {
			t.Errorf("Display(%q) = %q", in, got)
		}
	}
}

func reread(t testing.TB, k *pgp.Key) *pgp.Key {
	t.Helper()
	keys, err := pgp.ReadKeys(bytes.NewReader(k.Bytes()), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

// TestUserID_Foreign keeps what another program let in.
func TestUserID_Foreign(t *testing.T) {
	g := newGnuPG(t)
	evil := "<script>alert(1)</script> \u202egro.live <e@vil.org>"
	g.run(nil, "--passphrase", "", "--allow-freeform-uid", "--quick-gen-key", evil, "ed25519", "sign")
	certs, err := pgp.ReadCertificates(strings.NewReader(g.run(nil, "--export")), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ids := certs[0].Info(time.Now()).UserIDs
	if len(ids) != 1 || ids[0] != evil || strings.ContainsRune(pgp.Display(ids[0]), '\u202e') {
		t.Errorf("%q, shown as %q", ids, pgp.Display(ids[0]))
	}
}

func TestKey_Reasons(t *testing.T) {
	key(t, pgp.Curve25519) // not after now
	now := time.Now()
	at := func(d time.Duration) func() time.Time { return func() time.Time { return now.Add(d) } }
	day := 24 * time.Hour
	expired := fresh(t, pgp.KeyParams{Expires: now.Add(-day), Now: at(-2 * day)})
	revoked, err := key(t, pgp.Curve25519).Revoke(pgp.Compromised, "lost", now)
	if err != nil {
		t.Fatal(err)
	}
	future := fresh(t, pgp.KeyParams{Now: at(day)})
	for name, tt := range map[string]struct {
		k    *pgp.Key
		kind error
		text string
	}{
		"Expired": {expired, pgp.ErrKeyExpired, now.Add(-day).UTC().Format(time.DateOnly)}, "Revoked": {revoked, pgp.ErrKeyRevoked, "no longer secret"}, "Future": {future, pgp.ErrKeyInvalid, "future"},
	} {
		i := tt.k.Info(now)
		var ke *pgp.KeyError
		if i.CanEncrypt || i.CanSign || !errors.Is(i.EncryptErr, tt.kind) || !errors.As(i.SignErr, &ke) || !strings.Contains(i.CantEncrypt, tt.text) {
			t.Errorf("%s: %+v", name, i)
		}
		if _, err := pgp.Encrypt(&bytes.Buffer{}, pgp.EncryptOptions{To: []*pgp.Certificate{tt.k.Certificate()}}); !errors.Is(err, tt.kind) {
			t.Errorf("%s: Encrypt: %v", name, err)
		}
		if _, err := pgp.SignDetached(&bytes.Buffer{}, []*pgp.Key{tt.k}, pgp.SignOptions{}); !errors.Is(err, tt.kind) {
			t.Errorf("%s: Sign: %v", name, err)
		}
	}
	// Its owner still opens what was encrypted to it.
	msg := encrypt(t, []byte("old"), pgp.EncryptOptions{To: []*pgp.Certificate{expired.Certificate()}, Now: at(-36 * time.Hour)})
	if got, _, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{expired}}); err != nil || string(got) != "old" {
		t.Errorf("an expired key: %q, %v", got, err)
	}
	msg = encrypt(t, []byte("old"), pgp.EncryptOptions{To: []*pgp.Certificate{key(t, pgp.Curve25519).Certificate()}})
	if got, _, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{revoked}}); err != nil || string(got) != "old" {
		t.Errorf("a revoked key: %q, %v", got, err)
	}
	// Signatures of then and now.
	sign := func(k *pgp.Key, when time.Duration) []byte {
		var out bytes.Buffer
		w, err := pgp.SignDetached(&out, []*pgp.Key{k}, pgp.SignOptions{Now: at(when)})
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, []byte("x"))
		return out.Bytes()
	}
	for _, tt := range []struct {
		name   string
		sig    []byte
		cert   *pgp.Certificate
		status pgp.Status
	}{
		{"BeforeExpiry", sign(expired, -36*time.Hour), expired.Certificate(), pgp.Good},
		{"Compromised", sign(key(t, pgp.Curve25519), 0), revoked.Certificate(), pgp.Revoked},
		{"Future", sign(key(t, pgp.Curve25519), day), key(t, pgp.Curve25519).Certificate(), pgp.Bad},
	} {
		all, err := pgp.Verify(strings.NewReader("x"), bytes.NewReader(tt.sig), []*pgp.Certificate{tt.cert}, pgp.VerifyOptions{Now: at(time.Minute)})
		if err != nil || len(all) != 1 || all[0].Status != tt.status {
			t.Errorf("%s: %+v, %v", tt.name, all, err)
		}
	}
	longer, err := expired.SetExpiry(now.AddDate(1, 0, 0), now)
	if err != nil || !longer.Info(now).CanEncrypt || longer.Info(now).Expires.Unix() != now.AddDate(1, 0, 0).Unix() {
		t.Errorf("%+v, %v", longer.Info(now), err)
	}
	// A signature of the old time is still good, and one when it was expired is not.
	all, err := pgp.Verify(strings.NewReader("x"), bytes.NewReader(sign(expired, -36*time.Hour)), []*pgp.Certificate{longer.Certificate()}, pgp.VerifyOptions{})
	if err != nil || !pgp.AnyGood(all) {
		t.Errorf("%+v, %v", all, err)
	}
	never, err := longer.SetExpiry(time.Time{}, now.Add(time.Second))
	if err != nil || !never.Info(now.Add(time.Minute)).Expires.IsZero() {
		t.Errorf("%+v, %v", never.Info(now), err)
	}
	if _, err := longer.SetExpiry(now.Add(-day), now); err == nil {
		t.Error("an expiry in the past")
	}
}

func TestRevocationCertificate(t *testing.T) {
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.Curve25519V6} {
		k, other := key(t, a), key(t, pgp.P256)
		now := time.Now() // not before the key was made
		cert, err := k.RevocationCertificate(pgp.Retired, "", now)
		if err != nil {
			t.Fatal(err)
		}
		revoked, err := k.Certificate().ApplyRevocation(strings.NewReader(cert))
		if err != nil || !revoked.Info(now.Add(time.Second)).Revoked || k.Certificate().Info(now.Add(time.Second)).Revoked {
			t.Errorf("%v", err)
		}
		if _, err := other.Certificate().ApplyRevocation(strings.NewReader(cert)); !errors.Is(err, pgp.ErrKeys) {
			t.Errorf("another key's revocation: %v", err)
		}
		if _, err := k.Certificate().ApplyRevocation(strings.NewReader(revoked.Armor())); err != nil {
			t.Errorf("a newer copy: %v", err)
		}
	}
}

func TestAddEncryptionSubkey(t *testing.T) {
	now := time.Now()
	for _, a := range pgp.Algorithms() {
		k := key(t, a)
		old := encrypt(t, []byte("old"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
		next, err := k.AddEncryptionSubkey(false, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		later := func() time.Time { return now.Add(time.Hour) }
		i := next.Info(later())
		if len(i.Subkeys) != 2 || !i.Subkeys[1].Encrypt || !i.Subkeys[1].Valid || i.Subkeys[1].Algorithm != i.Subkeys[0].Algorithm {
			t.Errorf("%s: %+v", a, i.Subkeys)
		}
		fresh := encrypt(t, []byte("new"), pgp.EncryptOptions{To: []*pgp.Certificate{next.Certificate()}, Now: later})
		for _, msg := range [][]byte{old, fresh} {
			if _, _, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{next}}); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
		if _, m, err := open(fresh, pgp.OpenOptions{Keys: []*pgp.Key{next}}); err != nil || m.Fingerprint != i.Subkeys[1].Fingerprint {
			t.Errorf("%s: the older subkey is used, %v", a, err)
		}
		if next.Fingerprint() != k.Fingerprint() {
			t.Errorf("%s: another key", a)
		}
	}
}

// TestNoGoroutines counts them after work that was left unfinished.
func TestNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	k := key(t, pgp.Curve25519V6)
	msg := encrypt(t, content(1<<20), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Passphrases: []string{"x"}})
	for range 3 {
		w, err := pgp.Encrypt(&bytes.Buffer{}, pgp.EncryptOptions{Passphrases: []string{"x"}, Modern: true})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, "never closed")
		m, err := pgp.Open(bytes.NewReader(msg), pgp.OpenOptions{Keys: []*pgp.Key{k}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	// One that has done its work may still be on its way out, and the runtime has some of its own for a moment.
	late := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(late) {
		runtime.Gosched()
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}
