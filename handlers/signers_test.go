package handlers

import (
	"fmt"
	"strings"
	"testing"

	"zencrypt/models"
)

// Who has more keys to sign with than a form lists is told so, and names one by its name or fingerprint, without a script.
func TestSigners_More(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	if a := c.get("/encrypt").want(t, 200); strings.Contains(a.body, `name="sign_other"`) {
		t.Error("another key can be named where there is none")
	}
	u := s.unlock(t, "ada")
	var pairs []models.Pair
	const n = mostSigners + 3
	for i := range n {
		p, err := models.NewPair(models.PairParams{Kind: models.KindPGP, Name: fmt.Sprintf("Ann %02d", i), Now: s.opt.Now()})
		if err != nil {
			t.Fatal(err)
		}
		p.Name = fmt.Sprintf("Ann %02d", min(i, n-2)) // the last two have one name
		pairs = append(pairs, *p)
	}
	for from := 0; from < n; from += models.MaxImport {
		if _, err := s.db.Keys.Import(t.Context(), u, "", pairs[from:min(n, from+models.MaxImport)]); err != nil {
			t.Fatal(err)
		}
	}
	const told = "3 more keys of yours are not in the list above"
	c.get("/sign").want(t, 200, told, `name="key_other"`)
	c.get("/encrypt").want(t, 200, told, `name="sign_other"`)
	keys, err := s.db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	offered, _ := signers(keys, s.opt.Now())
	var rest []*models.Key
	for i := range keys {
		k := &keys[i]
		listed := k.Kind != models.KindPGP
		for _, o := range offered {
			listed = listed || o.key.ID == k.ID
		}
		if !listed {
			rest = append(rest, k)
		}
	}
	if len(rest) != 3 {
		t.Fatalf("%d are not offered", len(rest))
	}
	for _, k := range rest {
		print := activeVersion(k).Fingerprint
		for _, typed := range []string{print, strings.ToUpper(grouped(print)), "0x" + print[len(print)-16:], " " + print[len(print)-8:]} {
			c.post("/sign", "key", offered[0].key.ID.String(), "key_other", typed, "text", "a text").want(t, 200, "Signed with your key “"+k.Name+"”")
		}
		c.post("/encrypt", "to", "me", "format", "pgp", "sign_other", print, "text", "x").want(t, 200, "BEGIN PGP MESSAGE", "Signed with", k.Name)
	}
	c.post("/sign", "key_other", strings.ToUpper(offered[3].key.Name), "text", "a text").want(t, 200, "Signed with your key “"+offered[3].key.Name+"”")
	c.post("/sign", "key_other", fmt.Sprintf("Ann %02d", n-2), "text", "kept text").want(t, 422, "Several of your keys fit", "kept text", fmt.Sprintf(`value="Ann %02d"`, n-2))
	for _, typed := range []string{"nobody", "abc", "<script>", strings.Repeat("0", 40)} {
		c.post("/sign", "key_other", typed, "text", "a text").want(t, 422, "has this name or fingerprint")
		c.post("/encrypt", "to", "me", "format", "pgp", "sign_other", typed, "text", "x").want(t, 422, "has this name or fingerprint")
	}
	c.post("/encrypt", "to", "passphrase", "passphrase", "p p p p", "sign_other", rest[0].Name, "text", "x").want(t, 422, "Only OpenPGP carries a signature")
	s.client(t).post("/encrypt", "to", "passphrase", "passphrase", "p p p p", "sign_other", "Ann", "text", "x").want(t, 422, "You are logged out")
}
