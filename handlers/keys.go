package handlers

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

type keyStore interface {
	List(ctx context.Context, u *models.Unlocked) ([]models.Key, error)
	Get(ctx context.Context, u *models.Unlocked, id models.ID) (*models.Key, error)
	Create(ctx context.Context, u *models.Unlocked, p models.KeyParams) (*models.Key, error)
	Import(ctx context.Context, u *models.Unlocked, name string, pairs []models.Pair) ([]models.Imported, error)
	Rotate(ctx context.Context, u *models.Unlocked, id models.ID) error
	SetDefault(ctx context.Context, u *models.Unlocked, id models.ID) error
	Describe(ctx context.Context, u *models.Unlocked, id models.ID, name, description string) error
	SetExpiry(ctx context.Context, u *models.Unlocked, id models.ID, expires time.Time) error
	SetMinVersion(ctx context.Context, u *models.Unlocked, id models.ID, n int) error
	SetState(ctx context.Context, u *models.Unlocked, id models.ID, n int, state string, reason pgp.Reason) error
	DeleteVersion(ctx context.Context, u *models.Unlocked, id models.ID, n int) error
	Delete(ctx context.Context, u *models.Unlocked, id models.ID) error
}

type passwordStore interface {
	CheckPassword(ctx context.Context, u *models.Unlocked, current string) error
}

// keys are a person's ring.
type keys struct {
	*core
	store    keyStore
	accounts passwordStore
}

var keysPage = sheet{title: "titles.keys", Page: views.Page{Active: "keys", Wide: true, NoStore: true}}

// ringPage is how many keys the list shows at once.
const ringPage = 60

// List handles GET /keys: the keys, oldest first, or (q) those whose name, description, public key or fingerprint holds a
// text; with new=1 or import=1 a form above them, and with rewrap=1
// under htmx only how the renewal goes on.
func (k *keys) List(x *fiber.Ctx) error {
	vm, err := k.ring(x)
	if err != nil {
		return err
	}
	if x.Query("rewrap") != "" && isFragment(x) {
		return k.html(x, fiber.StatusOK, views.RewrapCard(*vm))
	}
	switch {
	case x.Query("new") != "":
		vm.New = newKeyForm(x, nil)
	case x.Query("import") != "":
		vm.Load = &views.ImportForm{}
	}
	if x.Query("done") == "deleted" {
		vm.Notice = say(x, "notices.key-deleted")
	}
	return k.list(x, fiber.StatusOK, vm)
}

// list shows the ring; its forms stand alone, in the narrower column.
func (k *keys) list(x *fiber.Ctx, status int, vm *views.KeyRing) error {
	page := keysPage
	page.Wide = vm.New == nil && vm.Load == nil
	return k.render(x, status, page, views.Keys(*vm))
}

// Create handles POST /keys: 303 to the new key, 422 with the form when a field is wrong.
func (k *keys) Create(x *fiber.Ctx) error {
	f, err := k.readForm(x, formLimit)
	if err != nil {
		return err
	}
	vm := newKeyForm(x, f)
	p := models.KeyParams{Name: f.get("name"), PairParams: models.PairParams{Kind: f.get("kind")}}
	if p.Kind == models.KindPGP {
		p.Algorithm, p.PairParams.Name, p.Email = f.get("algorithm"), strings.TrimSpace(f.get("user_name")), strings.TrimSpace(f.get("email"))
	}
	var key *models.Key
	if p.Expires, err = date(f.get("expires")); err == nil {
		// An RSA key takes seconds: not more of them at once than slow hashes.
		err = k.slow(x, limits.User, func() error {
			key, err = k.store.Create(x.UserContext(), visitorOf(x).user, p)
			return err
		})
	}
	if err == nil {
		k.note(x, models.EventKeyMade, key.Name)
		return redirect(x, "/keys/"+key.ID.String()+"?done=made")
	}
	if vm.Errors, err = fieldErrors(x, err); err != nil {
		return err
	}
	ring, err := k.ring(x)
	if err != nil {
		return err
	}
	ring.New = vm
	return k.list(x, fiber.StatusUnprocessableEntity, ring)
}

// date reads a day as browsers send it; the key ends with its first second, UTC.
func date(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, wrong("expires", "wrong.date")
	}
	return t, nil
}

func newKeyForm(x *fiber.Ctx, f *form) *views.KeyForm {
	vm := &views.KeyForm{Kind: models.KindAge, Algorithm: string(pgp.Algorithms()[0])}
	for _, a := range pgp.Algorithms() {
		vm.Algorithms = append(vm.Algorithms, views.Choice{Value: string(a), Label: algorithmLabel(x, a)})
	}
	if f == nil {
		return vm
	}
	vm.Kind, vm.Name, vm.UserName, vm.Email = f.get("kind"), printable(f.get("name")), printable(f.get("user_name")), printable(f.get("email"))
	vm.Expires = printable(f.get("expires"))
	if a := f.get("algorithm"); a != "" {
		vm.Algorithm = printable(a)
	}
	return vm
}

func algorithmLabel(x *fiber.Ctx, a pgp.Algorithm) string {
	switch a {
	case pgp.Curve25519:
		return say(x, "choices.curve")
	case pgp.Curve25519V6:
		return say(x, "choices.curve-version-six")
	case pgp.P256:
		return "NIST P-256"
	case pgp.P384:
		return "NIST P-384"
	case pgp.P521:
		return "NIST P-521"
	case pgp.RSA3072:
		return say(x, "choices.rsa-short")
	case pgp.RSA4096:
		return say(x, "choices.rsa-long")
	}
	return string(a)
}

// Import handles POST /keys/import: 200 with what became of each key, 422 with the form when one can't be read;
// then none was taken.
func (k *keys) Import(x *fiber.Ctx) error {
	f, err := k.readForm(x, models.MaxImportBytes+formLimit)
	if err != nil {
		return err
	}
	vm := &views.ImportForm{Name: printable(f.get("name"))}
	var done []models.Imported
	pairs, err := k.pairs(x, f)
	if err == nil {
		done, err = k.store.Import(x.UserContext(), visitorOf(x).user, f.get("name"), pairs)
	}
	for _, one := range done {
		if !one.Known {
			k.note(x, models.EventKeyImported, one.Name)
		}
	}
	status := fiber.StatusOK
	if err != nil {
		if vm.Errors, err = fieldErrors(x, err); err != nil {
			return err
		}
		status = fiber.StatusUnprocessableEntity
	}
	ring, err := k.ring(x)
	if err != nil {
		return err
	}
	if status == fiber.StatusOK {
		ring.Import = importRows(x, done)
	} else {
		ring.Load = vm
	}
	return k.list(x, status, ring)
}

func importRows(x *fiber.Ctx, done []models.Imported) (rows []views.ImportRow) {
	for _, one := range done {
		row := views.ImportRow{ID: one.Key.String(), Name: one.Name, Text: say(x, "results.key-added")}
		switch {
		case one.Known:
			row.Text = say(x, "results.key-was-there")
		case one.Renewed:
			row.Text = say(x, "results.key-renewed")
		}
		rows = append(rows, row)
	}
	return rows
}

// pairs reads what was pasted and every file. Files are held in memory, within the budget for forms.
func (k *keys) pairs(x *fiber.Ctx, f *form) (all []models.Pair, err error) {
	o := models.ReadOptions{Passphrase: f.get("passphrase"), Now: k.opt.Now(), Acquire: func(n int64) (func(), error) {
		return k.budget.Acquire(x.UserContext(), class(visitorOf(x)), n)
	}}
	if len(strings.TrimSpace(string(f.text))) > 0 || !f.hasFile() {
		if all, err = models.ReadPairs(f.text, o); err != nil {
			return nil, err
		}
	}
	if !f.hasFile() {
		return all, nil
	}
	if err := k.holdForm(x, f.held+models.MaxImportBytes, 0); err != nil {
		return nil, err
	}
	for left := int64(models.MaxImportBytes); ; {
		p, err := f.file()
		if err != nil || p == nil {
			return all, err
		}
		b, err := io.ReadAll(io.LimitReader(p, left+1))
		if err != nil {
			return nil, bodyError(err)
		}
		if left -= int64(len(b)); left < 0 {
			return nil, wrong("file", "wrong.key-files-too-large")
		}
		more, err := models.ReadPairs(b, o)
		var e *models.Error
		if errors.As(err, &e) && e.Field == "text" {
			return nil, failed(e.Code, "file", told("wrong.key-file", lang.Args{"Name": fileName(p), "Reason": lower(reason(x.UserContext(), err))}))
		}
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > models.MaxImport {
			return nil, wrong("file", "refused.too-many-private-keys", lang.Args{"Count": models.MaxImport})
		}
	}
}

// lower makes a sentence fit to stand behind a colon.
func lower(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
