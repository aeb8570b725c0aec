//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// buildsEnv is "full" for both architectures, from empty caches, with the bills of materials: minutes.
const buildsEnv = "ZENCRYPT_TEST_BUILDS"

// TestBulkBuildsEqual builds one commit twice, in folders, with homes, time zones and umasks that differ: the programs and packages are
// equal byte for byte. In the short form both builds take compiled packages from one cache, so that it looks at what linking and
// packing bring in; the full form compiles everything twice.
func TestBulkBuildsEqual(t *testing.T) {
	git := program(t, "git", "two builds of the same commit")
	if out, err := exec.Command(git, "-C", "..", "rev-parse", "HEAD").CombinedOutput(); err != nil {
		missing(t, "the history of the project (git clone)", fmt.Sprintf("two builds of the same commit (%s)", bytes.TrimSpace(out)))
	}
	full := os.Getenv(buildsEnv) == "full"
	task, arches := "package", runtime.GOARCH
	if full {
		task, arches = "bill", "amd64 arm64"
	}
	mods := strings.TrimSpace(command(t, "go", "env", "GOMODCACHE"))
	cache := strings.TrimSpace(command(t, "go", "env", "GOCACHE"))
	var dists []string
	for i, with := range []struct{ zone, umask, locale string }{{"Pacific/Kiritimati", "022", "C"}, {"America/Anchorage", "077", "tr_TR.UTF-8"}} {
		dir := filepath.Join(t.TempDir(), strings.Repeat("deeper/", i*3)+"clone")
		command(t, git, "clone", "-q", "--no-hardlinks", "..", dir)
		home := t.TempDir()
		if full {
			cache = filepath.Join(home, "cache")
		}
		cmd := exec.Command("sh", "-c", `umask "$1"; exec ./task "$2" ARCHES="$3"`, "build", with.umask, task, arches)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+home, "TZ="+with.zone, "LC_ALL="+with.locale, "GOCACHE="+cache, "GOMODCACHE="+mods, "XDG_CONFIG_HOME="+home)
		begun := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("./task %s in a clone: %v\n%s", task, err, tail(string(out), 4000))
		}
		t.Logf("built in %v", time.Since(begun).Round(time.Second))
		dists = append(dists, filepath.Join(dir, "dist"))
	}
	names := listed(t, dists[0])
	if other := listed(t, dists[1]); names != other || len(strings.Fields(names)) < 2*len(strings.Fields(arches)) {
		t.Fatalf("one build made %s, the other %s", names, other)
	}
	for name := range strings.FieldsSeq(names) {
		a, b := read(t, filepath.Join(dists[0], name)), read(t, filepath.Join(dists[1], name))
		if a == b {
			t.Logf("equal: %s, %d bytes", name, len(a))
			continue
		}
		at := 0
		for at < min(len(a), len(b)) && a[at] == b[at] {
			at++
		}
		t.Errorf("%s differs: %d and %d bytes, from byte %d on: %q and %q", name, len(a), len(b), at, a[at:min(at+80, len(a))], b[at:min(at+80, len(b))])
	}
}
