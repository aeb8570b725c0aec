package handlers

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/password"
	"zencrypt/models"
)

// comes brings an account of an older Zencrypt along.
func (s *server) comes(t *testing.T, id, login, pw string, rank int, records ...models.Record) *models.Brought {
	t.Helper()
	const method = "pbkdf2:sha256:1000"
	digest, err := password.Werkzeug(method, "salt", pw)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.db.Imports.Import(t.Context(), &models.Incoming{
		Origin: []string{id}, Login: login, Rank: rank, Method: method, Salt: "salt", Digest: digest, Created: time.Date(2024, 1, 1, 0, 0, rank, 0, time.UTC),
		Records: func(yield func(models.Record, error) bool) {
			for _, r := range records {
				if !yield(r, nil) {
					return
				}
			}
		},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *client) confirms() {
	c.t.Helper()
	page := c.get("/register/confirm").want(c.t, 200, "Welcome back")
	c.post("/register/confirm", "code", codePattern.FindString(page.body)).want(c.t, 303)
}

func TestImported_FirstLogin(t *testing.T) {
	s := newServer(t)
	other := s.client(t)
	if page := other.get("/recover").want(t, 200).body; strings.Contains(page, "older Zencrypt") {
		t.Error("the page speaks of what is not here")
	}
	long := "many megabytes " + strings.Repeat("x", 3<<20)
	s.comes(t, "1", " Odd Login ", "weak", 0, models.Record{Ref: "1", Kind: models.RecordNote, Body: []byte("an old text\r\n")},
		models.Record{Ref: "2", Kind: models.RecordNote, Body: []byte(long)}, models.Record{Ref: "3", Kind: models.RecordUnreadable, Body: []byte("gAAAAAold")})
	other.get("/recover").want(t, 200, "older Zencrypt")
	other.post("/recover", "login", "odd login", "code", strings.Repeat("AAAA-", 7)+"AAAA", "password", "umber-otter-glacier-pivot", "password2", "umber-otter-glacier-pivot").
		want(t, 422, "do not go together", "older Zencrypt")
	// Whether an account waits, or is not there at all: the same words.
	wrong := other.post("/login", "login", "odd login", "password", "wrong").want(t, 422).body
	nobody := other.post("/login", "login", "odd-login", "password", "wrong").want(t, 422).body
	if strings.ReplaceAll(wrong, "odd login", "odd-login") != nobody {
		t.Error("the page tells one that waits from one that is not there")
	}
	c := s.client(t)
	if to := c.post("/login", "login", "ODD login", "password", "weak", "next", "/vault").want(t, 303).Header.Get("Location"); to != "/vault" {
		t.Errorf("sent to %s", to)
	}
	c.get("/vault").want(t, 303) // the code comes first
	c.confirms()
	page := c.get("/vault").want(t, 200, "an old text", "many megabytes", "Unreadable text of", "weaker than is accepted today", "/account?open=password")
	c.get("/account?open=password").want(t, 200, "would not be accepted today", "id=\"password-current\"")
	for _, path := range itemPath.FindAllString(page.body, -1) {
		item := c.get(path).want(t, 200)
		raw := c.get(path+"/file").want(t, 200).body
		switch {
		case strings.HasPrefix(raw, "many"):
			if raw != long || len(item.body) > 100_000 || !strings.Contains(item.body, path+"/file") {
				t.Errorf("a text of %d bytes makes a page of %d, and %d to download", len(long), len(item.body), len(raw))
			}
		case strings.HasPrefix(raw, "gAAAAA"):
			if !strings.Contains(item.body, "None of your keys opened it") {
				t.Error("nothing says why it is unreadable")
			}
		default:
			if raw != "an old text\r\n" {
				t.Errorf("the text is %q", raw)
			}
		}
	}
	c.post("/account/password", "current", "weak", "password", "umber-otter-glacier-pivot", "password2", "umber-otter-glacier-pivot").want(t, 303)
	if body := c.get("/vault").want(t, 200).body; strings.Contains(body, "weaker than") {
		t.Error("it still asks for a better password")
	}
	// The login is typed to confirm, in any spelling that leads here.
	c.post("/account/delete", "current", "umber-otter-glacier-pivot", "login", "somebody else").want(t, 422)
	c.post("/account/delete", "current", "umber-otter-glacier-pivot", "login", "ODD LOGIN").want(t, 303)
}

func TestImported_Renamed(t *testing.T) {
	s := newServer(t)
	s.comes(t, "1", "ada", "same password", 0)
	s.comes(t, "2", "ADA", "same password", 1)
	s.comes(t, "3", "Ada", "other password", 2)
	for _, step := range []struct{ login, pw, is string }{{"ADA", "same password", "ada"}, {"ada", "other password", "Ada-3"}, {"ada-2", "same password", "ADA-2"}} {
		c := s.client(t)
		c.post("/login", "login", step.login, "password", step.pw).want(t, 303)
		c.confirms()
		page := c.get("/account").want(t, 200, step.is+", since")
		if told := strings.Contains(page.body, "Your login has a new ending"); told != (step.is != "ada") {
			t.Errorf("%s is told of a suffix: %v", step.is, told)
		}
	}
}

var shownFileResult = regexp.MustCompile(`/results/[0-9a-f]{32}`)

// oldCFB is a file of an older Zencrypt's command line: salt, 16 bytes, IV, 16, and AES-256 in CFB mode, where each
// block is masked with the encryption of the one before.
func oldCFB(t *testing.T, passphrase, plain string) string {
	t.Helper()
	out := []byte("salt-of-16-bytes" + "iv---of-16-bytes")
	key, err := pbkdf2.Key(sha256.New, passphrase, out[:16], 100_000, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]byte, 16)
	for i := range len(plain) {
		if i%16 == 0 {
			block.Encrypt(mask, out[len(out)-16:])
		}
		out = append(out, plain[i]^mask[i%16])
	}
	return string(out)
}

// What the command line of an older Zencrypt wrote opens when it is said to be that, and the page says that nothing was checked.
func TestDecrypt_OldFile(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	sealed := oldCFB(t, "old pass", "hello from before\n")
	for _, bad := range [][]string{
		{"old_file", "1", "text", "pasted"}, {"old_file", "1", "passphrase", "old pass"},
	} {
		c.upload("/decrypt", bad).want(t, 422, `class="error"`)
	}
	send := func(passphrase string, more ...string) answer {
		return c.upload("/decrypt", append([]string{"old_file", "1", "passphrase", passphrase}, more...), [2]string{"letter.txt.enc", sealed})
	}
	page := send("old pass").want(t, 200, "Decrypted with the passphrase, and not checked", "letter.txt", "gives other bytes")
	if got := c.get(shownFileResult.FindString(page.body)+"/file").want(t, 200).body; got != "hello from before\n" {
		t.Errorf("opened as %q", got)
	}
	page = c.upload("/decrypt", []string{"old_file", "1"}, [2]string{"none.enc", oldCFB(t, "", "no passphrase")}).want(t, 200, "not checked")
	if got := c.get(shownFileResult.FindString(page.body)+"/file").want(t, 200).body; got != "no passphrase" {
		t.Errorf("an empty passphrase gave %q", got)
	}
	page = send("another").want(t, 200, "not checked")
	if got := c.get(shownFileResult.FindString(page.body)+"/file").want(t, 200).body; got == "hello from before\n" || len(got) != 18 {
		t.Errorf("a wrong passphrase gave %q", got)
	}
	page = send("old pass", "save", "1").want(t, 200)
	if got := c.get(itemPath.FindString(page.body)+"/file").want(t, 200).body; got != "hello from before\n" {
		t.Errorf("saved as %q", got)
	}
	c.upload("/decrypt", []string{"old_file", "1", "passphrase", "x"}, [2]string{"short.enc", sealed[:20]}).want(t, 422, "cut short")
	if files := s.stored(t); len(files) != 1 {
		t.Errorf("%d files in the vault", len(files))
	}
}

// What an import left for somebody is taken in at the next log-in by whichever door.
func TestImported_InboxByRecovery(t *testing.T) {
	s := newServer(t)
	s.comes(t, "1", "ada", "an old password", 0)
	c := s.client(t)
	c.post("/login", "login", "ada", "password", "an old password").want(t, 303)
	code := codePattern.FindString(c.get("/register/confirm").want(t, 200).body)
	c.post("/register/confirm", "code", code).want(t, 303)
	s.comes(t, "1", "ada", "an old password", 0, models.Record{Ref: "late", Kind: models.RecordNote, Body: []byte("it came later")})
	lost := s.client(t)
	lost.post("/recover", "login", "ada", "code", code, "password", otherPassword, "password2", otherPassword).want(t, 303)
	next := codePattern.FindString(lost.get("/register/confirm").want(t, 200).body)
	lost.post("/register/confirm", "code", next).want(t, 303)
	lost.get("/vault").want(t, 200, "it came later")
}
