package handlers

import (
	"slices"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/pgp"
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
func (k *circle) judge(s pgp.Signature) views.Signature {
	v := views.Signature{Class: "bad", Fingerprint: grouped(orElse(s.Primary, orElse(s.Fingerprint, s.KeyID))), Time: s.Time, Status: string(s.Status)}
	who, isKnown := k.who[s.Primary]
	name := who.name
	if !isKnown {
		name = pgp.Display(s.UserID)
	}
	by := ""
	if name != "" {
		by = " by " + name
	}
	switch s.Status {
	case pgp.Good:
		v.Class = "ok"
		switch {
		case who.own:
			v.Headline, v.Detail = "Good signature by you", "Made with your key “"+who.name+"”, over exactly this."
		case isKnown && !who.person.Verified.IsZero():
			v.Headline, v.Detail = "Good signature by "+who.name, "Over exactly this. You have compared their key."
		case isKnown:
			v.Headline, v.Detail = "Good signature by "+who.name, "Over exactly this, by the key in your list. You have not compared that key with them yet."
			v.Link = "/people/" + who.person.ID.String()
		default:
			v.Class, v.Headline = "warn", "Good signature, by a key that you do not know"
			v.Detail = "Over exactly this, by the certificate that was pasted"
			if name != "" {
				v.Detail += ", which calls itself " + name
			}
			v.Detail += ". Anybody can write any name into a key: compare the fingerprint."
		}
	case pgp.UnknownKey:
		v.Class, v.Headline = "warn", "Signed by a key that is not known here"
		v.Detail = "It could not be checked. Paste the certificate under Verify, or add its owner to your people."
	case pgp.Expired:
		v.Class, v.Headline = "warn", "Expired signature"+by
		v.Detail = sentence(s.Reason) + " Do not rely on it alone: ask who signed."
	case pgp.Revoked:
		v.Headline, v.Detail = "Signature"+by+" with a revoked key", sentence(s.Reason)+" It does not count."
	case pgp.Weak, pgp.Unchecked:
		v.Headline, v.Detail = "Signature"+by+" that does not count", sentence(s.Reason)
	default:
		v.Headline, v.Detail = "Bad signature"+by, sentence(s.Reason)+" Do not rely on it."
	}
	return v
}

func (k *circle) judgeAll(all []pgp.Signature) (out []views.Signature) {
	for _, s := range all {
		out = append(out, k.judge(s))
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
	return k.judgeAll(all), nil
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
