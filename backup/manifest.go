package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"
)

// form is the number of the form that this package writes.
const form = 1

// maxLine bounds a line of a manifest, in bytes: a file's has about 150, the first grows with the server keys.
const maxLine = 64 << 10

// Head says what a backup is.
type Head struct {
	Form      int       `json:"zencrypt_backup"`
	Version   string    `json:"version"`   // of the program that made it
	Time      time.Time `json:"time"`      // when it was begun, to the second, UTC
	Migration string    `json:"migration"` // the last one of the database
	// ServerKeys are the fingerprints of the server keys that passwords and given-up logins depend on, the
	// active one first. No server key is in a backup.
	ServerKeys []string `json:"server_keys"`
	Database   string   `json:"database"`          // its name in the backup
	Sealed     string   `json:"sealed,omitempty"`  // of a folder whose files are encrypted: a digest of who for
	Missing    int      `json:"missing,omitempty"` // how many blobs the database named that were not on the disk
}

// File is one file of a backup, as it is stored.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Spare: the database does not name it. It was deleted while the backup was made.
	Spare bool `json:"spare,omitempty"`
}

// A Manifest lists a backup. It is written as JSON, an object a line: the head, a line for each file, and at
// last {"sha256": the digest of all the lines before}.
type Manifest struct {
	Head
	Files []File
}

// Bytes is the sum of the files' sizes.
func (m *Manifest) Bytes() (sum int64) {
	for _, f := range m.Files {
		sum += f.Size
	}
	return sum
}

type lastLine struct {
	SHA256 string `json:"sha256"`
}

func (m *Manifest) write(w io.Writer) error {
	buf := bufio.NewWriter(w)
	sum := sha256.New()
	enc := json.NewEncoder(io.MultiWriter(buf, sum))
	if err := enc.Encode(m.Head); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	for _, f := range m.Files {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
	}
	if err := json.NewEncoder(buf).Encode(lastLine{hexSum(sum)}); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := buf.Flush(); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

func (m *Manifest) bytes() ([]byte, error) {
	var b bytes.Buffer
	err := m.write(&b)
	return b.Bytes(), err
}

// readManifest reads what write wrote, and nothing else: each line has to be the one that writing it again gives.
func readManifest(r io.Reader) (*Manifest, error) {
	in := bufio.NewReaderSize(r, maxLine)
	sum := sha256.New()
	m := new(Manifest)
	first, err := readLine(in)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(first, &struct {
		Form *int `json:"zencrypt_backup"`
	}{&m.Form}) == nil && m.Form > form {
		return nil, ErrNewer
	}
	if err := sameLine(first, &m.Head); err != nil {
		return nil, err
	}
	if err := m.Head.check(); err != nil {
		return nil, err
	}
	for line := first; ; {
		sum.Write(line)
		if line, err = readLine(in); err != nil {
			return nil, err
		}
		var last lastLine
		if sameLine(line, &last) == nil {
			if last.SHA256 != hexSum(sum) {
				return nil, damaged("the manifest is not what it was")
			}
			break
		}
		var f File
		if err := sameLine(line, &f); err != nil {
			return nil, err
		}
		if err := m.checkFile(f); err != nil {
			return nil, err
		}
		m.Files = append(m.Files, f)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return nil, damaged("something follows the manifest")
	}
	return m, nil
}

func readLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == io.EOF:
		return nil, damaged("the manifest is cut short")
	case err != nil:
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return bytes.Clone(line), nil
}

// sameLine reads a line that must be as it would be written.
func sameLine[T any](line []byte, into *T) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	var v T
	if err := dec.Decode(&v); err != nil {
		return damaged("the manifest can't be read")
	}
	again, err := json.Marshal(v)
	if err != nil || string(again)+"\n" != string(line) {
		return damaged("the manifest was changed")
	}
	*into = v
	return nil
}

func (h Head) check() error {
	if h.Form != form || !databasePattern.MatchString(h.Database) || !h.Time.Equal(h.Time.Truncate(time.Second)) {
		return damaged("the manifest can't be read")
	}
	return nil
}

func (m *Manifest) checkFile(f File) error {
	_, blob := BlobID(f.Name)
	if !blob && f.Name != m.Database || f.Size < 0 || !sumPattern.MatchString(f.SHA256) {
		return damaged("the manifest names what does not belong into a backup")
	}
	return nil
}

// stored is the name of the file that holds another in a folder.
func (h Head) stored(name string) string {
	if h.Sealed != "" {
		return name + sealedExt
	}
	return name
}

// complete tells whether the database is among the files and none stands there twice.
func (m *Manifest) complete() error {
	seen := make(map[string]struct{}, len(m.Files))
	for _, f := range m.Files {
		if _, twice := seen[f.Name]; twice {
			return damaged("%s is listed twice", f.Name)
		}
		seen[f.Name] = struct{}{}
	}
	if _, ok := seen[m.Database]; !ok {
		return damaged("it lists no database")
	}
	return nil
}

// logical is the name by which those who read a backup get a file: the database has the same in each.
func (h Head) logical(name string) string {
	if name == h.Database {
		return Database
	}
	return name
}

// markSpare notes which blobs the database does not name.
func (m *Manifest) markSpare(needed func(id string) bool) {
	for i, f := range m.Files {
		if id, ok := BlobID(f.Name); ok {
			m.Files[i].Spare = !needed(id)
		}
	}
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
