package cli

import (
	"fmt"
	"os"

	"zencrypt/audit"
	"zencrypt/config"
	"zencrypt/secrets"
)

// existingKeys reads the server key and makes none.
func existingKeys(cfg config.Config) (*secrets.Keyring, error) {
	dir, found := secrets.Find(cfg.SecretsAt(), os.Getenv, "")
	if !found && cfg.ServerKeyFile != "" {
		return nil, fmt.Errorf("find server key: there is no file %s", dir)
	}
	if !found {
		return nil, fmt.Errorf("find server key: there is no %s in %s. Name its directory with --secrets", secrets.KeyFile, dir)
	}
	return secrets.Load(dir, secrets.LoadOptions{AllowShared: bool(cfg.SharedSecrets) || secrets.Mounted(dir, os.Getenv, "")})
}

// checkLog looks whether every line of the server log is as it was written.
func (c *doctorCmd) checkLog(v *visit) error {
	ring, err := existingKeys(v.cfg)
	if err != nil {
		return err
	}
	for _, path := range c.Heads {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("read heads of server log: %w", err)
		}
	}
	r, err := audit.Check(v.cfg.Data, v.cfg.ServerLogFile(), auditKeys(ring), headFiles(v.cfg.LogAnchors()), c.Heads...)
	if err != nil {
		return err
	}
	for _, f := range r.Findings {
		v.add(diagnosis{Level: levelBad, Kind: f.Kind, Line: f.Line, First: f.First, Last: f.Last, Text: f.Text, exit: exitDamaged,
			Do: "find out who could write the file; the lines around it say when"})
	}
	if r.More > 0 {
		v.add(diagnosis{Level: levelBad, Kind: "more", Text: fmt.Sprintf("%d more findings are not listed", r.More), exit: exitDamaged})
	}
	if len(r.Findings) == 0 {
		text := fmt.Sprintf("%d lines, numbers %d to %d, from %s to %s: each is as it was written", r.Lines, r.First, r.Last, r.Since, r.Until)
		v.add(diagnosis{Level: levelOK, First: r.First, Last: r.Last, Text: text})
		if r.Heads > 0 {
			v.add(diagnosis{Level: levelOK, Last: r.Anchored, Text: fmt.Sprintf("heads in a second place, the last of number %d", r.Anchored)})
		}
	}
	for _, n := range r.Notes {
		v.add(diagnosis{Level: levelNote, Text: n})
	}
	if len(v.cfg.LogAnchor) == 0 {
		v.note("give --log-anchor a file on another disk, or syslog", "the heads lie beside the log: who can write one can write both, and cut lines off")
	}
	return nil
}
