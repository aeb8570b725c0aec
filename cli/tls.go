package cli

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/net/netutil"

	"zencrypt/config"
	"zencrypt/crypto/seal"
	"zencrypt/secrets"
)

// acmeInfo is the purpose that the key of the certificates' own keys is derived from the server key for.
const acmeInfo = "zencrypt/v1/acme"

// acmeDir is the folder in the data of what is got from an authority.
const acmeDir = "acme"

// certCheck is how often certificate files are looked at for a change, at most.
const certCheck = 10 * time.Second

// plainConns is how many connections to the port of plain http are served at once, at most, each for 10 s: more wait, and
// take no handles from the server itself, which has 16,384 by the shipped unit.
const plainConns = 256

// A tlsSetup is how the server does TLS itself. Its zero value does none.
type tlsSetup struct {
	config *tls.Config
	plain  http.Handler // answers on port 80: ACME's questions, and everybody else goes to https
	names  []string     // that it gets certificates for
	cache  *sealedCache // where those lie
	files  *certFiles   // or the files that it has one from
}

// setTLS prepares what cfg asks for: certificates by ACME, certificate files, or nothing.
func setTLS(cfg config.Config, ring *secrets.Keyring, log *slog.Logger) (tlsSetup, error) {
	base := &tls.Config{
		MinVersion: tls.VersionTLS12,
		// Forward secrecy and authenticated encryption only; TLS 1.3 has no others.
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: []string{"http/1.1"},
	}
	switch {
	case len(cfg.Domain) > 0:
		cache := &sealedCache{dir: filepath.Join(cfg.Data, acmeDir), ring: ring}
		m := &autocert.Manager{
			Prompt:     autocert.AcceptTOS,
			Cache:      cache,
			HostPolicy: autocert.HostWhitelist(cfg.Domain...),
			Client:     &acme.Client{DirectoryURL: cfg.ACMEDirectory, UserAgent: "zencrypt"},
		}
		base.GetCertificate = said(m.GetCertificate, cfg.Domain, log, time.Now)
		base.NextProtos = append(base.NextProtos, acme.ALPNProto)
		return tlsSetup{config: base, plain: m.HTTPHandler(toHTTPS(cfg.Origin)), names: cfg.Domain, cache: cache}, nil
	case cfg.TLSCert != "":
		files := &certFiles{cert: cfg.TLSCert, key: cfg.TLSKey, origin: cfg.Origin, now: time.Now, log: log}
		if _, err := files.get(nil); err != nil {
			return tlsSetup{}, err
		}
		base.GetCertificate = files.get
		return tlsSetup{config: base, plain: toHTTPS(cfg.Origin), files: files}, nil
	}
	return tlsSetup{}, nil
}

// said logs why no certificate can be had, at most once a minute, since only browsers would hear of it. A stranger's
// name in a greeting is no reason.
func said(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), names []string, log *slog.Logger, now func() time.Time) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	var last time.Time
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := get(hello)
		if err == nil || !slices.Contains(names, strings.ToLower(hello.ServerName)) {
			return cert, err
		}
		mu.Lock()
		defer mu.Unlock()
		if t := now(); t.Sub(last) >= time.Minute {
			last = t
			log.Error("no certificate could be had; it is tried again at the next connection", "name", hello.ServerName, "error", err.Error())
		}
		return nil, err
	}
}

// fetch gets the certificates before the first browser asks. The renewal itself is autocert's: it begins when a third of a certificate's time is left, 30 days at most.
func (s tlsSetup) fetch(log *slog.Logger) {
	for _, name := range s.names {
		// A greeting as of any browser of today, so that the certificate is an ECDSA one.
		cert, err := s.config.GetCertificate(&tls.ClientHelloInfo{
			ServerName: name, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
			SupportedCurves: []tls.CurveID{tls.CurveP256}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			SupportedVersions: []uint16{tls.VersionTLS13},
		})
		if err == nil && cert.Leaf != nil {
			log.Info("certificate is there", "name", name, "until", cert.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
	}
}

// listen wraps the server's listener.
func (s tlsSetup) listen(ln net.Listener) net.Listener {
	if s.config == nil {
		return ln
	}
	return tls.NewListener(ln, s.config)
}

// startRedirect serves plain http on addr, where there is TLS, until what it returns is called or ctx ends.
func (s tlsSetup) startRedirect(ctx context.Context, addr string, log *slog.Logger) (stop func(), err error) {
	if s.config == nil || addr == "" || addr == "off" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w. Choose another address with --redirect-addr, or off", addr, err)
	}
	return s.redirect(ctx, ln, log), nil
}

// redirect serves plain http on ln.
func (s tlsSetup) redirect(ctx context.Context, ln net.Listener, log *slog.Logger) (stop func()) {
	server := &http.Server{
		Handler: s.plain, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it names addresses
	}
	ln = netutil.LimitListener(ln, plainConns)
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the redirection from http has ended", "error", err.Error())
		}
	}()
	cut := context.AfterFunc(ctx, func() { _ = server.Close() })
	return func() { cut(); _ = server.Close() }
}

// toHTTPS sends a browser to the same page under the configured origin, whatever name it asked for.
func toHTTPS(origin string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			// A form's content has travelled in clear already: it must not seem to have worked.
			http.Error(w, "This server speaks https only.", http.StatusBadRequest)
			return
		}
		target := *r.URL
		target.Scheme, target.Host, target.User = "", "", nil
		path := target.RequestURI()
		if !strings.HasPrefix(path, "/") {
			path = "/"
		}
		http.Redirect(w, r, origin+path, http.StatusMovedPermanently)
	})
}

// certFiles are a certificate chain and its key in PEM, as a program such as certbot renews them. A pair that
// cannot be read while the server runs leaves the one it has, and is logged at most once a minute; one that browsers refuse
// is served, and logged once an hour.
type certFiles struct {
	cert, key string
	origin    string // what browsers ask for
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	said    time.Time
	warned  time.Time
	stamp   string
	current *tls.Certificate
}

func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.current == nil || now.Sub(c.looked) >= certCheck {
		c.looked = now
		err := c.load()
		switch {
		case err != nil && c.current == nil:
			return nil, err
		case err != nil && now.Sub(c.said) >= time.Minute:
			c.said = now
			c.log.Error("the certificate files can't be read; the certificate from before is served until they can", "until", c.current.Leaf.NotAfter.UTC().Format(time.RFC3339), "error", err.Error())
		}
		if why := c.amiss(c.current.Leaf); why != nil && now.Sub(c.warned) >= time.Hour {
			c.warned = now
			c.log.Warn("browsers will refuse the certificate, which is served as it is: have it renewed for the name that people type", "file", c.cert, "error", why.Error())
		}
	}
	return c.current, nil
}

func (c *certFiles) load() error {
	stamp := ""
	for _, path := range []string{c.cert, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
		stamp += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	if stamp == c.stamp {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.current, c.stamp = &pair, stamp // a pair that does not fit is read again: its other half comes next
	c.warned = time.Time{}
	return nil
}

// amiss is why browsers refuse a certificate whoever signed it: its time, or its names.
func (c *certFiles) amiss(leaf *x509.Certificate) error {
	switch now := c.now(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("it ended at %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("it begins at %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	u, err := url.Parse(c.origin)
	if err != nil {
		return err
	}
	return leaf.VerifyHostname(u.Hostname())
}

// sealedCache keeps the ACME account's key and the certificates with theirs, sealed under a key that is derived
// from the server key: a stolen data folder is no server of this name.
type sealedCache struct {
	dir  string
	ring *secrets.Keyring
}

// place is a name's seal: additional data ties it to the name.
func (c *sealedCache) place(name string) seal.Place {
	return seal.Place{Table: "acme", Column: "sealed", Row: []byte(name)}
}

func (c *sealedCache) path(name string) string {
	// A domain or a fixed name of autocert's; hashed, so that no name can lead elsewhere.
	return filepath.Join(c.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(name))))
}

// Get implements autocert.Cache. What does not open counts as missing: a certificate can be had again.
func (c *sealedCache) Get(_ context.Context, name string) ([]byte, error) {
	sealed, err := os.ReadFile(c.path(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, autocert.ErrCacheMiss
	}
	if err != nil {
		return nil, err
	}
	for _, key := range c.ring.All() {
		if plain, err := seal.Open(seal.Key(key.Derive(acmeInfo)), c.place(name), sealed); err == nil {
			return plain, nil
		}
	}
	return nil, autocert.ErrCacheMiss
}

// Put implements autocert.Cache: the file appears whole or not at all.
func (c *sealedCache) Put(_ context.Context, name string, data []byte) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(c.dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(seal.Seal(seal.Key(c.ring.Active.Derive(acmeInfo)), 1, c.place(name), data))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), c.path(name))
	}
	if err == nil {
		err = syncDir(c.dir)
	}
	return err
}

// Delete implements autocert.Cache.
func (c *sealedCache) Delete(_ context.Context, name string) error {
	if err := os.Remove(c.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
