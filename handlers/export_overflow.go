package handlers

import (
	"io"

	"zencrypt/archive"
	"zencrypt/blobs"
	"zencrypt/models"
)

// overflowMax bounds what one export keeps beside memory, in bytes: a manifest and the sums of a million items.
const overflowMax = 2 << 30

// overflow is a part of an export that does not fit into memory. It lies in the spool, wrapped like everything there,
// and does not count on the person's quota: who has used all of it must be able to leave.
func (e *exporting) overflow(u *models.Unlocked) (archive.Overflow, error) {
	space, err := e.files.Reserve("export:"+u.Account.ID.String(), overflowMax, -1)
	if err != nil {
		return nil, err
	}
	w, err := e.files.Create(blobs.Spool)
	if err != nil {
		space.Release()
		return nil, err
	}
	w.Charge(space)
	return &overflow{Writer: w, files: e.files, space: space}, nil
}

type overflow struct {
	*blobs.Writer
	files *blobs.Store
	space *blobs.Reservation
	ref   blobs.Ref
}

// Open ends the writing and reads from the beginning.
func (o *overflow) Open() (io.ReadCloser, error) {
	ref, err := o.Commit()
	if err != nil {
		return nil, err
	}
	o.ref = ref
	return o.files.Open(blobs.Spool, ref)
}

// Remove takes it off the disk.
func (o *overflow) Remove() {
	_ = o.Abort()
	if o.ref.ID != (blobs.ID{}) {
		_ = o.files.Remove(blobs.Spool, o.ref.ID)
	}
	o.space.Release()
}
