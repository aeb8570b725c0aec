package handlers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"zencrypt/models"
)

// parked is a form of which the first half has come.
type parked struct {
	net.Conn
	rest string
}

// park sends the first half of a form with a client's cookie, and waits until the server has begun to read it.
func park(t *testing.T, s *server, c *client, path, kind, body string, headers ...string) *parked {
	t.Helper()
	before := len(pending(s))
	conn := connDial(t, s.host())
	headers = append(headers, "Cookie: zencrypt="+c.token(), "Content-Type: "+kind, fmt.Sprintf("Content-Length: %d", len(body)))
	half := len(body) - 100
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\n%s\r\n\r\n%s", path, s.host(), strings.Join(headers, "\r\n"), body[:half]); err != nil {
		t.Fatal(err)
	}
	connWait(t, "the form to be on its way in", func() bool { return len(pending(s)) > before })
	return &parked{conn, body[half:]}
}

// pending are the transfers of accounts.
func pending(s *server) (all []*transfer) {
	s.transfers.mu.Lock()
	defer s.transfers.mu.Unlock()
	for tr := range s.transfers.all {
		if !tr.account.IsZero() {
			all = append(all, tr)
		}
	}
	return all
}

// finish sends the other half.
func (p *parked) finish(t *testing.T) answer {
	t.Helper()
	if _, err := io.WriteString(p, p.rest); err != nil {
		t.Fatal(err)
	}
	return answerOf(t, p)
}

const urlencodedForm = "application/x-www-form-urlencoded"

// TestSession_ParkedForms: what ends a session reaches a form that is still coming in. Who has a copied cookie can't
// begin in time, and go on when it is worth nothing any more.
func TestSession_ParkedForms(t *testing.T) {
	secret := strings.Repeat("a text that is signed or kept. ", 1000)
	form := url.Values{"text": {secret}, "title": {"parked"}, "to": {"me"}}.Encode()
	multipart := fieldHead + "title\"\r\n\r\nparked\r\n" + fieldHead + "text\"\r\n\r\n" + secret + "\r\n--b--\r\n"
	file := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"parked\"\r\n\r\n" + secret + "\r\n--b--\r\n"
	ends := map[string]func(t *testing.T, s *server, c *client){
		"Logout": func(t *testing.T, s *server, c *client) { c.post("/logout").want(t, 303) },
		"Password": func(t *testing.T, s *server, c *client) {
			c.post("/account/password", "current", testPassword, "password", otherPassword, "password2", otherPassword).want(t, 303)
		},
		"EndOthers": func(t *testing.T, s *server, c *client) {
			other := s.client(t)
			other.post("/login", "login", "parker", "password", testPassword).want(t, 303)
			other.post("/account/sessions", "current", testPassword, "all", "1").want(t, 303)
		},
		"Suspended": func(t *testing.T, s *server, c *client) { // by the command line, beside the server
			if err := s.db.Accounts.Suspend(t.Context(), s.idOf(t, "parker")); err != nil {
				t.Fatal(err)
			}
			s.Clean(t.Context())
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c, _ := s.account(t, "parker")
			forms := map[string]*parked{
				"sign":            park(t, s, c, "/sign", urlencodedForm, form),
				"sign, multipart": park(t, s, c, "/sign", "multipart/form-data; boundary=b", multipart),
				"import":          park(t, s, c, "/keys/import", "multipart/form-data; boundary=b", file),
				"vault":           park(t, s, c, "/vault", "multipart/form-data; boundary=b", multipart),
			}
			if up := s.moving.up.Load(); up != 0 {
				t.Errorf("%d files are under way, of forms without any", up)
			}
			forms["vault, file"] = park(t, s, c, "/vault", "multipart/form-data; boundary=b", file)
			end(t, s, c)
			for what, p := range forms {
				a := p.finish(t)
				if a.StatusCode != 303 || a.Header.Get("Location") != "/login" || strings.Contains(a.body, "BEGIN") {
					t.Errorf("%s: %d to %q\n%s", what, a.StatusCode, a.Header.Get("Location"), a.body)
				}
			}
			items, _, err := s.db.Accounts.Usage(t.Context(), s.idOf(t, "parker"))
			if err != nil || items != 0 {
				t.Errorf("%d items were kept, %v", items, err)
			}
			connWait(t, "all forms to be off the books", func() bool { return len(pending(s)) == 0 })
		})
	}
	t.Run("Fragment", func(t *testing.T) {
		s := newServer(t)
		c, _ := s.account(t, "parker")
		p := park(t, s, c, "/sign", urlencodedForm, form, "HX-Request: true", "HX-Target: result")
		c.post("/logout").want(t, 303)
		if a := p.finish(t); a.StatusCode != 401 {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
	})
	t.Run("Chunked", func(t *testing.T) { // all of it has come but the last chunk, behind which nothing is waited for
		s := newServer(t)
		c, _ := s.account(t, "parker")
		conn := connDial(t, s.host())
		if _, err := fmt.Fprintf(conn, "POST /sign HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\nCookie: zencrypt=%s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n",
			s.host(), c.token(), urlencodedForm, len(form), form); err != nil {
			t.Fatal(err)
		}
		connWait(t, "the form to be on its way in", func() bool { return len(pending(s)) > 0 })
		c.post("/logout").want(t, 303)
		if err := conn.SetDeadline(time.Now().Add(50 * time.Second)); err != nil { // answerOf says it too: a silent body has 60
			t.Fatal(err)
		}
		if a := (&parked{conn, "0\r\n\r\n"}).finish(t); a.StatusCode != 303 {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
	})
	t.Run("Lives", func(t *testing.T) { // nothing has ended
		s := newServer(t)
		c, _ := s.account(t, "parker")
		p := park(t, s, c, "/sign", urlencodedForm, form)
		if a := p.finish(t); a.StatusCode != 200 || !strings.Contains(a.body, "BEGIN PGP SIGNED MESSAGE") {
			t.Errorf("%d\n%s", a.StatusCode, a.body)
		}
	})
	t.Run("Send", func(t *testing.T) { // an export, say: the session ends between the password and the first byte
		s := newServer(t)
		s.client(t).register("sender")
		id := s.idOf(t, "sender")
		u, err := s.db.Accounts.Authenticate(t.Context(), "sender", testPassword)
		if err != nil {
			t.Fatal(err)
		}
		for i, end := range []func(session models.ID) error{
			func(session models.ID) error { return s.endSession(t.Context(), session) },
			func(models.ID) error { return s.db.Accounts.Suspend(t.Context(), id) },
		} {
			_, session, err := s.db.Sessions.Create(t.Context(), u, false)
			if err != nil {
				t.Fatal(i, err)
			}
			x := s.fiber.AcquireCtx(&fasthttp.RequestCtx{})
			x.Locals(localVisitor, &visitor{session: session, user: u})
			closed := 0
			send := func() error {
				return s.send(x, "export", 1, strings.NewReader("x"), func() { closed++ })
			}
			if err := send(); err != nil || closed != 0 {
				t.Errorf("%d: before: %v", i, err)
			}
			if err := end(session.ID); err != nil {
				t.Fatal(err)
			}
			if err := send(); !errors.Is(err, errCut) || closed != 1 {
				t.Errorf("%d: %v, closed %d times; want errCut, once", i, err, closed)
			}
			if ok, err := s.attend(longPost(s), session); ok || err != nil {
				t.Errorf("%d: a form that begins now: %v, %v", i, ok, err)
			}
		}
	})
}

// longPost is a request whose body is still to come.
func longPost(s *server) *fiber.Ctx {
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.Header.SetContentLength(1 << 20)
	return s.fiber.AcquireCtx(ctx)
}
