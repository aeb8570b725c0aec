package cli

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
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
