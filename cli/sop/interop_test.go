package sop_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// need skips a test whose program is not here, but fails under CI.
func need(t *testing.T, name string) {
	t.Helper()
	_, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not here, and CI needs it: %v", name, err)
	default:
		t.Skipf("%s is not here: %v", name, err)
	}
}

// A tool is a command line that Zencrypt's is held against, or Zencrypt's own.
type tool struct {
	name string
	argv []string
}

// bench is a folder where tools work as processes.
type bench struct {
	*testing.T
}

// files counts the files of all benches, so that no name comes twice.
var files atomic.Int64

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Chdir(t.TempDir())
	return &bench{t}
}

// ours and sqop are the two programs of one interface.
func (b *bench) ours() tool { return tool{"zencrypt", []string{zencrypt(b.T), "sop"}} }
func (b *bench) command() tool {
	return tool{"zencrypt", []string{zencrypt(b.T)}}
}

var (
	sqop = tool{"sqop", []string{"sqop"}}
	sq   = tool{"sq", []string{"sq"}}
)

// try runs a tool.
func (b *bench) try(t tool, in []byte, args ...string) (out []byte, code int, stderr string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), t.argv[0], append(t.argv[1:len(t.argv):len(t.argv)], args...)...)
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatalf("%s %v: %v", t.name, args, err)
	}
	return out, cmd.ProcessState.ExitCode(), errs.String()
}

// do runs a tool that has to succeed.
func (b *bench) do(t tool, in []byte, args ...string) []byte {
	b.Helper()
	out, code, stderr := b.try(t, in, args...)
	if code != 0 {
		b.Fatalf("%s %s: exit %d\n%s", t.name, strings.Join(args, " "), code, stderr)
	}
	return out
}

// fresh is a file name that nothing has.
func (b *bench) fresh() string { return fmt.Sprint("file-", files.Add(1)) }

// file writes content under a new name.
func (b *bench) file(content []byte) string {
	b.Helper()
	name := b.fresh()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

func (b *bench) read(name string) []byte {
	b.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return content
}

// same compares without printing megabytes.
func (b *bench) same(what string, got, want []byte) {
	b.Helper()
	if !bytes.Equal(got, want) {
		b.Errorf("%s: got %d bytes %.40q, want %d bytes %.40q", what, len(got), got, len(want), want)
	}
}

// noise is content that does not pack and is no text.
func noise(n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	sum := sha256.Sum256([]byte("noise"))
	for len(out) < n {
		out = append(out, sum[:]...)
		sum = sha256.Sum256(sum[:])
	}
	return out[:n]
}

// prose is text of at least n bytes in lines.
func prose(n int) []byte {
	var out bytes.Buffer
	for i := 0; out.Len() < n; i++ {
		fmt.Fprintf(&out, "- line %d: Grüße, From here on… 日本\n", i)
	}
	return out.Bytes()
}

// A pair is a private key and its certificate in files.
type pair struct{ name, key, cert string }

func (b *bench) pair(name string, key []byte, by tool) pair {
	b.Helper()
	p := pair{name: name, key: b.file(key)}
	p.cert = b.file(b.do(by, key, "extract-cert"))
	return p
}

// keys are made once, since some are slow to make.
var keys struct {
	sync.Once
	names []string
	keys  map[string][]byte
}

// pairs are keys that both programs know: of sqop, ours, and, where it is here, of GnuPG.
func (b *bench) pairs() []pair {
	b.Helper()
	keys.Do(func() {
		keys.keys = make(map[string][]byte)
		add := func(name string, key []byte) {
			keys.names = append(keys.names, name)
			keys.keys[name] = key
		}
		add("sqop", b.do(sqop, nil, "generate-key", "Bob <bob@example.org>"))
		for _, profile := range []string{"default", "rfc4880", "nist"} {
			add("zencrypt "+profile, b.do(b.ours(), nil, "generate-key", "--profile="+profile, "Alice <alice@example.org>", "Alice at work <alice@work.example>"))
		}
		if _, err := exec.LookPath("gpg"); err == nil {
			g := newGnuPG(b)
			for _, algo := range []string{"ed25519/cv25519", "rsa3072/rsa3072", "nistp384/nistp384"} {
				add("gpg "+algo, g.generate(algo))
			}
		}
	})
	var all []pair
	for _, name := range keys.names {
		all = append(all, b.pair(name, keys.keys[name], b.ours()))
	}
	return all
}

// directions calls f for sqop as reader of ours, and the other way round.
func (b *bench) directions(f func(b *bench, from, to tool)) {
	ours := b.ours()
	for _, d := range [][2]tool{{ours, sqop}, {sqop, ours}} {
		b.Run(d[0].name+" to "+d[1].name, func(t *testing.T) {
			f(&bench{t}, d[0], d[1])
		})
	}
}
