package sop_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"zencrypt/cli/sop"
	"zencrypt/crypto/pgp"
)

// TestCodes goes through the draft's failure modes.
func TestCodes(t *testing.T) {
	f := newFolder(t)
	f.write("@ENV:THERE", "")
	f.write("@FD:3", "")
	f.write("empty", "")
	f.write("spaces", " \n")
	f.write("latin1", "Gr\xfc\xdfe")
	f.write("two-lines", "one\ntwo\n")
	f.write("long", strings.Repeat("x", 2000))
	f.write("session", "9:00")
	f.write("taken", "")
	t.Setenv("SOP_PASS", "open sesame")
	text, msg, sig, signed := f.read("text"), f.read("text.pgp"), f.read("text.sig"), f.read("text.signed")
	changed := strings.Replace(text, "two", "ten", 1)
	locked, alice, cert := f.read("locked.key"), f.read("alice.key"), f.read("alice.cert")
	old, err := pgp.NewKey(pgp.KeyParams{Name: "Old", Expires: time.Now().Add(-time.Hour), Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	f.write("old.key", old.Armor())

	for _, tt := range []struct {
		code sop.Code
		in   string
		args string // words, "_" for a space
	}{
		{sop.MissingArg, "", ""},
		{sop.UnsupportedSubcommand, "", "frobnicate"},
		{sop.UnsupportedSubcommand, "", "update-key"},
		{sop.UnsupportedSubcommand, "", "--version"},
		{sop.UnsupportedOption, "", "version --colour"},
		{sop.UnsupportedOption, "", "version -b"},
		{sop.UnsupportedOption, "", "armor file"},
		{sop.UnsupportedOption, "", "generate-key --no-armor=yes"},
		{sop.UnsupportedOption, "", "generate-key --no-no-armor"},
		{sop.IncompatibleOptions, "", "version --backend --extended"},
		{sop.MissingArg, "", "list-profiles"},
		{sop.UnsupportedProfile, "", "list-profiles sign"},
		{sop.UnsupportedProfile, "", "generate-key --profile=rot13"},
		{sop.UnsupportedProfile, text, "encrypt --profile=rot13 alice.cert"},
		{sop.UnspecifiedFailure, "", "generate-key " + strings.Repeat("A", 600)},

		{sop.PasswordNotHumanReadable, "", "generate-key --with-key-password=latin1"},
		{sop.PasswordNotHumanReadable, "", "generate-key --with-key-password=empty"},
		{sop.PasswordNotHumanReadable, text, "encrypt --with-password=spaces"},
		{sop.PasswordNotHumanReadable, text, "encrypt --with-password=two-lines"},
		{sop.PasswordNotHumanReadable, alice, "change-key-password --new-key-password=latin1"},
		{sop.BadData, text, "encrypt --with-password=long"},

		{sop.BadData, text, "extract-cert"},
		{sop.BadData, f.read("alice.cert"), "extract-cert"},
		{sop.BadData, "", "extract-cert"},

		{sop.KeyIsProtected, locked, "change-key-password"},
		{sop.KeyIsProtected, locked, "change-key-password --old-key-password=text"},
		{sop.KeyIsProtected, locked, "revoke-key"},
		{sop.KeyIsProtected, text, "sign locked.key"},
		{sop.KeyIsProtected, text, "sign --with-key-password=text locked.key"},
		{sop.KeyIsProtected, text, "inline-sign locked.key"},
		{sop.KeyCannotSign, text, "sign old.key"},
		{sop.KeyCannotSign, text, "inline-sign --as=clearsigned old.key"},
		{sop.KeyCannotSign, text, "encrypt --sign-with=old.key alice.cert"},
		{sop.Success, msg, "decrypt old.key alice.key"},
		{sop.KeyIsProtected, text, "encrypt --sign-with=locked.key alice.cert"},
		{sop.KeyIsProtected, msg, "decrypt locked.key"},
		{sop.KeyIsProtected, msg, "decrypt --with-key-password=text locked.key"},

		{sop.MissingArg, text, "sign"},
		{sop.MissingInput, text, "sign nobody.key"},
		{sop.BadData, text, "sign alice.cert"},
		{sop.BadData, text, "sign text"},
		{sop.UnsupportedOption, text, "sign --as=clearsigned alice.key"},
		{sop.ExpectedText, "Gr\xfc\xdfe", "sign --as=text alice.key"},
		{sop.OutputExists, text, "sign --micalg-out=taken alice.key"},

		{sop.MissingArg, text, "inline-sign"},
		{sop.IncompatibleOptions, text, "inline-sign --as=clearsigned --no-armor alice.key"},
		{sop.ExpectedText, "Gr\xfc\xdfe", "inline-sign --as=clearsigned alice.key"},
		{sop.ExpectedText, "Gr\xfc\xdfe", "inline-sign --as=text alice.key"},
		{sop.ExpectedText, "Gr\xc3", "inline-sign --as=text alice.key"},
		{sop.UnsupportedOption, text, "inline-sign --as=image alice.key"},

		{sop.MissingArg, text, "verify"},
		{sop.MissingArg, text, "verify text.sig"},
		{sop.NoSignature, text, "verify text.sig six.cert"},
		{sop.NoSignature, changed, "verify text.sig alice.cert"},
		{sop.NoSignature, text, "verify text.sig revoked.cert"},
		{sop.NoSignature, text, "verify --not-after=2001-01-01T00:00:00Z text.sig alice.cert"},
		{sop.NoSignature, text, "verify --not-before=2101-01-01T00:00:00Z text.sig alice.cert"},
		{sop.UnsupportedOption, text, "verify --not-before=yesterday text.sig alice.cert"},
		{sop.BadData, text, "verify text alice.cert"},
		{sop.BadData, text, "verify text.sig text"},
		{sop.BadData, text, "verify text.sig alice.key"},
		{sop.MissingInput, text, "verify text.sig nobody.cert"},
		{sop.MissingInput, text, "verify nothing.sig alice.cert"},

		{sop.MissingArg, signed, "inline-verify"},
		{sop.NoSignature, signed, "inline-verify six.cert"},
		{sop.NoSignature, signed, "inline-verify --not-after=2001-01-01T00:00:00Z alice.cert"},
		{sop.BadData, text, "inline-verify alice.cert"},
		{sop.BadData, signed[:len(signed)/2], "inline-verify alice.cert"},
		{sop.BadData, sig, "inline-verify alice.cert"},
		{sop.OutputExists, signed, "inline-verify --verifications-out=taken alice.cert"},

		{sop.MissingArg, signed, "inline-detach"},
		{sop.OutputExists, signed, "inline-detach --signatures-out=taken"},
		{sop.BadData, text, "inline-detach --signatures-out=new"},
		{sop.BadData, msg, "inline-detach --signatures-out=new"},
		{sop.BadData, signed[:len(signed)/2], "inline-detach --signatures-out=new"},

		{sop.MissingArg, text, "encrypt"},
		{sop.MissingArg, text, "encrypt alice.cert --with-password"},
		{sop.MissingArg, text, "encrypt --with-password="},
		{sop.CertCannotEncrypt, text, "encrypt signer.cert"},
		{sop.CertCannotEncrypt, text, "encrypt alice.cert revoked.cert"},
		{sop.BadData, text, "encrypt alice.key"},
		{sop.BadData, text, "encrypt text"},
		{sop.UnsupportedOption, text, "encrypt --for=fun alice.cert"},
		{sop.UnsupportedOption, text, "encrypt --as=image alice.cert"},
		{sop.ExpectedText, "Gr\xfc\xdfe", "encrypt --as=text alice.cert"},
		{sop.OutputExists, text, "encrypt --session-key-out=taken alice.cert"},

		{sop.MissingArg, msg, "decrypt"},
		{sop.CannotDecrypt, msg, "decrypt six.key"},
		{sop.CannotDecrypt, msg, "decrypt --with-password=pass"},
		{sop.CannotDecrypt, msg[:len(msg)/2], "decrypt alice.key"},
		{sop.BadData, text, "decrypt alice.key"},
		{sop.BadData, signed, "decrypt alice.key"},
		{sop.BadData, "", "decrypt alice.key"},
		{sop.BadData, msg, "decrypt alice.cert"},
		{sop.BadData, msg, "decrypt --with-session-key=session"},
		{sop.BadData, msg, "decrypt --with-session-key=text"},
		{sop.IncompleteVerification, msg, "decrypt --verify-with=alice.cert alice.key"},
		{sop.IncompleteVerification, msg, "decrypt --verifications-out=new alice.key"},
		{sop.IncompleteVerification, msg, "decrypt --verify-not-before=now alice.key"},
		{sop.OutputExists, msg, "decrypt --session-key-out=taken alice.key"},
		{sop.OutputExists, msg, "decrypt --verify-with=alice.cert --verifications-out=taken alice.key"},

		{sop.BadData, text, "merge-certs"},
		{sop.BadData, alice, "merge-certs"},
		{sop.BadData, cert, "merge-certs alice.key"},
		{sop.MissingInput, cert, "merge-certs nobody.cert"},
		{sop.Success, cert, "merge-certs six.cert"},
		{sop.MissingArg, cert, "certify-userid --userid=Signer"},
		{sop.MissingArg, cert, "certify-userid six.key"},
		{sop.UnsupportedOption, cert, "certify-userid --no-require-self-sig --userid=Signer six.key"},
		{sop.CertUserIDNoMatch, cert, "certify-userid --userid=Mallory six.key"},
		{sop.KeyIsProtected, f.read("signer.cert"), "certify-userid --userid=Signer locked.key"},
		{sop.KeyCannotCertify, f.read("signer.cert"), "certify-userid --userid=Signer old.key"},
		{sop.BadData, alice, "certify-userid --userid=Signer six.key"},
		{sop.MissingArg, cert, "validate-userid Signer"},
		{sop.CertUserIDNoMatch, f.read("signer.cert"), "validate-userid Signer six.cert"},
		{sop.CertUserIDNoMatch, f.read("signer.cert"), "validate-userid Mallory signer.cert"},
		{sop.CertUserIDNoMatch, f.read("signer.cert"), "validate-userid --validate-at=2001-01-01 Signer signer.cert"},
		{sop.CertUserIDNoMatch, f.read("signer.cert") + cert, "validate-userid Signer signer.cert"},
		{sop.Success, f.read("signer.cert"), "validate-userid Signer signer.cert"},
		{sop.UnsupportedOption, cert, "validate-userid --validate-at=- Signer signer.cert"},

		{sop.BadData, text, "armor"},
		{sop.BadData, "", "armor"},
		{sop.BadData, text, "dearmor"},
		{sop.BadData, sig[:len(sig)-20], "dearmor"},

		{sop.AmbiguousInput, text, "encrypt --with-password=@ENV:THERE"},
		{sop.AmbiguousInput, text, "encrypt @FD:3"},
		{sop.AmbiguousInput, text, "encrypt --session-key-out=@FD:3 alice.cert"},
		{sop.MissingInput, text, "encrypt --with-password=@ENV:SOP_UNSET"},
		{sop.MissingInput, text, "encrypt --with-password=@FD:999"},
		{sop.MissingInput, text, "encrypt --with-password=@FD:-1"},
		{sop.UnsupportedSpecialPrefix, text, "encrypt --with-password=@HARDWARE:1"},
		{sop.UnsupportedSpecialPrefix, text, "encrypt @alice.cert"},
		{sop.UnsupportedSpecialPrefix, text, "encrypt --session-key-out=@ENV:OUT alice.cert"},
		{sop.UnsupportedSpecialPrefix, text, "encrypt --session-key-out=@out alice.cert"},
		{sop.UnspecifiedFailure, text, "encrypt --session-key-out=@FD:999 alice.cert"},
		{sop.UnspecifiedFailure, text, "encrypt --session-key-out=no/such/folder alice.cert"},
		{sop.Success, text, "encrypt --with-password=@ENV:SOP_PASS"},
		{sop.Success, text, "encrypt --with-password pass --no-armor"},
	} {
		args := strings.Fields(tt.args)
		t.Run(tt.args, func(t *testing.T) {
			f := &folder{t}
			before := len(f.names())
			out := f.must(int(tt.code), tt.in, args...)
			if tt.code != 0 && out != "" {
				t.Errorf("failed, and put out %q", out)
			}
			if after := f.names(); len(after) != before {
				t.Errorf("left a file behind: %v", after)
			}
			if f.read("taken") != "" {
				t.Error("replaced an output")
			}
		})
	}
}

func (f *folder) names() (names []string) {
	entries, err := os.ReadDir(".")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
