//go:build linux

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// scrape reads a server's metrics from its socket.
func (s *server) scrape(socket string) string {
	s.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	res, err := (&http.Client{Transport: transport}).Get("http://metrics/metrics")
	if err != nil {
		s.t.Fatalf("scrape: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("scrape: %s, %v", res.Status, err)
	}
	return string(body)
}

var (
	sampleLine = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
	// quietLabels are the labels that there are, and what each may say: words of small sets, never a name.
	quietLabels = map[string]*regexp.Regexp{
		"route": regexp.MustCompile(`^(unknown|/|(/[a-z.]+|/:[a-z]+|/\*)+)$`), "method": regexp.MustCompile(`^(GET|HEAD|POST|other)$`),
		"class": regexp.MustCompile(`^[1-5]xx$`), "who": regexp.MustCompile(`^(guest|user|login)$`), "why": regexp.MustCompile(`^(busy|heavy|gone)$`),
		"reason": regexp.MustCompile(`^(tries|busy|quota|disk)$`), "direction": regexp.MustCompile(`^(upload|download)$`),
		"le": regexp.MustCompile(`^(\+Inf|[0-9.e+-]+)$`), "quantile": regexp.MustCompile(`^[0-9.]+$`),
		"version": regexp.MustCompile(`^[\w.+-]+$`), "revision": regexp.MustCompile(`^(unknown|[0-9a-f]+)$`), "goversion": regexp.MustCompile(`^go`),
	}
	anyID = regexp.MustCompile(`[0-9a-f]{32}`)
)

// samples reads the text format: each sample's value by its name and labels.
func samples(t testing.TB, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("no sample: %q", line)
		}
		out[strings.TrimSuffix(line, " "+m[3])] = m[3]
	}
	return out
}

// scrapeQuiet scrapes, and fails the test for whatever in it could tell of a person: an id, a label that is not one
// of those there are, or one of the texts.
func (s *server) scrapeQuiet(socket string, never ...string) string {
	s.t.Helper()
	text := s.scrape(socket)
	for sample := range samples(s.t, text) {
		for _, pair := range labelPair.FindAllStringSubmatch(sample, -1) {
			if allowed := quietLabels[pair[1]]; allowed == nil || !allowed.MatchString(pair[2]) {
				s.t.Errorf("the metrics have the label %s", pair[0])
			}
		}
	}
	for _, text := range append(never, anyID.FindAllString(strings.ReplaceAll(text, buildLine(text), ""), -1)...) {
		if strings.Contains(s.scrape(socket), text) {
			s.t.Errorf("the metrics tell of %s", text)
		}
	}
	return text
}

func buildLine(text string) string {
	return regexp.MustCompile(`(?m)^zencrypt_build_info.*$`).FindString(text)
}

// TestMetrics walks through the server and reads what it counted: by routes as they are declared.
func TestMetrics(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "m")
	s := newServer(t, "--metrics-addr", "unix:"+socket)
	c := s.client()
	const login, password = "watched-by-nobody", "a fine long passphrase 77"
	c.register(login, password)
	note := c.must(c.upload("/vault", field("title", "watched title"), field("text", "watched text")), 303).location()
	c.must(c.get(note), 200)
	c.must(c.get("/vault/"+strings.Repeat("ab", 16)), 404)
	c.must(c.get("/nothing/"+login), 404)
	c.must(c.upload("/encrypt", field("to", "me"), file("watched-name.txt", "content")), 200)
	s.client().must(s.client().post("/login", "login", login, "password", "no"), 422)
	text := s.scrapeQuiet(socket, login, "watched", strings.TrimPrefix(note, "/vault/"), "127.0.0.1")
	got := samples(t, text)
	for sample, want := range map[string]string{
		`zencrypt_http_requests_total{class="2xx",method="GET",route="/vault/:id"}`:    "1",
		`zencrypt_http_requests_total{class="4xx",method="GET",route="/vault/:id"}`:    "1",
		`zencrypt_http_requests_total{class="4xx",method="GET",route="unknown"}`:       "1",
		`zencrypt_http_requests_total{class="4xx",method="POST",route="/login"}`:       "1",
		`zencrypt_http_request_duration_seconds_count{method="POST",route="/encrypt"}`: "1",
		`zencrypt_sessions`:                      "1",
		`zencrypt_transfers{direction="upload"}`: "0",
		`zencrypt_database_up`:                   "1",
		`zencrypt_read_only`:                     "0",
	} {
		if got[sample] != want {
			t.Errorf("%s is %q, want %s", sample, got[sample], want)
		}
	}
	for _, sample := range []string{`zencrypt_kdf_wait_seconds_count{who="login"}`, "zencrypt_http_received_bytes_total", "zencrypt_http_sent_bytes_total",
		"zencrypt_spool_bytes", "zencrypt_disk_free_bytes", "zencrypt_database_size_bytes", "zencrypt_database_writes_total", "process_open_fds"} {
		if v := got[sample]; v == "" || v == "0" {
			t.Errorf("%s is %q", sample, v)
		}
	}
	if _, ok := got["zencrypt_backup_age_seconds"]; ok {
		t.Error("there is a backup age without a backup")
	}
	out, err := exec.Command(binary(t), "backup", "--data", s.data, "-o", filepath.Join(t.TempDir(), "b.tar")).CombinedOutput()
	if err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	if age := samples(t, s.scrape(socket))["zencrypt_backup_age_seconds"]; age == "" {
		t.Error("there is no backup age after a backup")
	}
	// The public address knows nothing of it, and a killed server's socket keeps nobody from starting.
	c.must(c.get("/metrics"), 404)
	s.kill()
	s.start()
	s.scrape(socket)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", info, err)
	}
}

// TestMetrics_Address: only this machine reaches them, unless somebody says otherwise.
func TestMetrics_Address(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:9464", "zen.example:9464", "nonsense"} {
		out, err := exec.Command(binary(t), "serve", "--data", filepath.Join(t.TempDir(), "d"), "--metrics-addr", addr).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--metrics-addr") {
			t.Errorf("%s: %v\n%s", addr, err, out)
		}
	}
}
