//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchRounds is how often each side does each job, in turns, so that what else the machine does falls on
// both. Odd, for the median.
const benchRounds = 5

// BenchmarkFiles times the jobs of a big file beside the commands that people would use instead, on the
// same file, in turns, and logs medians and ratios. All jobs of ours go through the socket and the
// program's spool on disk; the commands read and write files.
//
// It looks at the whole way, so it is run once (-benchtime 1x) and counts its own rounds.
func BenchmarkFiles(b *testing.B) {
	size := int64(1 << 30)
	if os.Getenv("ZENCRYPT_E2E_BULK") != "" {
		size = bulkSize(b)
	}
	s := newServer(b)
	needDisk(b, s.data, 6*size)
	c := s.client()
	c.register("bench", "horse battery staple 9")
	s.restart() // without argon2id's memory

	dir := b.TempDir()
	plain, sealed := filepath.Join(dir, "plain"), filepath.Join(dir, "plain.age")
	writeNoise(b, plain, size)
	age := optional(b, "age", "age-keygen")
	key := filepath.Join(dir, "key.txt")
	var recipient string
	if age {
		command(b, "age-keygen", "-o", key)
		recipient = strings.TrimSpace(command(b, "age-keygen", "-y", key))
	}
	sum := optional(b, "sha256sum")
	var encrypted, decrypted string
	jobs := []job{
		{"encrypt: upload and store", "age -r -o file; sync",
			func() {
				encrypted = c.stream("/encrypt", fileOf(b, plain), "to", "me", "mode", "files")
			},
			optionally(age, func() {
				command(b, "age", "-r", recipient, "-o", sealed, plain)
				syncFile(b, sealed)
			}), nil},
		{"encrypt: download", "", func() { discard(b, c, encrypted) }, nil, func() {
			// What comes next is opened with the account's own key.
			save(b, c, encrypted, filepath.Join(dir, "ours.age"))
			c.remove(encrypted)
		}},
		{"decrypt: upload, check and store", "age -d > /dev/null",
			func() {
				decrypted = c.stream("/decrypt", fileOf(b, filepath.Join(dir, "ours.age")), "mode", "files")
			},
			optionally(age, func() { command(b, "age", "-d", "-i", key, "-o", os.DevNull, sealed) }), nil},
		{"decrypt: download", "age -d > /dev/null",
			func() { discard(b, c, decrypted) },
			optionally(age, func() { command(b, "age", "-d", "-i", key, "-o", os.DevNull, sealed) }),
			func() { c.remove(decrypted); os.Remove(sealed) }},
		{"hash: SHA-256", "sha256sum",
			func() {
				c.must(c.upload("/hash", field("algorithm", "sha256"), field("mode", "files"), fileOf(b, plain)), http.StatusOK)
			},
			optionally(sum, func() { command(b, "sha256sum", plain) }), nil},
	}
	table := sideBySide(b, size, jobs)
	_, peak := s.memory()
	b.Logf("%s  the server's peak memory (VmHWM): %.1f MiB", table, float64(peak)/(1<<20))
}

// A job is done by us and by another program on the same bytes.
type job struct {
	name, beside string
	ours, theirs func() // theirs is nil when the other program is not there
	after        func() // not timed
}

// sideBySide times the jobs in turns and returns a table of medians and ratios.
func sideBySide(b *testing.B, size int64, jobs []job) string {
	ours, theirs := make([][]float64, len(jobs)), make([][]float64, len(jobs))
	for round := range benchRounds {
		for i, job := range jobs {
			sides := []func(){
				func() { ours[i] = append(ours[i], speed(size, job.ours)) },
				func() {
					if job.theirs != nil {
						theirs[i] = append(theirs[i], speed(size, job.theirs))
					}
				},
			}
			if round%2 == 1 {
				slices.Reverse(sides)
			}
			for _, side := range sides {
				side()
			}
			if job.after != nil {
				job.after()
			}
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "a file of %d MiB, medians of %d rounds in turns, MB/s\n", size>>20, benchRounds)
	fmt.Fprintf(&table, "  %-34s %8s   %-28s %8s   %s\n", "", "zencrypt", "beside", "", "ratio")
	for i, job := range jobs {
		mine := median(ours[i])
		beside, other, ratio := job.beside, "", ""
		switch {
		case len(theirs[i]) > 0:
			other, ratio = fmt.Sprintf("%.0f", median(theirs[i])), fmt.Sprintf("%.2f", mine/median(theirs[i]))
		case beside != "":
			other = "left out"
		}
		fmt.Fprintf(&table, "  %-34s %8.0f   %-28s %8s   %s\n", job.name, mine, beside, other, ratio)
		name := strings.Join(strings.FieldsFunc(job.name, func(r rune) bool { return !(r >= 'a' && r <= 'z') }), "-")
		b.ReportMetric(mine, name+"-MB/s")
	}
	b.ReportMetric(0, "ns/op") // says nothing here
	return table.String()
}

// optional tells whether all the programs are there, and says when one is not.
func optional(b *testing.B, names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			b.Logf("left out, for want of %s: the figures beside it", name)
			return false
		}
	}
	return true
}

// optionally is a job that is done when its program is there.
func optionally(there bool, f func()) func() {
	if there {
		return f
	}
	return nil
}

// command runs a command and returns its standard output.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	var problems strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, problems.String())
	}
	return string(out)
}

func writeNoise(t testing.TB, path string, n int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, noise(n))
	if err == nil {
		err = f.Sync() // so that the first job does not wait for it
	}
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}

// syncFile waits until a file is on the disk, as the program does before it answers.
func syncFile(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

// fileOf is a form's part with a file of the disk, which is closed at the test's end.
func fileOf(t testing.TB, path string) part {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return part{field: "file", name: filepath.Base(path), content: f, size: info.Size()}
}

// discard downloads a result and throws it away.
func discard(t testing.TB, c *client, result string) {
	t.Helper()
	resp := c.open(result)
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != resp.ContentLength {
		t.Fatalf("download %s: %d of %d bytes: %v", result, n, resp.ContentLength, err)
	}
}

// save downloads a result into a file.
func save(t testing.TB, c *client, result, path string) {
	t.Helper()
	resp := c.open(result)
	defer resp.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, resp.Body)
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
}

// speed is a job's MB/s over size bytes.
func speed(size int64, job func()) float64 {
	start := time.Now()
	job()
	return mbs(size, time.Since(start))
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}
