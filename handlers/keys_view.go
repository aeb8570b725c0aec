package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"rsc.io/qr"

	"zencrypt/models"
	"zencrypt/views"
)

// standings are what stands in the vault under each version of each key.
type standings map[keyAt]underVersion

type underVersion struct {
	items int
	bytes int64
	kept  map[string]int // items that a rewrap left as they are, by the reason
	ids   []models.ID
}

func standingsOf(all []models.Standing) standings {
	out := standings{}
	for _, s := range all {
		at := keyAt{s.Key, s.Version}
		sum := out[at]
		sum.items, sum.bytes, sum.ids = sum.items+1, sum.bytes+s.Size, append(sum.ids, s.Item)
		if s.Kept != "" {
			if sum.kept == nil {
				sum.kept = map[string]int{}
			}
			sum.kept[s.Kept]++
		}
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
	vm := &views.KeyRing{Rewrap: k.rewrapState(x.UserContext(), u.Account.ID)}
	rows, pages, err := pageOf(x, "/keys", list, ringPage, func(k *models.Key) models.ID { return k.ID }, (*models.Key).Holds)
	if err != nil {
		return nil, err
	}
	vm.Pages = pages
	left := map[string]*views.LeftItems{}
	for i := range list {
		older, kept := k.older(&list[i], standing)
		vm.Older += older
		for why, n := range kept {
			if left[why] == nil {
				left[why] = &views.LeftItems{Why: why}
			}
			left[why].Count += n
			left[why].Keys = append(left[why].Keys, views.KeyChoice{ID: list[i].ID.String(), Name: list[i].Name})
		}
	}
	for _, why := range slices.Sorted(maps.Keys(left)) {
		vm.Left = append(vm.Left, *left[why])
	}
	for i := range rows {
		vm.Cards = append(vm.Cards, k.card(x, &rows[i], standing))
	}
	return vm, nil
}

// older counts what a rewrap of the key would renew, and what one has left as it is, by the reason.
func (k *keys) older(key *models.Key, standing standings) (n int, kept map[string]int) {
	active := key.Active(k.opt.Now())
	if active == nil {
		return 0, nil
	}
	kept = map[string]int{}
	for i := range key.Versions {
		if v := &key.Versions[i]; v.N != active.N {
			s := standing[keyAt{key.ID, v.N}]
			n += s.items
			for why, m := range s.kept {
				kept[why] += m
				n -= m
			}
		}
	}
	return n, kept
}

func (k *keys) card(x *fiber.Ctx, key *models.Key, standing standings) views.KeyCard {
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
	c.Older, _ = k.older(key, standing)
	if v := key.Newest(); v != nil {
		c.Fingerprint = fingerprint(key.Kind, v)
	}
	c.Warnings = warnings(x, key, now)
	return c
}

// soon is how long before its end a key warns of it.
const soon = 30 * 24 * time.Hour

func warnings(x *fiber.Ctx, key *models.Key, now time.Time) (all []string) {
	newest := key.Newest()
	switch {
	case key.Unreadable:
		return []string{say(x, "warnings.key-unreadable")}
	case newest == nil:
		return []string{say(x, "warnings.no-version-opens")}
	case key.Kind == models.KindRSA:
	case key.Expired(now):
		all = append(all, say(x, "warnings.key-expired"))
	case newest.SignsOnly && newest.State == models.KeyActive:
		all = append(all, say(x, "warnings.signs-only"))
	case key.Active(now) == nil:
		all = append(all, say(x, "warnings.none-active"))
	case !key.Expires.IsZero() && key.Expires.Sub(now) < soon:
		all = append(all, say(x, "warnings.expires-soon"))
	}
	for i := range key.Versions {
		if key.Versions[i].PublicDiffers {
			all = append(all, say(x, "warnings.public-differs"))
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
	standing := standingsOf(all)
	vm := &views.KeyPage{Card: k.card(x, key, standing), Login: u.Account.Login, Description: key.Description, MinVersion: max(key.MinVersion, 1)}
	if vm.Held, vm.MoreHeld, err = k.held(x, key, standing); err != nil {
		return nil, err
	}
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

// mostHeld is how many items a key's page names that keep a version from being deleted.
const mostHeld = 50

// held are the items under versions that are not the active one: what has to be renewed, opened or deleted before those
// can go. All of them when no version is active.
func (k *keys) held(x *fiber.Ctx, key *models.Key, standing standings) (held []views.HeldItem, more int, err error) {
	version := map[models.ID]int{}
	var ids []models.ID
	active := key.Active(k.opt.Now())
	for i := range key.Versions {
		if n := key.Versions[i].N; active == nil || n != active.N {
			for _, id := range standing[keyAt{key.ID, n}].ids {
				ids = append(ids, id)
				version[id] = n
			}
		}
	}
	if len(ids) > mostHeld {
		more, ids = len(ids)-mostHeld, ids[:mostHeld]
	}
	items, err := k.db.Items.Named(x.UserContext(), visitorOf(x).user, ids)
	for i := range items {
		one := &items[i]
		h := views.HeldItem{ID: one.ID.String(), Title: one.Title, Version: version[one.ID], Why: one.Meta.Kept, Trashed: one.Trashed}
		if one.Unreadable {
			h.Why = models.KeptDamaged
		}
		held = append(held, h)
	}
	return held, more, err
}

// qrCode is a data URL of a PNG, which Tor Browser's safest level shows too (it blocks SVG).
func qrCode(s string) string {
	code, err := qr.Encode(s, qr.M)
	if err != nil {
		return "" // longer than a QR code holds: the text beside it stays
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())
}
