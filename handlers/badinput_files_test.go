package handlers

import (
	"database/sql"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// decryptFile uploads a file to /decrypt with the passphrase that belongs to it. save is "1" to keep what
// comes out, which takes an account.
func (c *client) decryptFile(content, passphrase, save string) answer {
	c.t.Helper()
	return c.multi("/decrypt", fieldPart("passphrase", passphrase)+fieldPart("save", save)+filePart("x.age", content)+"--b--\r\n")
}

// TestBadInput_Truncated cuts a small age file at every byte, for the page's text field and as a file.
// None of it opens, stays or opens a session.
func TestBadInput_Truncated(t *testing.T) {
	s := newServer(t)
	in := s.client(t)
	in.register("truncated")
	binary, text := mustAge(t, "right", "the whole content", false), mustAge(t, "right", "the whole content", true)
	in.decryptFile(binary, "right", "1").want(t, 200)
	in.post("/results/" + resultPath(t, in.decryptFile(text, "right", "1").want(t, 200).body)[len("/results/"):] + "/delete")
	before := s.state(t)
	for name, c := range map[string]*client{"User": in, "Guest": s.client(t)} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			save := map[string]string{"User": "1"}[name]
			check := func(what string, a answer) {
				t.Helper()
				if a.StatusCode != 422 || strings.Contains(a.body, "the whole") || strings.Contains(a.body, "/results/") || len(a.Cookies()) > 0 {
					t.Fatalf("%s: %d, cookies %q\n%s", what, a.StatusCode, a.Header.Values("Set-Cookie"), a.body)
				}
				for _, says := range []string{"Damaged", "Not a format", "Nothing to decrypt"} {
					if strings.Contains(a.body, says) {
						return
					}
				}
				t.Errorf("%s: the page does not say what is wrong\n%s", what, a.body)
			}
			for n := range len(binary) {
				check(fmt.Sprintf("%d of %d bytes", n, len(binary)), c.decryptFile(binary[:n], "right", save))
			}
			// Without its last line end a text is still whole.
			for n := range len(text) - 1 {
				check(fmt.Sprintf("%d of %d characters as a file", n, len(text)), c.decryptFile(text[:n], "right", save))
				check(fmt.Sprintf("%d of %d characters", n, len(text)), c.post("/decrypt", "passphrase", "right", "save", save, "text", text[:n]))
			}
			c.get("/decrypt").want(t, 200)
		})
	}
	if after := s.state(t); after != before {
		t.Errorf("it changed something. Before:\n%s\nafter:\n%s", before, after)
	}
}

// TestBadInput_Flipped changes every bit of a small age file. Nothing of it opens; what looks like a wrong
// passphrase (a changed stanza does) waits as it came, like any other.
func TestBadInput_Flipped(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("flipped")
	whole := mustAge(t, "right", "the whole content", false)
	before := s.state(t)
	locked := 0
	for i := range len(whole) * 8 {
		bad := []byte(whole)
		bad[i/8] ^= 1 << (i % 8)
		a := c.decryptFile(string(bad), "right", "1")
		if a.StatusCode != 422 || strings.Contains(a.body, "Opened with") || strings.Contains(a.body, "the whole") {
			t.Fatalf("bit %d of byte %d: %d\n%s", i%8, i/8, a.StatusCode, a.body)
		}
		if strings.Contains(a.body, "/results/") {
			locked++
			result := resultPath(t, a.body)
			c.get(result+"/file").want(t, 404)
			c.post(result+"/delete").want(t, 303)
		}
	}
	if locked == 0 || locked > len(whole)*4 {
		t.Errorf("%d of %d flips look like a wrong passphrase", locked, len(whole)*8)
	}
	if after := s.state(t); after != before {
		t.Errorf("it changed something. Before:\n%s\nafter:\n%s", before, after)
	}
	c.get("/decrypt").want(t, 200)
}

func TestBadInput_Files(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("files")
	token := func() string { // a Fernet token for another account's key
		o := s.client(t)
		o.register("others")
		a := o.upload("/encrypt", []string{"to", "me", "format", "fernet"}, [2]string{"a", "content"}).want(t, 200)
		path := resultPath(t, a.body)
		b := o.get(path+"/file").want(t, 200).body
		o.post(path+"/delete").want(t, 303)
		return b
	}()
	scrypt := func(factor string) string {
		return "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA " + factor + "\n" + mac43 + "\n--- " + mac43 + "\n" + strings.Repeat("x", 40)
	}
	stanzas := "age-encryption.org/v1\n" + strings.Repeat("-> X25519 "+mac43+"\n"+mac43+"\n", 1000) + "--- " + mac43 + "\n"
	file := func(content string) func(*client) answer {
		return func(c *client) answer { return c.decryptFile(content, "right", "1") }
	}
	refused(t, s, c, []bad{
		{"Empty", 422, []string{"Not a format"}, file("")},
		{"NULs", 422, []string{"Not a format"}, file(strings.Repeat("\x00", 5000))},
		{"InvalidUTF8", 422, []string{"Not a format"}, file("\xff\xfe\xc3\x28")},
		{"Prose", 422, []string{"Not a format"}, file(strings.Repeat("dear diary\n", 100_000))},
		{"Factor40", 422, []string{"Refused", "40", "your own machine"}, file(scrypt("40"))},
		{"Factor19", 422, []string{"Refused", "19", "your own machine"}, file(scrypt("19"))},
		{"FactorHuge", 422, nil, file(scrypt("99999999999999999999"))},
		{"Stanzas", 422, []string{"Refused", "64", "your own machine"}, file(stanzas)},
		{"Trailing", 422, []string{"Damaged"}, file(mustAge(t, "right", "content", false) + "x")},
		{"Twice", 422, []string{"Damaged"}, file(mustAge(t, "right", "content", false) + mustAge(t, "right", "content", false))},
		{"FernetCut", 422, nil, file(token[:len(token)/2])},
		{"OneBadOfTwo", 422, []string{"Not a format"}, func(c *client) answer {
			return c.multi("/decrypt", filePart("a.age", "nonsense")+filePart("b.age", "more nonsense")+"--b--\r\n")
		}},
	})

	t.Run("WrongPassphraseWaits", func(t *testing.T) {
		a := c.decryptFile(mustAge(t, "right", "content", false), "wrong", "1").want(t, 422, "passphrase is wrong", "waits here")
		result := resultPath(t, a.body)
		before := s.state(t)
		for left := openTries - 1; left > 0; left-- {
			c.post(result+"/open", "passphrase", "wrong again").want(t, 422, "passphrase is wrong")
			c.get(result+"/file").want(t, 404)
		}
		c.post(result+"/open").want(t, 422, "Type the passphrase", "No try was used")
		if after := s.state(t); after != before {
			t.Errorf("a wrong try changed something. Before:\n%s\nafter:\n%s", before, after)
		}
		c.post(result+"/open", "passphrase", "the last").want(t, 422, "No tries are left", "Upload it again")
		c.get(result).want(t, 404)
	})
}

// TestBadInput_TooLarge: more than the limit, told beforehand or found on the way, ends in the same page.
func TestBadInput_TooLarge(t *testing.T) {
	s := newServer(t, func(o *Options) { o.MaxUpload = 1 << 20 })
	c := s.client(t)
	c.register("large")
	body := fieldPart("to", "me") + fieldPart("save", "1") + filePart("big", strings.Repeat("x", 6<<20)) + "--b--\r\n"
	var cases []bad
	for _, path := range []string{"/encrypt", "/decrypt", "/hash", "/vault"} {
		cases = append(cases,
			bad{"Length" + path, 413, []string{"too large", "1 MiB", "fewer files"}, func(c *client) answer { return c.multi(path, body) }},
			bad{"Chunked" + path, 413, []string{"too large", "fewer files"}, func(c *client) answer {
				return c.do("POST", path, "multipart/form-data; boundary=b", io.MultiReader(strings.NewReader(body)))
			}})
	}
	refused(t, s, c, cases)
	t.Run("Quota", func(t *testing.T) {
		s := newServer(t, func(o *Options) { o.GuestQuota, o.AccountQuota = 1<<20, 1<<20 })
		c := s.client(t)
		c.register("quota")
		var cases []bad
		for _, path := range []string{"/encrypt", "/decrypt", "/vault"} {
			cases = append(cases,
				bad{"Length" + path, 413, []string{"storage is full", "Delete"}, func(c *client) answer { return c.multi(path, body) }},
				bad{"Chunked" + path, 413, []string{"storage is full", "Delete"}, func(c *client) answer {
					return c.do("POST", path, "multipart/form-data; boundary=b", io.MultiReader(strings.NewReader(body)))
				}})
		}
		refused(t, s, c, cases)
	})
}

// TestBadInput_BusyDatabase: a database that somebody else holds is no full disk.
func TestBadInput_BusyDatabase(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("busy")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "zencrypt.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	a := c.post("/vault", "text", "not now").want(t, 503, "The server is busy", "Nothing was changed", "Try again")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.get("/vault").want(t, 200) // reading goes on
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	c.post("/vault", "text", "now").want(t, 303)
}

// TestBadInput_ExactLimit: files may have the limit in all and not a byte more, with and without a length.
func TestBadInput_ExactLimit(t *testing.T) {
	const limit = 1 << 20
	s := newServer(t, func(o *Options) { o.MaxUpload = limit })
	c := s.client(t)
	c.register("measured")
	for _, path := range []string{"/encrypt", "/decrypt", "/hash", "/vault"} {
		for _, tc := range []struct {
			files []int
			fits  bool
		}{{[]int{limit}, true}, {[]int{limit + 1}, false}, {[]int{limit / 2, limit / 2}, true}, {[]int{limit / 2, limit/2 + 1}, false}, {[]int{3 * limit}, false}} {
			var files [][2]string
			for _, n := range tc.files {
				files = append(files, [2]string{"f.bin", strings.Repeat("x", n)})
			}
			if a := c.upload(path, nil, files...); (a.StatusCode != 413) != tc.fits {
				t.Errorf("%s with files of %v bytes: %d", path, tc.files, a.StatusCode)
			}
		}
	}
	if used, _ := s.usage(t); used > 16*limit {
		t.Errorf("%d bytes are counted", used)
	}
}
