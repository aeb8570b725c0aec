package handlers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/models"
	"zencrypt/views"
)

type resultStore interface {
	Get(ctx context.Context, s *models.Session, id models.ID) (*models.Result, error)
	Update(ctx context.Context, s *models.Session, r *models.Result) error
	Delete(ctx context.Context, s *models.Session, id models.ID) (*models.Result, error)
}

// results are files that wait for their download, each belonging to the session that made it.
type results struct {
	*core
	store resultStore
}

var resultPage = views.Page{Title: "Result", Active: "", NoStore: true}

func resultView(r *models.Result, saved string, v *visitor) *views.FileResult {
	vm := &views.FileResult{ID: r.ID.String(), Name: r.Meta.Name, State: r.State, Verb: r.Verb, Headline: r.Meta.Headline,
		Size: r.Size, Expires: r.Expires, Tries: r.Tries, Commands: r.Meta.Commands, Saved: saved, Guest: v.user == nil,
		NeedsPassphrase: r.Meta.Passphrase}
	for _, f := range r.Meta.Facts {
		vm.Facts = append(vm.Facts, views.Fact{Name: f[0], Value: f[1]})
	}
	if r.State == "locked" {
		vm.Headline = "Not open yet"
		vm.Message = "The file waits here as it came, encrypted."
	}
	return vm
}

func (r *results) get(x *fiber.Ctx) (*models.Result, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return nil, fiber.ErrNotFound
	}
	return r.store.Get(x.UserContext(), visitorOf(x).session, id)
}

func spoolRef(r *models.Result) blobs.Ref {
	return blobs.Ref{ID: blobs.ID(r.Blob), Key: r.Meta.WrapKey, Size: r.Meta.SpoolSize, Disk: r.Disk}
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
	vm := *resultView(res, "", visitorOf(x))
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
	body, done, err := r.plain(x, res, spool)
	if err != nil {
		_ = spool.Close()
		return err
	}
	return r.send(x, res.Meta.Name, res.Size, body, func() { _ = spool.Close(); done() })
}

// plain is what a result's download consists of. done gives back what it holds.
func (c *core) plain(x *fiber.Ctx, res *models.Result, spool *blobs.Reader) (body io.Reader, done func(), err error) {
	done = func() {}
	switch {
	case res.Verb == "encrypt":
		return spool, done, nil
	case res.Meta.Format == string(crypto.FormatFernet):
		// A Fernet message is checked as a whole, so it stands in memory.
		release, err := c.memory.Acquire(x.UserContext(), class(visitorOf(x)), wholeWeight(res.Meta.SpoolSize))
		if err != nil {
			return nil, nil, err
		}
		plain, err := openFernet(spool, res.Meta.Fernet, c.opt.Now)
		if err != nil {
			release()
			return nil, nil, err
		}
		return bytes.NewReader(plain), release, nil
	}
	body, err = agefile.OpenWithFileKeyAt(spool, spool.Size(), res.Meta.FileKey)
	return body, done, err
}

func openFernet(spool io.Reader, key string, now func() time.Time) ([]byte, error) {
	k, err := fernet.ParseKey(key)
	if err != nil {
		return nil, err
	}
	token, err := io.ReadAll(spool)
	if err != nil {
		return nil, err
	}
	plain, _, err := fernet.Decrypt(bytes.TrimSpace(token), 0, now, k)
	return plain, err
}

// wholeWeight is the memory of a Fernet message of n token bytes: the token, its bytes, the plaintext.
func wholeWeight(n int64) int64 { return min(max(n, 64<<10)*3, wholeBytes) }

// send streams a file answer. It owns done, which runs when the answer is sent or broken.
func (c *core) send(x *fiber.Ctx, name string, size int64, body io.Reader, done func()) error {
	first := bufio.NewReaderSize(body, 64<<10)
	if _, err := first.Peek(1); err != nil && err != io.EOF {
		done()
		return err
	}
	s := visitorOf(x).session
	tr := c.transfers.add(s)
	tr.touched = c.opt.Now()
	attachment(x, name)
	x.Context().SetBodyStream(&download{
		guarded: guarded{Reader: first, tr: tr, now: c.opt.Now, touch: c.touchSession(s.ID)},
		done:    func() { c.transfers.done(tr); done() },
	}, int(size))
	return nil
}

// download is a body that fasthttp reads after the handler and closes at the end, however it ends.
type download struct {
	guarded
	done func()
}

// Close gives back the file and the place among the transfers.
func (d *download) Close() error {
	if d.done != nil {
		d.done()
		d.done = nil
	}
	return nil
}

// Open handles POST /results/:id/open: tries a locked file again with a passphrase or a private key,
// five times in all.
func (r *results) Open(x *fiber.Ctx) error {
	f, err := r.readForm(x, formLimit)
	if err != nil {
		return err
	}
	res, err := r.get(x)
	if err != nil {
		return err
	}
	if res.State != "locked" {
		return redirect(x, "/results/"+res.ID.String())
	}
	errs := views.Fields{}
	keys, err := r.keys(x, f, errs)
	if err != nil {
		return err
	}
	if f.get("passphrase") == "" && f.get("identity") == "" {
		errs[""] = "Type the passphrase or paste a private key."
	}
	if len(errs) > 0 {
		p := problem("Not opened", errs[""]+errs["identity"], "No try was used.")
		return r.answer(x, fiber.StatusUnprocessableEntity, res, &p)
	}
	session := visitorOf(x).session
	res.Tries-- // before the try, so that a crash does not give tries away
	if res.Tries < 0 {
		return r.spent(x, session, res)
	}
	if err := r.store.Update(x.UserContext(), session, res); err != nil {
		return err
	}
	openErr := r.try(x, res, keys)
	if openErr == nil {
		if err := r.store.Update(x.UserContext(), session, res); err != nil {
			return err
		}
		return redirect(x, "/results/"+res.ID.String())
	}
	p, err := openProblem(openErr, keys, visitorOf(x).user != nil)
	if err != nil {
		res.Tries++ // not the person's fault: a busy server costs no try
		if err := r.store.Update(x.UserContext(), session, res); err != nil {
			return err
		}
		return err
	}
	if res.Tries == 0 {
		return r.spent(x, session, res)
	}
	return r.answer(x, fiber.StatusUnprocessableEntity, res, p)
}

// spent ends a result after its last try.
func (r *results) spent(x *fiber.Ctx, s *models.Session, res *models.Result) error {
	gone, err := r.store.Delete(x.UserContext(), s, res.ID)
	if err != nil {
		return err
	}
	r.dropResults([]models.Result{*gone})
	return refuse(fiber.StatusUnprocessableEntity, "No tries are left",
		"The encrypted copy on this server is removed. Your own file is as it was.", "Upload it again when you have its passphrase or key.")
}

// try reads the spooled file to its last byte and, when a key fits, makes the result ready.
func (r *results) try(x *fiber.Ctx, res *models.Result, keys crypto.Keys) error {
	spool, err := r.files.Open(blobs.Spool, spoolRef(res))
	if err != nil {
		return err
	}
	defer spool.Close()
	p, err := r.unseal(x, spool, keys)
	if err != nil {
		return err
	}
	n, err := copyTo(io.Discard, p)
	if err != nil {
		return err
	}
	res.State, res.Size, res.Meta.Format, res.Meta.FileKey, res.Meta.Headline = "ready", n, string(p.Format), p.FileKey, "Opened with "+p.Label
	res.Meta.Facts = [][2]string{{"Format", string(p.Format)}, {"Checked", "to the last byte"}}
	if p.Format == crypto.FormatFernet {
		res.Meta.Fernet = keys.Fernet[p.KeyIndex].Key.Encode()
	}
	return nil
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

// holdMemory takes the memory that a Fernet file will stand in, judged by its first bytes and the
// request's length; any other file streams and holds none.
func (d *decrypt) holdMemory(u *upload, src *remember) (func(), error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(src.r, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	src.r = io.MultiReader(bytes.NewReader(head[:n]), src.r)
	if format, _ := crypto.Detect(head[:n]); format != crypto.FormatFernet {
		return func() {}, nil
	}
	return d.memory.Acquire(u.x.UserContext(), class(u.v), wholeWeight(u.length()))
}
