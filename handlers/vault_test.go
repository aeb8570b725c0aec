package handlers

import (
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zencrypt/models"
)

var itemPath = regexp.MustCompile(`/vault/[0-9a-f]{32}`)

// TestVault_Ciphertext: what was kept encrypted opens from the vault, without going through the
// person's own disk.
func TestVault_Ciphertext(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("keeper")

	page := c.upload("/encrypt", []string{"to", "me", "save", "1", "mode", "files"}, [2]string{"plan.txt", "the whole plan"}).want(t, 200)
	item := itemPath.FindString(page.body)
	id := strings.TrimPrefix(c.get(item).want(t, 200, "plan.txt.age", `name="item"`).Request.URL.Path, "/vault/")
	opened := c.post("/decrypt", "item", id).want(t, 200, "plan.txt")
	if got := c.get(resultPath(t, opened.body)+"/file").want(t, 200); got.body != "the whole plan" {
		t.Errorf("the opened file has %q", got.body)
	}

	// With a passphrase it waits, locked; the copy in the vault stays.
	page = c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "a long passphrase", "save", "1"}, [2]string{"second.txt", "second"}).want(t, 200)
	id = strings.TrimPrefix(itemPath.FindString(page.body), "/vault/")
	locked := c.post("/decrypt", "item", id).want(t, 422)
	result := resultPath(t, locked.body)
	c.post(result+"/open", "passphrase", "wrong").want(t, 422, "wrong")
	c.post(result+"/open", "passphrase", "a long passphrase").want(t, 303)
	if got := c.get(result+"/file").want(t, 200); got.body != "second" {
		t.Errorf("the opened file has %q", got.body)
	}
	c.post(result+"/delete").want(t, 303)
	c.get("/vault/"+id).want(t, 200)

	// A text that wants a passphrase stays in the form, also when it came encoded.
	sealed := c.post("/encrypt", "to", "passphrase", "passphrase", "a long passphrase", "text", "words").want(t, 200)
	encoded := regexp.MustCompile(`name="text" value="([A-Za-z0-9+/=]+)"`).FindStringSubmatch(sealed.body)
	if encoded == nil {
		t.Fatal("no result to go on with")
	}
	c.post("/decrypt", "encoding", "base64", "text", encoded[1]).want(t, 422, "BEGIN AGE ENCRYPTED FILE", "passphrase")

	other := s.client(t)
	other.register("stranger")
	other.post("/decrypt", "item", id).want(t, 404)
	s.client(t).post("/decrypt", "item", id).want(t, 422, "Nothing to decrypt")
}

// TestResults_Waiting: what was made is found again, survives a changed password, and is kept on demand.
func TestResults_Waiting(t *testing.T) {
	var later atomic.Int64
	s := newServer(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) } })
	c := s.client(t)
	c.register("waiter")
	page := c.upload("/encrypt", []string{"to", "me"}, [2]string{"one.txt", "first"}).want(t, 200)
	result := resultPath(t, page.body)
	c.get("/encrypt").want(t, 200, "Waiting for you", "one.txt.age", result)
	if a := c.get("/decrypt").want(t, 200); strings.Contains(a.body, "Waiting for you") {
		t.Error("an encrypted file waits on the Decrypt page")
	}

	next := "another long pass phrase 7"
	c.post("/account/password", "current", testPassword, "password", next, "password2", next).want(t, 303)
	sealed := c.get(result+"/file").want(t, 200).body

	item := c.post(result+"/save").want(t, 303).Header.Get("Location")
	if got := c.get(item+"/file").want(t, 200); got.body != sealed {
		t.Error("what was saved differs from the result")
	}
	page = c.upload("/decrypt", []string{"save", "1"}, [2]string{"one.txt.age", sealed}).want(t, 200)
	if got := c.get(itemPath.FindString(page.body)+"/file").want(t, 200); got.body != "first" {
		t.Errorf("the decrypted file in the vault has %q", got.body)
	}

	// All that is counted is given back.
	for _, r := range []string{result, resultPath(t, page.body)} {
		c.post(r+"/delete").want(t, 303)
	}
	c.post("/vault/delete", "id", strings.TrimPrefix(item, "/vault/"), "id", strings.TrimPrefix(itemPath.FindString(page.body), "/vault/")).want(t, 303)
	later.Store(int64(2 * models.UndoTime))
	s.Clean(t.Context())
	if used, _ := s.usage(t); used != 0 {
		t.Errorf("%d bytes stay counted", used)
	}
}

// usage is what the only account of a server uses, by its quota and by its files.
func (s *server) usage(t *testing.T) (counted int64, files int) {
	t.Helper()
	list, err := s.db.Accounts.List(t.Context(), models.ID{}, 2)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d accounts, %v", len(list), err)
	}
	for _, dir := range []string{"spool", "blobs"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, dir))
		if err != nil {
			t.Fatal(err)
		}
		files += len(entries)
	}
	return s.files.Used("account:" + list[0].ID.String()), files
}

// TestUpload_LogoutInBetween: a log-out while a request with several files runs gives back exactly what
// was counted.
func TestUpload_LogoutInBetween(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("leaver")
	c.upload("/vault", nil, [2]string{"kept.bin", strings.Repeat("k", 3<<20)}).want(t, 303)
	before, _ := s.usage(t)

	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	req, err := http.NewRequest("POST", c.base+"/encrypt", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	done := make(chan error, 1)
	go func() {
		res, err := c.Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	_ = form.WriteField("to", "me")
	for i := range 2 {
		p, err := form.CreateFormFile("file", "file.bin")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(p, strings.Repeat("x", 2<<20))
		if i == 1 { // the first is a result by now
			for end := time.Now().Add(time.Minute); ; {
				if _, files := s.usage(t); files >= 3 || time.Now().After(end) {
					break
				}
			}
			c.post("/logout").want(t, 303)
		}
	}
	_, _ = io.WriteString(w, strings.Repeat("y", 1<<20))
	w.Close()
	<-done
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if used, files := s.usage(t); used == before && files == 1 {
			return
		}
	}
	used, files := s.usage(t)
	t.Errorf("%d bytes in %d files are counted, want %d in 1", used, files, before)
}

// TestResults_SaveTwice: each saving makes an item with a file of its own, so that deleting one leaves
// the other whole.
func TestResults_SaveTwice(t *testing.T) {
	var later atomic.Int64
	s := newServer(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) } })
	c := s.client(t)
	c.register("twice")
	result := resultPath(t, c.upload("/encrypt", []string{"to", "me"}, [2]string{"one.txt", "first"}).want(t, 200).body)
	sealed := c.get(result+"/file").want(t, 200).body
	one := c.post(result+"/save").want(t, 303).Header.Get("Location")
	two := c.post(result+"/save").want(t, 303).Header.Get("Location")
	if one == two {
		t.Fatal("the second saving made no item")
	}
	c.post(one+"/delete").want(t, 303)
	later.Store(int64(2 * models.UndoTime))
	s.Clean(t.Context())
	c.get(one).want(t, 404)
	if got := c.get(two+"/file").want(t, 200); got.body != sealed {
		t.Error("the item that stays is not whole")
	}
}

// TestResults_OneTryAtATime: a right and a wrong passphrase at once leave what was opened.
func TestResults_OneTryAtATime(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("hasty")
	sealed := c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "the right one"}, [2]string{"a.txt", "content"}).want(t, 200)
	file := c.get(resultPath(t, sealed.body)+"/file").want(t, 200).body
	result := resultPath(t, c.upload("/decrypt", nil, [2]string{"a.txt.age", file}).want(t, 422).body)
	var done sync.WaitGroup
	for _, pass := range []string{"the right one", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong"} {
		done.Go(func() { c.post(result+"/open", "passphrase", pass) })
	}
	done.Wait()
	// Whoever came first: it is open, or its five tries are used up and it is gone.
	if a := c.get(result); a.StatusCode == 200 {
		c.get(result+"/file").want(t, 200, "content")
	} else if a.StatusCode != 404 {
		t.Errorf("the result answers %d", a.StatusCode)
	}
}
