package handlers

import (
	"bytes"
	"html"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// openPGP opens a message with a key that never was on the server.
func openPGP(t *testing.T, message string, k *pgp.Key, verify ...*pgp.Certificate) (string, []pgp.Signature) {
	t.Helper()
	m, err := pgp.Open(strings.NewReader(message), pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: verify})
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), m.Signatures()
}

// TestEncrypt_People: logins, names, ticked people and pasted keys in one field; the format follows the keys.
func TestEncrypt_People(t *testing.T) {
	s := newServer(t)
	ada, adaKey := s.account(t, "ada")
	_, bobKey := s.account(t, "bob")
	carl := s.client(t)
	carl.register("carl") // has no OpenPGP key
	grace := newPGP(t, pgp.KeyParams{Name: "Grace Hopper"})
	path, _, _ := strings.Cut(ada.post("/people", "name", "Grace H.", "public_key", grace.Certificate().Armor()).want(t, 303).Header.Get("Location"), "?")
	graceID := strings.TrimPrefix(path, "/people/")
	_, recipient := ageKey(t)
	_, pq, err := agefile.NewHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	other := newPGP(t, pgp.KeyParams{Name: "Other"})
	v6 := newPGP(t, pgp.KeyParams{Name: "Six", Algorithm: pgp.Curve25519V6})
	signOnly := newPGP(t, pgp.KeyParams{Name: "Signs"})
	noEncrypt := signOnlyKey(t, signOnly)
	long := time.Now().AddDate(-1, 0, 0)
	expired := newPGP(t, pgp.KeyParams{Name: "Old", Now: func() time.Time { return long }, Expires: long.AddDate(0, 1, 0)})
	secret, _ := ageKey(t)

	ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 200, "New in your people")
	for name, tt := range map[string]struct {
		fields []string
		status int
		says   []string
		not    string
	}{
		"Login":           {[]string{"recipients", "BOB", "also_me", "1"}, 200, []string{"Encrypted for bob and you", "age, public key", "age -d"}, "New in your people"},
		"SavedLogin":      {[]string{"recipients", "bob\n"}, 200, []string{"Encrypted for bob"}, "New in your people"},
		"NameAndLogin":    {[]string{"recipients", "grace  h., bob", "also_me", "1"}, 200, []string{"Encrypted for Grace H., bob and you", "OpenPGP", "gpg -o message.txt -d message.asc"}, "age -d"},
		"Ticked":          {[]string{"person", graceID, "recipients", "bob"}, 200, []string{"Encrypted for Grace H. and bob", "BEGIN PGP MESSAGE"}, ""},
		"TickedTwice":     {[]string{"person", graceID, "recipients", "Grace H."}, 200, []string{"Encrypted for Grace H.", "BEGIN PGP MESSAGE"}, "Grace H. and"},
		"AllKinds":        {[]string{"recipients", "bob, " + recipient + "\nssh-" + sshKey(t)}, 200, []string{"Encrypted for bob and 2 public keys", "BEGIN AGE"}, ""},
		"PastedPGP":       {[]string{"recipients", other.Certificate().Armor() + "\nbob"}, 200, []string{"Encrypted for bob and 1 public key", "BEGIN PGP MESSAGE"}, ""},
		"Version6":        {[]string{"recipients", v6.Certificate().Armor()}, 200, []string{"BEGIN PGP MESSAGE", "sop decrypt"}, "gpg -"},
		"OwnLogin":        {[]string{"recipients", "ada"}, 200, []string{"Encrypted for you"}, "New in"},
		"PreferPGP":       {[]string{"recipients", "bob", "format", "pgp", "also_me", "1"}, 200, []string{"Encrypted for bob and you", "BEGIN PGP MESSAGE"}, ""},
		"NoCommonFormat":  {[]string{"recipients", "carl, Grace H."}, 422, []string{"No single format", "carl can be reached with age only", "Grace H. with OpenPGP"}, ""},
		"NoCommonKeys":    {[]string{"recipients", recipient + "\n" + other.Certificate().Armor()}, 422, []string{"No single format", "the key age1"}, ""},
		"PGPForAgeOnly":   {[]string{"recipients", "carl", "format", "pgp"}, 422, []string{"no OpenPGP key of carl"}, ""},
		"PQAndBob":        {[]string{"recipients", "carl " + "," + pq}, 422, []string{"Post-quantum keys can't share"}, ""},
		"Unknown":         {[]string{"recipients", "nobody-here"}, 422, []string{"“nobody-here”", "can be found here"}, ""},
		"UnknownTicked":   {[]string{"person", strangerID}, 422, []string{"no longer in your list"}, ""},
		"PrivateAge":      {[]string{"recipients", "bob, " + secret}, 422, []string{"private key was pasted"}, secret},
		"PrivatePGP":      {[]string{"recipients", other.Armor()}, 422, []string{"private key was pasted"}, strings.Split(other.Armor(), "\n")[4]},
		"Expired":         {[]string{"recipients", expired.Certificate().Armor()}, 422, []string{"Nothing can be encrypted to", "has expired"}, ""},
		"CannotEncrypt":   {[]string{"recipients", noEncrypt}, 422, []string{"cannot be encrypted to"}, ""},
		"16kBits":         {[]string{"recipients", hugeKey(t)}, 422, []string{"at most 8192"}, ""},
		"Message":         {[]string{"recipients", "-----BEGIN PGP MESSAGE-----\n\nx\n-----END PGP MESSAGE-----"}, 422, []string{"only public keys"}, ""},
		"TooMany":         {[]string{"recipients", strings.Repeat("somebody,", 70)}, 422, []string{"More than the 64"}, ""},
		"NotEvenOne":      {[]string{"recipients", " ,\n# a comment"}, 422, []string{"Paste at least one public key"}, ""},
		"FernetForPeople": {[]string{"recipients", "bob", "format", "fernet"}, 422, []string{"Fernet encrypts with a key only"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			ada.t = t
			before := s.state(t)
			a := ada.upload("/encrypt", append(append([]string{"to", "people"}, tt.fields...), "text", "zq the words"))
			if a.StatusCode != tt.status {
				t.Fatalf("status %d, want %d\n%s", a.StatusCode, tt.status, a.body)
			}
			body := html.UnescapeString(a.body)
			for _, says := range tt.says {
				if !strings.Contains(body, says) {
					t.Errorf("it lacks %q\n%s", says, a.body)
				}
			}
			if tt.not != "" && strings.Contains(body, tt.not) {
				t.Errorf("it holds %q", tt.not)
			}
			if strings.HasPrefix(name, "Private") && strings.Contains(s.log.String(), tt.not) {
				t.Error("a private key is in the log")
			}
			if after := s.state(t); tt.status == 422 && before != after {
				t.Error("a refusal changed something")
			}
		})
	}
	ada.t = t

	// Those who are named open it, and nobody else.
	sealed := armorOf(t, ada.post("/encrypt", "to", "people", "recipients", "Grace H., bob", "also_me", "1", "text", "for three").body)
	for _, k := range []*pgp.Key{grace, bobKey, adaKey} {
		if got, _ := openPGP(t, sealed, k); got != "for three" {
			t.Errorf("opened as %q", got)
		}
	}
	if _, err := pgp.Open(strings.NewReader(sealed), pgp.OpenOptions{Keys: []*pgp.Key{other}}); err == nil {
		t.Error("another key opens it")
	}
	bob := s.client(t)
	bob.post("/login", "login", "bob", "password", testPassword).want(t, 303)
	sealed = armorOf(t, ada.post("/encrypt", "to", "people", "recipients", "bob", "text", "by age").body)
	bob.post("/decrypt", "text", sealed).want(t, 200, "by age")

	// As a file, signed.
	signer := between(ada.get("/encrypt").want(t, 200, `name="sign_with"`).body, `<option value="`, `"`, 2)
	page := ada.upload("/encrypt", []string{"to", "people", "recipients", "bob", "sign_with", signer, "mode", "files"}, [2]string{"plan.txt", "the plan"}).want(t, 200, "plan.txt.gpg", "Signed with", "gpg -o plan.txt -d plan.txt.gpg")
	file := ada.get(resultPath(t, page.body)+"/file").want(t, 200).body
	got, sigs := openPGP(t, file, bobKey, adaKey.Certificate())
	if got != "the plan" || len(sigs) != 1 || sigs[0].Status != pgp.Good {
		t.Errorf("the file opened as %q, %v", got, sigs)
	}
	ada.post("/encrypt", "to", "passphrase", "passphrase", "p p p p", "sign_with", signer, "text", "x").want(t, 422, "Only OpenPGP carries a signature")
	ada.post("/encrypt", "to", "me", "format", "pgp", "sign_with", strangerID, "text", "x").want(t, 422, "sign any more")
	sealed = armorOf(t, ada.post("/encrypt", "to", "me", "format", "pgp", "sign_with", signer, "text", "to myself").want(t, 200, "BEGIN PGP MESSAGE").body)
	if got, sigs := openPGP(t, sealed, adaKey, adaKey.Certificate()); got != "to myself" || sigs[0].Status != pgp.Good {
		t.Errorf("opened as %q", got)
	}
	carl.post("/encrypt", "to", "me", "format", "pgp", "text", "x").want(t, 422, "You have no OpenPGP key")
	carl.post("/encrypt", "to", "people", "recipients", grace.Certificate().Armor(), "also_me", "1", "text", "x").want(t, 422, "make one under Keys")
	if a := carl.get("/encrypt"); strings.Contains(a.body, `name="sign_with"`) {
		t.Error("a signature is offered without a key")
	}

	// Guests paste keys and name nobody.
	guest := s.client(t)
	guest.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 422, "Log in to name people")
	guest.post("/encrypt", "to", "people", "recipients", grace.Certificate().Armor(), "text", "x").want(t, 200, "BEGIN PGP MESSAGE")
	guest.post("/encrypt", "to", "passphrase", "format", "pgp", "passphrase", "open sesame", "text", "x").want(t, 200, "BEGIN PGP MESSAGE", "gpg -o message.txt -d message.asc")
}

func between(s, from, to string, nth int) string {
	for range nth {
		_, s, _ = strings.Cut(s, from)
	}
	s, _, _ = strings.Cut(s, to)
	return s
}

func sshKey(t *testing.T) string {
	t.Helper()
	k, err := ssh.NewPublicKey(ed25519Public(t))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))), "ssh-")
}

// signOnlyKey is a certificate without its subkey for encryption.
func signOnlyKey(t *testing.T, k *pgp.Key) string {
	t.Helper()
	raw := k.Certificate().Bytes()
	i := bytes.LastIndex(raw, []byte{0xce, 0x38}) // the subkey's packet: 56 bytes
	if i < 0 {
		t.Fatal("no subkey found")
	}
	return armorPublicKey(t, raw[:i])
}

// TestEncrypt_GnuPG: gpg opens what is encrypted to a key that it made, with the command that the page shows.
func TestEncrypt_GnuPG(t *testing.T) {
	needGPG(t)
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	g := newGPG(t)
	g.run("", "--passphrase", "", "--quick-gen-key", "Grace <grace@example.org>", "future-default", "default", "never")
	c.post("/people", "name", "Grace", "public_key", g.run("", "--armor", "--export", "grace")).want(t, 303)
	a := c.post("/encrypt", "to", "people", "recipients", "grace", "text", "Grüße\nan Grace").want(t, 200, "gpg -o message.txt -d message.asc")
	if got := g.run(armorOf(t, a.body), "-d"); got != "Grüße\nan Grace" {
		t.Errorf("gpg opened it as %q", got)
	}
	page := c.upload("/encrypt", []string{"to", "people", "recipients", "grace", "mode", "files"}, [2]string{"a b.bin", "\x00\xffbinary"}).want(t, 200, "a b.bin.gpg")
	if got := g.run(c.get(resultPath(t, page.body)+"/file").body, "-d"); got != "\x00\xffbinary" {
		t.Errorf("gpg opened the file as %q", got)
	}
}
