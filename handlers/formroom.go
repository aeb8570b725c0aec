package handlers

import (
	"bytes"
	"errors"

	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
)

const (
	// formBytes bounds the fields of all forms that are on their way in or being answered: 32 of the longest.
	formBytes = 128 << 20
	// smallForm is how many bytes of fields are not counted: as much stands in memory before a handler runs.
	smallForm = smallBody
)

// holdForm takes room for a form's fields, which releaseForm gives back. Whoever sends is a User here: a
// guest's place is for slow hashes, and there is but one.
func (c *core) holdForm(x *fiber.Ctx, n int64) error {
	release, err := c.forms.Acquire(x.UserContext(), limits.User, n)
	var busy *limits.BusyError
	if errors.As(err, &busy) {
		p := problem("errors.busy", "errors.busy-texts", "")
		p.next = tryIn(busy.RetryAfter)
		return &refusal{status: fiber.StatusServiceUnavailable, retry: busy.RetryAfter, problem: p}
	}
	if err != nil {
		return err
	}
	x.Locals(localForm, release)
	return nil
}

// releaseForm gives back what the request's form held.
func releaseForm(x *fiber.Ctx) {
	if release, ok := x.Locals(localForm).(func()); ok {
		release()
	}
}

// counting keeps a form's bytes and counts them. The few bytes that most forms have are free, so that no
// crowd of long texts keeps anybody from logging in.
type counting struct {
	bytes bytes.Buffer
	form  *form
}

func (b *counting) Write(p []byte) (int, error) {
	f := b.form
	if f.held += int64(len(p)); f.held > f.most {
		return 0, errTooLarge
	}
	if f.held > smallForm && f.take != nil {
		if err := f.take(); err != nil {
			return 0, err
		}
		f.take = nil
	}
	return b.bytes.Write(p)
}
