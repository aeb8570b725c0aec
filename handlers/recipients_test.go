package handlers

import (
	"strings"
	"testing"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

// TestEncrypt_Recipients: what age keeps apart is said beside the field, before any content is read.
func TestEncrypt_Recipients(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mixer")
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pq := hybrid.Recipient().String()
	classic := make([]string, agefile.MaxStanzas)
	for i := range classic {
		if _, classic[i], err = agefile.NewIdentity(); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		recipients, alsoMe string
		status             int
		says               string
	}{
		"PostQuantum":           {pq, "", 200, "Encrypted for 1 public key"},
		"PostQuantumAndClassic": {pq + "," + classic[0], "", 422, "Leave out those that begin with age1pq1"},
		"MixedAndMe":            {pq + "," + classic[0], "1", 422, "Leave out those that begin with age1pq1"},
		"PostQuantumAndMe":      {pq, "1", 422, "Clear “Also to me”"},
		"Full":                  {strings.Join(classic, "\n"), "", 200, "Encrypted for 64 public keys"},
		"FullAndMe":             {strings.Join(classic, "\n"), "1", 422, "Clear “Also to me”, or leave one out"},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			fields := []string{"to", "people", "recipients", tc.recipients, "also_me", tc.alsoMe}
			c.upload("/encrypt", append(fields, "text", "words")).want(t, tc.status, tc.says)
			c.upload("/encrypt", append(fields, "mode", "files"), [2]string{"a.txt", "words"}).want(t, tc.status, tc.says)
		})
	}
}
