//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	rewrapItems    = 1000
	rewrapItemsEnv = "ZENCRYPT_TEST_REWRAP" // another number of items
	rewrapKills    = 3
	rewrapLogin    = "rotates-and-rotates"
)

// failpointBinary builds the program with the points at which a seed kills it.
var failpointBinary = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binaryDir(), "zencrypt-failpoint")
	cmd := exec.Command("go", "build", "-tags", "failpoint", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bin, "zencrypt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program with failpoints: %w\n%s", err, out)
	}
	return bin, nil
})

// rewrapRun is an account whose vault is rewrapped by a server that dies on the way.
type rewrapRun struct {
	*server
	seed
	t     *testing.T
	c     *client           // of a session that began before all kills
	key   string            // path of the default age key
	items map[string]string // path in the vault to what it decrypts to
	alone map[string]string // path to the ciphertext itself: for a passphrase, which no rewrap touches
}

// begin starts the program; armed kills it at a failpoint that follows from the seed and the number.
func (r *rewrapRun) begin(armed int) {
	r.t.Helper()
	bin, err := failpointBinary()
	if err != nil {
		r.t.Fatal(err)
	}
	r.env = nil
	if armed > 0 {
		r.env = []string{fmt.Sprintf("ZENCRYPT_FAILPOINT=%x-%d:%d", r.seed, armed, max(2, len(r.items)/15))}
	}
	addr := "127.0.0.1:0"
	if r.url != "" {
		addr = strings.TrimPrefix(r.url, "http://")
	}
	r.run(exec.Command(bin, "serve", "--addr", addr, "--data", r.data, "--secrets", r.secrets))
}

// dies waits until the failpoint has killed the server.
func (r *rewrapRun) dies() {
	r.t.Helper()
	select {
	case <-r.done:
		r.ended()
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("no failpoint killed it in two minutes: %s", words(r.c.get("/keys").body))
	}
	if !strings.Contains(r.output(), "failpoint rewrap-") {
		r.t.Fatalf("it ended in another way:\n%s", tail(r.output(), 2000))
	}
}

// TestBulkRewrap renews a vault under a key that was rotated three times while the server is killed three times
// in the middle. Everything opens all the time, at the end nothing stands under an older version, and the
// older versions can go.
func TestBulkRewrap(t *testing.T) {
	r := &rewrapRun{t: t, seed: newSeed(t), items: map[string]string{}, alone: map[string]string{}}
	n := numberFrom(t, rewrapItemsEnv, rewrapItems, 40)
	dir := t.TempDir()
	r.server = &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets")}
	t.Cleanup(func() {
		r.kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", tail(r.output(), 4000))
		}
	})
	r.begin(0)
	r.c = r.client()
	r.c.register(rewrapLogin, killPassword)
	r.fill(n)
	r.whole("before the rewrap")
	begun := time.Now()
	for kill := 1; kill <= rewrapKills; kill++ {
		r.stop()
		r.begin(kill)
		if kill == 1 {
			r.ask("/keys/rewrap")
		} else { // a log-in goes on with it
			r.ask("/login", "login", rewrapLogin, "password", killPassword)
		}
		r.dies()
		r.begin(0)
		left := r.left()
		if left == 0 {
			t.Errorf("kill %d came when everything was rewrapped: nothing was to be gone on with", kill)
		}
		t.Logf("kill %d: %d of %d items still under an older version", kill, left, len(r.items))
		r.tidy()
		r.whole(fmt.Sprintf("after kill %d", kill))
	}
	fresh := r.client()
	fresh.login(rewrapLogin, killPassword)
	eventually(t, 2*time.Minute, "the rewrap is done", func() bool {
		page := r.c.get("/keys").body
		return !strings.Contains(page, "Rewrapping") && strings.Contains(page, "rewrapped")
	})
	t.Logf("rewrapped and looked at everything %d times in %v", rewrapKills, time.Since(begun).Round(time.Second))
	if left := r.left(); left != 0 {
		t.Errorf("%d items are left under an older version: %s", left, words(r.c.get("/keys").body))
	}
	r.tidy()
	r.whole("after the rewrap")
	for version := 1; version <= 3; version++ {
		r.c.must(r.c.post(fmt.Sprintf("%s/versions/%d/delete", r.key, version), "current", killPassword), http.StatusSeeOther)
	}
	r.whole("without the older versions")
	if page := r.c.get(r.key).body; strings.Contains(page, "version 3<") || !strings.Contains(page, "version 4") {
		t.Errorf("the key's page after the deletion: %s", words(page))
	}
	r.tidy()
}

// ask sends a post whose answer may not come any more.
func (r *rewrapRun) ask(path string, pairs ...string) {
	c := r.c
	if path == "/login" {
		c = r.client()
	}
	form := make([]string, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		form = append(form, pairs[i]+"="+strings.ReplaceAll(pairs[i+1], " ", "+"))
	}
	req := c.request(http.MethodPost, path, strings.NewReader(strings.Join(form, "&")))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			r.t.Fatalf("POST %s: status %d", path, resp.StatusCode)
		}
	}
}

// content is what item i holds; one in ten is a file, of up to four chunks.
func (r *rewrapRun) content(i int) string {
	size := 1 + r.number("size", i)%2000
	if i%10 == 0 {
		size *= 120
	}
	return r.text(i, size)
}

// fill saves the items under four versions, and some for a passphrase, which are not counted.
func (r *rewrapRun) fill(n int) {
	r.t.Helper()
	for _, path := range shownKey.FindAllString(r.c.get("/keys").body, -1) {
		if strings.Contains(r.c.get(path).body, "age1") {
			r.key = path
		}
	}
	for i := range n {
		plain := r.content(i)
		parts := []part{field("to", "me"), field("save", "1"), field("text", plain)}
		if i%10 == 0 {
			parts = []part{field("to", "me"), field("save", "1"), field("mode", "files"), file(fmt.Sprintf("file %d", i), plain)}
		}
		a := r.c.must(r.c.upload("/encrypt", parts...), http.StatusOK)
		if result := shownResult.FindString(a.body); result != "" { // it would count against the space
			r.c.must(r.c.post(result+"/delete"), http.StatusSeeOther)
		}
		r.items[savedLink.FindString(a.body)] = plain
		if i > 0 && i%(n/4) == 0 && i/(n/4) <= 3 {
			r.c.must(r.c.post(r.key+"/rotate"), http.StatusSeeOther)
		}
	}
	for i := range 5 {
		a := r.c.must(r.c.upload("/encrypt", field("to", "passphrase"), field("passphrase", "open sesame"), field("save", "1"), field("text", fmt.Sprint("alone ", i))), http.StatusOK)
		path := savedLink.FindString(a.body)
		r.alone[path] = r.c.get(path + "/file").body
	}
	if len(r.items) != n || r.key == "" {
		r.t.Fatalf("%d items of %d, key %q", len(r.items), n, r.key)
	}
}

// whole opens every item.
func (r *rewrapRun) whole(when string) {
	r.t.Helper()
	paths := make(chan string)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for path := range paths {
				r.opens(when, path)
			}
		})
	}
	for path := range r.items {
		paths <- path
	}
	close(paths)
	wg.Wait()
	for path, sealed := range r.alone {
		if r.c.get(path+"/file").body != sealed {
			r.t.Errorf("%s: %s, which is for a passphrase, was changed", when, path)
		}
	}
	if r.t.Failed() {
		r.t.FailNow()
	}
}

func (r *rewrapRun) opens(when, path string) {
	plain := r.items[path]
	sealed := r.c.read(r.c.request(http.MethodGet, path+"/file", nil))
	if sealed.status != http.StatusOK {
		r.t.Errorf("%s: %s: status %d", when, path, sealed.status)
		return
	}
	got, err := r.c.unseal(sealed.body)
	if err != nil || got != plain {
		r.t.Errorf("%s: %s: %d bytes instead of %d: %v", when, path, len(got), len(plain), err)
	}
}

var rewrapButton = regexp.MustCompile(`Rewrap (\d+) items?`)

// left is how many items stand under an older version, as the page says.
func (r *rewrapRun) left() int {
	r.t.Helper()
	found := rewrapButton.FindStringSubmatch(r.c.must(r.c.get(r.key), http.StatusOK).body)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}
