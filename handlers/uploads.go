package handlers

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/url"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto/fernet"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// owner names whose quota a file counts on: the account's, or the guest's client.
func owner(v *visitor) string {
	if v.user != nil {
		return "account:" + v.user.Account.ID.String()
	}
	return "guest:" + string(v.client[:])
}

func (c *core) quota(v *visitor) int64 {
	if v.user != nil {
		return c.opt.AccountQuota
	}
	return c.opt.GuestQuota
}

func class(v *visitor) limits.Class {
	if v.user != nil {
		return limits.User
	}
	return limits.Guest
}

// checkSize refuses an upload by its Content-Length, before anything of it is read.
func (c *core) checkSize(x *fiber.Ctx) error {
	if n := bodyLength(x); n > c.bodyLimit() {
		return &refusal{status: fiber.StatusRequestEntityTooLarge, problem: problem("The upload is too large",
			"Files may have "+views.Bytes(c.opt.MaxUpload)+" in all, and this has "+views.Bytes(n)+". Nothing was stored.",
			"Send fewer files at a time, or ask whoever runs this server for a higher ZENCRYPT_MAX_UPLOAD.")}
	}
	return nil
}

// bodyLimit is the largest request body in bytes: the files, and what surrounds them.
func (c *core) bodyLimit() int64 { return c.opt.MaxUpload + 4*maxText }

// upload is one request's files on their way in: the reservation of space, the client's place, and what
// has to be undone when the request fails.
type upload struct {
	*core
	x     *fiber.Ctx
	v     *visitor
	tr    *transfer
	size  int64 // of what comes, in bytes; negative when it is not known
	space *blobs.Reservation
	kept  int64
	leave func()
	undo  []func()
	good  bool
}

// bodyLength is the Content-Length of a request, negative for one in chunks.
func bodyLength(x *fiber.Ctx) int64 { return int64(x.Request().Header.ContentLength()) }

// startUpload takes a place and space for n bytes that are about to come, negative when it is not known
// how many. The caller must defer finish, and call commit when everything went well.
func (c *core) startUpload(x *fiber.Ctx, n int64) (*upload, error) {
	v := visitorOf(x)
	leave, err := c.enter(v)
	if err != nil {
		return nil, err
	}
	size := n
	if n > 0 {
		n += n/1024 + 64<<10 // tags and headers of the encryption around it
	}
	space, err := c.files.Reserve(owner(v), c.quota(v), n)
	if err != nil {
		leave()
		return nil, err
	}
	return &upload{core: c, x: x, v: v, tr: c.transfers.add(v.session), size: size, space: space, leave: leave}, nil
}

// enter takes one of the two places that a person, or a guest's client, has for uploads.
func (c *core) enter(v *visitor) (leave func(), err error) {
	place := v.client
	if v.user != nil {
		place = [16]byte(v.user.Account.ID)
	}
	leave, ok := c.uploads.Enter(place)
	if !ok {
		return nil, &refusal{status: fiber.StatusTooManyRequests, problem: problem("Two uploads are under way already",
			"Each person can send two at a time. Nothing was stored.", "Wait until one is done, then send this again.")}
	}
	return leave, nil
}

// open gives content's bytes, ended when the session is.
func (u *upload) open(content io.Reader) io.Reader {
	return &guarded{Reader: content, tr: u.tr, now: u.opt.Now, touch: u.touch}
}

// create opens a file of the store whose bytes are taken from the request's reservation.
func (u *upload) create(a blobs.Area) (*blobs.Writer, error) {
	w, err := u.files.Create(a)
	if err != nil {
		return nil, err
	}
	w.Charge(u.space)
	return w, nil
}

// length is the most bytes that a whole message of this request can have.
func (u *upload) length() int64 {
	if u.size >= 0 {
		return u.size
	}
	return fernet.MaxMessage
}

func (c *core) touchSession(id models.ID) func() {
	return func() {
		if err := c.db.Sessions.Touch(context.Background(), id); err != nil {
			c.opt.Log.Warn("touch session failed")
		}
	}
}

func (u *upload) touch() {
	if u.v.session != nil {
		u.touchSession(u.v.session.ID)()
	}
}

// session is the sender's, or a new guest session for the first result of a guest.
func (u *upload) session() (*models.Session, error) {
	if u.v.session != nil {
		return u.v.session, nil
	}
	token, s, err := u.db.Sessions.Create(u.x.UserContext(), nil, false)
	if err != nil {
		return nil, err
	}
	u.setCookie(u.x, u.cookieName(), token, 0)
	u.v.session = s
	u.transfers.belong(u.tr, s.ID)
	u.onFail(func() { // a guest whose only upload failed leaves no row either
		u.v.session = nil
		u.clearCookie(u.x)
		if err := u.db.Sessions.End(context.Background(), s.ID); err != nil {
			u.opt.Log.Warn("take back session failed; it ends by itself")
		}
	})
	return s, nil
}

// onFail registers what takes back a step when the request fails later.
func (u *upload) onFail(f func()) { u.undo = append(u.undo, f) }

func (u *upload) keep(disk int64) { u.kept += disk }

func (u *upload) commit() { u.good = true }

func (u *upload) finish() {
	if !u.good {
		for i := len(u.undo) - 1; i >= 0; i-- {
			u.undo[i]()
		}
		u.kept = 0
	}
	u.space.Keep(u.kept)
	u.transfers.done(u.tr)
	u.leave()
}

// store records a spooled file as a result of the session.
func (u *upload) store(r *models.Result, ref blobs.Ref) error {
	s, err := u.session()
	if err != nil {
		return err
	}
	r.Session, r.Owner, r.Blob, r.Disk = s.ID, owner(u.v), models.ID(ref.ID), ref.Disk
	if u.v.user == nil {
		// What stands for a guest's address is held in memory only, never in a row.
		u.guests.Store(r.Blob, r.Owner)
		r.Owner = guestOwner
	}
	r.Created = u.opt.Now()
	r.Expires = r.Created.Add(u.opt.ResultTTL)
	r.Meta.WrapKey, r.Meta.SpoolSize = ref.Key, ref.Size
	if err := u.db.Results.Create(u.x.UserContext(), s, r); err != nil {
		return err
	}
	u.keep(ref.Disk)
	u.onFail(func() { _, _ = u.db.Results.Delete(context.Background(), s, r.ID) })
	return nil
}

// guestOwner stands in the rows of guests' results.
const guestOwner = "guest"

// dropResults removes the files of results whose rows are gone, and gives their space back.
func (c *core) dropResults(gone []models.Result) {
	for _, r := range gone {
		if client, ok := c.guests.LoadAndDelete(r.Blob); ok {
			r.Owner = client.(string)
		}
		if err := c.files.Remove(blobs.Spool, blobs.ID(r.Blob)); err != nil {
			c.opt.Log.Warn("remove spool file failed; the janitor tries again")
		}
		c.files.FreeOwner(r.Owner, r.Disk)
	}
}

// dropBlobs removes vault files whose rows are gone.
func (c *core) dropBlobs(ids []models.ID) {
	for _, id := range ids {
		if err := c.files.Remove(blobs.Blobs, blobs.ID(id)); err != nil {
			c.opt.Log.Warn("remove blob failed; the next start tries again")
		}
	}
}

// uploadError tells a body that ended early from an error of ours.
func uploadError(err error) error {
	switch {
	case errors.Is(err, errTooLarge):
		return &refusal{status: fiber.StatusRequestEntityTooLarge, problem: problem("The upload is too large",
			"It went over this server's limit on the way. Nothing was stored.", "Send fewer files at a time.")}
	case errors.Is(err, errCut):
		return errMalformed
	}
	return err
}

// fileName is an uploaded file's own name, without folders and what could deceive or break a header.
func fileName(p *multipart.Part) string {
	name := p.FileName()
	// Browsers write these three as percent signs and leave all others, also the percent sign itself.
	name = strings.NewReplacer("%22", `"`, "%0D", " ", "%0A", " ").Replace(name)
	return cleanName(name)
}

func cleanName(name string) string {
	name = filepath.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.TrimSpace(printable(name))
	if name == "" || name == "." || name == ".." || name == "/" {
		return "file"
	}
	for utf8.RuneCountInString(name) > 180 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// printable drops control and bidirectional characters, which can make a name look like another, and
// what is not UTF-8.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s)
	for utf8.RuneCountInString(s) > 400 {
		s = string([]rune(s)[:400])
	}
	return s
}

// attachment sets the headers of every file answer: never shown in place, never run, never kept.
func attachment(x *fiber.Ctx, name string) {
	h := &x.Response().Header
	h.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	h.Set(fiber.HeaderContentDisposition, disposition(name))
	h.Set(fiber.HeaderContentSecurityPolicy, "sandbox")
	h.Set(fiber.HeaderCacheControl, "no-store")
}

// disposition writes an attachment's name by RFC 6266: a plain fallback, and the name by RFC 8187.
func disposition(name string) string {
	name = cleanName(name)
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// problem is a refusal's page.
func problem(title, detail, next string) views.Problem {
	return views.Problem{Title: title, Detail: detail, Next: next}
}
