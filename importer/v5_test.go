package importer

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// idTime is when an ObjectId was made.
func idTime(t testing.TB, id string) string {
	t.Helper()
	b, err := hex.DecodeString(id)
	if err != nil || len(b) != 12 {
		t.Fatal(id)
	}
	return stampOf(time.Unix(int64(b[0])<<24|int64(b[1])<<16|int64(b[2])<<8|int64(b[3]), 0).UTC())
}

// expectedV5 is what the truth says of version 5: dates are the ids', what it calls ambiguous comes, and
// a whole token that the key does not open is reported and kept.
func expectedV5(t testing.TB, tr truth) *found {
	want := tr.expected()
	first := "users:" + tr.Users[0].OID
	for _, a := range tr.Ambiguous {
		id, why := a["_id"].(string), a["reason"].(string)
		switch a["collection"] {
		case "encrypted_texts":
			owner := regexp.MustCompile(`[0-9a-f]{24}`).FindString(why)
			want.texts["encrypted_texts:"+id] = record{"owner": "users:" + owner, "token": tr.Users[0].Texts[0].Token, "plain": a["plaintext"], "readable": true}
		default:
			sum := strings.Repeat("cd", 32)
			if strings.Contains(why, "upper-case") {
				sum = strings.Repeat("AB", 32)
			}
			want.digests["hashes:"+id] = record{"owner": first, "digest": sum, "salt": (*string)(nil)}
		}
	}
	for _, m := range []map[string]record{want.accounts, want.texts, want.digests} {
		for ref, r := range m {
			_, id, _ := strings.Cut(ref, ":")
			r["created"] = idTime(t, id)
		}
	}
	return want
}

func checkV5(t *testing.T, tr truth, got *found) {
	t.Helper()
	want := expectedV5(t, tr)
	same(t, "account", got.accounts, want.accounts)
	kept := 0
	for _, r := range got.rejects {
		ref := r.Collection + ":" + r.ID
		if whole := r.Reason == "broken_token_bad_hmac" || r.Reason == "token_under_another_key"; whole != r.Kept {
			t.Errorf("%s: kept: %t", ref, r.Kept)
		}
		if !r.Kept {
			continue
		}
		kept++
		if x := got.texts[ref]; x == nil || x["readable"] != false || x["owner"] != "users:"+tr.Users[0].OID {
			t.Errorf("%s is not kept as it is: %v", ref, x)
		}
		delete(got.texts, ref)
	}
	if kept != 2 {
		t.Errorf("%d kept", kept)
	}
	same(t, "text", got.texts, want.texts)
	same(t, "digest", got.digests, want.digests)
	sameRejects(t, got.rejects, tr.Rejects)
	if c := (Counts{Accounts: tr.Counts["users"], Keys: 1, Texts: tr.Counts["encrypted_texts"], Digests: tr.Counts["hashes"]}); got.counts != c {
		t.Errorf("counts: %+v, want %+v", got.counts, c)
	}
}

// forms writes the samples in every form in which they may come, and gives each one's path.
func forms(t *testing.T, tr truth) map[string]string {
	t.Helper()
	dump, export := filepath.Join(tr.dir, "dump", "zencrypt"), filepath.Join(tr.dir, "export")
	root := t.TempDir()
	read := func(names ...string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(names...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(b []byte, names ...string) {
		t.Helper()
		name := filepath.Join(append([]string{root}, names...)...)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	docs := map[string][][]byte{}
	for _, c := range collections {
		all := read(dump, c+".bson")
		docs[c] = split(t, all)
		write(gzipped(t, all), "dumpgz", c+".bson.gz")
		write(gzipped(t, read(dump, c+".metadata.json")), "dumpgz", c+".metadata.json.gz")
		lines := read(export, c+".json")
		write(lines, "jsonl", c+".json")
		write(gzipped(t, lines), "jsonlgz", c+".json.gz")
		write(read(export, c+".canonical.array.json"), "array", c+".canonical.array.json")
		write(append([]byte("\ufeff \r\n"), bytes.ReplaceAll(lines, []byte("\n"), []byte("\r\n"))...), "compass", "zencrypt."+c+".json")
		var canonical, pretty, array bytes.Buffer
		array.WriteString("[\n  ")
		for i, d := range docs[c] {
			b, err := bson.MarshalExtJSON(bson.Raw(d), true, false)
			if err != nil {
				t.Fatal(err)
			}
			canonical.Write(append(b, '\n'))
			if b, err = bson.MarshalExtJSONIndent(bson.Raw(d), false, true, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.Write(append(b, '\n'))
			if i > 0 {
				array.WriteString(" ,\n")
			}
			array.Write(b)
		}
		array.WriteString("\n]\n")
		write(canonical.Bytes(), "canonical", c+".json")
		write(pretty.Bytes(), "pretty", c+".jsonl")
		write(array.Bytes(), "relaxedarray", c+".json")
	}
	a := makeArchive("zencrypt", docs, 7)
	write(a, "archive", "old.archive")
	write(gzipped(t, a), "archivegz", "old.gz")
	return map[string]string{
		"Dump": dump, "DumpAbove": filepath.Dir(dump), "All": tr.dir, "Export": export,
		"DumpGzip": filepath.Join(root, "dumpgz"), "JSONLines": filepath.Join(root, "jsonl"), "JSONLinesGzip": filepath.Join(root, "jsonlgz"),
		"CanonicalArray": filepath.Join(root, "array"), "CanonicalLines": filepath.Join(root, "canonical"), "Pretty": filepath.Join(root, "pretty"),
		"RelaxedArray": filepath.Join(root, "relaxedarray"), "Compass": filepath.Join(root, "compass"),
		"Archive": filepath.Join(root, "archive", "old.archive"), "ArchiveFolder": filepath.Join(root, "archive"),
		"ArchiveGzip": filepath.Join(root, "archivegz", "old.gz"),
	}
}

func TestV5_Truth(t *testing.T) {
	tr := readTruth(t, "v53")
	for name, path := range forms(t, tr) {
		t.Run(name, func(t *testing.T) {
			got := readAll(t, openV5(path, filepath.Join(tr.dir, "zen.key")))
			checkV5(t, tr, got)
			extra := 0
			for _, n := range got.notes {
				if strings.Contains(n.Text, "did not use, stays behind") {
					extra++
				}
			}
			if extra < 5 {
				t.Errorf("notes: %v", got.notes)
			}
		})
	}
}

// TestV5_WithoutKey is somebody who has lost zen.key: everything comes but the texts' plaintext.
func TestV5_WithoutKey(t *testing.T) {
	tr := readTruth(t, "v53")
	got, want := readAll(t, openV5(filepath.Join(tr.dir, "dump"), "")), expectedV5(t, tr)
	same(t, "account", got.accounts, want.accounts)
	same(t, "digest", got.digests, want.digests)
	if len(got.texts) != len(want.texts)+2 {
		t.Errorf("%d texts, want %d and two that no key opens", len(got.texts), len(want.texts))
	}
	for ref, x := range got.texts {
		if x["readable"] != false || want.texts[ref] != nil && x["token"] != want.texts[ref]["token"] {
			t.Errorf("%s: %s", ref, plainRecord(x))
		}
	}
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// split cuts a file of BSON at its length fields.
func split(t testing.TB, b []byte) (docs [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16 | int(b[3])<<24
		docs, b = append(docs, b[:n]), b[n:]
	}
	return docs
}

// TestReadOnly holds the source to not being touched, whoever may write to it.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil && !d.IsDir() {
			return err
		}
		out[name] = info.ModTime().String() + info.Mode().String() + string(b)
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}
