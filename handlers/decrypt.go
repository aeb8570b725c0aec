package handlers

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/models"
	"zencrypt/views"
)

// decrypt is the verb: anything, with whichever key fits.
type decrypt struct{ *core }

var decryptPage = views.Page{Title: "Decrypt", Active: "decrypt", NoStore: true}

// openTries is how often a locked result may be tried with another passphrase or key.
const openTries = 5

// New handles GET /decrypt: the empty form.
func (d *decrypt) New(x *fiber.Ctx) error {
	vm := d.form(x, nil)
	var err error
	if vm.Waiting, err = d.waiting(x, "decrypt"); err != nil {
		return err
	}
	return d.render(x, fiber.StatusOK, decryptPage, views.Decrypt(vm, views.Outcome{}))
}

func (d *decrypt) form(x *fiber.Ctx, f *form) views.DecryptForm {
	v := visitorOf(x)
	vm := views.DecryptForm{LoggedIn: v.user != nil, Mode: "text", MaxUpload: d.opt.MaxUpload, Quota: d.quota(v),
		QuotaUsed: d.files.Used(owner(v)), Errors: views.Fields{}}
	if f == nil {
		return vm
	}
	vm.Save = f.on("save")
	if text, err := f.content(2 * maxText); err == nil && isText(text) {
		vm.Text = string(text) // also when it came as base64: a passphrase may be wanted yet
	} else {
		vm.Text = shown(f.text)
	}
	vm.Mode = f.mode()
	f.check(v, vm.Errors)
	return vm
}

// Create handles POST /decrypt: 200 with the result, 422 when nothing could be opened. A file that no
// key fits waits in the spool, as it came, for another try.
func (d *decrypt) Create(x *fiber.Ctx) error {
	if err := d.checkSize(x); err != nil {
		return err
	}
	f, err := d.readForm(x, d.bodyLimit())
	if err != nil {
		return err
	}
	vm := d.form(x, f)
	keys, err := d.keys(x, f, vm.Errors)
	if err != nil {
		return err
	}
	var out views.Outcome
	status := fiber.StatusOK
	switch {
	case len(vm.Errors) > 0:
	case f.hasFile():
		out.Files, err = d.filesOf(x, f, keys, vm.Save)
	case f.get("item") != "" && vm.LoggedIn:
		vm.Mode = "files"
		out.Files, err = d.item(x, f.get("item"), keys, vm.Save)
	default:
		out.Text, out.Problem, err = d.text(x, f, keys, &vm)
	}
	if err != nil {
		return err
	}
	for _, r := range out.Files {
		if r.State != "ready" {
			status = fiber.StatusUnprocessableEntity
		}
	}
	if out.Errors = vm.Errors; out.Problem != nil || len(out.Errors) > 0 {
		status = fiber.StatusUnprocessableEntity
	}
	return d.outcome(x, status, decryptPage, views.Decrypt(vm, out), out)
}

// keys are everything that may fit: what was typed, and all keys and versions of the person.
func (c *core) keys(x *fiber.Ctx, f *form, errs views.Fields) (k crypto.Keys, err error) {
	k.Passphrase = f.get("passphrase")
	if pasted := strings.TrimSpace(f.get("identity")); pasted != "" {
		if ids, err := agefile.ParseIdentities(pasted); err == nil {
			for _, id := range ids {
				k.Age = append(k.Age, crypto.NamedAge{Label: "the private key that you pasted", Identity: id})
			}
		} else if key, ferr := fernet.ParseKey(pasted); ferr == nil {
			k.Fernet = append(k.Fernet, crypto.NamedFernet{Label: "the Fernet key that you pasted", Key: key})
		} else {
			errs["identity"] = "This is no private key that is known here: paste a line that starts with AGE-SECRET-KEY-, or a Fernet key of 44 characters."
		}
	}
	u := visitorOf(x).user
	if u == nil {
		return k, nil
	}
	list, err := c.db.Keys.List(x.UserContext(), u)
	if err != nil {
		return k, err
	}
	for _, key := range list {
		for i := len(key.Versions) - 1; i >= 0; i-- {
			v := key.Versions[i]
			label := fmt.Sprintf("your key “%s”, version %d", key.Name, v.N)
			switch key.Kind {
			case "age":
				ids, err := agefile.ParseIdentities(string(v.Secret))
				if err != nil {
					return k, fmt.Errorf("parse own key: %w", err)
				}
				for _, id := range ids {
					k.Age = append(k.Age, crypto.NamedAge{Label: label, Identity: id})
				}
			case "fernet":
				fk, err := fernet.ParseKey(string(v.Secret))
				if err != nil {
					return k, fmt.Errorf("parse own key: %w", err)
				}
				k.Fernet = append(k.Fernet, crypto.NamedFernet{Label: label, Key: fk})
			}
		}
	}
	return k, nil
}

// unseal starts to decrypt src. A slow hash runs inside the budget, weighed by what the header asks for.
func (c *core) unseal(x *fiber.Ctx, src io.Reader, k crypto.Keys) (*crypto.Plain, error) {
	return crypto.Decrypt(src, k, crypto.Options{Now: c.opt.Now, Acquire: func(n int64) (func(), error) {
		return c.budget.Acquire(x.UserContext(), class(visitorOf(x)), n)
	}})
}

func (d *decrypt) text(x *fiber.Ctx, f *form, k crypto.Keys, vm *views.DecryptForm) (*views.TextResult, *views.Problem, error) {
	start := d.opt.Now()
	sealed, err := f.content(2 * maxText)
	if err != nil {
		return nil, nil, err
	}
	if len(bytes.TrimSpace(sealed)) == 0 {
		vm.Errors[emptyField(vm.Mode)] = "Nothing to decrypt: paste an age message or a Fernet token, or choose a file."
		return nil, nil, nil
	}
	p, err := d.unseal(x, bytes.NewReader(sealed), k)
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(p)
	}
	if err != nil {
		pr, err := openProblem(err, k, vm.LoggedIn)
		return nil, pr, err
	}
	r := &views.TextResult{OK: true, Verb: "decrypt", Headline: "Opened with " + p.Label, Name: "message.txt",
		Base64: base64.StdEncoding.EncodeToString(plain), Size: int64(len(plain)), Took: d.opt.Now().Sub(start),
		Facts: []views.Fact{{Name: "Format", Value: string(p.Format)}}, CanSave: vm.LoggedIn}
	if isText(plain) {
		r.Text = string(plain)
	} else {
		r.Binary, r.Name = true, "message.bin"
	}
	vm.Text = "" // the ciphertext has done its work; the result is what matters now
	if vm.Save {
		item := &models.Item{Kind: "note", Title: "Decrypted text", Size: int64(len(plain)), Body: plain, Meta: models.ItemMeta{FileName: r.Name}}
		if err := d.saveText(x, item); err != nil {
			return nil, nil, err
		}
		r.Saved = "/vault/" + item.ID.String()
	}
	return r, nil, nil
}

// openProblem says in words why nothing was opened. An error of another kind comes back.
func openProblem(err error, k crypto.Keys, loggedIn bool) (*views.Problem, error) {
	var p views.Problem
	switch {
	case errors.Is(err, crypto.ErrWrongPassphrase):
		p = problem("The passphrase is wrong", "It does not open this. Nothing was changed or stored.", "Check upper and lower case and the spaces, and try again.")
	case errors.Is(err, crypto.ErrNoKey):
		p = problem("No key fits", sentence(err.Error())+" Nothing was changed or stored.", "Type its passphrase, or paste a private key for this time only (under “Use a private key for this time only”).")
		if !loggedIn {
			p.Next = "Type its passphrase, paste a private key, or log in to use your own keys."
		}
	case errors.Is(err, crypto.ErrDamaged):
		p = problem("Damaged or changed", sentence(err.Error())+" Nothing of it was kept.", "Get it again from where it came: not one byte may differ.")
	case errors.Is(err, crypto.ErrRefused):
		p = problem("Refused", sentence(err.Error())+" Nothing was tried.", "Open it on your own machine with the age command, or ask for a copy that costs less to open.")
	case errors.Is(err, crypto.ErrFormat):
		p = problem("Not a format that is known here", sentence(err.Error()), "Paste all of an age message, from BEGIN to END, or a whole Fernet token.")
	case errors.Is(err, crypto.ErrExpired):
		p = problem("Not valid at this time", sentence(err.Error()), "Check this server's clock, and the sender's.")
	case errors.Is(err, crypto.ErrTooLarge):
		p = problem("Too large", sentence(err.Error()), "Open it on your own machine.")
	default:
		return nil, err
	}
	return &p, nil
}

func (d *decrypt) filesOf(x *fiber.Ctx, f *form, k crypto.Keys, save bool) (out []views.FileResult, err error) {
	err = d.eachFile(x, f, bodyLength(x), func(u *upload, name string, content io.Reader) error {
		r, err := d.one(u, name, content, k, save)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}

// item decrypts a ciphertext that stands in the vault as a file, as if it had been uploaded.
func (d *decrypt) item(x *fiber.Ctx, hexID string, k crypto.Keys, save bool) ([]views.FileResult, error) {
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
	sealed, err := d.files.Open(blobs.Blobs, blobRef(item.Blob))
	if err != nil {
		return nil, err
	}
	defer sealed.Close()
	u, err := d.startUpload(x, item.Blob.Size)
	if err != nil {
		return nil, err
	}
	defer u.finish()
	r, err := d.one(u, orElse(item.Meta.FileName, item.Title), u.open(sealed), k, save)
	if err != nil {
		return nil, err
	}
	return []views.FileResult{*r}, u.commit()
}

// one spools a file as it came and checks it to the last byte.
func (d *decrypt) one(u *upload, name string, content io.Reader, k crypto.Keys, save bool) (*views.FileResult, error) {
	ref, o, err := d.check(u, content, k)
	if err != nil {
		return nil, err
	}
	r := &models.Result{Verb: "decrypt", Meta: models.ResultMeta{Name: opened(name), Save: save, Item: models.ItemMeta{FileName: opened(name)}}}
	switch {
	case o.err == nil:
		o.into(r)
	case errors.Is(o.err, crypto.ErrNoKey), errors.Is(o.err, crypto.ErrWrongPassphrase):
		r.State, r.Size, r.Tries = models.StateLocked, -1, openTries
		r.Meta.Passphrase = crypto.NeedsPassphrase(o.err)
	default:
		_ = d.files.Remove(blobs.Spool, ref.ID)
		pr, err := openProblem(o.err, k, u.v.user != nil)
		if err != nil {
			return nil, err
		}
		return &views.FileResult{Name: name, State: "failed", Verb: "decrypt", Headline: pr.Title, Message: pr.Detail + " " + pr.Next, Size: -1}, nil
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
	view := resultView(r, saved, u.v)
	if r.State == models.StateLocked {
		view.Headline, view.Message = lockedWords(o.err, u.v.user != nil)
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
func (o attempt) into(r *models.Result) {
	r.State, r.Size = models.StateReady, o.size
	r.Meta.FileFormat, r.Meta.FileKey, r.Meta.Headline = string(o.plain.Format), o.plain.FileKey, "Opened with "+o.plain.Label
	r.Meta.Facts = [][2]string{{"Format", string(o.plain.Format)}, {"Checked", "to the last byte"}}
}

// check spools content and opens it to its end. An age file is opened in the same pass and stays as it
// came; a Fernet token is opened when it is whole, and its plaintext, wrapped like everything in the
// spool, takes its place.
func (d *decrypt) check(u *upload, content io.Reader, k crypto.Keys) (ref blobs.Ref, o attempt, err error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return ref, o, err
	}
	defer spool.Abort()
	head := bufio.NewReaderSize(content, 64<<10)
	start, err := head.Peek(512)
	if err != nil && err != io.EOF {
		return ref, o, err
	}
	format, _ := crypto.Detect(start)
	in := io.TeeReader(head, spool)
	if format != crypto.FormatFernet {
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
	if ref, err = spool.Commit(); err != nil || format != crypto.FormatFernet {
		return ref, o, err
	}
	plain, o, err := d.openWhole(u.x, ref, k, u.create)
	if err != nil || o.err == nil {
		_ = d.files.Remove(blobs.Spool, ref.ID)
		return plain, o, err
	}
	return ref, o, nil
}

// openWhole opens a spooled Fernet token in memory and writes its plaintext into a spool file of its own.
func (c *core) openWhole(x *fiber.Ctx, ref blobs.Ref, k crypto.Keys, create func(blobs.Area) (*blobs.Writer, error)) (plain blobs.Ref, o attempt, err error) {
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

func lockedWords(err error, loggedIn bool) (headline, message string) {
	if errors.Is(err, crypto.ErrWrongPassphrase) {
		return "The passphrase is wrong", "The file waits here as it came, encrypted. Try another passphrase."
	}
	if crypto.NeedsPassphrase(err) {
		return "It needs a passphrase", "The file waits here as it came, encrypted. Type its passphrase."
	}
	who := "No key of yours opens this"
	if !loggedIn {
		who = "It needs a private key"
	}
	return who, "The file waits here as it came, encrypted. Paste the private key that opens it, for this time only."
}

// opened is the name of what comes out of a file.
func opened(name string) string {
	for _, suffix := range []string{".age", ".fernet", ".asc", ".enc"} {
		if s, ok := strings.CutSuffix(name, suffix); ok && s != "" {
			return s
		}
	}
	return "decrypted-" + name
}

// shown is a text as a form shows it again: without what HTML can't carry.
func shown(b []byte) string {
	if len(b) > maxText {
		return ""
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "\uFFFD")
}

// printableLines is printable, line by line.
func printableLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == utf8.RuneError {
				return -1
			}
			return r
		}, lines[i])
	}
	return strings.Join(lines, "\n")
}

// emptyField is the field that a person left empty.
func emptyField(mode string) string {
	if mode == "files" {
		return "file"
	}
	return "text"
}

// isText tells whether bytes can be shown: UTF-8 without control characters but line ends and tabs.
func isText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f
	}) < 0
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
