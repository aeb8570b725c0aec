//go:build linux

package e2e

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	be "encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

// tool is one run of a command.
type tool struct {
	t      testing.TB
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{} // closed at the process's end
	seen   chan struct{} // closed when nobody looks at it any more
	peak   int64         // VmHWM in bytes, as last seen
}

// newTool prepares a command in dir; the caller sets its streams and starts it.
func newTool(t testing.TB, dir string, args ...string) *tool {
	t.Helper()
	c := &tool{t: t, cmd: exec.Command(binary(t), args...), done: make(chan struct{}), seen: make(chan struct{})}
	c.cmd.Dir, c.cmd.Stderr = dir, &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

// start runs the command, and watches its memory.
func (c *tool) start() {
	c.t.Helper()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() {
		defer close(c.seen)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			// The highest so far, so that the last look says it all but for the last moment.
			if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid)); err == nil {
				if _, rest, ok := strings.Cut(string(status), "\nVmHWM:"); ok {
					var kib int64
					if _, err := fmt.Sscanf(rest, "%d kB", &kib); err == nil {
						c.peak = max(c.peak, kib<<10)
					}
				}
			}
			select {
			case <-c.done:
				return
			case <-tick.C:
			}
		}
	}()
	c.t.Cleanup(func() { _ = c.cmd.Process.Kill() })
	go func() {
		_ = c.cmd.Wait()
		close(c.done)
	}()
	c.t.Cleanup(func() { <-c.done; <-c.seen })
}

// ends waits for the end, which has to be with a code.
func (c *tool) ends(want int) {
	c.t.Helper()
	<-c.done
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		c.t.Fatalf("%q: exit %d, want %d\n%s", c.cmd.Args[1:], got, want, c.stderr.String())
	}
}

// flat tests the memory of a command that has ended.
func (c *tool) flat() {
	c.t.Helper()
	<-c.seen
	// One that was gone before anybody looked: what the system counted, which is the test's own memory where that is more.
	if usage, ok := c.cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && c.peak == 0 {
		c.peak = usage.Maxrss << 10
	}
	if c.peak == 0 || c.peak >= maxBulkMemory {
		c.t.Errorf("%q: its memory was at most %d MiB, want less than %d", c.cmd.Args[1:], c.peak>>20, maxBulkMemory>>20)
	}
	c.t.Logf("zencrypt %s: peak memory %.1f MiB", c.cmd.Args[1], float64(c.peak)/(1<<20))
}

// runTool does a command that has to end with a code, with little input.
func runTool(t testing.TB, dir string, code int, stdin string, args ...string) *tool {
	t.Helper()
	c := newTool(t, dir, args...)
	c.cmd.Stdin = strings.NewReader(stdin)
	c.start()
	c.ends(code)
	return c
}

// keyPair makes a key with the command, in files key and pub of dir.
func keyPair(t testing.TB, dir string, args ...string) {
	t.Helper()
	runTool(t, dir, 0, "", append([]string{"keygen", "-o", "key"}, args...)...)
	runTool(t, dir, 0, "", "keygen", "-y", "key", "-o", "pub")
}

// Gigabytes go through a pipe of two commands, neither of which holds much of them.
func TestBulkCommandStream(t *testing.T) {
	size := bulkSize(t)
	dir := t.TempDir()
	keyPair(t, dir)
	pub, err := os.ReadFile(filepath.Join(dir, "pub"))
	if err != nil {
		t.Fatal(err)
	}
	sent, got := sha256.New(), sha256.New()
	seal := newTool(t, dir, "encrypt", "-r", strings.TrimSpace(string(pub)))
	open := newTool(t, dir, "decrypt", "-i", "key")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	seal.cmd.Stdin, seal.cmd.Stdout = io.TeeReader(noise(size), sent), w
	open.cmd.Stdin, open.cmd.Stdout = r, got
	start := time.Now()
	open.start()
	seal.start()
	r.Close()
	w.Close()
	seal.ends(0)
	open.ends(0)
	took := time.Since(start)
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Error("what came back is not what was sent")
	}
	seal.flat()
	open.flat()
	t.Logf("%d MiB through both: %s MB/s with this test's own work", size>>20, rate(size, took))
}

// An OpenPGP message is authenticated at its end only, and still nobody holds it.
func TestBulkCommandPGP(t *testing.T) {
	size := min(bulkSize(t), 256<<20)
	dir := t.TempDir()
	needDisk(t, dir, 4*size)
	keyPair(t, dir, "--type", "pgp")
	in, err := os.Create(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(in, noise(size)); err != nil {
		t.Fatal(err)
	}
	in.Close()
	runTool(t, dir, 0, "", "encrypt", "-R", "pub", "-o", "sealed", "in").flat()
	runTool(t, dir, 0, "", "decrypt", "-i", "key", "-o", "back", "sealed").flat()
	same(t, filepath.Join(dir, "back"), size)

	// To a stream it is read twice.
	c := newTool(t, dir, "decrypt", "-i", "key", "sealed")
	back, err := os.Create(filepath.Join(dir, "back"))
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	c.cmd.Stdout = back
	c.start()
	c.ends(0)
	c.flat()
	same(t, filepath.Join(dir, "back"), size)
}

// same compares a file with noise.
func same(t testing.TB, name string, size int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, want := sha256.New(), sha256.New()
	if _, err := io.Copy(got, f); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(want, noise(size)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("%s is not what was encrypted", name)
	}
}

// A message that asks for 4 GiB of Argon2, and one of some megabytes that unpacks to 10 GiB.
func TestBulkCommandHostile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string][]byte{"pass": []byte("secret\n"), "argon2": greedyMessage(t), "bomb": bombMessage(t, 10)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"argon2", "bomb"} {
		for _, out := range []string{"-", "out", "/dev/null"} {
			c := newTool(t, dir, "decrypt", "--passphrase-file", "pass", "-o", out, name)
			var written countingWriter
			c.cmd.Stdout = &written
			c.start()
			<-c.done
			if code := c.cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("%s: exit %d\n%s", name, code, c.stderr.String())
			}
			if written > 0 {
				t.Errorf("%s: %d bytes came out", name, written)
			}
			c.flat()
			if got := c.stderr.String(); strings.Count(got, "\n") != 1 {
				t.Errorf("%s: want one line:\n%s", name, got)
			}
			if names := listed(t, dir); names != "argon2 bomb pass" {
				t.Errorf("%s: the folder holds %q", name, names)
			}
		}
	}
}

type countingWriter int64

func (n *countingWriter) Write(p []byte) (int, error) {
	*n += countingWriter(len(p))
	return len(p), nil
}

// greedyMessage begins with a passphrase packet (RFC 9580 section 5.3.1) whose Argon2 asks for 2^22 KiB.
func greedyMessage(t testing.TB) []byte {
	t.Helper()
	body := append([]byte{4, byte(packet.CipherAES256), byte(s2k.Argon2S2K)}, make([]byte, 16)...)
	body = append(body, 3, 4, 22)
	message := append([]byte{0xc3, byte(len(body))}, body...)
	return append(message, append([]byte{0xd2, 60, 1}, make([]byte, 59)...)...)
}

// bombMessage is a message of gib GiB of zeros, well packed: its DEFLATE stream repeats one block, which refers to
// nothing before it.
func bombMessage(t testing.TB, gib int) []byte {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	block := func(content []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		check(err)
		_, err = w.Write(content)
		check(err)
		check(w.Flush())
		return b.Bytes()
	}
	const partial = 224 + 30 // a piece of 2^30 bytes follows
	head := []byte{0xcb, partial, 'b', 0, 0, 0, 0, 0}
	zeros := block(make([]byte, 1<<20))
	packed := block(head)
	packed = append(packed, block(make([]byte, 1<<20-6))...)
	packed = append(packed, bytes.Repeat(zeros, 1023)...)
	for range gib - 1 {
		packed = append(packed, block([]byte{partial})...)
		packed = append(packed, bytes.Repeat(zeros, 1024)...)
	}
	packed = append(packed, block([]byte{0})...)
	packed = append(packed, 3, 0) // an empty last block

	var out bytes.Buffer
	config := &packet.Config{DefaultCipher: packet.CipherAES256, S2KConfig: &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: 65536}}
	key, err := packet.SerializeSymmetricKeyEncrypted(&out, []byte("secret"), config)
	check(err)
	w, err := packet.SerializeSymmetricallyEncrypted(&out, config.Cipher(), false, packet.CipherSuite{}, key, config)
	check(err)
	_, err = w.Write(be.BigEndian.AppendUint32([]byte{0xc8, 0xff}, uint32(1+len(packed))))
	check(err)
	_, err = w.Write(append([]byte{byte(packet.CompressionZIP)}, packed...))
	check(err)
	check(w.Close())
	return out.Bytes()
}

// listed are the names in a folder, hidden ones too.
func listed(t testing.TB, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// A command that is ended in the middle leaves no file, under no name, and what was there stays: on every file
// system at hand, and for a user who may not look at the process either, since it is not dumpable.
func TestCommand_Killed(t *testing.T) {
	for name, dir := range places(t) {
		for _, uid := range users() {
			for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGKILL, 0} {
				t.Run(fmt.Sprintf("%s/user%d/%v", name, uid, sig), func(t *testing.T) {
					killed(t, dir, uid, sig)
				})
			}
		}
	}
}

// users are whom to run as: another one too, if that may be chosen.
func users() []int {
	if os.Geteuid() == 0 {
		return []int{0, 65534}
	}
	return []int{os.Geteuid()}
}

// places are folders on different file systems, into which anybody may write.
func places(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, root := range map[string]string{"disk": "", "tmpfs": "/dev/shm"} {
		dir, err := os.MkdirTemp(root, "zencrypt-e2e-*")
		if err != nil {
			t.Logf("left out: %s (%v)", name, err)
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		all[name] = dir
	}
	// The upper layer has to lie on a file system that can carry one, which tmpfs is.
	if base, ok := all["tmpfs"]; ok {
		merged := filepath.Join(all["disk"], "merged")
		layers := map[string]string{"lowerdir": filepath.Join(base, "lower"), "upperdir": filepath.Join(base, "upper"), "workdir": filepath.Join(base, "work")}
		var options []string
		for option, dir := range layers {
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			options = append(options, option+"="+dir)
		}
		if err := os.Mkdir(merged, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("overlay", merged, "overlay", 0, strings.Join(options, ",")); err != nil {
			t.Logf("left out: overlay (%v)", err)
		} else {
			t.Cleanup(func() { _ = syscall.Unmount(merged, 0) })
			all["overlay"] = merged
		}
	}
	for _, dir := range all {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// killed encrypts half of an input and sends the signal; 0 lets it end by itself instead.
func killed(t *testing.T, place string, uid int, sig syscall.Signal) {
	dir, err := os.MkdirTemp(place, "out-*")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chown(dir, uid, -1)); err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	keyPair(t, keys)
	pub, err := os.ReadFile(filepath.Join(keys, "pub"))
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old")
	if err := errors.Join(os.WriteFile(old, []byte("kept"), 0o640), os.Chown(old, uid, -1)); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"new", "old"} {
		c := newTool(t, dir, "encrypt", "-r", strings.TrimSpace(string(pub)), "-o", out)
		if uid != os.Geteuid() {
			c.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
		}
		stdin, err := c.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		c.start()
		// All but what a pipe holds was read when this returns, and much of it written.
		if _, err := io.Copy(stdin, noise(8<<20)); err != nil {
			t.Fatalf("%v\n%s", err, c.stderr.String())
		}
		if names := listed(t, dir); sig != 0 && names != "old" {
			t.Errorf("in the middle the folder holds %q", names)
		}
		if sig == 0 {
			stdin.Close()
			c.ends(0)
			continue
		}
		if err := c.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		<-c.done
		if sig != syscall.SIGKILL {
			c.ends(1)
			if got := c.stderr.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "interrupted") {
				t.Errorf("standard error: %q", got)
			}
		}
		if names := listed(t, dir); names != "old" {
			t.Errorf("the folder holds %q", names)
		}
		if b, err := os.ReadFile(old); err != nil || string(b) != "kept" {
			t.Errorf("what was there became %d bytes, %v", len(b), err)
		}
	}
	if sig != 0 {
		return
	}
	if names := listed(t, dir); names != "new old" {
		t.Errorf("the folder holds %q", names)
	}
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o640 || info.Size() < 8<<20 {
		t.Errorf("what was replaced: %v, %v", info, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "new")); err != nil || info.Size() < 8<<20 {
		t.Errorf("what is new: %v, %v", info, err)
	}
}
