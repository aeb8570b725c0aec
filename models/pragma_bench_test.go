//go:build unix

package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
)

// setup is one way to open the databases.
type setup struct {
	name           string
	writer, reader []string // pragmas instead of those of the same name, and more
	readers        int
}

// with exchanges pragmas by their names.
func withPragmas(all, others []string) []string {
	name := func(p string) string { n, _, _ := strings.Cut(p, "("); return n }
	return append(slices.DeleteFunc(slices.Clone(all), func(p string) bool {
		return slices.ContainsFunc(others, func(o string) bool { return name(o) == name(p) })
	}), others...)
}

func (u setup) open(b *testing.B, path string) (w, r *bun.DB) {
	b.Helper()
	pool := func(mode string, pragmas []string, n int, more url.Values) *bun.DB {
		q := url.Values{"mode": {mode}, "_pragma": pragmas}
		for k, v := range more {
			q[k] = v
		}
		db, err := sql.Open("sqlite", dsnOf(path, q))
		if err != nil {
			b.Fatal(err)
		}
		db.SetMaxOpenConns(n)
		db.SetMaxIdleConns(n)
		return bun.NewDB(db, sqlitedialect.New())
	}
	w = pool("rw", withPragmas(writerPragmas(), u.writer), 1, url.Values{"_txlock": {"immediate"}})
	return w, pool("ro", withPragmas(readerPragmas(), u.reader), u.readers, nil)
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPragmas compares ways to open a database, side by side on the same one of 20,000 items of 2 KiB: what a page
// of the vault's list and a write cost of the processor, how long a write takes alone, and how many writes come through
// beside each list when eight read and four write without a pause. It prints the medians of the ratios to the way that the server opens it, of rounds in which all had their turn.
//
//	go test -run '^$' -bench Pragmas -benchtime 1x ./models
func BenchmarkPragmas(b *testing.B) {
	const items, body, span, rounds = 20_000, 2048, 400 * time.Millisecond, 7
	path := filepath.Join(b.TempDir(), "data", mainFile)
	o := testOptions(b, filepath.Dir(path), newClock())
	db, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	_, err = db.main.w.ExecContext(b.Context(), "CREATE TABLE bench (id BLOB PRIMARY KEY, owner INT, created INT, title BLOB, body BLOB)")
	if err == nil {
		_, err = db.main.w.ExecContext(b.Context(), "CREATE INDEX bench_list ON bench (owner, created, id)")
	}
	if err == nil {
		_, err = db.main.w.ExecContext(b.Context(), fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "+
			"INSERT INTO bench SELECT randomblob(16), i %% 20, i, randomblob(100), randomblob(%d) FROM n", items, body))
	}
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	read := func(r *bun.DB, i int) error {
		rows, err := r.QueryContext(b.Context(), "SELECT id, title, length(body) FROM bench WHERE owner = ? AND created < ? ORDER BY created DESC, id DESC LIMIT 50", i%20, i*7919%items)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	}
	write := func(w *bun.DB, i int) error {
		return w.RunInTx(b.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO bench VALUES (randomblob(16), ?, ?, randomblob(100), randomblob(?))", i%20, items+i, body)
			return err
		})
	}
	// both runs readers and a writer for a while and returns how often each came through.
	both := func(w, r *bun.DB, readers, writers int) (reads, writes, seconds float64, cpu time.Duration) {
		var nr, nw atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		loop := func(n int, count *atomic.Int64, f func(i int) error) {
			for k := range n {
				wg.Go(func() {
					for i := k; ; i += n {
						select {
						case <-stop:
							return
						default:
						}
						if err := f(i); err != nil {
							b.Error(err)
							return
						}
						count.Add(1)
					}
				})
			}
		}
		loop(readers, &nr, func(i int) error { return read(r, i) })
		loop(writers, &nw, func(i int) error { return write(w, i) })
		begun, used := time.Now(), processorTime(b)
		time.Sleep(span)
		close(stop)
		wg.Wait()
		return float64(nr.Load()), float64(nw.Load()), time.Since(begun).Seconds(), processorTime(b) - used
	}
	setups := []setup{
		{name: "as served", readers: readers},
		{name: "synchronous NORMAL", writer: []string{"synchronous(NORMAL)"}, readers: readers},
		{name: "secure_delete off", writer: []string{"secure_delete(0)"}, readers: readers},
		{name: "1 reader", readers: 1}, {name: "2 readers", readers: 2}, {name: "8 readers", readers: 8},
		{name: "cache 16 MiB", writer: []string{"cache_size(-16384)"}, reader: []string{"cache_size(-16384)"}, readers: readers},
		{name: "mmap 256 MiB", writer: []string{"mmap_size(268435456)"}, reader: []string{"mmap_size(268435456)"}, readers: readers},
		{name: "as served again", readers: readers},
	}
	names := []string{"processor a list", "processor a write", "time a write", "writes a list, crowded"}
	ratios := make([][4][]float64, len(setups))
	for b.Loop() {
		for range rounds { // in turns, so that what else the machine does comes to all of them
			var first [4]float64
			for i, u := range setups {
				w, r := u.open(b, path)
				var got [4]float64
				reads, _, _, cpu := both(w, r, 8, 0)
				got[0] = cpu.Seconds() / reads
				_, writes, seconds, cpu := both(w, r, 0, 1)
				got[1], got[2] = cpu.Seconds()/writes, seconds/writes
				reads, writes, _, _ = both(w, r, 8, 4)
				got[3] = writes / reads
				if err := errors.Join(r.Close(), w.Close()); err != nil {
					b.Fatal(err)
				}
				if i == 0 {
					first = got
				}
				for k := range got {
					ratios[i][k] = append(ratios[i][k], got[k]/first[k])
				}
			}
		}
	}
	for i, u := range setups {
		line := fmt.Sprintf("%-20s", u.name)
		for k, name := range names {
			slices.Sort(ratios[i][k])
			line += fmt.Sprintf("  %s %.2f", name, ratios[i][k][len(ratios[i][k])/2])
		}
		b.Log(line)
	}
}
