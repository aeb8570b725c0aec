package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"zencrypt/config"
)

// start hands over to systemd and waits until the server answers.
func (in *installer) start(e *env, c *installCmd) error {
	if in.live {
		if err := in.run("systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	if in.masked(unitName) {
		fmt.Fprintf(in.out, "Not started: %s is masked. 'systemctl unmask zencrypt' takes that back, and 'systemctl enable --now zencrypt' starts it\n", unitName)
		return nil
	}
	if c.Upgrade {
		return in.upgrade(c.NoStart)
	}
	// Only with a new service: who switched the timer off wants it so.
	timer := !in.exists(localUnits + "/multi-user.target.wants/" + unitName)
	if err := in.systemctl(unitName, "enable"); err != nil {
		return err
	}
	if timer {
		var now []string
		if in.live && !c.NoStart {
			now = []string{"--now"}
		}
		if err := in.systemctl(backupTimer, "enable", now...); err != nil {
			return err
		}
	}
	if !in.live {
		fmt.Fprintln(in.out, "systemd does not run in this system: it starts the server with the system.")
		return nil
	}
	if c.NoStart {
		fmt.Fprintln(in.out, "Not started: systemctl start zencrypt")
		return nil
	}
	// The unit is of type notify: this returns when the server says that it is ready.
	if err := in.run("systemctl", "restart", unitName); err != nil {
		return fmt.Errorf("%w. 'journalctl -u zencrypt' says more", err)
	}
	addr, ask := in.address()
	return in.step(func() error {
		ctx, cancel := context.WithTimeout(e.ctx, answerTime)
		defer cancel()
		if err := eventually(ctx, ask); err != nil {
			return fmt.Errorf("ask the server on %s: %w. 'journalctl -u zencrypt' says more", addr, err)
		}
		fmt.Fprintf(in.out, "Zencrypt runs on %s. Its settings: %s; make the first account: zencrypt user add --admin --data %s LOGIN\n", addr, systemEnv, systemData)
		return nil
	}, "ask %s whether it answers", addr)
}

// upgrade starts the new program where the old one runs. Who switched the server or the timer off wants it so.
func (in *installer) upgrade(noStart bool) error {
	if !in.live || noStart {
		return nil
	}
	if err := in.run("systemctl", "try-restart", unitName); err != nil {
		return fmt.Errorf("%w. 'journalctl -u zencrypt' says more", err)
	}
	return nil
}

// masked tells whether an operator forbade systemd to start a unit (systemctl mask).
func (in *installer) masked(unit string) bool {
	for _, dir := range []string{localUnits, "/run/systemd/system"} {
		if to, err := os.Readlink(in.path(dir + "/" + unit)); err == nil && to == os.DevNull {
			return true
		}
	}
	return false
}

// systemctl enables or disables a unit, also in a system that does not run.
func (in *installer) systemctl(unit, verb string, flags ...string) error {
	if !in.live {
		if _, err := exec.LookPath("systemctl"); err != nil {
			return nil // an image without systemd: its own tools start services
		}
	}
	args := append([]string{verb}, flags...)
	if in.root != "" {
		args = append(args, "--root", in.root)
	}
	return in.run("systemctl", append(args, unit)...)
}

// address is where the server listens by its settings, and how to ask whether it does. With TLS of its own it may not
// have a certificate yet: that it takes connections is enough.
func (in *installer) address() (addr string, ask func(context.Context) error) {
	cfg := config.Default()
	cfg.Addr = settingOf(in.path(systemEnv), "ZENCRYPT_ADDR", cfg.Addr)
	cfg.TLSCert = settingOf(in.path(systemEnv), "ZENCRYPT_TLS_CERT", "")
	if domain := settingOf(in.path(systemEnv), "ZENCRYPT_DOMAIN", ""); domain != "" {
		cfg.Domain = strings.Split(domain, ",")
	}
	cfg = cfg.Settled()
	if cfg.OwnTLS() {
		return cfg.Addr, func(ctx context.Context) error {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", cfg.Addr)
			if err != nil {
				return err
			}
			return conn.Close()
		}
	}
	return cfg.Addr, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+cfg.Addr+"/healthz", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return errors.New(res.Status)
		}
		return nil
	}
}

// settingOf reads one variable of a file of systemd's EnvironmentFile, as far as `zencrypt.env` goes.
func settingOf(path, name, fallback string) string {
	content, _ := os.ReadFile(path)
	for line := range strings.Lines(string(content)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key == name {
			fallback = strings.Trim(value, `"'`)
		}
	}
	return fallback
}

// eventually asks until there is no error or the context ends.
func eventually(ctx context.Context, ask func(context.Context) error) error {
	var last error
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(200 * time.Millisecond):
		}
	}
}
