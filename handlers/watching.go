package handlers

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
	"zencrypt/models"
)

// Seen is one request as those who watch the server hear of it: nothing of it tells who asked, or for which item.
type Seen struct {
	Method string // GET, HEAD, POST or other
	Route  string // as it was declared, "/vault/:id"; "unknown" for what is none
	Status int
	Took   time.Duration // until the answer was ready: the body of a download follows
}

func (c *core) tell(s Seen) {
	if c.opt.Seen != nil {
		c.opt.Seen(s)
	}
}

// methodName is one of a few: a client may send any word.
func methodName(x *fiber.Ctx) string {
	switch m := x.Method(); m {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodPost:
		return m
	}
	return "other"
}

// moves counts a file that comes under way or has arrived.
func (c *core) moves(files *atomic.Int64, by int64) {
	files.Add(by)
	c.reads(by)
}

// reads tells of a file that is read through, where it comes or goes, and where it is opened or renewed in its place.
func (c *core) reads(by int64) {
	if c.opt.Moves != nil {
		c.opt.Moves(by)
	}
}

// moving counts the files under way, moved the bytes of all connections since the start.
type (
	moving struct{ up, down atomic.Int64 }
	moved  struct{ in, out atomic.Uint64 }
)

// Watched is how the server fares at one moment. Counters begin at the start; sizes are in bytes.
type Watched struct {
	Started                        time.Time
	Connections                    int
	Uploads, Downloads             int64
	BytesIn, BytesOut              uint64 // of HTTP, inside TLS
	Tries, Busy, QuotaFull, NoRoom int64  // requests that were refused for it
	Crowded                        int64  // connections that were closed as too many of one client
	Hashes                         limits.BudgetState
	Free, Spool                    int64 // of the disk that holds the data; of results that wait
	Database                       models.Stats
	// Answered tells whether the databases could be asked for what follows.
	Answered bool
	Sessions int           // of people who are logged in
	Backup   models.Backup // its Time is zero when there was none
}

// Watch looks. What asks the databases has until ctx ends.
func (a *App) Watch(ctx context.Context) Watched {
	w := Watched{
		Started: a.started, Connections: a.links.count(), Uploads: a.moving.up.Load(), Downloads: a.moving.down.Load(),
		BytesIn: a.links.moved.in.Load(), BytesOut: a.links.moved.out.Load(),
		Tries: a.hits.tries.Load(), Busy: a.hits.busy.Load(), QuotaFull: a.hits.quota.Load(), NoRoom: a.hits.disk.Load(), Crowded: a.links.turned.Load(),
		Hashes: a.budget.State(), Database: a.db.Stats(), Free: -1,
	}
	if free, spool, err := a.files.Space(); err == nil {
		w.Free, w.Spool = free, spool
	}
	sessions, err := a.db.Sessions.Live(ctx)
	if err != nil {
		return w
	}
	if b, ok, err := a.db.LastBackup(ctx); err != nil {
		return w
	} else if ok {
		w.Backup = b
	}
	w.Sessions, w.Answered = sessions, true
	return w
}

func (k *links) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.open)
}
