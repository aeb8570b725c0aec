package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"zencrypt/config"
	"zencrypt/migrations"
	"zencrypt/models"
)

// visit is one run of the doctor: what the checks know together, and what the one that runs has found.
type visit struct {
	e       *env
	cfg     config.Config
	root    string // "" but in tests and images
	deep    bool
	running bool // a server works on the data
	service bool // it is looked at by the settings of the installed service
	pid     int  // its process, 0 where that can't be told
	now     time.Time
	found   []diagnosis
	tells   bool // what is bad about the database is told by a check of its own

	inspected *models.Inspection
}

func (v *visit) add(d diagnosis) { v.found = append(v.found, d) }

func (v *visit) ok(format string, args ...any) {
	v.add(diagnosis{Level: levelOK, Text: fmt.Sprintf(format, args...)})
}

func (v *visit) note(do, format string, args ...any) {
	v.add(diagnosis{Level: levelNote, Text: fmt.Sprintf(format, args...), Do: do})
}

func (v *visit) bad(do, format string, args ...any) {
	v.add(diagnosis{Level: levelBad, Text: fmt.Sprintf(format, args...), Do: do})
}

// untold says what can't be known, since the database is not to be read. Why stands with its own check.
func (v *visit) untold(what string) {
	say, do := v.bad, "zencrypt doctor --check database"
	if v.tells {
		say, do = v.note, "see what is bad about the database"
	}
	say(do, "%s can't be told: the database can't be read, or not by this version", what)
}

func (v *visit) path(p string) string { return filepath.Join(v.root, p) }

// visit settles what is looked at.
func (c *doctorCmd) visit(e *env) (*visit, error) {
	v := &visit{e: e, root: c.Root, deep: c.Deep, now: time.Now()}
	cfg, settings, installed := config.Config(c.Server), c.Settings, false
	if _, named := os.LookupEnv("ZENCRYPT_DATA"); settings == "" && !named && cfg.Data == config.Default().Data && !models.Exists(cfg.Data) && unitFile(v.root) != "" {
		installed = true
		if _, err := os.Stat(v.path(systemEnv)); err == nil {
			settings = v.path(systemEnv)
		}
	}
	if settings != "" {
		var err error
		if cfg, err = withSettings(cfg, settings); err != nil {
			return nil, err
		}
	}
	if installed && cfg.Data == config.Default().Data { // the settings name no other
		cfg.Data = v.path(systemData)
	}
	v.cfg, v.service = cfg.Settled(), installed
	if err := v.cfg.Validate(); err != nil {
		return nil, &usageError{err}
	}
	if found, err := models.Find(v.cfg.Data); err != nil || !found {
		return nil, fmt.Errorf("find database: there is none in %s, or it is not for you to see. Name the server's data directory with --data or ZENCRYPT_DATA, and run this as its user or as root", absolute(v.cfg.Data))
	}
	var err error
	v.running, v.pid, err = v.holder(filepath.Join(v.cfg.Data, lockFile))
	return v, err
}

// withSettings takes from a file of NAME=value lines what neither a flag nor a variable says.
func withSettings(cfg config.Config, path string) (config.Config, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return cfg, fmt.Errorf("read settings: %w", err)
	}
	var args []string
	var fields []int
	given, standard := reflect.ValueOf(&cfg).Elem(), reflect.ValueOf(config.Default())
	for line := range strings.Lines(string(content)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		for i := range given.NumField() {
			tag := given.Type().Field(i).Tag
			_, named := os.LookupEnv(name)
			if tag.Get("env") == name && !named && fmt.Sprint(given.Field(i)) == fmt.Sprint(standard.Field(i)) {
				args, fields = append(args, "--"+tag.Get("name")+"="+strings.Trim(value, `"'`)), append(fields, i)
			}
		}
	}
	var read config.Config
	parser, err := kong.New(&struct{ *config.Config }{&read}, kong.Exit(func(int) {}))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if err != nil {
		return cfg, &usageError{fmt.Errorf("read settings %s: %w", path, err)}
	}
	for _, i := range fields {
		given.Field(i).Set(reflect.ValueOf(read).Field(i))
	}
	return cfg, nil
}

// holder tells whether a server holds the lock of the data, and its process where that can be told. The kernel lists
// who holds which lock; where that list is not to be had, the lock is tried and given back at once.
func (v *visit) holder(path string) (held bool, pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, fmt.Errorf("look whether the server runs: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, 0, fmt.Errorf("look whether the server runs: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		if pid := flockOf(v.path("/proc/locks"), uint64(st.Ino)); pid > 0 {
			return true, pid, nil
		}
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return true, 0, nil
	}
	return false, 0, nil
}

// flockOf finds the process that holds a lock of flock(2) on a file, by the file's inode: the device is another one
// than stat's on some file systems. 0: none is listed.
func flockOf(locks string, inode uint64) int {
	content, err := os.ReadFile(locks)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // 1: FLOCK ADVISORY WRITE 4242 08:01:131 0 EOF
		if len(f) < 6 || f[1] != "FLOCK" || f[3] != "WRITE" {
			continue
		}
		at := strings.Split(f[5], ":")
		if n, err := strconv.ParseUint(at[len(at)-1], 10, 64); err != nil || n != inode {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// inspection looks at the databases, once.
func (v *visit) inspection() (*models.Inspection, error) {
	if v.inspected != nil {
		return v.inspected, nil
	}
	main, err := migrations.Main()
	if err != nil {
		return nil, err
	}
	sessions, err := migrations.Sessions()
	if err != nil {
		return nil, err
	}
	v.inspected, err = models.Inspect(v.e.ctx, models.InspectOptions{Dir: v.cfg.Data, Running: v.running, Deep: v.deep, Main: main, Sessions: sessions})
	return v.inspected, err
}
