package handlers

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"html"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"zencrypt/crypto/pgp"
	"zencrypt/crypto/seal"
	"zencrypt/models"
)

// unlock is the account of a test's person.
func (s *server) unlock(t testing.TB, login string) *models.Unlocked {
	t.Helper()
	u, err := s.db.Accounts.Authenticate(t.Context(), login, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// change changes the database behind the server's back.
func (s *server) change(t testing.TB, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "zencrypt.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if n, _ := r.RowsAffected(); n == 0 {
		t.Fatalf("no row fits: %s", query)
	}
}

// changeSessions is change for sessions.db.
func (s *server) changeSessions(t testing.TB, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "sessions.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if n, _ := r.RowsAffected(); n == 0 {
		t.Fatalf("no row fits: %s", query)
	}
}

func newPGP(t testing.TB, p pgp.KeyParams) *pgp.Key {
	t.Helper()
	k, err := pgp.NewKey(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// givePGP seals an OpenPGP key into a person's ring, as the rows of a key stand.
func (s *server) givePGP(t testing.TB, login string, k *pgp.Key, secret []byte) {
	t.Helper()
	u := s.unlock(t, login)
	id, version, now := models.NewID(), models.NewID(), time.Now().UnixMilli()
	closed := func(table, column string, row models.ID, v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return u.Ring.Seal(seal.KeyRing, seal.Place{Table: table, Column: column, Row: row[:], User: u.Account.ID[:]}, b)
	}
	s.change(t, "INSERT INTO keys (id, account_id, kind, created, seal_version, sealed_key) VALUES (?, ?, 'pgp', ?, 1, ?)", id[:], u.Account.ID[:], now,
		closed("keys", "sealed_key", id, map[string]any{"Kind": "pgp", "Algorithm": "Curve25519", "Name": "OpenPGP", "Default": true, "Created": now, "MinVersion": 1}))
	public := k.Certificate().Armor()
	s.change(t, "INSERT INTO key_versions (id, key_id, account_id, n, created, public, seal_version, sealed_version) VALUES (?, ?, ?, 1, ?, ?, 1, ?)",
		version[:], id[:], u.Account.ID[:], now, public, closed("key_versions", "sealed_version", version,
			map[string]any{"Key": id[:], "N": 1, "State": "active", "Created": now, "Public": public, "Secret": secret}))
	if err := s.db.Keys.Offer(t.Context(), u); err != nil {
		t.Fatal(err)
	}
}

// account registers somebody and gives them an OpenPGP key.
func (s *server) account(t testing.TB, login string) (*client, *pgp.Key) {
	t.Helper()
	c := s.client(t)
	c.register(login)
	k := newPGP(t, pgp.KeyParams{Name: login, Email: login + "@example.org"})
	s.givePGP(t, login, k, []byte(k.Armor()))
	return c, k
}

// befriend adds somebody by login and returns their page's path.
func (c *client) befriend(login string) string {
	c.t.Helper()
	to := c.post("/people", "login", login).want(c.t, 303).Header.Get("Location")
	path, _, _ := strings.Cut(to, "?")
	return path
}

var shownState = regexp.MustCompile(`name="state" value="([0-9a-f]{64})"`)

func state(t *testing.T, a answer) string {
	t.Helper()
	m := shownState.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no state on the page:\n%s", a.body)
	}
	return m[1]
}

var shownPhrase = regexp.MustCompile(`(?s)Safety phrase for (\w+)</p><p class="made">([a-z -]+)</p>`)

func TestPeople_Find(t *testing.T) {
	s := newServer(t)
	ada, bob := s.client(t), s.client(t)
	ada.register("ada")
	bob.register("Bob@Example.org")
	ada.get("/people").want(t, 200, "Nobody yet", "Find somebody here")
	ada.post("/people/find", "login", " BOB@example.org ").want(t, 200, "Bob@Example.org is here", "age1", "Adding pins these keys")
	ada.post("/people/find", "login", "ada").want(t, 200, "That is you")
	ada.post("/people", "login", "ada").want(t, 422, "your own login")
	ada.post("/people/find", "login", "").want(t, 422, "Type the whole login")
	unknown := ada.post("/people/find", "login", "Bob@Example.com").want(t, 422, "Nobody of this login can be found")
	bob.post("/account/listed", "listed", "0").want(t, 303)
	bob.get("/account?done=unlisted").want(t, 200, "Let others find me", "Nobody finds you")
	hidden := ada.post("/people/find", "login", "Bob@Example.org").want(t, 422)
	if strings.ReplaceAll(hidden.body, "Example.org", "Example.com") != unknown.body {
		t.Error("an unlisted account answers otherwise than one that does not exist")
	}
	ada.post("/people", "login", "Bob@Example.org").want(t, 422, "Nobody of this login can be found")
	bob.post("/account/listed", "listed", "1").want(t, 303)
	path := ada.befriend("bob@example.org")
	ada.get(path+"?done=added").want(t, 200, "Bob@Example.org", "The keys below are pinned", "Safety phrase for age", `src="data:image/png`)
	ada.post("/people/find", "login", "bob@example.org").want(t, 200, "In your list already")
	ada.post("/people", "login", "bob@example.org").want(t, 422, "in your list already")
	ada.post(path+"/delete").want(t, 303)
	ada.get(path).want(t, 404)
	ada.get("/people?done=deleted").want(t, 200, "Removed from your list", "Nobody yet")
}

// TestPeople_Limit: an account asks for so many logins an hour and no more, by whichever way.
func TestPeople_Limit(t *testing.T) {
	s := newServer(t)
	c, other := s.client(t), s.client(t)
	c.register("asks")
	other.register("other")
	for i := range 30 {
		switch i % 3 {
		case 0:
			c.post("/people/find", "login", fmt.Sprintf("nobody-%d", i)).want(t, 422)
		case 1:
			c.post("/people", "login", fmt.Sprintf("nobody-%d", i)).want(t, 422)
		default:
			c.post("/encrypt", "to", "people", "recipients", fmt.Sprintf("nobody-%d", i), "text", "x").want(t, 422, "can be found here")
		}
	}
	for _, a := range []answer{c.post("/people/find", "login", "other"), c.post("/people", "login", "other"), c.post("/encrypt", "to", "people", "recipients", "other", "text", "x")} {
		if a.want(t, 429, "Too many"); a.Header.Get("Retry-After") == "" {
			t.Error("it does not say when to come back")
		}
	}
	other.post("/people/find", "login", "asks").want(t, 200)
	c.post("/people", "public_key", testRecipient).want(t, 303) // which is no look-up
}

func TestPeople_Outside(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	now := time.Now()
	long := now.AddDate(-1, 0, 0)
	good := newPGP(t, pgp.KeyParams{Name: "Grace, Hopper #1", Email: "grace@example.org"})
	past := func() time.Time { return long }
	expired := newPGP(t, pgp.KeyParams{Name: "Old", Now: past, Expires: long.AddDate(0, 1, 0)})
	fresh := newPGP(t, pgp.KeyParams{Name: "Lost", Now: past})
	revoked, err := fresh.Revoke(pgp.Compromised, "", now)
	if err != nil {
		t.Fatal(err)
	}
	identity, recipient := ageKey(t)
	path := func(a answer) string {
		p, _, _ := strings.Cut(a.want(t, 303).Header.Get("Location"), "?")
		return p
	}
	c.get(path(c.post("/people", "public_key", "some mail\r\n"+strings.ReplaceAll(good.Certificate().Armor(), "\n", "\r\n")+"\r\n"))).
		want(t, 200, "Grace Hopper 1", "grace@example.org", grouped(good.Fingerprint()), "compare the fingerprint")
	both := path(c.post("/people", "name", "Both <b>bold</b>", "note", "met at <i>work</i>", "public_key", recipient+"\n"+newPGP(t, pgp.KeyParams{Name: "x"}).Certificate().Armor()))
	page := c.get(both).want(t, 200, "Both &lt;b&gt;bold&lt;/b&gt;", "met at &lt;i&gt;work&lt;/i&gt;", recipient)
	if strings.Contains(page.body, "Safety phrase") {
		t.Error("a safety phrase for somebody who has no page here")
	}
	list := c.get("/people").want(t, 200, "Grace Hopper 1", "from outside", "OpenPGP")
	if strings.Contains(list.body, "<b>bold") {
		t.Error("a name is not escaped")
	}
	before := s.state(t)
	secret := good.Armor()
	for name, tt := range map[string]struct {
		key, name, says string
	}{
		"Nothing":   {"", "n", "Paste a public key"},
		"Nonsense":  {"what is this", "n", "Entry 1 is none"},
		"Typo":      {recipient[:40], "n", "not complete or was mistyped"},
		"Private":   {identity, "n", "private key"},
		"PrivateIn": {recipient + "\n" + secret, "n", "private key"},
		"Message":   {"-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----", "n", "only public keys"},
		"CutShort":  {good.Certificate().Armor()[:300], "n", "no END line"},
		"Damaged":   {strings.Replace(good.Certificate().Armor(), "\n\n", "\n\nAAAA", 1), "n", "damaged"},
		"Expired":   {expired.Certificate().Armor(), "n", "has expired"},
		"Revoked":   {revoked.Certificate().Armor(), "n", "was revoked"},
		"16kBits":   {hugeKey(t), "n", "at most 8192"},
		"SameName":  {testRecipient, "GRACE  hopper 1 <grace@EXAMPLE.org>", "has somebody of this name"},
		"KeyAsName": {testRecipient, recipient, "starts like a key"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.post("/people", "public_key", tt.key, "name", tt.name).want(t, 422)
			if !strings.Contains(html.UnescapeString(a.body), tt.says) {
				t.Errorf("it does not say %q:\n%s", tt.says, a.body)
			}
			if strings.HasPrefix(name, "Private") {
				for _, part := range []string{identity[20:], strings.Split(secret, "\n")[4]} {
					if strings.Contains(a.body, part) || strings.Contains(s.log.String(), part) {
						t.Error("a private key comes back or is in the log")
					}
				}
			}
		})
	}
	if after := s.state(t); after != before {
		t.Errorf("bad input changed something:\n%s", after)
	}
	// User ids of others are text, whatever they hold.
	a := c.get(path(c.post("/people", "public_key", hostileKey(t, "\"><script>alert(1)</script>\u202e\x1b[2J\n,x")))).want(t, 200, "&lt;script&gt;")
	for _, s := range []string{"<script>alert", "\u202e", "\x1b", "[2J\n"} {
		if strings.Contains(a.body, s) {
			t.Errorf("a user id comes out with %q", s)
		}
	}
}

// hostileKey is a certificate whose owner wrote anything into the user id, which no program of ours does.
func hostileKey(t testing.TB, userID string) string {
	t.Helper()
	e := hostileEntity(t, userID)
	var raw bytes.Buffer
	if err := e.Serialize(&raw); err != nil {
		t.Fatal(err)
	}
	return armorPublicKey(t, raw.Bytes())
}

func armorPublicKey(t testing.TB, raw []byte) string {
	t.Helper()
	var out strings.Builder
	w, err := armor.Encode(&out, "PGP PUBLIC KEY BLOCK", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// hugeKey is a certificate that says it has 16,384 bits; nothing is computed with it.
func hugeKey(t testing.TB) string {
	t.Helper()
	raw := newPGP(t, pgp.KeyParams{Name: "huge", Algorithm: pgp.RSA3072}).Certificate().Bytes()
	// The first packet is the key: version, time, algorithm, then a modulus whose length in bits stands before it.
	var n bytes.Buffer
	body := append([]byte{4, 0x60, 0, 0, 0, 1, 0x40, 0}, bytes.Repeat([]byte{0xff}, 2048)...)
	body = append(body, 0, 17, 1, 0, 1)
	n.Write([]byte{0xc6, 0xff, 0, 0, byte(len(body) >> 8), byte(len(body))})
	n.Write(body)
	first := 2 + int(raw[1]) // RFC 9580 section 4.2.1
	if raw[1] >= 192 {
		first = 3 + int(raw[1]-192)<<8 + int(raw[2]) + 192
	}
	n.Write(raw[first:])
	return armorPublicKey(t, n.Bytes())
}

var shownArmor = regexp.MustCompile(`(?s)-----BEGIN (?:AGE ENCRYPTED FILE|PGP MESSAGE)-----.*?-----END (?:AGE ENCRYPTED FILE|PGP MESSAGE)-----`)

// armorOf is the message that a page shows.
func armorOf(t testing.TB, page string) string {
	t.Helper()
	m := shownArmor.FindString(html.UnescapeString(page))
	if m == "" {
		t.Fatalf("no message on the page:\n%s", page)
	}
	return m + "\n"
}

// TestPeople_Changed: a key that is replaced in the database stops what would be encrypted to it, and one's own is
// reported while the sealed one is used.
func TestPeople_Changed(t *testing.T) {
	s := newServer(t)
	ada, _ := s.account(t, "ada")
	bob, bobKey := s.account(t, "bob")
	path := ada.befriend("bob")
	ada.post(path+"/verify", "state", state(t, ada.get(path))).want(t, 303)
	ada.get(path).want(t, 200, "Verified", "You compared the keys")
	adaPage := ada.get(path).body
	bobPage := bob.get(bob.befriend("ada")).body
	mine, theirs := shownPhrase.FindAllStringSubmatch(adaPage, -1), shownPhrase.FindAllStringSubmatch(bobPage, -1)
	if len(mine) != 2 || fmt.Sprint(mine) != fmt.Sprint(theirs) {
		t.Fatalf("the safety phrases differ: %q and %q", mine, theirs)
	}
	ada.post("/encrypt", "to", "people", "recipients", "bob", "also_me", "1", "text", "before").want(t, 200, "Encrypted for bob and you")

	_, evil := ageKey(t)
	s.change(t, "UPDATE key_versions SET public = ? WHERE public LIKE 'age1%' AND account_id = (SELECT id FROM accounts WHERE login = 'bob')", evil)
	before := s.state(t)
	for name, fields := range map[string][]string{
		"Login": {"recipients", "bob"}, "Ticked": {"person", strings.TrimPrefix(path, "/people/")}, "OpenPGP": {"recipients", "bob", "format", "pgp"},
		"AmongOthers": {"recipients", testRecipient + ",BOB"},
	} {
		t.Run(name, func(t *testing.T) {
			ada.t = t
			all := append([]string{"to", "people", "also_me", "1"}, fields...)
			for _, c := range []bool{false, true} {
				ada.htmx = c
				a := ada.upload("/encrypt", append(all, "text", "secret words")).want(t, 422, "The key of bob has changed", path)
				ada.upload("/encrypt", append(all, "mode", "files"), [2]string{"a.txt", "x"}).want(t, 422, "The key of bob has changed")
				if strings.Contains(a.body, "BEGIN AGE") || strings.Contains(a.body, "BEGIN PGP MESSAGE") {
					t.Error("something was encrypted")
				}
			}
			ada.htmx = false
		})
	}
	ada.t = t
	if after := s.state(t); after != before {
		t.Errorf("something was stored:\n%s", after)
	}
	changed := ada.get(path).want(t, 200, "The age key has changed", "The key you added", "The key that is there now", evil, "Accept the change")
	if strings.Contains(changed.body, "Encrypt to them") || strings.Contains(changed.body, "Safety phrase") {
		t.Error("the page of a changed key offers to go on")
	}
	ada.get("/people").want(t, 200, "key changed")
	ada.get("/encrypt").want(t, 200, "key changed")
	ada.post(path+"/accept", "state", strings.Repeat("0", 64)).want(t, 409, "not those that the page showed")
	ada.post(path+"/verify", "state", state(t, changed)).want(t, 409)
	ada.post(path+"/accept", "state", state(t, changed)).want(t, 303)
	ada.get(path).want(t, 200, evil, "Compare, once")
	ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "after").want(t, 200, "Encrypted for bob")

	// OpenPGP: what the primary key has signed is said mildly, another key is not.
	later, err := bobKey.SetExpiry(time.Now().AddDate(1, 0, 0), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put := func(k *pgp.Key) {
		s.change(t, "UPDATE key_versions SET public = ? WHERE public LIKE '-----%' AND account_id = (SELECT id FROM accounts WHERE login = 'bob')", k.Certificate().Armor())
	}
	put(later)
	ada.get(path).want(t, 200, "renewed by its owner", "state info")
	ada.get("/people").want(t, 200, "renewed")
	ada.post("/encrypt", "to", "people", "recipients", "bob", "format", "pgp", "text", "mild").want(t, 200, "BEGIN PGP MESSAGE")
	put(newPGP(t, pgp.KeyParams{Name: "bob", Email: "bob@example.org"}))
	ada.get(path).want(t, 200, "The OpenPGP key has changed", grouped(bobKey.Fingerprint()))
	ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 422, "The key of bob has changed")

	// One's own.
	s.change(t, "UPDATE key_versions SET public = ? WHERE public LIKE 'age1%' AND account_id = (SELECT id FROM accounts WHERE login = 'ada')", evil)
	a := ada.post("/encrypt", "to", "me", "text", "my own words").want(t, 200, "The public copy of your key", "was changed")
	ada.post("/encrypt", "to", "people", "recipients", testRecipient, "also_me", "1", "text", "x").want(t, 200, "The public copy of your key")
	ada.get("/people").want(t, 200, "The public copy of your key")
	ada.post("/decrypt", "text", armorOf(t, a.body)).want(t, 200, "my own words")

	// The account is gone.
	bob.post("/account/delete", "current", testPassword, "login", "bob").want(t, 303)
	ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 422, "has no account here any more")
	gone := ada.get(path).want(t, 200, "The account is gone", "Keep as somebody from outside")
	ada.post(path+"/accept", "state", state(t, gone)).want(t, 303)
	ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 200)
}
