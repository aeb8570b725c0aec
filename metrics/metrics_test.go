package metrics

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

func scrape(t *testing.T, m *Metrics, method, path string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(method, path, nil))
	return rec.Code, rec.Body.String()
}

func full() Reading {
	n, at, names := int64(5), time.Unix(1_800_000_000, 0), 2
	return Reading{
		Started: at, Crowded: 4, Refusals: map[string]int64{"tries": 3, "busy": 0, "quota": 0, "disk": 0}, Spool: &n, SpoolLimit: &n, DiskFree: &n, DiskSize: &n, Sessions: &names,
		Backup: &Backup{Age: time.Hour, Size: 7}, CertificateExpiry: &at, CertificatesMissing: &names, DatabaseAnswered: true,
		Database: Database{WaitCount: 3, WaitSeconds: 1.5, WaitBuckets: map[float64]uint64{.1: 2, 1: 3}, ReadOnly: true, Upkeep: &at},
	}
}

func TestMetrics_Handler(t *testing.T) {
	m := New(Options{Version: "1.0", Revision: "abc", Read: func(context.Context) Reading { return full() }})
	m.Request("GET", "/vault/:id", 200, 20*time.Millisecond)
	m.Request("GET", "/vault/:id", 404, time.Second)
	m.Wait("login", "busy", 5*time.Second)
	code, body := scrape(t, m, http.MethodGet, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	for _, line := range []string{
		`zencrypt_http_requests_total{class="2xx",method="GET",route="/vault/:id"} 1`,
		`zencrypt_http_requests_total{class="4xx",method="GET",route="/vault/:id"} 1`,
		`zencrypt_http_request_duration_seconds_bucket{method="GET",route="/vault/:id",le="0.025"} 1`,
		`zencrypt_kdf_refused_total{who="login",why="busy"} 1`,
		`zencrypt_kdf_refused_total{who="guest",why="busy"} 0`,
		`zencrypt_kdf_wait_seconds_bucket{who="login",le="5"} 1`,
		`zencrypt_refusals_total{reason="tries"} 3`,
		`zencrypt_database_write_wait_seconds_bucket{le="0.1"} 2`,
		`zencrypt_database_write_wait_seconds_bucket{le="+Inf"} 3`,
		`zencrypt_http_connections_refused_total 4`,
		`zencrypt_backup_age_seconds 3600`,
		`zencrypt_read_only 1`,
		`zencrypt_certificate_expiry_timestamp_seconds 1.8e+09`,
		`zencrypt_transfers{direction="upload"} 0`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if !strings.Contains(body, `zencrypt_build_info{goversion="go`) || !strings.Contains(body, "\ngo_goroutines ") || !strings.Contains(body, "\nprocess_open_fds ") {
		t.Errorf("build, goroutines or open files are missing:\n%s", body)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "zencrypt_") {
			t.Errorf("promlint: %s: %s", p.Metric, p.Text)
		}
	}
	for method, path := range map[string]string{http.MethodPost: "/metrics", http.MethodGet: "/"} {
		if code, _ := scrape(t, m, method, path); code < 400 {
			t.Errorf("%s %s: %d", method, path, code)
		}
	}
}

// TestMetrics_Unknown: what is not known is not there, so that no rule takes it for a zero.
func TestMetrics_Unknown(t *testing.T) {
	m := New(Options{Read: func(context.Context) Reading { return Reading{} }})
	_, body := scrape(t, m, http.MethodGet, "/metrics")
	for _, name := range []string{"backup_age_seconds", "backup_size_bytes", "certificate_expiry", "certificates_missing", "sessions", "disk_free_bytes", "upkeep"} {
		if strings.Contains(body, name) {
			t.Errorf("%s is there", name)
		}
	}
	if !strings.Contains(body, "\nzencrypt_database_up 0\n") {
		t.Error("zencrypt_database_up is not 0")
	}
}
