package handlers

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

type peopleStore interface {
	Add(ctx context.Context, u *models.Unlocked, p *models.Person) error
	List(ctx context.Context, u *models.Unlocked) ([]models.Person, map[models.ID]*models.Offer, error)
	Get(ctx context.Context, u *models.Unlocked, id models.ID) (*models.Person, *models.Offer, error)
	Describe(ctx context.Context, u *models.Unlocked, id models.ID, name, note string) error
	Accept(ctx context.Context, u *models.Unlocked, id models.ID, state string) error
	Verify(ctx context.Context, u *models.Unlocked, id models.ID, state string, verified bool) error
	Delete(ctx context.Context, u *models.Unlocked, id models.ID) error
}

// people is a person's list of others: whose keys are pinned, verified, and watched for changes.
type people struct {
	*core
	store peopleStore
}

var peoplePage = sheet{title: "titles.people", Page: views.Page{Active: "people", Wide: true, NoStore: true}}

const (
	peopleShown = 50 // how many people the list shows at once
	mostAlarms  = 20 // of how many on other pages it says that a key has changed
)

// List handles GET /people: everybody by name, or (q) those whose name, login, note or fingerprint holds a text, and
// the forms to find and to add somebody.
func (p *people) List(x *fiber.Ctx) error {
	vm := views.PeoplePage{Add: views.AddForm{Open: x.Query("add") != ""}}
	if x.Query("done") == "deleted" {
		vm.Notice = say(x, "notices.person-removed")
	}
	return p.list(x, fiber.StatusOK, vm)
}

func (p *people) list(x *fiber.Ctx, status int, vm views.PeoplePage) error {
	all, offers, err := p.store.List(x.UserContext(), visitorOf(x).user)
	if err != nil {
		return err
	}
	rows, pages, err := pageOf(x, "/people", all, peopleShown, func(p *models.Person) models.ID { return p.ID }, (*models.Person).Holds)
	if err != nil {
		return err
	}
	vm.Pages = pages
	shown := make(map[models.ID]bool, len(rows))
	for i := range rows {
		shown[rows[i].ID] = true
		vm.Rows = append(vm.Rows, personRow(x, &rows[i], offers[rows[i].Account]))
	}
	for i := range all { // a change is not to be missed for standing on another page
		if p := &all[i]; !shown[p.ID] && len(vm.Alarms) < mostAlarms {
			if row := personRow(x, p, offers[p.Account]); row.State == "changed" || row.State == "gone" {
				vm.Alarms = append(vm.Alarms, row)
			}
		}
	}
	own, err := p.ringOf(x)
	if err != nil {
		return err
	}
	for _, k := range own {
		if activeVersion(&k).PublicDiffers {
			vm.Warn = differs(x, k.Name)
		}
	}
	return p.render(x, status, peoplePage, views.People(vm))
}

func personRow(x *fiber.Ctx, p *models.Person, now *models.Offer) views.PersonRow {
	row := views.PersonRow{ID: p.ID.String(), Name: p.Name, Login: p.Login, Verified: !p.Verified.IsZero()}
	if p.Login != "" && now != nil && now.Login != p.Login {
		row.Login = say(x, "results.login-now", lang.Args{"Login": p.Login, "Now": now.Login}) // what was pinned goes by the account, not by the login
	}
	seen := map[string]bool{}
	for _, k := range p.Keys {
		if kind := kindTitle(x, k.Kind); !seen[kind] {
			seen[kind] = true
			row.Kinds = append(row.Kinds, kind)
		}
	}
	switch {
	case p.Unreadable:
		row.State = "unreadable"
	case p.Gone(now):
		row.State = "gone"
	default:
		for _, c := range p.Changes(now) {
			switch {
			case c.Stops():
				row.State = "changed"
			case row.State == "changed":
			case c.Announced:
				row.State = "announced"
			case row.State == "":
				row.State = "new"
			}
		}
	}
	return row
}

func kindTitle(x *fiber.Ctx, kind string) string {
	switch kind {
	case models.KindPGP:
		return "OpenPGP"
	case models.KindSSH:
		return "SSH"
	case models.KindAgePQ:
		return detail(x.UserContext(), "age, post-quantum")
	}
	return kind
}

// Find handles POST /people/find: 200 with the person's keys to be looked at, 422 when nobody is found. An account
// that is unlisted answers like one that does not exist.
func (p *people) Find(x *fiber.Ctx) error {
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	vm := views.PeoplePage{Find: views.FindForm{Login: printable(strings.TrimSpace(f.get("login")))}}
	found, err := p.lookUp(x, f.get("login"))
	if err != nil {
		if vm.Find.Errors, err = findErrors(x, err); err != nil {
			return err
		}
		return p.list(x, fiber.StatusUnprocessableEntity, vm)
	}
	u := visitorOf(x).user
	vm.Found = &views.FoundPerson{Login: found.Login, Own: found.Account == u.Account.ID}
	for _, k := range found.Keys() {
		vm.Found.Keys = append(vm.Found.Keys, p.keyView(x, &k, false))
	}
	all, _, err := p.store.List(x.UserContext(), u)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].Account == found.Account {
			vm.Found.Known = "/people/" + all[i].ID.String()
		}
	}
	return p.list(x, fiber.StatusOK, vm)
}

func (p *people) lookUp(x *fiber.Ctx, login string) (*models.Offer, error) {
	if strings.TrimSpace(login) == "" {
		return nil, wrong("login", "wrong.type-whole-login")
	}
	return p.find(x, login)
}

func findErrors(x *fiber.Ctx, err error) (views.Fields, error) {
	if models.ErrorCode(err) == models.NotFound {
		return views.Fields{"login": say(x, "wrong.nobody-of-login")}, nil
	}
	return fieldErrors(x, err)
}

// Create handles POST /people: somebody by login, or from outside by public key. 303 to the person, 422 with the
// form when a field is wrong.
func (p *people) Create(x *fiber.Ctx) error {
	f, err := p.readForm(x, peopleLimit)
	if err != nil {
		return err
	}
	if f.get("public_key") == "" && f.get("login") != "" {
		return p.addLogin(x, f)
	}
	vm := views.PeoplePage{Add: views.AddForm{Open: true, PublicKey: printableLines(f.get("public_key")),
		Name: printable(f.get("name")), Note: printableLines(f.get("note"))}}
	person := &models.Person{Name: f.get("name"), Note: f.get("note")}
	person.Keys, err = publicKeys(f.get("public_key"))
	if err == nil {
		err = p.checkKept(person)
	}
	if err == nil {
		if strings.TrimSpace(person.Name) == "" {
			person.Name = p.nameOf(x, person.Keys)
		}
		err = p.store.Add(x.UserContext(), visitorOf(x).user, person)
	}
	if err == nil {
		return redirect(x, "/people/"+person.ID.String()+"?done=added")
	}
	if models.IsPrivate(f.get("public_key")) {
		vm.Add.PublicKey = "" // a secret stays no longer than it must
	}
	if vm.Add.Errors, err = fieldErrors(x, err); err != nil {
		return err
	}
	return p.list(x, fiber.StatusUnprocessableEntity, vm)
}

// peopleLimit bounds the form of a person in bytes: a key of 64 KiB as forms send it.
const peopleLimit = 256 << 10

func (p *people) addLogin(x *fiber.Ctx, f *form) error {
	vm := views.PeoplePage{Find: views.FindForm{Login: printable(strings.TrimSpace(f.get("login")))}}
	u := visitorOf(x).user
	found, err := p.lookUp(x, f.get("login"))
	if err == nil && found.Account == u.Account.ID {
		err = wrong("login", "wrong.own-login")
	}
	if err == nil {
		person := personOf(found)
		if err = p.store.Add(x.UserContext(), u, person); err == nil {
			return redirect(x, "/people/"+person.ID.String()+"?done=added")
		}
	}
	if vm.Find.Errors, err = findErrors(x, err); err != nil {
		return err
	}
	if e := vm.Find.Errors; e["login"] == "" { // a name that clashes, or no key: there is but one field here
		vm.Find.Errors = views.Fields{"login": e["name"] + e["public_key"] + e[""]}
	}
	return p.list(x, fiber.StatusUnprocessableEntity, vm)
}

func (p *people) checkKept(person *models.Person) error {
	for i := range person.Keys {
		if err := person.Keys[i].CheckKept(p.opt.Now()); err != nil {
			return err
		}
	}
	return nil
}

// nameOf is what somebody from outside is called when no name was given: the key's first user id, or the key.
func (p *people) nameOf(x *fiber.Ctx, keys []models.PublicKey) string {
	for i := range keys {
		if ids := p.keyView(x, &keys[i], false).UserIDs; len(ids) > 0 {
			if name := strings.TrimSpace(strings.NewReplacer(",", " ", "#", " ").Replace(ids[0])); name != "" {
				return name
			}
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return say(x, "results.key-by-fingerprint", lang.Args{"Fingerprint": shortPrint(&keys[0])})
}
