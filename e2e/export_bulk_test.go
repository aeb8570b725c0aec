//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"zencrypt/config"
)

// The account that is moved: this many items and one large file, unless the environment says other numbers.
const (
	exportItems    = 1000
	exportItemsEnv = "ZENCRYPT_TEST_EXPORT_ITEMS"
	exportFile     = 2 << 30
	exportFileEnv  = "ZENCRYPT_TEST_EXPORT_FILE" // such as 256MiB
	// maxExportMemory bounds what the server takes, beside the slow hash of the password, while it sends an export, and
	// maxImportMemory what the command takes while it reads one.
	maxExportMemory = 64 << 20
	maxImportMemory = 96 << 20
)

// TestBulkExport takes an account with a thousand items and a large file out in bounded memory, unpacks it with age and
// tar alone, and takes it into an empty server: equal, byte for byte.
func TestBulkExport(t *testing.T) {
	n, size := exportItems, int64(exportFile)
	if s := os.Getenv(exportItemsEnv); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 10 {
			t.Fatalf("%s: want a number of items, at least 10", exportItemsEnv)
		}
	}
	if s := os.Getenv(exportFileEnv); s != "" {
		var v config.Size
		if err := v.UnmarshalText([]byte(s)); err != nil {
			t.Fatalf("%s: %v", exportFileEnv, err)
		}
		size = int64(v)
	}
	m := newMover(t)
	needDisk(t, m.dir, 6*size) // on two servers, the archive twice, and what is unpacked with its tar
	s := newServer(t)
	c := s.client()
	c.register("mover", exportPassword)
	begun := time.Now()
	for i := range n - 1 {
		c.must(c.post("/vault", "title", fmt.Sprintf("note %d", i), "text", fmt.Sprintf("the content of note %d\n%s", i, random(t, int64(i)))), http.StatusSeeOther)
	}
	c.must(c.upload("/vault", part{field: "file", name: "large.bin", content: noise(size), size: size}), http.StatusSeeOther)
	t.Logf("filled in %v", time.Since(begun).Round(time.Second))

	s.restart()
	// The password is asked for in the same request, and argon2id takes more than all the rest: that comes first.
	for range 4 { // until the blocks of the ones before are what is collected
		c.must(c.post("/account/export", "current", "a wrong password", "to", "recipient", "recipient", m.recipient), http.StatusUnprocessableEntity)
	}
	_, before := s.memory()
	begun = time.Now()
	bytes := m.export(c, "large.tar.age")
	took := time.Since(begun)
	_, peak := s.memory()
	if peak >= before+maxExportMemory {
		t.Errorf("while it sent %d MiB the server's memory rose from %d to %d MiB, want less than %d more", bytes>>20, before>>20, peak>>20, maxExportMemory>>20)
	}
	t.Logf("exported %d MiB, %s MB/s, peak memory %d MiB (%d after wrong passwords)", bytes>>20, rate(bytes, took), peak>>20, before>>20)
	s.stop()

	begun = time.Now()
	first := m.unpack("large.tar.age")
	t.Logf("unpacked with age and tar, and checked, in %v", time.Since(begun).Round(time.Second))

	other := stopped(t)
	secret := filepath.Join(m.dir, "password")
	if err := os.WriteFile(secret, []byte(exportPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	begun = time.Now()
	tool := runTool(t, m.dir, 0, "", "import", "export", "--data", other.data, "--secrets", other.secrets, "-i", "key", "--password-file", secret, "large.tar.age")
	took = time.Since(begun)
	if argon := int64(128 << 20); tool.peak >= maxImportMemory+argon {
		t.Errorf("the command's memory was at most %d MiB, want less than %d", tool.peak>>20, (maxImportMemory+argon)>>20)
	}
	t.Logf("imported at %s MB/s, peak memory %d MiB", rate(bytes, took), tool.peak>>20)
	if err := os.Remove(filepath.Join(m.dir, "large.tar.age")); err != nil {
		t.Fatal(err)
	}
	other.start()
	d := other.client()
	d.login("mover", exportPassword)
	d.confirm()
	m.export(d, "again.tar.age")
	m.equal("moved", first, m.unpack("again.tar.age"))
}
