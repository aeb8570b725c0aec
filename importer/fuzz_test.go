package importer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

var updateCorpus = flag.Bool("update-corpus", false, "write the seeds of the fuzz targets to testdata/fuzz")

// seeds are built here, from nobody's data.
func seeds(t testing.TB) map[string][][]byte {
	id := bson.ObjectID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	user := marshal(t, append(bson.D{{Key: "_id", Value: id}}, person...))
	text := marshal(t, bson.D{
		{Key: "_id", Value: "x"}, {Key: "userId", Value: id.Hex()}, {Key: "encryptedText", Value: "gAAAAA"}, {Key: "created_at", Value: bson.DateTime(1.7e12)},
		{Key: "more", Value: bson.A{nil, true, 1.5, int64(1), bson.D{{Key: "a", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}, bson.MinKey{}, bson.Regex{Pattern: "a"}, bson.CodeWithScope{Code: "x", Scope: bson.D{}}}},
	})
	digest := marshal(t, bson.D{{Key: "_id", Value: int32(5)}, {Key: "userId", Value: id}, {Key: "hash", Value: oddDigest}, {Key: "salt", Value: nil}})
	json := func(doc []byte, canonical bool) []byte {
		b, err := bson.MarshalExtJSON(bson.Raw(doc), canonical, false)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	nl, comma := []byte("\n"), []byte(" ,\r\n")
	return map[string][][]byte{
		"FuzzBSON": {{}, user, join(user, text, digest), nested(t, 99), nested(t, 101), user[:20], binary.LittleEndian.AppendUint32(nil, maxDocument), {5, 0, 0, 0, 0}},
		"FuzzJSON": {
			{}, []byte("[]"), []byte("\ufeff[ {} ]"), join(json(user, false), nl, json(text, false), nl), join([]byte("["), json(user, true), comma, json(digest, true), []byte("]\n")),
			[]byte(`{"a":"\"}\\"}{"b":{"$date":"2024-02-03T04:05:06Z"}}`), []byte(strings.Repeat(`{"a":[`, 60)),
		},
		"FuzzArchive": {
			{0x6d, 0xe2, 0x99, 0x81}, makeArchive("zencrypt", map[string][][]byte{"users": {user}, "encrypted_texts": {text}, "hashes": {digest, digest}}, 1),
			makeArchive("x", nil, 1), makeArchive("zencrypt", map[string][][]byte{"users": {user, user, user}}, 2)[:400],
		},
	}
}

// TestCorpus holds the files to the seeds: go test -run TestCorpus ./importer -update-corpus writes them.
func TestCorpus(t *testing.T) {
	for target, list := range seeds(t) {
		for i, seed := range list {
			name := filepath.Join("testdata", "fuzz", target, fmt.Sprintf("seed-%02d", i))
			want := "go test fuzz v1\n[]byte(" + strconv.Quote(string(seed)) + ")\n"
			if *updateCorpus {
				if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := os.ReadFile(name); err != nil || string(got) != want {
				t.Errorf("%s is not what the seeds say: %v", name, err)
			}
		}
	}
}

// use does with a document what the importer does with each, in every collection.
func use(t *testing.T, doc bson.Raw) {
	t.Helper()
	if err := checkDocument(doc, 1); err != nil {
		t.Fatalf("a document that was accepted is refused: %v", err)
	}
	v := &v5{
		owners: map[digest]uint32{}, logins: map[digest]uint32{}, lowers: map[digest]uint32{}, extra: map[string]map[string]int{}, several: map[string]map[digest]uint16{}, again: map[string]int{},
	}
	for n, c := range collections {
		v.inputs = append(v.inputs, &input{collection: c})
		if err := v.add(n, 0, doc); err != nil {
			t.Fatal(err)
		}
	}
	if made := created(doc); !made.IsZero() && (made.Location() != time.UTC || made.Before(earliest)) {
		t.Fatal(made)
	}
	for _, name := range []string{"_id", "email", "password", "userId", "hash", "salt", "encryptedText"} {
		f := lookup(doc, name)
		if b, ok := bytesOf(f); ok {
			openToken(b, nil)
			checkDigest(string(b))
			checkLogin(string(b))
			checkPassword(string(b))
		}
		if id := shortID(pythonString(f)); len(id) > 2*maxIDText {
			t.Fatalf("an id of %d bytes", len(id))
		}
	}
}

// sound holds an error to its form.
func sound(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "fuzz: offset ") || len(err.Error()) > 400 {
		t.Fatalf("%v", err)
	}
}

func FuzzBSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newReader("fuzz", bytes.NewReader(in))
		for end := int64(0); ; {
			at, doc, err := r.bson()
			if errors.Is(err, io.EOF) && at == int64(len(in)) {
				return
			}
			if err != nil {
				sound(t, err)
				return
			}
			if at != end || !bytes.Equal(doc, in[at:at+int64(len(doc))]) {
				t.Fatalf("%d bytes at %d", len(doc), at)
			}
			end += int64(len(doc))
			use(t, doc)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newJSONReader("fuzz", bytes.NewReader(in))
		buf := bufio.NewReaderSize(nil, 16)
		for {
			at, doc, err := r.next()
			if errors.Is(err, io.EOF) && r.at == int64(len(in)) {
				return
			}
			if err != nil {
				sound(t, err)
				return
			}
			use(t, doc)
			if again, err := jsonAt("fuzz", bytes.NewReader(in), at, buf); err != nil || !bytes.Equal(again, doc) {
				t.Fatalf("again at %d: %x, %v, want %x", at, again, err, doc)
			}
		}
	})
}

func FuzzArchive(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		a := newArchive("fuzz", bytes.NewReader(in))
		all, err := a.prelude()
		if err == nil {
			_, err = (&v5{}).chooseDatabase(a, all)
		}
		if err != nil {
			sound(t, err)
			return
		}
		err = a.blocks(func(_ namespace, at int64, doc []byte) error {
			if !bytes.Equal(doc, in[at:at+int64(len(doc))]) {
				t.Fatalf("%d bytes at %d", len(doc), at)
			}
			use(t, doc)
			return nil
		})
		if err != nil {
			sound(t, err)
		} else if a.at != int64(len(in)) {
			t.Fatalf("ends at %d of %d bytes", a.at, len(in))
		}
	})
}
