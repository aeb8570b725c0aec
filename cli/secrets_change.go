package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"zencrypt/models"
	"zencrypt/secrets"
)

type secretsRotateCmd struct {
	keyPlace `embed:""`
}

// Help is the long text of `zencrypt secrets rotate --help`.
func (secretsRotateCmd) Help() string {
	return `The new key becomes zencrypt_key and the one before it zencrypt_key.1, or the next number. Restart the server then.
Passwords move to the new key when people log in; 'zencrypt secrets check' counts those that have not. Keep a copy of
the new key, and of the old one until it is removed.

The keys of an installed service lie in ` + systemSecrets + `: run this as root. It also tells systemd of the old one, which
hands over only the files that it is told by name (` + keysDropIn + `). 'secrets remove' takes that back.

Where a platform mounts the secrets, make the files there as it asks for, or name a copy of the directory with
--secrets.

` + exitCodes
}

func (c *secretsRotateCmd) Run(e *env) error {
	ring, err := c.needKeys()
	if err != nil {
		return err
	}
	use, active, err := c.use(e)
	if err != nil {
		return err
	}
	if gone := absent(use, active, ring); len(gone) > 0 {
		return fmt.Errorf("rotate server key: the database in %s depends on %s, not in %s. Put it back first", absolute(c.Data), named(gone), absolute(ring.Dir))
	}
	if c.Secrets == "" && c.ServerKeyFile == "" && secrets.Mounted(ring.Dir, os.Getenv, c.Root) {
		return fmt.Errorf("rotate server key: %s is the platform's. Rotate a copy of it, which you name with --secrets, and give the platform its files", ring.Dir)
	}
	dir := ring.Dir
	if ring, err = secrets.Rotate(ring); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: run this as the user who may write %s", err, absolute(dir))
		}
		return err
	}
	if err := e.tellSystemd(c.Root, dir, ""); err != nil {
		return fmt.Errorf("the server key is exchanged, and the old one is beside it, but systemd does not hand that over yet. Run 'zencrypt install' as root before the server is started again: %w", err)
	}
	old := ring.Older[0]
	fmt.Fprintf(e.stdout, "%s  active   %s\n%s  older %d  %s\n", ring.Active.Fingerprint, absolute(ring.Active.Path), old.Fingerprint, old.Version, absolute(old.Path))
	fmt.Fprintln(e.stderr, "Restart the server (a service: systemctl restart zencrypt), and keep a copy of the new key apart from the copies of the data.")
	return nil
}

type secretsRemoveCmd struct {
	keyPlace `embed:""`
	N        int  `arg:"" name:"n" help:"The version: 1 is zencrypt_key.1."`
	Force    bool `name:"force" help:"Remove it although accounts or given-up logins depend on it."`
	Yes      bool `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of `zencrypt secrets remove --help`.
func (secretsRemoveCmd) Help() string {
	return `An older server key can go when no password and no login that was given up depends on it, as 'zencrypt secrets
check' counts. Logins that were given up never move to a newer key: nobody logs in by them any more.

Two things go by an old key besides, and end with it: an import that was made under it is not known again, so that the
same 'zencrypt import' can tell by the logins alone who is here, and refuses those; and the lines of the server log from then
can't be checked one by one. A line under the key that stays vouches for all of them together, so that 'zencrypt
doctor --log' goes on to tell whether any was changed, and they are forgotten at their time (--log-keep).

--force removes it all the same. The accounts that are left then open with their recovery code only, and the given-up
logins can be registered by others. No server may run then.

` + exitCodes
}

func (c *secretsRemoveCmd) Run(e *env) error {
	ring, err := c.needKeys()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ring.Older, func(k secrets.Key) bool { return k.Version == c.N })
	if i < 0 {
		return fmt.Errorf("remove server key: there is no %s.%d in %s", secrets.KeyFile, c.N, absolute(ring.Dir))
	}
	key := ring.Older[i]
	use, active, err := c.use(e)
	if err != nil {
		return err
	}
	if active == "" {
		return fmt.Errorf("remove server key: there is no database in %s, so nobody knows what depends on it. Name the server's data directory with --data", absolute(c.Data))
	}
	c.worksOn(e)
	// A copy of another key under another name is no key of its own.
	twice := slices.ContainsFunc(ring.All(), func(k secrets.Key) bool { return k.Fingerprint == key.Fingerprint && k.Version != c.N })
	u := slices.IndexFunc(use, func(u models.KeyUse) bool { return u.Fingerprint == key.Fingerprint })
	if !twice && u >= 0 && (use[u].Accounts+use[u].RetiredLogins > 0 || key.Fingerprint == active) {
		if err := c.force(e, ring, use[u], key.Fingerprint == active); err != nil {
			return err
		}
	}
	if !twice {
		if err := c.vouch(ring, []string{key.Fingerprint}); err != nil && !c.Force {
			return fmt.Errorf("remove server key: %w. --force removes it all the same: 'zencrypt doctor --log' can't check its lines then", err)
		} else if err != nil {
			e.warn("the server log has nothing to check the lines of this key by from now on: " + err.Error())
		}
	}
	// Before it is gone: systemd starts nothing while a file that it is told of is not there.
	if err := e.tellSystemd(c.Root, ring.Dir, fmt.Sprintf("%s.%d", secrets.KeyFile, c.N)); err != nil {
		return fmt.Errorf("remove server key: %w. Nothing was removed", err)
	}
	if err := secrets.Remove(ring, c.N); err != nil {
		return err
	}
	if !twice && u >= 0 && use[u].Imported > 0 {
		fmt.Fprintf(e.stderr, "%d accounts that came by an import under this key are known by their logins alone now, should the import be repeated.\n", use[u].Imported)
	}
	if twice {
		fmt.Fprintf(e.stdout, "A second copy of server key %s is removed from %s, which still has it.\n", key.Fingerprint, absolute(ring.Dir))
		return nil
	}
	fmt.Fprintf(e.stdout, "Server key %s is removed from %s. Remove its copies too.\n", key.Fingerprint, absolute(ring.Dir))
	return nil
}

// tellSystemd brings what systemd is told of older keys in line with dir, where that is the folder of an installed
// service. The file except is on its way out.
func (e *env) tellSystemd(root, dir, except string) error {
	if unitFile(root) == "" {
		return nil
	}
	if root != "" {
		root = absolute(root)
	}
	in := e.system(root, false, e.stderr)
	theirs, err := os.Stat(in.path(systemSecrets))
	if err != nil {
		return nil // the service has its keys from elsewhere, which is its operator's to tell
	}
	if ours, err := os.Stat(dir); err != nil || !os.SameFile(ours, theirs) {
		return err
	}
	if err := in.dropIn(except); err != nil {
		return fmt.Errorf("tell systemd of the older server keys: %w", err)
	}
	if !in.live {
		return nil
	}
	return in.run("systemctl", "daemon-reload")
}

// force gives up a key that something depends on: noted first, since a key that is noted and there works as before.
func (c *secretsRemoveCmd) force(e *env, ring *secrets.Keyring, u models.KeyUse, newest bool) error {
	if !c.Force {
		if u.Accounts+u.RetiredLogins == 0 && newest {
			return errors.New("remove server key: the database was last opened with it. Start the server once with the new key")
		}
		return fmt.Errorf("remove server key: %d accounts and %d given-up logins depend on %s. --force removes it, and says what is lost", u.Accounts, u.RetiredLogins, u.Fingerprint)
	}
	unlock, err := lock(filepath.Join(c.Data, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	if !c.Yes {
		if err := e.confirm(consequences("remove", []models.KeyUse{u}), u.Fingerprint); err != nil {
			return err
		}
	}
	return models.LoseServerKeys(e.ctx, c.Data, ring.Active.Fingerprint, []string{u.Fingerprint}, time.Now())
}
