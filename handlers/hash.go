package handlers

import (
	"encoding/hex"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/digest"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// hash is the verb: digests and HMACs of text and files, several algorithms in one pass.
type hash struct{ *core }

var hashPage = sheet{title: "titles.hash", Page: views.Page{Active: "hash"}}

// New handles GET /hash: the empty form.
func (h *hash) New(x *fiber.Ctx) error {
	return h.render(x, fiber.StatusOK, hashPage, views.Hash(h.form(x, nil), views.Outcome{}))
}

func (h *hash) form(x *fiber.Ctx, f *form) views.HashForm {
	vm := views.HashForm{LoggedIn: visitorOf(x).user != nil, Mode: "text", MaxUpload: h.opt.MaxUpload, Errors: views.Fields{}}
	chosen := map[string]bool{}
	if f != nil {
		for _, id := range f.values["algorithm"] {
			for id := range strings.SplitSeq(id, ",") {
				id = strings.ToLower(strings.TrimSpace(id))
				if _, ok := digest.Lookup(id); !ok {
					vm.Errors["algorithm"] = say(x, "wrong.unknown-algorithm")
				}
				chosen[id] = true
			}
		}
		vm.Text, vm.Salt, vm.Expected = shown(f.text), printable(f.get("salt")), printableLines(f.get("expected"))
		vm.Save = f.on("save")
		vm.Mode = f.mode()
		f.check(x, vm.Errors)
	}
	if len(chosen) == 0 {
		chosen["sha256"] = true
	}
	for _, a := range digest.Algorithms() {
		group := a.Group // SHA-2, BLAKE, ...
		if a.Broken {
			group = say(x, "choices.broken")
		}
		vm.Algorithms = append(vm.Algorithms, views.Algorithm{ID: a.ID, Label: a.Label, Group: group, Broken: a.Broken, HMAC: a.HMAC, Checked: chosen[a.ID]})
	}
	return vm
}

// hashJob is what a valid form asks for.
type hashJob struct {
	ids      []string
	key      []byte
	salt     []byte
	expected string
	save     bool
	items    []*models.Item // the digests to keep, one an input
}

// Create handles POST /hash: 200 with the table, 422 with the form when a field is wrong.
func (h *hash) Create(x *fiber.Ctx) error {
	if err := h.checkSize(x); err != nil {
		return err
	}
	f, err := h.readForm(x, h.bodyLimit())
	if err != nil {
		return err
	}
	start := h.opt.Now()
	vm := h.form(x, f)
	job := h.job(x, f, &vm)
	var out views.Outcome
	if len(vm.Errors) == 0 {
		res := &views.HashResult{HMAC: job.key != nil, Salted: len(job.salt) > 0, Compared: job.expected != "", Expected: job.expected, CanSave: vm.LoggedIn}
		if f.hasFile() {
			err = h.hashFiles(x, f, job, res)
		} else {
			err = h.hashText(x, f, job, res)
		}
		if err == nil {
			err = h.keepDigests(x, job.items, res)
		}
		if err != nil {
			return err
		}
		res.Took = h.opt.Now().Sub(start)
		out.Hash = res
	}
	status := fiber.StatusOK
	if out.Errors = vm.Errors; len(out.Errors) > 0 {
		status = fiber.StatusUnprocessableEntity
	}
	return h.outcome(x, status, hashPage, views.Hash(vm, out), out)
}

func (h *hash) job(x *fiber.Ctx, f *form, vm *views.HashForm) *hashJob {
	job := &hashJob{salt: []byte(f.get("salt")), save: vm.Save}
	if k := f.get("hmac_key"); k != "" {
		job.key = []byte(k)
	}
	for _, a := range vm.Algorithms {
		if !a.Checked {
			continue
		}
		if job.key != nil && !a.HMAC {
			vm.Errors["algorithm"] = say(x, "wrong.no-hmac", lang.Args{"Algorithm": a.Label})
		}
		job.ids = append(job.ids, a.ID)
	}
	if vm.Mode == "files" && !f.hasFile() {
		vm.Errors["file"] = say(x, "wrong.choose-file")
	}
	if s := strings.TrimSpace(f.get("expected")); s != "" {
		want, _, err := digest.ParseExpected(s)
		if err != nil {
			vm.Errors["expected"] = reason(x.UserContext(), err)
		} else if !h.fits(want, job.ids) {
			vm.Errors["expected"] = say(x, "wrong.digest-length")
		}
		job.expected = want
	}
	return job
}

func (h *hash) fits(hexDigest string, ids []string) bool {
	for _, id := range ids {
		if a, _ := digest.Lookup(id); a.Size == hex.DecodedLen(len(hexDigest)) {
			return true
		}
	}
	return false
}

func (h *hash) hashText(x *fiber.Ctx, f *form, job *hashJob, res *views.HashResult) error {
	text, err := f.content(maxText)
	if err != nil {
		return err
	}
	return h.one(x, say(x, "results.text"), strings.NewReader(string(text)), job, res)
}

// hashFiles stores nothing, so it reserves no space.
func (h *hash) hashFiles(x *fiber.Ctx, f *form, job *hashJob, res *views.HashResult) error {
	return h.eachFile(x, f, 0, func(_ *upload, name string, content io.Reader) error {
		return h.one(x, name, content, job, res)
	})
}

// one hashes an input and, as Zencrypt always did, the salt after it.
func (h *hash) one(x *fiber.Ctx, name string, r io.Reader, job *hashJob, res *views.HashResult) error {
	hasher, err := digest.New(job.ids, job.key)
	if err != nil {
		return err
	}
	defer hasher.Close()
	n, err := copyTo(hasher, r)
	if err != nil {
		return err
	}
	if _, err := hasher.Write(job.salt); err != nil {
		return err
	}
	sums, err := hasher.Sums()
	if err != nil {
		return err
	}
	in := views.HashInput{Name: name, Size: n}
	match := -1
	if job.expected != "" {
		match = digest.Match(sums, job.expected)
	}
	var tags []string
	for i, s := range sums {
		label := s.Algorithm.Label
		if s.Keyed {
			label = "HMAC-" + label
		}
		in.Rows = append(in.Rows, views.HashRow{Label: label, Hex: s.Hex(), Broken: s.Algorithm.Broken, Match: i == match})
		tags = append(tags, digest.Tag(s, name))
	}
	res.Matched = res.Matched || match >= 0
	in.Tags = strings.Join(tags, "\n") + "\n"
	if job.save {
		job.items = append(job.items, &models.Item{Kind: "digest", Title: say(x, "results.digests-of", lang.Args{"Name": name}), Size: int64(len(in.Tags)), Body: []byte(in.Tags), Meta: models.ItemMeta{Detail: in.Rows[0].Label}})
	}
	res.Inputs = append(res.Inputs, in)
	return nil
}

// keepDigests saves all digests of a request, or none. It comes after the last byte of the request: a
// client that goes away between two files leaves no row.
func (h *hash) keepDigests(x *fiber.Ctx, items []*models.Item, res *views.HashResult) error {
	for i, item := range items {
		if err := h.saveText(x, item); err != nil {
			for _, saved := range items[:i] {
				h.forget(x, saved)
			}
			return err
		}
		res.Inputs[i].Saved = "/vault/" + item.ID.String()
	}
	return nil
}
