package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zencrypt/config"
	"zencrypt/models"
	"zencrypt/secrets"
)

type secretsCmd struct {
	Init            secretsInitCmd        `cmd:"" help:"Make the server key, for a new database or in place of one that was lost."`
	Check           secretsCheckCmd       `cmd:"" help:"Tell which server keys there are, which ones are needed, and by how many accounts."`
	Rotate          secretsRotateCmd      `cmd:"" help:"Make a new server key and keep the old one beside it."`
	Remove          secretsRemoveCmd      `cmd:"" help:"Remove an older server key that nothing needs any more."`
	ShowFingerprint secretsFingerprintCmd `cmd:"" help:"Print the fingerprint of the server key."`
}

// Help is the long text of `zencrypt secrets --help`.
func (secretsCmd) Help() string {
	return `The server key is mixed into every password before it is hashed, so that a stolen database gives nobody anything
to try passwords against. It is in no backup: keep a copy of it apart. A fingerprint tells keys apart and shows
nothing of them.

Name the same --data and --secrets as for 'serve', or set the same variables, and run these as the same user.

` + exitCodes
}

// keyPlace is a place whose server keys are looked at, or changed.
type keyPlace struct {
	place `embed:""`
	Root  string `name:"root" hidden:"" placeholder:"DIR" help:"Look for /etc, /run and the units below DIR."`
}

// loadKeys reads the server keys that serve would use; found is false when there are none, and dir is then where one
// would be made.
func (p keyPlace) loadKeys() (ring *secrets.Keyring, dir string, found bool, err error) {
	dir, found = secrets.Find(p.config().SecretsAt(), os.Getenv, p.Root)
	if !found && p.config().SecretsAt() == "" && unitFile(p.Root) != "" && (p.Root != "" || os.Geteuid() == 0) {
		dir = filepath.Join(p.Root, systemSecrets) // the installed service has its keys from nowhere else
		// Its data may be another folder than the one that is named here: a new key beside that would open nothing.
		for _, theirs := range p.serviceData() {
			if models.Exists(theirs) {
				return nil, dir, false, fmt.Errorf("find server key: there is a database of the installed service in %s but no %s in %s. Put the key back that was used with it; if it is gone for good, name that folder with --data", theirs, secrets.KeyFile, dir)
			}
		}
	}
	if (config.Config{Data: p.Data}).InData(dir) {
		return nil, dir, found, &usageError{fmt.Errorf("use secrets %s: they lie in the data directory, so whoever copies the data has them too; name a directory beside it with --secrets", dir)}
	}
	if !found && p.ServerKeyFile != "" {
		return nil, dir, false, fmt.Errorf("find server key: there is no file %s", absolute(dir))
	}
	if !found {
		return nil, dir, false, nil
	}
	ring, err = secrets.Load(dir, secrets.LoadOptions{AllowShared: bool(p.SharedSecrets) || secrets.Mounted(dir, os.Getenv, p.Root)})
	return ring, dir, true, err
}

// serviceData is where the installed service may have its data, nothing when that is what is named here.
func (p keyPlace) serviceData() (dirs []string) {
	for _, dir := range serviceData(p.Root) {
		dir = filepath.Join(p.Root, dir)
		if absolute(dir) == absolute(p.Data) {
			return nil
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// needKeys is loadKeys for commands that can do nothing without.
func (p keyPlace) needKeys() (*secrets.Keyring, error) {
	ring, dir, found, err := p.loadKeys()
	if err == nil && !found {
		err = fmt.Errorf("find server key: there is no %s in %s", secrets.KeyFile, absolute(dir))
	}
	return ring, err
}

// use is what the database depends on; nothing without one.
func (p place) use(e *env) (use []models.KeyUse, active string, err error) {
	if !models.Exists(p.Data) {
		return nil, "", nil
	}
	if err := needDatabase(p.Data); err != nil { // it can't be looked at
		return nil, "", err
	}
	return models.KeyUses(e.ctx, p.Data)
}

// absent lists the keys that something depends on and that a ring lacks, those that were given up left out.
func absent(use []models.KeyUse, active string, ring *secrets.Keyring) (out []models.KeyUse) {
	for _, u := range use {
		here := false
		if ring != nil {
			_, here = ring.ByFingerprint(u.Fingerprint)
		}
		if !here && !u.Lost && (u.Fingerprint == active || u.Accounts+u.RetiredLogins > 0) {
			out = append(out, u)
		}
	}
	return out
}

type secretsInitCmd struct {
	keyPlace `embed:""`
	Lost     bool `name:"lost" help:"Go on without server keys that the database depends on: they are gone for good."`
	Yes      bool `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of `zencrypt secrets init --help`.
func (secretsInitCmd) Help() string {
	return `Without --lost this makes the key of a server that has no database yet, as 'serve' would at its first start. It is
made in --secrets; else, by root where a service is installed, in ` + systemSecrets + `, from where systemd hands it over; else in
./secrets.

With --lost it goes on without a server key that is gone for good. If there is no key it makes one, and the database
takes the key that is there for its own. Then:

  - passwords that were set under the lost key open nothing. Each person needs the recovery code, once, at
    /recover: it opens everything, and the new password stands under the new key. The log-in page says so;
  - who has neither the recovery code nor a live session has lost what the account holds, unless the key is found. So
    have all who came by 'zencrypt import' and did not log in yet: they have no code;
  - logins that were given up under the lost key can be registered again.

Should the key be found, put it beside the new one as zencrypt_key.1 and restart the server, an installed service by
'zencrypt install', which tells systemd of the file: passwords work again. No server may run.

` + exitCodes
}

func (c *secretsInitCmd) Run(e *env) error {
	ring, dir, found, err := c.loadKeys()
	if err != nil {
		return err
	}
	use, active, err := c.use(e)
	if err != nil {
		return err
	}
	gone := absent(use, active, ring)
	switch {
	case c.Lost && active == "":
		return fmt.Errorf("give up server key: there is no database in %s. Name the server's data directory with --data or ZENCRYPT_DATA", absolute(c.Data))
	case c.Lost && len(gone) == 0:
		return fmt.Errorf("give up server key: none is lost, the keys in %s are all that the database needs", absolute(dir))
	case c.Lost:
		return c.goOn(e, ring, dir, gone)
	case found:
		return fmt.Errorf("make server key: there is one in %s already, with fingerprint %s", absolute(dir), ring.Active.Fingerprint)
	case len(gone) > 0:
		return fmt.Errorf("make server key: the database in %s depends on %s. Put it back to %s; if it is gone for good, see 'zencrypt secrets init --lost'", absolute(c.Data), named(gone), absolute(dir))
	}
	if ring, err = secrets.Create(dir); err != nil {
		return err
	}
	if err := e.tellSystemd(c.Root, ring.Dir, ""); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s  %s\n", ring.Active.Fingerprint, absolute(ring.Active.Path))
	fmt.Fprintln(e.stderr, "Keep a copy of it somewhere safe, apart from the copies of the data. It is in no backup.")
	return nil
}

// goOn binds the database to the key that is there, or to a new one.
func (c *secretsInitCmd) goOn(e *env, ring *secrets.Keyring, dir string, gone []models.KeyUse) error {
	c.worksOn(e)
	unlock, err := lock(filepath.Join(c.Data, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if !c.Yes {
		if err := e.confirm(consequences("give up", gone), "lost"); err != nil {
			return err
		}
	}
	if ring == nil {
		if ring, err = secrets.Create(dir); err != nil {
			return err
		}
	}
	if err := e.tellSystemd(c.Root, ring.Dir, ""); err != nil {
		return err
	}
	if err := models.LoseServerKeys(e.ctx, c.Data, ring.Active.Fingerprint, fingerprints(gone), time.Now()); err != nil {
		return err
	}
	if err := c.vouch(ring, fingerprints(gone), fingerprints(gone)...); err != nil {
		e.warn("the server log says nothing of its lines under the lost key, which stay until it is moved away: " + err.Error())
	}
	fmt.Fprintf(e.stdout, "The database goes on with server key %s in %s.\n", ring.Active.Fingerprint, absolute(ring.Active.Path))
	fmt.Fprintln(e.stdout, "Start the server and tell everybody: log in by /recover, with the recovery code, and choose a password there.")
	return nil
}

func fingerprints(use []models.KeyUse) (out []string) {
	for _, u := range use {
		out = append(out, u.Fingerprint)
	}
	return out
}

func named(use []models.KeyUse) string {
	return "server key " + strings.Join(fingerprints(use), " and ")
}

// consequences says in one line what giving up keys means.
func consequences(verb string, use []models.KeyUse) string {
	var accounts, waiting, logins int
	for _, u := range use {
		accounts, waiting, logins = accounts+u.Accounts-u.Waiting, waiting+u.Waiting, logins+u.RetiredLogins
	}
	lost := ""
	if waiting > 0 {
		lost = fmt.Sprintf(" %d accounts that came by an import and wait for their people, who have no code yet, then open by nothing,", waiting)
	}
	return fmt.Sprintf("This would %s %s: %d accounts then open with their recovery code only,%s and %d logins that were given up can be registered again.",
		verb, named(use), accounts, lost, logins)
}

// confirm asks for a word to be typed.
func (e *env) confirm(question, word string) error {
	fmt.Fprintf(e.stderr, "%s Type %s to go on: ", question, word)
	typed, err := answer(e.ctx, func() (string, error) { return firstLine(e.stdin) })
	if err != nil {
		return err
	}
	if typed != word {
		fmt.Fprintln(e.stderr)
		return fmt.Errorf("go on: what was typed is not %q. Nothing was changed", word)
	}
	return nil
}

type secretsCheckCmd struct {
	keyPlace `embed:""`
	JSON     bool `name:"json" help:"Print a JSON object."`
}

// Help is the long text of `zencrypt secrets check --help`.
func (secretsCheckCmd) Help() string {
	return `Lists each server key by its fingerprint: whether it is there, how many accounts have their password under it, and
how many logins that were given up are kept from others by it. An account moves to the active key when its person
logs in. Fails when a key that is needed is not there.

` + exitCodes
}

// keyReport is a line of check.
type keyReport struct {
	models.KeyUse
	Path    string `json:"path,omitempty"` // "": it is not there
	Version *int   `json:"version"`        // 0 is the active one; null: it is not there
}

func (c *secretsCheckCmd) Run(e *env) error {
	ring, err := c.needKeys()
	if err != nil {
		return err
	}
	use, active, err := c.use(e)
	if err != nil {
		return err
	}
	var list []keyReport
	for _, k := range ring.All() {
		r := keyReport{KeyUse: models.KeyUse{Fingerprint: k.Fingerprint}, Path: absolute(k.Path), Version: &k.Version}
		if i := slices.IndexFunc(use, func(u models.KeyUse) bool { return u.Fingerprint == k.Fingerprint }); i >= 0 {
			r.KeyUse = use[i]
			use = slices.Delete(use, i, i+1)
		}
		list = append(list, r)
	}
	gone := absent(use, active, ring)
	if len(gone) > 0 {
		return fmt.Errorf("check server keys: the database in %s depends on %s, not in %s. %s", absolute(c.Data), named(gone), absolute(ring.Dir),
			"Put it back; if it is gone for good, see 'zencrypt secrets init --lost'")
	}
	for _, u := range use {
		list = append(list, keyReport{KeyUse: u})
	}
	if active == "" {
		e.warn(fmt.Sprintf("there is no database in %s, so nobody knows what depends on them. Name the server's data directory with --data", absolute(c.Data)))
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"directory": absolute(ring.Dir), "keys": list})
	}
	for _, r := range list {
		state := "lost  "
		switch {
		case r.Version != nil && *r.Version == 0:
			state = "active"
		case r.Version != nil:
			state = fmt.Sprintf("older  %d", *r.Version)
		}
		if _, err := fmt.Fprintf(e.stdout, "%s  %-8s  %6d accounts  %6d given-up logins  %s\n", r.Fingerprint, strings.TrimSpace(state), r.Accounts, r.RetiredLogins, r.Path); err != nil {
			return err
		}
	}
	return nil
}

type secretsFingerprintCmd struct {
	keyPlace `embed:""`
}

// Help is the long text of `zencrypt secrets show-fingerprint --help`.
func (secretsFingerprintCmd) Help() string {
	return `One key a line, the active one first: its fingerprint and its file. A backup names the fingerprint that it needs.

` + exitCodes
}

func (c *secretsFingerprintCmd) Run(e *env) error {
	ring, err := c.needKeys()
	if err != nil {
		return err
	}
	for _, k := range ring.All() {
		if _, err := fmt.Fprintf(e.stdout, "%s  %s\n", k.Fingerprint, absolute(k.Path)); err != nil {
			return err
		}
	}
	return nil
}
