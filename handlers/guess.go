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

// guess takes one try from the limits on guessing: of the device if it logged in with this login before,
// else of the login and of the client, so that an attacker uses up the owner's tries on no known device.
// keep gives the try back, when it turned out not to be a wrong guess.
func (c *core) guess(x *fiber.Ctx, login string) (keep func(), err error) {
	const text = "errors.wrong-passwords-tries"
	key := c.loginKey(login)
	if device, ok := c.knownDevice(x, key); ok {
		if ok, wait := c.rates.device.Take(device); !ok {
			return nil, tooMany(wait, text)
		}
		return func() { c.rates.device.Return(device) }, nil
	}
	client := visitorOf(x).client
	if ok, wait := c.rates.loginClient.Take(client); !ok {
		return nil, tooMany(wait, text)
	}
	if ok, wait := c.rates.loginName.Take(key); !ok {
		c.rates.loginClient.Return(client)
		return nil, tooMany(wait, text)
	}
	return func() { c.rates.loginClient.Return(client); c.rates.loginName.Return(key) }, nil
}

// guessFactor takes one try from the limit on wrong codes: of the device if it logged in before, else of the
// account. Only who has the password comes so far, and not even they use up a known device's tries.
func (c *core) guessFactor(x *fiber.Ctx, a *models.Account) (keep func(), err error) {
	rate, key := c.rates.factor, [16]byte(a.ID)
	if device, ok := c.knownDevice(x, c.loginKey(a.Login)); ok {
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

// The device cookie is 16 random bytes and their MAC together with the login's key. It gives a device
// that logged in before, second factor and all, a budget of tries of its own; it names nobody and is looked at on log-in only.
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

func (c *core) deviceMAC(id []byte, login [16]byte) []byte {
	m := hmac.New(sha256.New, c.opt.DeviceKey[:])
	m.Write([]byte("device\x00"))
	m.Write(id)
	m.Write(login[:])
	return m.Sum(nil)
}

func (c *core) knownDevice(x *fiber.Ctx, login [16]byte) (id [16]byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(x.Cookies(c.deviceName()))
	if err != nil || len(b) != deviceBytes+sha256.Size {
		return id, false
	}
	return [16]byte(b), hmac.Equal(b[deviceBytes:], c.deviceMAC(b[:deviceBytes], login))
}

func (c *core) rememberDevice(x *fiber.Ctx, login string) {
	key := c.loginKey(login)
	if _, ok := c.knownDevice(x, key); ok {
		return
	}
	id := make([]byte, deviceBytes)
	_, _ = rand.Read(id)
	c.setCookie(x, c.deviceName(), base64.RawURLEncoding.EncodeToString(append(id, c.deviceMAC(id, key)...)), deviceLife)
}
