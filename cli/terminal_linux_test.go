package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for a program on a busy machine.
const patience = 2 * time.Minute

// A person sits at a terminal on which the built program runs.
type person struct {
	t      *testing.T
	cmd    *exec.Cmd
	master *os.File
	slave  *os.File
	out    bytes.Buffer // standard output, when it is no terminal
	errs   bytes.Buffer // standard error, when it is no terminal

	mu   sync.Mutex
	seen []byte // on the screen
	from int    // where the next look begins

	more chan struct{} // tells that something new is to be seen
}

// What the program has of the terminal beside /dev/tty.
const (
	screenOut = 1 << iota // standard output
	screenErr             // standard error
	screenIn              // standard input; otherwise it is empty
)

// sit starts the built program in dir under a terminal of its own.
func sit(t *testing.T, dir string, screen int, args ...string) *person {
	t.Helper()
	bin := built(t)
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("left out, for want of a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	p := &person{t: t, master: master, slave: slave, cmd: exec.Command(bin, args...), more: make(chan struct{}, 1)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.out, &p.errs
	if screen&screenOut != 0 {
		p.cmd.Stdout = slave
	}
	if screen&screenErr != 0 {
		p.cmd.Stderr = slave
	}
	if screen&screenIn != 0 {
		p.cmd.Stdin = slave
	}
	p.cmd.ExtraFiles = []*os.File{slave}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go p.look()
	return p
}

func (p *person) look() {
	b := make([]byte, 4096)
	for {
		n, err := p.master.Read(b)
		p.mu.Lock()
		p.seen = append(p.seen, b[:n]...)
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// screen is all that was to be seen so far.
func (p *person) screen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.seen)
}

// waits until a text stands on the screen, after the one that was waited for before.
func (p *person) waits(text string) {
	p.t.Helper()
	late := time.After(patience)
	for {
		p.mu.Lock()
		i := bytes.Index(p.seen[p.from:], []byte(text))
		if i >= 0 {
			p.from += i + len(text)
		}
		p.mu.Unlock()
		if i >= 0 {
			return
		}
		select {
		case <-p.more:
		case <-late:
			_ = p.cmd.Process.Kill()
			p.t.Fatalf("the screen does not show %q:\n%q\nstandard error: %s", text, p.screen(), p.errs.String())
		}
	}
}

func (p *person) types(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, text); err != nil {
		p.t.Fatal(err)
	}
}

// leaves waits for the program's end, and looks whether the terminal is as it was.
func (p *person) leaves(want int) {
	p.t.Helper()
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	var ended *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &ended) {
		p.t.Fatal(err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		p.t.Errorf("exit %d, want %d\nscreen: %q\nstandard error: %s", got, want, p.screen(), p.errs.String())
	}
	if !p.echoes() {
		p.t.Error("the terminal was left without echo")
	}
}

// echoes tells whether the terminal shows what is typed and minds lines and Ctrl+C.
func (p *person) echoes() bool {
	termios, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	const all = unix.ECHO | unix.ICANON | unix.ISIG
	return termios.Lflag&all == all
}

// hides tests that a secret stood nowhere: not on the screen, and not in the outputs.
func (p *person) hides(secret string) {
	p.t.Helper()
	for where, text := range map[string]string{"the screen": p.screen(), "standard output": p.out.String(), "standard error": p.errs.String()} {
		if strings.Contains(text, secret) {
			p.t.Errorf("%s shows a secret:\n%s", where, text)
		}
	}
}

// holds compares what lies in a folder.
func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("the folder holds %q, want %q", names, want)
	}
}

const (
	newPrompt = "New passphrase (leave empty to have one made): "
	typed     = "typed, not shown"
)

// table is a folder with an input and keys.
func table(t *testing.T) (dir, keys string) {
	dir = t.TempDir()
	put(t, dir, "in", hello)
	return dir, makeFixtures(t)
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTerminal_Choose(t *testing.T) {
	t.Run("Twice", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "in", hello)
		p := sit(t, dir, 0, "encrypt", "-p", "-o", "out", "in")
		p.waits(newPrompt)
		p.types(typed + "\r")
		p.waits("Again: ")
		p.types(typed + "\r")
		p.leaves(0)
		p.hides(typed)
		opens(t, dir, typed)
	})
	t.Run("Differing", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "in", hello)
		p := sit(t, dir, 0, "encrypt", "-p", "-o", "out", "in")
		p.waits(newPrompt)
		p.types(typed + "\r")
		p.waits("Again: ")
		p.types(typed + ".\r")
		p.leaves(1)
		p.hides(typed)
		has(t, p.errs.String(), "the two differ. Nothing was written")
		holds(t, dir, "in")
	})
	t.Run("Made", func(t *testing.T) {
		dir := t.TempDir()
		put(t, dir, "in", hello)
		p := sit(t, dir, 0, "encrypt", "-p", "-a", "in")
		p.waits(newPrompt)
		p.types("\r")
		p.waits("shown only now:")
		p.leaves(0)
		words := regexp.MustCompile(`\n +((?:[a-z-]+[ -]){9}[a-z-]+)\r?\n`).FindStringSubmatch(p.screen())
		if words == nil {
			t.Fatalf("the screen shows no ten words:\n%s", p.screen())
		}
		if strings.Contains(p.out.String()+p.errs.String(), words[1]) {
			t.Error("the words stand beside the terminal too")
		}
		put(t, dir, "out", p.out.String())
		opens(t, dir, words[1])
	})
}

// opens decrypts "out" with a passphrase that is typed.
func opens(t *testing.T, dir, pass string) {
	t.Helper()
	p := sit(t, dir, 0, "decrypt", "out")
	p.waits("Passphrase for out: ")
	p.types(pass + "\r")
	p.leaves(0)
	p.hides(pass)
	if p.out.String() != hello {
		t.Errorf("it opens to %q", p.out.String())
	}
}

// TestTerminal_CtrlC: in the middle of an answer it ends the program at once, and the terminal is as it was.
func TestTerminal_CtrlC(t *testing.T) {
	dir, keys := table(t)
	for name, tt := range map[string]struct {
		prompt string
		args   []string
	}{
		"Encrypt":   {newPrompt, []string{"encrypt", "-p", "-o", "out", "in"}},
		"Decrypt":   {"Passphrase for low.age: ", []string{"decrypt", "-o", "out", keys + "/low.age"}},
		"TwoKeys":   {"Passphrase for the key in ", []string{"decrypt", "-i", keys + "/locked.key", "-i", keys + "/locked.armored.key", "-o", "out", "sealed"}},
		"TwoInputs": {"Passphrase for low.age: ", []string{"decrypt", "--out-dir", ".", keys + "/low.age", keys + "/modern.gpg"}},
		"PGP":       {"Passphrase for ", []string{"sign", "-k", keys + "/p256.locked.asc", "-o", "out", "in"}},
		"Keygen":    {newPrompt, []string{"keygen", "-p", "-o", "out"}},
		"Password":  {newPrompt, []string{"password", "hash"}},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, stderr := runBuilt(t, dir, nil, "encrypt", "-R", keys+"/age.pub", "-o", "sealed", "in"); code != 0 {
				t.Fatal(stderr)
			}
			p := sit(t, dir, 0, tt.args...)
			p.waits(tt.prompt)
			if p.echoes() {
				t.Error("the terminal shows what is typed")
			}
			p.types("half of it\x03")
			p.leaves(1)
			p.hides("half of it")
			if got := p.errs.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "interrupted") {
				t.Errorf("standard error: %q", got)
			}
			holds(t, dir, "in", "sealed")
		})
	}
}

func TestTerminal_Wrong(t *testing.T) {
	dir, keys := table(t)
	p := sit(t, dir, 0, "decrypt", "-o", "out", keys+"/low.age")
	p.waits("Passphrase for low.age: ")
	p.types("wrong one\r")
	p.leaves(3)
	p.hides("wrong one")
	has(t, p.errs.String(), "wrong passphrase")
	holds(t, dir, "in")

	// Ctrl+D is no answer, and no wish for a passphrase that is made.
	for prompt, args := range map[string][]string{"Passphrase for low.age: ": {"decrypt", "-o", "out", keys + "/low.age"}, newPrompt: {"encrypt", "-p", "-o", "out", "in"}} {
		p = sit(t, dir, 0, args...)
		p.waits(prompt)
		p.types("\x04")
		p.leaves(1)
		has(t, p.errs.String(), "it is empty")
		holds(t, dir, "in")
	}
}

// TestTerminal_Binary: nothing that would garble a terminal goes there, unless somebody insists.
func TestTerminal_Binary(t *testing.T) {
	dir, keys := table(t)
	seal := func(name, content string) {
		put(t, dir, "plain", content)
		if code, _, stderr := runBuilt(t, dir, nil, "encrypt", "-R", keys+"/age.pub", "-o", name, "plain"); code != 0 {
			t.Fatal(stderr)
		}
	}
	seal("text", "Grüße, 日本\n")
	for name, content := range map[string]string{"escape": "a\x1b[31mb", "nul": "a\x00b", "c1": "a\u009b31mb", "bytes": "a\xffb"} {
		seal(name, content)
	}
	for _, tt := range []struct {
		code int
		says string
		args []string
	}{
		{2, "the result is binary", []string{"encrypt", "-R", keys + "/age.pub", "in"}},
		{0, "BEGIN AGE ENCRYPTED FILE", []string{"encrypt", "-R", keys + "/age.pub", "-a", "in"}},
		{0, "gAAAA", []string{"encrypt", "-i", keys + "/fernet.key", "in"}},
		{0, "age-encryption.org/v1", []string{"encrypt", "-R", keys + "/age.pub", "-o", "-", "in"}},
		{2, "a signature is binary", []string{"sign", "-k", keys + "/bob.asc", "in"}},
		{0, "Grüße, 日本\r\n", []string{"decrypt", "-i", keys + "/age.key", "text"}},
		{1, "the output is binary", []string{"decrypt", "-i", keys + "/age.key", "escape"}},
		{1, "the output is binary", []string{"decrypt", "-i", keys + "/age.key", "nul"}},
		{1, "the output is binary", []string{"decrypt", "-i", keys + "/age.key", "c1"}},
		{1, "the output is binary", []string{"decrypt", "-i", keys + "/age.key", "bytes"}},
		{0, "a\x00b", []string{"decrypt", "-i", keys + "/age.key", "-o", "-", "nul"}},
	} {
		p := sit(t, dir, screenOut|screenErr, tt.args...)
		p.leaves(tt.code)
		p.waits(tt.says)
		if tt.code != 0 && regexp.MustCompile(`[\x1b\x00\x{9b}\x{fffd}]`).MatchString(p.screen()) {
			t.Errorf("%q: the screen got %q", tt.args, p.screen())
		}
	}
}

// TestTerminal_Typed: what is typed as the input is no place for progress, and Ctrl+D ends it.
func TestTerminal_Typed(t *testing.T) {
	dir, keys := table(t)
	p := sit(t, dir, screenIn|screenOut|screenErr, "encrypt", "-R", keys+"/age.pub", "-a", "-o", "out")
	for range 3 {
		p.types("a line\r")
		p.waits("a line\r\n")
	}
	p.types("\x04")
	p.leaves(0)
	if got := p.screen(); got != strings.Repeat("a line\r\n", 3) {
		t.Errorf("the screen shows %q", got)
	}
}
