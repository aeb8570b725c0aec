//go:build linux

package e2e

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProxy_Caddy: what goes wrong behind the shipped Caddy, whose lines would hold the whole request, is not logged:
// no path, no token, no address. Without the block that sees to it the same requests are.
func TestProxy_Caddy(t *testing.T) {
	t.Parallel()
	caddy := program(t, "caddy", "what the proxy that deploy/Caddyfile sets up writes into its log")
	if out, err := exec.Command(caddy, "validate", "--adapter", "caddyfile", "--config", "../deploy/Caddyfile").CombinedOutput(); err != nil {
		t.Fatalf("caddy validate: %v\n%s", err, out)
	}
	shipped, err := os.ReadFile("../deploy/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	const block = "\tlog {\n\t\texclude http\n\t}\n"
	if !strings.Contains(string(shipped), block) {
		t.Fatal("the block is not in deploy/Caddyfile")
	}
	for name, tt := range map[string]struct{ answer, shows string }{
		"None": {"", "token-of-nobody"},
		// With the whole request in newer versions.
		"Broken": {"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 5000), "aborting with incomplete response"},
	} {
		text := strings.ReplaceAll(string(shipped), "127.0.0.1:8080 {", breaksOff(t, tt.answer)+" {")
		said := throughCaddy(t, caddy, text)
		for _, never := range []string{tt.shows, "token-of-nobody", "remote_ip", "192.0.2.7"} {
			if strings.Contains(said, never) {
				t.Errorf("%s: it logs %q:\n%s", name, never, said)
			}
		}
		if said := throughCaddy(t, caddy, strings.Replace(text, block, "", 1)); !strings.Contains(said, tt.shows) {
			t.Errorf("%s: without the block it does not log %q either, so that this shows nothing:\n%s", name, tt.shows, said)
		}
	}
}

// breaksOff is the address of a server that closes each connection after an answer that is not whole.
func breaksOff(t *testing.T, answer string) string {
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
			_, _ = conn.Read(make([]byte, 4<<10))
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	}()
	return ln.Addr().String()
}

// throughCaddy asks once through a Caddy with these settings, and returns what it wrote until its end.
func throughCaddy(t *testing.T, caddy, text string) string {
	t.Helper()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "Caddyfile"), filepath.Join(dir, "s")
	text = strings.Replace(text, "\nzen.example {", "\nhttp://zen.example {\n\tbind unix/"+socket, 1)
	text = strings.Replace(text, "\n{\n", "\n{\n\tadmin off\n", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(caddy, "run", "--adapter", "caddyfile", "--config", file)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	asked := false
	defer func() {
		if !asked {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	eventually(t, time.Minute, "caddy answers", func() bool {
		req, err := http.NewRequest(http.MethodGet, "http://zen.example/invite/token-of-nobody", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Real-IP", "192.0.2.7")
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return true
	})
	asked = true
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return said.String()
}
