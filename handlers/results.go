package handlers

import (
	"context"
	"io"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

type resultStore interface {
	Get(ctx context.Context, s *models.Session, id models.ID) (*models.Result, error)
	TakeTry(ctx context.Context, s *models.Session, id models.ID) (left int, err error)
	GiveBack(ctx context.Context, s *models.Session, id models.ID) error
	MakeReady(ctx context.Context, s *models.Session, r *models.Result) error
	Delete(ctx context.Context, s *models.Session, id models.ID) (*models.Result, error)
}

// results are files that wait for their download, each belonging to the session that made it.
type results struct {
	*core
	store resultStore
}

var resultPage = sheet{title: "titles.result", Page: views.Page{Active: "", NoStore: true}}

func resultView(x *fiber.Ctx, r *models.Result, saved string, v *visitor) *views.FileResult {
	vm := &views.FileResult{ID: r.ID.String(), Name: r.Meta.Name, State: r.State, Verb: r.Verb, Headline: r.Meta.Headline,
		Size: r.Size, Expires: r.Expires, Tries: r.Tries, Commands: r.Meta.Commands, Saved: saved, Guest: v.user == nil,
		NeedsPassphrase: r.Meta.Passphrase, Signatures: shownSignatures(r.Meta.Signatures)}
	for _, f := range r.Meta.Facts {
		vm.Facts = append(vm.Facts, views.Fact{Name: f[0], Value: f[1]})
	}
	if r.State == "locked" {
		vm.Headline = say(x, "opening.not-open-yet")
		vm.Message = say(x, "opening.waits")
	}
	return vm
}

// waiting are the results of a verb that wait for their download, newest first.
func (c *core) waiting(x *fiber.Ctx, verb string) (list []views.FileResult, err error) {
	v := visitorOf(x)
	if v.session == nil {
		return nil, nil
	}
	all, err := c.db.Results.List(x.UserContext(), v.session)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Verb == verb {
			list = append(list, *resultView(x, &all[i], "", v))
		}
	}
	return list, nil
}

func (r *results) get(x *fiber.Ctx) (*models.Result, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return nil, fiber.ErrNotFound
	}
	return r.store.Get(x.UserContext(), visitorOf(x).session, id)
}

func spoolRef(r *models.Result) blobs.Ref {
	return blobs.Ref{ID: blobs.ID(r.Blob), Key: r.Meta.WrapKey, Size: r.Meta.SpoolSize, Disk: r.Disk - rowBytes}
}

// Show handles GET /results/:id: 200 with the download link or the form to open it, 404 for anybody
// but the session that made it.
func (r *results) Show(x *fiber.Ctx) error {
	res, err := r.get(x)
	if err != nil {
		return err
	}
	return r.answer(x, fiber.StatusOK, res, nil)
}

func (r *results) answer(x *fiber.Ctx, status int, res *models.Result, p *views.Problem) error {
	page := resultPage
	page.Active = res.Verb
	vm := *resultView(x, res, "", visitorOf(x))
	return r.render(x, status, page, views.ResultPage(vm, p))
}

// File handles GET /results/:id/file: the bytes, decrypted while they are sent when the result is a
// decrypted file. The first chunk is checked before the status goes out; a file that was touched
// meanwhile breaks the connection.
func (r *results) File(x *fiber.Ctx) error {
	res, err := r.get(x)
	if err != nil {
		return err
	}
	if res.State != "ready" {
		return fiber.ErrNotFound
	}
	spool, err := r.files.Open(blobs.Spool, spoolRef(res))
	if err != nil {
		return err
	}
	body, err := plainOf(res, spool)
	if err != nil {
		_ = spool.Close()
		return err
	}
	return r.send(x, res.Meta.Name, res.Size, body, func() { _ = spool.Close() })
}

// plainOf is what a result's download consists of: an age file and an OpenPGP message are decrypted while
// they are sent; what was encrypted, and the plaintext of what is opened whole, stand there as they go out.
// A message was checked to its end before, and the spool's own wrapping tells when it was touched since.
func plainOf(res *models.Result, spool *blobs.Reader) (io.Reader, error) {
	if res.Verb != "decrypt" {
		return spool, nil
	}
	switch crypto.Format(res.Meta.FileFormat) {
	case crypto.FormatAge:
		return agefile.OpenWithFileKeyAt(spool, spool.Size(), res.Meta.FileKey)
	case crypto.FormatPGP:
		key, err := pgp.ParseSessionKey(res.Meta.SessionKey)
		if err != nil {
			return nil, err
		}
		return pgp.Open(spool, pgp.OpenOptions{SessionKey: key})
	}
	return spool, nil
}

// Open handles POST /results/:id/open: tries a locked file again with a passphrase or a private key,
// five times in all.
func (r *results) Open(x *fiber.Ctx) error {
	f, err := r.readForm(x, formLimit)
	if err != nil {
		return err
	}
	// One try at a time: a second click finds what the first one did.
	if id, err := models.ParseID(x.Params("id")); err == nil {
		defer r.alone(id)()
	}
	res, err := r.get(x)
	if err != nil {
		return err
	}
	if res.State != "locked" {
		return redirect(x, "/results/"+res.ID.String())
	}
	errs := views.Fields{}
	keys := r.keys(x, f, errs)
	if f.get("passphrase") == "" && f.get("identity") == "" {
		errs[""] = say(x, "wrong.passphrase-or-key")
	}
	if len(errs) > 0 {
		p := problem("opening.not-opened", "", "opening.no-try-used")
		p.why = errs[""] + errs["identity"] // one of the two
		return r.answer(x, fiber.StatusUnprocessableEntity, res, p.in(x.UserContext()))
	}
	session := visitorOf(x).session
	left, err := r.store.TakeTry(x.UserContext(), session, res.ID)
	if models.ErrorCode(err) == models.NotFound { // another request was first: the page says how it stands
		return redirect(x, "/results/"+res.ID.String())
	}
	if err != nil {
		return err
	}
	openErr := r.try(x, session, res, keys)
	if openErr == nil {
		return r.opened(x, res)
	}
	p, err := openProblem(x, openErr, visitorOf(x).user != nil)
	if err != nil { // not the person's fault: a busy server costs no try
		if back := r.store.GiveBack(x.UserContext(), session, res.ID); back != nil {
			r.opt.Log.Warn("give back try failed")
		}
		return err
	}
	if left == 0 {
		return r.spent(x, session, res)
	}
	res.Tries = left
	return r.answer(x, fiber.StatusUnprocessableEntity, res, p)
}

// alone waits until nobody else tries to open a result, and keeps others waiting until end.
func (c *core) alone(id models.ID) (end func()) {
	mine := make(chan struct{})
	for {
		other, busy := c.opening.LoadOrStore(id, mine)
		if !busy {
			return func() { c.opening.Delete(id); close(mine) }
		}
		<-other.(chan struct{})
	}
}

// opened goes on after a locked file was opened: into the vault, when that was asked for at the start.
func (r *results) opened(x *fiber.Ctx, res *models.Result) error {
	if res.Meta.Save && visitorOf(x).user != nil {
		return r.saveResult(x, res)
	}
	return redirect(x, "/results/"+res.ID.String())
}

// spent ends a result after its last try.
func (r *results) spent(x *fiber.Ctx, s *models.Session, res *models.Result) error {
	gone, err := r.store.Delete(x.UserContext(), s, res.ID)
	if err != nil {
		return err
	}
	r.dropResults([]models.Result{*gone})
	return refuse(fiber.StatusUnprocessableEntity, "opening.no-tries",
		"opening.no-tries-detail", "opening.no-tries-next")
}

// try reads the spooled file to its last byte and, when a key fits, makes the result ready.
func (r *results) try(x *fiber.Ctx, s *models.Session, res *models.Result, keys openKeys) error {
	before := *res
	spool, err := r.files.Open(blobs.Spool, spoolRef(res))
	if err != nil {
		return err
	}
	defer spool.Close()
	r.reads(1)
	defer r.reads(-1)
	start := make([]byte, crypto.Sniff)
	n, err := spool.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return err
	}
	var o attempt
	if format, _ := crypto.Detect(start[:n]); format.Whole() {
		var ref blobs.Ref
		if ref, o, err = r.openWhole(x, spoolRef(res), keys, r.files.Create); err != nil {
			return err
		}
		if o.err == nil {
			res.Blob, res.Meta.WrapKey, res.Meta.SpoolSize, res.Disk = models.ID(ref.ID), ref.Key, ref.Size, ref.Disk+rowBytes
		}
	} else {
		// A file may take minutes: it counts as the session's activity, and ends with it.
		tr := r.transfers.add(s)
		defer r.transfers.done(tr)
		tr.touched = r.opt.Now()
		in := &guarded{Reader: spool, tr: tr, now: r.opt.Now, touch: r.touchSession(s.ID)}
		if o.plain, o.err = r.unseal(x, in, keys); o.err == nil {
			o.size, o.err = copyTo(io.Discard, o.plain)
		}
		if tr.stopped.Load() {
			return errMalformed
		}
	}
	if o.err != nil {
		return o.err
	}
	if err := r.into(x, o, res); err != nil {
		return err
	}
	stale := before.Blob // the token, whose plaintext took its place
	if err := r.store.MakeReady(x.UserContext(), s, res); err != nil {
		if res.Blob != before.Blob {
			_ = r.files.Remove(blobs.Spool, blobs.ID(res.Blob))
		}
		return err
	}
	if res.Blob != stale {
		_ = r.files.Remove(blobs.Spool, blobs.ID(stale))
		r.files.FreeOwner(r.ownerOf(res), before.Disk-res.Disk) // a plaintext is smaller than its token
	}
	return nil
}

// Save handles POST /results/:id/save: keeps a file result in the vault; 303 to the item.
func (r *results) Save(x *fiber.Ctx) error {
	res, err := r.get(x)
	if err != nil {
		return err
	}
	if res.State != models.StateReady {
		return fiber.ErrNotFound
	}
	return r.saveResult(x, res)
}

func (r *results) saveResult(x *fiber.Ctx, res *models.Result) error {
	room := res.Disk
	if res.Verb == "encrypt" {
		room = 0 // a second name of what stands there already
	}
	u, err := r.startUpload(x, room)
	if err != nil {
		return err
	}
	defer u.finish()
	path, err := r.save(u, res)
	if err != nil {
		return err
	}
	if err := u.commit(); err != nil {
		return err
	}
	return redirect(x, path)
}

// save puts a result into the vault: a ciphertext as it is (both names lead to the same bytes until the
// result's time is over), a plaintext under a seal of its own.
func (c *core) save(u *upload, res *models.Result) (path string, err error) {
	item := &models.Item{Kind: "ciphertext", Title: res.Meta.Name, Size: res.Size, Meta: res.Meta.Item}
	ref := spoolRef(res)
	if res.Verb == "encrypt" {
		if ref, err = c.files.Link(ref, blobs.Spool, blobs.Blobs); err != nil {
			return "", err
		}
		err = u.keep(item, ref, u.space.Count)
	} else {
		item.Kind = "file"
		var spool *blobs.Reader
		if spool, err = c.files.Open(blobs.Spool, ref); err != nil {
			return "", err
		}
		defer spool.Close()
		var plain io.Reader
		if plain, err = plainOf(res, spool); err != nil {
			return "", err
		}
		err = c.keepPlain(u, u.open(plain), item)
	}
	return "/vault/" + item.ID.String(), err
}

// Delete handles POST /results/:id/delete: 303 to the verb.
func (r *results) Delete(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return fiber.ErrNotFound
	}
	gone, err := r.store.Delete(x.UserContext(), visitorOf(x).session, id)
	if err != nil {
		return err
	}
	r.dropResults([]models.Result{*gone})
	return redirect(x, "/"+gone.Verb)
}

// Echo handles POST /results/download: a text result comes back as a file. It was stored nowhere, so
// the page sends it along; this is how Download works without JavaScript.
func (r *results) Echo(x *fiber.Ctx) error {
	f, err := r.readForm(x, 3*maxText)
	if err != nil {
		return err
	}
	b, err := f.content(2 * maxText)
	if err != nil {
		return err
	}
	attachment(x, orElse(f.get("name"), "message.txt"))
	return x.Send(b)
}
