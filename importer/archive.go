package importer

import (
	"errors"
	"hash"
	"hash/crc64"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// An archive of mongodump, as its own package common/archive in mongo-tools defines it, which is part of a program and brings
// that along:
//
//	magic 4 bytes, 0x8199e26d little-endian
//	prelude: a document about the archive, one for each collection, terminator
//	blocks: a document that names a collection, documents of it, terminator
//
// Blocks of several collections may take turns. The last of each says EOF and the CRC-64 (ECMA-182)
// of all of its documents. A terminator is 0xffffffff where a document's length would be.
const (
	archiveMagic      = 0x8199e26d
	archiveVersion    = "0.1"
	archiveTerminator = 0xffffffff
	maxNamespaces     = 10_000
)

// A namespace is a collection of a database.
type namespace struct{ db, collection string }

func (n namespace) String() string { return n.db + "." + n.collection }

var crcTable = crc64.MakeTable(crc64.ECMA)

// archive reads an archive from its beginning.
type archive struct {
	*reader
	sums map[namespace]hash.Hash64
	done map[namespace]bool
}

func newArchive(name string, src io.Reader) *archive {
	return &archive{newReader(name, src), map[namespace]hash.Hash64{}, map[namespace]bool{}}
}

// prelude reads which collections the archive holds.
func (a *archive) prelude() ([]namespace, error) {
	if magic, err := a.length(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if err != nil || magic != archiveMagic {
		return nil, a.fail(0, "this is no archive of mongodump")
	}
	offset := a.at
	head, err := a.document()
	if err != nil {
		return nil, err
	}
	if head == nil {
		return nil, a.fail(offset, "the archive's head is missing")
	}
	if v, _ := lookup(head, "version").StringValueOK(); v != archiveVersion {
		return nil, a.fail(offset, "an archive of version %.20q: only %s is known", v, archiveVersion)
	}
	var all []namespace
	for {
		offset := a.at
		doc, err := a.document()
		if err != nil {
			return nil, err
		}
		if doc == nil {
			return all, nil
		}
		ns, ok := namespaceOf(doc)
		if !ok {
			return nil, a.fail(offset, "a collection without a name")
		}
		if len(all) == maxNamespaces {
			return nil, a.fail(offset, "more than %d collections", maxNamespaces)
		}
		all = append(all, ns)
	}
}

// document reads a document of the archive itself, nil at a terminator.
func (a *archive) document() (bson.Raw, error) {
	offset := a.at
	length, err := a.length()
	switch {
	case errors.Is(err, io.EOF):
		return nil, a.fail(offset, "truncated: the archive ends in the middle of a block")
	case err != nil:
		return nil, err
	case length == archiveTerminator:
		return nil, nil
	}
	doc, err := a.body(length)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(doc, 1); err != nil {
		return nil, a.fail(offset, "a document of %d bytes: %w", len(doc), err)
	}
	return doc, nil
}

func namespaceOf(doc bson.Raw) (ns namespace, ok bool) {
	db, ok1 := lookup(doc, "db").StringValueOK()
	collection, ok2 := lookup(doc, "collection").StringValueOK()
	return namespace{db, collection}, ok1 && ok2 && collection != ""
}

// blocks calls each with every document after the prelude.
func (a *archive) blocks(each func(ns namespace, offset int64, doc []byte) error) error {
	for {
		offset := a.at
		length, err := a.length()
		if errors.Is(err, io.EOF) {
			return a.end()
		}
		if err != nil {
			return err
		}
		if length == archiveTerminator {
			return a.fail(offset, "a terminator where a collection's name should be")
		}
		head, err := a.body(length)
		if err != nil {
			return err
		}
		if err := a.block(offset, head, each); err != nil {
			return err
		}
	}
}

func (a *archive) block(offset int64, head bson.Raw, each func(ns namespace, offset int64, doc []byte) error) error {
	if err := checkDocument(head, 1); err != nil {
		return a.fail(offset, "a document of %d bytes: %w", len(head), err)
	}
	ns, ok := namespaceOf(head)
	if !ok {
		return a.fail(offset, "a block that names no collection")
	}
	last, _ := lookup(head, "EOF").BooleanOK()
	crc, _ := lookup(head, "CRC").AsInt64OK()
	if a.done[ns] {
		return a.fail(offset, "collection %.100q goes on after its end", ns)
	}
	sum := a.sums[ns]
	if sum == nil {
		if len(a.sums) == maxNamespaces {
			return a.fail(offset, "more than %d collections", maxNamespaces)
		}
		sum = crc64.New(crcTable)
		a.sums[ns] = sum
	}
	for {
		offset := a.at
		doc, err := a.document()
		if err != nil {
			return err
		}
		if doc == nil {
			break
		}
		if last {
			return a.fail(offset, "collection %.100q goes on after its end", ns)
		}
		sum.Write(doc)
		if err := each(ns, offset, doc); err != nil {
			return err
		}
	}
	if last {
		a.done[ns] = true
		if int64(sum.Sum64()) != crc {
			return a.fail(offset, "the checksum of collection %.100q is another: the archive is damaged", ns)
		}
	}
	return nil
}

// end checks that every collection came to its end.
func (a *archive) end() error {
	for ns := range a.sums {
		if !a.done[ns] {
			return a.fail(a.at, "truncated: collection %.100q does not end", ns)
		}
	}
	return nil
}
