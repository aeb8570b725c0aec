package handlers

import (
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
	return d.render(x, fiber.StatusOK, decryptPage, views.Decrypt(d.form(x, nil), views.Outcome{}))
}

func (d *decrypt) form(x *fiber.Ctx, f *form) views.DecryptForm {
	v := visitorOf(x)
	vm := views.DecryptForm{LoggedIn: v.user != nil, Mode: "text", MaxUpload: d.opt.MaxUpload, Quota: d.quota(v),
		QuotaUsed: d.files.Used(owner(v)), Errors: views.Fields{}}
	if f == nil {
		return vm
	}
	vm.Save = f.on("save") && v.user != nil
	if text, err := f.content(2 * maxText); err == nil && isText(text) {
		vm.Text = string(text) // also when it came as base64: a passphrase may be wanted yet
	} else {
		vm.Text = shown(f.text)
	}
	if f.get("mode") == "files" || f.hasFile() {
		vm.Mode = "files"
	}
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

func (d *decrypt) filesOf(x *fiber.Ctx, f *form, k crypto.Keys, save bool) ([]views.FileResult, error) {
	u, err := d.startUpload(x, bodyLength(x))
	if err != nil {
		return nil, err
	}
	defer u.finish()
	var out []views.FileResult
	for {
		p, err := f.file()
		if err != nil {
			return nil, err
		}
		if p == nil {
			break
		}
		r, err := d.one(u, fileName(p), u.open(p), k, save)
		if err != nil {
			return nil, uploadError(err)
		}
		out = append(out, *r)
	}
	u.commit()
	return out, nil
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
	u.commit()
	return []views.FileResult{*r}, nil
}

// one spools a file as it came and checks it to the last byte in the same pass. The plaintext goes
// nowhere, or into the vault under its own seal.
func (d *decrypt) one(u *upload, name string, content io.Reader, k crypto.Keys, save bool) (*views.FileResult, error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return nil, err
	}
	defer spool.Abort()
	src := &remember{r: content}
	done, err := d.holdMemory(u, src)
	if err != nil {
		return nil, err
	}
	defer done()
	in := io.TeeReader(src, spool)
	p, openErr := d.unseal(u.x, in, k)
	var size int64
	var vaulted *blobs.Writer
	if openErr == nil {
		var to io.Writer = io.Discard
		if save {
			if vaulted, err = u.create(blobs.Blobs); err != nil {
				return nil, err
			}
			defer vaulted.Abort()
			to = vaulted
		}
		size, openErr = copyTo(to, p)
	}
	if src.err != nil {
		return nil, src.err // the connection, not the content
	}
	if openErr != nil && errors.Is(openErr, blobs.ErrDisk) {
		return nil, openErr
	}
	r := &models.Result{Verb: "decrypt", State: "ready", Size: size, Meta: models.ResultMeta{Name: opened(name)}}
	switch {
	case openErr == nil:
		r.Meta.Format, r.Meta.FileKey, r.Meta.Headline = string(p.Format), p.FileKey, "Opened with "+p.Label
		r.Meta.Facts = [][2]string{{"Format", string(p.Format)}, {"Checked", "to the last byte"}}
		if p.Format == crypto.FormatFernet {
			r.Meta.Fernet = k.Fernet[p.KeyIndex].Key.Encode()
		}
	case errors.Is(openErr, crypto.ErrNoKey), errors.Is(openErr, crypto.ErrWrongPassphrase):
		r.State, r.Size, r.Tries = "locked", -1, openTries
		r.Meta.Passphrase = crypto.NeedsPassphrase(openErr)
	default:
		pr, err := openProblem(openErr, k, u.v.user != nil)
		if err != nil {
			return nil, err
		}
		return &views.FileResult{Name: name, State: "failed", Verb: "decrypt", Headline: pr.Title, Message: pr.Detail + " " + pr.Next, Size: -1}, nil
	}
	// What the format did not need to read (after a refusal, most of it) still belongs to the file.
	if _, err := copyTo(io.Discard, in); err != nil {
		return nil, err
	}
	ref, err := spool.Commit()
	if err != nil {
		return nil, err
	}
	u.onFail(func() { _ = d.files.Remove(blobs.Spool, ref.ID) })
	if err := u.store(r, ref); err != nil {
		return nil, err
	}
	saved := ""
	if vaulted != nil && r.State == "ready" {
		if saved, err = d.keepPlain(u, vaulted, r.Meta.Name, r.Meta.Name); err != nil {
			return nil, err
		}
	}
	view := resultView(r, saved, u.v)
	if r.State == "locked" {
		view.Headline, view.Message = lockedWords(openErr, u.v.user != nil)
	}
	return view, nil
}

// keepPlain records a file that was written into the vault on the way.
func (c *core) keepPlain(u *upload, w *blobs.Writer, title, name string) (string, error) {
	ref, err := w.Commit()
	if err != nil {
		return "", err
	}
	u.onFail(func() { _ = c.files.Remove(blobs.Blobs, ref.ID) })
	item := &models.Item{Kind: "file", Title: title, Size: ref.Size, Meta: models.ItemMeta{FileName: name},
		Blob: &models.BlobRef{ID: models.ID(ref.ID), Key: ref.Key, Size: ref.Size, Disk: ref.Disk}}
	if err := c.db.Items.Save(u.x.UserContext(), u.v.user, item); err != nil {
		return "", err
	}
	u.keep(ref.Disk)
	u.onFail(func() { c.forgetItem(u, item.ID) })
	return "/vault/" + item.ID.String(), nil
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

// remember keeps a read error other than the end, so that a cut connection is not taken for a damaged
// file.
type remember struct {
	r   io.Reader
	err error
}

func (m *remember) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
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
