package handlers

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zencrypt/models"
)

// acts collects what is recorded.
type acts struct {
	mu   sync.Mutex
	list []models.Act
}

func (a *acts) RecordAct(_ context.Context, act models.Act) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, act)
	return nil
}

func (a *acts) last() models.Act {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return models.Act{}
	}
	return a.list[len(a.list)-1]
}

// administrator makes an account with the role and logs it in.
func (s *server) administrator(t testing.TB, login string) (*client, models.ID) {
	t.Helper()
	c := s.client(t)
	c.register(login)
	id := s.idOf(t, login)
	if err := s.db.Accounts.SetRole(t.Context(), id, models.RoleAdmin, false); err != nil {
		t.Fatal(err)
	}
	return c, id
}

func (s *server) idOf(t testing.TB, login string) models.ID {
	t.Helper()
	a, err := s.db.Accounts.ByLogin(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	return a.ID
}

// adminRoutes are the routes of administrators, with an id that exists in place of their parameter.
func (s *server) adminRoutes(t testing.TB, account, invitation models.ID) (out []Route) {
	t.Helper()
	for _, r := range s.Routes() {
		if r.Access != Admin {
			continue
		}
		id := account
		if strings.HasPrefix(r.Path, "/admin/invites/") {
			id = invitation
		}
		r.Path = strings.Replace(r.Path, ":id", id.String(), 1)
		out = append(out, r)
	}
	if len(out) < 13 {
		t.Fatalf("only %d routes of administrators", len(out))
	}
	return out
}

// Every route answers a user, a guest and a log-in that waits as a page that does not exist does, and changes nothing.
func TestAdmin_Refused(t *testing.T) {
	s := newServer(t)
	_, adminID := s.administrator(t, "ada")
	user := s.client(t)
	user.register("user")
	id := s.idOf(t, "user")
	_, iv, err := s.db.Invitations.Create(t.Context(), &adminID, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	waiting := s.client(t)
	u, err := s.db.Accounts.Authenticate(t.Context(), "ada", testPassword)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.db.Sessions.Create(t.Context(), u, true)
	if err != nil {
		t.Fatal(err)
	}
	setCookie(t, waiting, s.cookieName(), token)
	waiting.get("/login/factor").want(t, 200)
	body := url.Values{"current": {testPassword}, "login": {"ada"}, "role": {"admin"}, "quota": {"1"}, "uses": {"1"}, "days": {"1"}}.Encode()
	for name, c := range map[string]*client{"user": user, "guest": s.client(t), "waiting": waiting} {
		for _, target := range []models.ID{adminID, id} {
			for _, r := range s.adminRoutes(t, target, iv.ID) {
				for _, htmx := range []bool{false, true} {
					c.htmx = htmx
					got := c.do(r.Method, r.Path, "application/x-www-form-urlencoded", strings.NewReader(body))
					none := c.do(r.Method, "/nothing/here", "application/x-www-form-urlencoded", strings.NewReader(body))
					// The theme's form names the page it stands on.
					same := strings.ReplaceAll(got.body, `value="`+r.Path+`"`, "") == strings.ReplaceAll(none.body, `value="/nothing/here"`, "")
					if got.StatusCode != 404 || none.StatusCode != 404 || !same {
						t.Errorf("%s: %s %s: %d, and a page that is none %d, the same: %v", name, r.Method, r.Path, got.StatusCode, none.StatusCode, same)
					}
				}
				c.htmx = false
			}
		}
		if strings.Contains(c.get("/about").body, `href="/admin"`) {
			t.Errorf("%s is shown the way in", name)
		}
	}
	for _, login := range []string{"ada", "user"} {
		a, err := s.db.Accounts.ByLogin(t.Context(), login)
		if err != nil || a.Suspended || a.Quota != nil || a.Admin() != (login == "ada") {
			t.Errorf("%s was changed: %+v %v", login, a, err)
		}
	}
	if list, err := s.db.Invitations.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d invitations: %v", len(list), err)
	}
	user.get("/account").want(t, 200)
	if strings.Contains(s.log.String(), "an administrator acted") {
		t.Error("an act was recorded")
	}
}

func setCookie(t testing.TB, c *client, name, value string) {
	t.Helper()
	u, err := url.Parse(c.base)
	if err != nil {
		t.Fatal(err)
	}
	c.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/"}})
}

// The administrator's pages show nothing of what somebody keeps: no title, name, note or text, and no sealed value in
// any spelling, on any route, whether the act is done or refused.
func TestAdmin_NothingSealed(t *testing.T) {
	var later atomic.Int64 // wrong passwords are asked for slowly
	s := newServer(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) } })
	admin, adminID := s.administrator(t, "ada")
	user := s.client(t)
	code := user.register("user")
	id := s.idOf(t, "user")
	var planted []string
	plant := func(what string) string {
		v := "zq" + strings.ReplaceAll(what, " ", "") + "qz"
		planted = append(planted, v)
		return v
	}
	user.post("/vault", "title", plant("a title"), "text", plant("a text")).want(t, 303)
	user.upload("/vault", nil, [2]string{plant("a file name") + ".txt", plant("content")}).want(t, 303)
	user.post("/keys", "kind", "age", "name", plant("key name")).want(t, 303)
	user.post("/people", "login", "ada").want(t, 303)
	user.post("/people", "name", plant("person"), "note", plant("note"), "public_key", "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p").want(t, 303)
	user.upload("/encrypt", []string{"to", "me", "mode", "files"}, [2]string{plant("result") + ".txt", "x"}).want(t, 200)
	planted = append(planted, code, testPassword, "AGE-SECRET-KEY", "age1ql3z")
	for _, b := range s.sealedOf(t, id) {
		for _, spelled := range []string{hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b), string(b)} {
			planted = append(planted, spelled[:min(len(spelled), 40)])
		}
	}
	if len(planted) < 40 {
		t.Fatalf("only %d values to look for", len(planted))
	}
	_, iv, err := s.db.Invitations.Create(t.Context(), &adminID, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	check := func(r Route, a answer) {
		t.Helper()
		for _, v := range planted {
			if strings.Contains(a.body, v) || strings.Contains(fmt.Sprint(a.Header), v) {
				t.Errorf("%s %s shows %q", r.Method, r.Path, v)
			}
		}
	}
	seen := map[int]int{}
	for _, r := range s.adminRoutes(t, id, iv.ID) {
		bodies := []url.Values{{}}
		if r.Method == "POST" {
			right := url.Values{"current": {testPassword}, "role": {"admin"}, "quota": {"1 GiB"}, "uses": {"2"}, "days": {"3"}, "login": {"user"}}
			bodies = []url.Values{{}, {"current": {"wrong"}}, right}
		}
		for _, b := range bodies {
			a := admin.do(r.Method, r.Path, "application/x-www-form-urlencoded", strings.NewReader(b.Encode()))
			seen[a.StatusCode]++
			later.Add(int64(2 * time.Minute))
			check(r, a)
			if to := a.Header.Get("Location"); to != "" {
				check(Route{Method: "GET", Path: to}, admin.get(to).want(t, 200))
			}
		}
	}
	check(Route{Path: "the search"}, admin.get("/admin?q=use").want(t, 200))
	// Each kind of answer was there: pages, forms again, and acts that were done.
	if seen[200] < 5 || seen[422] < 18 || seen[303] < 7 {
		t.Errorf("answers by status: %v", seen)
	}
	for _, v := range planted[:6] {
		if strings.Contains(s.log.String(), v) {
			t.Errorf("the log holds %q", v)
		}
	}
}

// sealedOf is every sealed value of an account in zencrypt.db.
func (s *server) sealedOf(t testing.TB, id models.ID) (out [][]byte) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "zencrypt.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name LIKE 'sealed!_%' ESCAPE '!'`)
	if err != nil {
		t.Fatal(err)
	}
	var columns [][2]string
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	rows.Close()
	for _, c := range columns {
		owner := "account_id"
		if c[0] == "accounts" || c[0] == "waiting_accounts" {
			owner = "id"
		}
		rows, err := db.Query("SELECT "+c[1]+" FROM "+c[0]+" WHERE "+owner+" = ? AND "+c[1]+" IS NOT NULL", id[:])
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
		rows.Close()
	}
	return out
}

var loggedAct = regexp.MustCompile(`"msg":"an administrator acted"[^\n]*"act":"([a-z_]+)"`)

func TestAdmin_Acts(t *testing.T) {
	recorded := new(acts)
	s := newServer(t, func(o *Options) { o.Acts = recorded })
	admin, adminID := s.administrator(t, "ada")
	user := s.client(t)
	user.register("mira")
	id := s.idOf(t, "mira")
	page := "/admin/people/" + id.String()
	did := func(what string) {
		t.Helper()
		if got, want := recorded.last(), (models.Act{What: what, By: adminID, Account: id}); got != want {
			t.Errorf("recorded %+v, want %+v", got, want)
		}
	}
	act := func(name, what string, fields ...string) {
		t.Helper()
		before := recorded.last()
		admin.post(page+"/"+name, append(fields, "current", "not it")...).want(t, 422, "The password is wrong", `id="`+name+`-current"`)
		if recorded.last() != before {
			t.Errorf("%s with a wrong password was recorded", name)
		}
		a := admin.post(page+"/"+name, append(fields, "current", testPassword)...)
		if a.StatusCode != 303 || a.Header.Get("Location") != page+"?done="+name {
			t.Fatalf("%s: %d to %q\n%s", name, a.StatusCode, a.Header.Get("Location"), a.body)
		}
		did(what)
	}
	admin.get("/admin").want(t, 200, "mira", page, "administrator", `href="/admin"`)
	admin.get(page).want(t, 200, "mira", "Suspend", "Delete this account")
	user.get("/account").want(t, 200)

	item := user.post("/vault", "title", "kept", "text", "kept").want(t, 303).Header.Get("Location")
	act("suspend", models.ActSuspend)
	user.get("/account").want(t, 303)
	if list, err := s.db.Sessions.List(t.Context(), id); err != nil || len(list) != 0 {
		t.Errorf("%d sessions are left: %v", len(list), err)
	}
	user.post("/login", "login", "mira", "password", testPassword).want(t, 403, "suspended", "Ask whoever runs this server")
	wrong, unknown := user.post("/login", "login", "mira", "password", "not it"), user.post("/login", "login", "nobody", "password", "not it")
	if wrong.StatusCode != 422 || unknown.StatusCode != 422 || strings.ReplaceAll(wrong.body, "mira", "") != strings.ReplaceAll(unknown.body, "nobody", "") {
		t.Error("a wrong password of a suspended account is answered otherwise than an unknown login")
	}
	admin.get(page).want(t, 200, "Suspended: nobody can log in")
	act("resume", models.ActResume)
	user.post("/login", "login", "mira", "password", testPassword).want(t, 303)
	user.get(item).want(t, 200, "kept")

	act("sessions", models.ActEndSessions)
	user.get("/account").want(t, 303)
	user.post("/login", "login", "mira", "password", testPassword).want(t, 303)

	act("quota", models.ActQuota, "quota", "3 MiB")
	user.get("/account").want(t, 200, "of 3 MiB used")
	user.get("/vault").want(t, 200, "of 3 MiB used")
	user.get("/encrypt").want(t, 200, "of 3 MiB free")
	user.upload("/vault", nil, [2]string{"large.bin", strings.Repeat("x", 4<<20)}).want(t, 413, "Your storage is full")
	admin.get("/admin/server").want(t, 200, "Account or guest full</dt><dd>1</dd>")
	admin.get(page).want(t, 200, `value="3 MiB"`, "of 3 MiB used", "default is 256 MiB")
	for _, bad := range []string{"much", "-1", "1,5 GiB", "99999999 EiB"} {
		admin.post(page+"/quota", "quota", bad, "current", testPassword).want(t, 422, "Give a size with its unit", `value="`+bad)
	}
	act("quota", models.ActQuota, "quota", "")
	user.get("/account").want(t, 200, "of 256 MiB used")
	user.upload("/vault", nil, [2]string{"large.bin", strings.Repeat("x", 4<<20)}).want(t, 303)

	admin.post(page+"/role", "role", "root", "current", testPassword).want(t, 422)
	act("role", models.ActMakeAdmin, "role", "admin")
	user.get("/admin").want(t, 200)
	act("role", models.ActUnmakeAdmin, "role", "user")
	user.get("/admin").want(t, 404)
	admin.post(page+"/factor", "current", testPassword).want(t, 422, "no second factor")

	admin.post(page+"/delete", "current", testPassword, "login", "ada").want(t, 422, "Type the login of this account")
	admin.post(page+"/delete", "current", "not it", "login", "mira").want(t, 422, "The password is wrong")
	user.get("/account").want(t, 200)
	blobFiles := func() []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(s.dir, "blobs", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if len(blobFiles()) == 0 {
		t.Fatal("there is no blob to be removed")
	}
	if a := admin.post(page+"/delete", "current", testPassword, "login", "MIRA"); a.StatusCode != 303 || a.Header.Get("Location") != "/admin?done=delete" {
		t.Fatalf("delete: %d\n%s", a.StatusCode, a.body)
	}
	did(models.ActDelete)
	user.get("/account").want(t, 303)
	admin.get(page).want(t, 404)
	admin.get("/admin?done=delete").want(t, 200, "are deleted")
	if left := blobFiles(); len(left) != 0 {
		t.Errorf("blobs are left: %q", left)
	}
	if n := len(loggedAct.FindAllString(s.log.String(), -1)); n != len(recorded.list) {
		t.Errorf("%d acts in the log, %d recorded", n, len(recorded.list))
	}
	if strings.Contains(s.log.String(), "mira") || strings.Contains(s.log.String(), id.String()) {
		t.Error("the log names whom it was done to")
	}
}

// The last administrator stays one, and nobody suspends or deletes themself.
func TestAdmin_Last(t *testing.T) {
	s := newServer(t)
	admin, id := s.administrator(t, "ada")
	page := "/admin/people/" + id.String()
	admin.get(page).want(t, 200, "This is your own account", "Give up administration")
	refused := func() {
		t.Helper()
		for _, name := range []string{"suspend", "sessions", "factor", "delete"} {
			admin.post(page+"/"+name, "current", testPassword, "login", "ada").want(t, 422, "your own account")
		}
	}
	refused()
	admin.post(page+"/role", "current", testPassword, "role", "user").want(t, 422, "last administrator")
	admin.post("/account/delete", "current", testPassword, "login", "ada").want(t, 422, "last administrator")
	admin.get("/admin").want(t, 200)

	other, otherID := s.administrator(t, "bob")
	refused()
	other.get("/admin").want(t, 200)
	if a := admin.post(page+"/role", "current", testPassword, "role", "user").want(t, 303); a.Header.Get("Location") != "/account" {
		t.Errorf("who gave the role up is led to %q", a.Header.Get("Location"))
	}
	admin.get("/admin").want(t, 404)
	other.post("/admin/people/"+otherID.String()+"/role", "current", testPassword, "role", "user").want(t, 422, "last administrator")
}

// A wrong password of the administrator's own counts as everywhere: it can't be guessed here.
func TestAdmin_Guessing(t *testing.T) {
	s := newServer(t)
	admin, _ := s.administrator(t, "ada")
	user := s.client(t)
	user.register("mira")
	page := "/admin/people/" + s.idOf(t, "mira").String()
	for range 10 {
		admin.post(page+"/suspend", "current", "not it").want(t, 422)
	}
	admin.post(page+"/suspend", "current", testPassword).want(t, 429)
	user.get("/account").want(t, 200)
}

func TestAdmin_Pages(t *testing.T) {
	s := newServer(t)
	admin, _ := s.administrator(t, "ada")
	const n = pageSize + 7
	for i := range n {
		if _, err := s.db.Accounts.Register(t.Context(), fmt.Sprintf("person-%03d", i), testPassword); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]int{}
	logins := regexp.MustCompile(`person-\d{3}`)
	older := regexp.MustCompile(`href="(/admin\?[^"]*before=[^"]*)"`)
	path := "/admin?q=PERSON"
	for pages := 1; ; pages++ {
		a := admin.get(path).want(t, 200, fmt.Sprintf("%d logins hold", n))
		for _, login := range logins.FindAllString(a.body, -1) {
			found[login]++
		}
		m := older.FindStringSubmatch(a.body)
		if m == nil {
			if pages != 2 {
				t.Errorf("%d pages", pages)
			}
			break
		}
		path = strings.ReplaceAll(m[1], "&amp;", "&")
	}
	if len(found) != n {
		t.Errorf("%d of %d are listed", len(found), n)
	}
	for login, times := range found {
		if times != 1 {
			t.Errorf("%s is listed %d times", login, times)
		}
	}
	admin.get("/admin?q=nobody-like-that").want(t, 200, "Nobody here")
	admin.get("/admin?before=x").want(t, 404)
}

// What the command line suspends or deletes beside a running server stops within a minute: the janitor cuts it.
func TestAdmin_CutSuspended(t *testing.T) {
	s := newServer(t)
	running := map[string]*transfer{}
	for _, login := range []string{"suspended", "deleted", "other"} {
		s.client(t).register(login)
		id := s.idOf(t, login)
		running[login] = s.transfers.add(&models.Session{ID: models.NewID(), Account: &id})
	}
	guest := s.transfers.add(&models.Session{ID: models.NewID()})
	if err := s.db.Accounts.Suspend(t.Context(), s.idOf(t, "suspended")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Accounts.DeleteByAdmin(t.Context(), s.idOf(t, "deleted")); err != nil {
		t.Fatal(err)
	}
	s.Clean(t.Context())
	for login, tr := range running {
		if tr.stopped.Load() != (login != "other") {
			t.Errorf("%s: stopped %v", login, tr.stopped.Load())
		}
	}
	if guest.stopped.Load() {
		t.Error("a guest's was stopped")
	}
}

// An administrator can delete an account whose old login breaks today's rules.
func TestAdmin_DeleteOddLogin(t *testing.T) {
	s := newServer(t)
	admin, _ := s.administrator(t, "root")
	id := s.comes(t, "1", " Odd Login ", "old", 0).Account
	path := "/admin/people/" + id.String() + "/delete"
	admin.post(path, "login", "another", "current", testPassword).want(t, 422)
	admin.post(path, "login", "", "current", testPassword).want(t, 422)
	admin.post(path, "login", "odd login", "current", testPassword).want(t, 303)
	if _, err := s.db.Accounts.Get(t.Context(), id); models.ErrorCode(err) != models.NotFound {
		t.Errorf("it is there: %v", err)
	}
}
