package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
)

// checkTLS looks at the certificate that browsers get.
func checkTLS(v *visit) error {
	if !v.cfg.HTTPS() {
		switch {
		case v.cfg.Loopback():
			v.ok("people use it on this machine alone, without TLS")
		case strings.HasSuffix(v.cfg.Origin, ".onion"):
			v.ok("an onion address is encrypted and authenticated by itself")
		default:
			v.bad("use --domain, or a proxy and an origin of https://: docs/OPERATE.md, TLS", "what people send to %s can be read and changed on its way", v.cfg.Origin)
		}
		return nil
	}
	u, err := url.Parse(v.cfg.Origin)
	if err != nil {
		return err
	}
	addr := u.Host
	if u.Port() == "" {
		addr = net.JoinHostPort(u.Hostname(), "443")
	}
	if v.cfg.OwnTLS() {
		addr = reachable(v.cfg.Addr)
	}
	names := v.cfg.Domain
	if len(names) == 0 {
		names = []string{u.Hostname()}
	}
	for _, name := range names {
		v.certificate(addr, name)
	}
	return nil
}

func (v *visit) handshake(addr, name string, conf *tls.Config) (tls.ConnectionState, error) {
	ctx, cancel := context.WithTimeout(v.e.ctx, askTime)
	defer cancel()
	conf.ServerName, conf.InsecureSkipVerify = name, true // what is wrong with it is for us to say
	conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

func (v *visit) certificate(addr, name string) {
	renew := "renew it"
	if len(v.cfg.Domain) > 0 {
		renew = "see 'journalctl -u zencrypt' for what the authority says: ports 80 and 443 must be open to the world, and the name lead here"
	}
	state, err := v.handshake(addr, name, &tls.Config{MinVersion: tls.VersionTLS12})
	if err != nil {
		if !v.running && v.cfg.OwnTLS() {
			v.note("", "the server does not run: its certificate can't be seen")
			return
		}
		if v.cfg.OwnTLS() {
			v.bad(renew, "%s gets no certificate from %s: %v", name, addr, err)
		} else {
			v.note("try it from another machine", "%s can't be reached from this machine: %v", addr, err)
		}
		return
	}
	leaf, between := state.PeerCertificates[0], x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	left, life := leaf.NotAfter.Sub(v.now), leaf.NotAfter.Sub(leaf.NotBefore)
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		v.bad(renew, "the certificate of %s expired on %s", name, until)
	case left < life/10: // renewal begins when a third is left
		v.bad(renew, "the certificate of %s expires on %s, in %s", name, until, days(left))
	case left < life/4:
		v.note(renew, "the certificate of %s expires on %s, in %s", name, until, days(left))
	default:
		v.ok("the certificate of %s is good until %s, for %s", name, until, days(left))
	}
	if err := leaf.VerifyHostname(name); err != nil {
		v.bad("get one for the name that people type", "the certificate is not for %s but for %s", name, strings.Join(leaf.DNSNames, ", "))
	}
	_, err = leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: leaf.NotBefore.Add(time.Second)})
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		v.bad("get it from an authority that browsers know, and serve the whole chain", "browsers don't trust the certificate of %s: %s is not known here, or the chain is not whole", name, leaf.Issuer.CommonName)
	}
	if old, err := v.handshake(addr, name, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		v.bad("allow TLS 1.2 and 1.3 alone", "%s still speaks %s", addr, tls.VersionName(old.Version))
	} else {
		v.ok("it speaks %s, and nothing older than TLS 1.2", tls.VersionName(state.Version))
	}
}
