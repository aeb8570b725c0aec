package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecrets: no passphrase and no private key stands where other processes or logs find it: not in the arguments
// or the environment of the running program, and not on standard error.
func TestSecrets(t *testing.T) {
	dir, keys := table(t)
	read := func(name string) string {
		b, err := os.ReadFile(keys + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	// A line of dashes alone frames a key; one dash may begin it: Fernet's are base64url (RFC 4648, section 5).
	private := func(name string) string {
		for line := range strings.Lines(read(name)) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "-----") && len(line) > 20 {
				return line
			}
		}
		t.Fatalf("%s: no line of a key", name)
		return ""
	}
	hidden := []string{fixturePass, "something else", private("age.key"), private("pq.key"), private("fernet.key"), private("ssh_ed25519"), private("bob.asc"), private("curve25519.asc")}
	sealed := func(args ...string) string {
		code, out, stderr := runBuilt(t, dir, strings.NewReader(hello), append([]string{"encrypt"}, args...)...)
		if code != 0 {
			t.Fatal(stderr)
		}
		return string(out)
	}
	toAge := sealed("-R", keys+"/age.pub")
	toPGP := sealed("-R", keys+"/curve25519.pub.asc")
	for name, tt := range map[string]struct {
		code  int
		stdin string
		args  []string
	}{
		"Encrypt":           {0, hello, []string{"encrypt", "-i", keys + "/age.key"}},
		"EncryptPassphrase": {0, hello, []string{"encrypt", "--passphrase-file", keys + "/pass", "--format", "pgp"}},
		"EncryptLocked":     {0, hello, []string{"encrypt", "-i", keys + "/locked.key", "--passphrase-file", keys + "/pass"}},
		"EncryptSigned":     {0, hello, []string{"encrypt", "-R", keys + "/bob.pub.asc", "--sign-with", keys + "/p256.locked.asc", "--passphrase-file", keys + "/pass"}},
		"EncryptFernet":     {0, hello, []string{"encrypt", "-i", keys + "/fernet.key"}},
		"Decrypt":           {0, toAge, []string{"decrypt", "-i", keys + "/locked.key", "--passphrase-file", keys + "/pass"}},
		"DecryptPGP":        {0, toPGP, []string{"decrypt", "-o", "out", "-i", keys + "/curve25519.locked.asc", "--passphrase-file", keys + "/pass"}},
		"DecryptWrong":      {3, toAge, []string{"decrypt", "-i", keys + "/locked.key", "--passphrase-file", keys + "/wrong"}},
		"DecryptOther":      {3, toAge, []string{"decrypt", "-i", keys + "/pq.key", "-i", keys + "/ssh_ed25519"}},
		"DecryptNone":       {5, read("age.key"), []string{"decrypt", "-i", keys + "/age.key"}},
		"Sign":              {0, hello, []string{"sign", "-k", keys + "/p256.locked.asc", "--passphrase-file", keys + "/pass"}},
		"InspectKey":        {0, read("bob.asc"), []string{"inspect"}},
		"HMAC":              {0, hello, []string{"hash", "--hmac-key-file", keys + "/fernet.key"}},
		"PrivateAsPublic":   {1, read("age.key"), []string{"encrypt", "-R", "-", "in"}},
		"PrivatePGP":        {1, read("bob.asc"), []string{"encrypt", "-R", "-", "in"}},
		"PrivateSSH":        {1, read("ssh_ed25519"), []string{"encrypt", "-R", "-", "in"}},
		"FernetAsPublic":    {1, read("fernet.key"), []string{"encrypt", "-R", "-", "in"}},
		"CutKey":            {1, read("age.key")[:60], []string{"decrypt", "-i", "-", "in"}},
		"CutPGP":            {1, read("bob.asc")[:400], []string{"decrypt", "-i", "-", "in"}},
		"CutFernet":         {1, read("fernet.key")[:40], []string{"decrypt", "-i", "-", "in"}},
		"CutSSH":            {1, read("ssh_ed25519")[:200], []string{"decrypt", "-i", "-", "in"}},
		"PassphraseAsKey":   {1, read("pass"), []string{"decrypt", "-i", "-", "in"}},
		"PasswordHash":      {0, read("pass"), []string{"password", "hash", "--passphrase-file", "-"}},
		"PasswordVerify":    {5, read("pass"), []string{"password", "verify", "--passphrase-file", keys + "/pass"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(built(t), tt.args...)
			var errs bytes.Buffer
			cmd.Dir, cmd.Stdout, cmd.Stderr = dir, io.Discard, &errs
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// It runs until its input ends. A pipe that holds nothing any more was read from; the last byte is held back.
			half := len(tt.stdin) - 1
			_, _ = io.WriteString(stdin, tt.stdin[:half])
			looked := look(t, cmd.Process.Pid, hidden)
			_, _ = io.WriteString(stdin, tt.stdin[half:])
			stdin.Close()
			var ended *exec.ExitError
			if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.code {
				t.Errorf("exit %d, want %d\n%s", got, tt.code, errs.String())
			}
			if !looked {
				t.Error("nothing was seen of the running program")
			}
			for _, secret := range hidden {
				if strings.Contains(errs.String(), secret) {
					t.Errorf("standard error repeats a secret:\n%s", errs.String())
				}
			}
		})
	}
}

// look reads what the system shows of a process to others, and tells whether it saw anything.
func look(t *testing.T, pid int, hidden []string) bool {
	t.Helper()
	seen := false
	// The system shows no arguments for a moment while a program is being started.
	for late := time.Now().Add(patience); time.Now().Before(late); runtime.Gosched() {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || len(b) > 0 {
			break
		}
	}
	for _, name := range []string{"cmdline", "environ", "comm"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if errors.Is(err, fs.ErrPermission) {
			continue // which is as it shall be: the process is not dumpable
		}
		if err != nil {
			t.Fatalf("look at %s: %v", name, err)
		}
		seen = seen || name == "cmdline" && len(b) > 0
		for _, secret := range hidden {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("/proc/PID/%s shows a secret", name)
			}
		}
	}
	return seen
}

// TestSecrets_Typed looks while a typed passphrase is hashed, and while another is waited for.
func TestSecrets_Typed(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "in", hello)
	p := sit(t, dir, screenErr, "encrypt", "-p", "-o", "out", "in")
	p.waits(newPrompt)
	p.types(typed + "\r")
	p.waits("Again: ")
	look(t, p.cmd.Process.Pid, []string{typed})
	p.types(typed + "\r")
	look(t, p.cmd.Process.Pid, []string{typed})
	p.leaves(0)
	p.hides(typed)
}
