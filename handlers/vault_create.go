package handlers

import (
	"bytes"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/models"
	"zencrypt/views"
)

// Create handles POST /vault: a note, files, or a result that came back to be kept. 303 to the item,
// 422 with the form when a field is wrong.
func (v *vault) Create(x *fiber.Ctx) error {
	if err := v.checkSize(x); err != nil {
		return err
	}
	f, err := v.readForm(x, v.bodyLimit())
	if err != nil {
		return err
	}
	errs := views.Fields{}
	f.check(x, errs)
	if f.hasFile() && len(errs) == 0 {
		return v.createFiles(x, f)
	}
	most := maxText
	if f.encoded() {
		most = 2 * maxText // a result is longer than the text it was made from
	}
	body, err := f.content(most)
	if err != nil {
		return err
	}
	item := &models.Item{Kind: "note", Title: f.get("title"), Size: int64(len(body)), Body: body}
	switch k := f.get("kind"); k {
	case "digest", "ciphertext":
		item.Kind = k
	}
	if len(body) == 0 {
		errs[emptyField(f.mode())] = say(x, "wrong.nothing-to-keep")
	} else if strings.TrimSpace(item.Title) == "" {
		item.Title = firstLine(x, body)
	}
	if len(errs) == 0 {
		err := v.noteKey(x, item)
		if err == nil {
			err = v.saveText(x, item)
		}
		if err == nil {
			return v.saved(x, f, "/vault/"+item.ID.String())
		}
		if errs, err = fieldErrors(x, err); err != nil {
			return err
		}
	}
	vm, err := v.list(x)
	if err != nil {
		return err
	}
	vm.New = &views.NoteForm{Title: printable(f.get("title")), Text: shown(f.text), Errors: errs, MaxUpload: v.opt.MaxUpload}
	return v.render(x, fiber.StatusUnprocessableEntity, vaultPage, views.Vault(*vm))
}

// noteKey notes with a ciphertext which of the person's keys opens it, so that the key is kept for it and a
// rewrap renews it.
func (v *vault) noteKey(x *fiber.Ctx, item *models.Item) error {
	if item.Kind != "ciphertext" {
		return nil
	}
	format, _ := crypto.Detect(item.Body)
	list, err := v.db.Keys.ListKinds(x.UserContext(), visitorOf(x).user, kindsFor(format)...)
	if err != nil {
		return err
	}
	if at, meta, ok := v.standsUnder(x.UserContext(), item, v.ownKeys(x.UserContext(), list)); ok {
		meta.KeyID, meta.KeyVersion = at.key.String(), at.n
		item.Meta = meta
	}
	return nil
}

// saved answers where the item is: in place of the button under htmx, so that the page with the result
// stays, else by 303.
func (v *vault) saved(x *fiber.Ctx, f *form, path string) error {
	if isFragment(x) && f.on("inline") {
		return v.html(x, fiber.StatusOK, views.SavedLink(path))
	}
	return redirect(x, path)
}

// saveText keeps an item whose content stands in its row, within the account's quota.
func (c *core) saveText(x *fiber.Ctx, item *models.Item) error {
	who := visitorOf(x)
	space, err := c.files.ReserveRow(owner(who), c.quota(who), int64(len(item.Body)))
	if err != nil {
		return err
	}
	if err := c.db.Items.Save(x.UserContext(), who.user, item); err != nil {
		space.Release()
		return err
	}
	space.Keep(int64(len(item.Body)))
	return nil
}

// firstLine is a title for a text without one.
func firstLine(x *fiber.Ctx, body []byte) string {
	if !isText(body) {
		return say(x, "results.untitled")
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if r := []rune(strings.TrimSpace(string(line))); len(r) > 60 {
		return string(r[:60]) + "…"
	} else if len(r) > 0 {
		return string(r)
	}
	return say(x, "results.untitled")
}

// createFiles takes files straight into the vault, sealed as they arrive.
func (v *vault) createFiles(x *fiber.Ctx, f *form) error {
	var items []*models.Item
	err := v.eachFile(x, f, bodyLength(x), func(u *upload, name string, content io.Reader) error {
		item := &models.Item{Kind: "file", Title: name, Meta: models.ItemMeta{FileName: name}}
		if t := strings.TrimSpace(f.get("title")); t != "" && len(items) == 0 {
			item.Title = t
		}
		items = append(items, item)
		return v.keepPlain(u, content, item)
	})
	switch {
	case err != nil:
		return err
	case len(items) == 1:
		return redirect(x, "/vault/"+items[0].ID.String())
	}
	return redirect(x, "/vault")
}

// keepPlain seals content into the vault as it arrives.
func (c *core) keepPlain(u *upload, content io.Reader, item *models.Item) error {
	w, err := u.create(blobs.Blobs)
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := copyTo(w, content); err != nil {
		return err
	}
	ref, err := w.Commit()
	if err != nil {
		return err
	}
	item.Size = ref.Size
	return u.keep(item, ref, u.space.Spend)
}
