package cli

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"testing"

	"zencrypt/config"
)

// TestBoundMemory: what the collector was set to before the first file is what it is set to after the last one.
func TestBoundMemory(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetMemoryLimit(limit); debug.SetGCPercent(percent) })
	now := func() uint64 {
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "70")
	if boundMemory(1<<30) != nil || now() != 100 {
		t.Errorf("%d percent, though GOGC says what it is to be", now())
	}
	t.Setenv("GOGC", "")
	moves := boundMemory(448 << 20)
	if got := debug.SetMemoryLimit(-1); got != 512<<20 {
		t.Errorf("a limit of %d bytes", got)
	}
	if now() != gcUsual {
		t.Errorf("%d percent before the first file", now())
	}
	for i, step := range []struct {
		by   int64
		want uint64
	}{{1, gcFiles}, {1, gcFiles}, {-1, gcFiles}, {-1, gcUsual}, {1, gcFiles}, {-1, gcUsual}} {
		if moves(step.by); now() != step.want {
			t.Errorf("step %d: %d percent, want %d", i, now(), step.want)
		}
	}
}

// TestServe_EndedEarly: who ends a server while it starts gets exit code 0, as Help says, and no reproach.
func TestServe_EndedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	var stderr bytes.Buffer
	args := []string{"serve", "--addr=127.0.0.1:0", "--data=" + filepath.Join(dir, "data"), "--secrets=" + filepath.Join(dir, "secrets")}
	if code := Run(ctx, args, strings.NewReader(""), io.Discard, &stderr); code != exitDone || strings.Contains(stderr.String(), "canceled") {
		t.Errorf("exit code %d\n%s", code, &stderr)
	}
}

// TestOriginsOf_Socket: a socket from systemd that is none of TCP has no port to make an origin of.
func TestOriginsOf_Socket(t *testing.T) {
	socket := &net.UnixAddr{Net: "unix", Name: "/run/zencrypt.sock"}
	cfg := config.Default()
	if _, err := originsOf(cfg, socket); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--origin (ZENCRYPT_ORIGIN)") {
		t.Errorf("got %v", err)
	}
	cfg.Origin = "https://zen.example"
	if got, err := originsOf(cfg, socket); err != nil || !slices.Equal(got, []string{cfg.Origin}) {
		t.Errorf("got %v, %v", got, err)
	}
}
