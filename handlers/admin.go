package handlers

import (
	"context"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
	"zencrypt/views"
)

type memberStore interface {
	Members(ctx context.Context, query string, before *models.Cursor, limit int) (models.MemberPage, error)
	Member(ctx context.Context, id models.ID) (*models.Member, error)
	CheckPassword(ctx context.Context, u *models.Unlocked, current string) error
	Suspend(ctx context.Context, id models.ID) error
	Resume(ctx context.Context, id models.ID) error
	EndSessions(ctx context.Context, id models.ID) error
	SetQuota(ctx context.Context, id models.ID, quota *int64) error
	SetRole(ctx context.Context, id models.ID, role string, lastToo bool) error
	ResetFactor(ctx context.Context, id models.ID) error
	DeleteByAdmin(ctx context.Context, id models.ID) ([]models.ID, error)
}

type memberSessionStore interface {
	List(ctx context.Context, account models.ID) ([]models.Session, error)
	EndAll(ctx context.Context, account models.ID, except *models.ID) ([]models.Result, error)
}

type openInvitationStore interface {
	List(ctx context.Context) ([]models.Invitation, error)
	Create(ctx context.Context, by *models.ID, uses int, life time.Duration) (string, *models.Invitation, error)
	Revoke(ctx context.Context, id models.ID) error
}

// admin is what an administrator may see and do: who has an account and how much it holds, never what. Every act asks
// for the administrator's own password again.
type admin struct {
	*core
	accounts    memberStore
	sessions    memberSessionStore
	invitations openInvitationStore
}

// adminPage is a page with a title, given by its id.
func adminPage(title string) sheet {
	return sheet{title: title, Page: views.Page{Active: "admin", Wide: true}}
}

// People handles GET /admin: the accounts, newest first, those whose login holds q; paged by key.
func (a *admin) People(x *fiber.Ctx) error {
	vm := views.AdminPeople{Query: printable(x.Query("q")), Notice: notice(x, map[string]string{
		"delete": "notices.account-deleted",
	})}
	var from *models.Cursor
	if before := x.Query("before"); before != "" {
		c, ok := parseCursor(before)
		if !ok {
			return fiber.ErrNotFound
		}
		from, vm.Newest = &c, adminPath(vm.Query, "")
	}
	page, err := a.accounts.Members(x.UserContext(), vm.Query, from, pageSize)
	if err != nil {
		return err
	}
	vm.Total = page.Total
	for i := range page.Members {
		vm.Rows = append(vm.Rows, a.row(x, &page.Members[i]))
	}
	if n := len(page.Members); page.More && n > 0 {
		last := page.Members[n-1]
		vm.Older = adminPath(vm.Query, formatCursor(models.Cursor{Created: last.Created, ID: last.ID}))
	}
	return a.render(x, fiber.StatusOK, adminPage("titles.admin-people"), views.AdminPeoplePage(vm))
}

func adminPath(query, before string) string {
	q := url.Values{}
	if query != "" {
		q.Set("q", query)
	}
	if before != "" {
		q.Set("before", before)
	}
	if len(q) == 0 {
		return "/admin"
	}
	return "/admin?" + q.Encode()
}

// row is what a list and a page show of an account. What is used counts results too, as its owner sees it.
func (a *admin) row(x *fiber.Ctx, m *models.Member) views.MemberRow {
	return views.MemberRow{ID: m.ID.String(), Login: m.Login, Admin: m.Admin(), Suspended: m.Suspended, Created: m.Created,
		Seen: m.Seen, Items: m.Items, Used: a.files.Used("account:" + m.ID.String()), Quota: a.accountQuota(&m.Account),
		Factor: m.Factor, Self: m.ID == visitorOf(x).user.Account.ID}
}

// Person handles GET /admin/people/:id.
func (a *admin) Person(x *fiber.Ctx) error {
	m, err := a.member(x)
	if err != nil {
		return err
	}
	return a.person(x, fiber.StatusOK, m, "", nil, "")
}

func (a *admin) member(x *fiber.Ctx) (*models.Member, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return nil, err
	}
	return a.accounts.Member(x.UserContext(), id)
}

func (a *admin) person(x *fiber.Ctx, status int, m *models.Member, open string, errs views.Fields, typed string) error {
	list, err := a.sessions.List(x.UserContext(), m.ID)
	if err != nil {
		return err
	}
	p := views.AdminPerson{Row: a.row(x, m), Me: visitorOf(x).user.Account.Login, Sessions: len(list) - waiting(list), OwnQuota: m.Quota != nil,
		DefaultQuota: a.opt.AccountQuota, Typed: typed, Open: open}
	if errs != nil {
		p.Errors = map[string]views.Fields{open: errs}
	} else {
		p.Notice = notice(x, map[string]string{
			"suspend":  "notices.account-suspended",
			"resume":   "notices.account-resumed",
			"sessions": "notices.sessions-of-account-ended",
			"quota":    "notices.quota-set",
			"role":     "notices.role-changed",
			"factor":   "notices.factor-taken-away",
		})
	}
	page := adminPage("titles.admin-person")
	page.Wide = false // forms, as on the account page
	return a.render(x, status, page, views.AdminPersonPage(p))
}
