// Package audit keeps the server's log of what matters for security, in one file to which lines are only
// added, so that a line that was changed, taken out or moved is found.
//
// Each line is a JSON object with a number, and ends with an HMAC over its own bytes, which hold the
// predecessor's MAC: a hash chain. A Merkle tree (RFC 9162; golang.org/x/mod/sumdb/tlog is one) would prove
// single lines to others who do not have the log. Nobody asks for that here: who checks has the whole file, and a
// chain then finds the same, without the hashes that a tree keeps beside it.
//
// Every so many lines a head (number, MAC and time of the last line, signed with Ed25519) goes to a second place.
// Who has the server key can write a chain anew, but not take back a head that lies out of reach. Lines after the
// last head can be cut off unseen. A line holds ids and numbers, no login, no address and nothing anybody typed.
package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zencrypt/nofollow"
)

// DefaultEvery is how many lines may come between two heads: at 20 log-ins a second three seconds of them.
const DefaultEvery = 64

// headAfter is how long lines may wait for a head where few come.
const headAfter = time.Hour

// headsWaiting is how many heads may wait for a second place that is slow, and closeTime how long Close waits for it.
const (
	headsWaiting = 64
	closeTime    = 5 * time.Second
)

// reportEvery bounds how often a log that can't be written is complained about.
const reportEvery = time.Minute

// Key is what the log needs of one version of the server key. It prints as [redacted].
type Key struct {
	MAC  [32]byte // of lines: HKDF(server key, InfoMAC)
	Seed [32]byte // of the Ed25519 key that signs heads: HKDF(server key, InfoSeed)
}

// The infos under which a [Key] is derived from the server key.
const (
	InfoMAC  = "zencrypt/v1/log"
	InfoSeed = "zencrypt/v1/log-head"
)

// Format implements fmt.Formatter.
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (Key) MarshalJSON() ([]byte, error) { return json.Marshal("[redacted]") }

func (k Key) signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Seed[:]) }

// Public is the key that heads are checked with, for who keeps them and must not be able to make one.
func (k Key) Public() ed25519.PublicKey { return k.signer().Public().(ed25519.PublicKey) }

// Keys are those of the server key and its older versions, by fingerprint.
type Keys struct {
	Active string
	All    map[string]Key
	// Lost are those of keys that are gone for good, for the one who says so by Vouch: the chain goes on behind their lines.
	Lost []string
}

// Place is a second place, where heads go. Write adds one line, its end included, and returns when it is there.
type Place interface {
	Write(line []byte) error
	String() string
}

// Options are what Open needs.
type Options struct {
	Path   string
	Data   string // the server's data folder, in which root follows no links of others; "": only Path's own is looked at
	Keys   Keys
	Places []Place
	Every  int           // lines between two heads; 0 is DefaultEvery
	Keep   time.Duration // how long lines are kept; 0 is for ever
	Now    func() time.Time
	Report func(error) // told when the log can't be written, at most once a minute
}

// Event is one line's content. The log gives number, time and MAC.
type Event struct {
	Name    string            // what happened, such as "login"
	Account string            // an account's id, in hex
	By      string            // who did it, where that is not the account: "command line"
	Counts  map[string]int64  // of what is counted and not told one by one
	Info    map[string]string // facts about the server, such as its version
}

// Log is open for adding lines. Several goroutines and several processes may add to one file. A nil Log takes
// every event and keeps none.
type Log struct {
	o Options

	mu       sync.Mutex
	file     *os.File // nil while it can't be opened
	closing  bool     // no more heads
	closed   bool     // no more lines
	last     position
	since    int       // lines after the last head
	headed   time.Time // when the last head was made
	lost     int64     // lines that could not be written
	reported time.Time
	dirty    chan struct{}
	heads    chan []byte   // on their way to the second places
	ended    chan struct{} // closed when all of them are there
	synced   sync.WaitGroup
}

// position is where a chain ends.
type position struct {
	seq     uint64
	mac     mac
	size    int64  // of the file; -1 when it has to be looked at again
	skipped int64  // bytes at the end that belong to no genuine line: a write that was cut
	digest  string // SHA-256 of these, in hex
	newline bool   // the last byte is no line end
}

// Open opens or makes a log for adding. What is wrong with the lines that are there keeps nobody from adding more:
// it is told to Report, and Check names it. So is a file that can't be opened, which is tried again with each line.
func Open(o Options) (*Log, error) {
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.Report == nil {
		o.Report = func(error) {}
	}
	if _, ok := o.Keys.All[o.Keys.Active]; !ok {
		return nil, errors.New("open server log: the active server key is not among the keys given")
	}
	l := &Log{o: o, last: position{size: -1}, headed: o.Now(), dirty: make(chan struct{}, 1),
		heads: make(chan []byte, headsWaiting), ended: make(chan struct{})}
	if err := l.open(); err != nil {
		l.report(err)
	}
	go l.deliver()
	l.synced.Go(func() {
		for range l.dirty {
			l.mu.Lock()
			f := l.file
			l.mu.Unlock()
			if f == nil {
				continue
			}
			if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
				l.mu.Lock()
				l.report(fmt.Errorf("sync server log: %w", err))
				l.mu.Unlock()
			}
		}
	})
	return l, nil
}

func (l *Log) open() error {
	made := false
	if _, err := os.Stat(l.o.Path); errors.Is(err, fs.ErrNotExist) {
		made = true
	}
	f, err := nofollow.Append(l.o.Data, l.o.Path)
	if err != nil {
		return fmt.Errorf("open server log: %w", err)
	}
	if made {
		if err := syncDir(filepath.Dir(l.o.Path)); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	l.file, l.last.size = f, -1
	return nil
}

// Tick makes a head when lines have waited for one for an hour, and forgets what is older than is kept. It is
// called once a minute.
func (l *Log) Tick() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since > 0 && l.o.Now().Sub(l.headed) >= headAfter {
		l.head()
	}
	if l.o.Keep > 0 {
		if err := l.locked(l.prune); err != nil {
			l.report(err)
		}
	}
}

// Head makes a head now, as at the start and the end of a server.
func (l *Log) Head() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head()
}

// Close makes a head of what has none and closes the file.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	if l.since > 0 {
		l.head()
	}
	l.closing = true
	close(l.heads)
	l.mu.Unlock()
	select {
	case <-l.ended:
	case <-time.After(closeTime):
		l.o.Report(errors.New("close server log: a second place takes no head, so that its last heads are not there"))
	}
	l.mu.Lock()
	l.closed = true
	close(l.dirty)
	l.mu.Unlock()
	l.synced.Wait()
	if l.file == nil {
		return nil
	}
	return errors.Join(l.file.Sync(), l.file.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder of server log: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder of server log: %w", err)
	}
	return nil
}
