package importer

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"zencrypt/crypto/legacy"
)

// accountPairs gives an account's RSA pairs in the order in which their rows were added.
func (r *v6run) accountPairs(n uint32) (pairs []RSAPair, err error) {
	t := r.tables["pgp_key"]
	for _, e := range r.pairs.of(n) {
		var raw any
		var private, public, active, made value
		if err := r.row(t, t.get("private_key", maxShort)+", "+t.get("public_key", maxShort)+", "+t.get("active", maxIDText)+", "+t.get("created_at", maxIDText), e.place(),
			append(append(append(append([]any{&raw}, private.dest()...), public.dest()...), active.dest()...), made.dest()...)...); err != nil {
			return nil, err
		}
		id := idText(raw)
		text, _ := private.bytes()
		own, why := publicOf(text)
		if private.null() {
			why = rsaMissing
		}
		if why != fine {
			r.reject("pgp_key", id, why, false, "")
			continue
		}
		if i := find(pairs, own); i >= 0 {
			r.note("pgp_key", id, "the same pair as %s", pairs[i].Ref)
			pairs[i].Active = pairs[i].Active || active.truth()
			continue
		}
		if len(pairs) == maxKeys {
			r.reject("pgp_key", id, keyTooMany, false, "")
			continue
		}
		pub, _ := public.bytes()
		if block, rest := pem.Decode(bytes.TrimSpace(pub)); block == nil || len(rest) > 0 || !bytes.Equal(block.Bytes, own) {
			r.note("pgp_key", id, "its public key is not the one of its private key, which is taken instead")
			pub = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: own})
		}
		pairs = append(pairs, RSAPair{
			Ref: "pgp_key:" + id, Private: text, Public: pub, Active: active.truth(), Created: r.date("pgp_key", id, made),
		})
	}
	return pairs, nil
}

func find(pairs []RSAPair, own []byte) int {
	for i, p := range pairs {
		if block, _ := pem.Decode(bytes.TrimSpace(p.Public)); block != nil && bytes.Equal(block.Bytes, own) {
			return i
		}
	}
	return -1
}

// publicOf checks a private key and gives its public half as a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in DER.
func publicOf(text []byte) ([]byte, reason) {
	switch _, err := legacy.ParsePrivateKey(text); {
	case errors.Is(err, legacy.ErrKeyEncrypted):
		return nil, rsaLocked
	case errors.Is(err, legacy.ErrKeySize):
		return nil, rsaSize
	case err != nil:
		return nil, rsaMalformed
	}
	// Again, with its bounds settled: package legacy gives no public half away.
	block, _ := pem.Decode(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("\ufeff"))))
	if block == nil {
		return nil, rsaMalformed
	}
	var key *rsa.PrivateKey
	if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = k.(*rsa.PrivateKey)
	} else if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		key = k
	}
	if key == nil {
		return nil, rsaMalformed
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, rsaMalformed
	}
	return der, fine
}
