package models

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
)

func TestQueue(t *testing.T) {
	q := newQueue(time.Millisecond)
	leave, err := q.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.enter(t.Context()); !errors.Is(err, errQueue) || !Busy(storeError(err)) {
		t.Fatalf("a turn that somebody has was given: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.enter(gone); !errors.Is(err, context.Canceled) {
		t.Fatalf("a turn for nobody: %v", err)
	}
	leave()
	if leave, err = q.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	leave()
	waiting, w := q.stats()
	if waiting != 0 || w.Total != 3 || w.Refused != 1 || w.Counts[0] < 2 || w.Seconds <= 0 {
		t.Fatalf("%d wait, %+v", waiting, w)
	}
}

// TestQueue_Waiting: those that wait are counted, and each has its turn.
func TestQueue_Waiting(t *testing.T) {
	q := newQueue(time.Hour)
	leave, err := q.enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 3)
	for range cap(served) {
		go func() {
			leave, err := q.enter(context.Background())
			if err == nil {
				leave()
			}
			served <- err
		}()
	}
	for waiting := 0; waiting != cap(served); waiting, _ = q.stats() {
		runtime.Gosched()
	}
	leave()
	for range cap(served) {
		if err := <-served; err != nil {
			t.Fatal(err)
		}
	}
	if waiting, w := q.stats(); waiting != 0 || w.Total != 4 || w.Refused != 0 {
		t.Fatalf("%d wait, %+v", waiting, w)
	}
}

func TestWaits(t *testing.T) {
	var w Waits
	for _, d := range []time.Duration{0, time.Millisecond, 2 * time.Millisecond, time.Second, writeWait, writeWait + 1, time.Hour} {
		w.add(d, d > writeWait)
	}
	want := Waits{Counts: [8]uint64{2, 1, 0, 0, 0, 1, 1, 2}, Total: 7, Refused: 2, Seconds: w.Seconds}
	if w != want || len(w.Bounds()) != len(w.Counts)-1 {
		t.Fatalf("%+v", w)
	}
	if both := w.plus(w); both.Total != 14 || both.Counts[7] != 4 || both.Refused != 4 {
		t.Fatalf("%+v", both)
	}
}

func TestDB_Stats(t *testing.T) {
	db, _ := newTestDB(t)
	before := db.Stats()
	u := register(t, db, "ada")
	save(t, db, u, "title", "body")
	after := db.Stats()
	if after.Writes < before.Writes+2 || after.WriteWait.Total < after.Writes || after.Size <= 0 || after.WALSize <= 0 || after.ReadOnly || after.Why != "" {
		t.Fatalf("before %+v, after %+v", before, after)
	}
}
