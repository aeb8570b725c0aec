package backup

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"time"
)

// An Archive is a backup being written to one stream. It is whole after Finish; whoever leaves it before must
// see to it that nobody takes it for one.
type Archive struct {
	w    *tar.Writer
	at   time.Time
	m    Manifest
	have map[string]struct{}
}

// NewArchive begins an archive; at is its time.
func NewArchive(w io.Writer, at time.Time) *Archive {
	return &Archive{w: tar.NewWriter(w), at: at.UTC().Truncate(time.Second), have: map[string]struct{}{}}
}

// entry is the one way in which a file stands in an archive.
func entry(name string, size int64, at time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: at, Format: tar.FormatPAX}
}

// Has tells whether a blob was added.
func (a *Archive) Has(id string) bool { _, ok := a.have[id]; return ok }

// Add writes a file of exactly size bytes.
func (a *Archive) Add(name string, size int64, src io.Reader) error {
	if err := a.w.WriteHeader(entry(name, size, a.at)); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(a.w, sum), src)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != size {
		return fmt.Errorf("write backup: %s changed while it was read", name)
	}
	if err != nil {
		return err
	}
	a.m.Files = append(a.m.Files, File{Name: name, Size: size, SHA256: hexSum(sum)})
	if id, ok := BlobID(name); ok {
		a.have[id] = struct{}{}
	}
	return nil
}

// Finish writes the manifest; needed tells which blobs the database names.
func (a *Archive) Finish(h Head, needed func(id string) bool) (*Manifest, error) {
	h.Form, h.Time, h.Database = form, a.at, Database
	a.m.Head = h
	a.m.markSpare(needed)
	if err := a.m.complete(); err != nil {
		return nil, err
	}
	b, err := a.m.bytes()
	if err != nil {
		return nil, err
	}
	err = a.w.WriteHeader(entry(manifestName, int64(len(b)), a.at))
	if err == nil {
		_, err = a.w.Write(b)
	}
	if err == nil {
		err = a.w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	return &a.m, nil
}

// An Accept gets each file of a backup as it is read, with its database named [Database]. What it wrote counts
// only when the reader returned without an error. nil looks at the backup only.
type Accept func(name string, size int64) (io.WriteCloser, error)

// ReadArchive reads an archive to its end. Spare files are handed on too, since only the end tells.
func ReadArchive(r io.Reader, accept Accept) (*Manifest, error) {
	raw := &counter{src: r, sum: sha256.New()}
	in := tar.NewReader(raw)
	again := sha256.New() // of the archive that these files give
	out := tar.NewWriter(again)
	var at time.Time
	var m *Manifest
	seen := map[string]File{}
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, archiveError(err, raw, len(seen) == 0)
		}
		if at.IsZero() {
			at = h.ModTime
		}
		if err := plain(h, m != nil); err != nil {
			return nil, err
		}
		if err := out.WriteHeader(entry(h.Name, h.Size, at)); err != nil {
			return nil, damaged("%q can't be a part of it", h.Name)
		}
		if h.Name == manifestName {
			if m, err = readManifest(io.TeeReader(in, out)); err != nil {
				return nil, archiveError(err, raw, false)
			}
			continue
		}
		if _, twice := seen[h.Name]; twice {
			return nil, damaged("%s is there twice", h.Name)
		}
		if seen[h.Name], err = readOne(in, out, h, accept); err != nil {
			return nil, archiveError(err, raw, false)
		}
	}
	if m == nil && len(seen) == 0 {
		return nil, ErrFormat
	}
	if m == nil {
		return nil, damaged("it ends without its manifest")
	}
	if err := out.Close(); err != nil {
		return nil, damaged("%v", err)
	}
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	if hexSum(raw.sum) != hexSum(again) || !m.Time.Equal(at) || m.Database != Database || m.Sealed != "" {
		return nil, damaged("the archive around its files was changed")
	}
	return m, m.sameAs(seen)
}

// plain refuses what no archive of ours has, before anything of it is read: sparse files that unpack to more than
// they are, links, names that lead elsewhere.
func plain(h *tar.Header, ended bool) error {
	_, blob := BlobID(h.Name)
	known := blob || h.Name == Database || h.Name == manifestName
	records := maps.Clone(h.PAXRecords)
	delete(records, "size")
	if ended || !known || h.Typeflag != tar.TypeReg || h.Format == tar.FormatGNU || len(records) > 0 {
		return damaged("%.80q does not belong there", h.Name)
	}
	return nil
}

func readOne(in io.Reader, out io.Writer, h *tar.Header, accept Accept) (File, error) {
	f := File{Name: h.Name, Size: h.Size}
	sum := sha256.New()
	err := copyTo(accept, h.Name, h.Size, io.TeeReader(in, io.MultiWriter(out, sum)))
	f.SHA256 = hexSum(sum)
	return f, err
}

// copyTo hands a file on, or reads it through.
func copyTo(accept Accept, name string, size int64, src io.Reader) error {
	if accept == nil {
		_, err := io.Copy(io.Discard, src)
		return err
	}
	w, err := accept(name, size)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, src)
	return errors.Join(err, w.Close())
}

// sameAs holds the manifest against what was read.
func (m *Manifest) sameAs(seen map[string]File) error {
	if err := m.complete(); err != nil {
		return err
	}
	for _, want := range m.Files {
		want.Spare = false
		if got, ok := seen[want.Name]; !ok {
			return damaged("%s is missing", want.Name)
		} else if got != want {
			return damaged("%s is not what it was", want.Name)
		}
	}
	if len(seen) != len(m.Files) {
		return damaged("it holds files that it does not list")
	}
	return nil
}

// archiveError gives an error of tar its kind. An error of the source stays what it is.
func archiveError(err error, raw *counter, first bool) error {
	switch {
	case raw.err != nil && raw.err != io.EOF:
		return raw.err
	case !errors.Is(err, tar.ErrHeader) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case first:
		return ErrFormat
	}
	return damaged("the archive breaks off or can't be read")
}

// counter digests what is read, and remembers the source's own error.
type counter struct {
	src io.Reader
	sum hash.Hash
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.sum.Write(p[:n])
	if err != nil {
		c.err = err
	}
	return n, err
}
