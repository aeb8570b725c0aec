package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/dustin/go-humanize"

	"zencrypt/backup"
	"zencrypt/config"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/models"
)

type backupCmd struct {
	Data           string      `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" help:"Directory of the databases and the encrypted files."`
	Out            string      `name:"output" short:"o" env:"ZENCRYPT_BACKUP_TO" required:"" placeholder:"FILE|DIR" help:"Where to: a file, which appears whole or not at all; a folder, which is brought up to date; '-' is standard output."`
	Recipient      []string    `name:"recipient" short:"r" env:"ZENCRYPT_BACKUP_RECIPIENT" sep:"none" placeholder:"KEY" help:"Encrypt to a public key of age or SSH. Can be given several times."`
	RecipientsFile []string    `name:"recipients-file" short:"R" env:"ZENCRYPT_BACKUP_RECIPIENTS_FILE" sep:"none" placeholder:"FILE" help:"Encrypt to the public keys of age and SSH in FILE, one a line. Can be given several times."`
	MinFreeDisk    config.Size `name:"min-free-disk" env:"ZENCRYPT_MIN_FREE_DISK" default:"1GiB" placeholder:"SIZE" help:"Refuse when the copy of the database would leave less free disk in --data than five eighths of this, as 'serve' has it: below half of it a server saves nothing."`
	Keep           int         `name:"keep" env:"ZENCRYPT_BACKUP_KEEP" placeholder:"N" help:"Write a file with a name of its own into the folder -o names, and keep the N newest of them."`
}

// Help is the long text of `zencrypt backup --help`.
func (backupCmd) Help() string {
	return `Examples:

    zencrypt backup -o /mnt/usb/zencrypt.tar
    zencrypt backup -o /mnt/usb/zencrypt/ -R admins.txt
    zencrypt backup -o /var/backups/zencrypt --keep 14 -r age1...
    zencrypt backup -o - -r age1... | ssh elsewhere 'cat > zencrypt.tar.age'

The server may run meanwhile and needs not be told. A backup holds all that was acknowledged before it began: the
database, the files of the vault and a manifest with their SHA-256. Sessions and results that wait are not in it,
nor is the server key: keep a copy of that apart.

It needs room in DATA for one more copy of the database beside five eighths of what 'serve' wants to stay free, and is refused without.

With --keep, backups whose names are of a time to come are kept and not counted, and the exit code is 1: a clock was wrong.

With a folder only files that are new are written, and the backup that stood there counts until the new one is whole.
A name that ends with / is one, and so is a folder that is there.

What people keep is sealed in a backup as it is in the data. Logins, sizes and times are not: encrypt with -r or -R
what leaves the machine. The private key for it belongs on another machine.

` + exitCodes
}

func (c *backupCmd) Run(e *env) error {
	for _, name := range config.Unknown(os.Environ()) { // such as one that was to name the recipients
		e.warn(name + " is no setting and changes nothing")
	}
	seal, err := c.seal(e)
	if err != nil {
		return err
	}
	if err := c.outside(); err != nil {
		return err
	}
	run, err := newBackupRun(e, c.Data)
	if err != nil {
		return err
	}
	defer run.close()
	run.floor = int64(c.MinFreeDisk)
	var m *backup.Manifest
	switch {
	case c.Keep < 0:
		return &usageError{errors.New("set --keep: give a number of 1 or more")}
	case c.Keep > 0:
		m, err = c.dated(e, run, seal)
	case c.Out != stdinName && isFolder(c.Out):
		m, err = c.folder(e, run, seal)
	default:
		m, err = c.file(e, run, seal, c.Out)
	}
	if err != nil {
		return err
	}
	return run.done(m, seal.For != "")
}

// isFolder tells whether a name is that of a folder, or is meant as one.
func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir() || err != nil && strings.HasSuffix(name, string(filepath.Separator))
}

// outside refuses a backup in the data directory: it would be lost with it, and a folder's files there mistaken for
// what they were copied from.
func (c *backupCmd) outside() error {
	cfg := config.Config{Data: c.Data}
	if resolved, err := filepath.EvalSymlinks(c.Data); err == nil {
		cfg.Data = resolved
	}
	if c.Out != stdinName && cfg.InData(follow(filepath.Clean(c.Out))) {
		return &usageError{fmt.Errorf("write %s: it lies in the data directory, and would be lost with it; name another place with -o", c.Out)}
	}
	return nil
}

// seal encrypts to the recipients that were named, if any.
func (c *backupCmd) seal(e *env) (backup.Seal, error) {
	var to []age.Recipient
	said := sha256.New()
	for _, text := range c.Recipient {
		r, err := e.keyFile("-r", passphrases{}).Recipient(text)
		if err != nil {
			return backup.Seal{}, &codeError{exitError, err}
		}
		to = append(to, r)
		fmt.Fprintf(said, "%d:%s", len(text), text)
	}
	for _, name := range c.RecipientsFile {
		data, err := e.readSmall(name, maxKeyFile)
		if err != nil {
			return backup.Seal{}, err
		}
		keys, err := e.keyFile(name, passphrases{}).Public(data)
		if err != nil {
			return backup.Seal{}, inFile(name, err)
		}
		if len(keys.PGP) > 0 || len(keys.Age) == 0 {
			return backup.Seal{}, &usageError{fmt.Errorf("read %s: backups are encrypted to keys of age or SSH only", name)}
		}
		to = append(to, keys.Age...)
		fmt.Fprintf(said, "%d:%s", len(data), data)
	}
	if len(to) == 0 {
		return backup.Seal{}, nil
	}
	target := crypto.Target{Recipients: to, Workers: agefile.Workers()}
	if err := target.Check(time.Now()); err != nil {
		return backup.Seal{}, &usageError{err}
	}
	return backup.Seal{
		Wrap: func(w io.Writer) (io.WriteCloser, error) { return crypto.Encrypt(w, target, time.Now()) },
		For:  hex.EncodeToString(said.Sum(nil)[:16]),
	}, nil
}

// file writes an archive.
func (c *backupCmd) file(e *env, run *backupRun, seal backup.Seal, path string) (*backup.Manifest, error) {
	if path == stdinName && seal.Wrap == nil && isTerminal(e.stdout) {
		return nil, &usageError{errors.New("write to terminal: a backup is binary; name a file with -o")}
	}
	var made *backup.Manifest
	err := e.deliver(path, outputOptions{mode: 0o600}, func(w io.Writer) error {
		out := io.WriteCloser(keepOpen{w})
		if seal.Wrap != nil {
			var err error
			if out, err = seal.Wrap(w); err != nil {
				return err
			}
		}
		m, err := run.write(backup.NewArchive(out, run.began))
		if err != nil {
			return err
		}
		made = m
		return out.Close()
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

// folder brings a folder up to date.
func (c *backupCmd) folder(e *env, run *backupRun, seal backup.Seal) (*backup.Manifest, error) {
	f, err := backup.OpenFolder(filepath.Clean(c.Out), run.began, seal)
	if err != nil {
		if errors.Is(err, backup.ErrForeign) {
			return nil, &usageError{err}
		}
		return nil, err
	}
	defer f.Close()
	f.Step = models.Failpoint
	return answer(e.ctx, func() (*backup.Manifest, error) { return run.write(f) })
}

// dated writes an archive whose name is its time, and then removes the oldest of its kind.
func (c *backupCmd) dated(e *env, run *backupRun, seal backup.Seal) (*backup.Manifest, error) {
	if info, err := os.Stat(c.Out); err != nil || !info.IsDir() {
		return nil, &usageError{fmt.Errorf("write %s: --keep needs a folder that is there", c.Out)}
	}
	name := "zencrypt-" + run.began.Format(datedForm) + ".tar"
	if seal.Wrap != nil {
		name += ".age"
	}
	m, err := c.file(e, run, seal, filepath.Join(c.Out, name))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(c.Out)
	if err != nil {
		return nil, fmt.Errorf("remove old backups: %w", bare(err))
	}
	// The one that was just made stays, and so does what a clock that was ahead has named: those would sort last for ever.
	var old []string
	for _, entry := range entries { // by name, which is by time
		at, ok := datedBackup(entry.Name())
		switch {
		case !ok || !entry.Type().IsRegular() || entry.Name() == name:
		case at.After(time.Now()):
			run.ahead = append(run.ahead, entry.Name())
		default:
			old = append(old, entry.Name())
		}
	}
	slices.Reverse(old)
	for _, name := range old[min(c.Keep-1, len(old)):] {
		if err := os.Remove(filepath.Join(c.Out, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove old backup %s: %w", name, bare(err))
		}
	}
	return m, nil
}

const datedForm = "20060102T150405Z"

// datedBackup tells when a backup with a name of dated's was begun.
func datedBackup(name string) (at time.Time, ok bool) {
	text, tar := strings.CutSuffix(strings.TrimSuffix(name, ".age"), ".tar")
	text, ours := strings.CutPrefix(text, "zencrypt-")
	at, err := time.Parse(datedForm, text)
	return at, tar && ours && err == nil && at.Format(datedForm) == text
}

// summary is a line for people.
func summary(m *backup.Manifest) string {
	blobs := 0
	for _, f := range m.Files {
		if _, ok := backup.BlobID(f.Name); ok && !f.Spare {
			blobs++
		}
	}
	return fmt.Sprintf("the database and %s files of the vault, %s", humanize.Comma(int64(blobs)), humanize.IBytes(uint64(m.Bytes())))
}

// keysOf is how the server keys that a backup needs are named to people.
func keysOf(h backup.Head) string {
	if len(h.ServerKeys) == 0 {
		return "no server key"
	}
	return "server key " + oneLine(strings.Join(h.ServerKeys, " and "))
}
