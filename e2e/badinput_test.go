//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
)

// files are the names in the server's spool and vault.
func (s *server) files() (names []string) {
	s.t.Helper()
	for _, dir := range []string{"spool", "blobs"} {
		entries, err := os.ReadDir(filepath.Join(s.data, dir))
		if err != nil {
			s.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, dir+"/"+e.Name())
		}
	}
	return names
}

// TestBadInput_Truncated sends age files that end too early to the real program.
func TestBadInput_Truncated(t *testing.T) {
	s := newServer(t)
	c := s.client()
	c.register("truncated", crowdPassword)
	r, err := age.NewScryptRecipient("right")
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(10)
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err != nil {
		t.Fatal(err)
	}
	io.CopyN(w, noise(300<<10), 300<<10) // five chunks
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole := b.String()
	header := strings.Index(whole, "\n--- ") + 49
	const chunk = 64<<10 + 16
	for _, n := range []int{0, 1, 21, 22, header - 1, header, header + 15, header + 16, header + 16 + chunk - 1, header + 16 + chunk, header + 16 + 2*chunk, len(whole) - 1} {
		a := c.upload("/decrypt", field("passphrase", "right"), field("save", "1"), file("cut.age", whole[:n]))
		if a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, "/results/") {
			t.Errorf("%d of %d bytes: %d: %s", n, len(whole), a.status, words(a.body))
		}
	}
	if left := s.files(); len(left) > 0 {
		t.Errorf("files stay: %q", left)
	}
	c.must(c.upload("/decrypt", field("passphrase", "right"), file("whole.age", whole)), http.StatusOK)
}

// TestBadInput_TooLarge: a browser sends everything before it reads. It gets to read the answer each time,
// never a reset, whether the length was told beforehand or not.
func TestBadInput_TooLarge(t *testing.T) {
	s := newServer(t, "--max-upload", "1MiB")
	c := s.client()
	c.register("large", crowdPassword)
	c.must(c.get("/account"), http.StatusOK)
	cookie := ""
	for _, k := range c.http.Jar.Cookies(must(http.NewRequest("GET", s.url, nil)).URL) {
		cookie += k.Name + "=" + k.Value + "; "
	}
	const size = 24 << 20
	piece := bytes.Repeat([]byte("x"), 64<<10)
	before := "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nme\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n"
	for _, kind := range []string{"Length", "Chunked"} {
		t.Run(kind, func(t *testing.T) {
			var slowest time.Duration
			for i := range 20 {
				path := []string{"/encrypt", "/decrypt", "/vault", "/hash"}[i%4]
				conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				conn.SetDeadline(time.Now().Add(time.Minute))
				begin := time.Now()
				fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\nCookie: %s\r\nContent-Type: multipart/form-data; boundary=b\r\n", path, strings.TrimPrefix(s.url, "http://"), cookie)
				if kind == "Length" {
					fmt.Fprintf(conn, "Content-Length: %d\r\n\r\n%s", size, before)
				} else {
					fmt.Fprintf(conn, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(before), before)
				}
				for sent := len(before); sent < size; {
					n := min(len(piece), size-sent)
					if kind == "Chunked" {
						fmt.Fprintf(conn, "%x\r\n", n)
					}
					if _, err := conn.Write(piece[:n]); err != nil {
						t.Fatalf("%d, %s: the upload broke after %d bytes: %v", i, path, sent, err)
					}
					if kind == "Chunked" {
						io.WriteString(conn, "\r\n")
					}
					sent += n
				}
				res, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatalf("%d, %s: no answer: %v", i, path, err)
				}
				body, err := io.ReadAll(res.Body)
				if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "too large") {
					t.Errorf("%d, %s: %d, %v: %s", i, path, res.StatusCode, err, words(string(body)))
				}
				slowest = max(slowest, time.Since(begin))
				conn.Close()
			}
			t.Logf("20 of 20 answers read, the slowest after %v", slowest.Round(time.Millisecond))
		})
	}
	if left := s.files(); len(left) > 0 {
		t.Errorf("files stay: %q", left)
	}
	c.must(c.get("/account"), http.StatusOK)
	c.must(c.upload("/encrypt", field("to", "me"), file("small", "small")), http.StatusOK)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// fullDisk does to a server whose disk has no more room what people do, and then expects all that was
// there, and only that.
func fullDisk(t *testing.T, s *server, big int64) {
	t.Helper()
	c := s.client()
	c.register("full", crowdPassword)
	kept := c.must(c.post("/vault", "title", "kept", "text", "kept before the disk was full"), http.StatusSeeOther).location()
	keptFile := c.must(c.upload("/vault", file("kept.bin", strings.Repeat("kept ", 20_000))), http.StatusSeeOther).location()
	before := s.files()
	check := func(what string, a answer) {
		t.Helper()
		if a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full") || !strings.Contains(a.body, "Nothing was stored") {
			t.Errorf("%s: %d: %s", what, a.status, words(a.body))
		}
		if after := s.files(); !slices.Equal(after, before) {
			t.Errorf("%s: there were %q, there are %q", what, before, after)
		}
	}
	large := func() part { return part{field: "file", name: "big.bin", content: noise(big), size: big} }
	chunked := func() part { return part{field: "file", name: "big.bin", content: noise(big), size: -1} }
	check("encrypt", c.upload("/encrypt", field("to", "me"), large()))
	check("encrypt, no length", c.upload("/encrypt", field("to", "me"), chunked()))
	check("encrypt and keep", c.upload("/encrypt", field("to", "me"), field("save", "1"), large()))
	check("vault", c.upload("/vault", large()))
	check("decrypt", c.upload("/decrypt", large()))
	check("guest", s.client().upload("/encrypt", field("passphrase", "p"), chunked()))

	// The hash of a file needs no disk, and what was there can be read.
	c.must(c.upload("/hash", large()), http.StatusOK)
	if a := c.must(c.get(kept), http.StatusOK); !strings.Contains(a.body, "kept before the disk was full") {
		t.Errorf("the note is: %s", words(a.body))
	}
	if a := c.must(c.get(keptFile+"/file"), http.StatusOK); a.body != strings.Repeat("kept ", 20_000) {
		t.Errorf("the file has %d bytes", len(a.body))
	}
	c.must(c.get("/vault"), http.StatusOK)
	s.restart()
	if a := c.must(c.get(kept), http.StatusOK); !strings.Contains(a.body, "kept before the disk was full") {
		t.Errorf("after a restart the note is: %s", words(a.body))
	}
	if after := s.files(); !slices.Equal(after, before) {
		t.Errorf("after a restart: there were %q, there are %q", before, after)
	}
}

// TestBadInput_FileSizeLimit runs the server under RLIMIT_FSIZE: writes fail with EFBIG in the middle.
func TestBadInput_FileSizeLimit(t *testing.T) {
	prlimit := program(t, "prlimit", "files that can't grow")
	dir := t.TempDir()
	s := &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"),
		args: []string{"--min-free-disk", "0"}, under: []string{prlimit, fmt.Sprintf("--fsize=%d", 8<<20)}}
	t.Cleanup(s.kill)
	s.start()
	fullDisk(t, s, 16<<20)
}

// insideEnv marks the copy of this test that runs in a mount namespace of its own.
const insideEnv = "ZENCRYPT_E2E_INSIDE"

// TestBadInput_FullDisk runs the server on a file system of 24 MiB.
func TestBadInput_FullDisk(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		unshare := program(t, "unshare", "a disk that is full")
		if out, err := exec.Command(unshare, "-rm", "true").CombinedOutput(); err != nil {
			t.Skipf("left out, since this machine lets nobody mount (%v, %s): a disk that is full", err, bytes.TrimSpace(out))
		}
		cmd := exec.Command(unshare, "-rm", os.Args[0], "-test.run", "^TestBadInput_FullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), insideEnv+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, tail(string(out), 10_000))
		}
		if bytes.Contains(out, []byte("--- SKIP")) || !bytes.Contains(out, []byte("--- PASS")) {
			t.Skipf("left out: a disk that is full\n%s", out)
		}
		return
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("left out, since nothing can be mounted here (%v): a disk that is full", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"), args: []string{"--min-free-disk", "0"}}
	s.start()
	defer s.kill()
	fullDisk(t, s, 48<<20)

	// Now not one byte is left, for the databases neither.
	c := s.client()
	c.login("full", crowdPassword)
	c.must(c.get("/register/confirm"), http.StatusSeeOther)
	before := s.files()
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	notes := 0
	for range 200 { // what the write-ahead log has already taken from the disk may hold some
		a := c.post("/vault", "title", "too much", "text", strings.Repeat("too much ", 10_000))
		if a.status != http.StatusSeeOther {
			if a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full") {
				t.Errorf("a note: %d: %s", a.status, words(a.body))
			}
			break
		}
		notes++
	}
	if notes == 200 {
		t.Error("200 notes went onto a full disk")
	}
	for what, a := range map[string]answer{
		"register": s.client().post("/register", "login", "late", "password", crowdPassword, "password2", crowdPassword),
		"encrypt":  c.upload("/encrypt", field("to", "me"), file("a", "a")),
		"delete":   c.post("/account/recovery", "current", crowdPassword),
	} {
		if a.status >= 500 && (a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full")) {
			t.Errorf("%s: %d: %s", what, a.status, words(a.body))
		}
	}
	// What is there can be read, and so can what needs no disk.
	if a := c.must(c.get("/vault"), http.StatusOK); strings.Count(a.body, "too much") < min(notes, 50) {
		t.Errorf("%d notes were taken; the list says: %s", notes, words(a.body))
	}
	c.must(c.post("/hash", "text", "x"), http.StatusOK)
	c.must(c.post("/encrypt", "to", "me", "text", "x"), http.StatusOK)
	if after := s.files(); !slices.Equal(after, before) {
		t.Errorf("there were %q, there are %q", before, after)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.waitReady() // it finds out by itself
	c.must(c.post("/vault", "title", "room again", "text", "room again"), http.StatusSeeOther)
	s.restart()
	if a := c.must(c.get("/vault"), http.StatusOK); !strings.Contains(a.body, "room again") {
		t.Errorf("after a restart: %s", words(a.body))
	}
}

// fill writes a file until the disk takes no more byte.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for piece := make([]byte, 64<<10); len(piece) > 0; {
		if _, err := f.Write(piece); errors.Is(err, syscall.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
