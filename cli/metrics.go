package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"zencrypt/config"
	"zencrypt/handlers"
	"zencrypt/limits"
	"zencrypt/metrics"
)

// A watcher serves the metrics of one server on an address of their own. Nil does nothing.
type watcher struct {
	*metrics.Metrics
	ln     net.Listener
	server *http.Server
	app    *handlers.App // set before the first scrape is answered
	cfg    config.Config
	own    tlsSetup
}

// newWatcher takes the address that cfg names, so that a server which can't have it does not start.
func newWatcher(cfg config.Config, own tlsSetup) (*watcher, error) {
	network, addr := cfg.MetricsListener()
	if network == "" {
		return nil, nil
	}
	ln, err := listenMetrics(network, addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s for metrics: %w. Choose another address with --metrics-addr, or off", cfg.MetricsAddr, err)
	}
	w := &watcher{ln: ln, cfg: cfg, own: own}
	w.Metrics = metrics.New(metrics.Options{Version: Version(), Revision: revision(), Read: w.read})
	return w, nil
}

// listenMetrics also takes the place of a socket that nobody listens on any more: a killed server leaves one.
func listenMetrics(network, addr string) (net.Listener, error) {
	if network != "unix" {
		return net.Listen(network, addr)
	}
	if info, err := os.Lstat(addr); err == nil && info.Mode().Type() == fs.ModeSocket {
		if conn, err := net.Dial(network, addr); err == nil {
			_ = conn.Close()
			return nil, errors.New("somebody listens there already")
		}
		if err := os.Remove(addr); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(addr, 0o660); err != nil { // for the service's group, whatever the umask
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// hear is what the server tells as it happens.
func (w *watcher) hear(budget *limits.Budget) func(handlers.Seen) {
	if w == nil {
		return nil
	}
	budget.Watch(func(o limits.Outcome) {
		why := ""
		switch {
		case o.Err == nil:
		case errors.Is(o.Err, limits.ErrBusy):
			why = "busy"
		case errors.Is(o.Err, limits.ErrTooHeavy):
			why = "heavy"
		default:
			why = "gone"
		}
		w.Wait(o.Class.String(), why, o.Waited)
	})
	return func(s handlers.Seen) { w.Request(s.Method, s.Route, s.Status, s.Took) }
}

// start answers scrapes until stop.
func (w *watcher) start(app *handlers.App, log *slog.Logger) {
	if w == nil {
		return
	}
	w.app = app
	w.server = &http.Server{
		Handler: w.guard(w.Handler()), ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it names addresses
	}
	go func() {
		if err := w.server.Serve(w.ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the metrics are served no more", "error", err.Error())
		}
	}()
}

func (w *watcher) stop() {
	switch {
	case w == nil:
	case w.server != nil:
		_ = w.server.Close()
	default:
		_ = w.ln.Close()
	}
}

// guard refuses other names than this machine's on an address that only this machine reaches: a page of a browser
// here could otherwise give its own name our address (DNS rebinding) and read on.
func (w *watcher) guard(next http.Handler) http.Handler {
	if network, _ := w.cfg.MetricsListener(); network == "unix" || bool(w.cfg.MetricsRemote) {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && !strings.EqualFold(host, "localhost") {
			http.Error(rw, "Not the name of this server.", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

// read turns what the server knows into what is written.
func (w *watcher) read(ctx context.Context) metrics.Reading {
	v := w.app.Watch(ctx)
	limit, d := int64(w.cfg.SpoolMax), v.Database
	r := metrics.Reading{
		Started: v.Started, Connections: v.Connections, Crowded: v.Crowded, Uploads: v.Uploads, Downloads: v.Downloads, Received: v.BytesIn, Sent: v.BytesOut,
		Refusals: map[string]int64{"tries": v.Tries, "busy": v.Busy, "quota": v.QuotaFull, "disk": v.NoRoom},
		Running:  v.Hashes.Running, Waiting: v.Hashes.Waiting, HashHeld: v.Hashes.Held, HashLimit: v.Hashes.Total,
		SpoolLimit: &limit, DiskFloor: int64(w.cfg.MinFreeDisk), DatabaseAnswered: v.Answered,
		Database: metrics.Database{Size: d.Size, WAL: d.WALSize, FreePages: d.FreePages, Queue: d.WriteQueue, Writes: d.Writes, ReadOnly: d.ReadOnly,
			Refused: d.WriteWait.Refused, WaitCount: d.WriteWait.Total, WaitSeconds: d.WriteWaitSeconds, WaitBuckets: map[float64]uint64{}},
	}
	var below uint64
	for i, le := range d.WriteWait.Bounds() {
		below += d.WriteWait.Counts[i]
		r.Database.WaitBuckets[le] = below
	}
	if !d.LastUpkeep.IsZero() {
		r.Database.Upkeep = &d.LastUpkeep
	}
	if v.Free >= 0 {
		r.DiskFree, r.Spool = &v.Free, &v.Spool
	}
	if size, _, err := diskSize(w.cfg.Data); err == nil {
		r.DiskSize = &size
	}
	if v.Answered {
		r.Sessions = &v.Sessions
		if b := v.Backup; !b.Time.IsZero() {
			r.Backup = &metrics.Backup{Age: time.Since(b.Time), Size: b.Bytes}
		}
	}
	if w.own.config != nil {
		expiry, missing := w.own.certificates(ctx)
		if !expiry.IsZero() {
			r.CertificateExpiry = &expiry
		}
		r.CertificatesMissing = &missing
	}
	return r
}

// revision is the commit that this program was built from, where the build knew.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}
