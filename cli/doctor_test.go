package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"zencrypt/config"
	"zencrypt/deploy"
)

func TestFlockOf(t *testing.T) {
	list := filepath.Join(t.TempDir(), "locks")
	if err := os.WriteFile(list, []byte(`1: POSIX  ADVISORY  WRITE 100 08:01:131 0 EOF
2: FLOCK  ADVISORY  READ 101 08:01:131 0 EOF
3: FLOCK  ADVISORY  WRITE 102 08:01:1310 0 EOF
3: -> FLOCK  ADVISORY  WRITE 103 08:01:131 0 EOF
4: FLOCK  ADVISORY  WRITE 104 00:2a:131 0 EOF
broken
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for inode, want := range map[uint64]int{131: 104, 1310: 102, 13: 0} {
		if got := flockOf(list, inode); got != want {
			t.Errorf("inode %d: process %d, want %d", inode, got, want)
		}
	}
	if got := flockOf(list+"none", 131); got != 0 {
		t.Errorf("without a list: process %d", got)
	}
}

// TestVisit_Holder: a lock that this very process holds is found, and one that nobody holds is not.
func TestVisit_Holder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	v := &visit{}
	if held, _, err := v.holder(path); held || err != nil {
		t.Errorf("no file: %t, %v", held, err)
	}
	unlock, err := lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if held, pid, err := v.holder(path); !held || err != nil || pid != 0 && pid != os.Getpid() {
		t.Errorf("held: %t, process %d, %v", held, pid, err)
	}
	unlock()
	if held, _, err := v.holder(path); held || err != nil {
		t.Errorf("given back: %t, %v", held, err)
	}
	again, err := lock(path) // the look has given back what it took
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestWithSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	text := "# comment\n\nZENCRYPT_ADDR=127.0.0.1:9\nZENCRYPT_GUESTS='off'\nZENCRYPT_MAX_UPLOAD=1GiB\nZENCRYPT_DATA=/from/file\nZENCRYPT_DOMAIN=a.example,b.example\nPATH=/x\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ZENCRYPT_MAX_UPLOAD", "2GiB") // read by the caller's parser
	given := config.Default()
	given.Data, given.MaxUpload = "/from/flag", 2<<30
	got, err := withSettings(given, path)
	if err != nil {
		t.Fatal(err)
	}
	want := given
	want.Addr, want.Guests, want.Domain = "127.0.0.1:9", false, []string{"a.example", "b.example"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestServiceSettings(t *testing.T) {
	got := serviceSettings("[Unit]\nProtectHome=no\n[Service]\n# x\nProtectHome=yes\nSystemCallFilter=@a\nSystemCallFilter=~@b\nUMask=0077\n\n[Service]\nProtectHome=read-only\nSystemCallFilter=\nSystemCallFilter=@c\nUMask=\n")
	want := map[string][]string{"ProtectHome": {"read-only"}, "SystemCallFilter": {"@c"}, "UMask": nil}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// What comes before it is ready, such as a migration, is never cut off.
	if got := serviceSettings(deploy.Unit)["TimeoutStartSec"]; !reflect.DeepEqual(got, []string{"infinity"}) {
		t.Errorf("our own unit has %v to start", got)
	}
	if n := len(serviceSettings(deploy.Unit)); n < 40 {
		t.Errorf("our own unit has %s settings", strconv.Itoa(n))
	}
}

// TestVisit_Reach: data elsewhere has to be opened to the unit, and to belong to its user.
func TestVisit_Reach(t *testing.T) {
	dir := t.TempDir()
	mine := userName(uint32(os.Geteuid()))
	for name, tt := range map[string]struct {
		data, user, drop string
		want             int
	}{
		"Whole":    {data: dir, user: mine, drop: "ReadWritePaths=/mnt -" + dir, want: 0},
		"Above":    {data: dir, user: mine, drop: "ReadWritePaths=" + filepath.Dir(dir), want: 0},
		"Bound":    {data: dir, user: mine, drop: "BindPaths=/mnt/volume:" + dir, want: 0},
		"Shut":     {data: dir, user: mine, drop: "ReadWritePaths=" + dir + "-other", want: 1},
		"Number":   {data: dir, user: strconv.Itoa(os.Geteuid()), drop: "ReadWritePaths=" + dir, want: 0},
		"Foreign":  {data: dir, user: "somebody-else", drop: "ReadWritePaths=" + dir, want: 1},
		"Both":     {data: dir, user: "somebody-else", want: 2},
		"State":    {data: "/var/lib/zendata/data", user: "somebody-else", drop: "StateDirectory=other zendata:link", want: 0},
		"Beside":   {data: "/var/lib/zendata", user: "somebody-else", drop: "StateDirectory=zen zendata/below other:zendata", want: 1},
		"Standard": {data: systemData + "/data", user: "somebody-else", want: 0},
	} {
		v := &visit{cfg: config.Config{Data: tt.data}}
		v.reach(serviceSettings(deploy.Unit + "\n[Service]\nUser=" + tt.user + "\n" + tt.drop + "\n"))
		if len(v.found) != tt.want {
			t.Errorf("%s: %+v, want %d findings", name, v.found, tt.want)
		}
	}
}
