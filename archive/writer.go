package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// Options go with NewWriter.
type Options struct {
	Program  string
	Now      time.Time
	Account  Account
	Overflow func() (Overflow, error) // for a manifest that does not fit into memory; nil: such a one is an error
}

// A Writer writes one archive. Keys come first, then people, then items; Close completes it. Release must be called
// in every case. Memory does not depend on what is written.
type Writer struct {
	tar      *tar.Writer
	now      time.Time
	manifest spill
	sums     spill
	section  int // of sections; -1 before the first
	elements int // in the section
	buf      []byte
	problems []string
	lost     int // problems beyond those that are listed
}

var sections = []string{"keys", "people", "items"}

// maxProblems is how many problems a manifest's reader is told of one by one in PROBLEMS.txt.
const maxProblems = 1000

// NewWriter begins an archive with its README.
func NewWriter(dst io.Writer, o Options) (*Writer, error) {
	w := &Writer{tar: tar.NewWriter(dst), now: o.Now.UTC().Truncate(time.Second), section: -1, buf: make([]byte, 64<<10),
		manifest: spill{create: o.Overflow}, sums: spill{create: o.Overflow}}
	head, err := json.Marshal(Header{Format: Format, Version: Version, Program: o.Program, Created: o.Now.UTC(), Account: o.Account})
	if err != nil {
		return nil, err
	}
	// The header's fields, and the lists after them in the same object.
	if _, err := w.manifest.Write(bytes.TrimSuffix(head, []byte("}"))); err != nil {
		return nil, err
	}
	text := readme(o.Account.Login, o.Now)
	_, err = w.Add(readmeName, o.Now, int64(len(text)), strings.NewReader(text))
	return w, err
}

// Release gives back what the Writer holds beside memory.
func (w *Writer) Release() {
	w.manifest.remove()
	w.sums.remove()
}

// errShort is content of another length than was said.
var errShort = errors.New("write export: content ended early")

// Add writes a member of size bytes, whose name has Folder before it or gets it. It returns what the manifest says
// of it.
func (w *Writer) Add(name string, mod time.Time, size int64, content io.Reader) (File, error) {
	m, err := w.begin(name, mod, size)
	if err != nil {
		return File{}, err
	}
	for m.left > 0 {
		n, err := content.Read(w.buf[:min(int64(len(w.buf)), m.left)])
		if _, werr := m.write(w.buf[:n]); werr != nil {
			return File{}, werr
		}
		if err == io.EOF && m.left > 0 {
			err = errShort
		}
		if err != nil && err != io.EOF {
			return File{}, err
		}
	}
	return m.end()
}

// AddUnsure is Add for content that may turn out to be damaged: then the rest of the member is zeros, and the error
// comes back as damage, with a File that must not be believed.
func (w *Writer) AddUnsure(name string, mod time.Time, size int64, content io.Reader, damaged func(error) bool) (f File, damage, err error) {
	m, err := w.begin(name, mod, size)
	if err != nil {
		return File{}, nil, err
	}
	for m.left > 0 {
		n, err := content.Read(w.buf[:min(int64(len(w.buf)), m.left)])
		if _, werr := m.write(w.buf[:n]); werr != nil {
			return File{}, nil, werr
		}
		if err == io.EOF && m.left > 0 {
			err = errShort
		}
		if err == nil || err == io.EOF {
			continue
		}
		if err != errShort && !damaged(err) {
			return File{}, nil, err
		}
		damage = err
		break
	}
	for clear(w.buf); m.left > 0; {
		if _, err := m.write(w.buf[:min(int64(len(w.buf)), m.left)]); err != nil {
			return File{}, nil, err
		}
	}
	f, err = m.end()
	return f, damage, err
}

// AddText is Add of a text.
func (w *Writer) AddText(name, text string) (File, error) {
	return w.Add(name, w.now, int64(len(text)), strings.NewReader(text))
}

// AddWritten is Add of what write writes, whose length is not known before.
func (w *Writer) AddWritten(name string, write func(io.Writer) error) (File, error) {
	s := spill{create: w.manifest.create}
	defer s.remove()
	if err := write(&s); err != nil {
		return File{}, err
	}
	r, err := s.open()
	if err != nil {
		return File{}, err
	}
	defer r.Close()
	return w.Add(name, w.now, s.size, r)
}

// A member on its way.
type member struct {
	w    *Writer
	name string
	size int64
	left int64
	sum  hash.Hash
}

func (w *Writer) begin(name string, mod time.Time, size int64) (*member, error) {
	if !strings.HasPrefix(name, Folder+"/") {
		name = Folder + "/" + name
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: mod.UTC().Truncate(time.Second), Format: tar.FormatPAX})
	if err != nil {
		return nil, err
	}
	return &member{w: w, name: name, size: size, left: size, sum: sha256.New()}, nil
}

func (m *member) write(p []byte) (int, error) {
	m.sum.Write(p)
	m.left -= int64(len(p))
	return m.w.tar.Write(p)
}

func (m *member) end() (File, error) {
	f := File{Name: m.name, Size: m.size, SHA256: hex.EncodeToString(m.sum.Sum(nil))}
	if m.name == sumsName {
		return f, nil
	}
	_, err := fmt.Fprintf(&m.w.sums, "%s  %s\n", f.SHA256, f.Name)
	return f, err
}

// Key, Person and Item note in the manifest what the members before it are.
func (w *Writer) Key(k Key) error {
	if k.Unreadable {
		w.Problem("The key made on " + k.Created.Format(time.DateOnly) + " does not open on the server: it is not here.")
	}
	return w.element(0, k)
}

// Person notes a person, see Key.
func (w *Writer) Person(p Person) error {
	if p.Unreadable {
		w.Problem("An entry of your list of people, made on " + p.Created.Format(time.DateOnly) + ", does not open on the server: it is not here.")
	}
	return w.element(1, p)
}

// Item notes an item, see Key.
func (w *Writer) Item(i Item) error {
	if i.Problem != "" {
		name := i.Title
		if name == "" {
			name = "An item made on " + i.Created.Format(time.DateOnly)
		}
		w.Problem(name + ": " + i.Problem)
	}
	return w.element(2, i)
}

// Problem notes in PROBLEMS.txt what could not be read.
func (w *Writer) Problem(line string) {
	if len(w.problems) == maxProblems {
		w.lost++
		return
	}
	w.problems = append(w.problems, line)
}

func (w *Writer) element(section int, v any) error {
	if err := w.enter(section); err != nil {
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(b) > maxElement {
		return fmt.Errorf("write export: an entry of the manifest has %d bytes, and %d is the limit", len(b), maxElement)
	}
	before := "\n"
	if w.elements > 0 {
		before = ",\n"
	}
	w.elements++
	if _, err := io.WriteString(&w.manifest, before); err != nil {
		return err
	}
	_, err = w.manifest.Write(b)
	return err
}

// enter goes on to a section; those that nothing is in are there as well.
func (w *Writer) enter(section int) error {
	if section < w.section {
		return fmt.Errorf("write export: %s come before %s", sections[section], sections[w.section])
	}
	for w.section < section {
		text := ",\n"
		if w.section >= 0 {
			text = "],\n"
		}
		w.section++
		w.elements = 0
		if _, err := fmt.Fprintf(&w.manifest, "%s%q: [", text, sections[w.section]); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the manifest, the sums and the archive's end. It does not close what it writes to.
func (w *Writer) Close() error {
	if len(w.problems) > 0 {
		text := strings.Join(w.problems, "\n") + "\n"
		if w.lost > 0 {
			text += fmt.Sprintf("And %d more: manifest.json has them all.\n", w.lost)
		}
		if _, err := w.AddText("PROBLEMS.txt", text); err != nil {
			return err
		}
	}
	if err := w.enter(len(sections) - 1); err != nil {
		return err
	}
	if _, err := io.WriteString(&w.manifest, "\n]}\n"); err != nil {
		return err
	}
	if w.manifest.size > maxManifest {
		return fmt.Errorf("write export: the manifest has %d bytes, and %d is the limit", w.manifest.size, maxManifest)
	}
	for _, part := range []struct {
		name string
		from *spill
	}{{manifestName, &w.manifest}, {sumsName, &w.sums}} {
		r, err := part.from.open()
		if err != nil {
			return err
		}
		_, err = w.Add(part.name, w.now, part.from.size, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return w.tar.Close()
}
