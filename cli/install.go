package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"zencrypt/config"
	"zencrypt/deploy"
	"zencrypt/models"
	"zencrypt/secrets"
)

// Where an installation has its things. The unit names them too.
const (
	installedBinary = "/usr/local/bin/zencrypt"
	packagedBinary  = "/usr/bin/zencrypt"
	systemSecrets   = "/etc/secrets"
	systemEnv       = "/etc/zencrypt.env"
	systemData      = "/var/lib/zencrypt"
	systemUser      = "zencrypt"
	unitName        = "zencrypt.service"
	localUnits      = "/etc/systemd/system"
	packagedUnit    = "/lib/systemd/system/" + unitName
	keysDropIn      = localUnits + "/" + unitName + ".d/keys.conf"
)

// answerTime is how long the server has until it answers.
const answerTime = 20 * time.Second

type installCmd struct {
	DryRun   bool   `name:"dry-run" help:"Print each step and change nothing."`
	NoStart  bool   `name:"no-start" help:"Do not start the server."`
	Packaged bool   `name:"packaged" hidden:"" help:"The program and the unit were put in place by a package."`
	Root     string `name:"root" placeholder:"DIR" help:"Install into the system below DIR, such as an image that is being built. Starts nothing."`
}

// Help is the long text of `zencrypt install --help`.
func (installCmd) Help() string {
	return `Makes a server of this machine, as root on Linux with systemd:

    a user "zencrypt" without a shell
    ` + installedBinary + `, a copy of this very program
    ` + systemSecrets + `/` + secrets.KeyFile + `, the server key, if there is none: keep a copy elsewhere
    ` + systemEnv + `, the settings, if there is none
    ` + localUnits + `/` + unitName + `, and ` + systemData + ` for its data

and starts it. Run it again after an upgrade or a new server key: what is right already stays as it is.

` + exitCodes
}

type uninstallCmd struct {
	DryRun   bool   `name:"dry-run" help:"Print each step and change nothing."`
	Purge    bool   `name:"purge" help:"Delete the data, the server key, the settings and the user too."`
	Yes      bool   `name:"yes" help:"Do not ask before --purge deletes."`
	Packaged bool   `name:"packaged" hidden:"" help:"The program and the unit belong to a package."`
	Root     string `name:"root" placeholder:"DIR" help:"Uninstall from the system below DIR."`
}

// Help is the long text of `zencrypt uninstall --help`.
func (uninstallCmd) Help() string {
	return `Stops the server and removes the unit and the program. The data in ` + systemData + `, the server key in
` + systemSecrets + ` and the settings stay, unless --purge is given, which cannot be taken back.

` + exitCodes
}

// An installer does steps on the system below root, and says each in a line. Steps are written so that doing
// them twice changes nothing.
type installer struct {
	out  io.Writer
	root string
	dry  bool
	live bool // systemd runs here, and this is its system; a dry run of this system takes it so
	ctx  context.Context
}

func (e *env) installer(root string, dry bool) (*installer, error) {
	if os.Geteuid() != 0 && !dry {
		return nil, errors.New("run it as root, such as with sudo; --dry-run shows what it would do")
	}
	if root != "" {
		abs, err := filepath.Abs(root)
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(abs); err != nil || !info.IsDir() {
			return nil, &usageError{fmt.Errorf("use --root %s: it is not a folder", root)}
		}
		root = abs
	}
	info, err := os.Stat("/run/systemd/system") // sd_booted(3)
	return &installer{out: e.stdout, root: root, dry: dry, live: root == "" && (dry || err == nil && info.IsDir()), ctx: e.ctx}, nil
}

func (in *installer) path(p string) string { return filepath.Join(in.root, p) }

// step says what is done, and does it unless this is a dry run.
func (in *installer) step(do func() error, format string, args ...any) error {
	fmt.Fprintf(in.out, "  %s\n", fmt.Sprintf(format, args...))
	if in.dry {
		return nil
	}
	return do()
}

func (in *installer) already(format string, args ...any) {
	fmt.Fprintf(in.out, "  already so: %s\n", fmt.Sprintf(format, args...))
}

// run runs a program of the system.
func (in *installer) run(name string, args ...string) error {
	return in.step(func() error {
		out, err := exec.CommandContext(in.ctx, name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}, "run %s %s", name, strings.Join(args, " "))
}

// write makes or replaces a file, whole or not at all.
func (in *installer) write(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(in.path(path)); err == nil && bytes.Equal(old, content) {
		if info, err := os.Stat(in.path(path)); err == nil && info.Mode().Perm() == mode {
			in.already("%s", path)
			return nil
		}
	}
	return in.step(func() error {
		if err := os.MkdirAll(filepath.Dir(in.path(path)), 0o755); err != nil {
			return err
		}
		f, err := os.CreateTemp(filepath.Dir(in.path(path)), ".zencrypt-*")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		_, err = f.Write(content)
		err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), in.path(path))
		}
		if err == nil {
			err = syncDir(filepath.Dir(in.path(path)))
		}
		return err
	}, "write %s (%04o, %d bytes)", path, mode, len(content))
}

func (in *installer) exists(path string) bool {
	_, err := os.Lstat(in.path(path))
	return err == nil
}

// hasUser looks into the system's own file: that of root, whose users this machine does not know.
func (in *installer) hasUser() bool {
	passwd, err := os.ReadFile(in.path("/etc/passwd"))
	return err == nil && (bytes.HasPrefix(passwd, []byte(systemUser+":")) || bytes.Contains(passwd, []byte("\n"+systemUser+":")))
}

// Run installs.
func (c *installCmd) Run(e *env) error {
	in, err := e.installer(c.Root, c.DryRun)
	if err != nil {
		return err
	}
	if in.root == "" && !in.live && !c.Packaged && !c.DryRun && !in.exists("/lib/systemd/system") && !in.exists("/usr/lib/systemd/system") {
		return errors.New("find systemd: this system has none. Run 'zencrypt serve' under whatever starts services here; docs/OPERATE.md says how")
	}
	if in.hasUser() {
		in.already("user %s", systemUser)
	} else if err := in.addUser(); err != nil {
		return err
	}
	binary := packagedBinary
	if !c.Packaged {
		binary = installedBinary
		if err := in.copyBinary(); err != nil {
			return err
		}
	}
	if err := in.makeKey(); err != nil {
		return err
	}
	if in.exists(systemEnv) {
		in.already("%s", systemEnv)
	} else if err := in.write(systemEnv, []byte(deploy.Env), 0o644); err != nil {
		return err
	}
	if !c.Packaged {
		unit := strings.ReplaceAll(deploy.Unit, packagedBinary+" ", binary+" ")
		if err := in.write(localUnits+"/"+unitName, []byte(unit), 0o644); err != nil {
			return err
		}
	}
	if err := in.dropIn(); err != nil {
		return err
	}
	return in.start(e, c)
}

// addUser makes the user that the server runs as, which owns nothing but the data.
func (in *installer) addUser() error {
	args := []string{"--system", "--user-group", "--home-dir", systemData, "--no-create-home", "--shell", "/usr/sbin/nologin", systemUser}
	if in.root != "" {
		args = append([]string{"--root", in.root}, args...)
	}
	return in.run("useradd", args...)
}

// copyBinary puts this program where the unit starts it from.
func (in *installer) copyBinary() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if self == in.path(installedBinary) {
		in.already("%s, this program", installedBinary)
		return nil
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	return in.write(installedBinary, content, 0o755)
}

// makeKey makes the server key together with a new server, and never beside data that another key belongs to.
func (in *installer) makeKey() error {
	if in.exists(systemSecrets + "/" + secrets.KeyFile) {
		ring, err := secrets.Load(in.path(systemSecrets), secrets.LoadOptions{})
		if err != nil {
			return err
		}
		in.already("server key %s, fingerprint %s", systemSecrets+"/"+secrets.KeyFile, ring.Active.Fingerprint)
		return nil
	}
	if models.Exists(in.path(systemData)) {
		return fmt.Errorf("find server key: there is a database in %s but no %s in %s. Put the key back that was used with it", systemData, secrets.KeyFile, systemSecrets)
	}
	return in.step(func() error {
		ring, err := secrets.Create(in.path(systemSecrets))
		if err != nil {
			return err
		}
		if err := os.Chmod(ring.Active.Path, 0o400); err != nil {
			return err
		}
		fmt.Fprintf(in.out, "    fingerprint %s. Without this file no password opens an account: keep a copy elsewhere,\n    apart from the copies of the data\n", ring.Active.Fingerprint)
		return nil
	}, "make the server key %s/%s (0400)", systemSecrets, secrets.KeyFile)
}

// dropIn names the older server keys to systemd, which hands over only what it is told by name.
func (in *installer) dropIn() error {
	older, err := filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + ".[0-9]*"))
	if err != nil {
		return err
	}
	if len(older) == 0 {
		if !in.exists(keysDropIn) {
			return nil
		}
		return in.step(func() error { return os.Remove(in.path(keysDropIn)) }, "remove %s: there are no older server keys", keysDropIn)
	}
	text := "# Written by `zencrypt install`: older server keys, for accounts that have not logged in since.\n[Service]\n"
	for _, path := range older {
		name := filepath.Base(path)
		text += fmt.Sprintf("LoadCredential=%s:%s/%[1]s\n", name, systemSecrets)
	}
	return in.write(keysDropIn, []byte(text), 0o644)
}

// start hands over to systemd and waits until the server answers.
func (in *installer) start(e *env, c *installCmd) error {
	if in.live {
		if err := in.run("systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	if err := in.systemctl("enable"); err != nil {
		return err
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

// systemctl enables or disables the unit, also in a system that does not run.
func (in *installer) systemctl(verb string, flags ...string) error {
	if !in.live {
		if _, err := exec.LookPath("systemctl"); err != nil {
			return nil // an image without systemd: its own tools start services
		}
	}
	args := append([]string{verb}, flags...)
	if in.root != "" {
		args = append(args, "--root", in.root)
	}
	return in.run("systemctl", append(args, unitName)...)
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

// Run uninstalls.
func (c *uninstallCmd) Run(e *env) error {
	in, err := e.installer(c.Root, c.DryRun)
	if err != nil {
		return err
	}
	if c.Purge && !c.Yes && !c.DryRun {
		if err := confirmPurge(e, in); err != nil {
			return err
		}
	}
	if in.exists(localUnits+"/"+unitName) || in.exists(packagedUnit) {
		var now []string
		if in.live {
			now = []string{"--now"}
		}
		if err := in.systemctl("disable", now...); err != nil {
			return err
		}
	}
	remove := []string{filepath.Dir(keysDropIn)}
	if !c.Packaged {
		remove = append(remove, localUnits+"/"+unitName, installedBinary)
	}
	if c.Purge {
		remove = append(remove, systemData, systemEnv)
		keys, err := filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + "*"))
		if err != nil {
			return err
		}
		for _, key := range keys { // others may have secrets there too
			remove = append(remove, systemSecrets+"/"+filepath.Base(key))
		}
	}
	for _, path := range remove {
		if !in.exists(path) {
			continue
		}
		if err := in.step(func() error { return os.RemoveAll(in.path(path)) }, "remove %s", path); err != nil {
			return err
		}
	}
	if in.live {
		if err := in.run("systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	if !c.Purge {
		fmt.Fprintf(in.out, "Kept: %s, %s, %s and the user %s. 'zencrypt uninstall --purge' deletes them.\n", systemData, systemSecrets+"/"+secrets.KeyFile, systemEnv, systemUser)
		return nil
	}
	if !in.hasUser() {
		return nil
	}
	args := []string{systemUser}
	if in.root != "" {
		args = append([]string{"--root", in.root}, args...)
	}
	return in.run("userdel", args...)
}

// confirmPurge asks for a word that nobody types by habit.
func confirmPurge(e *env, in *installer) error {
	fmt.Fprintf(e.stderr, "This deletes every account, file and key of the server in %s and its server key. Nothing brings them back.\nType delete to go on: ", in.path(systemData))
	line, err := typedLine(e.stdin)
	if err != nil || strings.TrimSpace(string(line)) != "delete" {
		return errors.New("nothing was deleted")
	}
	return nil
}
