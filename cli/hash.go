package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"zencrypt/crypto/digest"
)

type hashCmd struct {
	Algorithm     []string `name:"algorithm" short:"a" placeholder:"ALGORITHM" complete:"algorithm" help:"Hash with ALGORITHM. Can be given several times, or as a list with commas. Default: sha256."`
	Salt          string   `name:"salt" placeholder:"TEXT" help:"Append TEXT to the content before hashing, as Zencrypt always did."`
	HMACKeyFile   string   `name:"hmac-key-file" placeholder:"FILE" help:"Make HMACs under the bytes of FILE instead."`
	Check         bool     `name:"check" short:"c" help:"Read checksum files, as sha256sum and its kin write them, and check the files that they name."`
	Tag           bool     `name:"tag" help:"Write 'SHA256 (name) = digest' lines. With several algorithms they always are."`
	Zero          bool     `name:"zero" short:"z" help:"End each line with NUL instead of a line break, and escape nothing."`
	IgnoreMissing bool     `name:"ignore-missing" help:"With --check: pass over files that are not there."`
	Quiet         bool     `name:"quiet" help:"With --check: do not print OK for each file."`
	JSON          bool     `name:"json" help:"Print a JSON list."`
	File          []string `arg:"" optional:"" name:"file" help:"What to hash, or with --check the checksum files. Default: standard input."`
}

// Help is the long text of `zencrypt hash --help`.
func (hashCmd) Help() string {
	var names, broken []string
	for _, a := range digest.Algorithms() {
		if names = append(names, a.ID); a.Broken {
			broken = append(broken, a.ID)
		}
	}
	return `Examples:

    zencrypt hash *.iso > SHA256SUMS
    zencrypt hash --check SHA256SUMS
    zencrypt hash -a sha512,blake3 release.tar

Algorithms: ` + strings.Join(names, ", ") + `. Of these ` + strings.Join(broken, " and ") + ` are broken: anybody can make
two files with the same digest. They are here to compare with old lists.

The lines are those of sha256sum and its kin, which check them too, save that nobody else knows of a salt: lines with
one are tagged as salted. Every input is read once, whatever the number of algorithms.

With --check the exit code is 4 when a digest does not match, 1 when a file can't be read, and 5 when there is no
usable line in a checksum file.

` + exitCodes
}

func (c *hashCmd) Run(e *env) error {
	ids, err := c.algorithms()
	if err != nil {
		return err
	}
	if err := onlyOnce(passphrases{}, c.File, c.HMACKeyFile); err != nil {
		return err
	}
	var key []byte
	if c.HMACKeyFile != "" {
		if key, err = e.readSmall(c.HMACKeyFile, 1<<20); err != nil {
			return err
		}
	}
	list, err := e.sources(c.File)
	if err != nil {
		return err
	}
	if c.Check {
		return c.check(e, list, key)
	}
	if c.IgnoreMissing || c.Quiet {
		return &usageError{errors.New("hash: --ignore-missing and --quiet go with --check")}
	}
	if _, err := digest.New(ids, key); err != nil {
		return &usageError{err}
	}
	out := bufio.NewWriter(e.stdout)
	all := []hashed{}
	var tasks []task
	for _, in := range list {
		tasks = append(tasks, task{in: in})
	}
	err = e.run(tasks, func(t task) error {
		if t.in.folder {
			return errors.New("hash: it is a folder; name the files in it")
		}
		sums, n, err := e.hash(t.in, ids, key, c.Salt)
		if err != nil {
			return err
		}
		if c.JSON {
			all = append(all, c.result(t.in.name, n, sums))
			return nil
		}
		return c.print(out, t.in.name, sums)
	})
	if c.JSON {
		err = errors.Join(err, printJSON(out, all))
	}
	return errors.Join(err, out.Flush())
}

// algorithms reads -a, which may hold lists.
func (c *hashCmd) algorithms() ([]string, error) {
	var ids []string
	for _, a := range c.Algorithm {
		for id := range strings.SplitSeq(a, ",") {
			id = strings.ToLower(strings.TrimSpace(id))
			if _, ok := digest.Lookup(id); !ok {
				return nil, &usageError{fmt.Errorf("hash: there is no algorithm %.40q; see 'zencrypt hash --help' for those there are", id)}
			}
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 && !c.Check {
		ids = []string{"sha256"}
	}
	return ids, nil
}

// hash reads an input once.
func (e *env) hash(in source, ids []string, key []byte, salt string) ([]digest.Sum, int64, error) {
	h, err := digest.New(ids, key)
	if err != nil {
		return nil, 0, err
	}
	defer h.Close()
	// Large reads: BLAKE3's tree and several algorithms are worked on side by side.
	w := bufio.NewWriterSize(h, 1<<20)
	if _, err := answer(e.ctx, func() (struct{}, error) { return struct{}{}, e.copyFrom(w, in) }); err != nil {
		return nil, 0, err
	}
	if err := w.Flush(); err != nil {
		return nil, 0, err
	}
	n := h.Size()
	if _, err := io.WriteString(h, salt); err != nil {
		return nil, 0, err
	}
	sums, err := h.Sums()
	return sums, n, err
}

// print writes the lines of one input.
func (c *hashCmd) print(w io.Writer, name string, sums []digest.Sum) error {
	style := digest.Style{Tag: c.Tag || len(sums) > 1 || c.Salt != "", Zero: c.Zero}
	var b []byte
	for _, s := range sums {
		if c.Salt != "" {
			b = append(b, "salted "...) // else another program would take it for the file's own digest
		}
		b = digest.AppendLine(b, s, name, style)
	}
	_, err := w.Write(b)
	return err
}

type hashed struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Salted  bool      `json:"salted,omitempty"`
	Digests []hashSum `json:"digests"`
}

type hashSum struct {
	Algorithm string `json:"algorithm"`
	HMAC      bool   `json:"hmac,omitempty"`
	Broken    bool   `json:"broken,omitempty"`
	Hex       string `json:"hex"`
}

func (c *hashCmd) result(name string, size int64, sums []digest.Sum) hashed {
	r := hashed{Name: name, Size: size, Salted: c.Salt != ""}
	for _, s := range sums {
		r.Digests = append(r.Digests, hashSum{s.Algorithm.ID, s.Keyed, s.Algorithm.Broken, s.Hex()})
	}
	return r
}

// checked counts what a checksum file led to.
type checked struct {
	ok, failed, missing, ignored, malformed, keyless int
}

// lines counts those of a checksum file.
func (n checked) lines() int { return n.ok + n.failed + n.missing + n.ignored + n.keyless }

// check reads checksum files and hashes what they name, relative to the current folder as sha256sum does.
func (c *hashCmd) check(e *env, list []source, key []byte) error {
	algorithm := ""
	if ids, _ := c.algorithms(); len(ids) == 1 {
		algorithm = ids[0]
	} else if len(ids) > 1 {
		return &usageError{errors.New("check: name one algorithm, or none to find it by the line")}
	}
	if c.Salt != "" || c.JSON || c.Tag || c.Zero {
		return &usageError{errors.New("check: --salt, --json, --tag and --zero do not go with it")}
	}
	var n checked
	for _, in := range list {
		before := n
		if err := c.checkList(e, in, algorithm, key, &n); err != nil {
			return err
		}
		if n.lines() == before.lines() {
			return &codeError{exitFormat, fmt.Errorf("check %s: it has no line of a checksum file", in.name)}
		}
	}
	if n.malformed > 0 {
		e.warn(fmt.Sprintf("lines that are not of a checksum file: %d", n.malformed))
	}
	switch {
	case n.failed > 0:
		return &codeError{exitDamaged, fmt.Errorf("check: %d of %d files are not what the list says", n.failed, n.failed+n.ok)}
	case n.keyless > 0:
		return &usageError{fmt.Errorf("check: %d lines are HMACs, which nothing was checked against; name their key with --hmac-key-file", n.keyless)}
	case n.missing > 0:
		return fmt.Errorf("check: %d files could not be read", n.missing)
	case n.ok == 0:
		return errors.New("check: no file was checked")
	}
	return nil
}

func (c *hashCmd) checkList(e *env, in source, algorithm string, key []byte, n *checked) error {
	src, err := e.open(in)
	if err != nil {
		return err
	}
	defer src.Close()
	for line, err := range digest.ReadSums(src, algorithm) {
		if errors.Is(err, digest.ErrLine) {
			n.malformed++
			continue
		}
		if err != nil {
			return err
		}
		if err := c.checkLine(e, in, line, key, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *hashCmd) checkLine(e *env, from source, line digest.SumLine, key []byte, n *checked) error {
	name := filepath.FromSlash(line.Name)
	shown := strings.NewReplacer("\\", `\\`, "\n", `\n`, "\r", `\r`).Replace(line.Name)
	if line.Keyed && key == nil {
		n.keyless++
		fmt.Fprintf(e.stdout, "%s: an HMAC, not checked\n", shown)
		return nil
	}
	if !line.Keyed {
		key = nil
	}
	list, err := e.sources([]string{name})
	switch {
	case err == nil && list[0].folder:
		err = errors.New("it is a folder")
	case err == nil && name == stdinName && from.name == stdinName:
		err = errors.New("standard input is the list itself")
	}
	var ids []string
	for _, a := range line.Algorithms {
		ids = append(ids, a.ID)
	}
	var sums []digest.Sum
	if err == nil {
		sums, _, err = e.hash(list[0], ids, key, "")
	}
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case c.IgnoreMissing && errors.Is(err, fs.ErrNotExist):
		n.ignored++
	case err != nil:
		n.missing++
		fmt.Fprintf(e.stdout, "%s: FAILED to read\n", shown)
	case line.Matches(sums...):
		n.ok++
		if !c.Quiet {
			fmt.Fprintf(e.stdout, "%s: OK\n", shown)
		}
	default:
		n.failed++
		fmt.Fprintf(e.stdout, "%s: FAILED\n", shown)
	}
	return nil
}
