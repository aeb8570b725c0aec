package handlers

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
)

// storeReason says what a store refused.
func storeReason(ctx context.Context, e *models.Error) string {
	if t, ok := wholePhrases[e.Message]; ok && e.Code != models.Internal {
		return t.In(ctx)
	}
	if len(e.Values) == 1 {
		if inner, ok := e.Values[0].(error); ok { // a format's, of which the store says no more
			return reason(ctx, inner)
		}
	}
	if e.Field == "depends" && len(e.Values) == 4 {
		next, _ := e.Values[3].(string)
		if id, ok := dependents[next]; ok {
			n, _ := e.Values[1].(int)
			return lang.N(ctx, id, n)
		}
	}
	p, ok := storePhrases[e.Format]
	if !ok || len(p.values) != len(e.Values) {
		return sentence(models.ErrorMessage(e))
	}
	args := lang.Args{}
	for i, name := range p.values {
		if name == "" {
			continue
		}
		switch value := e.Values[i].(type) {
		case time.Duration:
			args[name] = value.String()
		case string:
			args[name] = detail(ctx, value)
		default:
			args[name] = value
		}
	}
	return told(p.id, args).In(ctx)
}

// words says what a format complains about.
func words(ctx context.Context, err error) string {
	var policy *password.PolicyError
	var noAge *agefile.NoKeyError
	var noPGP *pgp.NoKeyError
	var key *pgp.KeyError
	text := err.Error()
	switch {
	case errors.As(err, &policy):
		return passwordPolicy(policy).In(ctx)
	case errors.As(err, &noAge) && noAge.Error() == text:
		return noAgeKey(ctx, noAge)
	case errors.As(err, &noPGP) && noPGP.Error() == text:
		return noPGPKey(ctx, noPGP)
	case errors.As(err, &key) && key.Error() == text:
		return unusableKey(ctx, key)
	}
	if t, ok := wholePhrases[text]; ok {
		return t.In(ctx)
	}
	for kind, id := range withDetail {
		if more, ok := strings.CutPrefix(text, kind.Error()+": "); ok {
			return lang.T(ctx, id, lang.Args{"More": more})
		}
	}
	if entry, ok := strings.CutPrefix(text, agefile.ErrKeys.Error()+": "); ok {
		for tail, id := range entryTails {
			if what, ok := strings.CutSuffix(entry, tail); ok {
				return lang.T(ctx, id, lang.Args{"Entry": entryName(ctx, what)})
			}
		}
	}
	return sentence(text)
}

// entryName is which key of several: its line, or its beginning.
func entryName(ctx context.Context, what string) string {
	if line, ok := strings.CutPrefix(what, "line "); ok {
		return lang.T(ctx, "formats.line", lang.Args{"Number": line})
	}
	return strings.TrimSuffix(sentence(what), ".")
}

// passwordPolicy says which rule a password breaks.
func passwordPolicy(e *password.PolicyError) lang.Text {
	switch e.Reason {
	case password.TooShort:
		return told("strength.password-short",
			lang.Args{"Count": e.Length, "Least": password.MinLength})
	case password.TooLong:
		return told("strength.password-long", lang.Args{"Most": password.MaxBytes})
	case password.TooWeak:
		return told("strength.password-weak", lang.Args{"Why": weakness(e.Pattern)})
	}
	return told("refused.password-not-text")
}

// passphrasePolicy is passwordPolicy for a passphrase.
func passphrasePolicy(e *password.PolicyError) lang.Text {
	switch e.Reason {
	case password.TooShort:
		return told("strength.passphrase-short",
			lang.Args{"Count": e.Length, "Least": password.MinLength})
	case password.TooLong:
		return told("strength.passphrase-long", lang.Args{"Most": password.MaxBytes})
	case password.TooWeak:
		return told("strength.passphrase-weak", lang.Args{"Why": weakness(e.Pattern)})
	}
	return told("strength.passphrase-not-text")
}

// weakness is what package password says of one that is easy to guess; in general words where it says something new.
func weakness(pattern string) lang.Text {
	if t, ok := weaknesses[pattern]; ok {
		return t
	}
	return told("strength.pattern")
}

func noAgeKey(ctx context.Context, e *agefile.NoKeyError) string {
	to := lang.Args{"Keys": lang.T(ctx, "formats.a-public-key")}
	if n := len(e.Stanzas); n != 1 {
		to["Keys"] = lang.N(ctx, "results.public-keys", n)
	}
	switch {
	case e.Wrong():
		return lang.T(ctx, "formats.wrong-passphrase")
	case e.Passphrase:
		return lang.T(ctx, "formats.passphrase-needed")
	case e.Tried == 0 && e.TriedPassphrase:
		return lang.T(ctx, "formats.no-passphrase", to)
	case e.Tried == 0:
		return lang.T(ctx, "formats.key-needed", to)
	}
	return notFitting(ctx, e.Tried, to)
}

func notFitting(ctx context.Context, tried int, to lang.Args) string {
	return lang.N(ctx, "formats.key-does-not-fit", tried, to)
}

func noPGPKey(ctx context.Context, e *pgp.NoKeyError) string {
	to := lang.Args{}
	switch n := len(e.Recipients); n {
	case 0:
		to["Keys"] = lang.T(ctx, "formats.nobody")
	case 1:
		to["Keys"] = lang.T(ctx, "formats.the-public-key", lang.Args{"Key": e.Recipients[0]})
	default:
		to["Keys"] = lang.N(ctx, "results.public-keys", n)
	}
	switch {
	case e.Wrong():
		return lang.T(ctx, "formats.wrong-passphrase")
	case e.Locked:
		return lang.T(ctx, "formats.key-locked")
	case e.Passphrase && len(e.Recipients) == 0:
		return lang.T(ctx, "formats.passphrase-needed")
	case e.Tried == 0 && !e.TriedPassphrase && !e.Passphrase:
		return lang.T(ctx, "formats.key-needed", to)
	case e.Tried == 0 && !e.Passphrase:
		return lang.T(ctx, "formats.no-passphrase", to)
	case e.Passphrase:
		return lang.T(ctx, "formats.neither-fits", to)
	}
	return notFitting(ctx, e.Tried, to)
}

// unusableKey says why an OpenPGP key can't be used, and more where the format does.
func unusableKey(ctx context.Context, e *pgp.KeyError) string {
	args := lang.Args{"Key": e.Fingerprint, "Why": told(keyKinds[e.Kind])}
	if keyKinds[e.Kind] == "" {
		return sentence(e.Error())
	}
	if e.Detail == "" {
		return told("formats.use-key", args).In(ctx)
	}
	if more, ok := keyDetails[e.Detail]; ok {
		args["More"] = more
	} else if day, ok := strings.CutPrefix(e.Detail, "on "); ok {
		args["More"] = told("formats.on-day", lang.Args{"Day": day})
	} else {
		args["More"] = e.Detail // has an algorithm's name
	}
	return told("formats.use-key-more", args).In(ctx)
}

// verdict is why a signature does not count, or not fully.
func verdict(ctx context.Context, s pgp.Signature) string {
	if t, ok := verdicts[s.Reason]; ok {
		return t.In(ctx)
	}
	if s.Hash != "" && s.Reason == "it uses "+s.Hash+", which can be forged" {
		return lang.T(ctx, "signatures.weak-hash", lang.Args{"Hash": s.Hash})
	}
	return sentence(s.Reason) // has an algorithm's name
}

// detail is what an item or a result notes of its format, as people read it.
func detail(ctx context.Context, noted string) string {
	if t, ok := details[noted]; ok {
		return t.In(ctx)
	}
	return noted
}

// about makes an error of ours one about a field.
func about(field string, err error) error {
	var said *saidError
	if !errors.As(err, &said) {
		return err
	}
	return failed(models.Invalid, field, said.said)
}

// joined are two sentences behind each other.
func joined(x *fiber.Ctx, first, second string) string {
	return say(x, "results.two-sentences", lang.Args{"First": first, "Second": second})
}
