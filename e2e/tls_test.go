//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	bigendian "encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const tlsName = "zen.example.test"

// authority makes certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate in PEM
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, file: filepath.Join(t.TempDir(), "authority.pem")}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate for a name or 127.0.0.1 and its key.
func (a *authority) issue(certFile, keyFile, name string, serial int64) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(89 * 24 * time.Hour),
		DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	writePEM(a.t, keyFile, "PRIVATE KEY", private)
	writePEM(a.t, certFile, "CERTIFICATE", der)
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// given are the ports that freePort has named.
var given sync.Map

// freePort is a port of this machine that nobody uses. It is not one of those that the system hands out by itself
// (ip_local_port_range of Linux begins at 32,768): other tests get such ports while the program that is to have this one starts.
func freePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		n, err := rand.Int(rand.Reader, big.NewInt(17_000))
		if err != nil {
			t.Fatal(err)
		}
		port := 15_000 + int(n.Int64())
		if _, twice := given.LoadOrStore(port, true); twice {
			continue
		}
		if ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("a thousand ports are taken")
	return 0
}

// names answers every question for an address with 127.0.0.1, by TCP (RFC 1035, section 4.2.2), as pebble asks.
func names(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerName(conn) == nil {
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func answerName(conn net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	buf := make([]byte, bigendian.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf); err != nil {
		return err
	}
	answer := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	b, err := answer.Pack()
	if err == nil {
		_, err = conn.Write(append(bigendian.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	}
	return err
}

var builtPebble = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binaryDir(), "pebble")
	cmd := exec.Command("go", "build", "-C", filepath.Join("..", "tools"), "-o", bin, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build pebble: %w\n%s", err, out)
	}
	return bin, nil
})

// pebble starts Let's Encrypt's test server and returns its directory and where it manages itself. It asks a server
// for proof on the two ports, and certificates live for some seconds.
func pebble(t testing.TB, a *authority, httpPort, tlsPort int, seconds uint64) (directory, management string) {
	t.Helper()
	bin, err := builtPebble()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	a.issue(in("cert.pem"), in("key.pem"), "localhost", 2)
	directory, management = fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": directory, "managementListenAddress": management,
		"certificate": in("cert.pem"), "privateKey": in("key.pem"), "httpPort": httpPort, "tlsPort": tlsPort,
		"profiles": map[string]any{"default": map[string]any{"description": "short", "validityPeriod": seconds}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-config", in("config.json"), "-dnsserver", names(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(in("log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if t.Failed() {
			said, _ := os.ReadFile(in("log"))
			t.Logf("pebble's output:\n%s", tail(string(said), 4000))
		}
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool()}}}
	eventually(t, time.Minute, "pebble answers", func() bool {
		res, err := client.Get("https://" + directory + "/dir")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return directory, management
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// serveTLS starts the server with TLS of its own on a port.
func serveTLS(t testing.TB, port int, env []string, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"), env: env, origin: "https://" + tlsName}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", tail(s.output(), 8000))
		}
	})
	s.args = append([]string{"serve", "--addr", fmt.Sprintf("127.0.0.1:%d", port), "--data", s.data, "--secrets", s.secrets, "--origin", s.origin}, args...)
	s.run(exec.Command(binary(t), s.args...))
	return s
}

// reach is a client that finds the server under its name on a port of this machine.
func reach(port int, conf *tls.Config) *http.Client {
	conf.ServerName = tlsName
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: conf, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// serial is the serial number of the certificate that the server shows, or nil.
func serial(client *http.Client) *big.Int {
	res, err := client.Get("https://" + tlsName + "/healthz")
	if err != nil {
		return nil
	}
	res.Body.Close()
	return res.TLS.PeerCertificates[0].SerialNumber
}

// TestTLS_ACME gets a certificate from Let's Encrypt's test server and renews it, by both kinds of proof. Its key is
// found nowhere on the disk.
func TestTLS_ACME(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	tlsPort, httpPort := freePort(t), freePort(t)
	// A third of a minute before its end a certificate is renewed, and up to an hour earlier by chance: at once here.
	directory, management := pebble(t, a, httpPort, tlsPort, 60)
	socket := filepath.Join(t.TempDir(), "m")
	s := serveTLS(t, tlsPort, []string{"SSL_CERT_FILE=" + a.file}, "--domain", tlsName, "--metrics-addr", "unix:"+socket,
		"--acme-directory", "https://"+directory+"/dir", "--redirect-addr", fmt.Sprintf("127.0.0.1:%d", httpPort))

	roots := x509.NewCertPool()
	res, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool()}}}).Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	root, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !roots.AppendCertsFromPEM(root) {
		t.Fatalf("pebble's root: %v", err)
	}
	client := reach(tlsPort, &tls.Config{RootCAs: roots})
	var first *big.Int
	eventually(t, time.Minute, "the server has a certificate that the authority's root vouches for", func() bool {
		first = serial(client)
		return first != nil
	})
	eventually(t, time.Minute, "the certificate is renewed", func() bool {
		now := serial(client)
		return now != nil && now.Cmp(first) != 0
	})
	watched := samples(t, s.scrape(socket))
	if watched["zencrypt_certificates_missing"] != "0" || watched["zencrypt_certificate_expiry_timestamp_seconds"] == "" {
		t.Errorf("the metrics know of no certificate: %q missing", watched["zencrypt_certificates_missing"])
	}
	res, err = client.Get("https://" + tlsName + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if hsts := res.Header.Get("Strict-Transport-Security"); !strings.Contains(hsts, "max-age=") {
		t.Errorf("Strict-Transport-Security: %q", hsts)
	}
	if _, err := reach(tlsPort, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}).Get("https://" + tlsName + "/"); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	stranger := reach(tlsPort, &tls.Config{InsecureSkipVerify: true})
	stranger.Transport.(*http.Transport).TLSClientConfig.ServerName = "elsewhere.example.test"
	if res, err := stranger.Get("https://" + tlsName + "/"); err == nil {
		res.Body.Close()
		t.Error("a certificate for another name was given")
	}

	plain := reach(httpPort, &tls.Config{})
	res, err = plain.Get("http://" + tlsName + "/encrypt?x=%2F%2Fevil.example")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if want := "https://" + tlsName + "/encrypt?x=%2F%2Fevil.example"; res.StatusCode != http.StatusMovedPermanently || res.Header.Get("Location") != want {
		t.Errorf("http: %d to %q, want %q", res.StatusCode, res.Header.Get("Location"), want)
	}
	if res, err = plain.Post("http://"+tlsName+"/login", "application/x-www-form-urlencoded", strings.NewReader("login=a")); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a post by http: %d", res.StatusCode)
	}

	kept := 0
	err = filepath.WalkDir(filepath.Join(s.data, "acme"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte("PRIVATE KEY")) || bytes.Contains(b, []byte("CERTIFICATE")) {
			t.Errorf("%s lies there in clear", path)
		}
		kept++
		return err
	})
	if err != nil || kept < 2 {
		t.Errorf("%d files are kept, %v: at least the account's key and the certificate belong there", kept, err)
	}
	// A start needs no authority: the certificate is there.
	before := serial(client)
	s.stop()
	s.run(exec.Command(binary(t), s.args...))
	if now := serial(client); before == nil || now == nil {
		t.Errorf("after a start: %v, before: %v", now, before)
	}
}

// TestTLS_Files serves a certificate from files and takes a new one without a restart; half of a new one changes
// nothing.
func TestTLS_Files(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.issue(cert, key, tlsName, 100)
	port := freePort(t)
	serveTLS(t, port, nil, "--tls-cert", cert, "--tls-key", key)
	client := reach(port, &tls.Config{RootCAs: a.pool()})
	if got := serial(client); got == nil || got.Int64() != 100 {
		t.Fatalf("serial %v, want 100", got)
	}
	a.issue(cert, filepath.Join(dir, "other.pem"), tlsName, 101)
	if got := serial(client); got == nil || got.Int64() != 100 {
		t.Fatalf("with a key that does not fit: serial %v, want 100", got)
	}
	if err := os.Rename(filepath.Join(dir, "other.pem"), key); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "the new certificate is served", func() bool {
		got := serial(client)
		return got != nil && got.Int64() == 101
	})
}

// TestTLS_BadInput: what cannot be served is said at the start.
func TestTLS_BadInput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"NoFile":   {[]string{"--tls-cert", filepath.Join(dir, "none"), "--tls-key", filepath.Join(dir, "none"), "--origin", "https://" + tlsName}, "read certificate"},
		"NoKey":    {[]string{"--tls-cert", filepath.Join(dir, "none"), "--origin", "https://" + tlsName}, "name both"},
		"Both":     {[]string{"--tls-cert", "a", "--tls-key", "b", "--domain", tlsName}, "not both"},
		"Address":  {[]string{"--domain", "192.0.2.1"}, "give names"},
		"HTTP":     {[]string{"--domain", tlsName, "--origin", "http://" + tlsName}, "use https://"},
		"Redirect": {[]string{"--redirect-addr", ":80"}, "use it with --domain"},
	} {
		args := append([]string{"serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(dir, "data"), "--secrets", filepath.Join(dir, "secrets")}, tc.args...)
		out, err := exec.Command(binary(t), args...).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v, want %q\n%s", name, err, tc.want, out)
		}
	}
}

// TestBulkTLS has testssl.sh look at the server as a browser's maker would: nothing above low.
func TestBulkTLS(t *testing.T) {
	testssl := program(t, "testssl", "a check of the server's TLS")
	a := newAuthority(t)
	dir := t.TempDir()
	cert, key, report := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "report.json")
	a.issue(cert, key, tlsName, 100)
	port := freePort(t)
	serveTLS(t, port, nil, "--tls-cert", cert, "--tls-key", key)
	cmd := exec.Command(testssl, "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", a.file, "--jsonfile", report,
		fmt.Sprintf("%s:%d", tlsName, port))
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	b, rerr := os.ReadFile(report)
	var findings []struct{ ID, Severity, Finding string }
	if rerr == nil {
		rerr = json.Unmarshal(b, &findings)
	}
	if rerr != nil || len(findings) < 50 {
		t.Fatalf("testssl reported %d findings: %v, %v\n%s", len(findings), err, rerr, tail(string(out), 4000))
	}
	seen := map[string]int{}
	for _, f := range findings {
		seen[f.Severity]++
		switch f.Severity {
		case "OK", "INFO", "LOW", "DEBUG":
		default:
			if !aboutTheTest(f.ID) {
				t.Errorf("%s: %s: %s", f.Severity, f.ID, f.Finding)
			}
		}
	}
	t.Log(seen)
}

// aboutTheTest: these findings are about the authority that this test made up, which publishes no revocation list,
// or about what testssl lacks.
func aboutTheTest(id string) bool {
	switch strings.Fields(id + " ")[0] {
	case "cert_crlDistributionPoints", "cert_ocspURL", "cert_revocation", "cert_chain_of_trust", "cert_trust", "engine_problem":
		return true
	}
	return false
}
