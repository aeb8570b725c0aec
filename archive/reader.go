package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Contents is an archive that was read to its end and found whole.
type Contents struct {
	Header
	Keys   []Key
	People []Person
	Items  []Item
	Bytes  int64 // of all members

	small   map[string][]byte // members that belong to keys and people
	members map[string]seen
	byFile  map[string]int // of Items, by member
}

type seen struct {
	size int64
	sum  [sha256.Size]byte
}

// Format implements fmt.Formatter: private keys are in it.
func (Contents) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Check reads an archive to its end. Every member has to be the one that the sums and the manifest name, by its
// length and SHA-256, and everything that the manifest says has to be within the bounds. The error wraps ErrFormat,
// or is that of src.
func Check(src io.Reader) (*Contents, error) {
	c := &Contents{small: map[string][]byte{}, members: map[string]seen{}}
	held, checked := int64(0), false
	err := each(src, func(h *tar.Header, content io.Reader) error {
		if checked {
			return malformed("something stands behind SHA256SUMS")
		}
		if _, twice := c.members[h.Name]; twice {
			return malformed("a member is in it twice")
		}
		if len(c.members) == maxMembers {
			return malformed("it has more than %d members", maxMembers)
		}
		sum := sha256.New()
		in := io.TeeReader(content, sum)
		switch {
		case h.Name == sumsName:
			checked = true
			return c.checkSums(content)
		case h.Name == manifestName:
			if h.Size > maxManifest {
				return malformed("the manifest has more than %d bytes", maxManifest)
			}
			if err := c.readManifest(in); err != nil {
				return err
			}
		case strings.HasPrefix(h.Name, Folder+"/keys/"), strings.HasPrefix(h.Name, Folder+"/people/"):
			if held += h.Size; h.Size > maxSmall || held > maxSmallAll {
				return malformed("a file of keys has more than %d bytes, or all have more than %d", maxSmall, maxSmallAll)
			}
			b, err := io.ReadAll(in)
			if err != nil {
				return err
			}
			c.small[h.Name] = b
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			return err
		}
		c.members[h.Name] = seen{h.Size, [sha256.Size]byte(sum.Sum(nil))}
		c.Bytes += h.Size
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !checked || c.Header.Format == "":
		return nil, malformed("the manifest or SHA256SUMS is missing")
	}
	return c, c.compare()
}

// each goes through the members of an archive, and on to the end of what it is read from: that is authenticated only
// there.
func each(src io.Reader, f func(h *tar.Header, content io.Reader) error) error {
	own := &origin{src: src}
	r := tar.NewReader(own)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return own.problem(err)
		}
		if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if h.Typeflag != tar.TypeReg || h.Size < 0 {
			return malformed("a member is neither a file nor a folder")
		}
		if err := checkName(h.Name); err != nil {
			return err
		}
		if err := f(h, r); err != nil {
			return own.problem(err)
		}
	}
	_, err := io.Copy(io.Discard, own)
	return err
}

// origin remembers the error of what an archive is read from, which counts before what tar makes of it.
type origin struct {
	src io.Reader
	err error
}

func (o *origin) Read(p []byte) (int, error) {
	n, err := o.src.Read(p)
	if err != nil && err != io.EOF {
		o.err = err
	}
	return n, err
}

func (o *origin) problem(err error) error {
	switch {
	case o.err != nil:
		return o.err
	case errors.Is(err, ErrFormat):
		return err
	case errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, tar.ErrInsecurePath):
		return malformed("it is not a whole tar archive")
	}
	return err
}

// checkSums compares SHA256SUMS with the members before it: all of them stand there, and nothing else.
func (c *Contents) checkSums(src io.Reader) error {
	lines, buf := 0, make([]byte, 0, 4096)
	one := make([]byte, 32<<10)
	for {
		n, err := src.Read(one)
		buf = append(buf, one[:n]...)
		for {
			line, rest, whole := bytes.Cut(buf, []byte("\n"))
			if !whole {
				break
			}
			buf = rest
			sum, name, ok := strings.Cut(string(line), "  ")
			m, there := c.members[name]
			if !ok || !there || !m.is(sum) {
				return malformed("SHA256SUMS does not fit what is there")
			}
			lines++
		}
		if len(buf) > maxName+80 {
			return malformed("SHA256SUMS has a line that is too long")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(buf) > 0 || lines != len(c.members) {
		return malformed("SHA256SUMS does not name every member once")
	}
	return nil
}

func (m seen) is(sum string) bool {
	b, err := hex.DecodeString(sum)
	return err == nil && subtle.ConstantTimeCompare(b, m.sum[:]) == 1
}

// compare holds what the manifest says of members against the members.
func (c *Contents) compare() error {
	used := map[string]bool{}
	look := func(f *File) error {
		m, there := c.members[f.Name]
		switch {
		case !there:
			return malformed("the manifest names a member that is not there")
		case used[f.Name]:
			return malformed("the manifest names a member twice")
		case m.size != f.Size || !m.is(f.SHA256):
			return malformed("a member is not the one that the manifest names")
		}
		used[f.Name] = true
		return nil
	}
	var files []*File
	for i := range c.Keys {
		for j := range c.Keys[i].Versions {
			v := &c.Keys[i].Versions[j]
			files = append(files, &v.Private, v.Certificate, v.Revocation)
		}
	}
	for i := range c.People {
		files = append(files, c.People[i].Recipients)
		for j := range c.People[i].Keys {
			files = append(files, c.People[i].Keys[j].File)
		}
	}
	for _, f := range files {
		if f == nil {
			continue
		}
		if err := look(f); err != nil {
			return err
		}
		if _, ok := c.small[f.Name]; !ok {
			return malformed("a key's file stands in another folder than those of keys and people")
		}
	}
	c.byFile = make(map[string]int, len(c.Items))
	for i := range c.Items {
		f := c.Items[i].File
		if f == nil {
			continue
		}
		if err := look(f); err != nil {
			return err
		}
		if _, small := c.small[f.Name]; small {
			return malformed("an item's file stands in the folder of keys or people")
		}
		c.byFile[f.Name] = i
	}
	return nil
}

// Small is the content of a member that belongs to a key or a person.
func (c *Contents) Small(f *File) []byte {
	if f == nil {
		return nil
	}
	return c.small[f.Name]
}

// errChanged is a member that was another at the second reading.
var errChanged = malformed("it changed while it was read")

// Each reads the archive again and hands out the items with their content, in the order of the archive. The content
// ends with an error instead of io.EOF when it is not what Check saw: who keeps it only after io.EOF keeps nothing
// else. What f leaves unread is passed over.
func (c *Contents) Each(src io.Reader, f func(item *Item, content io.Reader) error) error {
	return each(src, func(h *tar.Header, content io.Reader) error {
		i, ok := c.byFile[h.Name]
		if !ok {
			return nil
		}
		m := c.members[h.Name]
		if h.Size != m.size {
			return errChanged
		}
		return f(&c.Items[i], &verified{src: content, want: m, sum: sha256.New()})
	})
}

// verified ends with io.EOF only when all that was read is what was expected.
type verified struct {
	src  io.Reader
	want seen
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.src.Read(p)
	v.sum.Write(p[:n])
	v.n += int64(n)
	if err == io.EOF && (v.n != v.want.size || subtle.ConstantTimeCompare(v.sum.Sum(nil), v.want.sum[:]) != 1) {
		err = errChanged
	}
	return n, err
}
