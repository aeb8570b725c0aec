package handlers

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// state is every table's number of rows and every file of the store: what bad input must not change.
func (s *server) state(t *testing.T) string {
	t.Helper()
	var out []string
	for _, file := range []string{"zencrypt.db", "sessions.db"} {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, file)+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		rows, err := db.Query("SELECT name FROM sqlite_schema WHERE type = 'table'")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
		if rows.Err() != nil || len(names) < 2 {
			t.Fatalf("%s has tables %q, %v", file, names, rows.Err())
		}
		for _, name := range names {
			var n int
			if err := db.QueryRow("SELECT count(*) FROM " + name).Scan(&n); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s %s %d", file, name, n))
		}
	}
	for _, dir := range []string{"spool", "blobs"} {
		files, err := os.ReadDir(filepath.Join(s.dir, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			out = append(out, dir+"/"+f.Name())
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// bad is a request that must be refused.
type bad struct {
	name   string
	status int
	says   []string // what happened, and what to do
	do     func(c *client) answer
}

// refused runs each case as a page and as a fragment. Nothing may change, and the server still answers.
func refused(t *testing.T, s *server, c *client, cases []bad) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c.t = t
			before := s.state(t)
			for _, c.htmx = range []bool{false, true} {
				a := tc.do(c)
				shown := a.body // its part that matters, when a test fails
				if i := strings.Index(shown, "</header>"); i >= 0 {
					shown = shown[i:]
				}
				shown = shown[:min(len(shown), 1500)]
				if a.StatusCode != tc.status {
					t.Errorf("htmx %v: status %d, want %d\n%s", c.htmx, a.StatusCode, tc.status, shown)
				}
				for _, s := range tc.says {
					if !strings.Contains(strings.ToLower(a.body), strings.ToLower(s)) {
						t.Errorf("htmx %v: the answer lacks %q\n%s", c.htmx, s, shown)
					}
				}
				if whole := strings.Contains(a.body, "<html"); whole == c.htmx || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
					t.Errorf("htmx %v: whole page %v, type %q", c.htmx, whole, a.Header.Get("Content-Type"))
				}
				if strings.ContainsAny(a.body, "\x00") || strings.Contains(a.body, "goroutine ") {
					t.Errorf("htmx %v: the answer holds what it must not", c.htmx)
				}
			}
			c.htmx = false
			if after := s.state(t); after != before {
				t.Errorf("it changed something. Before:\n%s\nafter:\n%s", before, after)
			}
			c.get("/healthz").want(t, 200, "ok")
		})
	}
	c.t = t
}

// multi is a multipart body with boundary b.
func (c *client) multi(path, body string) answer {
	c.t.Helper()
	return c.do("POST", path, "multipart/form-data; boundary=b", strings.NewReader(body))
}

func fieldPart(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func filePart(name, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + content + "\r\n"
}

// mustAge makes an age file for a passphrase at the least cost there is.
func mustAge(t *testing.T, passphrase, plain string, armored bool) string {
	t.Helper()
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(1)
	var b bytes.Buffer
	var out io.Writer = &b
	var a io.WriteCloser
	if armored {
		a = armor.NewWriter(&b)
		out = a
	}
	w, err := age.Encrypt(out, r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, plain)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if a != nil {
		_ = a.Close()
	}
	return b.String()
}

const mac43 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestBadInput_Texts(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("texts")
	five := strings.Repeat("five mebibytes! ", 5<<16)
	scrypt40 := "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\n" + mac43 + "\n--- " + mac43 + "\n" + strings.Repeat("x", 40)
	armored := mustAge(t, "right", "content", true)
	refused(t, s, c, []bad{
		{"EncryptEmpty", 422, []string{"Nothing to encrypt", "paste"}, func(c *client) answer { return c.post("/encrypt", "to", "me", "text", "", "save", "1") }},
		{"DecryptEmpty", 422, []string{"Nothing to decrypt", "paste"}, func(c *client) answer { return c.post("/decrypt", "text", "", "save", "1") }},
		{"DecryptSpaces", 422, []string{"Nothing to decrypt", "paste"}, func(c *client) answer { return c.post("/decrypt", "text", " \r\n\t ", "save", "1") }},
		{"NoteEmpty", 422, []string{"Nothing to keep yet", "paste"}, func(c *client) answer { return c.post("/vault", "text", "") }},
		{"NoFields", 422, []string{"Nothing to encrypt"}, func(c *client) answer { return c.do("POST", "/encrypt", "", nil) }},
		{"EncryptFive", 413, []string{"too l", "1 MiB", "file"}, func(c *client) answer { return c.post("/encrypt", "to", "me", "save", "1", "text", five) }},
		{"EncryptFiveMultipart", 413, []string{"too long", "1 MiB", "file"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+fieldPart("save", "1")+fieldPart("text", five)+"--b--\r\n")
		}},
		{"EncryptTwo", 413, []string{"too long", "1 MiB", "file"}, func(c *client) answer { return c.post("/encrypt", "to", "me", "save", "1", "text", five[:2<<20]) }},
		{"EncryptOneMore", 413, []string{"too long", "1 MiB", "file"}, func(c *client) answer { return c.post("/encrypt", "to", "me", "save", "1", "text", five[:1<<20+1]) }},
		{"EncryptOneMoreBase64", 413, []string{"too long", "1 MiB", "file"}, func(c *client) answer {
			return c.post("/encrypt", "to", "me", "save", "1", "encoding", "base64", "text", base64.StdEncoding.EncodeToString([]byte(five[:1<<20+1])))
		}},
		{"HashFive", 413, []string{"too l", "1 MiB", "file"}, func(c *client) answer { return c.post("/hash", "save", "1", "text", five) }},
		{"DecryptFive", 413, []string{"too l", "1 MiB", "file"}, func(c *client) answer { return c.post("/decrypt", "save", "1", "text", five) }},
		{"VaultFive", 413, []string{"too l", "1 MiB", "file"}, func(c *client) answer { return c.post("/vault", "text", five) }},
		{"DecryptNUL", 422, []string{"Not a format that is known", "Paste all of"}, func(c *client) answer { return c.post("/decrypt", "save", "1", "text", "\x00\x00\x00") }},
		{"DecryptInvalidUTF8", 422, []string{"Not a format that is known", "Paste all of"}, func(c *client) answer { return c.post("/decrypt", "save", "1", "text", "\xff\xfe\xc3\x28") }},
		{"DecryptProse", 422, []string{"Not a format that is known", "Paste all of"}, func(c *client) answer { return c.post("/decrypt", "save", "1", "text", "dear diary") }},
		{"DecryptFactor40", 422, []string{"Refused", "40", "your own machine"}, func(c *client) answer {
			return c.post("/decrypt", "passphrase", "x", "save", "1", "encoding", "base64", "text", base64.StdEncoding.EncodeToString([]byte(scrypt40)))
		}},
		{"DecryptWrongPassphrase", 422, []string{"passphrase is wrong", "try again"}, func(c *client) answer { return c.post("/decrypt", "passphrase", "wrong", "save", "1", "text", armored) }},
		{"DecryptNoPassphrase", 422, []string{"passphrase", "Type its passphrase"}, func(c *client) answer { return c.post("/decrypt", "save", "1", "text", armored) }},
		{"DecryptCut", 422, []string{"Damaged", "Get it again"}, func(c *client) answer {
			return c.post("/decrypt", "passphrase", "right", "save", "1", "text", armored[:len(armored)*2/3])
		}},
		{"DecryptBadBase64", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.post("/decrypt", "encoding", "base64", "save", "1", "text", "not base64!")
		}},
		{"VaultBadBase64", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.post("/vault", "encoding", "base64", "text", "====") }},
		{"EchoBadBase64", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.post("/results/download", "encoding", "base64", "text", "a") }},
		{"LongField", 413, []string{"too long", "64 KiB", "Shorten it"}, func(c *client) answer {
			return c.post("/encrypt", "to", "passphrase", "passphrase", strings.Repeat("p", 70<<10), "text", "x", "save", "1")
		}},
		{"LongFieldMultipart", 413, []string{"too long", "64 KiB", "Shorten it"}, func(c *client) answer {
			return c.multi("/hash", fieldPart("salt", strings.Repeat("s", 70<<10))+fieldPart("text", "x")+"--b--\r\n")
		}},
		{"LongPassphrase", 422, []string{"at most 1,024 bytes"}, func(c *client) answer {
			return c.post("/encrypt", "to", "passphrase", "passphrase", strings.Repeat("p", 2000), "text", "x", "save", "1")
		}},
		{"PassphraseNotUTF8", 422, []string{"A passphrase is text"}, func(c *client) answer {
			return c.post("/encrypt", "to", "passphrase", "passphrase", "\xff\xfe", "text", "x", "save", "1")
		}},
		{"NoPassphrase", 422, []string{"Type a passphrase"}, func(c *client) answer { return c.post("/encrypt", "to", "passphrase", "text", "x", "save", "1") }},
		{"UnknownTo", 422, []string{"Choose for whom"}, func(c *client) answer { return c.post("/encrypt", "to", "everybody", "text", "x", "save", "1") }},
		{"UnknownFormat", 422, []string{"Choose age, OpenPGP or Fernet"}, func(c *client) answer {
			return c.post("/encrypt", "to", "me", "format", "zip", "text", "x", "save", "1")
		}},
		{"UnknownAlgorithm", 422, []string{"Unknown algorithm", "Choose"}, func(c *client) answer { return c.post("/hash", "algorithm", "rot13", "text", "x", "save", "1") }},
		{"BadExpected", 422, []string{"digest"}, func(c *client) answer { return c.post("/hash", "expected", "zz\x00zz", "text", "x", "save", "1") }},
		{"NoRecipients", 422, []string{"Paste at least one public key"}, func(c *client) answer { return c.post("/encrypt", "to", "people", "text", "x", "save", "1") }},
		{"BadRecipient", 422, []string{"recipient"}, func(c *client) answer {
			return c.post("/encrypt", "to", "people", "recipients", "age1nothing\x00", "text", "x", "save", "1")
		}},
		{"BadIdentity", 422, []string{"no private key that is known"}, func(c *client) answer {
			return c.post("/decrypt", "identity", "AGE-SECRET-KEY-1NOPE", "text", armored, "save", "1")
		}},
		{"BadTheme", 422, []string{"No such theme", "Choose"}, func(c *client) answer { return c.post("/theme", "theme", "<script>") }},
	})

	t.Run("BinaryIsContent", func(t *testing.T) {
		// NUL bytes and what is not UTF-8 are content like any other: the digest is of the very bytes.
		for _, text := range []string{"", "\x00", "a\x00b", "\xff\xfe", "\xc3\x28\xed\xa0\x80", strings.Repeat("\x00", 1000), strings.Repeat("x", 1<<20)} {
			sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
			c.post("/hash", "text", text).want(t, 200, sum)
			c.multi("/hash", fieldPart("text", text)+"--b--\r\n").want(t, 200, sum)
			if text == "" {
				continue
			}
			a := c.post("/encrypt", "to", "me", "text", text).want(t, 200)
			if strings.Contains(a.body, "\x00") {
				t.Error("the page holds a NUL")
			}
			_, message, ok := strings.Cut(a.body, "-----BEGIN AGE ENCRYPTED FILE-----")
			message, _, _ = strings.Cut(message, "-----END AGE ENCRYPTED FILE-----")
			if !ok {
				t.Fatalf("no message on the page")
			}
			back := c.post("/decrypt", "text", "-----BEGIN AGE ENCRYPTED FILE-----"+message+"-----END AGE ENCRYPTED FILE-----\n").want(t, 200)
			if !strings.Contains(back.body, base64.StdEncoding.EncodeToString([]byte(text))) {
				t.Errorf("%.20q came back as something else", text)
			}
		}
	})
	t.Run("DuplicateAndUnknownFields", func(t *testing.T) {
		sum := fmt.Sprintf("%x", md5.Sum([]byte("x")))
		c.post("/hash", "algorithm", "md5", "algorithm", "md5", "nobody", "knows", "__proto__", "1", "text", "x").want(t, 200, sum)
		c.multi("/hash", fieldPart("algorithm", "md5")+fieldPart("algorithm", "md5")+fieldPart("", "no name")+fieldPart("text", "x")+"--b--\r\n").want(t, 200, sum)
	})
}

func TestBadInput_Accounts(t *testing.T) {
	s := newServer(t)
	s.client(t).register("taken")
	register := func(login, password, again string) func(*client) answer {
		return func(c *client) answer {
			return c.post("/register", "login", login, "password", password, "password2", again)
		}
	}
	cases := []bad{
		{"Empty", 422, []string{"at least 3 characters"}, register("", "", "")},
		{"ShortPassword", 422, []string{"12"}, register("somebody", "short", "short")},
		{"NoPassword", 422, []string{"12"}, register("somebody", "", "")},
		{"CommonPassword", 422, []string{"password"}, register("somebody", "password1234", "password1234")},
		{"PasswordIsLogin", 422, []string{"password"}, register("somebody-here", "somebody-here", "somebody-here")},
		{"Mismatch", 422, []string{"differ", "Type the same"}, register("somebody", testPassword, testPassword+"x")},
		{"PasswordNotUTF8", 422, []string{"password"}, register("somebody", "\xff\xfe valid length here", "\xff\xfe valid length here")},
		{"PasswordTooLong", 422, []string{"1024 bytes"}, register("somebody", strings.Repeat("long pass ", 200), strings.Repeat("long pass ", 200))},
		{"Taken", 422, []string{"taken", "choose another"}, register("Taken", testPassword, testPassword)},
	}
	for name, login := range map[string]string{
		"300": strings.Repeat("x", 300), "255": strings.Repeat("x", 255), "254x4": strings.Repeat("𝄞", 255), "64KiB": strings.Repeat("x", 60<<10),
		"2": "ab", "Space": "a b c", "Tab": "ab\tc", "Newline": "ab\nc", "CRLF": "ab\r\nSet-Cookie: x", "NUL": "ab\x00c", "Escape": "ab\x1b[0m",
		"NBSP": "ab\u00a0c", "IdeographicSpace": "ab\u3000c", "LineSeparator": "ab\u2028c", "RLO": "ab\u202ecd", "Isolate": "ab\u2067cd", "ZeroWidth": "ad\u200bmin",
		"BOM": "\ufeffadmin", "SoftHyphen": "ad\u00admin", "Tag": "ad\U000e0041min", "InvalidUTF8": "ab\xff\xfe", "Surrogate": "ab\xed\xa0\x80",
		"Age": "age1qqqq", "AGE": "AGE1QQQQ", "Secret": "AGE-SECRET-KEY-1QQ", "SSH": "ssh-ed25519", "Armor": "-----BEGIN", "FullwidthAge": "age1" + "ｘｙｚ", "OnlySpaces": "      ",
	} {
		cases = append(cases, bad{"Login" + name, 422, []string{"login"}, register(login, testPassword, testPassword)})
	}
	// The page tells what it is about: a login that can't be, in words.
	cases = append(cases,
		bad{"LoginWords300", 422, []string{"more than 254 characters"}, register(strings.Repeat("x", 300), testPassword, testPassword)},
		bad{"LoginWordsKey", 422, []string{"starts like a key"}, register("age1xyz", testPassword, testPassword)},
		bad{"LoginWordsSpace", 422, []string{"holds a space"}, register("a b c", testPassword, testPassword)},
		bad{"LoginWordsHidden", 422, []string{"cannot be seen"}, register("ab\u202ecd", testPassword, testPassword)},
		bad{"LoginWordsUTF8", 422, []string{"not valid text"}, register("ab\xff", testPassword, testPassword)},
		bad{"LogInEmpty", 422, []string{"do not go together", "Check both"}, func(c *client) answer { return c.post("/login") }},
		bad{"LogInNUL", 422, []string{"do not go together", "Check both"}, func(c *client) answer { return c.post("/login", "login", "a\x00b", "password", "\x00") }},
		bad{"RecoverEmpty", 422, []string{"password"}, func(c *client) answer { return c.post("/recover") }},
		bad{"RecoverBadCode", 422, []string{"32 letters and digits", "Correct it"}, func(c *client) answer {
			return c.post("/recover", "login", "taken", "code", "not\x00a-code", "password", otherPassword, "password2", otherPassword)
		}},
	)
	refused(t, s, s.client(t), cases)
}

func TestBadInput_Forms(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("forms")
	item := c.post("/vault", "title", "kept", "text", "kept").want(t, 303).Header.Get("Location")
	file := filePart("a.txt", "content")
	refused(t, s, c, []bad{
		{"NoBoundary", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.do("POST", "/encrypt", "multipart/form-data", strings.NewReader(file))
		}},
		{"OtherBoundary", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.do("POST", "/encrypt", "multipart/form-data; boundary=other", strings.NewReader(fieldPart("to", "me")+file+"--b--\r\n"))
		}},
		{"NoEnd", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.multi("/encrypt", fieldPart("to", "me")+file) }},
		{"CutHeader", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+"--b\r\nContent-Disposition: form-da")
		}},
		{"NotMultipart", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.multi("/encrypt", "just text") }},
		{"CutAfterFirstFile", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.multi("/vault", file+"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\nhalf")
		}},
		{"33Fields", 413, []string{"Too many", "32", "fewer"}, func(c *client) answer {
			return c.multi("/encrypt", strings.Repeat(fieldPart("algorithm", "md5"), 33)+file+"--b--\r\n")
		}},
		{"33Files", 413, []string{"Too many", "32", "fewer"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+fieldPart("save", "1")+strings.Repeat(file, 31)+"--b--\r\n")
		}},
		{"33VaultFiles", 413, []string{"Too many", "32", "fewer"}, func(c *client) answer { return c.multi("/vault", strings.Repeat(file, 33)+"--b--\r\n") }},
		{"33Locked", 413, []string{"Too many", "32", "fewer"}, func(c *client) answer {
			return c.multi("/decrypt", strings.Repeat(filePart("x.age", mustAge(t, "p", "x", false)), 33)+"--b--\r\n")
		}},
		{"FieldAfterFile", 422, []string{"late", "wrong order", "before the first file"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+file+fieldPart("late", "x")+"--b--\r\n")
		}},
		{"NoFileChosen", 422, []string{"choose a file"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+fieldPart("mode", "files")+filePart("", "")+"--b--\r\n")
		}},
		{"NamelessFile", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.multi("/encrypt", fieldPart("to", "me")+filePart("", "content")+"--b--\r\n")
		}},
		{"JSON", 415, []string{"form"}, func(c *client) answer {
			return c.do("POST", "/encrypt", "application/json", strings.NewReader(`{"text":"x"}`))
		}},
		{"PlainText", 415, []string{"form"}, func(c *client) answer { return c.do("POST", "/vault", "text/plain", strings.NewReader("text=x")) }},
		{"BadType", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.do("POST", "/vault", ";;;", strings.NewReader("text=x")) }},
		{"NoType", 400, []string{"could not be read", "Send it again"}, func(c *client) answer { return c.do("POST", "/vault", "", strings.NewReader("text=x")) }},
		{"BadEscapes", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.do("POST", "/vault", "application/x-www-form-urlencoded", strings.NewReader("text=%zz"))
		}},
		{"ManyValues", 400, []string{"could not be read", "Send it again"}, func(c *client) answer {
			return c.do("POST", "/vault/delete", "application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("id="+strangerID+"&", 200)))
		}},
		{"LargeSmallForm", 413, []string{"Too large", "Nothing was"}, func(c *client) answer {
			return c.post("/login", "login", "x", "password", "y", "text", strings.Repeat("x", 1<<20))
		}},
		{"BadItem", 404, []string{"Nothing is here", "Go to the start"}, func(c *client) answer { return c.get("/vault/nonsense") }},
		{"BadItemNUL", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault/%00") }},
		{"BadItemLong", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault/" + strings.Repeat("a", 4000)) }},
		{"UpperItem", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault/" + strings.ToUpper(strangerID) + "0") }},
		{"BadResult", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/results/../../etc/passwd") }},
		{"BadKey", 404, []string{"Nothing is here"}, func(c *client) answer { return c.post("/keys/nonsense/export", "current", testPassword) }},
		{"BadRename", 422, []string{"Type a title"}, func(c *client) answer { return c.post(item+"/rename", "title", " \t ") }},
		{"LongTitle", 422, []string{"title"}, func(c *client) answer { return c.post(item+"/rename", "title", strings.Repeat("t", 2000)) }},
		{"BadDelete", 400, []string{"could not be read"}, func(c *client) answer {
			return c.post("/vault/delete", "id", "nonsense", "id", strings.TrimPrefix(item, "/vault/"))
		}},
		{"BadRestore", 400, []string{"could not be read"}, func(c *client) answer { return c.post("/vault/restore", "id", "' OR 1=1 --") }},
		{"BadCursor", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault?before=nonsense") }},
		{"ShortCursor", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault?before=AAAA") }},
		{"CursorNUL", 404, []string{"Nothing is here"}, func(c *client) answer { return c.get("/vault?before=%00") }},
		{"BadSession", 422, []string{"choose the session"}, func(c *client) answer { return c.post("/account/sessions", "current", testPassword, "id", "nonsense") }},
		{"NoSession", 404, []string{"Nothing is here"}, func(c *client) answer { return c.post("/account/sessions", "current", testPassword, "id", strangerID) }},
		{"WrongCurrent", 422, []string{"password is wrong"}, func(c *client) answer { return c.post("/account/delete", "current", "wrong", "login", "forms") }},
		{"WrongLogin", 422, []string{"type your login"}, func(c *client) answer { return c.post("/account/delete", "current", testPassword, "login", "another") }},
		{"WeakNew", 422, []string{"12"}, func(c *client) answer {
			return c.post("/account/password", "current", testPassword, "password", "short", "password2", "short")
		}},
	})
	t.Run("OddQueries", func(t *testing.T) {
		for _, q := range []string{"?kind=nonsense", "?q=%00", "?q=%ff%fe", "?q=" + strings.Repeat("x", 5000), "?undo=a,b,,c", "?undo=" + strings.Repeat(strangerID+",", 200), "?before=", "?new=%00", "?done=x", "?%zz",
			"?before=" + formatCursorMax()} {
			if a := c.get("/vault" + q); a.StatusCode != 200 || strings.Contains(a.body, "\x00") {
				t.Errorf("/vault%.60s: %d", q, a.StatusCode)
			}
		}
	})
	c.get(item).want(t, 200, "kept")
}

// formatCursorMax is a cursor with the greatest time and id.
func formatCursorMax() string {
	return base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 24))
}
