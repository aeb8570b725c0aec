package handlers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"zencrypt/archive"
	"zencrypt/blobs"
	"zencrypt/models"
)

const exportPhrase = "cobalt outpost drizzle igloo vocal ream"

// unpacked opens an export with an identity and checks it.
func unpacked(t testing.TB, body string, id age.Identity) (*archive.Contents, map[string]string) {
	t.Helper()
	open := func() io.Reader {
		r, err := age.Decrypt(strings.NewReader(body), id)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	c, err := archive.Check(open())
	if err != nil {
		t.Fatal(err)
	}
	items := map[string]string{}
	if err := c.Each(open(), func(i *archive.Item, r io.Reader) error {
		b, err := io.ReadAll(r)
		items[i.Title] = string(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return c, items
}

func phrase(t testing.TB, p string) age.Identity {
	id, err := age.NewScryptIdentity(p)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestExport(t *testing.T) {
	s := newServer(t)
	mira := s.client(t)
	mira.register("mira")
	s.client(t).register("bob")
	big := strings.Repeat("0123456789abcdef", 20_000) // five chunks
	mira.post("/vault", "title", "../Dinner", "text", "soup\n").want(t, 303)
	mira.post("/vault", "title", "../Dinner", "text", "cake\n").want(t, 303)
	mira.upload("/vault", nil, [2]string{"big.bin", big}).want(t, 303)
	trash := mira.post("/vault", "title", "gone", "text", "zq-gone").want(t, 303).Header.Get("Location")
	mira.post(trash+"/delete").want(t, 303)
	mira.post("/people", "login", "bob").want(t, 303)
	page := mira.post("/encrypt", "to", "me", "text", "for me").want(t, 200)
	armor := regexp.MustCompile(`(?s)-----BEGIN AGE.*END AGE ENCRYPTED FILE-----`).FindString(page.body)
	mira.post("/vault", "kind", "ciphertext", "title", "kept", "text", armor).want(t, 303)
	key := regexp.MustCompile(`/keys/[0-9a-f]{32}`).FindString(mira.get("/keys").body)
	mira.post(key+"/rotate").want(t, 303)

	mira.get("/account/export").want(t, 200, "4 items", "2 keys with 3 versions", "1 person", "Download everything")
	good := []string{"current", testPassword, "to", "passphrase", "passphrase", exportPhrase, "passphrase2", exportPhrase}
	a := mira.post("/account/export", good...).want(t, 200)
	if got := a.Header.Get("Content-Disposition"); !strings.Contains(got, exportName) || a.ContentLength != -1 || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer is %q of length %d, %q", got, a.ContentLength, a.Header.Get("Cache-Control"))
	}
	c, items := unpacked(t, a.body, phrase(t, exportPhrase))
	if items["big.bin"] != big || items["kept"] != strings.ReplaceAll(armor, "\r\n", "\n") && items["kept"] != armor || len(c.Items) != 4 || items["gone"] != "" {
		t.Errorf("%d items came", len(c.Items))
	}
	var names []string
	var opens *archive.KeyAt
	for _, i := range c.Items {
		names = append(names, strings.TrimPrefix(i.File.Name, archive.Folder+"/"))
		if i.Title == "kept" {
			opens = i.Opens
		}
	}
	want := "ciphertexts/00001-kept.age files/00002-big.bin notes/00003-Dinner.txt notes/00004-Dinner.txt"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("members are %s, want %s", got, want)
	}
	if opens == nil || "/keys/"+opens.Key != key || opens.Version != 1 {
		t.Errorf("the ciphertext opens with %+v, want version 1 of %s", opens, key)
	}
	if len(c.Keys) != 2 || len(c.Keys[0].Versions) != 2 || c.Keys[0].Versions[0].State != "retired" || len(c.People) != 1 || c.People[0].Login != "bob" {
		t.Errorf("keys %d, people %d", len(c.Keys), len(c.People))
	}
	// The exported key opens the exported ciphertext.
	ids, err := age.ParseIdentities(bytes.NewReader(c.Small(&c.Keys[0].Versions[0].Private)))
	if err != nil || len(ids) != 1 {
		t.Fatalf("read the exported identity: %v", err)
	}
	if !strings.Contains(string(c.Small(c.People[0].Recipients)), "age1") {
		t.Error("bob's key is missing")
	}

	t.Run("Refusals", func(t *testing.T) {
		for name, tt := range map[string]struct {
			fields []string
			text   string
		}{
			"Wrong":     {[]string{"current", "wrong password 1", "to", "passphrase", "passphrase", exportPhrase, "passphrase2", exportPhrase}, "the password is wrong"},
			"Weak":      {[]string{"current", testPassword, "to", "passphrase", "passphrase", "password123456", "passphrase2", "password123456"}, "too easy to guess"},
			"Short":     {[]string{"current", testPassword, "to", "passphrase", "passphrase", "x9!kQ", "passphrase2", "x9!kQ"}, "needs at least"},
			"Differ":    {[]string{"current", testPassword, "to", "passphrase", "passphrase", exportPhrase, "passphrase2", exportPhrase + "x"}, "differ"},
			"Nobody":    {[]string{"current", testPassword}, "choose what opens"},
			"OtherKey":  {[]string{"current", testPassword, "to", "key", "key", strangerID}, "one of your age keys"},
			"Private":   {[]string{"current", testPassword, "to", "recipient", "recipient", "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"}, "private key"},
			"Malformed": {[]string{"current", testPassword, "to", "recipient", "recipient", "age1nonsense"}, "not one public key"},
			"Plugin":    {[]string{"current", testPassword, "to", "recipient", "recipient", "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t"}, "not one public key"},
		} {
			t.Run(name, func(t *testing.T) {
				a := mira.post("/account/export", tt.fields...)
				low := strings.ToLower(a.body)
				if a.StatusCode != 422 || !strings.Contains(low, tt.text) || strings.Contains(a.body, exportPhrase) {
					t.Errorf("status %d, want 422 with %q", a.StatusCode, tt.text)
				}
			})
		}
	})
	t.Run("Key", func(t *testing.T) {
		a := mira.post("/account/export", "current", testPassword, "to", "key", "key", strings.TrimPrefix(key, "/keys/")).want(t, 200)
		ids, err := age.ParseIdentities(bytes.NewReader(c.Small(&c.Keys[0].Versions[1].Private)))
		if err != nil {
			t.Fatal(err)
		}
		unpacked(t, a.body, ids[0])
	})
	t.Run("Recipient", func(t *testing.T) {
		id, _ := age.GenerateX25519Identity()
		a := mira.post("/account/export", "current", testPassword, "to", "recipient", "recipient", " "+id.Recipient().String()+"\n").want(t, 200)
		unpacked(t, a.body, id)
	})
}

// One at a time, and one whose client has gone away is not in the way of the next; the session counts as used.
func TestExport_Cut(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mira")
	for range 3 {
		c.upload("/vault", nil, [2]string{"a.bin", strings.Repeat("x", 12<<20)}).want(t, 303)
	}
	form := url.Values{"current": {testPassword}, "to": {"passphrase"}, "passphrase": {exportPhrase}, "passphrase2": {exportPhrase}}
	begin := func() *http.Response {
		req, _ := http.NewRequest("POST", s.url+"/account/export", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := begin()
	if _, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil || res.StatusCode != 200 {
		t.Fatalf("begin: %d, %v", res.StatusCode, err)
	}
	c.post("/account/export", "current", testPassword, "to", "passphrase", "passphrase", exportPhrase, "passphrase2", exportPhrase).want(t, 429, "under way already")
	res.Body.Close() // with more to come: the connection ends
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		if res = begin(); res.StatusCode == 200 {
			break
		}
		res.Body.Close()
		if ctx.Err() != nil {
			t.Fatal("the place is not given back")
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	// Logging out elsewhere ends it: the answer breaks off and does not open to its end.
	other := s.client(t)
	other.post("/login", "login", "mira", "password", testPassword).want(t, 303)
	other.post("/account/sessions", "current", testPassword, "all", "1").want(t, 303)
	_, err := io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if err == nil {
		t.Error("an export whose session was ended arrived whole")
	}
	if left, _ := os.ReadDir(filepath.Join(s.dir, "spool")); len(left) > 0 {
		t.Errorf("%d files are left in the spool", len(left))
	}
}

// A damaged file and a row that was changed keep nobody from taking the rest along.
func TestExport_Damaged(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mira")
	c.post("/vault", "title", "note", "text", "n").want(t, 303)
	c.upload("/vault", nil, [2]string{"middle.bin", strings.Repeat("m", 500_000)}).want(t, 303)
	flipped := map[string]bool{}
	flip := func(at func(n int64) int64) {
		files, err := os.ReadDir(filepath.Join(s.dir, "blobs"))
		if err != nil || len(files) == 0 {
			t.Fatal(err)
		}
		newest := ""
		for _, f := range files {
			if !flipped[f.Name()] {
				newest = f.Name()
			}
		}
		flipped[newest] = true
		newest = filepath.Join(s.dir, "blobs", newest)
		b, err := os.ReadFile(newest)
		if err != nil {
			t.Fatal(err)
		}
		b[at(int64(len(b)))] ^= 1
		if err := os.WriteFile(newest, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip(func(n int64) int64 { return n / 2 })
	c.upload("/vault", nil, [2]string{"end.bin", strings.Repeat("e", 500_000)}).want(t, 303)
	flip(func(n int64) int64 { return n - 1 })
	a := c.post("/account/export", "current", testPassword, "to", "passphrase", "passphrase", exportPhrase, "passphrase2", exportPhrase).want(t, 200)
	got, items := unpacked(t, a.body, phrase(t, exportPhrase))
	problems := 0
	for _, i := range got.Items {
		if i.Problem != "" {
			problems++
		}
	}
	if problems != 2 || items["note"] != "n" || len(items) != 1 {
		t.Errorf("%d problems and %d items, want 2 and 1", problems, len(items))
	}
}

// The parts of other stores come along, and they hear of each export.
func TestExport_Parts(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mira")
	var heard []string
	e := &exporting{core: s.core, accounts: s.db.Accounts, parts: []exportPart{{"activity/activity.json", func(_ context.Context, u *models.Unlocked, w io.Writer) error {
		heard = append(heard, u.Account.Login)
		_, err := io.WriteString(w, "[]")
		return err
	}}}}
	u, err := s.db.Accounts.Authenticate(t.Context(), "mira", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := age.GenerateX25519Identity()
	var b bytes.Buffer
	target, err := e.target(t.Context(), u, &form{values: url.Values{"to": {"recipient"}, "recipient": {id.Recipient().String()}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.write(t.Context(), u, &b, target, archive.Account{Login: "mira", Created: time.Now()}); err != nil {
		t.Fatal(err)
	}
	unpacked(t, b.String(), id)
	if len(heard) != 1 {
		t.Errorf("the part was asked %d times", len(heard))
	}
}

// An overflow lies in the spool, wrapped, and leaves nothing.
func TestExport_Overflow(t *testing.T) {
	s := newServer(t)
	e := &exporting{core: s.core}
	u := &models.Unlocked{Account: &models.Account{ID: models.NewID()}}
	for _, end := range []string{"Read", "Abandoned"} {
		o, err := e.overflow(u)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(o, strings.Repeat("zq-plain", 100_000)); err != nil {
			t.Fatal(err)
		}
		if end == "Read" {
			r, err := o.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil || len(b) != 800_000 {
				t.Fatalf("read %d: %v", len(b), err)
			}
			r.Close()
			files, _ := os.ReadDir(filepath.Join(s.dir, "spool"))
			for _, f := range files {
				if raw, _ := os.ReadFile(filepath.Join(s.dir, "spool", f.Name())); bytes.Contains(raw, []byte("zq-plain")) {
					t.Error("the spool holds it in clear")
				}
			}
		}
		o.Remove()
		if left, _ := os.ReadDir(filepath.Join(s.dir, "spool")); len(left) != 0 || s.files.Used("export:"+u.Account.ID.String()) != 0 {
			t.Errorf("%s: %d files and %d bytes are left", end, len(left), s.files.Used("export:"+u.Account.ID.String()))
		}
	}
	if !damagedFile(blobs.ErrDamaged) || damagedFile(errors.New("x")) {
		t.Error("damage is not told from other errors")
	}
}

func TestPull(t *testing.T) {
	t.Run("All", func(t *testing.T) {
		p := pull(func(w io.Writer) error {
			for range 1000 {
				if _, err := io.WriteString(w, "abc"); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		b, err := io.ReadAll(p)
		if err != nil || len(b) != 3000 {
			t.Errorf("read %d: %v", len(b), err)
		}
		p.Close()
	})
	t.Run("Error", func(t *testing.T) {
		bad := errors.New("bad")
		p := pull(func(w io.Writer) error { io.WriteString(w, "abc"); return bad }, nil)
		if b, err := io.ReadAll(p); err != bad || string(b) != "abc" {
			t.Errorf("read %q: %v", b, err)
		}
	})
	t.Run("Closed", func(t *testing.T) {
		ended := false
		p := pull(func(w io.Writer) error {
			defer func() { ended = true }()
			for {
				if _, err := io.WriteString(w, "abc"); err != nil {
					return err
				}
			}
		}, nil)
		io.ReadFull(p, make([]byte, 10))
		p.Close()
		p.Close()
		if !ended {
			t.Error("the writer goes on after Close")
		}
	})
	t.Run("Panic", func(t *testing.T) {
		told := false
		p := pull(func(w io.Writer) error { io.WriteString(w, "abc"); panic("zq") }, func(string) { told = true })
		if _, err := io.ReadAll(p); err != errPanicked || !told {
			t.Errorf("read: %v, told %v", err, told)
		}
	})
}
