package blobs

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
)

// room is a file system of a size that the test says.
func room(free int64) func(*Options) {
	return func(o *Options) { o.Free = func(string) (int64, error) { return free, nil } }
}

func wantSpace(t *testing.T, err, kind error, want, used, limit, free int64) {
	t.Helper()
	var e *SpaceError
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("error %v, want %v", err, kind)
	}
	if e.Want != want || e.Used != used || e.Limit != limit || e.Free != free {
		t.Errorf("%+v; want Want %d Used %d Limit %d Free %d", *e, want, used, limit, free)
	}
}

func reserve(t *testing.T, s *Store, owner string, limit, n int64) *Reservation {
	t.Helper()
	r, err := s.Reserve(owner, limit, n)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStore_Reserve(t *testing.T) {
	t.Run("ErrQuota", func(t *testing.T) {
		s := newStore(t, room(1<<40))
		s.SetUsed("a", 30)
		r := reserve(t, s, "a", 100, 60)
		_, err := s.Reserve("a", 100, 11)
		wantSpace(t, err, ErrQuota, 11, 90, 100, 0)
		reserve(t, s, "b", 100, 100)
		r.Keep(20)
		r.Release() // Keep was first
		if got := s.Used("a"); got != 50 {
			t.Errorf("used %d, want 50", got)
		}
		s.FreeOwner("a", 1000)
		if got := s.Used("a"); got != 0 {
			t.Errorf("used %d after all was freed", got)
		}
		_, err = s.Reserve("a", 0, 1)
		wantSpace(t, err, ErrQuota, 1, 0, 0, 0)
		_, err = s.Reserve("a", 100, math.MaxInt64)
		wantSpace(t, err, ErrQuota, math.MaxInt64, 0, 100, 0)
	})
	t.Run("ErrSpoolFull", func(t *testing.T) {
		dir := t.TempDir()
		spool := func(o *Options) { o.Dir, o.SpoolMax = dir, 1000 }
		s := newStore(t, room(1<<40), spool)
		s.SetUsed("a", 5000) // the vault's files are not in the spool
		put(t, s, Blobs, make([]byte, 5000))
		ref := put(t, s, Spool, make([]byte, 100))
		r := reserve(t, s, "b", 9999, 400)
		_, err := s.Reserve("c", 9999, 601-ref.Disk)
		wantSpace(t, err, ErrSpoolFull, 601-ref.Disk, 400+ref.Disk, 1000, 0)
		r.Release()
		r.Release()
		c := reserve(t, s, "c", 9999, 1000-ref.Disk)
		if _, err := s.Reserve("b", 9999, 1); !errors.Is(err, ErrSpoolFull) {
			t.Errorf("error %v, want ErrSpoolFull", err)
		}
		c.Release()
		again := newStore(t, room(1<<40), spool) // after a restart
		_, err = again.Reserve("c", 9999, 1001-ref.Disk)
		wantSpace(t, err, ErrSpoolFull, 1001-ref.Disk, ref.Disk, 1000, 0)
		for range 2 {
			if err := again.Remove(Spool, ref.ID); err != nil {
				t.Fatal(err)
			}
		}
		reserve(t, again, "c", 9999, 1000)
	})
	t.Run("SpoolCount", func(t *testing.T) { // every way in and out
		s := newStore(t, room(1<<40))
		count := func(want int64) {
			t.Helper()
			if s.ledger.spool != want {
				t.Errorf("the spool has %d bytes, want %d", s.ledger.spool, want)
			}
		}
		w, err := s.Create(Spool)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, 3*chunk))
		w.Abort()
		w.Abort()
		count(0)
		ref := put(t, s, Spool, make([]byte, 3*chunk))
		count(ref.Disk)
		kept, err := s.Link(ref, Spool, Blobs)
		if err != nil {
			t.Fatal(err)
		}
		count(ref.Disk)
		s.Remove(Spool, ref.ID)
		count(0)
		if _, err := s.Link(kept, Blobs, Spool); err != nil {
			t.Fatal(err)
		}
		count(ref.Disk)
		s.Remove(Blobs, kept.ID)
		count(ref.Disk)
		if n, err := s.Sweep(Spool, func(ID) bool { return false }, 0); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		count(0)
	})
	t.Run("ErrDisk", func(t *testing.T) {
		s := newStore(t, room(100), func(o *Options) { o.MinFree = 10 })
		r := reserve(t, s, "a", 1000, 50)
		_, err := s.Reserve("b", 1000, 41)
		wantSpace(t, err, ErrDisk, 41, 0, 10, 50) // what a was promised is not free
		// What was written shows in the free space and is not taken off twice.
		if err := r.charge(50); err != nil {
			t.Fatal(err)
		}
		reserve(t, s, "b", 1000, 90)
		s.SetUsed("c", 7) // no room is needed to count what is there
		if _, err := s.Reserve("c", 1000, 0); err != nil {
			t.Errorf("nothing reserved: %v", err)
		}
	})
	t.Run("ErrStatfs", func(t *testing.T) {
		broken := errors.New("broken")
		s := newStore(t, func(o *Options) { o.Free = func(string) (int64, error) { return 0, broken } })
		if _, err := s.Reserve("a", 100, 1); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		if s.Used("a") != 0 || len(s.ledger.owners) != 0 {
			t.Error("a refusal was counted")
		}
	})
	t.Run("Statfs", func(t *testing.T) {
		s := newStore(t)
		reserve(t, s, "a", math.MaxInt64, 1)
		if _, err := s.Reserve("a", math.MaxInt64, 1<<60); !errors.Is(err, ErrDisk) {
			t.Errorf("an exbibyte: %v, want ErrDisk", err)
		}
	})
}

func TestReservation_Grow(t *testing.T) {
	s := newStore(t, room(1<<40))
	r := reserve(t, s, "a", 100, -1)
	if err := r.Grow(60); err != nil {
		t.Fatal(err)
	}
	wantSpace(t, r.Grow(41), ErrQuota, 41, 60, 100, 0)
	if got := s.Used("a"); got != 60 {
		t.Errorf("used %d after a refused Grow, want 60", got)
	}
	if r.Grow(-1) == nil {
		t.Error("a negative size is taken")
	}
	r.Release()
	if err := r.Grow(1); !errors.Is(err, ErrClosed) {
		t.Errorf("Grow after Release: %v", err)
	}
	if s.Used("a") != 0 || len(s.ledger.owners) != 0 || s.ledger.unspent != 0 {
		t.Errorf("left: %+v", &s.ledger.owners)
	}
}

func TestWriter_Charge(t *testing.T) {
	s := newStore(t, room(1<<40))
	write := func(t *testing.T, r *Reservation, n int) (Ref, error) {
		t.Helper()
		w, err := s.Create(Spool)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		w.Charge(r)
		if _, err := w.Write(make([]byte, n)); err != nil {
			return Ref{}, err
		}
		return w.Commit()
	}
	t.Run("Steps", func(t *testing.T) {
		r := reserve(t, s, "a", 64<<20, -1)
		ref, err := write(t, r, 9<<20)
		if err != nil {
			t.Fatal(err)
		}
		if used := s.Used("a"); used < ref.Disk-4096 || used > ref.Disk+growStep {
			t.Errorf("reserved %d for %d on the disk", used, ref.Disk)
		}
		r.Keep(ref.Disk)
		if used := s.Used("a"); used != ref.Disk || s.ledger.unspent != 0 {
			t.Errorf("used %d (unspent %d), want %d", used, s.ledger.unspent, ref.Disk)
		}
	})
	t.Run("LastBytes", func(t *testing.T) { // less room than a step
		r := reserve(t, s, "b", 3*chunk, -1)
		defer r.Release()
		if _, err := write(t, r, 2*chunk); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("ErrQuota", func(t *testing.T) {
		before := len(names(t, s, Spool))
		r := reserve(t, s, "c", 5<<20, -1)
		if _, err := write(t, r, 6<<20); !errors.Is(err, ErrQuota) {
			t.Errorf("error %v, want ErrQuota", err)
		}
		r.Release()
		if got := len(names(t, s, Spool)); got != before || s.Used("c") != 0 {
			t.Errorf("a refused file stays: %d files before, %d now", before, got)
		}
	})
	t.Run("Ended", func(t *testing.T) {
		r := reserve(t, s, "d", 5<<20, 1<<20)
		r.Release()
		if _, err := write(t, r, chunk+1); !errors.Is(err, ErrClosed) {
			t.Errorf("error %v, want ErrClosed", err)
		}
	})
}

// TestStore_Concurrent has many owners reserve, write, keep and free at the
// same time. No owner may pass its limit at any moment, nor all together
// theirs, and at the end the sums must be exactly what was kept.
func TestStore_Concurrent(t *testing.T) {
	const owners, workers, rounds, limit, spool = 4, 4, 50, 300 << 10, 900 << 10
	s := newStore(t, room(1<<40), func(o *Options) { o.SpoolMax = spool })
	var wg sync.WaitGroup
	var mu sync.Mutex
	kept := make(map[string]int64)
	accepted, refused := 0, 0
	for o := range owners {
		name := fmt.Sprint("owner ", o)
		for w := range workers {
			wg.Go(func() {
				for i := range rounds {
					r, err := s.Reserve(name, limit, 100<<10)
					if used := s.Used(name); used > limit {
						t.Errorf("%s uses %d of %d", name, used, limit)
					}
					mu.Lock()
					if err != nil {
						refused++
						mu.Unlock()
						if !errors.Is(err, ErrQuota) && !errors.Is(err, ErrSpoolFull) {
							t.Error(err)
						}
						s.FreeOwner(name, 0)
						continue
					}
					accepted++
					mu.Unlock()
					wr, err := s.Create(Spool)
					if err != nil {
						t.Error(err)
						r.Release()
						continue
					}
					wr.Charge(r)
					_, err = wr.Write(make([]byte, 1000))
					if (i+w)%3 != 0 {
						wr.Abort()
						r.Release()
						continue
					}
					ref, cerr := wr.Commit()
					if err != nil || cerr != nil {
						t.Error(err, cerr)
						r.Release()
						continue
					}
					r.Keep(ref.Disk)
					if i%2 == 0 {
						s.Remove(Spool, ref.ID)
						s.FreeOwner(name, ref.Disk)
						continue
					}
					mu.Lock()
					kept[name] += ref.Disk
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if accepted == 0 || refused == 0 {
		t.Errorf("%d accepted, %d refused: the test meets no limit", accepted, refused)
	}
	var total int64
	for o := range owners {
		name := fmt.Sprint("owner ", o)
		if got := s.Used(name); got != kept[name] {
			t.Errorf("%s uses %d, kept %d", name, got, kept[name])
		}
		total += kept[name]
	}
	if s.ledger.spool != total || s.ledger.unspent != 0 {
		t.Errorf("spool %d unspent %d, want %d and 0", s.ledger.spool, s.ledger.unspent, total)
	}
}
