package cli

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"time"
)

// certificates tells when the first of the certificates that the server has expires, and for how many of its names it
// has none. It asks no authority.
func (s tlsSetup) certificates(ctx context.Context) (expiry time.Time, missing int) {
	note := func(leaf *x509.Certificate) {
		if leaf != nil && (expiry.IsZero() || leaf.NotAfter.Before(expiry)) {
			expiry = leaf.NotAfter
		}
	}
	if s.files != nil {
		cert, err := s.files.get(nil)
		if err != nil {
			return expiry, 1
		}
		note(cert.Leaf)
		return expiry, 0
	}
	for _, name := range s.names {
		if leaf := s.cache.leaf(ctx, name); leaf != nil {
			note(leaf)
		} else {
			missing++
		}
	}
	return expiry, missing
}

// leaf is the certificate of a name that is in the cache, nil without one: that for ECDSA, which browsers of today
// get, else that for RSA.
func (c *sealedCache) leaf(ctx context.Context, name string) *x509.Certificate {
	for _, entry := range []string{name, name + "+rsa"} { // as autocert names them
		data, err := c.Get(ctx, entry)
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			leaf, err := x509.ParseCertificate(block.Bytes) // the leaf comes first
			if err != nil {
				return nil
			}
			return leaf
		}
	}
	return nil
}
