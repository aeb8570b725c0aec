package handlers

import (
	"bytes"
	"encoding/binary"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"zencrypt/crypto/pgp"
)

// badKey is an OpenPGP key in both halves that is in one way not as it should be.
type badKey struct{ public, private string }

func armored(t testing.TB, kind string, raw []byte) string {
	t.Helper()
	var out strings.Builder
	w, err := armor.Encode(&out, kind, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(raw)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String() + "\n"
}

// without writes a key again, but the packets of a kind, and from a kind on when cut is set.
func without(t testing.TB, raw []byte, cut bool, tags ...uint8) []byte {
	t.Helper()
	var out bytes.Buffer
	for r := packet.NewOpaqueReader(bytes.NewReader(raw)); ; {
		p, err := r.Next()
		if err == io.EOF {
			return out.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(tags, p.Tag) >= 0 {
			if cut {
				return out.Bytes()
			}
			continue
		}
		if err := p.Serialize(&out); err != nil {
			t.Fatal(err)
		}
	}
}

const tagSignature, tagSecretSub, tagPublicSub = 2, 7, 14 // RFC 9580 section 5

// badKeys are one of each kind, by what is wrong with them.
func badKeys(t testing.TB) map[string]badKey {
	t.Helper()
	now := time.Now()
	year := now.AddDate(-1, 0, 0)
	past := func() time.Time { return year }
	both := func(k *pgp.Key) badKey { return badKey{k.Certificate().Armor(), k.Armor()} }
	good := newPGP(t, pgp.KeyParams{Name: "Whole"})
	revoked, err := newPGP(t, pgp.KeyParams{Name: "Revoked", Now: past}).Revoke(pgp.Compromised, "", now)
	if err != nil {
		t.Fatal(err)
	}
	public, private := good.Certificate().Bytes(), good.Bytes()
	whole := both(good)
	return map[string]badKey{
		"Expired":  both(newPGP(t, pgp.KeyParams{Name: "Expired", Now: past, Expires: year.AddDate(0, 1, 0)})),
		"Revoked":  both(revoked),
		"Unsigned": {armored(t, "PGP PUBLIC KEY BLOCK", without(t, public, false, tagSignature)), armored(t, "PGP PRIVATE KEY BLOCK", without(t, private, false, tagSignature))},
		"SignOnly": {armored(t, "PGP PUBLIC KEY BLOCK", without(t, public, true, tagPublicSub)), armored(t, "PGP PRIVATE KEY BLOCK", without(t, private, true, tagSecretSub))},
		"CutArmor": {whole.public[:len(whole.public)*2/3], whole.private[:len(whole.private)*2/3]},
		"CutKey":   {armored(t, "PGP PUBLIC KEY BLOCK", public[:len(public)-20]), armored(t, "PGP PRIVATE KEY BLOCK", private[:len(private)-20])},
		"Changed":  {strings.Replace(whole.public, "\n\n", "\n\nAAAA", 1), strings.Replace(whole.private, "\n\n", "\n\nAAAA", 1)},
		"16kBits":  {hugeKey(t), armored(t, "PGP PRIVATE KEY BLOCK", hugeSecret())},
		"Half":     {whole.private, whole.public}, // the one where the other belongs
	}
}

// hugeSecret is a private key of 16,384 bits as far as a reader looks before it computes.
func hugeSecret() []byte {
	body := append([]byte{4, 0x60, 0, 0, 0, 1}, 0x40, 0x00, 0x80)
	body = append(body, bytes.Repeat([]byte{1}, 2047)...)
	body = append(body, 0, 17, 1, 0, 1, 0)
	for range 4 {
		body = append(body, 0, 1, 1)
	}
	body = append(body, 0, 4)
	out := append([]byte{0xc5, 0xff}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	return append(append(out, body...), 0xcd, 1, 'a')
}

// doors are the places that take a key: pasted and as a file into the ring, a person's, a recipient's, a signer's.
var doors = map[string]func(c *client, k badKey) answer{
	"Import": func(c *client, k badKey) answer {
		return c.post("/keys/import", "name", "typed name", "text", k.private)
	},
	"ImportFile": func(c *client, k badKey) answer {
		return c.upload("/keys/import", nil, [2]string{"key.asc", k.private})
	},
	"People": func(c *client, k badKey) answer {
		return c.post("/people", "name", "typed name", "public_key", k.public)
	},
	"Recipient": func(c *client, k badKey) answer {
		return c.post("/encrypt", "to", "people", "recipients", k.public, "text", "typed text", "save", "1")
	},
	"Signer": func(c *client, k badKey) answer {
		return c.post("/verify", "certificate", k.public, "text", "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n")
	},
}

// TestBadKeys tries every bad key at every door: what is refused says why and changes nothing, what is taken is not used
// for what it can't be used for.
func TestBadKeys(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("keyring")
	keys := badKeys(t)
	const cut, malformed, many = "incomplete or was changed", "malformed", "at most 8192"
	says := map[string]map[string]string{
		"Unsigned": {"Import": malformed, "ImportFile": malformed, "People": malformed, "Recipient": malformed, "Signer": malformed},
		"CutArmor": {"Import": cut, "ImportFile": cut, "People": "no END line", "Recipient": "no END line", "Signer": "no END line"},
		"CutKey":   {"Import": "cut short", "ImportFile": "cut short", "People": "cut short", "Recipient": "cut short", "Signer": "cut short"},
		"Changed":  {"Import": "damaged", "ImportFile": "damaged", "People": "damaged", "Recipient": "damaged", "Signer": "damaged"},
		"16kBits":  {"Import": many, "ImportFile": many, "People": many, "Recipient": many, "Signer": many},
		"Half":     {"Import": "public key", "ImportFile": "public key", "People": "private key", "Recipient": "private key", "Signer": "private key"},
		"Expired":  {"People": "has expired", "Recipient": "has expired"},
		"Revoked":  {"People": "was revoked", "Recipient": "was revoked"},
		"SignOnly": {"Recipient": "cannot be encrypted to"},
	}
	var cases []bad
	for name, k := range keys {
		for door, do := range doors {
			if why := says[name][door]; why != "" {
				cases = append(cases, bad{name + door, 422, []string{why}, func(c *client) answer { return do(c, k) }})
			}
		}
	}
	refused(t, s, c, cases)
	t.Run("Nothing", func(t *testing.T) {
		for name, k := range keys {
			for door, do := range doors {
				if says[name][door] == "" {
					continue
				}
				body := html.UnescapeString(do(c, k).body)
				for _, line := range append(lines(k.private), lines(keys["Half"].public)...) { // the whole private key
					if strings.Contains(body, line) || strings.Contains(s.log.String(), line) {
						t.Fatalf("%s, %s: a line of a private key comes back or is in the log", name, door)
					}
				}
			}
		}
	})
	// What is taken: it opens and verifies, and is not used for more.
	for name, want := range map[string][2]string{"Expired": {"It has expired", "OpenPGP"}, "Revoked": {"revoked", "It encrypts nothing more"}, "SignOnly": {"It can sign, and can't be encrypted to", "OpenPGP"}} {
		for _, door := range []string{"Import", "ImportFile"} {
			path := keyLink.FindString(doors[door](c, keys[name]).want(t, 200, "1 key was read").body)
			page := html.UnescapeString(c.get(path).want(t, 200).body)
			for _, s := range want {
				if !strings.Contains(page, s) {
					t.Errorf("%s: the key's page lacks %q", name, s)
				}
			}
			c.post("/encrypt", "to", "me", "format", "pgp", "text", "x").want(t, 422, "You have no OpenPGP key that can encrypt")
			c.post(path+"/default").want(t, 422, "encrypt")
		}
	}
	person, _, _ := strings.Cut(doors["People"](c, keys["SignOnly"]).want(t, 303).Header.Get("Location"), "?")
	c.get(person).want(t, 200, "no valid subkey for encryption")
	c.post("/encrypt", "to", "people", "recipients", "typed name", "text", "x").want(t, 422, "Nothing can be encrypted to typed name")
	for _, name := range []string{"Expired", "Revoked", "SignOnly"} { // what is wrong there is the signed text
		if a := doors["Signer"](c, keys[name]).want(t, 422, "Damaged or changed"); strings.Contains(a.body, `id="certificate-error"`) {
			t.Errorf("%s is no certificate to verify with", name)
		}
	}
}

// lines are those of a block that say something of it alone.
func lines(block string) (all []string) {
	for _, l := range strings.Split(block, "\n") {
		if len(l) > 40 && !strings.HasPrefix(l, "-----") {
			all = append(all, l)
		}
	}
	return all
}

// TestBadKeys_Many: thousands of keys at once end in one refusal, at every door.
func TestBadKeys_Many(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("keyring")
	k := newPGP(t, pgp.KeyParams{Name: "One of many"})
	identity, recipient := ageKey(t)
	ages, blocks := strings.Repeat(recipient+"\n", 10_000), strings.Repeat(k.Certificate().Armor(), 200)
	packets := armored(t, "PGP PUBLIC KEY BLOCK", bytes.Repeat(k.Certificate().Bytes(), 46<<10/len(k.Certificate().Bytes())))
	public := func(door, status, why string, text string) bad {
		return bad{door, map[string]int{"422": 422, "413": 413}[status], []string{why}, func(c *client) answer { return doors[strings.TrimRight(door, "ABC")](c, badKey{public: text}) }}
	}
	file := func(content string) func(*client) answer {
		return func(c *client) answer { return c.upload("/keys/import", nil, [2]string{"many", content}) }
	}
	refused(t, s, c, []bad{
		public("PeopleA", "413", "too large", ages), public("RecipientA", "413", "too long", ages), public("SignerA", "413", "too long", ages),
		public("PeopleB", "422", "more than the 64", ages[:60<<10]), public("RecipientB", "422", "more than the 64", ages[:60<<10]), public("SignerB", "422", "more than the 64", ages[:60<<10]),
		public("PeopleC", "422", "more than", packets), public("RecipientC", "422", "more than", packets), public("SignerC", "422", "more than", packets),
		{"ImportAge", 422, []string{"64"}, file(strings.Repeat(identity+"\n", 10_000))},
		{"ImportPGP", 422, []string{"more than"}, file(string(bytes.Repeat(k.Bytes(), 1000)))},
		{"ImportPGPHuge", 413, []string{"too large"}, file(string(bytes.Repeat(k.Bytes(), 10_000)))},
		{"ImportBlocks", 422, []string{"more than"}, file(strings.Repeat(k.Armor(), 300))},
		{"ImportPublic", 422, []string{"public key"}, file(blocks)},
	})
}

// TestBadKeys_UserID: whatever somebody has written into the user id of a key, at every door it is text in one line.
func TestBadKeys_UserID(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("keyring")
	for name, uid := range map[string]string{
		"HTML":     `"><script>alert(1)</script><img src=x onerror=alert(1)>`,
		"Controls": "a\x1b[2J\x00\x07\r\nSet-Cookie: x=1\u2028b",
		"Bidi":     "\u202egro.elpmaxe@arim\u2066\u2069\u200f \u061c",
		"NotUTF8":  "M\xe9lanie \xff\xfe",
		"Long":     strings.Repeat("W", 900),
		"Comma":    "Mira, Jonas # and others",
		"LikeKey":  "age1qqqqqqqqqqqqqqqqqqqqqqq",
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			e := hostileEntity(t, uid)
			var public, private bytes.Buffer
			if err := e.Serialize(&public); err != nil {
				t.Fatal(err)
			}
			if err := e.SerializePrivateWithoutSigning(&private, nil); err != nil {
				t.Fatal(err)
			}
			k := badKey{armored(t, "PGP PUBLIC KEY BLOCK", public.Bytes()), armored(t, "PGP PRIVATE KEY BLOCK", private.Bytes())}
			own, err := pgp.ReadKeys(strings.NewReader(k.private), pgp.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			signed := signedAt(t, "zq signed", own[0], time.Now(), 0)
			pages := []answer{c.post("/verify", "certificate", k.public, "text", signed).want(t, 200, "Good signature, by a key that you do not know")}
			imported := c.post("/keys/import", "text", k.private).want(t, 200, "1 key was read")
			pages = append(pages, imported, c.get(keyLink.FindString(imported.body)).want(t, 200), c.get("/keys").want(t, 200),
				c.post("/decrypt", "text", pgpMessage(t, "zq", own[0], own[0])).want(t, 200, "Good signature by you"),
				c.post("/verify", "text", signed).want(t, 200, "Good signature by you"), c.get("/sign").want(t, 200), c.get("/encrypt").want(t, 200),
				c.post("/encrypt", "to", "people", "recipients", k.public, "text", "x").want(t, 200, "BEGIN PGP MESSAGE"))
			// With a name that can't be one, the person has to be given another.
			a := c.post("/people", "public_key", k.public)
			if pages = append(pages, a); a.StatusCode == 422 {
				a = c.post("/people", "name", "Called "+name, "public_key", k.public)
			}
			person, _, _ := strings.Cut(a.want(t, 303).Header.Get("Location"), "?")
			pages = append(pages, c.get(person).want(t, 200), c.get("/people").want(t, 200), c.get("/people?q="+url.QueryEscape(uid)).want(t, 200))
			for _, a := range pages {
				where := a.Request.Method + " " + a.Request.URL.Path
				for _, evil := range []string{"<script>alert", "<img src=x", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\x1b", "\x00", "\x07", "\xff"} {
					if strings.Contains(a.body, evil) {
						t.Errorf("%s: the page holds %q", where, evil)
					}
				}
				if strings.Contains(strings.Join(a.Header.Values("Set-Cookie"), "\n"), "x=1") || strings.Contains(a.body, "\nSet-Cookie") {
					t.Errorf("%s: a line of the user id is one of the page", where)
				}
			}
			c.post(person+"/delete").want(t, 303)
		})
	}
}

// hostileEntity is a key with any user id, in both halves.
func hostileEntity(t testing.TB, userID string) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("placeholder", "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, id := range e.Identities {
		id.Name, id.UserId.Id = userID, userID
		if err := id.SelfCertifications[0].Packet.SignUserId(userID, e.PrimaryKey, e.PrivateKey, nil); err != nil {
			t.Fatal(err)
		}
		delete(e.Identities, name)
		e.Identities[userID] = id
		break
	}
	return e
}
