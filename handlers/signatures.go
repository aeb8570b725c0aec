package handlers

import (
	"context"
	"slices"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// A circle is whose signatures a person can tell: their people's and their own, and what was pasted this once.
type circle struct {
	certs []*pgp.Certificate
	who   map[string]known // by the primary key's fingerprint
}

type known struct {
	name   string
	own    bool
	person *models.Person
}

const localCircle = "circle"

// circle reads the certificates of a person's list and ring, once a request. A guest has none.
func (c *core) circle(x *fiber.Ctx) (*circle, error) {
	if k, ok := x.Locals(localCircle).(*circle); ok {
		return k, nil
	}
	k := &circle{who: make(map[string]known)}
	u := visitorOf(x).user
	if u == nil {
		return k, nil
	}
	own, err := c.db.Keys.ListKinds(x.UserContext(), u, models.KindPGP)
	if err != nil {
		return nil, err
	}
	// What stands in seals was checked when it came, and is parsed when a signature names it. Of one's own versions,
	// which share a primary key, the newest says how long the key lasts and whether it is revoked.
	for i := range own {
		for _, v := range slices.Backward(own[i].Versions) {
			if cert, err := pgp.KnownCertificate(v.Public); err == nil {
				k.add(cert, known{name: own[i].Name, own: true})
			}
		}
	}
	people, offers, err := c.db.People.List(x.UserContext(), u)
	if err != nil {
		return nil, err
	}
	for i := range people {
		p := &people[i]
		keys, stopped := p.Usable(offers[p.Account])
		if stopped {
			keys = p.Keys // what they signed before stays theirs
		}
		for j := range keys {
			if keys[j].Kind != models.KindPGP {
				continue
			}
			if cert, err := pgp.KnownCertificate(keys[j].Public); err == nil {
				k.add(cert, known{name: p.Name, person: p})
			}
		}
	}
	x.Locals(localCircle, k)
	return k, nil
}

func (k *circle) add(c *pgp.Certificate, who known) {
	k.certs = append(k.certs, c)
	if _, ok := k.who[c.Fingerprint()]; !ok {
		k.who[c.Fingerprint()] = who
	}
}

// with is the circle with certificates that were pasted, which stay unknown unless somebody of the circle has them.
func (k *circle) with(pasted []*pgp.Certificate) *circle {
	return &circle{certs: append(pasted, k.certs...), who: k.who}
}

// judge says in words, colour and sign what became of a signature. Only a good one by somebody known is green.
func (k *circle) judge(ctx context.Context, s pgp.Signature) views.Signature {
	v := views.Signature{Class: "bad", Fingerprint: grouped(orElse(s.Primary, orElse(s.Fingerprint, s.KeyID))), Time: s.Time, Status: string(s.Status)}
	who, isKnown := k.who[s.Primary]
	name := who.name
	if !isKnown {
		name = pgp.Display(s.UserID)
	}
	// by is a text in which the signer is named, or the one for when nobody is.
	by := func(named, nobody string) string {
		if name == "" {
			return lang.T(ctx, nobody)
		}
		return lang.T(ctx, named, lang.Args{"Name": name})
	}
	with := lang.Args{"Reason": verdict(ctx, s)}
	switch s.Status {
	case pgp.Good:
		v.Class = "ok"
		switch {
		case who.own:
			v.Headline = lang.T(ctx, "signatures.good-by-you")
			v.Detail = lang.T(ctx, "signatures.good-by-you-detail", lang.Args{"Key": who.name})
		case isKnown && !who.person.Verified.IsZero():
			v.Headline = lang.T(ctx, "signatures.good-by", lang.Args{"Name": who.name})
			v.Detail = lang.T(ctx, "signatures.good-by-verified")
		case isKnown:
			v.Headline = lang.T(ctx, "signatures.good-by", lang.Args{"Name": who.name})
			v.Detail = lang.T(ctx, "signatures.good-by-unverified")
			v.Link = "/people/" + who.person.ID.String()
		default:
			v.Class, v.Headline = "warn", lang.T(ctx, "signatures.good-by-stranger")
			v.Detail = by("signatures.good-by-stranger-named",
				"signatures.good-by-stranger-nameless")
		}
	case pgp.UnknownKey:
		v.Class, v.Headline = "warn", lang.T(ctx, "signatures.unknown-key")
		v.Detail = lang.T(ctx, "signatures.unknown-key-detail")
	case pgp.Expired:
		v.Class, v.Headline = "warn", by("signatures.expired-by", "signatures.expired")
		v.Detail = lang.T(ctx, "signatures.expired-detail", with)
	case pgp.Revoked:
		v.Headline = by("signatures.revoked-by", "signatures.revoked")
		v.Detail = lang.T(ctx, "signatures.revoked-detail", with)
	case pgp.Weak, pgp.Unchecked:
		v.Headline = by("signatures.weak-by", "signatures.weak")
		v.Detail = verdict(ctx, s)
	default:
		v.Headline = by("signatures.bad-by", "signatures.bad")
		v.Detail = lang.T(ctx, "signatures.bad-detail", with)
	}
	return v
}

func (k *circle) judgeAll(ctx context.Context, all []pgp.Signature) (out []views.Signature) {
	for _, s := range all {
		out = append(out, k.judge(ctx, s))
	}
	return out
}

// judged are the verdicts on an opened message's signatures.
func (c *core) judged(x *fiber.Ctx, p *crypto.Plain) ([]views.Signature, error) {
	all := p.Signatures()
	if len(all) == 0 {
		return nil, nil
	}
	k, err := c.circle(x)
	if err != nil {
		return nil, err
	}
	return k.judgeAll(x.UserContext(), all), nil
}

func storedSignatures(all []views.Signature) (out []models.ResultSignature) {
	for _, s := range all {
		out = append(out, models.ResultSignature{Class: s.Class, Headline: s.Headline, Detail: s.Detail, Fingerprint: s.Fingerprint, Link: s.Link, Time: s.Time})
	}
	return out
}

func shownSignatures(all []models.ResultSignature) (out []views.Signature) {
	for _, s := range all {
		out = append(out, views.Signature{Class: s.Class, Headline: s.Headline, Detail: s.Detail, Fingerprint: s.Fingerprint, Link: s.Link, Time: s.Time})
	}
	return out
}
