package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zencrypt/importer/testdata/older"
)

// TestV5_Keys is a key file that somebody added keys to, the current one first.
func TestV5_Keys(t *testing.T) {
	job := made(t, small, older.Dump)
	if err := os.WriteFile(job.Key, []byte(strings.Join([]string{small.Key(1), small.Key(-1), small.Key(1), small.Key(2)}, "\r\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkSmall(t, openV5(job.Path, job.Key))
	s, err := OpenV5(t.Context(), job.Path, job.Key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for a, err := range s.Accounts(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, k := range a.Keys {
			got = append(got, k.Ref+k.Key.Encode())
			if k.Active != (k.Ref == "zen.key:1") {
				t.Errorf("%s: active %t", k.Ref, k.Active)
			}
		}
		if want := []string{"zen.key:4" + small.Key(2), "zen.key:2" + small.Key(-1), "zen.key:1" + small.Key(1)}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		for x, err := range a.Texts {
			if err != nil || x.Key != 1 {
				t.Errorf("%s: key %d, %v", x.Ref, x.Key, err)
			}
		}
	}
}

// TestV5_Folders finds the one database among others, and says what stays behind.
func TestV5_Folders(t *testing.T) {
	for name, tt := range map[string]struct {
		others []string
		notes  []string
	}{
		"Alone":  {nil, nil},
		"Server": {[]string{"admin/system.users.bson", "admin/system.version.bson", "zencrypt/system.views.bson", "prelude.json", "oplog.bson", "zencrypt/sessions.bson", "zencrypt/users.metadata.json"}, []string{"sessions.bson is no collection", "system.views.bson is no collection"}},
		"Named":  {[]string{"shop/users.bson"}, []string{"shop holds accounts too"}},
		"Other":  {[]string{"zencrypt/users.csv", "notes.txt"}, []string{"users.csv is no collection"}},
	} {
		t.Run(name, func(t *testing.T) {
			job := made(t, small, older.Dump)
			root := t.TempDir()
			if err := os.Rename(job.Path, filepath.Join(root, "zencrypt")); err != nil {
				t.Fatal(err)
			}
			for _, other := range tt.others {
				other = filepath.Join(root, other)
				if err := os.MkdirAll(filepath.Dir(other), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(other, marshal(t, person), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f := checkSmall(t, openV5(root, filepath.Join(root, "zencrypt", "zen.key")))
			var got []string
			for _, n := range f.notes {
				got = append(got, n.Text)
			}
			all := strings.Join(got, "\n")
			for _, part := range tt.notes {
				if !strings.Contains(all, part) {
					t.Errorf("no note %q in %s", part, all)
				}
			}
			if len(got) != len(tt.notes) {
				t.Errorf("notes:\n%s", all)
			}
		})
	}
}

// TestV5_Twice is a folder with the same collections in two forms, and one record in a file only.
func TestV5_Twice(t *testing.T) {
	job, lines := made(t, small, older.Dump), made(t, small, older.Lines)
	texts := filepath.Join(lines.Path, "encrypted_texts.json")
	b, err := os.ReadFile(texts)
	if err != nil {
		t.Fatal(err)
	}
	one := `{"_id":"more","userId":"` + small.ID(0, 2).Hex() + `","encryptedText":"` + string(small.Token(0, -1)) + `"}`
	if err := os.WriteFile(filepath.Join(job.Path, "encrypted_texts.json"), append(b, one...), 0o644); err != nil {
		t.Fatal(err)
	}
	copyTo(t, job.Path, filepath.Join(lines.Path, "users.json"))
	f := readAll(t, openV5(job.Path, job.Key))
	if len(f.accounts) != small.Accounts || len(f.texts) != small.Texts+1 || f.rejects != nil || f.counts.Texts != int64(small.Texts)+1 {
		t.Errorf("%d accounts, %d texts, %v, %+v", len(f.accounts), len(f.texts), f.rejects, f.counts)
	}
	if x := f.texts["encrypted_texts:more"]; x["plain"] != string(small.Plain(0)) || x["owner"] != "users:"+small.ID(0, 2).Hex() {
		t.Error(x)
	}
}
