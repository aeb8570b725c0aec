//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// finding is a line of what the doctor prints.
type finding struct{ Check, Level, Text, Do string }

// examine runs the doctor on a server and returns its findings and its exit code.
func (s *server) examine(env []string, args ...string) (found []finding, code int) {
	s.t.Helper()
	cmd := exec.Command(binary(s.t), append([]string{"doctor", "--json", "--data", s.data, "--secrets", s.secrets}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		s.t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		var f finding
		if err := json.Unmarshal(line, &f); err != nil {
			s.t.Fatalf("%v: %s", err, line)
		}
		if f.Level == "bad" && f.Do == "" {
			s.t.Errorf("it doesn't say what to do: %s", f.Text)
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		s.t.Fatalf("the doctor found nothing: %s", &stderr)
	}
	return found, cmd.ProcessState.ExitCode()
}

// has fails the test unless a finding of a level holds each text.
func has(t testing.TB, found []finding, level string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		there := false
		for _, f := range found {
			there = there || f.Level == level && strings.Contains(f.Text, text)
		}
		if !there {
			t.Errorf("no %s with %q in %q", level, text, found)
		}
	}
}

func bads(found []finding) (out []string) {
	for _, f := range found {
		if f.Level == "bad" {
			out = append(out, f.Text)
		}
	}
	return out
}

// TestDoctor looks at a server that runs, whole and with what somebody broke.
func TestDoctor(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "m")
	s := newServer(t, "--metrics-addr", "unix:"+socket)
	c := s.client()
	c.register("looked-at", "a fine long passphrase 77")
	c.must(c.upload("/vault", field("title", "a"), file("one.bin", strings.Repeat("content ", 30000))), 303)
	c.must(c.upload("/vault", field("title", "b"), file("two.bin", "short")), 303)
	c.must(c.upload("/encrypt", field("to", "me"), field("save", "1"), file("three.bin", "kept")), 200)
	flags := []string{"--deep", "--check", "service,tls,files,keys,database,backup,unit,log", "--addr", strings.TrimPrefix(s.url, "http://"), "--metrics-addr", "unix:" + socket}
	found, code := s.examine(nil, flags...)
	if code != 0 || len(bads(found)) > 0 {
		t.Errorf("exit %d: %q", code, bads(found))
	}
	has(t, found, "ok", "the server answers on", "it is ready", "sends the headers", "metrics are served", "files in blobs: 3, each with the size", "zencrypt.db is whole",
		"the server runs ", "is the one that the database knows")

	blobs, err := filepath.Glob(filepath.Join(s.data, "blobs", "*"))
	if err != nil || len(blobs) != 3 {
		t.Fatalf("%d files in the vault, %v", len(blobs), err)
	}
	if err := os.Remove(blobs[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(blobs[1], 100); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.data, "blobs", strings.Repeat("ab", 16)), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, code = s.examine(nil, flags...)
	if code != 4 {
		t.Errorf("exit %d with damaged files", code)
	}
	has(t, found, "bad", "blobs/"+filepath.Base(blobs[0])+" is missing", "blobs/"+filepath.Base(blobs[1])+" has 100 bytes")
	has(t, found, "note", "files in blobs that no row names: 1")

	// Another server's address, and one where nobody is.
	other := newServer(t)
	other.stop()
	found, code = s.examine(nil, "--check", "service", "--addr", strings.TrimPrefix(other.url, "http://"))
	if code != 1 {
		t.Errorf("exit %d where nobody answers", code)
	}
	has(t, found, "bad", "nobody answers")
	found, _ = other.examine(nil, "--check", "service", "--addr", strings.TrimPrefix(s.url, "http://"))
	has(t, found, "bad", "somebody answers on")

	// Of a database that can't be read it says nothing that it does not know, such as that there was no backup.
	s.stop()
	if f, err := os.OpenFile(filepath.Join(s.data, "zencrypt.db"), os.O_WRONLY, 0); err != nil {
		t.Fatal(err)
	} else if _, err := f.WriteAt([]byte("X"), 0); err != nil {
		t.Fatal(err)
	} else {
		f.Close()
	}
	found, code = s.examine(nil, flags...)
	if code != 4 {
		t.Errorf("exit %d with a database that can't be read", code)
	}
	has(t, found, "bad", "zencrypt.db can't be read")
	has(t, found, "note", "whether server key", "when the last backup was made can't be told", "which can't be read")
	for _, alone := range []string{"keys", "backup"} { // which nothing else explains then
		if found, code := s.examine(nil, "--check", alone); code != 1 || len(found) != 1 || found[0].Level != "bad" {
			t.Errorf("--check %s: exit %d, %+v", alone, code, found)
		}
	}
	for _, f := range found {
		if strings.Contains(f.Text, "no backup was made") || strings.Contains(f.Text, "no row names") || strings.Contains(f.Text, "knows no server key") {
			t.Errorf("it says %q", f.Text)
		}
	}
}

// TestDoctor_Proxy: behind a proxy by its settings, with nobody trusted and the port open to all.
func TestDoctor_Proxy(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	s := serveTLS(t, port, nil)
	origin := []string{"--check", "service,tls", "--origin", "https://" + tlsName, "--addr", fmt.Sprintf("127.0.0.1:%d", port)}
	found, code := s.examine(nil, origin...)
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	has(t, found, "bad", "a proxy stands in front and is not trusted")
	has(t, found, "ok", "HSTS among them")
	has(t, found, "note", "can't be reached from this machine")
	found, _ = s.examine(nil, append(origin, "--trusted-proxies", "10.0.0.0/8")...)
	has(t, found, "bad", "the proxy must be on this machine")
	if found, code = s.examine(nil, append(origin, "--trusted-proxies", "127.0.0.1/32")...); code != 0 {
		t.Errorf("exit %d: %q", code, bads(found))
	}
	// An onion service has no proxy in front, and must believe none: Tor passes on what its clients say.
	onion := []string{"--check", "service", "--origin", "http://abc.onion", "--allow-http=on", "--addr", fmt.Sprintf("127.0.0.1:%d", port)}
	found, _ = s.examine(nil, onion...)
	for _, f := range found {
		if strings.Contains(f.Text+f.Do, "prox") {
			t.Errorf("%s: %s", f.Text, f.Do)
		}
	}
	found, _ = s.examine(nil, append(onion, "--trusted-proxies", "127.0.0.1/32")...)
	has(t, found, "bad", "Tor passes X-Forwarded-For")
}

// TestDoctor_TLS: a certificate that browsers take, and what they do not take.
func TestDoctor_TLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	port, plain, dir := freePort(t), freePort(t), t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.issue(cert, key, tlsName, 2)
	args := []string{"--tls-cert", cert, "--tls-key", key, "--redirect-addr", fmt.Sprintf("127.0.0.1:%d", plain)}
	s := serveTLS(t, port, nil, args...)
	flags := append([]string{"--check", "service,tls,files", "--origin", "https://" + tlsName, "--addr", fmt.Sprintf("127.0.0.1:%d", port)}, args...)
	found, code := s.examine([]string{"SSL_CERT_FILE=" + a.file}, flags...)
	if code != 0 {
		t.Errorf("exit %d: %q", code, bads(found))
	}
	has(t, found, "ok", "the certificate of "+tlsName+" is good until", "it speaks TLS 1.3, and nothing older than TLS 1.2", "plain http leads to https", "HSTS among them")
	if found, code = s.examine([]string{"SSL_CERT_FILE=" + os.DevNull, "SSL_CERT_DIR=" + dir + "/none"}, flags...); code != 1 {
		t.Errorf("exit %d with an unknown authority", code)
	}
	has(t, found, "bad", "browsers don't trust the certificate")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	flags[3] = "https://elsewhere.example.test"
	found, _ = s.examine([]string{"SSL_CERT_FILE=" + a.file}, flags...)
	has(t, found, "bad", "the certificate is not for elsewhere.example.test but for "+tlsName, "the private key "+key+" may be read by others")
}
