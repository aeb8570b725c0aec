package handlers

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// guess takes one try from the limits on guessing: of the device if it logged in to the account before, by whichever
// spelling, else of the login and of the client, so that an attacker uses up the owner's tries on no known device.
// keep gives the try back, when it turned out not to be a wrong guess.
//
// Where a spelling means several accounts, a device that is known to one of them must not try the others' passwords: when
// the common tries are used up, only is the one account that it may try on.
func (c *core) guess(x *fiber.Ctx, login string) (only *models.ID, keep func(), err error) {
	const text = "errors.wrong-passwords-tries"
	accounts, err := c.db.Accounts.Meant(x.UserContext(), login)
	if err != nil {
		return nil, nil, err
	}
	device, known := [16]byte{}, (*models.ID)(nil)
	for i := range accounts {
		if id, ok := c.knownDevice(x, accounts[i]); ok {
			device, known = id, &accounts[i]
		}
	}
	own := func() (*models.ID, func(), error) {
		if ok, wait := c.rates.device.Take(device); !ok {
			return nil, nil, tooMany(wait, text)
		}
		return known, func() { c.rates.device.Return(device) }, nil
	}
	if known != nil && len(accounts) == 1 {
		return own()
	}
	key, err := c.guessKey(x, login)
	if err != nil {
		return nil, nil, err
	}
	client := visitorOf(x).client
	ok, wait := c.rates.loginClient.Take(client)
	if ok {
		if ok, wait = c.rates.loginName.Take(key); !ok {
			c.rates.loginClient.Return(client)
		}
	}
	switch {
	case ok:
		return nil, func() { c.rates.loginClient.Return(client); c.rates.loginName.Return(key) }, nil
	case known != nil:
		return own()
	}
	return nil, nil, tooMany(wait, text)
}

// guessKey is a login as the limit on guesses counts it. Where old spellings lead to several people's accounts, ada and
// ada-2 may be ways to the same one, and so are counted together: whether there are such accounts or not, since two
// counts that are one would tell.
func (c *core) guessKey(x *fiber.Ctx, login string) (key [16]byte, err error) {
	aliases, err := c.db.Imports.AnyAlias(x.UserContext())
	if err != nil {
		return key, err
	}
	if folded, ok := models.LoginKey(login); ok && aliases {
		login = models.WithoutSuffix(folded)
	}
	return c.loginKey(login), nil
}

// guessFactor takes one try from the limit on wrong codes: of the device if it logged in before, else of the
// account. Only who has the password comes so far, and not even they use up a known device's tries.
func (c *core) guessFactor(x *fiber.Ctx, a *models.Account) (keep func(), err error) {
	rate, key := c.rates.factor, [16]byte(a.ID)
	if device, ok := c.knownDevice(x, a.ID); ok {
		rate, key = c.rates.device, device
	}
	if ok, wait := rate.Take(key); !ok {
		return nil, tooMany(wait, "errors.wrong-codes-tries")
	}
	return func() { rate.Return(key) }, nil
}

// loginKey is a login as the limits know it: keyed, so that memory holds no list of logins.
func (c *core) loginKey(login string) (key [16]byte) {
	if folded, ok := models.LoginKey(login); ok {
		login = folded
	}
	m := hmac.New(sha256.New, c.opt.DeviceKey[:])
	m.Write([]byte("login\x00" + login))
	return [16]byte(m.Sum(nil))
}

// The device cookie is 16 random bytes and their MAC together with the account. It gives a device that logged in
// before, second factor and all, a budget of tries of its own; it names nobody and is looked at on log-in only.
const (
	deviceBytes = 16
	deviceLife  = 365 * 24 * time.Hour
)

func (c *core) deviceName() string {
	if c.secure() {
		return "__Host-zencrypt-device"
	}
	return "zencrypt-device"
}

func (c *core) deviceMAC(id []byte, account models.ID) []byte {
	m := hmac.New(sha256.New, c.opt.DeviceKey[:])
	m.Write([]byte("device of account\x00"))
	m.Write(id)
	m.Write(account[:])
	return m.Sum(nil)
}

func (c *core) knownDevice(x *fiber.Ctx, account models.ID) (id [16]byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(x.Cookies(c.deviceName()))
	if err != nil || len(b) != deviceBytes+sha256.Size {
		return id, false
	}
	return [16]byte(b), hmac.Equal(b[deviceBytes:], c.deviceMAC(b[:deviceBytes], account))
}

func (c *core) rememberDevice(x *fiber.Ctx, account models.ID) {
	if _, ok := c.knownDevice(x, account); ok {
		return
	}
	id := make([]byte, deviceBytes)
	_, _ = rand.Read(id)
	c.setCookie(x, c.deviceName(), base64.RawURLEncoding.EncodeToString(append(id, c.deviceMAC(id, account)...)), deviceLife)
}
