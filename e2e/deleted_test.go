//go:build linux

package e2e

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// janitorTime is how long a deletion takes at most: a minute in which it can be taken back, another until
// the janitor comes, and its work.
const janitorTime = 150 * time.Second

// remains are the bytes that stood for what is deleted later, cut into pieces: SQLite may leave a part of
// a value where a page was split.
type remains struct {
	*finder
	t      *testing.T
	labels map[string]bool
}

// pieceSize in bytes: short enough that a third of a small seal is found, too long to be met by chance.
const pieceSize = 24

func newRemains(t *testing.T) *remains {
	return &remains{finder: new(finder), t: t, labels: map[string]bool{}}
}

// add remembers a value.
func (r *remains) add(label string, value []byte) {
	if len(value) < 16 {
		r.t.Fatalf("%s is empty: nothing to look for", label)
	}
	r.labels[label] = true
	for at := 0; at == 0 || at+pieceSize <= len(value); at += pieceSize {
		piece := value[at:min(at+pieceSize, len(value))]
		key := uint16(piece[0])<<8 | uint16(piece[1])
		r.starts[key] = append(r.starts[key], len(r.patterns))
		r.patterns = append(r.patterns, pattern{label, fmt.Sprintf("from byte %d", at), piece})
	}
}

// rows remembers the columns of the rows that match, and fails when there is none.
func (r *remains) rows(s *server, file, table, where string, columns ...string) {
	r.t.Helper()
	for _, column := range columns {
		values := s.query(file, fmt.Sprintf("SELECT hex(%s) FROM %s WHERE %s AND %[1]s IS NOT NULL", column, table, where))
		if len(values) == 0 {
			r.t.Fatalf("no %s.%s to look for", table, column)
		}
		for i, v := range values {
			b, err := hex.DecodeString(v)
			if err != nil {
				r.t.Fatal(err)
			}
			r.add(fmt.Sprintf("%s.%s %d", table, column, i), b)
		}
	}
}

// file remembers a stored file: its name, and what comes after the header that all share.
func (r *remains) file(path string) {
	r.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 1000 {
		r.t.Fatalf("%s: %d bytes, %v", path, len(b), err)
	}
	r.add("file "+filepath.Base(path), b[500:])
	r.add("name of file", []byte(filepath.Base(path)))
}

// present fails unless every value is found: what is not there now proves nothing later.
func (r *remains) present(s *server) {
	r.t.Helper()
	found, _ := r.inTree(r.t, s.data)
	all := strings.Join(found, "\n") + "\n"
	for label := range r.labels {
		if !strings.Contains(all, ": "+label+" (") {
			r.t.Errorf("%s is not found while it is there", label)
		}
	}
}

// gone fails for everything that is found.
func (r *remains) gone(s *server, when string) {
	r.t.Helper()
	found, _ := r.inTree(r.t, s.data)
	more, _ := r.inProcess(r.t, s.cmd.Process.Pid)
	found = append(found, more...)
	for i, f := range found {
		if i == 20 {
			r.t.Errorf("and %d more", len(found)-i)
			break
		}
		r.t.Errorf("%s: still there: %s", when, f)
	}
}

// TestDeleted deletes everything that can be deleted and finds not even its ciphertext afterwards.
func TestDeleted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	leaver, stayer := s.client(), s.client()
	const login, password = "leaver-9x4k2", "horse battery staple 9"
	leaver.register(login, password)
	stayer.register("stayer", password)

	// Two people's rows side by side, of many lengths, so that pages split and share.
	var notes, kept []string
	for i := range 150 {
		text := strings.Repeat(fmt.Sprintf("note %d. ", i), 1+i*i%700)
		notes = append(notes, leaver.must(leaver.upload("/vault", field("title", fmt.Sprintf("title %d", i)), field("text", text)), 303).location())
		kept = append(kept, stayer.must(stayer.upload("/vault", field("title", fmt.Sprintf("kept %d", i)), field("text", text)), 303).location())
	}
	content := strings.Repeat("file. ", 30000)
	files := []string{
		leaver.must(leaver.upload("/vault", file("one.txt", content)), 303).location(),
		leaver.must(leaver.upload("/vault", file("two.txt", content)), 303).location(),
	}
	result := shownResult.FindString(leaver.must(leaver.upload("/encrypt", field("to", "me"), file("three.txt", content)), 200).body)
	second := s.client()
	second.login(login, password)
	second.must(second.upload("/encrypt", field("to", "me"), file("four.txt", content)), 200)

	// What goes first: the titles before they are changed, half of the notes, a file, both results, the
	// second session.
	first := newRemains(t)
	account := s.query("zencrypt.db", "SELECT lower(hex(id)) FROM accounts WHERE login_key = '"+login+"'")[0]
	mine := fmt.Sprintf("hex(account_id) = upper('%s')", account)
	half := make([]string, 0, len(notes)/2)
	var renamed []string
	for i, path := range notes {
		if i%2 == 0 {
			half = append(half, path)
		} else if i%5 == 0 {
			renamed = append(renamed, path)
		}
	}
	in := func(paths []string) string {
		ids := make([]string, len(paths))
		for i, p := range paths {
			ids[i] = "'" + strings.ToUpper(p[strings.LastIndex(p, "/")+1:]) + "'"
		}
		return "hex(id) IN (" + strings.Join(ids, ",") + ")"
	}
	first.rows(s, "zencrypt.db", "items", in(half), "id", "sealed_title", "sealed_meta", "sealed_body")
	first.rows(s, "zencrypt.db", "items", in(files[:1]), "id", "sealed_title", "sealed_meta", "sealed_blob", "blob_id")
	before := newRemains(t)
	before.rows(s, "zencrypt.db", "items", in(renamed), "sealed_title")
	first.rows(s, "sessions.db", "results", "1 = 1", "id", "sealed_meta", "blob_id")
	sessions := s.query("sessions.db", "SELECT hex(id) FROM sessions WHERE "+mine+" ORDER BY created, id")
	ended := fmt.Sprintf("hex(id) = '%s'", sessions[len(sessions)-1])
	first.rows(s, "sessions.db", "sessions", ended, "id", "token_hash", "sealed_account_key")
	blob := filepath.Join(s.data, "blobs", strings.ToLower(s.query("zencrypt.db", "SELECT hex(blob_id) FROM items WHERE "+in(files[:1]))[0]))
	first.file(blob)
	for _, path := range s.stored() {
		if strings.Contains(path, "/spool/") {
			first.file(path)
		}
	}
	first.present(s)
	before.present(s)

	for _, path := range renamed {
		leaver.must(leaver.post(path+"/rename", "title", "another title"), 303)
	}
	leaver.must(leaver.post(result+"/delete"), 303)
	second.logout()
	ids := []string{}
	for _, path := range half[:len(half)-1] {
		ids = append(ids, "id", strings.TrimPrefix(path, "/vault/"))
	}
	for chunk := range slices.Chunk(ids, 2*50) {
		leaver.must(leaver.post("/vault/delete", chunk...), 303)
	}
	leaver.must(leaver.post(half[len(half)-1]+"/delete"), 303)
	leaver.must(leaver.post(files[0]+"/delete"), 303)
	for _, path := range []string{half[0], files[0], result} {
		leaver.must(leaver.get(path), http.StatusNotFound)
	}
	eventually(t, janitorTime, "the janitor has purged the trash", func() bool {
		_, err := os.Stat(blob)
		return err != nil
	})
	// The files go before the databases are written anew, and only then are the copies gone that SQLite leaves in a
	// page's free space. Writing anew is VACUUM, which raises the schema's version; a change to each database makes
	// sure that one more comes after this moment.
	written := map[string]string{}
	for _, name := range []string{"zencrypt.db", "sessions.db"} {
		written[name] = s.query(name, "PRAGMA schema_version")[0]
	}
	stayer.must(stayer.post(kept[0]+"/rename", "title", "kept, and renamed"), 303)
	visitor := s.client()
	visitor.login("stayer", password)
	visitor.logout()
	eventually(t, janitorTime, "the janitor has written both databases anew and truncated their logs", func() bool {
		for name, before := range written {
			if s.query(name, "PRAGMA schema_version")[0] == before {
				return false
			}
		}
		for _, name := range []string{"zencrypt.db-wal", "sessions.db-wal"} {
			if info, err := os.Stat(filepath.Join(s.data, name)); err == nil && info.Size() > 0 {
				return false
			}
		}
		return true
	})
	first.gone(s, "deleted items, results and session")
	before.gone(s, "titles that were changed")

	// The rest goes with the account.
	rest := newRemains(t)
	rest.rows(s, "zencrypt.db", "items", mine, "sealed_title", "sealed_meta")
	rest.rows(s, "zencrypt.db", "items", mine+" AND blob_id IS NOT NULL", "sealed_blob", "blob_id")
	rest.rows(s, "zencrypt.db", "items", mine+" AND blob_id IS NULL", "sealed_body")
	rest.rows(s, "zencrypt.db", "keys", mine, "sealed_key")
	rest.rows(s, "zencrypt.db", "key_versions", mine, "sealed_version")
	rest.rows(s, "zencrypt.db", "key_versions", mine+" AND public <> ''", "public")
	rest.rows(s, "zencrypt.db", "accounts", "login_key = '"+login+"'", "id", "substr(verifier, 32)", "unlock_salt", "sealed_unlock", "sealed_recovery", "hpke_public", "sealed_hpke")
	rest.rows(s, "sessions.db", "sessions", mine, "token_hash", "sealed_account_key")
	for _, path := range s.stored() {
		rest.file(path)
	}
	rest.present(s)
	rest.plantText("login", login)
	leaver.must(leaver.post("/account/delete", "current", password, "login", login), 303)
	rest.gone(s, "the account")
	if left := s.stored(); len(left) > 0 {
		t.Errorf("files that stay: %q", left)
	}
	for i, path := range kept {
		if a := stayer.must(stayer.get(path+"/file"), 200); a.body != strings.Repeat(fmt.Sprintf("note %d. ", i), 1+i*i%700) {
			t.Errorf("another person's note %d came back as %d bytes", i, len(a.body))
		}
	}
}
