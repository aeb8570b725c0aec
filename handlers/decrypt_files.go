package handlers

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/models"
	"zencrypt/views"
)

// A checker spools content and opens it to its end.
type checker func(u *upload, content io.Reader, k openKeys) (blobs.Ref, attempt, error)

func (d *decrypt) filesOf(x *fiber.Ctx, f *form, k openKeys, save bool, check checker) (out []views.FileResult, err error) {
	err = d.eachFile(x, f, bodyLength(x), func(u *upload, name string, content io.Reader) error {
		r, err := d.one(u, name, content, k, save, check)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}

// item decrypts a ciphertext that stands in the vault as a file, as if it had been uploaded.
func (d *decrypt) item(x *fiber.Ctx, hexID string, k openKeys, save bool) ([]views.FileResult, error) {
	id, err := models.ParseID(hexID)
	if err != nil {
		return nil, fiber.ErrNotFound
	}
	item, err := d.db.Items.Get(x.UserContext(), visitorOf(x).user, id)
	if err != nil {
		return nil, err
	}
	if item.Kind != "ciphertext" || item.Blob == nil {
		return nil, fiber.ErrNotFound
	}
	sealed, err := d.openItem(x.UserContext(), visitorOf(x).user, item)
	if err != nil {
		return nil, err
	}
	defer sealed.Close()
	u, err := d.startUpload(x, item.Blob.Size)
	if err != nil {
		return nil, err
	}
	defer u.finish()
	r, err := d.one(u, orElse(item.Meta.FileName, item.Title), u.open(sealed), k, save, d.check)
	if err != nil {
		return nil, err
	}
	return []views.FileResult{*r}, u.commit()
}

// one spools a file as it came and checks it to the last byte.
func (d *decrypt) one(u *upload, name string, content io.Reader, k openKeys, save bool, check checker) (*views.FileResult, error) {
	ref, o, err := check(u, content, k)
	if err != nil {
		return nil, err
	}
	r := &models.Result{Verb: "decrypt", Meta: models.ResultMeta{Name: opened(name), Save: save, Item: models.ItemMeta{FileName: opened(name)}}}
	switch {
	case o.err == nil:
		if err := d.into(u.x, o, r); err != nil {
			_ = d.files.Remove(blobs.Spool, ref.ID)
			return nil, err
		}
	case errors.Is(o.err, crypto.ErrNoKey), errors.Is(o.err, crypto.ErrWrongPassphrase):
		r.State, r.Size, r.Tries = models.StateLocked, -1, openTries
		r.Meta.Passphrase = crypto.NeedsPassphrase(o.err)
	default:
		_ = d.files.Remove(blobs.Spool, ref.ID)
		pr, err := openProblem(u.x, o.err, u.v.user != nil)
		if err != nil {
			return nil, err
		}
		return &views.FileResult{Name: name, State: "failed", Verb: "decrypt", Headline: pr.Title, Message: joined(u.x, pr.Detail, pr.Next), Size: -1}, nil
	}
	if err := u.store(r, ref); err != nil {
		return nil, err
	}
	saved := ""
	if save && r.State == models.StateReady {
		if saved, err = d.save(u, r); err != nil {
			return nil, err
		}
	}
	view := resultView(u.x, r, saved, u.v)
	if r.State == models.StateLocked {
		view.Headline, view.Message = lockedWords(u.x, o.err, u.v.user != nil)
	}
	return view, nil
}

// attempt is what came of opening a file: its error is about the content or the keys.
type attempt struct {
	plain *crypto.Plain
	size  int64 // of the plaintext, in bytes
	err   error
}

// into writes a success into a result.
func (c *core) into(x *fiber.Ctx, o attempt, r *models.Result) error {
	signatures, err := c.judged(x, o.plain)
	if err != nil {
		return err
	}
	r.State, r.Size = models.StateReady, o.size
	r.Meta.FileFormat, r.Meta.Headline = string(o.plain.Format), openedWith(x, o.plain)
	r.Meta.FileKey = o.plain.FileKey
	if key := o.plain.SessionKey(); !key.IsZero() {
		r.Meta.SessionKey = key.Encode()
	}
	r.Meta.Facts = [][2]string{{say(x, "results.format"), detail(x.UserContext(), o.plain.Format.Title())},
		{say(x, "results.checked"), say(x, "results.to-the-last-byte")}}
	for _, f := range sendersName(x, o.plain) {
		r.Meta.Facts = append(r.Meta.Facts, [2]string{f.Name, f.Value})
	}
	if o.plain.Trust == crypto.TrustNever {
		r.Meta.Headline = say(x, "results.not-checked")
		r.Meta.Facts[1][1] = say(x, "results.checked-not-at-all")
	}
	r.Meta.Signatures = storedSignatures(signatures)
	return nil
}

// check spools content and opens it to its end. An age file or an OpenPGP message is opened in the same pass and stays as it
// came; what is opened whole, such as a Fernet token, is opened then, and its plaintext, wrapped like
// everything in the spool, takes its place.
func (d *decrypt) check(u *upload, content io.Reader, k openKeys) (ref blobs.Ref, o attempt, err error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return ref, o, err
	}
	defer spool.Abort()
	head := bufio.NewReaderSize(content, 64<<10)
	start, err := head.Peek(crypto.Sniff)
	if err != nil && err != io.EOF {
		return ref, o, err
	}
	format, _ := crypto.Detect(start)
	in := io.TeeReader(head, spool)
	if !format.Whole() {
		if o.plain, o.err = d.unseal(u.x, in, k); o.err == nil {
			o.size, o.err = copyTo(io.Discard, o.plain)
		}
		if errors.Is(o.err, blobs.ErrDisk) || errors.Is(o.err, blobs.ErrQuota) || errors.Is(o.err, blobs.ErrSpoolFull) {
			return ref, o, o.err // the spool's, not the content's
		}
	}
	// What the format did not need to read (after a refusal, most of it) still belongs to the file.
	if _, err := copyTo(io.Discard, in); err != nil {
		return ref, o, err
	}
	if ref, err = spool.Commit(); err != nil || !format.Whole() {
		return ref, o, err
	}
	plain, o, err := d.openWhole(u.x, ref, k, u.create)
	if err != nil || o.err == nil {
		_ = d.files.Remove(blobs.Spool, ref.ID)
		return plain, o, err
	}
	return ref, o, nil
}

// openWhole opens a spooled token in memory and writes its plaintext into a spool file of its own.
func (c *core) openWhole(x *fiber.Ctx, ref blobs.Ref, k openKeys, create func(blobs.Area) (*blobs.Writer, error)) (plain blobs.Ref, o attempt, err error) {
	release, err := c.memory.Acquire(x.UserContext(), class(visitorOf(x)), wholeWeight(ref.Size))
	if err != nil {
		return plain, o, err
	}
	defer release()
	token, err := c.files.Open(blobs.Spool, ref)
	if err != nil {
		return plain, o, err
	}
	defer token.Close()
	if o.plain, o.err = c.unseal(x, token, k); o.err != nil {
		return plain, o, nil
	}
	w, err := create(blobs.Spool)
	if err != nil {
		return plain, o, err
	}
	defer w.Abort()
	if o.size, err = copyTo(w, o.plain); err != nil {
		return plain, o, err
	}
	plain, err = w.Commit()
	return plain, o, err
}

// lockedWords say why a file waits: one of the texts says who opens it, the other that it waits and what to do.
func lockedWords(x *fiber.Ctx, err error, loggedIn bool) (headline, message string) {
	switch {
	case errors.Is(err, crypto.ErrWrongPassphrase):
		return say(x, "opening.wrong-passphrase"), say(x, "opening.waits-try-another")
	case crypto.NeedsPassphrase(err):
		return say(x, "opening.needs-passphrase"), say(x, "opening.waits-type-passphrase")
	case !loggedIn:
		headline = say(x, "opening.needs-private-key")
	default:
		headline = say(x, "opening.no-key-of-yours")
	}
	return headline, say(x, "opening.waits-paste-key")
}

// opened is the name of what comes out of a file.
func opened(name string) string {
	for _, suffix := range []string{".age", ".gpg", ".pgp", ".asc", ".fernet", ".enc", ".b64"} {
		if s, ok := strings.CutSuffix(name, suffix); ok && s != "" {
			return s
		}
	}
	return "decrypted-" + name
}
