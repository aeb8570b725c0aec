package handlers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// What a person should know at once is shown on the next whole page, once in each browser: the browser remembers in
// a cookie up to when it has shown events. So somebody who logs in with a stolen password takes the sight of that from
// nobody. The cookie holds a time and a tag of the account, and is looked at for nothing else.

func (c *core) seenName() string {
	if c.secure() {
		return "__Host-zencrypt-seen"
	}
	return "zencrypt-seen"
}

func (c *core) seenTag(account models.ID) []byte {
	m := hmac.New(sha256.New, c.opt.DeviceKey[:])
	m.Write([]byte("seen\x00"))
	m.Write(account[:])
	return m.Sum(nil)[:8]
}

// seen is the time up to which this browser has shown an account's events.
func (c *core) seen(x *fiber.Ctx, account models.ID) (t time.Time, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(x.Cookies(c.seenName()))
	if err != nil || len(b) != 16 || !hmac.Equal(b[8:], c.seenTag(account)) {
		return t, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), true
}

func (c *core) setSeen(x *fiber.Ctx, account models.ID, t time.Time) {
	b := binary.BigEndian.AppendUint64(nil, uint64(t.UnixMilli()))
	c.setCookie(x, c.seenName(), base64.RawURLEncoding.EncodeToString(append(b, c.seenTag(account)...)), deviceLife)
}

// alerts are what this browser has to show now. Where nothing is new that is one question to an index.
func (c *core) alerts(x *fiber.Ctx) []views.Alert {
	v := visitorOf(x)
	if v.user == nil || v.session == nil || v.user.Account.RecoveryPending {
		return nil
	}
	account := v.user.Account.ID
	newest, err := c.db.Activity.Newest(x.UserContext(), account)
	if err != nil || newest.IsZero() {
		return nil
	}
	after, known := c.seen(x, account)
	if known && !newest.After(after) {
		return nil
	}
	events, err := c.db.Activity.Since(x.UserContext(), v.user, after)
	if err != nil {
		return nil // the page is worth more
	}
	c.setSeen(x, account, newest)
	return alertsOf(x.UserContext(), events, v.session.ID, known)
}

// alertsOf picks what to show of events, which come newest first. A browser that does not know up to when it has shown
// them begins with the log-in before this one, and shows that too.
func alertsOf(ctx context.Context, events []models.Event, own models.ID, known bool) (out []views.Alert) {
	if !known {
		before := slices.IndexFunc(events, func(e models.Event) bool { return e.Kind == models.EventLogin && e.Session != own })
		switch {
		case before >= 0:
			out = append(out, views.Alert{Text: lang.T(ctx, "events.last-login"), At: events[before].Created, Calm: true})
			events = events[:before+1]
		case len(events) < models.MostSince:
			return nil // the first log-in
		}
	}
	failed, last := 0, time.Time{}
	for i := range events {
		e := &events[i]
		if _, ok := failureWords[e.Kind]; ok && e.Kind != models.EventFactorMissing {
			failed += e.Count
			last = latest(last, e.Created)
			continue
		}
		row := eventRow(ctx, e)
		switch {
		case e.Session == own && !e.Session.IsZero(), !row.Alarm:
		case e.Kind == models.EventLogin && !known: // told above
		default:
			out = append(out, views.Alert{Text: row.Text, Name: row.Name, At: e.Created})
		}
	}
	if failed >= manyFailures { // above what else there is, of which there may be more than is shown
		tried := views.Alert{Text: lang.N(ctx, "events.tried", failed), At: last}
		out = slices.Insert(out, 0, tried)
	}
	return out[:min(len(out), maxAlerts)]
}

// maxAlerts bounds what stands above a page; the rest is in the list.
const maxAlerts = 5

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
