package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"rsc.io/qr"

	"zencrypt/models"
	"zencrypt/views"
)

// standings are what stands in the vault under each version of each key.
type standings map[keyAt]struct {
	items int
	bytes int64
}

func standingsOf(all []models.Standing) standings {
	out := standings{}
	for _, s := range all {
		at := keyAt{s.Key, s.Version}
		sum := out[at]
		sum.items, sum.bytes = sum.items+1, sum.bytes+s.Size
		out[at] = sum
	}
	return out
}

// ring is the list of keys, from the one behind the query's "after" on.
func (k *keys) ring(x *fiber.Ctx) (*views.KeyRing, error) {
	u := visitorOf(x).user
	list, err := k.store.List(x.UserContext(), u)
	if err != nil {
		return nil, err
	}
	all, err := k.db.Items.Standing(x.UserContext(), u)
	if err != nil {
		return nil, err
	}
	standing := standingsOf(all)
	vm := &views.KeyRing{Total: len(list), Rewrap: k.rewrapState(u.Account.ID)}
	from := 0
	if after := x.Query("after"); after != "" {
		id, err := models.ParseID(after)
		if err != nil {
			return nil, fiber.ErrNotFound
		}
		for i := range list {
			if list[i].ID == id {
				from = i + 1
			}
		}
		vm.First = "/keys"
	}
	for i := range list {
		older := k.older(&list[i], standing)
		vm.Older += older
		if i < from || i >= from+ringPage {
			continue
		}
		vm.Cards = append(vm.Cards, k.card(&list[i], standing))
	}
	if from+ringPage < len(list) {
		vm.Next = "/keys?after=" + list[from+ringPage-1].ID.String()
	}
	return vm, nil
}

// older counts what a rewrap of the key would renew.
func (k *keys) older(key *models.Key, standing standings) (n int) {
	active := key.Active(k.opt.Now())
	if active == nil {
		return 0
	}
	for i := range key.Versions {
		if v := &key.Versions[i]; v.N != active.N {
			n += standing[keyAt{key.ID, v.N}].items
		}
	}
	return n
}

func (k *keys) card(key *models.Key, standing standings) views.KeyCard {
	now := k.opt.Now()
	c := views.KeyCard{ID: key.ID.String(), Name: key.Name, Kind: key.Kind, Algorithm: key.Algorithm, Default: key.Default,
		Encrypts: key.Active(now) != nil, Created: key.Created, Expires: key.Expires, Expired: key.Expired(now), Unreadable: key.Unreadable}
	for i := len(key.Versions) - 1; i >= 0; i-- {
		v := &key.Versions[i]
		s := standing[keyAt{key.ID, v.N}]
		row := views.KeyVersionRow{N: v.N, State: v.State, Since: v.Created, Items: s.items, Bytes: s.bytes, Below: v.N < key.MinVersion,
			CanDelete: v.State != models.KeyActive && len(key.Versions) > 1}
		if !v.Changed.IsZero() {
			row.Since = v.Changed
		}
		c.Versions = append(c.Versions, row)
		c.Items += s.items
	}
	c.Older = k.older(key, standing)
	if v := key.Newest(); v != nil {
		c.Fingerprint = fingerprint(key.Kind, v)
	}
	c.Warnings = warnings(key, now)
	return c
}

// soon is how long before its end a key warns of it.
const soon = 30 * 24 * time.Hour

func warnings(key *models.Key, now time.Time) (all []string) {
	newest := key.Newest()
	switch {
	case key.Unreadable:
		return []string{"Its seal does not open: it was changed outside of Zencrypt."}
	case newest == nil:
		return []string{"None of its versions opens: they were changed outside of Zencrypt."}
	case key.Kind == models.KindRSA:
	case key.Expired(now):
		all = append(all, "It has expired: it opens, and encrypts nothing more.")
	case newest.SignsOnly && newest.State == models.KeyActive:
		all = append(all, "It can sign, and can't be encrypted to.")
	case key.Active(now) == nil:
		all = append(all, "It encrypts nothing more: none of its versions is active.")
	case !key.Expires.IsZero() && key.Expires.Sub(now) < soon:
		all = append(all, "It expires within 30 days.")
	}
	for i := range key.Versions {
		if key.Versions[i].PublicDiffers {
			all = append(all, "What others get as its public key is not yours: somebody changed the database. Your own copy is right; save its name again to put it right for others.")
			break
		}
	}
	return all
}

// fingerprint tells keys apart, in groups of four: OpenPGP's own; of an age key the public key itself, where it
// is short, else the first 20 bytes of SHA-256 over it; of an RSA key those over its public half.
func fingerprint(kind string, v *models.KeyVersion) string {
	s := v.Fingerprint
	switch kind {
	case models.KindAge:
		s = v.Public
	case models.KindAgePQ:
		sum := sha256.Sum256([]byte(v.Public))
		s = strings.ToUpper(hex.EncodeToString(sum[:20]))
	case models.KindRSA:
		s = strings.ToUpper(s[:min(40, len(s))])
	}
	return groups(s)
}

func groups(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 4 {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s[i:min(i+4, len(s))])
	}
	return b.String()
}

func (k *keys) keyPage(x *fiber.Ctx, key *models.Key) (*views.KeyPage, error) {
	u := visitorOf(x).user
	all, err := k.db.Items.Standing(x.UserContext(), u)
	if err != nil {
		return nil, err
	}
	vm := &views.KeyPage{Card: k.card(key, standingsOf(all)), Login: u.Account.Login, Description: key.Description, MinVersion: max(key.MinVersion, 1)}
	newest := key.Newest()
	if newest == nil {
		return vm, nil
	}
	vm.Last, vm.Revocation = newest.N, newest.Revocation
	vm.Public = strings.TrimSpace(newest.Public)
	vm.PublicName, vm.ToMe, vm.Open = "zencrypt-"+key.Kind+"-public.txt", nil, openWith(key.Kind)
	switch key.Kind {
	case models.KindAge:
		vm.QR = qrCode(vm.Public)
		vm.ToMe = []string{"age -r " + vm.Public + " -o secret.txt.age secret.txt"}
	case models.KindAgePQ:
		vm.ToMe = []string{"age -R " + vm.PublicName + " -o secret.txt.age secret.txt"}
	case models.KindPGP:
		vm.PublicName = "zencrypt-openpgp-public.asc"
		vm.QR, vm.QRFinger = qrCode("OPENPGP4FPR:"+newest.Fingerprint), true
		vm.ToMe = []string{"gpg --import " + vm.PublicName, "gpg -e -r " + newest.Fingerprint + " -o secret.txt.gpg secret.txt"}
	}
	return vm, nil
}

// qrCode is a data URL of a PNG, which Tor Browser's safest level shows too (it blocks SVG).
func qrCode(s string) string {
	code, err := qr.Encode(s, qr.M)
	if err != nil {
		return "" // longer than a QR code holds: the text beside it stays
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())
}
