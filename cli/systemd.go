package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// listen takes the socket that systemd hands over (sd_listen_fds(3)), or listens on addr.
func listen(addr string) (net.Listener, error) {
	given, err := activation.Listeners()
	if err != nil {
		return nil, fmt.Errorf("take socket from systemd: %w", err)
	}
	switch {
	case len(given) > 1:
		return nil, fmt.Errorf("take socket from systemd: there are %d, name one in zencrypt.socket", len(given))
	case len(given) == 1 && given[0] != nil:
		return given[0], nil
	case len(given) == 1:
		return nil, errors.New("take socket from systemd: it is not a stream socket")
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w. Choose another address with --addr", addr, err)
	}
	return ln, nil
}

// notify tells systemd how the server is, where it asks (sd_notify(3)).
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// watch tells systemd's watchdog that the server lives until ctx ends. Any answer of ask counts, also that the disk
// is full, which no new start would cure; a server that hangs gives none and is started again.
func watch(ctx context.Context, ask func(context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			within, cancel := context.WithTimeout(ctx, interval/3)
			_ = ask(within)
			if within.Err() == nil {
				notify(daemon.SdNotifyWatchdog)
			}
			cancel()
		}
	}
}
