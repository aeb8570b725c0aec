package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/term"

	"zencrypt/audit"
	"zencrypt/config"
	"zencrypt/crypto/password"
	"zencrypt/handlers"
	"zencrypt/limits"
	"zencrypt/models"
)

type serveCmd struct {
	config.Config `embed:""`
}

// Help is the long text of `zencrypt serve --help`.
func (serveCmd) Help() string {
	return `Every setting is a flag and an environment variable; the flag wins. Without any, the server listens on
127.0.0.1:8080 and keeps everything in ./data, with its key in ./secrets beside it. A variable that begins with ZENCRYPT_
and is no setting is named in the log at the start.

The server key is looked for in --secrets, $CREDENTIALS_DIRECTORY, /run/secrets, /etc/secrets and ./secrets:
the first that holds a file zencrypt_key. It must be readable by its owner only. One is made only together
with a new database. As long as nobody has an account, each start leaves a link beside it, in first_admin, that makes
the administrator's account: once, within an hour.

At most 4096 connections are open at once; one more gets 503. When the process may open no more files
(ulimit -n), new connections wait and those that are open go on.

SIGTERM and Ctrl+C take no more connections, let what runs finish for up to 10 seconds, cut the rest and
close the database. A second one ends the program at once; nothing that was acknowledged is lost.

` + exitCodes
}

const (
	drainTime   = 10 * time.Second // what runs at SIGTERM has this long; Help says so
	loginQueue  = 32               // waiting slow hashes, DESIGN section 4
	loginWait   = 5 * time.Second
	janitorTime = time.Minute
)

// Run serves until the context ends.
func (s *serveCmd) Run(e *env) error {
	err := s.serve(e)
	if e.ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // it was told to end while it started, and did
	}
	return err
}

func (s *serveCmd) serve(e *env) error {
	cfg := s.Config.Settled()
	if err := cfg.Validate(); err != nil {
		return &usageError{err}
	}
	log := newLogger(cfg, e.stderr)
	for _, name := range config.Unknown(os.Environ()) { // the value may be a secret at a wrong place
		log.Warn("this variable is no setting and changes nothing; 'zencrypt serve --help' lists those there are", "variable", name)
	}
	if err := makeData(cfg.Data); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(cfg.Data, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if err := sweepBackupWork(cfg.Data); err != nil {
		log.Error("what a killed backup left can't be removed, and a backup may fail", "error", err.Error())
	}
	ln, err := listen(cfg.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	ring, err := openKeys(cfg, e.stderr)
	if err != nil {
		return err
	}
	own, err := setTLS(cfg, ring, log)
	if err != nil {
		return err
	}
	stopRedirect, err := own.startRedirect(e.ctx, cfg.RedirectAddr, log)
	if err != nil {
		return err
	}
	defer stopRedirect()
	watching, err := newWatcher(cfg, own)
	if err != nil {
		return err
	}
	defer watching.stop()
	origins, err := originsOf(cfg, ln.Addr())
	if err != nil {
		return err
	}
	db, err := openModels(e.ctx, cfg, ring, password.PlaceWords(origins...)...)
	if err != nil {
		return err
	}
	files, err := openFiles(cfg, db)
	if err != nil {
		_ = db.Close()
		return err
	}
	stopDisk := watchDisk(e.ctx, cfg, db, files, log)
	defer stopDisk()
	record, err := openServerLog(cfg, ring, func(err error) { log.Error("the server log is not complete", "error", err.Error()) })
	if err != nil {
		_ = db.Close()
		return err
	}
	defer record.Close()
	_ = record.Append(audit.Event{Name: "server-started", Info: map[string]string{"version": Version()}})
	record.Head()
	budget := limits.NewBudget(int64(cfg.KDFMemory), int64(cfg.KDFReserve), loginQueue, loginWait)
	app := handlers.New(handlers.Options{
		Origins: origins, Names: cfg.Domain, Guests: bool(cfg.Guests), Registration: cfg.Registration == "open", Invites: cfg.Registration != "closed",
		RequireFactor: bool(cfg.RequireSecondFactor),
		MaxUpload:     int64(cfg.MaxUpload), GuestQuota: int64(cfg.GuestQuota), AccountQuota: int64(cfg.AccountQuota),
		SessionMax: cfg.SessionMax, ResultTTL: cfg.ResultTTL, ActivityKeep: cfg.ActivityKeep, Audit: record, TrustedProxies: networks(cfg.TrustedProxies),
		Acts: acts{db, record.Append}, Version: Version(), DeviceKey: ring.Derive(deviceInfo), LoginCost: loginCost(), Now: time.Now, Log: log,
		Seen: watching.hear(budget), Moves: boundMemory(int64(cfg.KDFMemory)),
	}, db, files, budget)
	if err := app.Recover(e.ctx); err != nil {
		_ = db.Close()
		return err
	}
	first := firstAdmin{store: db.Invitations, dir: ring.Dir, origin: origins[0], log: log}
	if err := first.offer(e.ctx, e.stdout); err != nil {
		_ = db.Close()
		return err
	}
	watching.start(app, log)
	fmt.Fprintf(e.stdout, "Data:    %s\nSecrets: %s\nZencrypt is ready: %s\n", absolute(cfg.Data), absolute(ring.Dir), origins[0])
	go own.fetch(log) // the authority asks back, by connections that wait until they are served
	err = run(e.ctx, app, own.listen(ln), db.Ready, log, first.tidy)
	_ = record.Append(audit.Event{Name: "server-stopped"})
	stopDisk()
	if errors.Is(err, handlers.ErrRunning) {
		return fmt.Errorf("close database: %w, so it is left as a crash would leave it; nothing is lost", err)
	}
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// run serves and cleans up once a minute until ctx ends, then drains. It tells systemd about it.
func run(ctx context.Context, app *handlers.App, ln net.Listener, ask func(context.Context) error, log *slog.Logger, also func(context.Context)) error {
	served := make(chan error, 1)
	go func() { served <- app.Serve(ln) }()
	go watch(ctx, ask)
	notify(daemon.SdNotifyReady)
	tick := time.NewTicker(models.JanitorTime(janitorTime))
	defer tick.Stop()
	for {
		select {
		case err := <-served: // no connection can be taken any more: what runs may still finish
			drain, cancel := context.WithTimeout(context.Background(), drainTime)
			defer cancel()
			if late := app.Shutdown(drain); errors.Is(late, handlers.ErrRunning) {
				return errors.Join(err, late)
			}
			return err
		case <-tick.C:
			app.Clean(ctx)
			also(ctx)
		case <-ctx.Done():
			notify(daemon.SdNotifyStopping)
			log.Info("stopping", "drain", drainTime.String())
			drain, cancel := context.WithTimeout(context.Background(), drainTime)
			defer cancel()
			err := app.Shutdown(drain)
			if errors.Is(err, handlers.ErrRunning) {
				return err
			}
			if err != nil {
				log.Warn("some requests were cut at the end of the drain time")
			}
			app.Clean(context.Background())
			return nil
		}
	}
}

// originsOf is what browsers may call this server: the configured origin, or every name of loopback.
func originsOf(cfg config.Config, addr net.Addr) ([]string, error) {
	if cfg.Origin != "" {
		return []string{strings.ToLower(strings.TrimSuffix(cfg.Origin, "/"))}, nil
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok { // systemd hands over a socket of another kind
		return nil, &usageError{&config.SettingError{Flag: "--origin", Env: "ZENCRYPT_ORIGIN",
			Want: "name the address people type, such as https://zen.example, since the socket from systemd has no port"}}
	}
	port := tcp.Port
	first, _, _ := net.SplitHostPort(cfg.Addr)
	var out []string
	for _, host := range []string{first, "127.0.0.1", "localhost", "::1"} {
		o := "http://" + net.JoinHostPort(strings.ToLower(host), fmt.Sprint(port))
		if port == 80 {
			o = strings.TrimSuffix(o, ":80")
		}
		out = append(out, o)
	}
	return out, nil
}

// networks are those of the settings, as the handlers take them.
func networks(of []config.Network) (out []netip.Prefix) {
	for _, n := range of {
		out = append(out, n.Prefix)
	}
	return out
}

// loginCost is what a log-in holds of the budget: its two argon2id runs follow each other, and the
// first's memory may not be collected yet when the second starts.
func loginCost() int64 { return 2 * int64(password.DefaultParams().MemoryKiB) << 10 }

// How much garbage, in percent of what is alive, the server lets come together.
const (
	// gcUsual is half of what Go would: it costs a twentieth of a processor under full load.
	gcUsual = 50
	// gcFiles is for while files are under way, each of which would else leave as much garbage as there are word lists and
	// texts. A page costs nearly twice the processor time with it, so that it is for files alone.
	gcFiles = 25
)

// boundMemory lets the collector run before slow hashes pile up garbage, whose blocks of 64 MiB would otherwise double the
// heap, and often enough that the whole process stays below 64 MiB while files of any size go through. It returns what is
// told of files that come under way and arrive, nil when there is nothing to tell. GOMEMLIMIT and GOGC, when set, win.
func boundMemory(budget int64) (moves func(by int64)) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(budget + 64<<20)
	}
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(gcUsual)
	var mu sync.Mutex
	var n int64
	return func(by int64) {
		mu.Lock()
		defer mu.Unlock()
		before := n
		n += by
		switch {
		case before == 0 && n > 0:
			debug.SetGCPercent(gcFiles)
		case before > 0 && n == 0:
			debug.SetGCPercent(gcUsual)
		}
	}
}

// lockFile is in each data directory.
const lockFile = models.LockFile

// lock makes sure that one server alone works on a data directory. What others find there later, should this be killed,
// is its owner's.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	_ = give(f, filepath.Dir(path)) // commands tell at their end what they could not hand over
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: another server runs on this data directory. Stop it first, or choose another with --data", path)
	}
	return func() { _ = f.Close() }, nil
}

// newLogger writes text for people at a terminal, JSON for machines; times in UTC.
func newLogger(cfg config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.LogLevel)) // Validate has checked it
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && len(groups) == 0 {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}}
	text := cfg.LogFormat == "text"
	if f, ok := w.(*os.File); ok && cfg.LogFormat == "auto" {
		text = term.IsTerminal(int(f.Fd()))
	}
	if text {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
