package handlers

import (
	"bytes"
	"fmt"
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

// signers are all of them, the default first.
func signers(keys []models.Key, now time.Time) (all []signer) {
	for i := range keys {
		k := &keys[i]
		v := activeVersion(k)
		if k.Kind != models.KindPGP || v.N == 0 || v.N < k.MinVersion {
			continue
		}
		key, err := ownPGP(v)
		if err != nil || key.CheckSign(now) != nil {
			continue
		}
		if s := (signer{k, key}); k.Default {
			all = append([]signer{s}, all...)
		} else {
			all = append(all, s)
		}
	}
	return all
}

func pickSigner(all []signer, id string) *signer {
	for i := range all {
		if all[i].key.ID.String() == id {
			return &all[i]
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
