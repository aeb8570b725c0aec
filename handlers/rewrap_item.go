package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math"
	"strings"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/limits"
	"zencrypt/models"
)

// Why an item stays as it is.
const (
	keptUnreadable = keptError(models.KeptDamaged)
	keptShared     = keptError(models.KeptShared)
	keptSigned     = keptError(models.KeptSigned)
)

// renew encrypts an item anew to its key's active version. The new content is on the disk, opened and compared
// before the row points to it; what was there before is removed after that. So it opens at every moment, also
// when the power goes.
func (j *rewrapJob) renew(ctx context.Context, t rewrapTask) error {
	item, err := j.db.Items.GetAny(ctx, j.user, t.Item)
	if models.ErrorCode(err) == models.NotFound {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	if item.Unreadable {
		return keptUnreadable
	}
	if item.Kind != "ciphertext" || item.Meta.KeyID != t.Key.String() || item.Meta.KeyVersion != t.Version {
		return nil // another one by now
	}
	if item.Blob == nil {
		err = j.renewText(ctx, t, item)
	} else {
		err = j.renewFile(ctx, t, item)
	}
	if models.ErrorCode(err) == models.Conflict {
		return errAgain
	}
	return err
}

func (j *rewrapJob) renewText(ctx context.Context, t rewrapTask, item *models.Item) error {
	var b bytes.Buffer
	old := item.Body
	err := j.reencrypt(t, item, &b, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(old)), nil },
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		return err
	}
	space, err := j.files.ReserveRow(accountOwner(j.user), math.MaxInt64, int64(b.Len()))
	if err != nil {
		return err
	}
	defer space.Release()
	item.Body, item.Size = b.Bytes(), int64(b.Len())
	item.Meta.KeyVersion, item.Meta.Kept = t.key.Active(j.opt.Now()).N, ""
	if err := j.db.Items.Replace(ctx, j.user, item); err != nil {
		return err
	}
	space.Keep(int64(b.Len()))
	j.files.FreeOwner(accountOwner(j.user), int64(len(old)))
	return nil
}

func (j *rewrapJob) renewFile(ctx context.Context, t rewrapTask, item *models.Item) error {
	j.reads(1)
	defer j.reads(-1)
	// A person at the quota's end may rewrap too: for the length of one item there are two copies.
	space, err := j.files.ReserveRow(accountOwner(j.user), math.MaxInt64, 0)
	if err != nil {
		return err
	}
	defer space.Release()
	w, err := j.files.Create(blobs.Blobs)
	if err != nil {
		return err
	}
	defer w.Abort()
	w.Charge(space)
	old := *item.Blob
	var ref blobs.Ref
	err = j.reencrypt(t, item, w, func() (io.ReadCloser, error) { return j.files.Open(blobs.Blobs, blobRef(&old)) },
		func() (io.ReadCloser, error) {
			if ref, err = w.Commit(); err != nil {
				return nil, err
			}
			models.Failpoint("rewrap-written")
			return j.files.Open(blobs.Blobs, ref)
		})
	if err == nil {
		item.Blob = &models.BlobRef{ID: models.ID(ref.ID), Key: ref.Key, Size: ref.Size, Disk: ref.Disk + rowBytes}
		item.Size = ref.Size
		item.Meta.KeyVersion, item.Meta.Kept = t.key.Active(j.opt.Now()).N, ""
		err = j.db.Items.Replace(ctx, j.user, item)
	}
	if err != nil {
		if ref.Size > 0 || ref.Disk > 0 {
			j.dropBlobs([]models.ID{models.ID(ref.ID)})
		}
		return err
	}
	models.Failpoint("rewrap-switched")
	space.Keep(ref.Disk + rowBytes)
	j.dropBlobs([]models.ID{old.ID})
	j.files.FreeOwner(accountOwner(j.user), old.Disk)
	return nil
}

func accountOwner(u *models.Unlocked) string { return "account:" + u.Account.ID.String() }

// reencrypt decrypts what from gives and encrypts it into dst, then opens what again gives with the active version
// alone and compares: the old is replaced only by what was seen to open.
func (j *rewrapJob) reencrypt(t rewrapTask, item *models.Item, dst io.Writer, from, again func() (io.ReadCloser, error)) error {
	now := j.opt.Now()
	key := t.key
	active := key.Active(now)
	if active == nil {
		return nil
	}
	if key.Kind == models.KindFernet {
		release, err := j.memory.Acquire(context.Background(), limits.User, wholeWeight(item.Size))
		if err != nil {
			return err
		}
		defer release()
	}
	others, err := j.alsoFor(item, from)
	if err != nil {
		return err
	}
	src, err := from()
	if err != nil {
		return j.damaged(err)
	}
	defer src.Close()
	in := &guarded{Reader: &countedReader{src, j}, tr: j.tr, now: j.opt.Now, touch: j.look}
	p, err := crypto.Decrypt(in, j.keysOf(key), crypto.Options{Now: j.opt.Now})
	if err != nil {
		return j.damaged(err)
	}
	target, err := ownTarget(key.Kind, active, others)
	if err != nil {
		return err
	}
	target.Armor, target.Name = p.Armored, ""
	if key.Kind == models.KindPGP {
		target.Name = p.Name()
	}
	w, err := crypto.Encrypt(dst, target, now)
	if err != nil {
		return err
	}
	before := sha256.New()
	if _, err := copyTo(w, io.TeeReader(stopReader{p, j}, before)); err != nil {
		return j.damaged(err)
	}
	if len(p.Signatures()) > 0 {
		return keptSigned
	}
	if err := w.Close(); err != nil {
		return err
	}
	check, err := again()
	if err != nil {
		return err
	}
	defer check.Close()
	only := *key
	only.Versions = []models.KeyVersion{*active}
	if p, err = crypto.Decrypt(check, j.keysOf(&only), crypto.Options{Now: j.opt.Now}); err != nil {
		return err
	}
	after := sha256.New()
	if _, err := copyTo(after, stopReader{p, j}); err != nil {
		return err
	}
	if !bytes.Equal(before.Sum(nil), after.Sum(nil)) {
		return errors.New("rewrap: what was written differs from what was read")
	}
	return nil
}

// damaged tells what is wrong with an item from what is wrong with the server.
func (j *rewrapJob) damaged(err error) error {
	switch {
	case errors.Is(err, errCut), errors.Is(err, errStopped):
		return errStopped
	case errors.Is(err, blobs.ErrDamaged), errors.Is(err, fs.ErrNotExist), errors.Is(err, crypto.ErrDamaged), errors.Is(err, crypto.ErrFormat),
		errors.Is(err, crypto.ErrNoKey), errors.Is(err, crypto.ErrRefused), errors.Is(err, crypto.ErrExpired), errors.Is(err, crypto.ErrTooLarge):
		return keptUnreadable
	}
	return err
}

// alsoFor returns the public keys of whom else an item is for. Where there are others and nobody knows them, the
// item has to stay as it is.
func (c *core) alsoFor(item *models.Item, from func() (io.ReadCloser, error)) (others string, err error) {
	src, err := from()
	if err != nil {
		return "", keptUnreadable
	}
	defer src.Close()
	switch item.Meta.Format {
	case string(crypto.FormatPGP):
		info, err := crypto.Inspect(src)
		if err != nil {
			return "", keptUnreadable
		}
		if len(info.PGP.Recipients)+len(info.PGP.Passphrases) > 1 {
			return "", keptShared
		}
	case string(crypto.FormatAge), "":
		info, err := agefile.Inspect(src)
		if err != nil {
			return "", nil // a token, which is for one key
		}
		n := -1
		for _, stanza := range info.Stanzas {
			if !strings.HasSuffix(stanza, "-grease") {
				n++
			}
		}
		if n != len(strings.Fields(item.Meta.Others)) {
			return "", keptShared
		}
		return item.Meta.Others, nil
	}
	return "", nil
}

// ownTarget encrypts to a version of a key, and to others beside it.
func ownTarget(kind string, v *models.KeyVersion, others string) (t crypto.Target, err error) {
	switch kind {
	case models.KindAge, models.KindAgePQ:
		t.Recipients, err = agefile.ParseRecipients(v.Public + "\n" + others)
		return t, err
	case models.KindFernet:
		key, err := fernet.ParseKey(string(v.Secret))
		t.Fernet = &key
		return t, err
	case models.KindPGP:
		key, err := v.PGP()
		if err != nil {
			return t, err
		}
		t.PGP = append(t.PGP, key.Certificate())
		return t, nil
	}
	return t, errors.New("encrypt to own key: this kind only decrypts")
}

// countedReader counts towards a job's progress.
type countedReader struct {
	io.Reader
	j *rewrapJob
}

func (r *countedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.j.bytesDone.Add(int64(n))
	return n, err
}

// stopReader ends when its job is to.
type stopReader struct {
	io.Reader
	j *rewrapJob
}

func (r stopReader) Read(p []byte) (int, error) {
	if r.j.stopped() {
		return 0, errStopped
	}
	return r.Reader.Read(p)
}
