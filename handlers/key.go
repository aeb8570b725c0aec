package handlers

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

// key returns the key that the address names; 404 for anybody else's.
func (k *keys) key(x *fiber.Ctx) (*models.Key, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return nil, fiber.ErrNotFound
	}
	return k.store.Get(x.UserContext(), visitorOf(x).user, id)
}

// version returns the number of the version that the address names; 404 when the key has none of it.
func (k *keys) version(x *fiber.Ctx, key *models.Key) (int, error) {
	n, err := strconv.Atoi(x.Params("n"))
	if err != nil || key.Version(n) == nil {
		return 0, fiber.ErrNotFound
	}
	return n, nil
}

// Show handles GET /keys/:id.
func (k *keys) Show(x *fiber.Ctx) error {
	key, err := k.key(x)
	if err != nil {
		return err
	}
	done := notice(x, map[string]string{
		"made":    "notices.key-made",
		"rotate":  "notices.key-rotated",
		"default": "notices.key-default",
		"saved":   "notices.saved",
		"retired": "notices.key-version-retired",
		"revoked": "notices.key-version-revoked",
		"deleted": "notices.key-version-deleted",
	})
	return k.show(x, fiber.StatusOK, key, done, "", nil)
}

func (k *keys) show(x *fiber.Ctx, status int, key *models.Key, notice, form string, errs views.Fields) error {
	vm, err := k.keyPage(x, key)
	if err != nil {
		return err
	}
	vm.Notice, vm.Form, vm.Errors = notice, form, errs
	page := keysPage
	page.Title, page.Wide = orElse(key.Name, say(x, "titles.a-key")), false
	return k.render(x, status, page, views.Key(*vm))
}

// formFields are the fields of a form's errors that the page has; what belongs to none stands above.
func formFields(errs views.Fields, names ...string) views.Fields {
	out := views.Fields{}
next:
	for field, text := range errs {
		for _, name := range names {
			if field == name {
				out[field] = text
				continue next
			}
		}
		out[""] = strings.TrimSpace(out[""] + " " + text)
	}
	return out
}

// change runs act on a key after the form was read: 303 to the key's page, 422 with the form that was wrong.
func (k *keys) change(x *fiber.Ctx, what, done string, fields []string, act func(f *form, key *models.Key) error) error {
	f, err := k.readForm(x, formLimit)
	if err != nil {
		return err
	}
	key, err := k.key(x)
	if err != nil {
		return err
	}
	if err := act(f, key); err != nil {
		return k.refused(x, key, what, fields, err)
	}
	return redirect(x, "/keys/"+key.ID.String()+"?done="+done)
}

func (k *keys) refused(x *fiber.Ctx, key *models.Key, form string, fields []string, err error) error {
	errs, err := fieldErrors(x, err)
	if err != nil {
		return err
	}
	return k.show(x, fiber.StatusUnprocessableEntity, key, "", form, formFields(errs, fields...))
}

// Rotate handles POST /keys/:id/rotate: a new version; 303 to the key, 422 with the reason why not.
func (k *keys) Rotate(x *fiber.Ctx) error {
	return k.change(x, "rotate", "rotate", nil, func(_ *form, key *models.Key) error {
		if err := k.store.Rotate(x.UserContext(), visitorOf(x).user, key.ID); err != nil {
			return err
		}
		k.note(x, models.EventKeyRotated, key.Name)
		return nil
	})
}

// Default handles POST /keys/:id/default: 303 to the key, 422 when it can't encrypt.
func (k *keys) Default(x *fiber.Ctx) error {
	return k.change(x, "default", "default", nil, func(_ *form, key *models.Key) error {
		return k.store.SetDefault(x.UserContext(), visitorOf(x).user, key.ID)
	})
}

// Describe handles POST /keys/:id/describe (name, description): 303 to the key, 422 with the form.
func (k *keys) Describe(x *fiber.Ctx) error {
	return k.change(x, "describe", "saved", []string{"name", "description"}, func(f *form, key *models.Key) error {
		return k.store.Describe(x.UserContext(), visitorOf(x).user, key.ID, f.get("name"), f.get("description"))
	})
}

// Expiry handles POST /keys/:id/expiry (expires, or min_version): 303 to the key, 422 with the form.
func (k *keys) Expiry(x *fiber.Ctx) error {
	f, err := k.readForm(x, formLimit)
	if err != nil {
		return err
	}
	key, err := k.key(x)
	if err != nil {
		return err
	}
	u, what, field := visitorOf(x).user, "expiry", "expires"
	if f.values.Has("min_version") {
		what, field = "lowest", "min_version"
		n, bad := strconv.Atoi(strings.TrimSpace(f.get("min_version")))
		if bad != nil {
			n = -1 // refused with what is possible
		}
		if err = k.settle(x.UserContext(), u); err == nil {
			err = k.store.SetMinVersion(x.UserContext(), u, key.ID, n)
		}
	} else {
		expires, bad := date(f.get("expires"))
		if err = bad; err == nil {
			err = k.store.SetExpiry(x.UserContext(), u, key.ID, expires)
		}
	}
	if err != nil {
		return k.refused(x, key, what, []string{field}, err)
	}
	return redirect(x, "/keys/"+key.ID.String()+"?done=saved")
}

// Retire handles POST /keys/:id/versions/:n/retire: 303 to the key.
func (k *keys) Retire(x *fiber.Ctx) error { return k.state(x, models.KeyRetired) }

// Revoke handles POST /keys/:id/versions/:n/revoke (reason, for OpenPGP): 303 to the key, which then shows the
// revocation certificate.
func (k *keys) Revoke(x *fiber.Ctx) error { return k.state(x, models.KeyRevoked) }

func (k *keys) state(x *fiber.Ctx, state string) error {
	return k.change(x, "version-"+x.Params("n"), state, nil, func(f *form, key *models.Key) error {
		n, err := k.version(x, key)
		if err != nil {
			return err
		}
		reason, _ := strconv.ParseUint(f.get("reason"), 10, 8)
		if reason > uint64(pgp.Retired) {
			return errMalformed
		}
		if err := k.store.SetState(x.UserContext(), visitorOf(x).user, key.ID, n, state, pgp.Reason(reason)); err != nil {
			return err
		}
		kind := models.EventKeyRetired
		if state == models.KeyRevoked {
			kind = models.EventKeyRevoked
		}
		k.note(x, kind, key.Name)
		return nil
	})
}

// DeleteVersion handles POST /keys/:id/versions/:n/delete (current): 303 to the key, 422 while items depend on it.
func (k *keys) DeleteVersion(x *fiber.Ctx) error {
	key, err := k.key(x)
	if err != nil {
		return err
	}
	n, err := k.version(x, key)
	if err != nil {
		return err
	}
	return k.confirmed(x, key, "version-"+strconv.Itoa(n), "/keys/"+key.ID.String()+"?done=deleted", func(u *models.Unlocked) error {
		return k.store.DeleteVersion(x.UserContext(), u, key.ID, n)
	})
}

// Delete handles POST /keys/:id/delete (current): 303 to the ring, 422 while items depend on the key.
func (k *keys) Delete(x *fiber.Ctx) error {
	key, err := k.key(x)
	if err != nil {
		return err
	}
	return k.confirmed(x, key, "delete", "/keys?done=deleted", func(u *models.Unlocked) error {
		return k.store.Delete(x.UserContext(), u, key.ID)
	})
}

// confirmed asks for the password, finds out what stands under which key, and deletes.
func (k *keys) confirmed(x *fiber.Ctx, key *models.Key, what, next string, act func(u *models.Unlocked) error) error {
	handled, err := k.confirm(x, func(f *form, u *models.Unlocked) error {
		return k.accounts.CheckPassword(x.UserContext(), u, f.get("current"))
	}, func(errs views.Fields) error {
		return k.show(x, fiber.StatusUnprocessableEntity, key, "", what, formFields(errs, "current"))
	})
	if handled || err != nil {
		return err
	}
	u := visitorOf(x).user
	if err := k.settle(x.UserContext(), u); err != nil {
		return err
	}
	if err := act(u); err != nil {
		return k.refused(x, key, what, nil, err)
	}
	k.note(x, models.EventKeyDeleted, key.Name)
	return redirect(x, next)
}
