//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"zencrypt/config"
)

// maxBulkMemory is the bound on the server's peak memory while a file of any size goes through.
const maxBulkMemory = 64 << 20

// bulkSize is how large a bulk file is, in bytes: ZENCRYPT_E2E_BULK (such as 1GiB), else 4 GiB.
func bulkSize(t testing.TB) int64 {
	t.Helper()
	text := os.Getenv("ZENCRYPT_E2E_BULK")
	if text == "" {
		return 4 << 30
	}
	var size config.Size
	if err := size.UnmarshalText([]byte(text)); err != nil || size <= 0 {
		t.Fatalf("read ZENCRYPT_E2E_BULK=%q: want a size such as 1GiB (%v)", text, err)
	}
	return int64(size)
}

// needDisk ends the test with [missing] when dir's file system has less than n bytes and the floor that
// the server keeps free.
func needDisk(t testing.TB, dir string, n int64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	n += int64(config.Default().MinFreeDisk) + n/512
	if free := int64(fs.Bavail) * fs.Bsize; free < n {
		missing(t, fmt.Sprintf("disk in %s: %d MiB free of %d MiB needed", dir, free>>20, n>>20), "gigabytes up and back (ZENCRYPT_E2E_BULK makes them fewer, TMPDIR puts them elsewhere)")
	}
}

// noise is n bytes that don't repeat, the same ones at every call.
func noise(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte([]byte("zencrypt: the bytes of bulk file"))), n)
}

// stream sends a file to a verb and returns the result's path, such as /results/<id>. Fields come
// first, as name, value, name, value...
func (c *client) stream(path string, f part, fields ...string) (result string) {
	c.t.Helper()
	var parts []part
	for i := 0; i+1 < len(fields); i += 2 {
		parts = append(parts, field(fields[i], fields[i+1]))
	}
	a := c.must(c.upload(path, append(parts, f)...), http.StatusOK)
	return c.result(a)
}

var fileResult = regexp.MustCompile(`/results/[0-9a-f]{32}`)

// result is the path of an answer's first file result.
func (c *client) result(a answer) string {
	c.t.Helper()
	found := fileResult.FindString(a.body)
	if found == "" {
		c.t.Fatalf("the answer has no result:\n%s", words(a.body))
	}
	return found
}

// open begins the download of a result, whose body the caller reads and closes. Its length is the
// answer's ContentLength.
func (c *client) open(result string) *http.Response {
	c.t.Helper()
	resp := c.send(c.request(http.MethodGet, result+"/file", nil))
	if resp.StatusCode != http.StatusOK || resp.ContentLength < 0 {
		resp.Body.Close()
		c.t.Fatalf("GET %s/file: status %d, length %d", result, resp.StatusCode, resp.ContentLength)
	}
	return resp
}

// remove deletes a result, so that its space is free again.
func (c *client) remove(result string) {
	c.t.Helper()
	c.must(c.post(result+"/delete"), http.StatusSeeOther)
}

// A file of any size goes up and comes back whole, and the server never holds much of it.
func TestBulkFile(t *testing.T) {
	size := bulkSize(t)
	s := newServer(t)
	needDisk(t, s.data, 2*size) // the ciphertext, and once more while it is decrypted
	c := s.client()
	c.register("bulk", "horse battery staple 9")
	s.restart() // argon2id alone took 132 MiB; the session lives on
	_, before := s.memory()
	peak := func(after string) {
		t.Helper()
		if _, high := s.memory(); high >= maxBulkMemory {
			t.Errorf("%s the server's memory was at most %d MiB, want less than %d (%d when it had started)", after, high>>20, maxBulkMemory>>20, before>>20)
		}
	}

	sent := sha256.New()
	start := time.Now()
	sealed := c.stream("/encrypt", part{field: "file", name: "bulk.bin", content: io.TeeReader(noise(size), sent), size: size}, "to", "me", "mode", "files")
	up := time.Since(start)
	peak("after POST /encrypt")

	start = time.Now()
	resp := c.open(sealed)
	if resp.ContentLength <= size {
		t.Fatalf("the encrypted file has %d bytes for %d", resp.ContentLength, size)
	}
	plain := c.stream("/decrypt", part{field: "file", name: "bulk.bin.age", content: resp.Body, size: resp.ContentLength})
	resp.Body.Close()
	through := time.Since(start)
	peak("after GET the encrypted file into POST /decrypt")
	c.remove(sealed)

	start = time.Now()
	resp = c.open(plain)
	got := sha256.New()
	n, err := io.Copy(got, resp.Body)
	resp.Body.Close()
	if err != nil || n != size || resp.ContentLength != size {
		t.Fatalf("read %d of %d bytes back: %v", n, size, err)
	}
	down := time.Since(start)
	if !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		t.Error("what came back is not what was sent")
	}
	peak("after GET the decrypted file")
	c.remove(plain)
	if left := spooled(t, s); len(left) > 0 {
		t.Errorf("left in the spool after the results were deleted: %q", left)
	}
	_, high := s.memory()
	t.Logf("%d MiB: up %s, down and up again %s, down %s MB/s with this test's own work; peak memory %.1f MiB (%.1f at start)",
		size>>20, rate(size, up), rate(size, through), rate(size, down), float64(high)/(1<<20), float64(before)/(1<<20))
}

// rate is MB/s as text.
func rate(n int64, d time.Duration) string { return fmt.Sprintf("%.0f", mbs(n, d)) }

func mbs(n int64, d time.Duration) float64 { return float64(n) / 1e6 / d.Seconds() }

// spooled names what lies in the server's spool.
func spooled(t testing.TB, s *server) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.data, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A client that goes away in the middle leaves no file, no row and no goroutine behind.
func TestBulkCut(t *testing.T) {
	const size, cut = 64 << 20, 40 << 20
	s := newServer(t)
	c := s.client()
	c.register("bulk", "horse battery staple 9")
	whole := part{field: "file", name: "whole.bin", content: noise(size), size: size}
	sealed := c.stream("/encrypt", whole, "to", "me")
	resp := c.open(sealed)
	var ciphertext bytes.Buffer
	if _, err := ciphertext.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.http.Transport.(*http.Transport).CloseIdleConnections()
	usage := func() string {
		page := c.get("/encrypt")
		return regexp.MustCompile(`[\d.]+ [KMG]i?B[^<]* of [^<]*`).FindString(page.body)
	}
	before, used := spooled(t, s), usage()

	for range 3 {
		for path, from := range map[string]io.Reader{"/encrypt": noise(cut), "/decrypt": bytes.NewReader(ciphertext.Bytes()[:cut])} {
			f := part{field: "file", name: "cut.bin", size: size, content: io.MultiReader(from, ender(func() error {
				// Not before the server has come far enough to have a file.
				eventually(t, actionTimeout, "the upload is in the spool", func() bool { return len(spooled(t, s)) > len(before) })
				return errCut
			}))}
			// The client closes the connection when its own body fails.
			if resp, err := c.http.Do(c.multipart(path, field("to", "me"), f)); !errors.Is(err, errCut) {
				t.Errorf("POST %s cut in the middle: %v, %v", path, resp, err)
			}
		}
		resp := c.open(sealed)
		if _, err := io.CopyN(io.Discard, resp.Body, cut); err != nil {
			t.Error(err)
		}
		resp.Body.Close() // with more to come: the connection ends
	}
	eventually(t, time.Minute, "the spool is as before", func() bool {
		return strings.Join(spooled(t, s), " ") == strings.Join(before, " ")
	})
	if now := usage(); now != used {
		t.Errorf("the page says %q of the quota, and said %q before", now, used)
	}
	c.http.Transport.(*http.Transport).CloseIdleConnections()
	var files []string
	eventually(t, time.Minute, "the server has closed what it had open", func() bool {
		files = s.openFiles()
		n := strings.Count(strings.Join(files, "\n"), "socket:")
		return n <= 2 && !strings.Contains(strings.Join(files, "\n"), "/spool/")
	})
	if n, stacks := s.quit(); strings.Contains(stacks, "zencrypt/handlers.(") && strings.Contains(stacks, "bodyReader") || n > 40 {
		t.Errorf("%d goroutines were there:\n%s", n, tail(stacks, 6000))
	}
}

var errCut = errors.New("cut by the test")

// ender is the end of a body: what it returns is why.
type ender func() error

func (f ender) Read([]byte) (int, error) { return 0, f() }
