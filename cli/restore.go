package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zencrypt/backup"
	"zencrypt/blobs"
	"zencrypt/config"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/models"
	"zencrypt/secrets"
)

type restoreCmd struct {
	Src         string   `arg:"" name:"src" help:"The backup: a file, a folder, or '-' for a file on standard input."`
	Data        string   `name:"data" placeholder:"DIR" help:"Where to: an empty directory, or one that is not there."`
	Check       bool     `name:"check" help:"Read the backup through: every digest, and the whole database, which is copied to $TMPDIR for it."`
	Identity    []string `name:"identity" short:"i" sep:"none" placeholder:"FILE" help:"File of the private key that opens an encrypted backup. Can be given several times."`
	passphrases `embed:""`
	secretsPlace
}

// secretsPlace is where a server key may be, for commands that can do without one.
type secretsPlace struct {
	Secrets       string        `name:"secrets" env:"ZENCRYPT_SECRETS" placeholder:"DIR" help:"Directory of the server key; looked for as 'serve' does."`
	ServerKeyFile string        `name:"server-key-file" env:"ZENCRYPT_SERVER_KEY_FILE" placeholder:"FILE" help:"File of the server key, instead of --secrets."`
	SharedSecrets config.Switch `name:"shared-secrets" env:"ZENCRYPT_SHARED_SECRETS" default:"off" placeholder:"on|off" help:"Accept a server key that other users of this machine can read."`
}

// Help is the long text of `zencrypt restore --help`.
func (restoreCmd) Help() string {
	return `Examples:

    zencrypt restore --check zencrypt.tar
    zencrypt restore --check -i admin.key zencrypt.tar.age
    zencrypt restore -i admin.key zencrypt.tar.age --data /var/lib/zencrypt

Everything is checked against its SHA-256 while it is copied, the database is read through (PRAGMA integrity_check), and
all only takes its place when it was right: a backup that was changed, by a single bit, leaves nothing behind. What a
backup says of itself is checked, not who made it. --check does the same with the database in a folder of its own in
$TMPDIR, which is removed after: as sealed as in the data, and it needs the room.

No server can be started on a directory while it is restored to, or when that was cut short: empty it then, and begin
again.

The server key is not in a backup. This says which one is needed, by its fingerprint, and whether the one that
'serve' would find is it. Put it back before the server starts. Without it no password opens an account; recovery
codes still do, see 'zencrypt secrets init --lost'.

Passwords and recovery codes are those of the day of the backup, and the account page says so. All sessions are ended.
The files of an encrypted folder are checked without -i as they are stored, and its database is then not looked into.

` + exitCodes
}

func (c *restoreCmd) Run(e *env) error {
	if c.Check == (c.Data != "") {
		return &usageError{errors.New("restore: give --data DIR to restore into, or --check to look only")}
	}
	if err := onlyOnce(c.passphrases, []string{c.Src}, c.Identity...); err != nil {
		return err
	}
	keys, err := e.privateKeys(c.Identity, c.passphrases)
	if err != nil {
		return err
	}
	if c.Check {
		m, err := c.check(e, keys)
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "Whole: %s, of %s, version %s.\n", summary(m), m.Time.Format(time.RFC3339), oneLine(m.Version))
		c.tell(e, m)
		return nil
	}
	m, err := c.restore(e, keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Restored to %s: %s, of %s.\n", absolute(c.Data), summary(m), m.Time.Format(time.RFC3339))
	c.tell(e, m)
	return nil
}

// tell says which server key is needed, and whether the one at hand is it.
func (c *restoreCmd) tell(e *env, m *backup.Manifest) {
	if m.Missing > 0 {
		e.warn(fmt.Sprintf("%d files of the vault were missing already when the backup was made", m.Missing))
	}
	fmt.Fprintf(e.stdout, "It needs %s.\n", keysOf(m.Head))
	dir, found := secrets.Find(config.Config{Secrets: c.Secrets, ServerKeyFile: c.ServerKeyFile}.SecretsAt(), os.Getenv, "")
	if !found {
		fmt.Fprintf(e.stdout, "There is no server key in %s: put it there before the server starts.\n", absolute(dir))
		return
	}
	ring, err := secrets.Load(dir, secrets.LoadOptions{AllowShared: bool(c.SharedSecrets) || secrets.Mounted(dir, os.Getenv, "")})
	if err != nil {
		e.warn(err.Error())
		return
	}
	var missing []string
	for _, fp := range m.ServerKeys {
		if _, ok := ring.ByFingerprint(fp); !ok {
			missing = append(missing, fp)
		}
	}
	if len(missing) == 0 {
		fmt.Fprintf(e.stdout, "The server key in %s is the right one.\n", absolute(dir))
		return
	}
	e.warn(fmt.Sprintf("the server key in %s is %s, and %s is needed: put that back before the server starts", absolute(dir), ring.Active.Fingerprint, strings.Join(missing, " and ")))
}

// read reads the backup, of whichever form.
func (c *restoreCmd) read(e *env, keys crypto.Keys, accept backup.Accept) (*backup.Manifest, error) {
	unseal := func(r io.Reader) (io.Reader, error) {
		if len(keys.Age) == 0 {
			return nil, &codeError{exitNoKey, backup.ErrSealed}
		}
		return crypto.Decrypt(r, keys, crypto.Options{Format: crypto.FormatAge, MaxWorkFactor: agefile.CommandMaxWorkFactor, Strict: true, Workers: agefile.Workers()})
	}
	m, err := answer(e.ctx, func() (*backup.Manifest, error) {
		if info, err := os.Stat(c.Src); c.Src != stdinName && err == nil && info.IsDir() {
			var open backup.Unseal
			if len(keys.Age) > 0 {
				open = unseal
			}
			return backup.ReadFolder(c.Src, open, accept)
		}
		return c.readFile(e, unseal, accept)
	})
	switch {
	case errors.Is(err, backup.ErrDamaged):
		return nil, &codeError{exitDamaged, err}
	case errors.Is(err, backup.ErrFormat):
		return nil, &codeError{exitFormat, err}
	case errors.Is(err, backup.ErrSealed):
		return nil, &codeError{exitNoKey, err}
	}
	return m, err
}

func (c *restoreCmd) readFile(e *env, unseal backup.Unseal, accept backup.Accept) (*backup.Manifest, error) {
	list, err := e.sources([]string{c.Src})
	if err != nil {
		return nil, err
	}
	f, err := e.open(list[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, done := e.progress(list[0], f)
	defer done()
	in := bufio.NewReaderSize(src, 64<<10)
	prefix, err := in.Peek(crypto.Sniff)
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if ok, _ := agefile.Looks(prefix); ok {
		plain, err := unseal(in)
		if err != nil {
			return nil, err
		}
		return backup.ReadArchive(plain, accept)
	}
	return backup.ReadArchive(in, accept)
}

// restoring is the folder, within the one that is restored into, that everything is in until it was checked.
const restoring = "restoring"

// restore fills an empty directory. It holds the server's lock meanwhile.
func (c *restoreCmd) restore(e *env, keys crypto.Keys) (m *backup.Manifest, err error) {
	_, statErr := os.Stat(c.Data)
	made := errors.Is(statErr, fs.ErrNotExist)
	if err := models.MakeDir(c.Data); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	if err := c.empty(); err != nil {
		return nil, err
	}
	_, statErr = os.Lstat(filepath.Join(c.Data, lockFile))
	unlock, err := lock(filepath.Join(c.Data, lockFile))
	if err != nil {
		return nil, err
	}
	defer unlock()
	e.worksOn(c.Data)
	work := filepath.Join(c.Data, restoring)
	defer func() {
		if err != nil {
			_ = os.RemoveAll(work)
			if statErr != nil {
				_ = os.Remove(filepath.Join(c.Data, lockFile))
			}
			if made {
				_ = os.Remove(c.Data)
			}
		}
	}()
	if err := os.Chmod(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("close data directory to others: %w", err)
	}
	if err = os.Mkdir(work, 0o700); err == nil { // from here on no command makes a database beside it, see makeData
		err = os.Mkdir(filepath.Join(work, blobs.Blobs.String()), 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	m, err = c.read(e, keys, func(name string, _ int64) (io.WriteCloser, error) {
		f, err := os.OpenFile(filepath.Join(work, filepath.FromSlash(name)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return synced{f}, err
	})
	if err != nil {
		return nil, err
	}
	if err := c.checked(e, m, work); err != nil {
		return nil, err
	}
	if err := c.empty(restoring); err != nil { // of what came meanwhile, by a command that takes no lock
		return nil, err
	}
	_ = handOver(c.Data) // before anything can use it; Run tells what could not be handed over
	return m, c.place(work)
}

// lostAndFound is in the top of each file system of ext4: a volume that was just made counts as empty.
const lostAndFound = "lost+found"

// empty refuses a directory that holds anything else than a lock, which a server that did not start may have left.
func (c *restoreCmd) empty(but ...string) error {
	entries, err := os.ReadDir(c.Data)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); name != lockFile && name != backupLock && !(name == lostAndFound && entry.IsDir()) && !slices.Contains(but, name) {
			return fmt.Errorf("restore to %s: it is not empty. Name another directory, or move away what is there", c.Data)
		}
	}
	return nil
}

// synced syncs a file when it is closed.
type synced struct{ *os.File }

func (s synced) Close() error { return errors.Join(s.Sync(), s.File.Close()) }

// place moves everything to where it belongs, the database last: until it is there nothing starts with half of it.
func (c *restoreCmd) place(work string) error {
	// SQLite leaves no log behind when the last connection closes.
	left, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	for _, e := range left {
		if !slices.Contains([]string{blobs.Blobs.String(), backup.Database}, e.Name()) {
			return fmt.Errorf("restore: %s was left over", e.Name())
		}
	}
	if err := syncFolder(filepath.Join(work, blobs.Blobs.String())); err != nil {
		return err
	}
	models.Failpoint("restore-checked")
	for _, name := range []string{blobs.Blobs.String(), backup.Database} {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(c.Data, name)); err != nil {
			return fmt.Errorf("restore to %s: %w", c.Data, err)
		}
		if err := syncFolder(c.Data); err != nil {
			return err
		}
		models.Failpoint("restore-place")
	}
	if err := os.Remove(work); !errors.Is(err, fs.ErrNotExist) { // a command that found the database may have been faster
		return err
	}
	return nil
}

func syncFolder(dir string) error {
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("write %s: %w", dir, bare(err))
	}
	return nil
}
