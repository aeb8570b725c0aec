package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/syslog"
	"os"
	"strings"
	"time"

	"zencrypt/audit"
	"zencrypt/config"
	"zencrypt/secrets"
)

// auditKeys derives what the server log needs of every version of the server key.
func auditKeys(ring *secrets.Keyring) audit.Keys {
	keys := audit.Keys{Active: ring.Active.Fingerprint, All: map[string]audit.Key{}}
	for _, k := range ring.All() {
		keys.All[k.Fingerprint] = audit.Key{MAC: k.Derive(audit.InfoMAC), Seed: k.Derive(audit.InfoSeed)}
	}
	return keys
}

// openServerLog opens the server log for adding lines. What goes wrong with it is told to report and stops nothing.
func openServerLog(cfg config.Config, ring *secrets.Keyring, report func(error), lost ...string) (*audit.Log, error) {
	keys := auditKeys(ring)
	keys.Lost = lost
	o := audit.Options{Path: cfg.ServerLogFile(), Data: cfg.Data, Keys: keys, Every: cfg.LogEvery, Keep: cfg.LogKeep, Now: time.Now, Report: report}
	for _, place := range cfg.LogAnchors() {
		if socket, ok := syslogSocket(place); ok {
			o.Places = append(o.Places, &syslogPlace{socket: socket})
		} else {
			o.Places = append(o.Places, audit.File{Path: place, Data: cfg.Data})
		}
	}
	return audit.Open(o)
}

// vouch lets the server log speak for the lines that were written under keys that go, or are lost.
func (p place) vouch(ring *secrets.Keyring, fingerprints []string, lost ...string) error {
	cfg := p.config()
	cfg.LogKeep = 0 // forgetting is for the server
	if _, err := os.Stat(cfg.ServerLogFile()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	log, err := openServerLog(cfg, ring, func(error) {}, lost...)
	if err != nil {
		return err
	}
	for _, fingerprint := range fingerprints {
		err = errors.Join(err, log.Vouch(fingerprint))
	}
	return errors.Join(err, log.Close())
}

// logFiles are the files that adding to the server log may make.
func logFiles(cfg config.Config) []string {
	return append(headFiles(cfg.LogAnchors()), cfg.ServerLogFile())
}

// syslogSocket tells whether a place is a syslog, and its socket, "" for the one that is looked for.
func syslogSocket(place string) (socket string, ok bool) {
	if place == "syslog" {
		return "", true
	}
	return strings.CutPrefix(place, "syslog:")
}

// headFiles are the second places that can be read back.
func headFiles(places []string) (files []string) {
	for _, p := range places {
		if _, ok := syslogSocket(p); !ok {
			files = append(files, p)
		}
	}
	return files
}

// syslogPlace takes heads to the machine's syslog, which may send them on to another one.
type syslogPlace struct {
	socket string
	w      *syslog.Writer
}

func (s *syslogPlace) String() string {
	if s.socket == "" {
		return "syslog"
	}
	return "syslog:" + s.socket
}

// Write connects when that was not done yet; the writer connects anew by itself.
func (s *syslogPlace) Write(line []byte) (err error) {
	if s.w == nil {
		const priority, tag = syslog.LOG_AUTHPRIV | syslog.LOG_NOTICE, "zencrypt"
		if s.socket == "" {
			s.w, err = syslog.New(priority, tag)
		} else {
			s.w, err = syslog.Dial("unixgram", s.socket, priority, tag)
		}
		if err != nil {
			return fmt.Errorf("connect to syslog: %w", err)
		}
	}
	_, err = s.w.Write(line)
	return err
}
