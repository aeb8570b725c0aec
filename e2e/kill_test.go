//go:build linux

package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	endian "encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

const (
	killSaves   = 1000 // acknowledged ones
	killPeople  = 4    // who save at the same time
	killTimes   = 5
	killSeedEnv = "ZENCRYPT_TEST_SEED" // 16 hex digits: repeats a run's sizes and moments
)

// killRun is a server that is killed while people save.
type killRun struct {
	*server
	t    *testing.T
	seed [8]byte

	mu    sync.Mutex
	acked map[string]int // path in the vault to the number of the save
	next  int            // number of the next save
	at    int            // so many acknowledged ones are the moment of the next kill
	now   chan struct{}  // closed at that moment
}

// TestKill kills the server in the middle of saves: what it has acknowledged is there and whole after
// each start, and nothing else is left but whole items.
func TestKill(t *testing.T) {
	t.Parallel()
	r := &killRun{t: t, acked: map[string]int{}}
	rand.Read(r.seed[:])
	if s := os.Getenv(killSeedEnv); s != "" {
		if n, err := hex.Decode(r.seed[:], []byte(s)); err != nil || n != len(r.seed) {
			t.Fatalf("%s: want 16 hex digits", killSeedEnv)
		}
	}
	t.Logf("%s=%x repeats this run", killSeedEnv, r.seed)
	r.server = newServer(t)
	people := make([]*client, killPeople)
	for i := range people {
		people[i] = r.client()
		people[i].register(killLogin(i), killPassword)
	}
	started, halves := 0, 0
	for kill := range killTimes + 1 {
		r.at = killSaves
		if kill < killTimes { // somewhere in the kill's own share of the saves
			share := killSaves / (killTimes + 1)
			r.at = kill*share + 1 + r.number("moment", kill)%share
		}
		r.now = make(chan struct{})
		var wg sync.WaitGroup
		for i, c := range people {
			wg.Go(func() { r.save(c, i) })
		}
		select {
		case <-r.now:
		case <-time.After(2 * time.Minute):
			t.Fatalf("%d of %d saves after two minutes", len(r.acked), r.at)
		}
		if kill < killTimes {
			r.kill()
			wg.Wait()
			for _, path := range r.stored() {
				if strings.HasSuffix(path, ".part") {
					halves++
				}
			}
			r.start()
		} else {
			r.mu.Lock()
			r.next = -1 // nobody begins another
			r.mu.Unlock()
			wg.Wait()
		}
		r.tidy()
		for i := range people { // an old session lives on; a new log-in opens the same
			if i == kill%killPeople {
				people[i].login(killLogin(i), killPassword)
			}
			wg.Go(func() { r.whole(people[i], i) })
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		t.Logf("kill %d: %d saves acknowledged before it, all there", kill, len(r.acked)-started)
		started = len(r.acked)
	}
	t.Logf("%d files were half written at a kill", halves)
	if len(r.acked) < killSaves {
		t.Errorf("%d saves were acknowledged, want %d", len(r.acked), killSaves)
	}
}

const killPassword = "horse battery staple 9"

func killLogin(i int) string { return fmt.Sprintf("person-%d", i) }

// number is a number that depends on the seed alone.
func (r *killRun) number(what string, i int) int {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s %d", r.seed, what, i))
	return int(endian.BigEndian.Uint32(sum[:]))
}

// content is what save n holds: its number, and bytes that follow from seed and number.
func (r *killRun) content(n int) string {
	size := 1 + r.number("size", n)%3000
	if killKind(n) != "note" {
		size = 1 + r.number("size", n)%(200<<10) // up to four age chunks
	}
	block := fmt.Sprintf("%x|", sha256.Sum256(fmt.Appendf(nil, "%x content %d", r.seed, n)))
	return fmt.Sprintf("%d|", n) + strings.Repeat(block, size/len(block)+1)[:size]
}

// killKind is how save n is made.
func killKind(n int) string {
	switch n % 8 {
	case 3, 6:
		return "file"
	case 5:
		return "encrypted"
	}
	return "note"
}

// save saves until the server is gone.
func (r *killRun) save(c *client, who int) {
	for {
		r.mu.Lock()
		if r.next < 0 || len(r.acked) >= r.at {
			r.mu.Unlock()
			return
		}
		n := r.next
		r.next++
		r.mu.Unlock()
		title := fmt.Sprintf("save %d", n)
		var req *http.Request
		switch killKind(n) {
		case "note":
			req = c.multipart("/vault", field("title", title), field("text", r.content(n)))
		case "file":
			req = c.multipart("/vault", file(title, r.content(n)))
		case "encrypted":
			req = c.multipart("/encrypt", field("to", "me"), field("save", "1"), file(title, r.content(n)))
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		path := resp.Header.Get("Location")
		switch {
		case err != nil:
			return // the status may have come, the answer did not
		case killKind(n) == "encrypted" && resp.StatusCode == http.StatusOK:
			path = savedLink.FindString(string(body))
		case resp.StatusCode != http.StatusSeeOther:
			path = ""
		}
		if path == "" {
			r.t.Errorf("save %d: status %d: %s", n, resp.StatusCode, words(string(body)))
			return
		}
		r.mu.Lock()
		r.acked[fmt.Sprintf("%d%s", who, path)] = n
		if len(r.acked) == r.at {
			close(r.now)
		}
		r.mu.Unlock()
	}
}

var (
	savedLink = regexp.MustCompile(`/vault/[0-9a-f]{32}`)
	olderLink = regexp.MustCompile(`/vault\?before=[\w-]+`)
)

// whole reads a person's vault through: every acknowledged save is listed, and everything that is listed
// is the whole of the save that its own first bytes name.
func (r *killRun) whole(c *client, who int) {
	listed := map[string]bool{}
	for page := "/vault"; page != ""; {
		a := c.read(c.request(http.MethodGet, page, nil))
		if a.status != http.StatusOK {
			r.t.Errorf("%s: status %d", page, a.status)
			return
		}
		for _, path := range savedLink.FindAllString(a.body, -1) {
			listed[path] = true
		}
		page = olderLink.FindString(a.body)
	}
	for key := range r.acked {
		if path, ok := strings.CutPrefix(key, fmt.Sprint(who)); ok && !listed[path] {
			r.t.Errorf("save %d was acknowledged and is gone", r.acked[key])
		}
	}
	for path := range listed {
		a := c.read(c.request(http.MethodGet, path+"/file", nil))
		if a.status != http.StatusOK {
			r.t.Errorf("%s: status %d", path, a.status)
			continue
		}
		if strings.HasPrefix(a.body, "age-encryption.org/v1\n") {
			b := c.read(c.multipart("/decrypt", file("f.age", a.body)))
			result := shownResult.FindString(b.body)
			a = c.read(c.request(http.MethodGet, result+"/file", nil))
			c.must(c.post(result+"/delete"), http.StatusSeeOther)
		}
		var n int
		if _, err := fmt.Sscanf(a.body, "%d|", &n); err != nil || a.body != r.content(n) {
			r.t.Errorf("%s: %d bytes that are no save: %.40q", path, len(a.body), a.body)
			continue
		}
		if want, ok := r.acked[fmt.Sprint(who)+path]; ok && n != want {
			r.t.Errorf("%s is save %d instead of %d", path, n, want)
		}
	}
}

// tidy looks at the disk after a start: files and rows belong together, and both databases are sound.
func (r *killRun) tidy() {
	for _, name := range []string{"zencrypt.db", "sessions.db"} {
		if got := r.query(name, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
			r.t.Errorf("integrity of %s: %q", name, got)
		}
	}
	for dir, want := range map[string][]string{
		"blobs": r.query("zencrypt.db", "SELECT lower(hex(blob_id)) FROM items WHERE blob_id IS NOT NULL"),
		"spool": r.query("sessions.db", "SELECT lower(hex(blob_id)) FROM results"),
	} {
		var got []string
		for _, path := range r.stored() {
			if filepath.Base(filepath.Dir(path)) == dir {
				got = append(got, filepath.Base(path))
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			r.t.Errorf("%d files in %s and %d rows that name one", len(got), dir, len(want))
		}
	}
}

// query reads one column of a database of the running server.
func (s *server) query(name, query string) (column []string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, name)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		s.t.Fatalf("ask %s: %v", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			s.t.Fatalf("ask %s: %v", name, err)
		}
		column = append(column, v)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatalf("ask %s: %v", name, err)
	}
	return column
}
