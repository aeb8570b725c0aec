package handlers

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/agefile"
	"zencrypt/lang"
	"zencrypt/views"
)

// Bounds on what a form may hold besides files.
const (
	maxText    = 1 << 20     // bytes of a text, DESIGN section 5
	maxField   = 64 << 10    // bytes of any other field: a long list of recipients fits
	maxParts   = 32          // parts of a form, DESIGN section 5
	maxEncoded = 4 * maxText // an urlencoded form: three bytes for each of the text's, and the fields
)

// errMalformed is a body that is no form.
var errMalformed = fiber.ErrBadRequest

// form is a request's form, read in order: options come before the text and the files, so that a
// handler knows what to do when the first byte of content arrives. Nothing touches the disk.
type form struct {
	values url.Values
	text   []byte // the text field, with line ends as LF
	body   *bodyReader
	in     *formReader // from body
	parts  *multipart.Reader
	part   *multipart.Part // the last that advance came to
	next   *multipart.Part // the first file, not read yet
	whole  bool            // it was read up to the first file, or to its end
	count  int
	ticked int                 // people, who do not count
	files  bool                // the first file has come
	most   int64               // bytes that the fields may have in all
	held   int64               // bytes of fields that came
	hold   func(n int64) error // takes room for n bytes in all from the budget for forms
}

// readForm reads the fields of an urlencoded or multipart form up to the first file. limit bounds the
// whole body in bytes. Fields stand in memory, so what they hold is taken from the budget for forms, as
// they come and until the answer is made; files stream and hold none.
func (c *core) readForm(x *fiber.Ctx, limit int64) (*form, error) {
	f, err := c.takeForm(x, limit)
	if err == nil {
		f.whole = true
	}
	if tr := pendingOf(x); tr != nil && tr.stopped.Load() {
		return nil, errCut // while it came, the session that it came with was ended
	}
	return f, err
}

func (c *core) takeForm(x *fiber.Ctx, limit int64) (*form, error) {
	f := &form{values: url.Values{}, most: min(limit, maxEncoded)}
	if n := bodyLength(x); n >= 0 {
		f.most = min(f.most, n)
	}
	x.Locals(localTyped, f)
	f.hold = func(n int64) error { return c.holdForm(x, n, f.most) }
	kind, params, err := mime.ParseMediaType(x.Get(fiber.HeaderContentType))
	if err != nil {
		if n := x.Request().Header.ContentLength(); n == 0 || n == -2 {
			return f, nil // an empty post, such as a lone button
		}
		return nil, errMalformed
	}
	switch kind {
	case fiber.MIMEApplicationForm:
		f.receive(newBodyReader(x.Context(), min(limit, maxEncoded)), pendingOf(x))
		return f, f.readEncoded()
	case fiber.MIMEMultipartForm:
		if params["boundary"] == "" {
			return nil, errMalformed
		}
		f.receive(newBodyReader(x.Context(), limit), pendingOf(x))
		f.split(params["boundary"])
		f.next, err = f.advance()
		return f, err
	}
	return nil, fiber.ErrUnsupportedMediaType
}

func (f *form) receive(body *bodyReader, tr *transfer) {
	f.body, f.in = body, &formReader{body: body, tr: tr}
}

// split reads the body as a multipart form.
func (f *form) split(boundary string) {
	// At the end of a form that was cut between two parts mime/multipart says EOF as after the last
	// boundary, so it gets to see another error there; the line end is for clients that leave it out.
	f.parts = multipart.NewReader(io.MultiReader(f.in, strings.NewReader("\r\n"), cutForm{}), boundary)
}

// errCutForm is a multipart form whose last boundary is missing.
var errCutForm = errors.New("form ends before its last boundary")

type cutForm struct{}

func (cutForm) Read([]byte) (int, error) { return 0, errCutForm }

func (f *form) readEncoded() error {
	raw := counting{form: f}
	if _, err := io.Copy(&raw, f.in); err != nil {
		return bodyError(err)
	}
	v, err := url.ParseQuery(raw.bytes.String())
	if err != nil {
		return errMalformed
	}
	n := 0
	for name, all := range v {
		if n += len(all); n > maxParts*4 || len(name) > maxName {
			return errMalformed
		}
		for _, s := range all {
			if len(s) > bound(name) {
				return tooLong(name)
			}
		}
	}
	f.values, f.text = v, lineEnds([]byte(v.Get("text")))
	f.values.Del("text")
	return nil
}

// advance reads fields up to the next file and gives that file, or nil at the end.
func (f *form) advance() (*multipart.Part, error) {
	for {
		p, err := f.nextPart()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		// People who are ticked are one choice, of as many as a file can be for.
		if f.count++; p.FormName() == "person" && f.ticked < agefile.MaxStanzas {
			f.ticked++
			f.count--
		}
		if f.count > maxParts {
			return nil, &refusal{status: fiber.StatusRequestEntityTooLarge, problem: problem("errors.too-many-parts",
				"errors.too-many-parts-detail", "errors.too-many-parts-next")}
		}
		name := p.FormName()
		if _, _, err := mime.ParseMediaType(p.Header.Get(fiber.HeaderContentDisposition)); err != nil {
			return nil, errMalformed // a quote inside a quoted name, say: whose content this is can't be known
		}
		if len(name) > maxName {
			return nil, errMalformed
		}
		if name != "signature_file" && p.FileName() != "" || (name == "file" && isFile(p)) {
			if p.FileName() == "" {
				// A browser sends an empty part for a file field that nothing was chosen in.
				var one [1]byte
				if n, _ := io.ReadFull(p, one[:]); n == 0 {
					continue
				}
				return nil, errMalformed
			}
			f.files = true
			return p, nil
		}
		// A signature is small, and has to be there before the first byte of what it is over: it counts as a field.
		if f.files {
			p := problem("errors.wrong-order", "", "errors.wrong-order-next")
			p.detail = told("errors.wrong-order-detail",
				lang.Args{"Field": printable(name)})
			return nil, &refusal{status: fiber.StatusUnprocessableEntity, problem: p}
		}
		b := counting{form: f}
		n, err := io.Copy(&b, io.LimitReader(p, int64(bound(name))+1))
		if err != nil {
			return nil, bodyError(err)
		}
		if n > int64(bound(name)) {
			return nil, tooLong(name)
		}
		if name == "text" {
			f.text = lineEnds(b.bytes.Bytes())
		} else {
			f.values.Add(name, b.bytes.String())
		}
	}
}

// nextPart reads the next part's headers, and before them what is left of the part before.
func (f *form) nextPart() (p *multipart.Part, err error) {
	if f.part != nil {
		_ = f.part.Close() // content, of which there may be much; its error comes again below
	}
	err = f.in.head(func() error {
		p, err = f.parts.NextRawPart()
		return err
	})
	f.part = p
	return p, err
}

func isFile(p *multipart.Part) bool {
	_, params, err := mime.ParseMediaType(p.Header.Get(fiber.HeaderContentDisposition))
	_, has := params["filename"]
	return err == nil && has
}

// file gives the next file of the form, or nil after the last.
func (f *form) file() (*multipart.Part, error) {
	if f.parts == nil {
		return nil, nil
	}
	p := f.next
	f.next = nil
	if p == nil {
		return f.advance()
	}
	return p, nil
}

// hasFile tells whether a file waits to be read.
func (f *form) hasFile() bool { return f.next != nil }

// both tells whether a text was chosen and typed, and an earlier choice of a file came along. Only pages
// without a script send it so.
func (f *form) both() bool { return f.get("mode") != "files" && len(f.text) > 0 && f.hasFile() }

// mode is what the form is about: "text" or "files".
func (f *form) mode() string {
	if f.get("mode") == "files" || f.hasFile() && !f.both() {
		return "files"
	}
	return "text"
}

// check puts what a form can't mean beside its fields: a text and a file at once, and a result that is to
// be saved, for nobody: the form was loaded in a session that has ended.
func (f *form) check(x *fiber.Ctx, errs views.Fields) {
	if f.on("save") && visitorOf(x).user == nil {
		errs["save"] = say(x, "wrong.logged-out-save")
	}
	if f.both() {
		errs["text"] = say(x, "wrong.text-and-file")
	}
}

// content is the text field's bytes: what was typed, or what the page sent as base64, so that not one
// byte of a result changes on its way back. max is the limit in bytes of what comes out.
func (f *form) content(max int) ([]byte, error) {
	b := f.text
	if f.encoded() {
		var err error
		if b, err = base64.StdEncoding.AppendDecode(nil, bytes.TrimSpace(b)); err != nil {
			return nil, errMalformed
		}
	}
	if len(b) > max {
		return nil, tooLong("text")
	}
	return b, nil
}

// encoded tells whether the text is a result that comes back, and not typed.
func (f *form) encoded() bool { return f.get("encoding") == "base64" }

// lineEnds gives a text as it was typed: a browser sends every line end of a text field as CRLF.
func lineEnds(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")) }

func (f *form) get(name string) string { return f.values.Get(name) }

// on tells whether a checkbox is set.
func (f *form) on(name string) bool {
	switch strings.ToLower(f.get(name)) {
	case "", "0", "off", "false", "no":
		return false
	}
	return true
}

// bound is how many bytes a field may have. The text may be nothing but line ends, which come as two
// bytes each, or base64 of a text result, whose armor is itself a third larger than what was typed.
func bound(name string) int {
	if name == "text" {
		return 2 * maxText
	}
	return maxField
}

func tooLong(name string) error {
	if name == "text" {
		return &refusal{status: fiber.StatusRequestEntityTooLarge, problem: problem("errors.text-too-long",
			"errors.text-too-long-detail", "errors.text-too-long-next")}
	}
	p := problem("errors.field-too-long", "", "errors.field-too-long-next")
	p.detail = told("errors.field-too-long-detail", lang.Args{"Field": printable(name)})
	return &refusal{status: fiber.StatusRequestEntityTooLarge, problem: p}
}

// bodyError tells a body that was cut or refused from one that is malformed.
func bodyError(err error) error {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, errTooLarge):
		return fiber.ErrRequestEntityTooLarge
	case errors.Is(err, errSlow), errors.Is(err, errGone):
		return err
	case errors.Is(err, errCut):
		return errCut
	}
	return errMalformed
}
