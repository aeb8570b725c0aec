//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	interopPassword = "horse battery staple 9"
	interopPhrase   = "lässt sich tippen: 1, 2 & \"3\""
	// A name that needs every escape on its way: not ASCII, quotes, a percent sign, a sign that shells mind.
	interopName = `Grüße an 日本 "50%" $x.bin`
)

// interopSizes lie around age's chunk of 64 KiB, and far over it.
var interopSizes = []int64{0, 1, 65535, 65536, 65537, 20 << 20}

// interop is a person with an account, whose keys were exported, beside a folder where commands work.
type interop struct {
	*testing.T
	c              *client
	dir            string
	public         string // the account's age key, as its page shows it
	ageKey, fernet string // the exported files
}

func newInterop(t *testing.T) *interop {
	s := newServer(t)
	i := &interop{T: t, c: s.client(), dir: t.TempDir()}
	i.c.register("interop", interopPassword)
	page := i.c.must(i.c.get("/keys"), http.StatusOK).body
	for _, path := range shownKey.FindAllString(page, -1) {
		if found := regexp.MustCompile(`\bage1[02-9ac-hj-np-z]{58}\b`).FindString(i.c.must(i.c.get(path), http.StatusOK).body); found != "" {
			i.public = found
		}
		a := i.c.must(i.c.post(path+"/export", "current", interopPassword), http.StatusOK)
		_, params, err := mime.ParseMediaType(a.header.Get("Content-Disposition"))
		if err != nil {
			t.Fatal(err)
		}
		file := i.write(params["filename"], a.body)
		if strings.Contains(a.body, "AGE-SECRET-KEY-1") {
			i.ageKey = file
		} else {
			i.fernet = file
		}
	}
	if i.ageKey == "" || i.fernet == "" || i.public == "" {
		t.Fatalf("the ring leads to no export of both keys: %q, %q and %q", i.ageKey, i.fernet, i.public)
	}
	return i
}

func (i *interop) path(name string) string { return filepath.Join(i.dir, name) }

func (i *interop) write(name, content string) (path string) {
	i.Helper()
	if err := os.WriteFile(i.path(name), []byte(content), 0o600); err != nil {
		i.Fatal(err)
	}
	return i.path(name)
}

// sealFile encrypts a file on the page and returns what the download is, which it also names.
func (i *interop) sealFile(content string, fields ...string) (sealed string) {
	i.Helper()
	result := i.c.stream("/encrypt", file(interopName, content), fields...)
	resp := i.c.open(result)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		i.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
	if got, suffix := params["filename"], ".age"; err != nil || got != interopName+suffix {
		i.Errorf("the download is named %q (%v)", got, err)
	}
	i.c.remove(result)
	return string(b)
}

// openFile decrypts a file on the page and returns the download.
func (i *interop) openFile(name, sealed string, fields ...string) (plain string) {
	i.Helper()
	result := i.c.stream("/decrypt", file(name, sealed), fields...)
	resp := i.c.open(result)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		i.Fatal(err)
	}
	i.c.remove(result)
	return string(b)
}

var textResult = regexp.MustCompile(`name="text" value="([A-Za-z0-9+/=&#;]*)"`)

// text sends a text to a verb and returns the text of the answer, from the hidden field of its Download button.
func (i *interop) text(path, text string, fields ...string) string {
	i.Helper()
	parts := []part{}
	for n := 0; n+1 < len(fields); n += 2 {
		parts = append(parts, field(fields[n], fields[n+1]))
	}
	a := i.c.must(i.c.upload(path, append(parts, field("text", text))...), http.StatusOK)
	found := textResult.FindStringSubmatch(a.body)
	if found == nil {
		i.Fatalf("the answer holds no text:\n%s", words(a.body))
	}
	b, err := base64.StdEncoding.DecodeString(html.UnescapeString(found[1]))
	if err != nil {
		i.Fatal(err)
	}
	return string(b)
}

// same compares contents without printing megabytes.
func (i *interop) same(what, got, want string) {
	i.Helper()
	if got != want {
		i.Errorf("%s: got %d bytes %.20q..., want %d %.20q...", what, len(got), got, len(want), want)
	}
}

func random(t testing.TB, n int64) string {
	t.Helper()
	b, err := io.ReadAll(noise(n))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Files and texts of the page open with the age command.
func TestInterop_PageToAge(t *testing.T) {
	program(t, "age", "files of the page that the age command opens")
	program(t, "age-keygen", "files of the page that the age command opens")
	i := newInterop(t)
	other := i.path("other.txt")
	command(t, "age-keygen", "-o", other)
	recipient := strings.TrimSpace(command(t, "age-keygen", "-y", other))
	open := func(sealed string, args ...string) string {
		t.Helper()
		return command(t, "age", append(append([]string{"-d"}, args...), i.write("in.age", sealed))...)
	}
	for _, n := range interopSizes {
		want := random(t, n)
		i.same(fmt.Sprintf("%d bytes to me", n), open(i.sealFile(want, "to", "me", "mode", "files"), "-i", i.ageKey), want)
		both := i.sealFile(want, "to", "people", "recipients", recipient, "also_me", "on", "mode", "files")
		i.same(fmt.Sprintf("%d bytes to another", n), open(both, "-i", other), want)
		i.same(fmt.Sprintf("%d bytes to another and me", n), open(both, "-i", i.ageKey), want)
	}
	for _, want := range []string{"x", "Grüße,\n\t日本 \U0001f511\n", strings.Repeat("0123456789abcde\n", 65536/16), strings.Repeat("ü", 65537)} {
		for to, key := range map[string]string{"me": i.ageKey, "people": other} {
			armor := i.text("/encrypt", want, "to", to, "recipients", recipient)
			if !strings.HasPrefix(armor, "-----BEGIN AGE ENCRYPTED FILE-----\n") {
				t.Errorf("a text became %.60q", armor)
			}
			i.same("text to "+to, open(armor, "-i", key), want)
		}
	}
	for _, n := range []int64{0, 65537} {
		want, out := random(t, n), i.path("out")
		os.Remove(out)
		sealed := i.write("in.age", i.sealFile(want, "to", "passphrase", "passphrase", interopPhrase, "mode", "files"))
		onTerminal(t, interopPhrase, "age", "-d", "-o", out, sealed)
		if _, err := os.Stat(out); n == 0 && errors.Is(err, os.ErrNotExist) {
			i.write("out", "") // age 1.1 makes no file of nothing, and ends well only when that is authentic
		}
		i.same(fmt.Sprintf("%d bytes with a passphrase", n), read(t, out), want)
	}
	os.Remove(i.path("out"))
	onTerminal(t, interopPhrase, "age", "-d", "-o", i.path("out"), i.write("in.age", i.text("/encrypt", "geheim\n", "to", "passphrase", "passphrase", interopPhrase)))
	i.same("text with a passphrase", read(t, i.path("out")), "geheim\n")
}

// Files and texts of the age command open on the page.
func TestInterop_AgeToPage(t *testing.T) {
	program(t, "age", "files of the age command that the page opens")
	program(t, "age-keygen", "files of the age command that the page opens")
	i := newInterop(t)
	seal := func(plain string, args ...string) string {
		t.Helper()
		return command(t, "age", append(args, i.write("plain", plain))...)
	}
	list := i.write("recipients.txt", "# a list\n\n"+i.public+"\n")
	for _, n := range interopSizes {
		want := random(t, n)
		i.same(fmt.Sprintf("age -r, %d bytes", n), i.openFile(interopName+".age", seal(want, "-r", i.public)), want)
		i.same(fmt.Sprintf("age -a -R, %d bytes as a file", n), i.openFile("a.asc", seal(want, "-a", "-R", list)), want)
	}
	for _, want := range []string{"x", "Grüße,\n\t日本 \U0001f511\n", "zwei\r\nZeilen\r\n", "\x00\xff\xfe binary", random(t, 65537), random(t, 700_000)} {
		armor := seal(want, "-a", "-r", i.public)
		i.same("age -a, pasted", i.text("/decrypt", armor), want)
		i.same("age -a, pasted by a browser", i.text("/decrypt", "\r\n "+strings.ReplaceAll(armor, "\n", "\r\n")+"\r\n"), want)
	}
	i.same("age -a of nothing, pasted", i.text("/decrypt", seal("", "-a", "-r", i.public)), "")

	other := i.path("other.txt")
	command(t, "age-keygen", "-o", other)
	recipient := strings.TrimSpace(command(t, "age-keygen", "-y", other))
	sealed := seal("for another", "-r", recipient)
	i.same("a key pasted for this time", i.openFile("b.age", sealed, "identity", read(t, other)), "for another")
	i.same("two recipients", i.openFile("b.age", seal("for both", "-r", recipient, "-r", i.public)), "for both")
	i.c.must(i.c.upload("/decrypt", file("b.age", sealed)), http.StatusUnprocessableEntity)

	for _, n := range []int64{0, 65537} {
		want, out := random(t, n), i.path("out.age")
		os.Remove(out)
		onTerminal(t, interopPhrase, "age", "-p", "-o", out, i.write("plain", want))
		i.same(fmt.Sprintf("age -p, %d bytes", n), i.openFile("p.age", read(t, out), "passphrase", interopPhrase), want)
	}
	os.Remove(i.path("out.age"))
	onTerminal(t, interopPhrase, "age", "-a", "-p", "-o", i.path("out.age"), i.write("plain", "geheim\n"))
	i.same("age -a -p, pasted", i.text("/decrypt", read(t, i.path("out.age")), "passphrase", interopPhrase), "geheim\n")
	wrong := i.c.must(i.c.upload("/decrypt", field("passphrase", "wrong"), field("text", read(t, i.path("out.age")))), http.StatusUnprocessableEntity)
	if !strings.Contains(words(wrong.body), "passphrase is wrong") {
		t.Errorf("a wrong passphrase says: %s", words(wrong.body))
	}
}

// Fernet tokens go both ways between the page and Python's cryptography.
func TestInterop_Fernet(t *testing.T) {
	i := newInterop(t)
	key := strings.TrimSpace(read(t, i.fernet))
	python := func(method, in string) string {
		t.Helper()
		return command(t, "python3", "-c", `import sys
from cryptography.fernet import Fernet
f = Fernet(sys.argv[1])
sys.stdout.buffer.write(getattr(f, sys.argv[2])(open(sys.argv[3], "rb").read()))`, key, method, i.write("in", in))
	}
	if err := exec.Command("python3", "-c", "import cryptography.fernet").Run(); err != nil {
		t.Logf("left out, for want of Python's cryptography: tokens that go there and come from there (%v)", err)
	} else {
		for _, want := range []string{"x", "Grüße,\n日本\n", strings.Repeat("sixteen letters\n", 4096)} {
			token := i.text("/encrypt", want, "to", "me", "format", "fernet")
			i.same("token of the page in Python", python("decrypt", token), want)
			i.same("token of Python on the page", i.text("/decrypt", python("encrypt", want)), want)
		}
		for _, want := range []string{"", "\x00\xff", random(t, 65537)} {
			i.same("token of Python as a file", i.openFile("t.fernet", python("encrypt", want)), want)
		}
		i.same("binary token of Python, pasted", i.text("/decrypt", python("encrypt", "\x00\xff binary")), "\x00\xff binary")
	}

	// The specification's own vectors (github.com/fernet/spec), as they come with the Go module.
	dir := strings.TrimSpace(command(t, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/fernet/fernet-go"))
	var vectors []struct{ Token, Src, Secret string }
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "verify.json"))), &vectors); err != nil || len(vectors) == 0 {
		t.Fatalf("read the vectors: %d, %v", len(vectors), err)
	}
	for _, v := range vectors {
		i.same("vector", i.text("/decrypt", v.Token, "identity", v.Secret), v.Src)
		changed := v.Token[:len(v.Token)/2] + "A" + v.Token[len(v.Token)/2+1:]
		i.c.must(i.c.upload("/decrypt", field("identity", v.Secret), field("text", changed)), http.StatusUnprocessableEntity)
	}
}

// onTerminal runs a command on a terminal of its own and types the answer after each of its prompts: age
// takes passphrases no other way.
func onTerminal(t testing.TB, answer, name string, args ...string) {
	t.Helper()
	ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		missing(t, "a pseudo-terminal", "passphrases that are typed to the age command")
	}
	defer ptmx.Close()
	if err := unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatalf("unlock the terminal: %v", err)
	}
	n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatalf("name the terminal: %v", err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close() // the command's own is the last one: reading ends with it
	guard := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer guard.Stop()
	var said bytes.Buffer
	buf := make([]byte, 4096)
	for prompts := 0; ; {
		n, err := ptmx.Read(buf)
		said.Write(buf[:n])
		if now := bytes.Count(said.Bytes(), []byte("passphrase")); now > prompts && bytes.Contains(said.Bytes()[bytes.LastIndex(said.Bytes(), []byte("passphrase")):], []byte(": ")) {
			prompts = now
			if _, err := ptmx.WriteString(answer + "\n"); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil { // EIO, when the command has ended
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, said.String())
	}
}
