package blobs

import (
	"fmt"
	"sync"
)

// growStep is how much a Reservation of unknown size takes at once: 4 MiB asks
// the file system for its free space 256 times a GiB.
const growStep = 4 << 20

// ledger is who uses and has reserved how many bytes. It lives in memory: at
// the start SetUsed fills it from the database.
type ledger struct {
	mu      sync.Mutex
	dir     string
	max     int64 // 0 = no limit
	minFree int64
	free    func(string) (int64, error)
	owners  map[string]*owner
	// spoolAway is the spool's folder where that is a file system of its own, with no floor: nothing else stands there.
	spoolAway string

	spool   int64 // bytes of the files in the spool, finished or not
	unspent int64 // reserved and not yet charged: not visible in the free space
}

type owner struct{ used, reserved int64 }

func (l *ledger) init(o Options) {
	l.dir, l.max, l.minFree, l.free = o.Dir, o.SpoolMax, o.MinFree, o.Free
	l.owners = make(map[string]*owner)
}

// Reservation is room that an owner was promised. It ends with Keep or
// Release, of which the first counts; `defer r.Release()` is right in both
// cases. Its methods may be called at the same time.
type Reservation struct {
	l       *ledger
	name    string
	limit   int64
	n       int64 // reserved
	written int64 // charged by a Writer
	row     bool  // for bytes that stand in a row: the spool's limit is not theirs
	ended   bool
}

// Reserve promises n bytes to owner, who may use and reserve limit bytes in
// all (0 or less: nothing). n < 0 is for a size that nobody knows: nothing is
// reserved yet and Grow or [Writer.Charge] take the room in steps.
//
// Errors are *SpaceError: ErrQuota when owner has no room, ErrSpoolFull when
// the files in the spool reach Options.SpoolMax, ErrDisk when the file system
// would fall below its floor. For the last two, what other reservations have
// not written yet counts as taken; only [Writer.Charge] tells what was written.
//
// What an owner uses is what the caller says (Keep, SetUsed, FreeOwner), over
// both areas; what lies in the spool the Store knows by itself.
func (s *Store) Reserve(owner string, limit, n int64) (*Reservation, error) {
	if err := s.closed(); err != nil && n != 0 { // who reserves nothing only reads
		return nil, err
	}
	r := &Reservation{l: &s.ledger, name: owner, limit: limit}
	if err := r.Grow(max(n, 0)); err != nil {
		return nil, err
	}
	return r, nil
}

// ReserveRow is Reserve for bytes that go into a database: what lies in the spool does not matter to them, and neither
// does the floor. That is kept from files, so that texts have room when many of them came; Options.Closed ends both.
func (s *Store) ReserveRow(owner string, limit, n int64) (*Reservation, error) {
	if err := s.closed(); err != nil {
		return nil, err
	}
	r := &Reservation{l: &s.ledger, name: owner, limit: limit, row: true}
	if err := r.Grow(max(n, 0)); err != nil {
		return nil, err
	}
	return r, nil
}

// Grow asks for n bytes more, with the errors of [Store.Reserve]; when it
// fails the Reservation stays as it was.
func (r *Reservation) Grow(n int64) error {
	if n < 0 {
		return fmt.Errorf("reserve space: negative size %d", n)
	}
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	return r.grow(n)
}

// grow does the work of Grow; the ledger is locked. The sums cannot overflow:
// every test subtracts from a limit instead of adding to a sum.
func (r *Reservation) grow(n int64) error {
	if r.ended {
		return fmt.Errorf("reserve space: %w", ErrClosed)
	}
	l := r.l
	var have owner
	if o := l.owners[r.name]; o != nil {
		have = *o
	}
	if used := have.used + have.reserved; n > r.limit-used {
		return &SpaceError{Kind: ErrQuota, Want: n, Used: used, Limit: r.limit}
	}
	if taken := l.spool + l.unspent; !r.row && l.max > 0 && n > l.max-taken {
		return &SpaceError{Kind: ErrSpoolFull, Want: n, Used: taken, Limit: l.max}
	}
	if n > 0 {
		free, err := l.free(l.dir)
		if err != nil {
			return fmt.Errorf("reserve space: %w", err)
		}
		floor := l.minFree
		if r.row {
			floor = 0
		}
		if free -= l.unspent; n > free-floor {
			return &SpaceError{Kind: ErrDisk, Want: n, Free: max(free, 0), Limit: floor}
		}
		if err := l.askSpool(r, n); err != nil {
			return err
		}
	}
	l.owner(r.name).reserved += n
	l.unspent += n
	r.n += n
	l.tidy(r.name)
	return nil
}

// charge counts n bytes as written, and grows when they were not reserved: by
// a step, or by what is missing when there is no room for a step.
func (r *Reservation) charge(n int64) error {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	if r.ended {
		return fmt.Errorf("reserve space: %w", ErrClosed)
	}
	if missing := r.written + n - r.n; missing > 0 {
		if missing > growStep || r.grow(growStep) != nil {
			if err := r.grow(missing); err != nil {
				return err
			}
		}
	}
	r.written += n
	r.l.unspent -= n
	return nil
}

// Keep ends the Reservation and counts actual bytes (Ref.Disk) as used by its
// owner until FreeOwner.
func (r *Reservation) Keep(actual int64) { r.end(max(actual, 0)) }

// Release ends the Reservation and gives its room back.
func (r *Reservation) Release() { r.end(0) }

func (r *Reservation) end(keep int64) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	o := l.owner(r.name)
	o.reserved -= r.n
	o.used += keep
	l.unspent -= r.n - r.written
	l.tidy(r.name)
}

// Spend turns n reserved bytes into bytes in use, until FreeOwner: it is called just before a row that
// counts them is written, so that whoever removes the row gives back what was counted. What was not
// reserved yet is asked for first, with the errors of Grow.
func (r *Reservation) Spend(n int64) error {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if missing := n - r.n; missing > 0 {
		if err := r.grow(missing); err != nil {
			return err
		}
	}
	if r.ended {
		return fmt.Errorf("spend space: %w", ErrClosed)
	}
	o := l.owner(r.name)
	o.reserved -= n
	o.used += n
	r.n -= n
	// What a Writer charged is on the disk already; the rest was promised and is not needed any more.
	written := min(r.written, n)
	r.written -= written
	l.unspent -= n - written
	return nil
}

// Count takes n bytes into use that need no room: a second name of a file that stands on the disk
// already. Only the owner's quota is asked; FreeOwner gives them back.
func (r *Reservation) Count(n int64) error {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.ended {
		return fmt.Errorf("count space: %w", ErrClosed)
	}
	o := l.owner(r.name)
	if used := o.used + o.reserved; n > r.limit-used {
		l.tidy(r.name)
		return &SpaceError{Kind: ErrQuota, Want: n, Used: used, Limit: r.limit}
	}
	o.used += n
	return nil
}

// Used is what owner has in use and reserved, in bytes.
func (s *Store) Used(owner string) int64 {
	l := &s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.owners[owner]; o != nil {
		return o.used + o.reserved
	}
	return 0
}

// SetUsed says what owner has in use, reservations aside: at the start, from
// the database.
func (s *Store) SetUsed(owner string, n int64) {
	l := &s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setUsed(owner, max(n, 0))
}

// FreeOwner takes n bytes off what owner has in use: when a result has gone.
func (s *Store) FreeOwner(owner string, n int64) {
	l := &s.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.owners[owner]; o != nil {
		l.setUsed(owner, max(o.used-max(n, 0), 0))
	}
}

func (l *ledger) setUsed(name string, n int64) {
	l.owner(name).used = n
	l.tidy(name)
}

func (l *ledger) owner(name string) *owner {
	o := l.owners[name]
	if o == nil {
		o = new(owner)
		l.owners[name] = o
	}
	return o
}

// tidy forgets an owner with nothing, so that guests do not add up.
func (l *ledger) tidy(name string) {
	if o := l.owners[name]; o != nil && *o == (owner{}) {
		delete(l.owners, name)
	}
}

// grewSpool counts the bytes that come to and go from the spool's folder.
func (l *ledger) grewSpool(a Area, n int64) {
	if a != Spool {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spool += n
}
