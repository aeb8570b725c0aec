package older

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"path/filepath"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A Form is one in which version 5's data may come.
type Form string

// The forms: mongodump's folder and archive, each also compressed, and mongoexport's lines.
const (
	Dump        Form = "dump"
	DumpGzip    Form = "dump-gzip"
	Archive     Form = "archive"
	ArchiveGzip Form = "archive-gzip"
	Lines       Form = "lines"
)

// Forms are all of them.
var Forms = []Form{Dump, DumpGzip, Archive, ArchiveGzip, Lines}

// names are version 5's collections, in the order in which an archive has them here: the accounts last, behind the records that name them.
var names = []string{"encrypted_texts", "hashes", "users"}

// ID is the ObjectId of a record, of kind 0 for accounts, 1 for texts, 2 for digests.
func (s Spec) ID(kind byte, n int) bson.ObjectID {
	var id bson.ObjectID
	binary.BigEndian.PutUint32(id[:], uint32(s.Time(n).Unix()))
	binary.BigEndian.PutUint32(id[4:], uint32(s.Seed))
	binary.BigEndian.PutUint32(id[8:], uint32(n))
	id[7] = kind
	return id
}

func (s Spec) count(collection string) int {
	return map[string]int{"users": s.Accounts, "encrypted_texts": s.Texts, "hashes": s.Digests}[collection]
}

// document is the nth of a collection.
func (s Spec) document(collection string, n int) bson.D {
	owner := bson.E{Key: "userId", Value: s.ID(0, s.Owner(n)).Hex()}
	switch collection {
	case "users":
		return bson.D{{Key: "_id", Value: s.ID(0, n)}, {Key: "email", Value: s.Login(n)}, {Key: "password", Value: s.Werkzeug(n)}}
	case "encrypted_texts":
		return bson.D{{Key: "_id", Value: s.ID(1, n)}, owner, {Key: "encryptedText", Value: string(s.Token(n, -1))}}
	}
	sum, salt := s.Digest(n)
	return bson.D{{Key: "_id", Value: s.ID(2, n)}, owner, {Key: "hash", Value: sum}, {Key: "salt", Value: salt}}
}

// V5 makes the data of version 5 in a folder, and zen.key beside it.
func (s Spec) V5(dir string, form Form) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "zen.key"), []byte(s.Key(-1)), 0o600); err != nil {
		return err
	}
	if form == Archive || form == ArchiveGzip {
		return write(filepath.Join(dir, "zencrypt.archive"), form == ArchiveGzip, s.archive)
	}
	ext := map[Form]string{Dump: ".bson", DumpGzip: ".bson.gz", Lines: ".json"}[form]
	if ext == "" {
		return fmt.Errorf("unknown form %q", form)
	}
	for _, c := range names {
		err := write(filepath.Join(dir, c+ext), form == DumpGzip, func(w io.Writer) error {
			for n := range s.count(c) {
				b, err := bson.Marshal(s.document(c, n))
				if form == Lines {
					b, err = bson.MarshalExtJSON(s.document(c, n), false, false)
					b = append(b, '\n')
				}
				if err != nil {
					return err
				}
				if _, err := w.Write(b); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func write(name string, compress bool, fill func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	var w io.Writer = b
	closeGzip := func() error { return nil }
	if compress {
		z, _ := gzip.NewWriterLevel(b, gzip.BestSpeed)
		w, closeGzip = z, z.Close
	}
	return errors.Join(fill(w), closeGzip(), b.Flush(), f.Close())
}

// archive writes what mongodump --archive does, in blocks of 100 documents that take turns.
func (s Spec) archive(w io.Writer) error {
	var failed error
	put := func(v any) []byte {
		b, ok := v.([]byte)
		if !ok {
			var err error
			if b, err = bson.Marshal(v); err != nil {
				failed = errors.Join(failed, err)
			}
		}
		if _, err := w.Write(b); err != nil && failed == nil {
			failed = err
		}
		return b
	}
	end := []byte{0xff, 0xff, 0xff, 0xff}
	put([]byte{0x6d, 0xe2, 0x99, 0x81})
	put(bson.D{{Key: "concurrent_collections", Value: int32(4)}, {Key: "version", Value: "0.1"}, {Key: "server_version", Value: "6.0.5"}, {Key: "tool_version", Value: "100.7.0"}})
	for _, c := range names {
		put(bson.D{{Key: "db", Value: "zencrypt"}, {Key: "collection", Value: c}, {Key: "metadata", Value: "{}"}, {Key: "size", Value: int32(0)}, {Key: "type", Value: "collection"}})
	}
	put(end)
	head := func(c string, eof bool, crc uint64) {
		put(bson.D{{Key: "db", Value: "zencrypt"}, {Key: "collection", Value: c}, {Key: "EOF", Value: eof}, {Key: "CRC", Value: int64(crc)}})
	}
	table, sums, at := crc64.MakeTable(crc64.ECMA), map[string]uint64{}, map[string]int{}
	for more := true; more && failed == nil; {
		more = false
		for _, c := range names {
			upTo := min(at[c]+100, s.count(c))
			if at[c] == upTo {
				continue
			}
			more = true
			head(c, false, 0)
			for ; at[c] < upTo; at[c]++ {
				sums[c] = crc64.Update(sums[c], table, put(s.document(c, at[c])))
			}
			put(end)
		}
	}
	for _, c := range names {
		head(c, true, sums[c])
		put(end)
	}
	return failed
}
