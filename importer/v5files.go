package importer

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	maxFolders = 4      // a folder of dumps, mongodump's own, the database's
	maxFiles   = 10_000 // that are looked at
	// database is what version 5 called its own.
	database = "zencrypt"
)

// collections are version 5's, accounts first.
var collections = []string{"users", "hashes", "encrypted_texts"}

// A folder is one with a dump or an export, or an archive.
type folder struct {
	path    string
	archive bool
	inputs  []*input
	others  []string // files that hold something else
}

// find looks for dumps and exports in and below a folder.
func (v *v5) find(path string) (*folder, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() || !isArchive(real) {
			return nil, fmt.Errorf("%w: %s: offset 0: this is no archive of mongodump; for other files name the folder that holds them", ErrSource, path)
		}
		return &folder{path: real, archive: true}, nil
	}
	folders := map[string]*folder{}
	seen := 0
	err = filepath.WalkDir(real, func(name string, d fs.DirEntry, err error) error {
		if err != nil && d != nil && d.IsDir() && name != real {
			v.note("", "", "%s cannot be read and is left out", name)
			return fs.SkipDir
		} else if err != nil {
			return err
		}
		if seen++; seen > maxFiles {
			return fmt.Errorf("more than %d files: name the folder of the dump alone", maxFiles)
		}
		if d.IsDir() {
			if rel, err := filepath.Rel(real, name); err != nil || strings.Count(rel, string(filepath.Separator)) >= maxFolders {
				return fs.SkipDir
			}
			return nil
		}
		// Links count for what they lead to; opening a pipe would wait for ever.
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			file(folders, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	return v.choose(path, folders)
}

// file notes what one file is.
func file(folders map[string]*folder, name string) {
	base := strings.ToLower(filepath.Base(name))
	plain := strings.TrimSuffix(base, ".gz")
	if strings.HasSuffix(plain, ".metadata.json") || plain == "prelude.json" || plain == "oplog.bson" {
		return // mongodump's own
	}
	ext := filepath.Ext(plain)
	json := ext == ".json" || ext == ".jsonl" || ext == ".ndjson"
	if !json && ext != ".bson" && ext != ".csv" {
		if isArchive(name) {
			folders[name] = &folder{path: name, archive: true}
		}
		return
	}
	dir := filepath.Dir(name)
	if folders[dir] == nil {
		folders[dir] = &folder{path: dir}
	}
	f := folders[dir]
	if c := collectionOf(strings.TrimSuffix(plain, ext), json); c != "" && ext != ".csv" {
		f.inputs = append(f.inputs, &input{path: name, collection: c, json: json})
		return
	}
	f.others = append(f.others, name)
}

// collectionOf is what a file holds by its name: mongodump's is the collection, for an export somebody chose it, like
// zencrypt.users.json. The server's own, like system.users, are others.
func collectionOf(name string, chosen bool) string {
	for _, part := range strings.Split(name, ".") {
		if slices.Contains(collections, part) && (name == part || chosen && !strings.HasPrefix(name, "system.")) {
			return part
		}
	}
	return ""
}

// choose takes the one place with accounts in it, or of several the one that is called like the database.
func (v *v5) choose(path string, folders map[string]*folder) (*folder, error) {
	var with, named []*folder
	for _, f := range folders {
		if !f.archive && !slices.ContainsFunc(f.inputs, func(in *input) bool { return in.collection == "users" }) {
			continue
		}
		with = append(with, f)
		if filepath.Base(f.path) == database {
			named = append(named, f)
		}
	}
	slices.SortFunc(with, func(a, b *folder) int { return strings.Compare(a.path, b.path) })
	switch {
	case len(with) == 0:
		return nil, fmt.Errorf("%w: %s: it holds neither users.bson nor users.json nor an archive of mongodump", ErrSource, path)
	case len(with) > 1 && len(named) != 1:
		var names []string
		for _, f := range with {
			names = append(names, f.path)
		}
		return nil, fmt.Errorf("%w: %s: it holds several dumps or exports: name one of %s", ErrSource, path, strings.Join(names, ", "))
	}
	chosen := with[0]
	if len(with) > 1 {
		chosen = named[0]
	}
	for _, f := range with {
		if f != chosen {
			v.note("", "", "%s holds accounts too and stays behind: of several places the one called %s is read", f.path, database)
		}
	}
	for _, name := range chosen.others {
		v.note(strings.SplitN(filepath.Base(name), ".", 2)[0], "", "%s is no collection of Zencrypt 5 and stays behind", name)
	}
	// Accounts first, whose owners the others name.
	slices.SortStableFunc(chosen.inputs, func(a, b *input) int {
		return slices.Index(collections, a.collection) - slices.Index(collections, b.collection)
	})
	if len(chosen.inputs) > 1<<15 {
		return nil, fmt.Errorf("%w: %s: more files than can be read", ErrSource, chosen.path)
	}
	return chosen, nil
}

// isArchive tells by its first bytes whether a file is an archive of mongodump, compressed or not.
func isArchive(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [4]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return false
	}
	if bytes.HasPrefix(head[:], gzipMagic) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return false
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			return false
		}
		if _, err := io.ReadFull(z, head[:]); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return false
		}
	}
	return binary.LittleEndian.Uint32(head[:]) == archiveMagic
}
