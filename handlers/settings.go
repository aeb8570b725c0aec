package handlers

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/audit"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// settings are a person's own choices.
type settings struct{ *core }

var settingsPage = sheet{title: "titles.settings", Page: views.Page{Active: "account"}}

// Show handles GET /settings.
func (s *settings) Show(x *fiber.Ctx) error {
	done := notice(x, map[string]string{
		"session": "notices.session-settings-saved",
		"on":      "notices.history-on",
		"off":     "notices.history-off",
		"clear":   "notices.history-cleared",
		"login":   "notices.login-changed",
	})
	return s.show(x, fiber.StatusOK, done, "", nil, nil)
}

func (s *settings) show(x *fiber.Ctx, status int, notice, open string, errs views.Fields, f *form) error {
	u := visitorOf(x).user
	now, err := s.db.Accounts.Settings(x.UserContext(), u)
	if err != nil {
		return err
	}
	ctx := x.UserContext()
	longest, idle := s.db.Sessions.Bounds()
	vm := views.SettingsPage{Login: u.Account.Login, Theme: s.themeOf(x), Languages: s.opt.Languages.Languages(), Notice: notice, Open: open, Errors: errs,
		History: now.History, HistoryDiffers: now.HistoryDiffers, Unreadable: now.Unreadable, Keep: span(ctx, s.opt.ActivityKeep),
		Longest: span(ctx, longest), Idle: span(ctx, idle), Session: minutes(now.SessionLife), Lock: minutes(now.LockAfter)}
	if f != nil {
		vm.Session, vm.Lock, vm.NewLogin = f.get("session"), f.get("lock"), printable(f.get("login"))
	}
	vm.Sessions = choices(ctx, vm.Session, longest, lang.T(ctx, "choices.as-long-as-allowed", lang.Args{"Time": span(ctx, longest)}), models.MinSession, 15*time.Minute, time.Hour, 4*time.Hour, 8*time.Hour, 24*time.Hour)
	vm.Locks = choices(ctx, vm.Lock, idle, lang.T(ctx, "choices.never"), models.MinLock, 10*time.Minute, 15*time.Minute, 20*time.Minute, time.Hour)
	return s.render(x, status, settingsPage, views.Settings(vm))
}

func minutes(d time.Duration) string { return strconv.Itoa(int(d / time.Minute)) }

// choices are the times below a bound, and what was chosen when that is another.
func choices(ctx context.Context, chosen string, below time.Duration, none string, all ...time.Duration) []views.Choice {
	if n, err := strconv.Atoi(chosen); err == nil && n > 0 && n < 1<<20 && !slices.Contains(all, time.Duration(n)*time.Minute) {
		all = append(all, time.Duration(n)*time.Minute)
		slices.Sort(all)
	}
	out := []views.Choice{{Value: "0", Label: none}}
	for _, d := range all {
		if d < below {
			out = append(out, views.Choice{Value: minutes(d), Label: lang.T(ctx, "choices.after", lang.Args{"Time": span(ctx, d)})})
		}
	}
	return out
}

// Save handles POST /settings (what, current, and the fields of that form): 303 to the page, 422 with the form that was
// wrong. what is session, on, off, clear or login.
func (s *settings) Save(x *fiber.Ctx) error {
	var what string
	var read *form
	again := func(errs views.Fields) error {
		return s.show(x, fiber.StatusUnprocessableEntity, "", what, errs, read)
	}
	handled, err := s.confirm(x, func(f *form, u *models.Unlocked) error {
		read, what = f, f.get("what")
		return s.save(x, f, u)
	}, again)
	if handled || err != nil {
		return err
	}
	return redirect(x, "/settings?done="+what)
}

func (s *settings) save(x *fiber.Ctx, f *form, u *models.Unlocked) error {
	ctx := x.UserContext()
	what := f.get("what")
	if what == "login" {
		return s.changeLogin(x, f, u)
	}
	if !slices.Contains([]string{"session", "on", "off", "clear"}, what) {
		return errMalformed
	}
	if what != "on" { // to keep more asks for nothing
		if err := s.db.Accounts.CheckPassword(ctx, u, f.get("current")); err != nil {
			return err
		}
	}
	now, err := s.db.Accounts.Settings(ctx, u)
	if err != nil {
		return err
	}
	switch what {
	case "session":
		if now.SessionLife, err = chosen(f.get("session")); err != nil {
			return wrong("session", "wrong.choose-time")
		}
		if now.LockAfter, err = chosen(f.get("lock")); err != nil {
			return wrong("lock", "wrong.choose-time")
		}
		if err := s.db.Accounts.SetSettings(ctx, u, now); err != nil {
			return err
		}
		s.note(x, models.EventSettings, "")
		return s.db.Sessions.Apply(ctx, u.Account.ID, now)
	case "clear":
		if err := s.db.Activity.Clear(ctx, u); err != nil {
			return err
		}
		s.note(x, models.EventHistoryCleared, "")
	case "off":
		s.note(x, models.EventHistoryOff, "") // while it is still kept
		now.History = false
		return s.db.Accounts.SetSettings(ctx, u, now)
	case "on":
		now.History = true
		if err := s.db.Accounts.SetSettings(ctx, u, now); err != nil {
			return err
		}
		s.note(x, models.EventHistoryOn, "")
	}
	return nil
}

func chosen(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 20)
	if err != nil {
		return 0, fmt.Errorf("read minutes: %w", err)
	}
	return time.Duration(n) * time.Minute, nil
}

// changeLogin gives the account another login. Whether one is taken can be asked as often as a person may look for
// logins. The tries of the old one are left behind; browsers are known by the account.
func (s *settings) changeLogin(x *fiber.Ctx, f *form, u *models.Unlocked) error {
	if ok, wait := s.rates.find.Take([16]byte(u.Account.ID)); !ok {
		return tooMany(wait, "errors.many-logins-tried")
	}
	login := strings.TrimSpace(f.get("login"))
	if err := s.db.Accounts.ChangeLogin(x.UserContext(), u, f.get("current"), login); err != nil {
		return err
	}
	s.note(x, models.EventLoginChanged, "")
	return nil
}

// accountDeleted is for the server log alone: the account's own list is gone.
func (c *core) accountDeleted(account models.ID) {
	c.audit(audit.Event{Name: "account-deleted", Account: account.String()})
}
