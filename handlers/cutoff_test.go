package handlers

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/limits"
	"zencrypt/models"
)

// cutoff is a server whose clients go away in the middle, and what it was before.
type cutoff struct {
	*server
	t      *testing.T
	before residue
}

// residue is all that a client can leave behind.
type residue struct {
	files                    []string // in spool and blobs
	open                     int      // descriptors below the data directory
	items, results, sessions int      // rows
	transfers                int
	own                      int // goroutines of ours
}

func newCutoff(t *testing.T) *cutoff { return &cutoff{server: newServer(t), t: t} }

func (c *cutoff) residue() (r residue) {
	c.t.Helper()
	for _, dir := range []string{"spool", "blobs"} {
		names, err := filepath.Glob(filepath.Join(c.dir, dir, "*"))
		if err != nil {
			c.t.Fatal(err)
		}
		r.files = append(r.files, names...)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		c.t.Skipf("left out, for want of /proc: what a cut connection leaves open (%v)", err)
	}
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(name, c.dir+"/") &&
			(strings.Contains(name, "/spool/") || strings.Contains(name, "/blobs/")) {
			r.open++
		}
	}
	r.items = c.count("zencrypt.db", "items")
	r.results = c.count("sessions.db", "results")
	r.sessions = c.count("sessions.db", "sessions")
	c.transfers.mu.Lock()
	r.transfers = len(c.transfers.all)
	c.transfers.mu.Unlock()
	r.own = len(ownGoroutines())
	return r
}

// begin takes what there is as what there has to be in the end, when nothing runs any more.
func (c *cutoff) begin(cl *client) {
	c.t.Helper()
	cl.CloseIdleConnections()
	connWait(c.t, "one goroutine that accepts", func() bool { return len(ownGoroutines()) == 1 })
	c.before = c.residue()
}

// count reads a table as another process would.
func (c *cutoff) count(file, table string) (n int) {
	c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, file)+"?mode=ro")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// ownGoroutines are the stacks that run or were started by our code, this test's own aside.
func ownGoroutines() (own []string) {
	buf := make([]byte, 8<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "zencrypt/") && !strings.Contains(g, "testing.tRunner") {
			own = append(own, g)
		}
	}
	return own
}

// settled waits until the server is as it was, and says how it differs when it stays different.
func (c *cutoff) settled(when string) {
	c.t.Helper()
	var now residue
	same := func() bool {
		now = c.residue()
		return slices.Equal(now.files, c.before.files) && now.open <= c.before.open && now.items == c.before.items &&
			now.results == c.before.results && now.sessions == c.before.sessions && now.transfers == c.before.transfers && now.own <= c.before.own
	}
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !same() {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: was %+v\nand is %+v\n%s", when, c.before, now, strings.Join(ownGoroutines(), "\n\n"))
		}
		<-tick.C
	}
}

// upload is a whole request, to be cut anywhere.
type cutUpload struct {
	name, path string
	fields     []string
	files      [][2]string
}

// wire is the request's bytes: head, and body with a length or in chunks.
func (u cutUpload) wire(t *testing.T, host, cookie string, chunked bool) (head string, body []byte) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(u.fields); i += 2 {
		_ = w.WriteField(u.fields[i], u.fields[i+1])
	}
	for _, f := range u.files {
		p, err := w.CreateFormFile("file", f[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(p, f[1])
	}
	_ = w.Close()
	body = b.Bytes()
	length := fmt.Sprintf("Content-Length: %d", len(body))
	if chunked {
		length, body = "Transfer-Encoding: chunked", connChunked(body, 30000)
	}
	return "POST " + u.path + " HTTP/1.1\r\nHost: " + host + "\r\nSec-Fetch-Site: same-origin\r\n" + cookie + "Content-Type: " +
		w.FormDataContentType() + "\r\n" + length + "\r\n\r\n", body
}

// cookie is a client's Cookie header.
func (c *cutoff) cookie(cl *client) string {
	u, err := url.Parse(c.url)
	if err != nil {
		c.t.Fatal(err)
	}
	var all []string
	for _, k := range cl.Jar.Cookies(u) {
		all = append(all, k.Name+"="+k.Value)
	}
	if len(all) == 0 {
		return ""
	}
	return "Cookie: " + strings.Join(all, "; ") + "\r\n"
}

// The ways in which a client goes away.
var endings = []struct {
	name string
	end  func(t *testing.T, c *net.TCPConn)
}{
	{"Reset", func(t *testing.T, c *net.TCPConn) { _ = c.SetLinger(0); _ = c.Close() }},
	{"Close", func(t *testing.T, c *net.TCPConn) { _ = c.Close() }},
	{"HalfClose", func(t *testing.T, c *net.TCPConn) {
		_ = c.CloseWrite()
		answer, _ := io.ReadAll(c)
		if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) {
			t.Errorf("a request that was cut is answered: %.200q", answer)
		}
		_ = c.Close()
	}},
}

func TestCutoff_Uploads(t *testing.T) {
	c := newCutoff(t)
	user, guest := c.client(t), c.client(t)
	user.register("cutoff")
	big := strings.Repeat("content of a file that is cut off. ", 6000) // 210 KB: several age chunks
	sealed := sealedFor(t, user, big)
	two := [][2]string{{"one.txt", big}, {"two.txt", big}}
	me, save := []string{"to", "me"}, []string{"to", "me", "save", "1"}
	uploads := []cutUpload{
		{"Encrypt", "/encrypt", me, two},
		{"EncryptSave", "/encrypt", save, two},
		{"EncryptFernet", "/encrypt", []string{"to", "me", "format", "fernet"}, two},
		{"Decrypt", "/decrypt", nil, [][2]string{{"one.age", sealed}, {"two.age", sealed}}},
		{"DecryptSave", "/decrypt", []string{"save", "1"}, [][2]string{{"one.age", sealed}, {"two.age", sealed}}},
		{"DecryptUnknown", "/decrypt", nil, two},
		{"Vault", "/vault", []string{"title", "a title"}, two},
		{"VaultNote", "/vault", []string{"title", "a title", "text", big}, nil},
		{"Hash", "/hash", []string{"algorithm", "sha256", "algorithm", "blake3", "algorithm", "md5"}, two},
		{"HashSave", "/hash", []string{"save", "1"}, two},
		{"GuestEncrypt", "/encrypt", []string{"to", "people", "recipients", testRecipient}, two},
		{"GuestDecrypt", "/decrypt", nil, [][2]string{{"one.age", sealed}, {"two.age", sealed}}},
	}
	c.begin(user)
	host := strings.TrimPrefix(c.url, "http://")
	for _, u := range uploads {
		t.Run(u.name, func(t *testing.T) {
			cookie := c.cookie(user)
			if strings.HasPrefix(u.name, "Guest") {
				cookie = c.cookie(guest)
			}
			n, cut := 0, strings.Count(c.log.String(), `"status":400`)
			for _, chunked := range []bool{false, true} {
				head, body := u.wire(t, host, cookie, chunked)
				for _, at := range cutPoints(body, chunked) {
					n++
					conn := connDial(t, host)
					_, _ = io.WriteString(conn, head)
					_, _ = conn.Write(body[:at])
					endings[n%len(endings)].end(t, conn)
					c.idle() // two at a time: more would be refused and not be cut
				}
			}
			c.t = t
			c.settled(u.name)
			if now := strings.Count(c.log.String(), `"status":400`); now < cut+n/3 {
				t.Errorf("only %d of %d requests were noticed as cut", now-cut, n)
			}
			if used := c.files.Used("account:" + c.accountID()); used != 0 {
				t.Errorf("%d bytes of the quota stay taken", used)
			}
		})
	}
	t.Run("After", func(t *testing.T) { // all places and all memory are free again
		whole := cutUpload{fields: save, files: two}
		for range 2 * uploadsPerClient {
			user.t = t
			user.upload("/encrypt", whole.fields, whole.files...).want(t, 200)
		}
		release, err := c.memory.Acquire(t.Context(), limits.User, wholeBytes)
		if err != nil {
			t.Fatalf("memory stays taken: %v", err)
		}
		release()
	})
}

// cutPoints are offsets in every part of a body. The last bytes of a multipart body say nothing that its
// last boundary did not say, and a chunk's frame after them neither.
func cutPoints(body []byte, chunked bool) (at []int) {
	end := bytes.LastIndex(body, []byte("--\r\n"))
	at = []int{0, 1, 60, 200, 8<<10 - 1, 8 << 10, 8<<10 + 1, 64 << 10, end / 4, end / 3, end - 1, end - 30, end - 70}
	for i := 0; ; { // in and right behind each boundary
		j := bytes.Index(body[i:], []byte("Content-Disposition"))
		if j < 0 {
			break
		}
		i += j + 1
		at = append(at, i-10, i+20, i+90)
	}
	if chunked {
		at = append(at, 30003, 30005, 60010)
	}
	slices.Sort(at)
	return slices.DeleteFunc(slices.Compact(at), func(n int) bool { return n < 0 || n >= end })
}

// testRecipient is the public key of nobody here.
const testRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// sealedFor is a file that the client's own key opens; the result is deleted again.
func sealedFor(t *testing.T, cl *client, content string) string {
	t.Helper()
	path := resultOn(t, cl.upload("/encrypt", []string{"to", "me"}, [2]string{"f", content}).want(t, 200))
	sealed := cl.get(path+"/file").want(t, 200).body
	cl.post(path+"/delete").want(t, 303)
	return sealed
}

func resultOn(t *testing.T, a answer) string {
	t.Helper()
	i := strings.Index(a.body, "/results/")
	if i < 0 {
		t.Fatalf("no result on the page:\n%s", a.body)
	}
	return a.body[i : i+len("/results/")+32]
}

// accountID is the id of the only account.
func (c *cutoff) accountID() string {
	c.t.Helper()
	list, err := c.db.Accounts.List(c.t.Context(), models.ID{}, 2)
	if err != nil || len(list) != 1 {
		c.t.Fatalf("%d accounts, %v", len(list), err)
	}
	return list[0].ID.String()
}

func TestCutoff_Downloads(t *testing.T) {
	c := newCutoff(t)
	user := c.client(t)
	user.register("cutoff")
	big := strings.Repeat("what is downloaded and cut off. ", 1<<18) // 8 MiB: more than the sockets' buffers hold
	encrypted := resultOn(t, user.upload("/encrypt", []string{"to", "me"}, [2]string{"f", big}).want(t, 200))
	sealed := user.get(encrypted+"/file").want(t, 200).body
	decrypted := resultOn(t, user.upload("/decrypt", nil, [2]string{"f.age", sealed}).want(t, 200))
	kept := user.upload("/vault", nil, [2]string{"f", big}).want(t, 303).Header.Get("Location")
	token := user.get(resultOn(t, user.upload("/encrypt", []string{"to", "me", "format", "fernet"}, [2]string{"f", big}).want(t, 200))+"/file").want(t, 200).body
	fernet := resultOn(t, user.upload("/decrypt", nil, [2]string{"f.fernet", token}).want(t, 200))
	empty := user.upload("/vault", nil, [2]string{"empty", ""}).want(t, 303).Header.Get("Location")
	c.begin(user)
	host, cookie := strings.TrimPrefix(c.url, "http://"), c.cookie(user)
	for name, path := range map[string]string{"Encrypted": encrypted, "Decrypted": decrypted, "Vault": kept, "Fernet": fernet, "Empty": empty} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			for i, n := range []int64{-1, 0, 1, 4 << 10, 64 << 10, 100000, 1 << 20, 4 << 20, 7 << 20} {
				if name == "Fernet" && i%3 != 0 {
					continue // each stands in memory as a whole first, which takes its time
				}
				for _, e := range endings {
					conn := connDial(t, host)
					_ = conn.SetReadBuffer(64 << 10)
					fmt.Fprintf(conn, "GET %s/file HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, host, cookie)
					if n >= 0 {
						res, err := http.ReadResponse(bufio.NewReader(conn), nil)
						if err != nil || res.StatusCode != 200 {
							t.Fatalf("try %d: %v", i, err)
						}
						_, _ = io.CopyN(io.Discard, res.Body, n)
					}
					if e.name == "HalfClose" { // it takes all that comes, and must get all
						_ = conn.CloseWrite()
						_, _ = io.Copy(io.Discard, conn)
						_ = conn.Close()
						continue
					}
					e.end(t, conn)
				}
			}
			c.settled(name)
			user.t = t
			if a := user.get(path+"/file").want(t, 200); name != "Empty" && len(a.body) < len(big) {
				t.Errorf("the next download has %d bytes", len(a.body))
			}
			user.CloseIdleConnections()
		})
	}
	release, err := c.memory.Acquire(t.Context(), limits.User, wholeBytes)
	if err != nil {
		t.Fatalf("memory stays taken: %v", err)
	}
	release()
}

// TestCutoff_Goroutines compares before the server with after it: what it started ends with it.
func TestCutoff_Goroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("Server", func(t *testing.T) {
		c := newCutoff(t)
		user := c.client(t)
		user.register("cutoff")
		host, cookie := strings.TrimPrefix(c.url, "http://"), c.cookie(user)
		u := cutUpload{path: "/hash", fields: []string{"algorithm", "sha256", "algorithm", "sha512"}, files: [][2]string{{"f", strings.Repeat("x", 300000)}}}
		for _, path := range []string{"/hash", "/encrypt", "/vault"} {
			u.path = path
			for i := range 50 {
				head, body := u.wire(t, host, cookie, i%2 == 0)
				conn := connDial(t, host)
				_, _ = io.WriteString(conn, head)
				_, _ = conn.Write(body[:len(body)*i/50])
				endings[i%len(endings)].end(t, conn)
			}
		}
	})
	connWait(t, "all goroutines of the server to end", func() bool { return runtime.NumGoroutine() <= before })
}

// idle waits a moment for uploads to be noticed as ended.
func (c *cutoff) idle() {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c.transfers.mu.Lock()
		n := len(c.transfers.all)
		c.transfers.mu.Unlock()
		if n == 0 {
			return
		}
	}
}
