// Package handlers turns HTTP requests into calls of models, crypto and blobs, and their answers into
// pages or htmx fragments. A request flows one way: middleware, handler, render; errors travel up to
// one place (errors.go).
package handlers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"zencrypt/audit"
	"zencrypt/blobs"
	"zencrypt/crypto/passkey"
	"zencrypt/lang"
	"zencrypt/limits"
	"zencrypt/models"
)

// Options is everything a server can be told; the zero value of a bound means that nothing is allowed,
// so the caller fills all of them.
type Options struct {
	Origins        []string // scheme://host[:port] under which browsers reach us; the first is canonical
	Names          []string // other names of ours, in lower case: people who type one are sent to Origins[0]
	Guests         bool     // guests may hash, encrypt and decrypt
	Registration   bool     // anybody may register
	RequireFactor  bool     // who has no second factor sets one up before anything else
	Invites        bool     // who has an invitation may register
	MaxUpload      int64    // bytes of one file
	GuestQuota     int64    // bytes a guest's results may take
	AccountQuota   int64    // bytes an account's vault and results may take
	SessionMax     time.Duration
	ResultTTL      time.Duration
	ActivityKeep   time.Duration  // of events in people's own lists; 0 keeps all
	TrustedProxies []netip.Prefix // peers whose X-Forwarded-For is believed
	Version        string
	DeviceKey      [32]byte // signs the device cookie
	LoginCost      int64    // bytes that one log-in's slow hashes hold
	Now            func() time.Time
	Log            *slog.Logger
	Audit          *audit.Log      // the server log; nil keeps none
	Acts           ActRecorder     // is told what administrators do; may be nil
	Seen           func(Seen)      // is told of every request that was answered; may be nil
	Moves          func(by int64)  // is told of a file whose bytes begin to move (1) or have ended to (-1), also within the server; may be nil
	Languages      *lang.Catalogue // of the pages; nil takes the program's own
}

// App is the web server: routes, their shared state, and the fasthttp server below them.
type App struct {
	*core
	fiber   *fiber.App
	server  *fasthttp.Server
	handler fasthttp.RequestHandler
	links   *links
	routes  []Route
}

// core is what every handler needs.
type core struct {
	opt        Options
	db         *models.DB
	files      *blobs.Store
	budget     *limits.Budget
	clients    *limits.Clients
	uploads    *limits.Gate
	ended      sync.Map // ids of sessions that ended and whose rows could not be removed yet
	transfers  *transfers
	background sync.WaitGroup // renewals of account keys under way
	rates      rates
	rewraps    sync.Map       // account to the renewal of its items, under way or just ended
	guests     sync.Map       // blob of a guest's result to its client, as owner says it
	opening    sync.Map       // results that are being opened, each with what its end closes
	memory     *limits.Budget // whole messages that have to stand in memory (Fernet files)
	forms      *limits.Budget // fields of forms on their way in
	longForms  *limits.Gate   // those of a client that take of it
	rp         *passkey.RP    // nil where browsers have no passkeys for the server's address
	asked      *ceremonies
	refusals   refusals // for the server log
	exports    exports  // for people's own lists
	hits       hits     // limits that were hit, for the administrator
	moving     moving   // files under way, for whoever watches
	started    time.Time
}

// rates are the limits on guessing and on making things.
type rates struct {
	loginClient *limits.Limiter // failed log-ins of one client
	loginName   *limits.Limiter // failed log-ins for one login
	device      *limits.Limiter // failed log-ins from a device that logged in before
	register    *limits.Limiter // registrations of one client
	typo        *limits.Limiter // refused registrations of one client
	password    *limits.Limiter // wrong current passwords of one account
	factor      *limits.Limiter // wrong codes for one account, from devices that it does not know
	meter       *limits.Limiter // password meter of one client
	find        *limits.Limiter // logins that one account looks for
}

const (
	// headerBytes bounds a request's first line and headers; browsers send well under 8 KiB.
	headerBytes = 16 << 10
	// wholeBytes bounds all Fernet files that stand in memory at once: one of 64 MiB takes its token
	// (4/3), its bytes (1) and the plaintext (1).
	wholeBytes = 256 << 20
	// freeGuesses are wrong passwords or codes that no wait follows; then it grows from a second to a minute.
	freeGuesses = 5
	// uploadsPerClient is DESIGN section 5's bound on concurrent uploads of one client.
	uploadsPerClient = 2
)

// New builds the server. It takes no connection until Serve.
func New(o Options, db *models.DB, files *blobs.Store, budget *limits.Budget) *App {
	const keys = 1 << 16 // buckets a limiter remembers, about 6 MB in all
	c := &core{
		opt: o, db: db, files: files, budget: budget, started: o.Now(),
		clients:   limits.NewClients(o.Now),
		uploads:   limits.NewGate(uploadsPerClient),
		transfers: newTransfers(),
		memory:    limits.NewBudget(wholeBytes, 0, 8, 5*time.Second),
		forms:     limits.NewBudget(formBytes, 0, 64, 5*time.Second),
		longForms: limits.NewGate(formsPerClient),
		rp:        relyingParty(o.Origins),
		asked:     newCeremonies(o.Now),
		rates: rates{
			loginClient: limits.NewLimiter(60, 10*time.Second, keys, o.Now),
			loginName:   limits.NewLimiter(10, time.Minute, keys, o.Now).Growing(freeGuesses, time.Second),
			device:      limits.NewLimiter(10, time.Minute, keys, o.Now).Growing(freeGuesses, time.Second),
			register:    limits.NewLimiter(300, 12*time.Second, keys, o.Now),
			typo:        limits.NewLimiter(300, time.Second, keys, o.Now),
			password:    limits.NewLimiter(10, time.Minute, keys, o.Now),
			factor:      limits.NewLimiter(10, time.Minute, keys, o.Now).Growing(freeGuesses, time.Second),
			meter:       limits.NewLimiter(60, 250*time.Millisecond, keys, o.Now),
			find:        limits.NewLimiter(30, 2*time.Minute, keys, o.Now),
		},
	}
	if c.opt.Languages == nil {
		c.opt.Languages = lang.Default()
	}
	a := &App{core: c, links: newLinks(defaultConnLimits, shortage(o.Log, o.Now))}
	a.links.client, a.links.crowd = c.connClient, crowded(o.Log, o.Now)
	a.fiber = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		Immutable:                    true, // strings outlive the handler: they go into stores
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true, // else files are spooled to disk in clear
		BodyLimit:                    math.MaxInt,
		Concurrency:                  maxConns,
		ReadBufferSize:               headerBytes,
		ReadTimeout:                  30 * time.Second, // for headers; bodies set their own deadline before each read
		IdleTimeout:                  60 * time.Second,
		CaseSensitive:                true,
		ErrorHandler:                 c.fail,
	})
	a.fiber.Use(c.observe, c.speak, c.checkHost, c.checkOrigin, c.visit)
	a.routes = a.table()
	for _, r := range a.routes {
		a.fiber.Add(r.Method, r.Path, c.guard(r.Access), r.Handler)
		if r.Method == fiber.MethodGet && (r.Access == Public || r.Access == Guest) { // monitors and link checkers ask so
			a.fiber.Add(fiber.MethodHead, r.Path, c.guard(r.Access), r.Handler)
		}
	}
	inner := a.fiber.Handler()
	a.server = a.fiber.Server()
	a.server.Name, a.server.NoDefaultServerHeader = "", true
	a.server.NoDefaultContentType = true
	a.server.CloseOnShutdown = true
	a.server.Logger = quietLogger{o.Log}
	a.handler = func(ctx *fasthttp.RequestCtx) {
		// A streamed body that a handler leaves unread would be parsed as the next request
		// (request smuggling), so such a connection never serves another one. It is said again
		// afterwards, since resetting a response forgets it.
		n := ctx.Request.Header.ContentLength()
		long := unread(int64(n)) || oddlyFramed(ctx.Request.Header.RawHeaders())
		if long {
			markLinger(ctx)
		}
		c.headers(&ctx.Response.Header)
		inner(ctx)
		if long {
			ctx.SetConnectionClose()
		}
	}
	a.server.Handler = a.handler
	malformed := a.server.ErrorHandler
	a.server.ErrorHandler = func(ctx *fasthttp.RequestCtx, err error) {
		markLinger(ctx) // there may be more to come of headers that are too long
		c.headers(&ctx.Response.Header)
		if e := net.Error(nil); errors.As(err, &e) && !e.Timeout() {
			err = errGone // Fiber takes it for a failure of a server behind this one: 502, an alarm for whoever watches
		}
		malformed(ctx, err)
		c.tell(Seen{Method: "other", Route: "unknown", Status: ctx.Response.StatusCode()})
	}
	return a
}

// smallBody is what fasthttp has read in full before the handler runs, so nothing of it can be left over.
const smallBody = 8 << 10

// unread tells whether a body of a Content-Length, -1 for one in chunks, may still be on its way when the handler runs.
func unread(length int64) bool { return length == -1 || length > smallBody }

// oddlyFramed tells whether a proxy in front of us may see another end of a request's body than fasthttp,
// which takes the last of several lengths and passes over a transfer coding that it does not know. Such a
// connection ends with the answer (RFC 9112, section 6.3).
func oddlyFramed(headers []byte) bool {
	lengths := 0
	for line := range bytes.Lines(headers) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		switch name = bytes.TrimSpace(name); {
		case bytes.EqualFold(name, []byte(fiber.HeaderTransferEncoding)):
			return true
		case bytes.EqualFold(name, []byte(fiber.HeaderContentLength)):
			lengths++
		}
	}
	return lengths > 1
}

// Serve answers connections from ln until Shutdown. While the process may open no more files it goes on
// with those it has, and takes more as soon as it can.
func (a *App) Serve(ln net.Listener) error { return a.server.Serve(a.links.listen(ln)) }

// Shutdown takes no more connections and waits for running requests until ctx ends. Then it cuts them,
// and waits at most 3 s more for their handlers: its error is ctx's then, or ErrRunning when some did not
// end and may still use what the caller wants to close.
func (a *App) Shutdown(ctx context.Context) error {
	ended, cancel := context.WithCancel(context.Background())
	defer cancel()
	cut := context.AfterFunc(ctx, func() {
		a.transfers.cutAll()
		a.links.cut()
		select {
		case <-time.After(a.links.limits.cut):
			cancel()
		case <-ended.Done():
		}
	})
	a.links.close() // also where Serve has not begun
	err := a.server.ShutdownWithContext(ended)
	a.transfers.cutAll()
	switch {
	case err != nil:
		return ErrRunning
	case !cut():
		err = context.Cause(ctx)
	}
	a.background.Wait()
	return err
}

// Secure tells whether the configured origin is https: it decides the cookie's name and flags.
func (c *core) secure() bool { return strings.HasPrefix(c.opt.Origins[0], "https://") }

// plainHTTP tells whether pages travel in clear beyond this machine.
func (c *core) plainHTTP() bool {
	if c.secure() {
		return false
	}
	host := strings.TrimPrefix(c.opt.Origins[0], "http://")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "localhost" || strings.HasSuffix(host, ".onion") {
		return false // an onion service is encrypted and authenticated by its address
	}
	a, err := netip.ParseAddr(host)
	return err != nil || !a.IsLoopback()
}

// quietLogger hands fasthttp's own complaints on without their text: it quotes requests and addresses.
type quietLogger struct{ log *slog.Logger }

func (q quietLogger) Printf(string, ...any) { q.log.Debug("connection failed before a request") }
