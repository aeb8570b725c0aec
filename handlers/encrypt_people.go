package handlers

import (
	"errors"
	"slices"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/agefile"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// A recipient is somebody to encrypt to, with the keys that may be used.
type recipient struct {
	who   string // as the page calls them
	keys  []models.PublicKey
	fresh *models.Person // found by login just now: pinned when something is encrypted to them
	named bool           // a person, not a bare key
}

// has tells whether there is a key of one of some kinds that can be encrypted to.
func (r *recipient) has(kinds ...string) bool {
	return slices.ContainsFunc(r.keys, func(k models.PublicKey) bool { return slices.Contains(kinds, k.Kind) })
}

// recipients reads for whom to encrypt: ticked people, names, logins and pasted keys. What is wrong goes into
// vm.Errors, and into stop where a page has to be looked at first. me is set when the person's own login is among them.
func (e *encrypt) recipients(x *fiber.Ctx, f *form, vm *views.EncryptForm) (all []recipient, me bool, stop *views.Problem, err error) {
	entries, bad := readRecipients(f.get("recipients"))
	if bad != nil {
		vm.Errors["recipients"] = reason(x.UserContext(), bad)
		if errors.Is(bad, errPrivatePasted) {
			vm.Recipients = "" // a secret stays no longer than it must
		}
		return nil, false, nil, nil
	}
	ticked := f.values["person"]
	if len(entries)+len(ticked) == 0 {
		vm.Errors["recipients"] = say(x, "wrong.no-recipients")
		return nil, false, nil, nil
	}
	book := &book{core: e.core, x: x, vm: vm, seen: make(map[string]bool)}
	if err := book.load(); err != nil {
		return nil, false, nil, err
	}
	for _, id := range ticked {
		i := slices.IndexFunc(book.people, func(p models.Person) bool { return p.ID.String() == id })
		if i < 0 {
			vm.Errors["recipients"] = say(x, "wrong.ticked-gone")
			return nil, false, nil, nil
		}
		book.person(&book.people[i])
	}
	for _, entry := range entries {
		if entry.key != nil {
			book.key(entry.key)
		} else if err := book.name(entry.name); err != nil {
			return nil, false, nil, err
		}
	}
	if len(vm.Errors) > 0 || book.stop != nil {
		return nil, false, book.stop, nil
	}
	return book.all, book.me, nil, nil
}

// A book looks entries up among the people of who asks.
type book struct {
	*core
	x      *fiber.Ctx
	vm     *views.EncryptForm
	people []models.Person
	offers map[models.ID]*models.Offer
	seen   map[string]bool

	all  []recipient
	me   bool
	stop *views.Problem
}

func (b *book) load() (err error) {
	if u := visitorOf(b.x).user; u != nil {
		b.people, b.offers, err = b.db.People.List(b.x.UserContext(), u)
	}
	return err
}

func (b *book) refuse(why string) {
	if b.vm.Errors["recipients"] == "" {
		b.vm.Errors["recipients"] = why
	}
}

// add keeps what can be encrypted to; who has nothing that can is refused with the reason.
func (b *book) add(r recipient, keys []models.PublicKey) {
	var why error
	for _, k := range keys {
		if err := k.CheckEncrypt(b.opt.Now()); err != nil {
			why = err
		} else {
			r.keys = append(r.keys, k)
		}
	}
	switch {
	case len(r.keys) > 0:
		b.all = append(b.all, r)
	case why != nil:
		b.refuse(say(b.x, "wrong.nothing-to-person", lang.Args{"Name": r.who, "Reason": reason(b.x.UserContext(), why)}))
	default:
		b.refuse(say(b.x, "wrong.person-has-no-key", lang.Args{"Name": r.who}))
	}
}

func (b *book) key(k *models.PublicKey) {
	if id := k.Kind + k.Fingerprint; !b.seen[id] {
		b.seen[id] = true
		b.add(recipient{who: say(b.x, "results.the-key", lang.Args{"Fingerprint": shortPrint(k)})}, []models.PublicKey{*k})
	}
}

// person adds somebody of the list, unless their keys have changed.
func (b *book) person(p *models.Person) {
	if id := p.ID.String(); b.seen[id] {
		return
	} else {
		b.seen[id] = true
	}
	now := b.offers[p.Account]
	keys, stopped := p.Usable(now)
	if !stopped {
		b.add(recipient{who: p.Name, named: true}, keys)
		return
	}
	if b.stop != nil {
		return
	}
	var stop trouble
	who := lang.Args{"Name": p.Name}
	switch {
	case p.Unreadable:
		stop = problem("errors.person-unreadable",
			"errors.person-unreadable-detail",
			"errors.person-unreadable-next")
	case p.Gone(now):
		stop.title = told("errors.person-gone", who)
		stop.detail = told("errors.person-gone-detail")
		stop.next = told("errors.person-gone-next", who)
	default:
		stop.title = told("errors.person-changed", who)
		stop.detail = told("errors.person-changed-detail")
		stop.next = told("errors.person-changed-next", who)
	}
	stop.link, stop.newTab = "/people/"+p.ID.String(), true
	b.stop = stop.in(b.x.UserContext())
}

// name finds somebody by the name in the list, by the login there, or else by login among all accounts.
func (b *book) name(name string) error {
	u := visitorOf(b.x).user
	shown := lang.Args{"Name": shortened(printable(name))}
	if u == nil {
		b.refuse(say(b.x, "wrong.guests-paste-keys", shown))
		return nil
	}
	folded := models.FoldName(name)
	for i := range b.people {
		p := &b.people[i]
		if !p.Unreadable && (models.FoldName(p.Name) == folded || p.Login != "" && models.FoldName(p.Login) == folded) {
			b.person(p)
			return nil
		}
	}
	if models.FoldName(u.Account.Login) == folded {
		b.me = true
		return nil
	}
	if b.seen["login "+folded] {
		return nil
	}
	b.seen["login "+folded] = true
	found, err := b.find(b.x, name)
	if models.ErrorCode(err) == models.NotFound {
		b.refuse(say(b.x, "wrong.nobody-called", shown))
		return nil
	}
	if err != nil {
		return err
	}
	for i := range b.people { // under another login than when they were added: their pinned keys count
		if b.people[i].Account == found.Account {
			b.person(&b.people[i])
			return nil
		}
	}
	fresh := personOf(found)
	b.add(recipient{who: found.Login, named: true, fresh: fresh}, fresh.Keys)
	return nil
}

// find looks an account up by login, as often as one person may.
func (c *core) find(x *fiber.Ctx, login string) (*models.Offer, error) {
	if ok, wait := c.rates.find.Take([16]byte(visitorOf(x).user.Account.ID)); !ok {
		return nil, tooMany(wait, "errors.many-logins-looked-for")
	}
	return c.db.People.Find(x.UserContext(), login)
}

func personOf(o *models.Offer) *models.Person {
	return &models.Person{Name: models.NameOfLogin(o.Login), Login: o.Login, Account: o.Account, Keys: o.Keys()}
}

// shortPrint is enough of a key to find it in a list.
func shortPrint(k *models.PublicKey) string { return shortened(k.Fingerprint) }

func shortened(s string) string {
	if r := []rune(s); len(r) > 24 {
		return string(r[:20]) + "…"
	}
	return s
}

// A way is a set of key kinds that one file can be encrypted to.
type way struct {
	format string
	kinds  []string
	own    string // the kind of one's own key that goes with it
}

// ways are those that may be taken, the best first.
func ways(pgpOnly bool) []way {
	all := []way{
		{"age", []string{models.KindAgePQ}, models.KindAgePQ},
		{"age", []string{models.KindAge, models.KindSSH}, models.KindAge},
		{"pgp", []string{models.KindPGP}, models.KindPGP},
	}
	if pgpOnly {
		return all[2:]
	}
	return all
}

// choose finds a way that all recipients, and the person's own key when that is asked for, can go. own tells of
// which kinds the person has a key. What is in the way goes into errs.
func choose(x *fiber.Ctx, all []recipient, pgpOnly, alsoMe bool, own func(kind string) bool, errs views.Fields) (chosen way, ok bool) {
	var open []way
	for _, w := range ways(pgpOnly) {
		if !slices.ContainsFunc(all, func(r recipient) bool { return !r.has(w.kinds...) }) {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		errs["recipients"] = leaveOutKinds(x, all, pgpOnly)
		return way{}, false
	}
	if !alsoMe {
		return open[0], true
	}
	for _, w := range open {
		if own(w.own) {
			return w, true
		}
	}
	if open[0].format == "pgp" {
		errs["also_me"] = say(x, "wrong.also-me-no-pgp-key")
	} else {
		errs["recipients"] = leaveOut(x, agefile.ErrMixed, true)
	}
	return way{}, false
}

// leaveOutKinds says which recipients to drop when no single format goes to all.
func leaveOutKinds(x *fiber.Ctx, all []recipient, pgpOnly bool) string {
	var classic, pq, openpgp []string
	for _, r := range all {
		switch {
		case r.has(models.KindPGP):
			openpgp = append(openpgp, r.who)
		case r.has(models.KindAgePQ):
			pq = append(pq, r.who)
		default:
			classic = append(classic, r.who)
		}
	}
	switch {
	case pgpOnly:
		return say(x, "wrong.no-pgp-key-of", lang.Args{"Names": names(x, append(classic, pq...))})
	case len(openpgp) == 0:
		return leaveOut(x, agefile.ErrMixed, false)
	}
	others := append(classic, pq...)
	if len(others) == 0 { // people with several kinds each, and none in common
		return say(x, "wrong.no-single-format")
	}
	return say(x, "wrong.no-single-format-named",
		lang.Args{"Age": names(x, others), "OpenPGP": names(x, openpgp)})
}
