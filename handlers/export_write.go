package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"zencrypt/archive"
	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/models"
)

// write writes all of an account to w, encrypted. It reads the account page by page, so that nothing is held in memory
// or locked however long the client takes; what is added meanwhile may be missing.
func (e *exporting) write(ctx context.Context, u *models.Unlocked, w io.Writer, target crypto.Target, about archive.Account) error {
	sealed, err := crypto.Encrypt(w, target, e.opt.Now())
	if err != nil {
		return err
	}
	aw, err := archive.NewWriter(sealed, archive.Options{Program: "zencrypt " + e.opt.Version, Now: e.opt.Now(), Account: about,
		Overflow: func() (archive.Overflow, error) { return e.overflow(u) }})
	if err != nil {
		return err
	}
	defer aw.Release()
	for _, part := range []func(context.Context, *models.Unlocked, *archive.Writer) error{e.writeKeys, e.writePeople, e.writeParts, e.writeItems} {
		if err := part(ctx, u, aw); err != nil {
			return err
		}
	}
	if err := aw.Close(); err != nil {
		return err
	}
	return sealed.Close()
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (e *exporting) writeKeys(ctx context.Context, u *models.Unlocked, w *archive.Writer) error {
	keys, err := e.db.Keys.List(ctx, u)
	if err != nil {
		return err
	}
	for i := range keys {
		k := &keys[i]
		out := archive.Key{ID: k.ID.String(), Kind: k.Kind, Algorithm: k.Algorithm, Name: k.Name, Description: k.Description, Default: k.Default,
			Created: k.Created, Expires: optional(k.Expires), MinVersion: k.MinVersion, Last: k.Last, Rewrap: k.Rewrap, Unreadable: k.Unreadable}
		folder := archive.Numbered("keys", i+1, 2, k.Kind+"-"+k.Name, "")
		for j := range k.Versions {
			v, err := writeVersion(w, folder, k, &k.Versions[j])
			if errors.Is(err, errNoSecret) {
				w.Problem(fmt.Sprintf("Version %d of the key “%s”: its private part can't be read. It is not here.", k.Versions[j].N, k.Name))
				continue
			}
			if err != nil {
				return err
			}
			out.Versions = append(out.Versions, *v)
		}
		if err := w.Key(out); err != nil {
			return err
		}
	}
	return nil
}

// errNoSecret is a version whose private part no OpenPGP program would read.
var errNoSecret = errors.New("read own key: it is no OpenPGP key")

// writeVersion writes the files of one version, as the programs for its kind read them.
func writeVersion(w *archive.Writer, folder string, k *models.Key, v *models.KeyVersion) (*archive.KeyVersion, error) {
	out := &archive.KeyVersion{N: v.N, State: v.State, Created: v.Created, Changed: optional(v.Changed), Fingerprint: v.Fingerprint}
	base := fmt.Sprintf("%s/v%d-%s", folder, v.N, v.State)
	var err error
	if k.Kind != models.KindPGP {
		ext, text := ".txt", ""
		switch k.Kind {
		case models.KindFernet:
			ext = ".fernet"
		case models.KindRSA:
			ext = ".pem"
		default:
			out.Public = v.Public
			text = "# created: " + v.Created.UTC().Format(time.RFC3339) + "\n# public key: " + v.Public + "\n"
		}
		out.Private, err = w.AddText(base+ext, text+string(bytes.TrimSpace(v.Secret))+"\n")
		return out, err
	}
	key, err := v.PGP()
	if err != nil {
		return nil, errNoSecret
	}
	if out.Private, err = w.AddText(base+".secret.asc", key.Armor()); err != nil {
		return nil, err
	}
	for _, more := range []struct {
		ext, text string
		into      **archive.File
	}{{".public.asc", v.Public, &out.Certificate}, {".revocation.asc", v.Revocation, &out.Revocation}} {
		if more.text == "" {
			continue
		}
		f, err := w.AddText(base+more.ext, more.text)
		if err != nil {
			return nil, err
		}
		*more.into = &f
	}
	return out, nil
}

func (e *exporting) writePeople(ctx context.Context, u *models.Unlocked, w *archive.Writer) error {
	people, _, err := e.db.People.List(ctx, u)
	if err != nil {
		return err
	}
	for i := range people {
		if err := writePerson(w, i+1, &people[i]); err != nil {
			return err
		}
	}
	return nil
}

func writePerson(w *archive.Writer, n int, p *models.Person) error {
	out := archive.Person{ID: p.ID.String(), Name: p.Name, Login: p.Login, Note: p.Note, Created: p.Created, Verified: optional(p.Verified), Unreadable: p.Unreadable}
	if !p.Account.IsZero() {
		out.Account = p.Account.String()
	}
	folder := archive.Numbered("people", n, 3, p.Name, "")
	lines, certificates := "", 0
	for _, k := range p.Keys {
		one := archive.PublicKey{Kind: k.Kind, Algorithm: k.Algorithm, Fingerprint: k.Fingerprint, Pinned: k.Pinned}
		if k.Kind == models.KindPGP {
			certificates++
			f, err := w.AddText(fmt.Sprintf("%s/openpgp-%d.asc", folder, certificates), k.Public)
			if err != nil {
				return err
			}
			one.File = &f
		} else {
			one.Public = k.Public
			lines += k.Public + "\n"
		}
		out.Keys = append(out.Keys, one)
	}
	if lines != "" {
		f, err := w.AddText(folder+"/age.txt", lines)
		if err != nil {
			return err
		}
		out.Recipients = &f
	}
	return w.Person(out)
}

func (e *exporting) writeParts(ctx context.Context, u *models.Unlocked, w *archive.Writer) error {
	for _, p := range e.parts {
		if _, err := w.AddWritten(p.name, func(w io.Writer) error { return p.write(ctx, u, w) }); err != nil {
			return err
		}
	}
	return nil
}

// exportPages is how many items are listed at once.
const exportPages = 500

// writeItems writes the vault, newest first. What is in the trash was deleted, and is not in it.
func (e *exporting) writeItems(ctx context.Context, u *models.Unlocked, w *archive.Writer) error {
	f := models.Filter{Limit: exportPages}
	for n := 0; ; {
		page, next, err := e.db.Items.List(ctx, u, f)
		if err != nil {
			return err
		}
		for i := range page {
			item, err := e.db.Items.Get(ctx, u, page[i].ID)
			if models.ErrorCode(err) == models.NotFound {
				continue // deleted meanwhile
			}
			if err != nil {
				return err
			}
			n++
			if err := e.writeItem(ctx, u, w, n, item); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		f.Before = *next
	}
}

func (e *exporting) writeItem(ctx context.Context, u *models.Unlocked, w *archive.Writer, n int, item *models.Item) error {
	out := archive.Item{ID: item.ID.String(), Kind: item.Kind, Title: item.Title, Created: item.Created, Size: item.Size, Text: item.Blob == nil,
		FileName: archive.Bytes(item.Meta.FileName), Syntax: item.Meta.Format, Detail: archive.Bytes(item.Meta.Detail), Others: item.Meta.Others}
	if item.Meta.KeyID != "" {
		out.Opens = &archive.KeyAt{Key: item.Meta.KeyID, Version: item.Meta.KeyVersion}
	}
	if item.Unreadable {
		out.Problem = "its seal does not open: the database was changed. Nothing of it is here."
		return w.Item(out)
	}
	if item.Blob == nil {
		f, err := w.Add(memberName(n, item), item.Created, int64(len(item.Body)), bytes.NewReader(item.Body))
		if err != nil {
			return err
		}
		out.File = &f
		return w.Item(out)
	}
	// A damaged file must not keep a person from taking the others along.
	r, err := e.openItem(ctx, u, item)
	if damagedFile(err) {
		out.Problem = "its stored copy is damaged or missing. Nothing of it is here."
		return w.Item(out)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	f, damage, err := w.AddUnsure(memberName(n, item), item.Created, r.Size(), r, damagedFile)
	if err != nil {
		return err
	}
	if damage != nil {
		out.Problem = "its stored copy is damaged. The file here is right up to the damage, and zeros from there on."
		return w.Item(out)
	}
	out.File = &f
	return w.Item(out)
}

func damagedFile(err error) bool {
	return errors.Is(err, blobs.ErrDamaged) || errors.Is(err, fs.ErrNotExist)
}

// memberName is where an item stands in the archive.
func memberName(n int, item *models.Item) string {
	title := orElse(item.Meta.FileName, item.Title)
	const digits = 5
	switch item.Kind {
	case "note":
		return archive.Numbered("notes", n, digits, title, textExt(item))
	case "digest":
		return archive.Numbered("digests", n, digits, title, textExt(item))
	case "ciphertext":
		ext := ""
		if item.Meta.FileName == "" {
			switch crypto.Format(item.Meta.Format) {
			case crypto.FormatAge:
				ext = ".age"
			case crypto.FormatPGP:
				ext = ".asc"
			case crypto.FormatFernet:
				ext = ".fernet"
			default:
				ext = ".txt"
			}
		}
		return archive.Numbered("ciphertexts", n, digits, title, ext)
	}
	return archive.Numbered("files", n, digits, title, "")
}

func textExt(item *models.Item) string {
	if isText(item.Body) {
		return ".txt"
	}
	return ".bin"
}

// ageRecipient is the public key of a key for age that can encrypt now, "" of any other.
func ageRecipient(k *models.Key, now func() time.Time) string {
	if k.Kind != models.KindAge && k.Kind != models.KindAgePQ || k.Unreadable {
		return ""
	}
	if v := k.Active(now()); v != nil {
		return v.Public
	}
	return ""
}
