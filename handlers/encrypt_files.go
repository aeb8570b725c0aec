package handlers

import (
	"fmt"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/fernet"
	"zencrypt/models"
	"zencrypt/views"
)

func (e *encrypt) filesOf(x *fiber.Ctx, f *form, job *encryptJob) (out []views.FileResult, err error) {
	err = e.eachFile(x, f, bodyLength(x), func(u *upload, name string, content io.Reader) error {
		r, err := e.one(u, name+job.suffix, content, job)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}

// one encrypts a file as it arrives into the spool.
func (e *encrypt) one(u *upload, name string, content io.Reader, job *encryptJob) (*views.FileResult, error) {
	if job.target.Fernet != nil {
		held, done, err := e.whole(u, content)
		if err != nil {
			return nil, err
		}
		defer done()
		content = held
	}
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return nil, err
	}
	defer spool.Abort()
	w, err := e.seal(u.x, job, spool)
	if err != nil {
		return nil, err
	}
	if _, err := copyTo(w, content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	ref, err := spool.Commit()
	if err != nil {
		return nil, err
	}
	r := &models.Result{Verb: "encrypt", State: models.StateReady, Size: ref.Size, Meta: models.ResultMeta{Name: name, FileFormat: job.format,
		Headline: job.headline, Facts: job.fileFacts(u.x), Item: job.meta(name),
		Commands: job.command(name, strings.TrimSuffix(name, job.suffix))}}
	if err := u.store(r, ref); err != nil {
		return nil, err
	}
	saved := ""
	if job.save {
		if saved, err = e.save(u, r); err != nil {
			return nil, err
		}
	}
	return resultView(u.x, r, saved, u.v), nil
}

func (j *encryptJob) fileFacts(x *fiber.Ctx) [][2]string {
	all := [][2]string{{say(x, "results.format"), detail(x.UserContext(), j.detail)}}
	for _, f := range j.facts {
		all = append(all, [2]string{f.Name, f.Value})
	}
	return all
}

const fernetTooLong = ": a Fernet message may have 64 MiB"

// whole takes a message of a format that has to stand in memory as a whole. It is spooled first, sealed
// as everything there, and the memory is taken when the last byte is here: a slow sender holds none.
func (c *core) whole(u *upload, content io.Reader) (held io.Reader, done func(), err error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return nil, nil, err
	}
	defer spool.Abort()
	n, err := copyTo(spool, io.LimitReader(content, fernet.MaxMessage+1))
	if err != nil {
		return nil, nil, err
	}
	if n > fernet.MaxMessage {
		return nil, nil, fmt.Errorf("%w"+fernetTooLong, crypto.ErrTooLarge)
	}
	ref, err := spool.Commit()
	if err != nil {
		return nil, nil, err
	}
	drop := func() { _ = c.files.Remove(blobs.Spool, ref.ID) }
	release, err := c.memory.Acquire(u.x.UserContext(), class(u.v), wholeWeight(n))
	if err != nil {
		drop()
		return nil, nil, err
	}
	r, err := c.files.Open(blobs.Spool, ref)
	if err != nil {
		release()
		drop()
		return nil, nil, err
	}
	return r, func() { _ = r.Close(); release(); drop() }, nil
}

// wholeWeight is the memory of a Fernet message of n bytes: the token, its bytes, the plaintext.
func wholeWeight(n int64) int64 { return min(max(n, 64<<10)*4, wholeBytes) }

// copyTo copies in pieces of 64 KiB, the size of an age chunk.
func copyTo(w io.Writer, r io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 64<<10))
}
