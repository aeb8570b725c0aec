package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

var made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const id1, id2 = "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"

// sample is an archive with something of everything.
func sample(t testing.TB, o Options, change ...func(w *Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	o.Program, o.Now, o.Account = "zencrypt test", made, Account{Login: "mira", Created: made}
	w, err := NewWriter(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Release()
	must := func(f File, err error) *File {
		if err != nil {
			t.Fatal(err)
		}
		return &f
	}
	private := must(w.AddText("keys/01-age-k/v1-active.txt", "AGE-SECRET-KEY-1\n"))
	ok := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(w.Key(Key{ID: id1, Kind: "age", Name: "k", Created: made, MinVersion: 1, Last: 1, Versions: []KeyVersion{{N: 1, State: "active", Created: made, Private: *private}}}))
	ok(w.Person(Person{ID: id1, Name: "Bob", Created: made, Keys: []PublicKey{{Kind: "age", Public: "age1", Pinned: made}}, Recipients: must(w.AddText("people/001-Bob/age.txt", "age1\n"))}))
	ok(w.Item(Item{ID: id1, Kind: "note", Title: "One", Created: made, Size: 3, Text: true, FileName: "a\xffb", File: must(w.AddText("notes/00001-One.txt", "one"))}))
	ok(w.Item(Item{ID: id2, Kind: "file", Title: "Two", Created: made, Size: 0, File: must(w.Add("files/00002-Two", made, 0, strings.NewReader("")))}))
	for _, f := range change {
		f(w)
	}
	ok(w.Close())
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	b := sample(t, Options{})
	c, err := Check(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if c.Account.Login != "mira" || len(c.Keys) != 1 || len(c.People) != 1 || len(c.Items) != 2 || c.Items[0].FileName != "a\xffb" {
		t.Errorf("read %+v, %d keys, %d people, %d items, file name %q", c.Header, len(c.Keys), len(c.People), len(c.Items), c.Items[0].FileName)
	}
	if got := string(c.Small(&c.Keys[0].Versions[0].Private)); got != "AGE-SECRET-KEY-1\n" {
		t.Errorf("the private key is %q", got)
	}
	var got []string
	err = c.Each(bytes.NewReader(b), func(i *Item, r io.Reader) error {
		body, err := io.ReadAll(r)
		got = append(got, i.Title+"="+string(body))
		return err
	})
	if err != nil || strings.Join(got, " ") != "One=one Two=" {
		t.Errorf("items are %q (%v)", got, err)
	}
	if s := fmt.Sprintf("%v %+v %d", c.Keys, c.Items[0], c); strings.Contains(s, "AGE-SECRET") || strings.Contains(s, "One") {
		t.Errorf("it prints %s", s)
	}
}

// Every archive that is cut, or of which a byte is another, is refused: what age would find is found without it too.
func TestCheck_Damage(t *testing.T) {
	b := sample(t, Options{})
	end := bytes.LastIndexByte(b, '\n') + 1 // then come the filling of a block and two blocks of zeros, which say nothing
	for n := 0; n < end; n += 97 {
		if _, err := Check(bytes.NewReader(b[:n])); !errors.Is(err, ErrFormat) {
			t.Errorf("cut after %d of %d bytes: %v", n, len(b), err)
		}
	}
	// Contents alone: a header's unused fields and the filling of a block say nothing.
	r := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, body)
		for i := 0; len(body) > 8 && i < len(body); i += 1 + len(body)/40 {
			bad := bytes.Clone(b)
			bad[at+i] ^= 1
			if _, err := Check(bytes.NewReader(bad)); !errors.Is(err, ErrFormat) {
				t.Errorf("byte %d of %s changed: %v", i, h.Name, err)
			}
		}
	}
}

// Each finds what changes between the two readings.
func TestEach_Changed(t *testing.T) {
	b := sample(t, Options{})
	c, err := Check(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(b, []byte("one\x00"), []byte("eno\x00"), 1)
	err = c.Each(bytes.NewReader(bad), func(_ *Item, r io.Reader) error { _, err := io.ReadAll(r); return err })
	if !errors.Is(err, ErrFormat) {
		t.Errorf("another content: %v", err)
	}
}

// packed is an archive of hand-made members; SHA256SUMS and a manifest of the text given are added.
func packed(t testing.TB, manifest string, members ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	sums := ""
	put := func(h tar.Header, body string) {
		h.Size, h.Format = int64(len(body)), tar.FormatPAX
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, body)
			sum := sha256.Sum256([]byte(body))
			sums += hex.EncodeToString(sum[:]) + "  " + h.Name + "\n"
		}
	}
	for _, h := range members {
		put(h, "x")
	}
	put(tar.Header{Name: manifestName}, manifest)
	put(tar.Header{Name: sumsName}, sums)
	w.Close()
	return b.Bytes()
}

const head = `{"format":"zencrypt-export","version":1,"program":"p","created":"2026-01-02T03:04:05Z","account":{"login":"mira","created":"2026-01-02T03:04:05Z","unlisted":false},`

func manifest(keys, people, items string) string {
	return head + `"keys":[` + keys + `],"people":[` + people + `],"items":[` + items + `]}`
}

const sumX = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"

func item(extra string) string {
	return `{"id":"` + id1 + `","kind":"note","title":"t","created":"2026-01-02T03:04:05Z","size":1,"text":true,"file_name":"","format":"","detail":"","file":{"name":"zencrypt-export/notes/1","size":1,"sha256":"` + sumX + `"}` + extra + `}`
}

func TestCheck_Hostile(t *testing.T) {
	in := tar.Header{Name: "zencrypt-export/notes/1"}
	if _, err := Check(bytes.NewReader(packed(t, manifest("", "", item("")), in))); err != nil {
		t.Fatalf("the plain one: %v", err)
	}
	long := strings.Repeat("x", maxElement*4)
	for name, b := range map[string][]byte{
		"Empty":          nil,
		"NoTar":          bytes.Repeat([]byte("x"), 4096),
		"NoManifest":     packed(t, "", in),
		"Absolute":       packed(t, manifest("", "", ""), tar.Header{Name: "/etc/passwd"}),
		"Climbs":         packed(t, manifest("", "", ""), tar.Header{Name: "zencrypt-export/../../x"}),
		"Elsewhere":      packed(t, manifest("", "", ""), tar.Header{Name: "other/x"}),
		"Backslash":      packed(t, manifest("", "", ""), tar.Header{Name: `zencrypt-export/..\x`}),
		"Link":           packed(t, manifest("", "", ""), tar.Header{Name: "zencrypt-export/notes/1", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"HardLink":       packed(t, manifest("", "", ""), tar.Header{Name: "zencrypt-export/notes/1", Typeflag: tar.TypeLink, Linkname: "zencrypt-export/README.txt"}),
		"Twice":          packed(t, manifest("", "", ""), in, in),
		"TwoManifests":   packed(t, manifest("", "", ""), tar.Header{Name: manifestName}),
		"MemberTwice":    packed(t, manifest("", "", item("")+","+item("")), in),
		"Missing":        packed(t, manifest("", "", item(""))),
		"BadID":          packed(t, manifest("", "", strings.Replace(item(""), id1, strings.ToUpper(id2), 1)), in),
		"BadKind":        packed(t, manifest("", "", strings.Replace(item(""), `"note"`, `"root"`, 1)), in),
		"BadSize":        packed(t, manifest("", "", strings.Replace(item(""), `"size":1,"text"`, `"size":-1,"text"`, 1)), in),
		"BadTime":        packed(t, manifest("", "", strings.Replace(item(""), `"2026-`, `"0000-`, 1)), in),
		"LongTitle":      packed(t, manifest("", "", strings.Replace(item(""), `"t"`, `"`+strings.Repeat("x", maxText+1)+`"`, 1)), in),
		"LongElement":    packed(t, manifest("", "", item(`,"more":"`+long+`"`)), in),
		"LongToken":      packed(t, `{"`+long+`":1}`),
		"LongWhitespace": packed(t, strings.Replace(manifest("", "", ""), ",", ","+strings.Repeat(" ", 4*maxElement), 1)),
		"TwoItemLists":   packed(t, strings.TrimSuffix(manifest("", "", ""), "}")+`,"items":[]}`),
		"Unknown":        packed(t, strings.TrimSuffix(manifest("", "", ""), "}")+`,"more":[]}`),
		"OtherFormat":    packed(t, strings.Replace(manifest("", "", ""), "zencrypt-export", "other", 1)),
		"OtherVersion":   packed(t, strings.Replace(manifest("", "", ""), `"version":1`, `"version":2`, 1)),
		"Trailing":       packed(t, manifest("", "", "")+"{}"),
		"ManyVersions":   packed(t, manifest(`{"id":"`+id1+`","kind":"age","created":"2026-01-02T03:04:05Z","versions":[`+strings.TrimSuffix(strings.Repeat("{},", MaxVersions+1), ",")+`]}`, "", "")),
		"VersionOrder":   packed(t, manifest(`{"id":"`+id1+`","kind":"age","created":"2026-01-02T03:04:05Z","versions":[{"version":2,"state":"active","created":"2026-01-02T03:04:05Z"},{"version":2,"state":"active","created":"2026-01-02T03:04:05Z"}]}`, "", "")),
		"ManyPeople":     packed(t, manifest("", strings.TrimSuffix(strings.Repeat(`{"id":"`+id1+`","name":"B","created":"2026-01-02T03:04:05Z","keys":[]},`, MaxPeople+1), ","), "")),
		"KeyInNotes":     packed(t, manifest(`{"id":"`+id1+`","kind":"age","created":"2026-01-02T03:04:05Z","versions":[{"version":1,"state":"active","created":"2026-01-02T03:04:05Z","private":{"name":"zencrypt-export/notes/1","size":1,"sha256":"`+sumX+`"}}]}`, "", ""), in),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Check(bytes.NewReader(b)); !errors.Is(err, ErrFormat) {
				t.Errorf("got %v, want ErrFormat", err)
			}
		})
	}
}

// memory is an Overflow for tests.
type memory struct {
	bytes.Buffer
	removed *int
}

func (m *memory) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.Bytes())), nil
}
func (m *memory) Remove() { *m.removed++ }

// A manifest that does not fit into memory goes through the overflow, and says the same.
func TestWriter_Overflow(t *testing.T) {
	begun, removed := 0, 0
	b := sample(t, Options{Overflow: func() (Overflow, error) { begun++; return &memory{removed: &removed}, nil }}, func(w *Writer) {
		for i := range 44_000 {
			name := fmt.Sprintf("notes/1%06d.txt", i)
			f, err := w.AddText(name, "n")
			if err == nil {
				err = w.Item(Item{ID: fmt.Sprintf("%032x", i+10), Kind: "note", Title: "n", Created: made, Size: 1, Text: true, File: &f})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if begun != 2 || removed != 2 {
		t.Errorf("%d overflows were made and %d removed, want 2 of each", begun, removed)
	}
	c, err := Check(bytes.NewReader(b))
	if err != nil || len(c.Items) != 44_002 {
		t.Fatalf("read %v", err)
	}
}

// What breaks off in the middle of a damaged file is zeros, and the rest of the archive is whole.
func TestWriter_Unsure(t *testing.T) {
	bad := errors.New("damaged")
	b := sample(t, Options{}, func(w *Writer) {
		_, damage, err := w.AddUnsure("files/3", made, 10, io.MultiReader(strings.NewReader("right"), errReader{bad}), func(err error) bool { return err == bad })
		if damage != bad || err != nil {
			t.Fatalf("got %v and %v", damage, err)
		}
		if err := w.Item(Item{ID: id2, Kind: "file", Title: "Broken", Created: made, Problem: "its stored copy is damaged"}); err != nil {
			t.Fatal(err)
		}
	})
	c, err := Check(bytes.NewReader(b))
	if err != nil || c.Items[2].Problem == "" || !bytes.Contains(b, []byte("right\x00\x00")) || !bytes.Contains(b, []byte("Broken: its stored copy is damaged")) {
		t.Errorf("read %v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

func TestNumbered(t *testing.T) {
	for _, tt := range []struct{ title, ext, want string }{
		{"Shopping list", ".txt", "n/007-Shopping_list.txt"},
		{"report.pdf", "", "n/007-report.pdf"},
		{"../../etc/passwd", "", "n/007-etc_passwd"},
		{"CON", "", "n/007-CON"},
		{"a\x00b\u202ec\nd", ".txt", "n/007-a_b_c_d.txt"},
		{"", ".txt", "n/007.txt"},
		{"///", "", "n/007"},
		{"x.TXT", ".txt", "n/007-x.TXT"},
		{"żółw 亀.md", "", "n/007-żółw_亀.md"},
		{strings.Repeat("é", 300) + ".tar", "", "n/007-" + strings.Repeat("é", 58) + ".tar"},
		{"a....b", "", "n/007-a.b"},
	} {
		got := Numbered("n", 7, 3, tt.title, tt.ext)
		if got != tt.want || checkName(Folder+"/"+got) != nil {
			t.Errorf("%q is %q, want %q", tt.title, got, tt.want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(sample(f, Options{}))
	f.Add(packed(f, manifest("", "", item("")), tar.Header{Name: "zencrypt-export/notes/1"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Check(bytes.NewReader(b))
		if err != nil {
			return
		}
		if err := c.Each(bytes.NewReader(b), func(_ *Item, r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err != nil {
			t.Errorf("what was checked is not read again: %v", err)
		}
	})
}
