package importer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"zencrypt/importer/testdata/older"
)

// childVariable makes this test program a reader of one source, as a process of its own whose memory can be told.
const childVariable = "ZENCRYPT_IMPORTER_CHILD"

func TestMain(m *testing.M) {
	if job := os.Getenv(childVariable); job != "" {
		os.Exit(child(job))
	}
	os.Exit(m.Run())
}

// childJob is what the child reads, and childResult what it found.
type childJob struct {
	Path, Key string
	Spec      older.Spec
}

type childResult struct {
	Accounts, Texts, Digests int
	Wrong                    []string // the first few texts that are not what was made
	Opened, Read             time.Duration
	Peak                     int64         // bytes
	CPU                      time.Duration // of the whole process
}

func child(arg string) int {
	var job childJob
	if err := json.Unmarshal([]byte(arg), &job); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	res, err := job.run()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(res)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j childJob) open() (*Source, error) {
	opts := Options{TempDir: filepath.Dir(j.Path), Reject: func(r Reject) { panic(fmt.Sprint(r)) }}
	if j.Key != "" {
		return OpenV5(context.Background(), j.Path, j.Key, opts)
	}
	return OpenV6(context.Background(), j.Path, opts)
}

// run reads everything and compares each text with what was made.
func (j childJob) run() (res childResult, err error) {
	start := time.Now()
	s, err := j.open()
	if err != nil {
		return res, err
	}
	defer s.Close()
	res.Opened = time.Since(start)
	ctx := context.Background()
	for a, err := range s.Accounts(ctx) {
		if err != nil {
			return res, err
		}
		if a.Login != j.Spec.Login(res.Accounts) {
			res.Wrong = append(res.Wrong, a.Ref)
		}
		n := res.Accounts
		res.Accounts++
		for x, err := range a.Texts {
			if err != nil {
				return res, err
			}
			res.Texts++
			made := int(x.Created.Sub(j.Spec.Time(0)) / time.Second) // a text's date is its number
			if (j.Spec.Owner(made) != n || !bytes.Equal(x.Plain, j.Spec.Plain(made))) && len(res.Wrong) < 10 {
				res.Wrong = append(res.Wrong, x.Ref)
			}
		}
		for _, err := range a.Digests {
			if err != nil {
				return res, err
			}
			res.Digests++
		}
	}
	res.Read, res.Peak = time.Since(start), peak()
	return res, nil
}

// peak is this process's memory at its highest, in bytes.
func peak() int64 {
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "\nVmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.ParseInt(kib, 10, 64)
	return n << 10
}

// start runs a job in a process of its own.
func (j childJob) start(t testing.TB) (res childResult) {
	t.Helper()
	arg, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(arg))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	res.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if res.Accounts != j.Spec.Accounts || res.Texts != j.Spec.Texts || res.Digests != j.Spec.Digests || res.Wrong != nil {
		t.Errorf("%+v of %+v", res, j.Spec)
	}
	return res
}

// made makes a source in a folder, of version 6 for no form.
func made(t testing.TB, spec older.Spec, form older.Form) childJob {
	t.Helper()
	dir := t.TempDir()
	if form == "" {
		job := childJob{Path: filepath.Join(dir, "zencrypt.db"), Spec: spec}
		if err := spec.V6(job.Path); err != nil {
			t.Fatal(err)
		}
		return job
	}
	if err := spec.V5(dir, form); err != nil {
		t.Fatal(err)
	}
	return childJob{Path: dir, Key: filepath.Join(dir, "zen.key"), Spec: spec}
}

// formName is a form's name for tests and benchmarks.
func formName(f older.Form) string {
	if f == "" {
		return "v6"
	}
	return "v5-" + string(f)
}

// TestMemory reads sources of 20 MB in every form, from a process of its own, and compares every text. What
// 1,000,000 texts take, the benchmark tells: this limit fails when a source is held in memory, or each of its texts for long.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the peak is read from /proc")
	}
	if testing.Short() {
		t.Skip("makes 20 MB in each of six forms")
	}
	const limit = 80 << 20 // bytes, of which 30 are the program and SQLite's cache 16; race builds need more
	spec := older.Spec{Seed: 7, Accounts: 5_000, Texts: 50_000, Digests: 5_000}
	if raceBuild {
		spec = older.Spec{Seed: 7, Accounts: 500, Texts: 5_000, Digests: 500}
	}
	for _, form := range append([]older.Form{""}, older.Forms...) {
		t.Run(formName(form), func(t *testing.T) {
			res := made(t, spec, form).start(t)
			t.Logf("peak %.1f MiB, opened in %v, read in %v", float64(res.Peak)/(1<<20), res.Opened, res.Read)
			if res.Peak > limit && !raceBuild {
				t.Errorf("peak of %d bytes, more than %d", res.Peak, limit)
			}
		})
	}
}

// BenchmarkRead tells records a second and the peak, from 10,000 to 1,000,000 texts and a tenth of accounts.
func BenchmarkRead(b *testing.B) {
	for _, form := range append([]older.Form{""}, older.Forms...) {
		for _, texts := range []int{10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", formName(form), texts), func(b *testing.B) {
				if texts > 100_000 && testing.Short() {
					b.Skip("makes 400 MB")
				}
				spec := older.Spec{Seed: 7, Accounts: texts / 10, Texts: texts, Digests: texts / 10}
				job := made(b, spec, form)
				records := float64(spec.Accounts + spec.Texts + spec.Digests)
				b.ResetTimer()
				var took, cpu time.Duration
				var most int64
				for range b.N {
					res := job.start(b)
					took += res.Read
					cpu += res.CPU
					most = max(most, res.Peak)
				}
				b.ReportMetric(records*float64(b.N)/took.Seconds(), "records/s")
				b.ReportMetric(cpu.Seconds()*1e6/records/float64(b.N), "cpu-us/record") // steadier where others are at work
				b.ReportMetric(float64(most)/(1<<20), "MiB-peak")
			})
		}
	}
}
