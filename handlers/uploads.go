package handlers

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/lang"
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
		return c.accountQuota(v.user.Account)
	}
	return c.opt.GuestQuota
}

// accountQuota is an account's own quota, or the server's default.
func (c *core) accountQuota(a *models.Account) int64 {
	if a.Quota != nil {
		return *a.Quota
	}
	return c.opt.AccountQuota
}

func class(v *visitor) limits.Class {
	if v.user != nil {
		return limits.User
	}
	return limits.Guest
}

// place is who counts for what one may do at a time: the account, or the guest's client.
func place(v *visitor) [16]byte {
	if v.user != nil {
		return [16]byte(v.user.Account.ID)
	}
	return v.client
}

// checkSize refuses an upload by its Content-Length, before anything of it is read.
func (c *core) checkSize(x *fiber.Ctx) error {
	if bodyLength(x) > c.bodyLimit() {
		return c.tooLarge(x)
	}
	return nil
}

func (c *core) tooLarge(x *fiber.Ctx) error {
	p := problem("errors.upload-too-large", "",
		"errors.upload-too-large-next")
	p.detail = told("errors.upload-too-large-detail",
		lang.Args{"Size": views.Bytes(x.UserContext(), c.opt.MaxUpload)})
	return &refusal{status: fiber.StatusRequestEntityTooLarge, problem: p}
}

// bodyLimit is the largest request body in bytes: the files, and what surrounds them.
func (c *core) bodyLimit() int64 { return c.opt.MaxUpload + 4*maxText }

// upload is one request's files on their way in: the reservation of space, the client's place, and what
// has to be undone when the request fails.
type upload struct {
	*core
	x       *fiber.Ctx
	v       *visitor
	tr      *transfer
	space   *blobs.Reservation
	leave   func()
	undo    []func()
	good    bool
	results []models.ID // of this request
}

// rowBytes is what each stored file counts besides its bytes: its row, its inode and its last block.
const rowBytes = 16 << 10

// bodyLength is the Content-Length of a request, negative for one in chunks.
func bodyLength(x *fiber.Ctx) int64 { return int64(x.Request().Header.ContentLength()) }

// startUpload takes a place and space for n bytes that are about to come, negative when it is not known
// how many. The caller must defer finish, and call commit when everything went well.
func (c *core) startUpload(x *fiber.Ctx, n int64) (*upload, error) {
	v := visitorOf(x)
	leave, ok := c.uploads.Enter(place(v))
	if !ok {
		return nil, &refusal{status: fiber.StatusTooManyRequests, problem: problem("errors.two-uploads",
			"errors.two-uploads-detail", "errors.two-uploads-next")}
	}
	if n > 0 {
		n += n/1024 + rowBytes // tags and headers of the encryption around it
	}
	space, err := c.files.Reserve(owner(v), c.quota(v), n)
	if err != nil {
		leave()
		return nil, err
	}
	tr := c.transfers.add(v.session)
	if before := pendingOf(x); before != nil && before.stopped.Load() { // which is the last that knows of it
		c.transfers.done(tr)
		space.Release()
		leave()
		return nil, errCut
	}
	c.moves(&c.moving.up, 1)
	return &upload{core: c, x: x, v: v, tr: tr, space: space, leave: leave}, nil
}

// eachFile runs one for every file of a form, in order; space is what to reserve for all of them. When
// it fails, everything that was registered with onFail is taken back.
func (c *core) eachFile(x *fiber.Ctx, f *form, space int64, one func(u *upload, name string, content io.Reader) error) error {
	// The fields are read by now, so what is to come is files, but for their parts' headers.
	if n := bodyLength(x); n-f.body.Count() > c.opt.MaxUpload+maxParts*partHeader {
		return c.tooLarge(x)
	}
	u, err := c.startUpload(x, space)
	if err != nil {
		return err
	}
	defer u.finish()
	left := c.opt.MaxUpload
	for {
		p, err := f.file()
		if err != nil {
			return err
		}
		if p == nil && u.tr.stopped.Load() {
			return errCut
		}
		if p == nil {
			return u.commit()
		}
		// A read error of the body is the connection's, whatever the formats above make of it.
		body := &remember{r: p, left: &left}
		err = one(u, fileName(p), u.open(body))
		switch {
		case errors.Is(body.err, errTooLarge):
			return c.tooLarge(x)
		case body.err != nil:
			return bodyError(body.err)
		case errors.Is(err, errCut), u.tr.stopped.Load(): // whatever the formats make of that
			return errCut
		case err != nil:
			return err
		}
	}
}

// partHeader is about what the headers of a file's part take, in bytes.
const partHeader = 1 << 10

// remember keeps a read error other than the end, and counts against what files may have in all.
type remember struct {
	r    io.Reader
	left *int64
	err  error
}

func (m *remember) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if *m.left -= int64(n); *m.left < 0 {
		n, err = 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
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

func (c *core) touchSession(id models.ID) func() {
	return func() {
		if err := c.db.Sessions.Touch(context.Background(), id); err != nil {
			c.warn("touch session failed", err)
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
	u.setCookie(u.x, u.guestCookie(), token, 0)
	u.v.session = s
	u.transfers.belong(u.tr, s.ID)
	u.onFail(func() { // a guest whose only upload failed leaves no row either
		u.v.session = nil
		u.x.Response().Header.DelCookie(u.guestCookie()) // not cleared: another request may have set one meanwhile
		if _, err := u.db.Sessions.End(context.Background(), s.ID); err != nil {
			u.opt.Log.Warn("take back session failed; it ends by itself")
		}
	})
	return s, nil
}

// onFail registers what takes back a step when the request fails later.
func (u *upload) onFail(f func()) { u.undo = append(u.undo, f) }

// commit is called after the last byte: what was stored stays. Results live their whole time from here.
func (u *upload) commit() error {
	if len(u.results) > 0 {
		if err := u.db.Results.Renew(u.x.UserContext(), u.v.session, u.opt.Now().Add(u.opt.ResultTTL), u.results...); err != nil {
			return err
		}
	}
	u.good = true
	return nil
}

func (u *upload) finish() {
	if !u.good {
		for i := len(u.undo) - 1; i >= 0; i-- {
			u.undo[i]()
		}
	}
	u.space.Release()
	u.transfers.done(u.tr)
	u.moves(&u.moving.up, -1)
	u.leave()
}

// uploadTime is how long a result of a request that still runs lives at least; commit sets the right
// time, and a session that ends takes it along in any case.
const uploadTime = 24 * time.Hour

// store records a spooled file as a result of the session. The bytes count from the row on, so that
// whoever removes the row gives back what was counted.
func (u *upload) store(r *models.Result, ref blobs.Ref) (err error) {
	defer func() {
		if err != nil {
			_ = u.files.Remove(blobs.Spool, ref.ID)
		}
	}()
	s, err := u.session()
	if err != nil {
		return err
	}
	r.ID, r.Session, r.Owner, r.Blob, r.Disk = models.NewID(), s.ID, owner(u.v), models.ID(ref.ID), ref.Disk+rowBytes
	r.Meta.WrapKey, r.Meta.SpoolSize = ref.Key, ref.Size
	r.Created = u.opt.Now()
	r.Expires = r.Created.Add(u.opt.ResultTTL + uploadTime)
	if u.v.user == nil {
		// What stands for a guest's address is held in memory only, never in a row.
		u.guests.Store(r.ID, r.Owner)
		r.Owner = guestOwner
	}
	if err := u.space.Spend(r.Disk); err != nil {
		u.guests.Delete(r.ID)
		return err
	}
	if err := u.db.Results.Create(u.x.UserContext(), s, r); err != nil {
		u.release(*r)
		return err
	}
	u.results = append(u.results, r.ID)
	u.onFail(func() {
		if gone, err := u.db.Results.Drop(context.Background(), r.ID); err == nil {
			u.dropResults([]models.Result{*gone})
		}
	})
	r.Expires = r.Created.Add(u.opt.ResultTTL) // as the person is told
	return nil
}

// keep records a file that was written into the vault. It counts as a result does.
func (u *upload) keep(item *models.Item, ref blobs.Ref, count func(int64) error) error {
	item.Blob = &models.BlobRef{ID: models.ID(ref.ID), Key: ref.Key, Size: ref.Size, Disk: ref.Disk + rowBytes}
	err := count(item.Blob.Disk)
	if err == nil {
		if err = u.db.Items.Save(u.x.UserContext(), u.v.user, item); err != nil {
			u.files.FreeOwner(owner(u.v), item.Blob.Disk)
		}
	}
	if err != nil {
		_ = u.files.Remove(blobs.Blobs, ref.ID)
		return err
	}
	u.onFail(func() { u.forget(u.x, item) })
	return nil
}

// forget takes back an item of a request that failed later, unless the person deleted it meanwhile: then
// whoever purges it gives its space back.
func (c *core) forget(x *fiber.Ctx, item *models.Item) {
	v := visitorOf(x)
	gone, err := c.db.Items.Forget(context.WithoutCancel(x.UserContext()), v.user, item.ID)
	if err != nil {
		c.opt.Log.Warn("take back item failed; it stays in the vault")
	}
	if err != nil || !gone {
		return
	}
	n := int64(len(item.Body))
	if item.Blob != nil {
		n += item.Blob.Disk
		c.dropBlobs([]models.ID{item.Blob.ID})
	}
	c.files.FreeOwner(owner(v), n)
}

// guestOwner stands in the rows of guests' results.
const guestOwner = "guest"

// dropResults removes the files of results whose rows are gone, and gives their space back.
func (c *core) dropResults(gone []models.Result) {
	for _, r := range gone {
		if err := c.files.Remove(blobs.Spool, blobs.ID(r.Blob)); err != nil {
			c.opt.Log.Warn("remove spool file failed; the janitor tries again")
		}
		c.release(r)
	}
}

// ownerOf is whose quota a result counts on, wherever its guest's requests come from by now.
func (c *core) ownerOf(r *models.Result) string {
	if client, ok := c.guests.Load(r.ID); ok {
		return client.(string)
	}
	return r.Owner
}

// release gives back the space that a result's row counted.
func (c *core) release(r models.Result) {
	if client, ok := c.guests.LoadAndDelete(r.ID); ok {
		r.Owner = client.(string)
	}
	c.files.FreeOwner(r.Owner, r.Disk)
}

// dropBlobs removes vault files whose rows are gone.
func (c *core) dropBlobs(ids []models.ID) {
	for _, id := range ids {
		if err := c.files.Remove(blobs.Blobs, blobs.ID(id)); err != nil {
			c.opt.Log.Warn("remove blob failed; the next start tries again")
		}
	}
}
