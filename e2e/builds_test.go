//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// buildsEnv is "full" for both architectures, from empty caches, with the bills of materials: minutes.
const buildsEnv = "ZENCRYPT_TEST_BUILDS"

// TestBulkBuildsEqual builds one commit twice, in folders, with homes, time zones and umasks that differ: the programs and packages are
// equal byte for byte. In the short form both builds take compiled packages from one cache, so that it looks at what linking and
// packing bring in; the full form makes whole releases of two architectures, compiles everything twice, and checks them as
// who downloads one would.
func TestBulkBuildsEqual(t *testing.T) {
	git := program(t, "git", "two builds of the same commit")
	if out, err := exec.Command(git, "-C", "..", "rev-parse", "HEAD").CombinedOutput(); err != nil {
		missing(t, "the history of the project (git clone)", fmt.Sprintf("two builds of the same commit (%s)", bytes.TrimSpace(out)))
	}
	full := os.Getenv(buildsEnv) == "full"
	task, arches, key := "package", runtime.GOARCH, filepath.Join(t.TempDir(), "key.asc")
	if full {
		task, arches = "release", "amd64 arm64"
		command(t, binary(t), "keygen", "--type", "pgp", "--name", "Throw Away", "-o", key)
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
		cmd := exec.Command("sh", "-c", `umask "$1"; exec ./task "$2" ARCHES="$3" KEY="$4"`, "build", with.umask, task, arches, key)
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
	// Between releases the time of the commit comes first: apt takes a package of a later commit for an upgrade.
	if described := command(t, git, "-C", "..", "describe", "--tags", "--always"); !strings.HasPrefix(described, "v") {
		deb := filepath.Join(dists[0], "zencrypt-"+strings.Fields(arches)[0]+".deb")
		want := "0." + strings.TrimSpace(command(t, git, "-C", "..", "log", "-1", "--format=%ct")) + "+"
		if got := command(t, "dpkg-deb", "-f", deb, "Version"); !strings.HasPrefix(got, want) {
			t.Errorf("the package has version %q, want %s and the commit", got, want)
		}
	}
	if full {
		for _, dist := range dists {
			checkRelease(t, dist, key)
		}
	}
	for name := range strings.FieldsSeq(names) {
		if name == "SHA256SUMS.asc" { // a signature has its time, and noise
			continue
		}
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

var linkedModule = regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`)

// checkRelease checks a release with gpg, sha256sum and dpkg-deb, and that its bills name every module that is linked.
func checkRelease(t *testing.T, dist, key string) {
	t.Helper()
	public := filepath.Join(t.TempDir(), "public.asc")
	if err := os.WriteFile(public, []byte(command(t, binary(t), "keygen", "-y", key)), 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGnuPG(t)
	g.run("", "--import", public)
	sums := filepath.Join(dist, "SHA256SUMS")
	g.run("", "--verify", sums+".asc", sums)
	if _, err := g.try("x"+read(t, sums), "--verify", sums+".asc", "-"); err == nil {
		t.Error("gpg takes the signature for another file")
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	if out, err := check.CombinedOutput(); err != nil || strings.Count(string(out), ": OK\n") != 6 {
		t.Errorf("sha256sum --check: %v\n%s", err, out)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		binary, deb, root := filepath.Join(dist, "zencrypt-linux-"+arch), filepath.Join(dist, "zencrypt-"+arch+".deb"), t.TempDir()
		if got := strings.TrimSpace(command(t, "dpkg-deb", "-f", deb, "Architecture")); got != arch {
			t.Errorf("the package for %s says %s", arch, got)
		}
		command(t, "dpkg-deb", "-x", deb, root)
		if read(t, filepath.Join(root, "usr/bin/zencrypt")) != read(t, binary) {
			t.Errorf("the package for %s holds another program", arch)
		}
		built := command(t, "go", "version", "-m", binary)
		if !strings.Contains(built, "\tGOARCH="+arch+"\n") {
			t.Errorf("%s is not for %s", binary, arch)
		}
		var bill struct {
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal([]byte(read(t, binary+".cdx.json")), &bill); err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, c := range bill.Components {
			named[c.Name+" "+c.Version] = true
		}
		linked := linkedModule.FindAllStringSubmatch(built, -1)
		for _, m := range linked {
			if !named[m[1]+" "+m[2]] {
				t.Errorf("the bill of %s lacks %s %s", arch, m[1], m[2])
			}
		}
		if len(linked) < 20 || len(named) < len(linked) {
			t.Errorf("%d modules are linked and %d named", len(linked), len(named))
		}
	}
}
