package cli

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// endless has a new connection for whoever asks, up to most, and counts them.
type endless struct {
	net.Listener
	most  int64
	count atomic.Int64
	ended chan struct{}
}

func (l *endless) Accept() (net.Conn, error) {
	if l.count.Load() < l.most {
		l.count.Add(1)
		_, server := net.Pipe()
		return server, nil
	}
	<-l.ended
	return nil, net.ErrClosed
}

func (l *endless) Close() error { close(l.ended); return nil }

// TestTLSSetup_Redirect: strangers who hold connections to the port of plain http don't take all handles.
func TestTLSSetup_Redirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &endless{most: 2 * plainConns, ended: make(chan struct{})}
		stop := tlsSetup{plain: http.NotFoundHandler()}.redirect(context.Background(), ln, slog.New(slog.DiscardHandler))
		synctest.Wait() // until everybody waits for somebody
		if n := ln.count.Load(); n != plainConns {
			t.Errorf("%d connections are open, want %d", n, plainConns)
		}
		stop()
		synctest.Wait()
	})
}

// TestCertFiles_Unreadable: a renewed pair that can't be read is told once a minute, and the old one is served.
func TestCertFiles_Unreadable(t *testing.T) {
	dir, said, now := t.TempDir(), bytes.Buffer{}, time.Unix(1e9, 0)
	files := &certFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), log: slog.New(slog.NewTextHandler(&said, nil)), now: func() time.Time { return now }}
	writePair(t, files, 1)
	served := func(after time.Duration, serial int64, lines int) {
		t.Helper()
		now = now.Add(after)
		cert, err := files.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := cert.Leaf.SerialNumber.Int64(); got != serial {
			t.Errorf("certificate %d, want %d", got, serial)
		}
		if got := strings.Count(said.String(), "certificate files can't be read"); got != lines {
			t.Errorf("told %d times, want %d\n%s", got, lines, &said)
		}
	}
	served(0, 1, 0)
	if err := os.WriteFile(files.key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	served(certCheck, 1, 1)
	served(certCheck, 1, 1)
	served(time.Minute, 1, 2)
	writePair(t, files, 2)
	served(certCheck, 2, 2)
}

// TestCertFiles_Amiss: a pair that browsers refuse is served, and told once.
func TestCertFiles_Amiss(t *testing.T) {
	for name, tt := range map[string]struct {
		origin string
		after  time.Duration
		want   string
	}{
		"Right":     {"https://zen.example:8443", 0, ""},
		"Ended":     {"https://zen.example", 2 * time.Hour, "it ended at 2001-09-09T02:46:40Z"},
		"Begins":    {"https://zen.example", -time.Hour, "it begins at 2001-09-09T01:46:40Z"},
		"OtherName": {"https://other.example", 0, "not other.example"},
		"Address":   {"https://[2001:db8::1]", 0, "2001:db8::1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, said, now := t.TempDir(), bytes.Buffer{}, time.Unix(1e9, 0)
			files := &certFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), origin: tt.origin, log: slog.New(slog.NewTextHandler(&said, nil)), now: func() time.Time { return now }}
			writePair(t, files, 1)
			now = now.Add(tt.after)
			for range 2 {
				if _, err := files.get(nil); err != nil {
					t.Fatal(err)
				}
				now = now.Add(certCheck)
			}
			if got := strings.Count(said.String(), "browsers will refuse"); got != min(len(tt.want), 1) || !strings.Contains(said.String(), tt.want) {
				t.Errorf("told %d times, want %q\n%s", got, tt.want, &said)
			}
		})
	}
}

// TestCertFiles_Ends: one that ends while the server runs, since nothing renewed it, is told once an hour.
func TestCertFiles_Ends(t *testing.T) {
	dir, said, now := t.TempDir(), bytes.Buffer{}, time.Unix(1e9, 0)
	files := &certFiles{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), origin: "https://zen.example", log: slog.New(slog.NewTextHandler(&said, nil)), now: func() time.Time { return now }}
	writePair(t, files, 1)
	for at, want := range []int{0, 0, 0, 1, 1, 2, 2, 3} { // each half hour; it ends with the second
		if _, err := files.get(nil); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(said.String(), "it ended at"); got != want {
			t.Errorf("told %d times after %d half hours, want %d", got, at, want)
		}
		now = now.Add(30 * time.Minute)
	}
}

// writePair writes a certificate and its key.
func writePair(t *testing.T, files *certFiles, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: files.now(), NotAfter: files.now().Add(time.Hour), DNSNames: []string{"zen.example"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{files.cert: {Type: "CERTIFICATE", Bytes: cert}, files.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// A change is told by the time of the file, which is too coarse for two writes in a row.
		if err := os.Chtimes(path, time.Time{}, time.Unix(serial, 0)); err != nil {
			t.Fatal(err)
		}
	}
}
