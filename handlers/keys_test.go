package handlers

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
)

var keyLink = regexp.MustCompile(`/keys/[0-9a-f]{32}`)

// newKey makes a key on the page and returns its path.
func (c *client) newKey(kind string, more ...string) string {
	c.t.Helper()
	a := c.post("/keys", append([]string{"kind", kind}, more...)...).want(c.t, 303)
	path := keyLink.FindString(a.Header.Get("Location"))
	if path == "" {
		c.t.Fatalf("made a key, and sent to %q", a.Header.Get("Location"))
	}
	return path
}

// text is what stands on a page in <pre id="...">.
func (a answer) text(t *testing.T, id string) string {
	t.Helper()
	_, s, ok := strings.Cut(a.body, `id="`+id+`"`)
	_, s, _ = strings.Cut(s, ">")
	s, _, _ = strings.Cut(s, "</pre>")
	if !ok {
		t.Fatalf("no #%s on the page\n%s", id, a.body)
	}
	return html.UnescapeString(s)
}

func pgpKey(t *testing.T, p pgp.KeyParams) *pgp.Key {
	t.Helper()
	k, err := pgp.NewKey(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// pgpMessage encrypts to a key, and signs with others.
func pgpMessage(t *testing.T, text string, to *pgp.Key, sign ...*pgp.Key) string {
	t.Helper()
	var b bytes.Buffer
	w, err := pgp.Encrypt(&b, pgp.EncryptOptions{To: []*pgp.Certificate{to.Certificate()}, Sign: sign, Armor: true})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestKeys_Pages(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	c.get("/keys").want(t, 200, "2 keys", "default", "New key", "Import")
	c.get("/keys?new=1").want(t, 200, "Make the key", "Curve25519")
	c.get("/keys?import=1").want(t, 200, "Import private keys")
	for kind, shows := range map[string]string{"age": "age1", "age-pq": "too long for a QR code", "pgp": "BEGIN PGP PUBLIC KEY BLOCK", "fernet": "No public key"} {
		path := c.newKey(kind, "name", "My "+kind, "algorithm", "curve25519", "user_name", "Ann", "email", "ann@example.org", "expires", "2099-01-02")
		c.get(path).want(t, 200, "My "+kind, shows, "2 Jan 2099", "version 1", "active", "Rotate")
		c.post(path+"/describe", "name", "Other "+kind, "description", "first line\r\nsecond <b>line</b>").want(t, 303)
		c.get(path).want(t, 200, "Other "+kind, "second &lt;b&gt;line&lt;/b&gt;")
		c.post(path+"/rotate").want(t, 303)
		c.post(path+"/expiry", "expires", "").want(t, 303)
		c.get(path+"?done=rotate").want(t, 200, "version 2", "retired", "has a new version", "never")
		c.post(path+"/default").want(t, 303)
		c.post(path+"/versions/1/revoke").want(t, 303)
		c.post(path+"/versions/1/delete", "current", "wrong").want(t, 422, "password is wrong")
		c.post(path+"/versions/1/delete", "current", testPassword).want(t, 303)
		c.get(path+"/versions/1").want(t, 404)
		c.post(path+"/versions/2/retire").want(t, 303)
		c.get(path).want(t, 200, "It encrypts nothing more")
		c.post(path+"/rotate").want(t, 303)
		c.get("/keys").want(t, 200, "Other "+kind)
	}
	// What others may see is what is active.
	if a := c.get("/account"); strings.Contains(a.body, "age1") || !strings.Contains(a.body, `href="/keys"`) {
		t.Error("the account page still has keys, or no link to them")
	}
	path := c.newKey("age")
	c.post(path+"/delete", "current", "wrong").want(t, 422, "password is wrong")
	if a := c.post(path+"/delete", "current", testPassword); a.StatusCode != 303 || a.Header.Get("Location") != "/keys?done=deleted" {
		t.Errorf("delete: %d to %q", a.StatusCode, a.Header.Get("Location"))
	}
	c.get(path).want(t, 404)
	c.get("/keys?done=deleted").want(t, 200, "The key is deleted.")
}

func TestKeys_Revoked(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	path := c.newKey("pgp", "user_name", "Ann")
	public := c.get(path).text(t, "recipient")
	c.post(path+"/versions/1/revoke", "reason", "9").want(t, 400)
	c.post(path+"/versions/1/revoke", "reason", "2").want(t, 303)
	page := c.get(path).want(t, 200, "Revocation certificate", "revoked")
	certs, err := pgp.ReadCertificates(strings.NewReader(public), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := certs[0].ApplyRevocation(strings.NewReader(page.text(t, "revocation")))
	if err != nil || !revoked.Info(time.Now()).Revoked {
		t.Errorf("the certificate does not revoke: %v", err)
	}
	c.post(path+"/rotate").want(t, 422, "is revoked")
	c.post(path+"/versions/1/revoke").want(t, 422, "revoked already")
}

func TestKeys_Import(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	key := pgpKey(t, pgp.KeyParams{Name: "Ann", Email: "ann@example.org"})
	locked, err := key.Lock("open sesame", pgp.LockOptions{Count: 65536})
	if err != nil {
		t.Fatal(err)
	}
	identity, _, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	c.post("/keys/import", "name", "from my laptop", "text", identity).want(t, 200, "1 key was read", "from my laptop", "added")
	c.post("/keys/import", "text", identity).want(t, 200, "was there already")
	// As browsers send a form whose file field is empty.
	c.multi("/keys/import", fieldPart("name", "")+fieldPart("passphrase", "")+fieldPart("text", identity)+filePart("", "")+"--b--\r\n").want(t, 200, "was there already")
	c.post("/keys/import", "text", locked.Armor()).want(t, 422, "locked with a passphrase")
	c.upload("/keys/import", []string{"passphrase", "open sesame", "text", ""}, [2]string{"ann.asc", locked.Armor()}, [2]string{"zen.key", fernet.NewKey() + "\n"}).
		want(t, 200, "2 keys were read", "Ann &lt;ann@example.org&gt;")
	message := pgpMessage(t, "to be opened", key, key)
	c.post("/decrypt", "text", message).want(t, 200, "to be opened", "Opened with your key", "Ann &lt;ann@example.org&gt;", "Good signature by you")
	path := keyLink.FindString(c.post("/keys/import", "text", key.Armor()).want(t, 200).body)

	t.Run("Export", func(t *testing.T) {
		for pass, wantLocked := range map[string]bool{"": false, "another one": true} {
			a := c.post(path+"/export", "current", testPassword, "passphrase", pass).want(t, 200, "BEGIN PGP PRIVATE KEY BLOCK")
			keys, err := pgp.ReadKeys(strings.NewReader(a.body), pgp.ReadOptions{})
			if err != nil || len(keys) != 1 || keys[0].Fingerprint() != key.Fingerprint() || keys[0].Locked() != wantLocked {
				t.Errorf("passphrase %q: %v, %v", pass, keys, err)
			}
		}
		c.post(path+"/export", "current", "wrong").want(t, 422, "password is wrong")
		c.post(path+"/export", "current", testPassword, "passphrase", strings.Repeat("x", 1025)).want(t, 422, "1,024 bytes")
		age := c.newKey("age")
		c.post(age+"/rotate").want(t, 303)
		plain := c.post(age+"/export", "current", testPassword).want(t, 200).body
		if ids, err := agefile.ParseIdentities(plain); err != nil || len(ids) != 2 {
			t.Errorf("%d identities, %v", len(ids), err)
		}
		sealed := c.post(age+"/export", "current", testPassword, "passphrase", "for the file").want(t, 200, "BEGIN AGE ENCRYPTED FILE").body
		pairs, err := models.ReadPairs([]byte(sealed), models.ReadOptions{Passphrase: "for the file"})
		if err != nil || len(pairs) != 2 || !strings.Contains(plain, string(pairs[0].Secret)) {
			t.Errorf("the locked file: %d keys, %v", len(pairs), err)
		}
	})
	t.Run("Public", func(t *testing.T) {
		c.post("/keys/import", "text", key.Certificate().Armor()).want(t, 422, "public key", "Encrypt page")
		// And the reverse: a private key where a public one belongs is refused and not shown again.
		a := c.post("/encrypt", "to", "people", "recipients", identity, "text", "x").want(t, 422, "private key")
		if strings.Contains(a.body, identity) {
			t.Error("the private key is shown again")
		}
	})
}

func TestKeys_BadInput(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	path := c.newKey("age")
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	form := func(path string, fields ...string) func(c *client) answer {
		return func(c *client) answer { return c.post(path, fields...) }
	}
	const evil = `<script>alert(1)</script>` + "\u202e\x1b[2J"
	refused(t, s, c, []bad{
		{"Kind", 422, []string{"choose a kind"}, form("/keys", "kind", "rot13")},
		{"NoKind", 422, []string{"choose a kind"}, form("/keys")},
		{"Algorithm", 422, []string{"algorithm"}, form("/keys", "kind", "pgp", "algorithm", evil)},
		{"UserID", 422, []string{"control characters"}, form("/keys", "kind", "pgp", "user_name", evil)},
		{"Address", 422, []string{"no spaces"}, form("/keys", "kind", "pgp", "email", "a b@example.org")},
		{"Date", 422, []string{"year-month-day"}, form("/keys", "kind", "age", "expires", "tomorrow")},
		{"Passed", 422, []string{"has passed"}, form("/keys", "kind", "age", "expires", "2001-01-01")},
		{"TooLate", 422, []string{"earlier date"}, form("/keys", "kind", "pgp", "expires", "9999-01-01")},
		{"LongName", 422, []string{"100 is the limit"}, form("/keys", "kind", "age", "name", strings.Repeat("n", 101))},
		{"NoName", 422, []string{"name is empty"}, form(path+"/describe", "name", " \u202e ")},
		{"LongDescription", 422, []string{"1000 is the limit"}, form(path+"/describe", "name", "n", "description", strings.Repeat("d", 1001))},
		{"Expiry", 422, []string{"has passed"}, form(path+"/expiry", "expires", "2001-01-01")},
		{"Lowest", 422, []string{"from 1 to 1"}, form(path+"/expiry", "min_version", "2")},
		{"LowestWord", 422, []string{"from 1 to 1"}, form(path+"/expiry", "min_version", "one")},
		{"ActiveVersion", 422, []string{"active one"}, form(path+"/versions/1/delete", "current", testPassword)},
		{"NoVersion", 404, nil, form(path + "/versions/2/retire")},
		{"OddVersion", 404, nil, form(path + "/versions/x/retire")},
		{"Password", 422, []string{"password is wrong"}, form(path+"/export", "current", "wrong")},
		{"NoPassword", 422, []string{"password is wrong"}, form(path + "/delete")},
		{"OddKey", 404, nil, form("/keys/zz/rotate")},
		{"RewrapOther", 404, nil, form("/keys/rewrap", "key", strangerID)},
		{"After", 404, nil, func(c *client) answer { return c.get("/keys?after=x") }},
		{"ImportNothing", 422, []string{"no key"}, form("/keys/import")},
		{"ImportWords", 422, []string{"no private key"}, form("/keys/import", "text", "hello")},
		{"ImportPublic", 422, []string{"public key"}, form("/keys/import", "text", recipient)},
		{"ImportTenThousand", 422, []string{"64"}, func(c *client) answer {
			return c.upload("/keys/import", nil, [2]string{"many.txt", strings.Repeat(identity+"\n", 10_000)})
		}},
		{"ImportHuge", 422, []string{"1 MiB"}, func(c *client) answer {
			return c.upload("/keys/import", nil, [2]string{"huge.bin", strings.Repeat("x", 1<<20+1)})
		}},
		{"ImportTwoFiles", 422, []string{"bad.txt", "no private key"}, func(c *client) answer {
			return c.upload("/keys/import", nil, [2]string{"good.txt", identity}, [2]string{"bad.txt", evil})
		}},
		{"ImportCut", 400, nil, func(c *client) answer { return c.multi("/keys/import", fieldPart("name", "n")+"--b\r\n") }},
	})
	for _, kind := range []string{"age", "fernet"} {
		for _, a := range []answer{c.post("/keys/import", "text", evil+identity), c.post("/keys", "kind", kind, "name", strings.Repeat("n", 101), "user_name", evil)} {
			if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, identity) || strings.Contains(a.body, "\u202e") {
				t.Errorf("%s: what was typed stands on the page", kind)
			}
		}
	}
	if strings.Contains(s.log.String(), identity) {
		t.Error("a private key is in the log")
	}
}

// TestKeys_Rewrap renews texts and files under older versions, for all kinds, and leaves what it must.
func TestKeys_Rewrap(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	keyOf := map[string]string{}
	ring := c.get("/keys").want(t, 200).body
	for _, path := range keyLink.FindAllString(ring, -1) {
		page := c.get(path).body
		switch {
		case strings.Contains(page, "age1"):
			keyOf["age"] = path
		default:
			keyOf["fernet"] = path
		}
	}
	keyOf["pgp"] = c.newKey("pgp", "user_name", "Ann")
	items := map[string]string{} // path in the vault to what it decrypts to
	saved := regexp.MustCompile(`/vault/[0-9a-f]{32}`)
	keep := func(a answer, plain string) string {
		t.Helper()
		path := saved.FindString(a.want(t, 200).body)
		if path == "" {
			t.Fatalf("not saved\n%s", a.body)
		}
		items[path] = plain
		return path
	}
	for _, format := range []string{"age", "fernet"} {
		keep(c.upload("/encrypt", []string{"to", "me", "format", format, "save", "1", "text", "a text for " + format}), "a text for "+format)
		keep(c.upload("/encrypt", []string{"to", "me", "format", format, "save", "1", "mode", "files"}, [2]string{"f.txt", strings.Repeat("a file for "+format, 9000)}), strings.Repeat("a file for "+format, 9000))
	}
	// A text that comes back to be kept, and one that somebody else encrypted with OpenPGP.
	own, err := pgp.ReadKeys(strings.NewReader(c.post(keyOf["pgp"]+"/export", "current", testPassword).want(t, 200).body), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pasted := func(kind, message, plain string) string {
		t.Helper()
		a := c.upload("/vault", []string{"kind", "ciphertext", "title", kind, "encoding", "base64", "text", base64.StdEncoding.EncodeToString([]byte(message))}).want(t, 303)
		items[a.Header.Get("Location")] = plain
		return a.Header.Get("Location")
	}
	pasted("pgp", pgpMessage(t, "from a friend", own[0]), "from a friend")
	signed := pasted("signed", pgpMessage(t, "signed by a friend", own[0], pgpKey(t, pgp.KeyParams{Name: "Friend"})), "signed by a friend")
	// For others too: known ones are kept, unknown ones keep the item as it is.
	theirs, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	known := keep(c.upload("/encrypt", []string{"to", "people", "recipients", recipient, "also_me", "1", "save", "1", "text", "for two"}), "for two")
	shared := pasted("shared", c.get(known+"/file").body, "for two")
	alone := c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "open sesame", "save", "1", "text", "not counted"}).want(t, 200)
	untouched := c.get(saved.FindString(alone.body) + "/file").body
	for _, path := range keyOf {
		c.post(path+"/rotate").want(t, 303)
	}
	before := map[string]string{}
	for path := range items {
		before[path] = c.get(path+"/file").want(t, 200).body
	}
	c.get("/keys").want(t, 200, fmt.Sprintf("Rewrap %d items", len(items)))
	c.post(keyOf["age"]+"/versions/1/delete", "current", testPassword).want(t, 422, "could never be opened again")

	c.post("/keys/rewrap").want(t, 303)
	s.rewrapped(t, c)
	// What was left, why and what to do stands there also when nobody remembers the rewrap.
	for range 2 {
		c.get("/keys").want(t, 200, "2 items stay under an older version of a key", "1 item left as before: signed", "1 item left as before: also for other people",
			"decrypt it; keep what comes out", keyOf["age"]+"#held-title", keyOf["pgp"]+"#held-title", "Try again")
		s.rewraps.Clear()
	}
	for key, item := range map[string]string{keyOf["age"]: shared, keyOf["pgp"]: signed} {
		held := c.get(key).want(t, 200, "Under older versions", item, "A rewrap leaves it as it is", "version 1")
		if n := strings.Count(held.body, `href="/vault/`); n != 2 { // the item's, and the one in the head is none of them
			if n != 1 {
				t.Errorf("%d items are listed as held\n%s", n, held.body)
			}
		}
	}
	if a := c.get(keyOf["fernet"]); strings.Contains(a.body, "Under older versions") {
		t.Error("a key under which nothing old stands says otherwise")
	}
	c.post("/keys/rewrap").want(t, 303) // again, with the same end
	s.rewrapped(t, c)
	if a := c.get("/keys").want(t, 200, "0 items were rewrapped", "2 items stay under"); strings.Contains(a.body, "Rewrap 2") {
		t.Error("what a rewrap leaves is offered to it again")
	}
	opens := func(path, plain string) {
		t.Helper()
		sealed := c.get(path+"/file").want(t, 200).body
		a := c.upload("/decrypt", []string{"mode", "files"}, [2]string{"x", sealed}).want(t, 200)
		result := regexp.MustCompile(`/results/[0-9a-f]{32}`).FindString(a.body)
		if got := c.get(result+"/file").want(t, 200).body; got != plain {
			t.Errorf("%s: %d bytes came back instead of %d", path, len(got), len(plain))
		}
		c.post(result+"/delete").want(t, 303)
		stays := path == signed || path == shared
		if same := sealed == before[path]; same != stays {
			t.Errorf("%s: unchanged %v, want %v", path, same, stays)
		}
	}
	for path, plain := range items {
		opens(path, plain)
	}
	if got := c.get(saved.FindString(alone.body) + "/file").body; got != untouched {
		t.Error("what stands under a passphrase was changed")
	}
	// Who else it was for can still open it.
	s.client(t).upload("/decrypt", []string{"identity", theirs, "text", c.get(known + "/file").body}).want(t, 200, "for two")
	// What was left keeps its version; without it the rest can go.
	c.post(keyOf["age"]+"/versions/1/delete", "current", testPassword).want(t, 422, "1 item")
	c.post("/vault/delete", "id", strings.TrimPrefix(shared, "/vault/")).want(t, 303)
	c.post(keyOf["age"]+"/versions/1/delete", "current", testPassword).want(t, 422, "1 item") // in the trash
	c.get(keyOf["age"]).want(t, 200, "For a minute it could be taken back")
	purged, err := s.db.Items.Purge(t.Context(), time.Now().Add(time.Minute))
	if err != nil || len(purged) != 1 {
		t.Fatalf("%d items are purged, %v", len(purged), err)
	}
	s.files.FreeOwner("account:"+purged[0].Account.String(), purged[0].Bytes)
	c.post(keyOf["age"]+"/versions/1/delete", "current", testPassword).want(t, 303)
	if a := c.get(keyOf["age"]); strings.Contains(a.body, "Under older versions") || strings.Contains(a.body, "version 1<") {
		t.Error("the older version is there still")
	}
	// An OpenPGP message with a signature keeps its version too, until it is gone.
	c.post(keyOf["pgp"]+"/versions/1/delete", "current", testPassword).want(t, 422, "1 item")
	c.post(keyOf["fernet"]+"/versions/1/delete", "current", testPassword).want(t, 303)
	for path, plain := range items {
		if path != shared {
			opens(path, plain)
		}
	}
	if n := len(s.stored(t)); n != 2 {
		t.Errorf("%d files are stored for two items", n)
	}
	used, err := s.db.Items.UsageByAccount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.db.Results.UsageByOwner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range used {
		owner := "account:" + id.String()
		if got, want := s.files.Used(owner), n+waiting[owner]; got != want {
			t.Errorf("%d bytes are counted, %d are used", got, want)
		}
	}
}
