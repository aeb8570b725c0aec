package handlers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

type itemStore interface {
	Save(ctx context.Context, u *models.Unlocked, item *models.Item) error
	List(ctx context.Context, u *models.Unlocked, f models.Filter) ([]models.Item, *models.Cursor, error)
	Count(ctx context.Context, u *models.Unlocked, kind string) (int, error)
	Get(ctx context.Context, u *models.Unlocked, id models.ID) (*models.Item, error)
	Rename(ctx context.Context, u *models.Unlocked, id models.ID, title string) error
	Trash(ctx context.Context, u *models.Unlocked, ids ...models.ID) (int, error)
	Restore(ctx context.Context, u *models.Unlocked, ids ...models.ID) (int, error)
}

// vault is what a person keeps: notes, files, digests, and results kept as they are.
type vault struct {
	*core
	items itemStore
}

var vaultPage = sheet{title: "titles.vault", Page: views.Page{Active: "vault", Wide: true, NoStore: true}}

const pageSize = 50

// List handles GET /vault: newest first, filtered by kind and by what titles hold, paged by key.
func (v *vault) List(x *fiber.Ctx) error {
	vm, err := v.list(x)
	if err != nil {
		return err
	}
	if x.Query("new") != "" {
		vm.New = &views.NoteForm{MaxUpload: v.opt.MaxUpload}
	}
	return v.render(x, fiber.StatusOK, vaultPage, views.Vault(*vm))
}

func (v *vault) list(x *fiber.Ctx) (*views.VaultList, error) {
	ctx, who := x.UserContext(), visitorOf(x)
	vm := &views.VaultList{Query: printable(x.Query("q")), Quota: v.quota(who), QuotaUsed: v.files.Used(owner(who))}
	switch k := x.Query("kind"); k {
	case "note", "file", "digest", "ciphertext":
		vm.Kind = k
	}
	f := models.Filter{Kind: vm.Kind, Query: vm.Query, Limit: pageSize}
	if before := x.Query("before"); before != "" {
		c, ok := parseCursor(before)
		if !ok {
			return nil, fiber.ErrNotFound
		}
		f.Before = c
		vm.Newest = vaultPath(vm, "")
	}
	items, next, err := v.items.List(ctx, who.user, f)
	if err != nil {
		return nil, err
	}
	for i := range items {
		vm.Rows = append(vm.Rows, itemRow(&items[i]))
	}
	if next != nil {
		vm.Older = vaultPath(vm, formatCursor(*next))
	}
	if vm.Total, err = v.items.Count(ctx, who.user, ""); err != nil {
		return nil, err
	}
	for id := range strings.SplitSeq(x.Query("undo"), ",") {
		if _, err := models.ParseID(id); err == nil && len(vm.Undo) < pageSize {
			vm.Undo = append(vm.Undo, id)
		}
	}
	if n := len(vm.Undo); n > 0 {
		vm.Notice = lang.N(ctx, "notices.items-deleted", n)
	}
	switch x.Query("done") {
	case "restored":
		vm.Notice = say(x, "notices.restored")
	case "late":
		vm.Notice = say(x, "notices.minute-over")
	}
	return vm, nil
}

func itemRow(i *models.Item) views.VaultRow {
	return views.VaultRow{ID: i.ID.String(), Title: i.Title, Kind: i.Kind, Size: i.Size, Created: i.Created, Unreadable: i.Unreadable}
}

func vaultPath(vm *views.VaultList, before string) string {
	q := url.Values{}
	for k, s := range map[string]string{"kind": vm.Kind, "q": vm.Query, "before": before} {
		if s != "" {
			q.Set(k, s)
		}
	}
	if len(q) == 0 {
		return "/vault"
	}
	return "/vault?" + q.Encode()
}

// A cursor is a row's time in milliseconds and its id: 24 bytes.
func formatCursor(c models.Cursor) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(c.Created.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.ID[:]...))
}

func parseCursor(s string) (c models.Cursor, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 8+len(c.ID) {
		return c, false
	}
	c.Created = time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC()
	copy(c.ID[:], b[8:])
	return c, true
}

// Show handles GET /vault/:id: 200 with the opened item, 404 for anybody else's.
func (v *vault) Show(x *fiber.Ctx) error { return v.show(x, fiber.StatusOK, nil) }

func (v *vault) show(x *fiber.Ctx, status int, errs views.Fields) error {
	item, err := v.get(x)
	if err != nil {
		return err
	}
	vm := views.VaultItem{Row: itemRow(item), HasFile: item.Blob != nil, FileName: itemName(item), Errors: errs, Rename: len(errs) > 0}
	if item.Meta.Detail != "" {
		vm.Facts = append(vm.Facts, views.Fact{Name: say(x, "results.format"), Value: detail(x.UserContext(), item.Meta.Detail)})
	}
	if item.Kind == "ciphertext" {
		vm.Commands = openCommands(item)
		if id, err := models.ParseID(item.Meta.KeyID); err == nil {
			if k, err := v.db.Keys.Get(x.UserContext(), visitorOf(x).user, id); err == nil && !k.Unreadable {
				vm.Facts = append(vm.Facts, views.Fact{Name: say(x, "results.opens-with"), Value: keyLabel(x.UserContext(), k.Name, item.Meta.KeyVersion)})
			}
		}
	}
	// An older Zencrypt's text may have more megabytes than a page should: it is there to download.
	if long := item.Kind == "note" && len(item.Body) > 2*maxText; long {
		vm.HasFile = true
	} else if item.Blob == nil && !item.Unreadable {
		vm.Base64 = base64.StdEncoding.EncodeToString(item.Body)
		if vm.Binary = !isText(item.Body); !vm.Binary {
			vm.Text = string(item.Body)
		}
	}
	if !item.Unreadable {
		vm.Signed, vm.Commands = signedItem(item, vm.Commands)
	}
	page := vaultPage
	page.Title, page.Wide = item.Title, false
	return v.render(x, status, page, views.Item(vm))
}

// itemName is what an item is called as a file.
func itemName(item *models.Item) string {
	switch {
	case item.Meta.FileName != "":
		return item.Meta.FileName
	case clearSigned(item) && strings.HasSuffix(item.Title, ".asc"):
		return item.Title
	case clearSigned(item):
		return item.Title + ".asc"
	}
	return item.Title + ".txt"
}

// clearSigned tells whether an item is a text with its signature around it.
func clearSigned(item *models.Item) bool {
	return item.Kind == "note" && bytes.HasPrefix(bytes.TrimSpace(item.Body), []byte("-----BEGIN PGP SIGNED MESSAGE-----"))
}

// signedItem tells whether an item is a clear-signed text, which can be verified as it is; its commands check it, as
// those of a detached signature do, which knows what it is called beside its file.
func signedItem(item *models.Item, commands []string) (signed bool, _ []string) {
	if clearSigned(item) {
		return true, verifyText(itemName(item))
	}
	if item.Kind == "file" && item.Meta.Format == "pgp-signature" {
		name := itemName(item)
		return false, verifyFile(name, strings.TrimSuffix(strings.TrimSuffix(name, ".sig"), ".asc"))
	}
	return false, commands
}

func (v *vault) get(x *fiber.Ctx) (*models.Item, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return nil, fiber.ErrNotFound
	}
	return v.items.Get(x.UserContext(), visitorOf(x).user, id)
}

// File handles GET /vault/:id/file: the item's bytes as an attachment, opened while they are sent.
func (v *vault) File(x *fiber.Ctx) error {
	item, err := v.get(x)
	if err != nil {
		return err
	}
	name := itemName(item)
	if item.Blob == nil {
		v.noteExport(x, item)
		attachment(x, name)
		return x.Send(item.Body)
	}
	r, err := v.openItem(x.UserContext(), visitorOf(x).user, item)
	if err != nil {
		return err
	}
	v.noteExport(x, item)
	return v.send(x, name, item.Blob.Size, r, func() { _ = r.Close() })
}

// openItem opens an item's file. A rewrap may have put another in its place since the item was read: then item
// becomes what it is now.
func (c *core) openItem(ctx context.Context, u *models.Unlocked, item *models.Item) (*blobs.Reader, error) {
	for {
		r, err := c.files.Open(blobs.Blobs, blobRef(item.Blob))
		if !errors.Is(err, fs.ErrNotExist) {
			return r, err
		}
		now, again := c.db.Items.Get(ctx, u, item.ID)
		if again != nil || now.Blob == nil || now.Blob.ID == item.Blob.ID {
			return nil, err
		}
		*item = *now
	}
}

func blobRef(b *models.BlobRef) blobs.Ref {
	return blobs.Ref{ID: blobs.ID(b.ID), Key: b.Key, Size: b.Size, Disk: b.Disk}
}

// Rename handles POST /vault/:id/rename: 303 to the item, 422 when the title is empty or too long.
func (v *vault) Rename(x *fiber.Ctx) error {
	f, err := v.readForm(x, formLimit)
	if err != nil {
		return err
	}
	item, err := v.get(x)
	if err != nil {
		return err
	}
	if strings.TrimSpace(f.get("title")) == "" {
		return v.show(x, fiber.StatusUnprocessableEntity, views.Fields{"title": say(x, "wrong.type-title")})
	}
	if err := v.items.Rename(x.UserContext(), visitorOf(x).user, item.ID, f.get("title")); err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			return err
		}
		return v.show(x, fiber.StatusUnprocessableEntity, errs)
	}
	return redirect(x, "/vault/"+item.ID.String())
}

// Delete handles POST /vault/:id/delete: 303 to the list, where it can be taken back for a minute.
func (v *vault) Delete(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return fiber.ErrNotFound
	}
	n, err := v.items.Trash(x.UserContext(), visitorOf(x).user, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return fiber.ErrNotFound
	}
	return redirect(x, "/vault?undo="+id.String())
}

// DeleteMany handles POST /vault/delete (id, repeatable): 303 to the list, with undo.
func (v *vault) DeleteMany(x *fiber.Ctx) error {
	ids, err := v.ids(x)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return redirect(x, "/vault")
	}
	n, err := v.items.Trash(x.UserContext(), visitorOf(x).user, ids...)
	if err != nil {
		return err
	}
	if n == 0 {
		return fiber.ErrNotFound
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return redirect(x, "/vault?undo="+strings.Join(names, ","))
}

// Restore handles POST /vault/restore (id, repeatable): takes a deletion back while its minute lasts.
func (v *vault) Restore(x *fiber.Ctx) error {
	ids, err := v.ids(x)
	if err != nil {
		return err
	}
	n := 0
	if len(ids) > 0 {
		if n, err = v.items.Restore(x.UserContext(), visitorOf(x).user, ids...); err != nil {
			return err
		}
	}
	if n == 0 {
		return redirect(x, "/vault?done=late")
	}
	return redirect(x, "/vault?done=restored")
}

func (v *vault) ids(x *fiber.Ctx) ([]models.ID, error) {
	f, err := v.readForm(x, formLimit)
	if err != nil {
		return nil, err
	}
	var ids []models.ID
	for _, s := range f.values["id"] {
		id, err := models.ParseID(s)
		if err != nil || len(ids) == pageSize {
			return nil, errMalformed
		}
		ids = append(ids, id)
	}
	return ids, nil
}
