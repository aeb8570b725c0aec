package handlers

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

// ownDefault is the key of a kind that is used when none is named, nil when none can encrypt.
func ownDefault(keys []models.Key, kind string, now time.Time) *models.Key {
	for i := range keys {
		if k := &keys[i]; k.Kind == kind && k.Default && k.Active(now) != nil {
			return k
		}
	}
	return nil
}

// signer is an OpenPGP key of the person's own that can sign now.
type signer struct {
	key *models.Key
	pgp *pgp.Key
}

// mostSigners is how many keys a form offers to sign with: each is parsed for it.
const mostSigners = 48

// signers are those that a form offers, the default first. more are OpenPGP keys that it does not, and that may sign: they are
// not parsed for it.
func signers(keys []models.Key, now time.Time) (all []signer, more int) {
	for _, first := range []bool{true, false} {
		for i := range keys {
			if k := &keys[i]; k.Default == first {
				if len(all) >= mostSigners {
					if k.Kind == models.KindPGP && activeVersion(k).N >= max(k.MinVersion, 1) {
						more++
					}
					continue
				}
				if s := signerOf(k, now); s != nil {
					all = append(all, *s)
				}
			}
		}
	}
	return all, more
}

// namedSigner finds the key whose name or fingerprint somebody typed, offered or not. A fingerprint may be given without blanks and
// in part: eight characters at the end of it, or more. Where none is found, why is for the person.
func namedSigner(keys []models.Key, text string, now time.Time) (found *signer, why string) {
	name := models.FoldName(text)
	print := strings.ToLower(strings.Join(strings.Fields(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(text)), "0x")), ""))
	fits := 0
	for i := range keys {
		k := &keys[i]
		if k.Kind != models.KindPGP {
			continue
		}
		whole := strings.ToLower(activeVersion(k).Fingerprint)
		if models.FoldName(k.Name) != name && (len(print) < 8 || !strings.HasSuffix(whole, print)) {
			continue
		}
		fits++
		if s := signerOf(k, now); s != nil {
			if found != nil {
				return nil, "Several of your keys fit: type the fingerprint of the one you mean."
			}
			found = s
		}
	}
	switch {
	case found == nil && fits > 0:
		return nil, "This key can't sign any more. Choose another."
	case found == nil:
		return nil, "No OpenPGP key of yours has this name or fingerprint. Keys lists them."
	}
	return found, ""
}

// signerOf is a key if it can sign, else nil.
func signerOf(k *models.Key, now time.Time) *signer {
	v := activeVersion(k)
	if k.Kind != models.KindPGP || v.N == 0 || v.N < k.MinVersion {
		return nil
	}
	key, err := ownPGP(v)
	if err != nil || key.CheckSign(now) != nil {
		return nil
	}
	return &signer{k, key}
}

// pickSigner finds the key that a form named, offered or not.
func pickSigner(keys []models.Key, id string, now time.Time) *signer {
	for i := range keys {
		if keys[i].ID.String() == id {
			return signerOf(&keys[i], now)
		}
	}
	return nil
}

func signerChoices(all []signer) (out []views.KeyChoice) {
	for _, s := range all {
		out = append(out, views.KeyChoice{ID: s.key.ID.String(), Name: s.key.Name, Fingerprint: grouped(s.pgp.Fingerprint())})
	}
	return out
}

// ownPGP reads the secret of an OpenPGP version, which stands in the ring unlocked, in armor or binary.
func ownPGP(v models.KeyVersion) (*pgp.Key, error) {
	keys, err := pgp.ReadKeys(bytes.NewReader(v.Secret), pgp.ReadOptions{Max: 1})
	if err != nil {
		return nil, fmt.Errorf("read own key: %w", err)
	}
	return keys[0], nil
}

// grouped parts a fingerprint into groups of four, as people read it to each other.
func grouped(hex string) string {
	var b []byte
	for i := range len(hex) {
		if i > 0 && i%4 == 0 {
			b = append(b, ' ')
		}
		b = append(b, hex[i])
	}
	return string(b)
}
