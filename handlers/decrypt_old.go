package handlers

import (
	"io"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/views"
)

// oldHash is what the slow hash of an older Zencrypt's file holds of the budget, in bytes. PBKDF2 needs next to no
// memory; its place in the queue is what counts.
const oldHash = 64 << 10

// checkOld says what a file of an older Zencrypt's command line can't do without: nothing about it can be found out
// by looking.
func (d *decrypt) checkOld(x *fiber.Ctx, f *form, errs views.Fields) {
	if !f.hasFile() {
		errs["old_file"] = say(x, "wrong.old-file")
	}
}

// openOld decrypts a file of an older Zencrypt's command line while it arrives. The plaintext goes into the spool, wrapped
// like everything there: the file has no key of its own that would open it again for the download.
func (d *decrypt) openOld(u *upload, content io.Reader, k openKeys) (ref blobs.Ref, o attempt, err error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return ref, o, err
	}
	defer spool.Abort()
	release, err := d.budget.Acquire(u.x.UserContext(), class(u.v), oldHash)
	if err != nil {
		return ref, o, err
	}
	typed := k.typed
	typed.Ask = func() (string, error) { return "", nil } // the older command line took an empty passphrase, too
	o.plain, o.err = crypto.Decrypt(content, typed, crypto.Options{Format: crypto.FormatLegacyFile})
	release()
	if o.err == nil {
		if o.size, err = copyTo(spool, o.plain); err != nil {
			return ref, o, err
		}
	}
	ref, err = spool.Commit()
	return ref, o, err
}
