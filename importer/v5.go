package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"zencrypt/crypto/fernet"
)

// v5 is a dump or an export of Zencrypt 5's database.
type v5 struct {
	reporter
	inputs []*input
	keys   []Key

	files []*os.File
	spool *spool // nil when nothing is compressed

	size, read int64 // of the first pass, in bytes
	quiet      bool  // after it

	users          []v5user
	owners         map[digest]uint32 // accounts by what records name them
	logins, lowers map[digest]uint32 // accounts that come; nil after the first pass
	texts, digests entries
	extra          map[string]map[string]int    // how many documents of a collection have an unknown field
	several        map[string]map[digest]uint16 // of collections in several files: which one a record was in
	again          map[string]int               // records that stood in an earlier one too
}

// v5user is an account of the first pass.
type v5user struct {
	place int64
	why   reason
	of    uint32 // the account with the same login
}

// OpenV5 opens Zencrypt 5's database as mongodump or mongoexport wrote it: a folder, in which or below
// which users, hashes and encrypted_texts lie as .bson or .json, compressed or not, or an archive of mongodump,
// or a folder with one. An export may be relaxed or canonical Extended JSON, JSON Lines or one
// array. keyFile is the server's zen.key; without one ("") every text comes unreadable.
//
// Every document is checked before OpenV5 returns; it has at most 16 MiB and 16 KiB. Errors are
// [ErrSource], with file and offset, or the system's.
func OpenV5(ctx context.Context, path, keyFile string, opts Options) (*Source, error) {
	v := &v5{
		reporter: reporter{opts, 5}, owners: map[digest]uint32{}, logins: map[digest]uint32{}, lowers: map[digest]uint32{},
		extra: map[string]map[string]int{}, several: map[string]map[digest]uint16{}, again: map[string]int{},
	}
	if err := v.open(ctx, path, keyFile); err != nil {
		v.close()
		return nil, err
	}
	v.logins, v.lowers, v.several, v.quiet = nil, nil, nil, true
	v.texts.sort()
	v.digests.sort()
	return &Source{version: 5, backend: v, counts: Counts{
		Accounts: int64(len(v.users)), Keys: int64(len(v.keys)), Texts: int64(len(v.texts)), Digests: int64(len(v.digests)),
	}}, nil
}

func (v *v5) open(ctx context.Context, path, keyFile string) error {
	if err := v.readKeys(keyFile); err != nil {
		return err
	}
	f, err := v.find(path)
	if err != nil {
		return err
	}
	if f.archive {
		return v.openArchive(ctx, f.path)
	}
	v.inputs = f.inputs
	names := map[string][]string{}
	for _, in := range v.inputs {
		if info, err := os.Stat(in.path); err == nil {
			v.size += info.Size()
		}
		names[in.collection] = append(names[in.collection], in.path)
	}
	for _, c := range collections {
		if len(names[c]) == 0 {
			v.note(c, "", "there is no such collection")
		} else if len(names[c]) > 1 {
			v.several[c] = map[digest]uint16{}
		}
	}
	for n, in := range v.inputs {
		if err := v.scan(ctx, in, func(place int64, doc bson.Raw) error { return v.add(n, place, doc) }); err != nil {
			return err
		}
	}
	return nil
}

// maxKeyText bounds what is read of a key file, in bytes.
const maxKeyText = 8 << 10

// readKeys reads the server's key, or several, the current one first.
func (v *v5) readKeys(path string) error {
	if path == "" {
		v.note("", "", "no key file was named: every text is kept as it is, unreadable")
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyText))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	keys, err := fernet.ParseKeys(bytes.NewReader(text))
	if one, e := fernet.ParseKey(squeeze(string(text))); err != nil && e == nil {
		keys, err = fernet.Keys{one}, nil // one that was wrapped
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSource, path, err)
	}
	for i, k := range slices.Backward(keys) {
		ref := keyRef
		if len(keys) > 1 {
			ref = fmt.Sprintf("%s:%d", keyRef, i+1)
		}
		if !slices.ContainsFunc(keys[:i], func(other fernet.Key) bool { return other.Encode() == k.Encode() }) {
			v.keys = append(v.keys, Key{Ref: ref, Key: k, Active: i == 0})
		}
	}
	return nil
}

// keyRef names the key that everybody had.
const keyRef = "zen.key"

// openArchive reads an archive twice: the accounts first, whom the other records name.
func (v *v5) openArchive(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err == nil {
		v.size = info.Size()
	}
	var db string
	for pass := range 2 {
		f, src, compressed, err := v.openFile(path)
		if err != nil {
			return err
		}
		a := newArchive(path, src)
		all, err := a.prelude()
		if err != nil {
			return err
		}
		if pass == 0 {
			if db, err = v.chooseDatabase(a, all); err != nil {
				return err
			}
			if compressed {
				if v.spool, err = newSpool(v.opts.TempDir); err != nil {
					return err
				}
			}
			before, err := f.Stat()
			if err != nil {
				return fmt.Errorf("%w: %w", ErrSource, err)
			}
			for _, c := range collections {
				v.inputs = append(v.inputs, &input{path: path, collection: c, file: f, before: before, spool: v.spool})
			}
		}
		docs := 0
		err = a.blocks(func(ns namespace, place int64, doc []byte) error {
			if docs++; docs%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			n := slices.Index(collections, ns.collection)
			if ns.db != db || n < 0 || (n == 0) != (pass == 0) {
				return nil
			}
			if compressed {
				if place, err = v.spool.put(doc); err != nil {
					return err
				}
			}
			return v.add(n, place, doc)
		})
		if err != nil {
			return err
		}
		for _, ns := range all {
			if ns.db == db && slices.Contains(collections, ns.collection) && !a.done[ns] {
				return a.fail(a.at, "truncated: collection %.100q is missing", ns)
			}
		}
		v.quiet = true
	}
	return nil
}

// chooseDatabase takes the one database with accounts in it, or of several the one that version 5 used.
func (v *v5) chooseDatabase(a *archive, all []namespace) (db string, err error) {
	var found []string
	for _, ns := range all {
		if ns.collection == "users" && !slices.Contains(found, ns.db) {
			found = append(found, ns.db)
		}
	}
	switch {
	case len(found) == 0:
		return "", a.fail(0, "the archive holds no collection users")
	case len(found) == 1:
		db = found[0]
	case slices.Contains(found, database):
		db = database
	default:
		return "", a.fail(0, "the archive holds several databases with a collection users (%.200q): dump the one of Zencrypt alone", found)
	}
	for _, ns := range all {
		if ns.db != db || !slices.Contains(collections, ns.collection) {
			v.note(ns.String(), "", "this is no collection of Zencrypt 5 and stays behind")
		}
	}
	for _, c := range collections {
		if !slices.Contains(all, namespace{db, c}) {
			v.note(c, "", "there is no such collection")
		}
	}
	return db, nil
}

func (v *v5) close() error {
	var err error
	for _, f := range v.files {
		err = errors.Join(err, f.Close())
	}
	if v.spool != nil {
		err = errors.Join(err, v.spool.close())
	}
	v.files, v.spool = nil, nil
	return err
}
