package importer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"zencrypt/importer/testdata/older"
)

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nested is a document of documents, depth in all.
func nested(t testing.TB, depth int) []byte {
	t.Helper()
	b := marshal(t, bson.D{{Key: "x", Value: int32(1)}})
	for range depth - 1 {
		b = marshal(t, bson.D{{Key: "x", Value: bson.Raw(b)}})
	}
	return b
}

var person = bson.D{{Key: "email", Value: "a@example.org"}, {Key: "password", Value: "pbkdf2:sha256:1000$salt$" + strings.Repeat("ab", 32)}}

// with is a person with one more field.
func with(t testing.TB, name string, v any) []byte {
	t.Helper()
	return marshal(t, append(append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, person...), bson.E{Key: name, Value: v}))
}

// at is part of an error's text.
func at(file string, offset int) string { return fmt.Sprintf("%s: offset %d: ", file, offset) }

// refused holds a source to an error that names the file, and to yielding and reporting nothing.
func refused(t *testing.T, open opener, want string) {
	t.Helper()
	s, err := open(Options{Reject: func(r Reject) { t.Errorf("reports %v", r) }, TempDir: t.TempDir()})
	if s != nil || !errors.Is(err, ErrSource) {
		t.Fatalf("%v, %v", s, err)
	}
	if !regexp.MustCompile(want).MatchString(err.Error()) {
		t.Errorf("%v, want %s", err, want)
	}
	if len(err.Error()) > 700 || strings.Contains(err.Error(), "gAAAAA") {
		t.Errorf("error text of %d bytes: %.1000s", len(err.Error()), err)
	}
}

func TestBad_Dump(t *testing.T) {
	good := with(t, "n", int32(1))
	length := func(n uint32) []byte {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b, n)
		return append(bytes.Clone(good), append(b, good...)...)
	}
	second := at("users.bson", len(good))
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"NoDump":          {[]byte("This is a letter, and no dump of anything.\n"), at("users.bson", 0) + ".*no BSON"},
		"PNG":             {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), at("users.bson", 0)},
		"Short":           {[]byte{1, 2}, at("users.bson", 0) + "truncated: length field of 4 bytes ends after 2"},
		"Truncated":       {append(bytes.Clone(good), good[:50]...), second + fmt.Sprintf("truncated: document of %d bytes ends after 50", len(good))},
		"LengthZero":      {length(0), second + "a document of 0 bytes"},
		"LengthFour":      {length(4), second + "a document of 4 bytes"},
		"LengthNegative":  {length(0xfffffff0), second + "a document of -16 bytes"},
		"LengthLess":      {length(uint32(len(good)) - 1), second + ".*not well-formed"},
		"LengthMore":      {length(uint32(len(good)) + 1), second + ".*not well-formed"},
		"LengthPastEnd":   {length(1 << 20), second + fmt.Sprintf("truncated: document of 1048576 bytes ends after %d", 2*len(good))},
		"17MB":            {with(t, "blob", make([]byte, 17<<20)), at("users.bson", 0) + "a document of 178[0-9]{5} bytes"},
		"Nested":          {append(bytes.Clone(good), nested(t, 200)...), second + ".*more than 100 deep"},
		"NestedInCode":    {append(bytes.Clone(good), with(t, "code", bson.CodeWithScope{Code: "x", Scope: bson.Raw(nested(t, 120))})...), second + ".*more than 100 deep"},
		"NestedVeryDeep":  {deepest(), at("users.bson", 0) + ".*more than 100 deep"},
		"StringWithout0":  {bytes.Replace(good, []byte("a@example.org\x00"), []byte("a@example.org!"), 1), at("users.bson", 0) + ".*not well-formed"},
		"UnknownType":     {bytes.Replace(good, []byte("\x10n\x00"), []byte("\x66n\x00"), 1), at("users.bson", 0) + ".*not well-formed"},
		"CompressedOther": {gzipped(t, []byte("a letter")), at("users.bson", 0)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "users.bson"), tt.file, 0o644); err != nil {
				t.Fatal(err)
			}
			refused(t, openV5(dir, ""), tt.want)
			// The same inside of an archive, whose head is 256 bytes long.
			if strings.HasPrefix(name, "Nested") || name == "17MB" || strings.HasPrefix(name, "Length") && name != "LengthPastEnd" {
				a := makeArchive("zencrypt", map[string][][]byte{"users": {tt.file}}, 1)
				path := filepath.Join(dir, "x.archive")
				if err := os.WriteFile(path, a, 0o644); err != nil {
					t.Fatal(err)
				}
				refused(t, openV5(path, ""), "x.archive: offset [0-9]{3,}: ")
			}
		})
	}
}

// deepest is a document as deep as its size allows, which no recursion would survive.
func deepest() []byte {
	const size = 16 << 20
	depth := (size - 5) / 8
	var b bytes.Buffer
	n := depth*8 + 5
	for range depth {
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(n)))
		b.WriteString("\x03x\x00")
		n -= 8
	}
	b.WriteString("\x05\x00\x00\x00\x00")
	b.Write(make([]byte, depth))
	return b.Bytes()
}

// TestBad_Truncated cuts small sources at every byte. A dump that ends between two documents looks whole.
func TestBad_Truncated(t *testing.T) {
	spec := older.Spec{Seed: 1, Accounts: 1, Texts: 1}
	for _, form := range []older.Form{older.Archive, older.ArchiveGzip, older.DumpGzip, older.Dump, older.Lines} {
		t.Run(string(form), func(t *testing.T) {
			job := made(t, spec, form)
			users, _ := filepath.Glob(filepath.Join(job.Path, "users*"))
			archives, _ := filepath.Glob(filepath.Join(job.Path, "*.archive"))
			name := append(users, archives...)
			if len(name) != 1 {
				t.Fatal(name)
			}
			whole, err := os.ReadFile(name[0])
			if err != nil {
				t.Fatal(err)
			}
			between := map[int]bool{}
			switch form {
			case older.Dump:
				n := 0
				for _, d := range split(t, whole) {
					between[n] = true
					n += len(d)
				}
			case older.Lines:
				for i, c := range whole {
					between[i] = c == '\n' || i == 0 || whole[i-1] == '\n'
				}
			}
			for n := range whole {
				if between[n] {
					continue
				}
				if err := os.WriteFile(name[0], whole[:n], 0o644); err != nil {
					t.Fatal(err)
				}
				s, err := OpenV5(context.Background(), job.Path, job.Key, Options{})
				if s != nil || !errors.Is(err, ErrSource) {
					t.Fatalf("cut to %d of %d bytes: %v, %v", n, len(whole), s, err)
				}
			}
		})
	}
}

func TestBad_JSON(t *testing.T) {
	line, err := bson.MarshalExtJSON(bson.Raw(with(t, "n", int32(1))), false, false)
	if err != nil {
		t.Fatal(err)
	}
	one := string(line)
	big, _ := bson.MarshalExtJSON(bson.Raw(with(t, "blob", strings.Repeat("x", 17<<20))), false, false)
	for name, tt := range map[string]struct{ file, want string }{
		"NoExport":      {"a letter\n", at("users.json", 0) + "a document in Extended JSON begins with"},
		"Number":        {"17\n", at("users.json", 0)},
		"Truncated":     {one + "\n" + one[:30], at("users.json", len(one)+1) + "truncated: the document does not end"},
		"InText":        {one + "\n" + `{"email":"a}`, at("users.json", len(one)+1) + "truncated"},
		"Array":         {"[" + one + ",\n" + one, at("users.json", 2*len(one)+3) + "truncated: the array does not end"},
		"ArrayComma":    {"[" + one + ",", at("users.json", len(one)+2) + "truncated: the array does not end"},
		"ArrayNoComma":  {"[" + one + one + "]", at("users.json", len(one)+1) + "a comma"},
		"ArrayTrailing": {"[" + one + ",]", at("users.json", len(one)+2) + "a document in Extended JSON begins"},
		"ArrayBehind":   {"[" + one + "]\n" + one, at("users.json", len(one)+3) + "something follows"},
		"ArrayOfArrays": {"[[" + one + "]]", at("users.json", 1)},
		"Brackets":      {one + "\n" + `{"a":[}]`, at("users.json", len(one)+1)},
		"Bare":          {`{email: "a"}`, at("users.json", 0) + ".*not well-formed"},
		"BadID":         {`{"_id":{"$oid":"zz"}}`, at("users.json", 0) + ".*not well-formed"},
		"17MB":          {string(big), at("users.json", 0) + "a document of 178[0-9]{5} bytes as BSON"},
		"40MB":          {`{"a":"` + strings.Repeat("x", 40<<20), at("users.json", 0) + "a document of more than"},
		"Nested":        {strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), at("users.json", 0) + ".*more than 100 deep"},
		"NestedArrays":  {`{"a":` + strings.Repeat("[", 1<<20), at("users.json", 0) + ".*more than 100 deep"},
		"NestedJust":    {strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101), at("users.json", 0) + ".*more than 100 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "users.json"), []byte(tt.file), 0o644); err != nil {
				t.Fatal(err)
			}
			refused(t, openV5(dir, ""), tt.want)
		})
	}
}

func TestBad_Archive(t *testing.T) {
	docs := map[string][][]byte{"users": {with(t, "n", int32(1))}}
	good := makeArchive("zencrypt", docs, 1)
	flipped := bytes.Replace(good, []byte("a@example"), []byte("b@example"), 1)
	version := bytes.Replace(good, []byte("0.1\x00"), []byte("9.9\x00"), 1)
	head := marshal(t, bson.D{{Key: "db", Value: "zencrypt"}, {Key: "collection", Value: "users"}, {Key: "EOF", Value: false}, {Key: "CRC", Value: int64(0)}})
	again := append(append(bytes.Clone(good), head...), docs["users"][0]...)
	nameless := append(bytes.Clone(good), marshal(t, person)...)
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"Checksum":   {flipped, "offset [0-9]+: the checksum of collection .zencrypt.users. is another"},
		"Version":    {version, "offset 4: an archive of version .9.9."},
		"Terminator": {append(bytes.Clone(good), 0xff, 0xff, 0xff, 0xff), at("x.archive", len(good)) + "a terminator"},
		"Behind":     {append(bytes.Clone(good), "behind"...), at("x.archive", len(good))},
		"Again":      {again, at("x.archive", len(good)) + "collection .zencrypt.users. goes on after its end"},
		"Nameless":   {nameless, at("x.archive", len(good)) + "a block that names no collection"},
		"NoUsers":    {bytes.ReplaceAll(good, []byte("users\x00"), []byte("peple\x00")), "the archive holds no collection users"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.archive")
			if err := os.WriteFile(path, tt.file, 0o644); err != nil {
				t.Fatal(err)
			}
			refused(t, openV5(path, ""), tt.want)
		})
	}
}

func TestBad_Folder(t *testing.T) {
	write := func(names ...string) string {
		dir := t.TempDir()
		for _, name := range names {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, marshal(t, person), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	refused(t, openV5(write(), ""), "neither users.bson nor users.json")
	refused(t, openV5(write("zen.key", "hashes.bson", "a/customers.bson"), ""), "neither users.bson nor users.json")
	refused(t, openV5(write("one/users.bson", "two/users.bson"), ""), "several dumps or exports: name one of .*one, .*two")
	refused(t, openV5(write("a/b/c/d/e/f/users.bson"), ""), "neither users.bson")
	refused(t, openV5(filepath.Join(write("users.bson"), "users.bson"), ""), "offset 0: this is no archive")
	refused(t, openV5(filepath.Join(t.TempDir(), "nowhere"), ""), "nowhere: no such file")
	refused(t, openV5(write("users.bson"), filepath.Join(t.TempDir(), "nowhere")), "nowhere: no such file")
	dir := write("users.bson")
	for _, text := range []string{"", "not a key\n", strings.Repeat("a", 1<<20)} {
		key := filepath.Join(dir, "zen.key")
		if err := os.WriteFile(key, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, openV5(dir, key), "zen.key: read fernet key file: ")
	}
}

func TestBad_V6(t *testing.T) {
	job := made(t, small, "")
	whole, err := os.ReadFile(job.Path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(t *testing.T, b []byte) opener {
		t.Helper()
		path := filepath.Join(t.TempDir(), "zencrypt.db")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return openV6(path)
	}
	change := func(at int, with ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], with)
		return b
	}
	page := int(binary.BigEndian.Uint16(whole[16:]))
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"Empty":      {nil, "zencrypt.db: 0 bytes, fewer"},
		"NoDatabase": {bytes.Repeat([]byte("a letter\n"), 100), "zencrypt.db: offset 0: this is not a SQLite database"},
		"Header":     {whole[:100], "zencrypt.db: "},
		"OnePage":    {whole[:page], "zencrypt.db: the database is damaged"},
		"HalfAPage":  {whole[:len(whole)/2+100], "zencrypt.db: the database is damaged"},
		"LastPage":   {whole[:len(whole)-page], "zencrypt.db: the database is damaged"},
		"Page":       {change(2*page, bytes.Repeat([]byte{0xaa}, page)...), "zencrypt.db: the database is damaged"},
		"PageSize":   {change(16, 0x12, 0x34), "zencrypt.db: "},
		"Schema":     {bytes.Replace(whole, []byte("CREATE TABLE user"), []byte("CREATE GARBL user"), 1), "zencrypt.db: "},
	} {
		t.Run(name, func(t *testing.T) { refused(t, write(t, tt.file), tt.want) })
	}
	for name, tt := range map[string]struct{ sql, want string }{
		"NoTable":  {`DROP TABLE user`, "it has no table user"},
		"NoColumn": {`ALTER TABLE user RENAME COLUMN password_hash TO x`, "table user has no column password_hash"},
		"View":     {`ALTER TABLE hash RENAME TO h; CREATE VIEW hash AS SELECT * FROM h`, "hash is no ordinary table"},
		"Endless":  {`DROP TABLE user; CREATE VIEW user AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r) SELECT n AS id, 'x' AS email, 'y' AS password_hash FROM r`, "user is no ordinary table"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "zencrypt.db")
			if err := os.WriteFile(path, whole, 0o644); err != nil {
				t.Fatal(err)
			}
			db := writer(t, path, "_pragma=foreign_keys(0)&_pragma=legacy_alter_table(1)")
			mustExec(t, db, tt.sql)
			db.Close()
			refused(t, openV6(path), tt.want)
		})
	}
	refused(t, openV6(t.TempDir()), "this is no file but a d")
	refused(t, openV6(filepath.Join(t.TempDir(), "nowhere.db")), "nowhere.db: no such file")
}
