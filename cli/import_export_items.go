package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"zencrypt/archive"
	"zencrypt/blobs"
	"zencrypt/models"
)

const (
	// A batch of texts is one transaction, which waits for the disk once.
	batchItems = 100
	batchBytes = 8 << 20
	// maxTextItem bounds what is kept in a row, in bytes, as the store does.
	maxTextItem = 2 << 20
	// rowBytes is what a file counts besides its bytes, as for one that is uploaded.
	rowBytes = 16 << 10
)

// belongings makes keys and people of what the export holds. Whatever can be told from the private key is, so that no
// export can pair it with another's public half.
func (t *taking) belongings() (b models.Belongings, err error) {
	b.Unlisted = t.contents.Account.Unlisted
	now := time.Now()
	for i := range t.contents.Keys {
		in := &t.contents.Keys[i]
		if in.Unreadable {
			t.leaveOut("a key made on %s, which did not open where it was exported", in.Created.Format(time.DateOnly))
			continue
		}
		k, err := t.key(in, now)
		if err != nil {
			t.leaveOut("the key “%s”: %v", in.Name, err)
			continue
		}
		b.Keys = append(b.Keys, *k)
	}
	for i := range t.contents.People {
		in := &t.contents.People[i]
		p, err := t.person(in)
		if err != nil {
			t.leaveOut("the person “%s”: %v", in.Name, err)
			continue
		}
		b.People = append(b.People, *p)
	}
	return b, nil
}

func (t *taking) key(in *archive.Key, now time.Time) (*models.Key, error) {
	id, err := models.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	k := &models.Key{ID: id, Kind: in.Kind, Name: in.Name, Description: in.Description, Default: in.Default, Created: in.Created,
		MinVersion: in.MinVersion, Last: in.Last, Rewrap: in.Rewrap}
	if in.Expires != nil {
		k.Expires = *in.Expires
	}
	for j := range in.Versions {
		v := &in.Versions[j]
		pairs, err := models.ReadPairs(t.contents.Small(&v.Private), models.ReadOptions{Now: now})
		if err != nil {
			return nil, errors.New(models.ErrorMessage(err))
		}
		if len(pairs) != 1 || pairs[0].Kind != in.Kind {
			return nil, errors.New("a version is not one private key of its kind")
		}
		p := &pairs[0]
		k.Algorithm = p.Algorithm
		out := models.KeyVersion{N: v.N, State: v.State, Created: v.Created, Public: p.Public, Secret: p.Secret, Fingerprint: p.Fingerprint,
			SignsOnly: p.SignsOnly, Revocation: string(t.contents.Small(v.Revocation))}
		if p.Revoked {
			out.State = models.KeyRevoked
		}
		if v.Changed != nil {
			out.Changed = *v.Changed
		}
		k.Versions = append(k.Versions, out)
	}
	if len(k.Versions) == 0 {
		return nil, errors.New("it has no version")
	}
	return k, nil
}

func (t *taking) person(in *archive.Person) (*models.Person, error) {
	if in.Unreadable {
		return nil, errors.New("the entry did not open where it was exported")
	}
	id, err := models.ParseID(in.ID)
	if err != nil {
		return nil, err
	}
	p := &models.Person{ID: id, Name: in.Name, Note: in.Note, Created: in.Created}
	if in.Account != "" {
		if p.Account, err = models.ParseID(in.Account); err != nil {
			return nil, err
		}
		p.Login = in.Login
	}
	if in.Verified != nil {
		p.Verified = *in.Verified
	}
	for _, k := range in.Keys {
		text := k.Public
		if k.File != nil {
			text = string(t.contents.Small(k.File))
		}
		parsed, err := models.ParsePublic(text)
		if err != nil {
			return nil, errors.New(models.ErrorMessage(err))
		}
		if len(parsed) != 1 || parsed[0].Kind != k.Kind {
			return nil, errors.New("a key is not one public key of its kind")
		}
		parsed[0].Pinned = k.Pinned
		p.Keys = append(p.Keys, parsed[0])
	}
	if len(p.Keys) == 0 {
		return nil, errors.New("no public key")
	}
	return p, nil
}

// lookAtItems counts what would come.
func (t *taking) lookAtItems() error {
	for i := range t.contents.Items {
		in := &t.contents.Items[i]
		if in.File == nil {
			t.lost(in)
			continue
		}
		_, present, err := t.arrival(in)
		if err != nil {
			return err
		}
		t.count(in, present)
	}
	return nil
}

func (t *taking) arrival(in *archive.Item) (at models.ID, present bool, err error) {
	id, err := models.ParseID(in.ID)
	if err != nil {
		return at, false, err
	}
	return t.db.Items.Arrival(t.ctx, t.u, id)
}

func (t *taking) count(in *archive.Item, present bool) {
	if present {
		t.report.KnownItem++
		return
	}
	t.report.Items++
	t.report.Bytes += in.File.Size
}

func (t *taking) lost(in *archive.Item) {
	name := in.Title
	if name == "" {
		name = "an item made on " + in.Created.Format(time.DateOnly)
	}
	t.leaveOut("%s: %s", name, in.Problem)
}

// items takes the items in, each as soon as all of it was read.
func (t *taking) items() error {
	for i := range t.contents.Items {
		if t.contents.Items[i].File == nil {
			t.lost(&t.contents.Items[i])
		}
	}
	err := t.read(func(r io.Reader) error { return t.contents.Each(r, t.item) })
	if err == nil {
		err = t.flush()
	}
	if err == nil {
		err = t.db.Checkpoint(t.ctx)
	}
	return err
}

func (t *taking) item(in *archive.Item, content io.Reader) error {
	at, present, err := t.arrival(in)
	if err != nil {
		return err
	}
	if present {
		t.count(in, true)
		return nil
	}
	item := &models.Item{ID: at, Kind: in.Kind, Title: in.Title, Size: in.Size, Created: in.Created, Meta: models.ItemMeta{
		FileName: string(in.FileName), Format: in.Syntax, Detail: string(in.Detail), Others: in.Others}}
	if in.Opens != nil {
		// Of a key that did not come the note would name a stranger's row.
		if id, err := models.ParseID(in.Opens.Key); err == nil {
			if now, ok := t.moved.Place(models.KeyPlace{Key: id, N: in.Opens.Version}); ok {
				item.Meta.KeyID, item.Meta.KeyVersion = now.Key.String(), now.N
			}
		}
	}
	if in.Text && in.Kind != "file" && in.File.Size <= maxTextItem {
		err = t.text(item, content)
	} else {
		err = t.file(item, in, content)
	}
	if err == nil {
		t.count(in, false)
	}
	return err
}

func (t *taking) text(item *models.Item, content io.Reader) error {
	body, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	item.Body = bytes.Clone(body)
	if item.Body == nil {
		item.Body = []byte{}
	}
	t.batch = append(t.batch, item)
	if t.held += len(body); len(t.batch) >= batchItems || t.held >= batchBytes {
		return t.flush()
	}
	return nil
}

func (t *taking) flush() error {
	if len(t.batch) == 0 {
		return nil
	}
	err := t.db.Items.SaveAll(t.ctx, t.u, t.batch)
	t.batch, t.held = nil, 0
	models.Failpoint("export-texts")
	return err
}

// file seals a file into the vault as it is read. Its row comes last: without one the file is swept at the next start.
func (t *taking) file(item *models.Item, in *archive.Item, content io.Reader) error {
	space, err := t.files.Reserve("import", 1<<62, in.File.Size)
	if err != nil {
		return importSpace(err)
	}
	defer space.Release()
	w, err := t.files.Create(blobs.Blobs)
	if err != nil {
		return err
	}
	defer w.Abort()
	w.Charge(space)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, content, make([]byte, 256<<10)); err != nil {
		return importSpace(err)
	}
	ref, err := w.Commit()
	if err != nil {
		return importSpace(err)
	}
	models.Failpoint("export-file")
	item.Size = ref.Size
	item.Blob = &models.BlobRef{ID: models.ID(ref.ID), Key: ref.Key, Size: ref.Size, Disk: ref.Disk + rowBytes}
	if err := t.db.Items.Save(t.ctx, t.u, item); err != nil {
		return errors.Join(err, t.files.Remove(blobs.Blobs, ref.ID))
	}
	models.Failpoint("export-item")
	return nil
}

// importSpace says what to do about a full disk.
func importSpace(err error) error {
	if errors.Is(err, blobs.ErrDisk) {
		return fmt.Errorf("take files in: %s: make room on the disk", strings.TrimSuffix(err.Error(), "."))
	}
	return err
}
