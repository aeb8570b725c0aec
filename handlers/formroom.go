package handlers

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
)

// textsRetry is when a client with too many long texts may come again.
const textsRetry = 5 * time.Second

const (
	// formBytes bounds the fields of all forms that are on their way in or being answered: 32 of the longest.
	formBytes = 128 << 20
	// formStep is what a form takes of that at a time, as its bytes come: who announces a long text and sends none
	// of it keeps no room from others.
	formStep = 64 << 10
	// formSure is how much of it has to have come for the rest to be taken at once, while half of all room is free: who is
	// that far finishes, and does not meet a full room again at each step, while all who hold some wait for each other.
	formSure = 4 * formStep
	// formsPerClient bounds the forms of one client that hold room at once, so that no one has all of it.
	formsPerClient = 4
	// smallForm is how many bytes of fields are not counted: as much stands in memory before a handler runs.
	smallForm = smallBody
	// maxName is how many bytes a field's name may have: names stand in memory as long as the form, and no page's has 20.
	maxName = 64
	// maxHead bounds the bytes that come while mime/multipart looks for a part and reads its headers, which it does without
	// a bound before the first part and up to 10 MiB a part; 4 KiB of them may be the content behind. A name of 255 letters, each
	// of four bytes that come percent-encoded, takes 3 KiB, and some clients send it in two ways (RFC 6266, section 4.3).
	maxHead = 16 << 10
)

// formReader is a form's body as it is parsed. It ends when the sender's session is ended.
type formReader struct {
	body io.Reader
	tr   *transfer // may be nil
	left int       // bytes that a part's head may still have; looked at while one is read
	in   bool
}

// head runs next, which reads the head of a part.
func (r *formReader) head(next func() error) error {
	r.left, r.in = maxHead, true
	defer func() { r.in = false }()
	return next()
}

func (r *formReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.tr != nil && r.tr.stopped.Load() { // also while it waited for these very bytes
		return 0, errCut
	}
	if r.in {
		if r.left -= n; r.left < 0 {
			return 0, errMalformed
		}
	}
	return n, err
}

// formRoom is what a request's form holds of the budget for forms.
type formRoom struct {
	bytes   int64
	release []func()
}

// holdForm takes room until the request's form holds n bytes, in whole steps, or the most that it may have once it is
// sure to finish; releaseForm gives it back. Whoever sends is a User here: a guest's place is for slow hashes, and there
// is but one.
func (c *core) holdForm(x *fiber.Ctx, n, most int64) error {
	room, ok := x.Locals(localForm).(*formRoom)
	if !ok {
		leave, ok := c.longForms.Enter(place(visitorOf(x)))
		if !ok {
			return &refusal{status: fiber.StatusServiceUnavailable, retry: textsRetry, // nobody guesses: they are many, or behind one address
				problem: problem("errors.many-texts", "errors.many-texts-detail", "errors.two-uploads-next")}
		}
		room = &formRoom{release: []func(){leave}}
		x.Locals(localForm, room)
	}
	if s := c.forms.State(); n > formSure && n < most && s.Held < s.Total/2 {
		n = most
	}
	more := (n+formStep-1)/formStep*formStep - room.bytes
	if more <= 0 {
		return nil
	}
	release, err := c.forms.Acquire(x.UserContext(), limits.User, more)
	var busy *limits.BusyError
	if errors.As(err, &busy) {
		p := problem("errors.busy", "errors.busy-texts", "")
		p.next = tryIn(busy.RetryAfter)
		return &refusal{status: fiber.StatusServiceUnavailable, retry: busy.RetryAfter, problem: p}
	}
	if err != nil {
		return err
	}
	room.bytes += more
	room.release = append(room.release, release)
	return nil
}

// releaseForm gives back what the request's form held.
func releaseForm(x *fiber.Ctx) {
	if room, ok := x.Locals(localForm).(*formRoom); ok {
		for _, release := range room.release {
			release()
		}
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
	if f.held > smallForm {
		if err := f.hold(f.held); err != nil {
			return 0, err
		}
	}
	return b.bytes.Write(p)
}
