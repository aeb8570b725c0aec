package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"zencrypt/config"
)

// TestWatcher_Guard: on an address of this machine alone a page of a browser here can't read the metrics by giving
// its own name our address.
func TestWatcher_Guard(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})
	for _, tt := range []struct {
		addr, host string
		remote     config.Switch
		want       int
	}{
		{"127.0.0.1:9464", "127.0.0.1:9464", false, 200},
		{"127.0.0.1:9464", "localhost:9464", false, 200},
		{"[::1]:9464", "[::1]:9464", false, 200},
		{"127.0.0.1:9464", "[::1]", false, 200},
		{"127.0.0.1:9464", "rebound.example:9464", false, 421},
		{"127.0.0.1:9464", "rebound.example", false, 421},
		{"127.0.0.1:9464", "localhost.example", false, 421},
		{":9464", "zencrypt.monitoring.svc:9464", true, 200},
		{"unix:/run/m", "anything", false, 200},
	} {
		w := &watcher{cfg: config.Config{MetricsAddr: tt.addr, MetricsRemote: tt.remote}}
		rec, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Host = tt.host
		if w.guard(answer).ServeHTTP(rec, req); rec.Code != tt.want {
			t.Errorf("%s asked as %s: %d, want %d", tt.addr, tt.host, rec.Code, tt.want)
		}
	}
}
