package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"
)

// fixtures is where data lies that older versions wrote, of invented people. It is not part of
// the project; without it the tests that make their own data have to do.
const fixtures = "../../shared/fixtures/legacy"

// truth is what is known about the data of one version.
type truth struct {
	dir   string
	Users []struct {
		ID        int    // version 6
		OID       string `json:"_id"` // version 5
		Email     string
		Hash      string `json:"password_hash"`
		CreatedAt string `json:"created_at"`
		Keys      []struct {
			ID        int
			Canonical string
			Active    bool
			CreatedAt string `json:"created_at"`
		}
		Texts []struct {
			ID          int
			OID         string `json:"_id"`
			Plaintext   string
			Token       string
			Recoverable *bool
			KeyID       *int   `json:"key_id"`
			CreatedAt   string `json:"created_at"`
		}
		Hashes []struct {
			ID        int
			OID       string `json:"_id"`
			Digest    string
			Salt      *string
			CreatedAt string `json:"created_at"`
		}
		PGPKeys []struct {
			ID        int
			Active    bool
			Public    string `json:"public_key"`
			Private   string `json:"private_key"`
			CreatedAt string `json:"created_at"`
		} `json:"pgp_keys"`
	}
	Counts    map[string]int64
	Key       string           `json:"zen_key"`
	Rejects   []map[string]any `json:"expected_rejects"`
	Ambiguous []map[string]any
	Defects   struct {
		File    string
		Rejects []map[string]any `json:"expected_rejects"`
	} `json:"defects_db"`
}

func readTruth(t testing.TB, version string) truth {
	t.Helper()
	dir := filepath.Join(fixtures, version)
	b, err := os.ReadFile(filepath.Join(dir, "truth.json"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the data of older versions is not here")
	} else if err != nil {
		t.Fatal(err)
	}
	tr := truth{dir: dir}
	if err := json.Unmarshal(b, &tr); err != nil {
		t.Fatal(err)
	}
	return tr
}

// expected says what of a truth comes, as found says what came. Version 5 has no ids of the other kind.
func (tr truth) expected() *found {
	f := &found{accounts: map[string]record{}, texts: map[string]record{}, digests: map[string]record{}, keys: map[string]record{}, pairs: map[string]record{}}
	utc := func(s string) string {
		if s == "" {
			return ""
		}
		return strings.Replace(s, " ", "T", 1) + "Z"
	}
	for _, u := range tr.Users {
		ref := fmt.Sprint("user:", u.ID)
		if u.OID != "" {
			ref = "users:" + u.OID
		}
		f.accounts[ref] = record{"login": u.Email, "password": u.Hash, "created": utc(u.CreatedAt)}
		for _, x := range u.Texts {
			r := record{"owner": ref, "token": x.Token, "created": utc(x.CreatedAt), "plain": x.Plaintext, "readable": true}
			id := fmt.Sprint("encrypted_text:", x.ID)
			if x.OID != "" {
				id = "encrypted_texts:" + x.OID
			}
			if x.Recoverable != nil && !*x.Recoverable {
				r["readable"], r["plain"] = false, ""
			}
			f.texts[id] = r
		}
		for _, x := range u.Hashes {
			id := fmt.Sprint("hash:", x.ID)
			if x.OID != "" {
				id = "hashes:" + x.OID
			}
			f.digests[id] = record{"owner": ref, "digest": x.Digest, "salt": x.Salt, "created": utc(x.CreatedAt)}
		}
		for _, k := range u.Keys {
			f.keys[fmt.Sprint("key:", k.ID)] = record{"owner": ref, "key": k.Canonical, "active": k.Active, "created": utc(k.CreatedAt)}
		}
		for _, k := range u.PGPKeys {
			f.pairs[fmt.Sprint("pgp_key:", k.ID)] = record{"owner": ref, "private": k.Private, "public": k.Public, "active": k.Active, "created": utc(k.CreatedAt)}
		}
	}
	return f
}

// record is one thing with what is known of it.
type record map[string]any

// found is what came out of a source, by Ref.
type found struct {
	accounts, texts, digests, keys, pairs map[string]record
	order                                 []string // of accounts
	rejects                               []Reject
	notes                                 []Note
	counts                                Counts
}

// opener opens a source with a test's options.
type opener func(Options) (*Source, error)

func openV6(path string) opener {
	return func(o Options) (*Source, error) { return OpenV6(context.Background(), path, o) }
}

func openV5(path, key string) opener {
	return func(o Options) (*Source, error) { return OpenV5(context.Background(), path, key, o) }
}

// readAll reads a whole source.
func readAll(t testing.TB, open opener) *found {
	t.Helper()
	f := &found{accounts: map[string]record{}, texts: map[string]record{}, digests: map[string]record{}, keys: map[string]record{}, pairs: map[string]record{}}
	s, err := open(Options{
		Reject: func(r Reject) { f.rejects = append(f.rejects, r) },
		Note:   func(n Note) { f.notes = append(f.notes, n) }, TempDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	f.counts = s.Counts()
	add := func(m map[string]record, ref string, r record) {
		t.Helper()
		if _, ok := m[ref]; ok {
			t.Errorf("%s comes twice", ref)
		}
		m[ref] = r
	}
	for a, err := range s.Accounts(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		f.order = append(f.order, a.Ref)
		add(f.accounts, a.Ref, record{"login": a.Login, "password": string(a.Password), "created": stampOf(a.Created)})
		active := 0
		for _, k := range a.Keys {
			if k.Active {
				active++
			}
			if strings.HasPrefix(k.Ref, keyRef) {
				continue
			}
			add(f.keys, k.Ref, record{"owner": a.Ref, "key": k.Key.Encode(), "active": k.Active, "created": stampOf(k.Created)})
		}
		if active > 1 {
			t.Errorf("%s has %d active keys", a.Ref, active)
		}
		for _, p := range a.RSA {
			add(f.pairs, p.Ref, record{"owner": a.Ref, "private": string(p.Private), "public": string(p.Public), "active": p.Active, "created": stampOf(p.Created)})
		}
		for x, err := range a.Texts {
			if err != nil {
				t.Fatal(err)
			}
			if (x.Key < 0) != (x.Plain == nil) || x.Key >= len(a.Keys) {
				t.Errorf("%s: key %d, plaintext %t", x.Ref, x.Key, x.Plain != nil)
			}
			add(f.texts, x.Ref, record{"owner": a.Ref, "token": string(x.Token), "created": stampOf(x.Created), "plain": string(x.Plain), "readable": x.Key >= 0})
		}
		for x, err := range a.Digests {
			if err != nil {
				t.Fatal(err)
			}
			add(f.digests, x.Ref, record{"owner": a.Ref, "digest": x.Value, "salt": x.Salt, "created": stampOf(x.Created)})
		}
	}
	return f
}

// same compares what came with what should have.
func same(t *testing.T, kind string, got, want map[string]record) {
	t.Helper()
	for ref, w := range want {
		g, ok := got[ref]
		if !ok {
			t.Errorf("%s does not come", ref)
		} else if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: %v, want %v", ref, plainRecord(g), plainRecord(w))
		}
	}
	for ref := range got {
		if _, ok := want[ref]; !ok {
			t.Errorf("%s %s comes and should not", kind, ref)
		}
	}
}

func plainRecord(r record) string {
	var out []string
	for k, v := range r {
		if p, ok := v.(*string); ok && p != nil {
			v = *p
		}
		out = append(out, fmt.Sprintf("%s=%.60q", k, fmt.Sprint(v)))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// sameRejects compares collection, id and reason, in any order.
func sameRejects(t *testing.T, got []Reject, want []map[string]any) {
	t.Helper()
	var g, w []string
	for _, r := range got {
		g = append(g, r.Collection+" "+r.ID+" "+r.Reason)
		if len(r.Detail) < 20 {
			t.Errorf("%s %s: no detail: %q", r.Collection, r.ID, r.Detail)
		}
	}
	for _, r := range want {
		collection, id := r["collection"], r["_id"]
		if r["table"] != nil {
			collection, id = r["table"], r["id"]
		}
		w = append(w, fmt.Sprintf("%v %v %v", collection, id, r["reason"]))
	}
	slices.Sort(g)
	slices.Sort(w)
	if !slices.Equal(g, w) {
		t.Errorf("rejects:\n%s\nwant:\n%s", strings.Join(g, "\n"), strings.Join(w, "\n"))
	}
}
