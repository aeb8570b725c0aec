package handlers

import (
	"regexp"
	"strings"
	"testing"
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
	if got := c.get(resultPath(t, opened.body) + "/file").want(t, 200); got.body != "the whole plan" {
		t.Errorf("the opened file has %q", got.body)
	}

	// With a passphrase it waits, locked; the copy in the vault stays.
	page = c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "a long passphrase", "save", "1"}, [2]string{"second.txt", "second"}).want(t, 200)
	id = strings.TrimPrefix(itemPath.FindString(page.body), "/vault/")
	locked := c.post("/decrypt", "item", id).want(t, 422)
	result := resultPath(t, locked.body)
	c.post(result+"/open", "passphrase", "wrong").want(t, 422, "wrong")
	c.post(result+"/open", "passphrase", "a long passphrase").want(t, 303)
	if got := c.get(result + "/file").want(t, 200); got.body != "second" {
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
