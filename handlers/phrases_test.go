package handlers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
)

// notOnPages are what models say where no page asks for it: to the command line, and for what a form can't send.
var notOnPages = []string{
	"list items: the kind is not known", "count items: the kind is not known",
	"find key: your default %s key can't encrypt, or there is none: look under Keys",
	"the login has more than %d bytes", "the login is blank", "the password string has no digest", "the login and all its suffixes are taken",
	"take people in: too many have one name", "take people in: a list has at most %d, remove some first", "take it in: both of its ids are others' here",
	"it may have come before: an account with this login did, by an import under a server key that is not here",
}

// TestPhrases: whatever the stores say to people is in the catalogue, in their own English. A new complaint fails here
// until it is in phrases.go.
func TestPhrases(t *testing.T) {
	names, err := filepath.Glob("../models/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 3 {
				return true
			}
			if fun, ok := call.Fun.(*ast.Ident); !ok || fun.Name != "Errorf" {
				return true
			}
			code, _ := call.Args[0].(*ast.Ident)
			lit, ok := call.Args[2].(*ast.BasicLit)
			if !ok || code == nil || code.Name == "NotFound" || code.Name == "Gone" && name != "../models/factors_check.go" || code.Name == "Suspended" {
				return true // httpProblem and classify have texts of their own
			}
			format, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			seen[format] = true
			switch {
			case format == "%v", format == "%s": // another's words, or a list's in this file
			case format == "the login %s", strings.HasPrefix(format, "%s: %d %s encrypted to it"): // below
			case slices.Contains(notOnPages, format):
			default:
				_, whole := wholePhrases[format]
				p, ok := storePhrases[format]
				if !whole && !ok {
					t.Errorf("%s: %q is not in phrases.go", name, format)
				}
				if n := strings.Count(format, "%"); ok && n != len(p.values) {
					t.Errorf("%q has %d values, phrases.go names %d", format, n, len(p.values))
				}
			}
			return true
		})
	}
	for format := range storePhrases {
		if !seen[format] {
			t.Errorf("phrases.go has %q, which models do not say", format)
		}
	}
	ctx := t.Context()
	for text, said := range wholePhrases {
		if got, want := said.In(ctx), sentence(text); got != want {
			t.Errorf("%q is %q in English, want %q", text, got, want)
		}
	}
	for format, p := range storePhrases {
		values := make([]any, len(p.values))
		for i := range values {
			values[i] = any(7)
			if strings.Contains(format, "%s") && strings.Index(format, "%s") <= strings.Index(format+"%d", "%d") {
				values[i] = "doing this"
			}
		}
		e := models.Errorf(models.Invalid, "", format, values...)
		if got, want := reason(ctx, e), sentence(e.Message); got != want {
			t.Errorf("%q is %q in English, want %q", format, got, want)
		}
	}
	for text, said := range verdicts {
		if got, want := said.In(ctx), sentence(text); got != want {
			t.Errorf("%q is %q in English, want %q", text, got, want)
		}
	}
	for _, all := range []map[string]lang.Text{weaknesses, details} {
		for text, said := range all {
			if got := said.In(ctx); got != text {
				t.Errorf("%q is %q in English", text, got)
			}
		}
	}
}

// TestReason: the words of others' errors are said as before, typed ones with their values.
func TestReason(t *testing.T) {
	ctx := t.Context()
	for _, login := range []string{"ab", "a b c", "age1mira", strings.Repeat("x", 300), "a\u200bbc", "\xff\xfe\xfd", "miraа"} {
		_, _, err := models.NormalizeLogin(login)
		if err == nil {
			t.Fatalf("%q is a login", login)
		}
		if _, ok := wholePhrases[models.ErrorMessage(err)]; !ok {
			t.Errorf("%q is not in phrases.go", models.ErrorMessage(err))
		}
		if got, want := reason(ctx, err), sentence(models.ErrorMessage(err)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, text := range []string{"abc", "age1qqq", "AGE-SECRET-KEY-1QQQ", "ssh-ed25519 AAAA", "age1" + strings.Repeat("q", 5000)} {
		if _, err := (agefile.KeyReader{}).Recipient(text); err == nil || reason(ctx, err) != sentence(err.Error()) {
			t.Errorf("%.20s: got %q, want %q", text, reason(ctx, err), sentence(err.Error()))
		}
		if _, err := agefile.ParseIdentities(text); err == nil || reason(ctx, err) != sentence(err.Error()) {
			t.Errorf("%.20s: got %q, want %q", text, reason(ctx, err), sentence(err.Error()))
		}
	}
	for kind := range withDetail {
		if err := fmt.Errorf("%w: of 7 bytes", kind); reason(ctx, err) != sentence(err.Error()) {
			t.Errorf("got %q, want %q", reason(ctx, err), sentence(err.Error()))
		}
	}
	for _, err := range typedErrors() {
		if got, want := reason(ctx, err), sentence(err.Error()); got != want {
			t.Errorf("%T: got %q, want %q", err, got, want)
		}
	}
}

// typedErrors are all that a format's typed errors can say.
func typedErrors() (all []error) {
	for _, stanzas := range [][]string{{"X25519"}, {"X25519", "X25519"}} {
		for tried := range 3 {
			for _, passphrase := range []bool{false, true} {
				for _, triedPassphrase := range []bool{false, true} {
					all = append(all, &agefile.NoKeyError{Passphrase: passphrase, Stanzas: stanzas, Tried: tried, TriedPassphrase: triedPassphrase},
						&pgp.NoKeyError{Passphrase: passphrase, Recipients: stanzas, Tried: tried, TriedPassphrase: triedPassphrase},
						&pgp.NoKeyError{Passphrase: passphrase, Tried: tried, TriedPassphrase: triedPassphrase},
						&pgp.NoKeyError{Passphrase: passphrase, Tried: tried, TriedPassphrase: triedPassphrase, Locked: true})
				}
			}
		}
	}
	for _, kind := range []error{pgp.ErrKeyExpired, pgp.ErrKeyRevoked, pgp.ErrWeak, pgp.ErrCannotEncrypt, pgp.ErrCannotSign, pgp.ErrKeyInvalid} {
		all = append(all, &pgp.KeyError{Fingerprint: "00AA", Kind: kind}, &pgp.KeyError{Fingerprint: "00AA", Kind: kind, Detail: "on 2026-01-01"})
	}
	for _, pw := range []string{"short", "passwordpassword", "abcdefghijklm", "\xff", strings.Repeat("x", password.MaxBytes+1), "qwertyuiopasdf"} {
		all = append(all, password.Check(pw, "mira"))
	}
	return all
}
