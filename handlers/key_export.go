package handlers

import (
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

// Export handles POST /keys/:id/export (current, passphrase): the private key as a file for age, GnuPG or Fernet
// libraries, all versions in it, locked with the passphrase when one is given. 422 with the form for a wrong
// password.
func (k *keys) Export(x *fiber.Ctx) error {
	key, err := k.key(x)
	if err != nil {
		return err
	}
	var passphrase string
	again := func(errs views.Fields) error {
		return k.show(x, fiber.StatusUnprocessableEntity, key, "", "export", formFields(errs, "current", "passphrase"))
	}
	handled, err := k.confirm(x, func(f *form, u *models.Unlocked) error {
		passphrase = f.get("passphrase")
		if !utf8.ValidString(passphrase) || len(passphrase) > password.MaxBytes {
			return wrong("passphrase", "wrong.passphrase-text")
		}
		return k.accounts.CheckPassword(x.UserContext(), u, f.get("current"))
	}, again)
	if handled || err != nil {
		return err
	}
	if key.Newest() == nil {
		return refuse(fiber.StatusConflict, "errors.nothing-to-export", "errors.key-seal", "")
	}
	acquire := func(n int64) (func(), error) { return k.budget.Acquire(x.UserContext(), class(visitorOf(x)), n) }
	name, b, err := exportKey(key, passphrase, acquire, k.opt.Now())
	if err != nil {
		return err
	}
	k.note(x, models.EventKeyExported, key.Name)
	attachment(x, name)
	x.Set(fiber.HeaderContentLength, strconv.Itoa(len(b)))
	return x.Send(b)
}

// exportKey writes all versions as other programs read them, the newest first.
func exportKey(key *models.Key, passphrase string, acquire pgp.Acquire, now time.Time) (name string, b []byte, err error) {
	if key.Kind == models.KindPGP {
		b, err = exportPGP(key, passphrase, acquire)
		return "zencrypt-openpgp-key.asc", b, err
	}
	for i := len(key.Versions) - 1; i >= 0; i-- {
		v := &key.Versions[i]
		if v.Public != "" {
			b = append(b, "# created: "+v.Created.UTC().Format(time.RFC3339)+"\n# public key: "+v.Public+"\n"...)
		}
		b = append(append(b, bytes.TrimSpace(v.Secret)...), '\n')
	}
	name = keyFile(key.Kind)
	if passphrase == "" {
		return name, b, nil
	}
	target := crypto.Target{Passphrase: passphrase, Armor: true}
	release, err := acquire(target.Memory())
	if err != nil {
		return "", nil, err
	}
	defer release()
	var out bytes.Buffer
	w, err := crypto.Encrypt(&out, target, now)
	if err != nil {
		return "", nil, err
	}
	if _, err := w.Write(b); err != nil {
		return "", nil, err
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	return name + ".age", out.Bytes(), nil
}

// exportPGP writes the newest version, and before it those older ones that have a subkey which is not in it: a
// key that was imported may have lost one.
func exportPGP(key *models.Key, passphrase string, acquire pgp.Acquire) (b []byte, err error) {
	have := map[string]bool{}
	for i := len(key.Versions) - 1; i >= 0; i-- {
		k, err := key.Versions[i].PGP()
		if err != nil {
			return nil, err
		}
		fresh := i == len(key.Versions)-1
		for _, sub := range k.Info(time.Time{}).Subkeys {
			fresh = fresh || !have[sub.Fingerprint]
			have[sub.Fingerprint] = true
		}
		if !fresh {
			continue
		}
		if passphrase != "" {
			if k, err = k.Lock(passphrase, pgp.LockOptions{Acquire: acquire}); err != nil {
				return nil, err
			}
		}
		b = append([]byte(k.Armor()), b...)
	}
	return b, nil
}
