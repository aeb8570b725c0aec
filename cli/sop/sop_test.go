package sop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/cli/sop"
)

// folder is where a test's files are, with a key of each kind in it.
type folder struct {
	*testing.T
}

// made holds what is slow to make, by file name.
var made struct {
	sync.Once
	files map[string]string
}

// newFolder goes to a new folder that holds
//
//	alice.key, alice.cert	the default profile
//	six.key, six.cert	version 6
//	locked.key, locked.cert	the same as alice, locked with "open sesame"
//	signer.key, signer.cert	without a subkey that encrypts
//	revoked.cert	alice's
//	pass	"open sesame"
//	text, text.sig, text.signed, text.pgp	by and for alice
func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{t}
	t.Chdir(t.TempDir())
	made.Do(func() {
		made.files = map[string]string{"pass": "open sesame", "text": "some text\nof two lines\n"}
		f.write("pass", made.files["pass"])
		keep := func(name, in string, args ...string) {
			made.files[name] = f.must(0, in, args...)
			f.write(name, made.files[name])
		}
		keep("alice.key", "", "generate-key", "Alice <alice@example.org>", "Alice at work <work@example.org>")
		keep("six.key", "", "generate-key", "--profile=rfc9580", "Six <six@example.org>")
		keep("signer.key", "", "generate-key", "--signing-only", "Signer")
		keep("locked.key", made.files["alice.key"], "change-key-password", "--new-key-password=pass")
		for _, who := range []string{"alice", "six", "signer", "locked"} {
			keep(who+".cert", made.files[who+".key"], "extract-cert")
		}
		keep("revoked.cert", made.files["alice.key"], "revoke-key")
		keep("text.sig", made.files["text"], "sign", "alice.key")
		keep("text.signed", made.files["text"], "inline-sign", "alice.key")
		keep("text.pgp", made.files["text"], "encrypt", "--sign-with=alice.key", "alice.cert")
	})
	for name, content := range made.files {
		f.write(name, content)
	}
	return f
}

func (f *folder) write(name, content string) {
	f.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		f.Fatal(err)
	}
}

func (f *folder) read(name string) string {
	f.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	return string(b)
}

func run(ctx context.Context, in io.Reader, args ...string) (code int, out, err string) {
	var stdout, stderr bytes.Buffer
	code = sop.Program{Version: "1.2.3"}.Run(ctx, args, in, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// must runs a subcommand that has to end with a code, and returns what it put out.
func (f *folder) must(code int, in string, args ...string) string {
	f.Helper()
	got, out, err := run(f.Context(), strings.NewReader(in), args...)
	if got != code {
		f.Fatalf("%s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, err)
	}
	if (code != 0) != (strings.Count(err, "\n") == 1) {
		f.Errorf("%s: exit %d, but on stderr is %q", strings.Join(args, " "), code, err)
	}
	return out
}

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
	text, pgp, sig, signed := f.read("text"), f.read("text.pgp"), f.read("text.sig"), f.read("text.signed")
	changed := strings.Replace(text, "two", "ten", 1)
	locked, alice := f.read("locked.key"), f.read("alice.key")

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
		{sop.KeyIsProtected, text, "encrypt --sign-with=locked.key alice.cert"},
		{sop.KeyIsProtected, pgp, "decrypt locked.key"},
		{sop.KeyIsProtected, pgp, "decrypt --with-key-password=text locked.key"},

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
		{sop.BadData, pgp, "inline-detach --signatures-out=new"},
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

		{sop.MissingArg, pgp, "decrypt"},
		{sop.CannotDecrypt, pgp, "decrypt six.key"},
		{sop.CannotDecrypt, pgp, "decrypt --with-password=pass"},
		{sop.CannotDecrypt, pgp[:len(pgp)/2], "decrypt alice.key"},
		{sop.BadData, text, "decrypt alice.key"},
		{sop.BadData, signed, "decrypt alice.key"},
		{sop.BadData, "", "decrypt alice.key"},
		{sop.BadData, pgp, "decrypt alice.cert"},
		{sop.BadData, pgp, "decrypt --with-session-key=session"},
		{sop.BadData, pgp, "decrypt --with-session-key=text"},
		{sop.IncompleteVerification, pgp, "decrypt --verify-with=alice.cert alice.key"},
		{sop.IncompleteVerification, pgp, "decrypt --verifications-out=new alice.key"},
		{sop.IncompleteVerification, pgp, "decrypt --verify-not-before=now alice.key"},
		{sop.OutputExists, pgp, "decrypt --session-key-out=taken alice.key"},
		{sop.OutputExists, pgp, "decrypt --verify-with=alice.cert --verifications-out=taken alice.key"},

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

// TestHelp: every subcommand explains itself, and that is a success.
func TestHelp(t *testing.T) {
	f := newFolder(t)
	for _, verb := range []string{"", "decrypt", "sign", "inline-verify"} {
		out := f.must(0, "", append(strings.Fields(verb), "--help")...)
		if !strings.Contains(out, "Usage: zencrypt sop "+verb) {
			t.Errorf("%s: %s", verb, out)
		}
	}
}

func TestVersion(t *testing.T) {
	f := newFolder(t)
	for option, want := range map[string]string{
		"": `^zencrypt 1\.2\.3\n$`, "--backend": `^go-crypto.*\n$`, "--extended": `^zencrypt 1\.2\.3\ngo-crypto`,
		"--sop-spec": `^~draft-dkg-openpgp-stateless-cli-\d\d\n`, "--sopv": `^1\.0\n$`,
	} {
		if out := f.must(0, "", append([]string{"version"}, strings.Fields(option)...)...); !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("version %s: %q", option, out)
		}
	}
}

// TestListProfiles: at most four, whose names hold neither a colon nor white space, and each of which works.
func TestListProfiles(t *testing.T) {
	f := newFolder(t)
	for _, verb := range []string{"generate-key", "encrypt"} {
		lines := strings.Split(strings.TrimSpace(f.must(0, "", "list-profiles", verb)), "\n")
		if len(lines) < 2 || len(lines) > 4 {
			t.Errorf("%s: %d profiles", verb, len(lines))
		}
		for i, line := range lines {
			name, about, ok := strings.Cut(line, ": ")
			if !ok || about == "" || strings.ContainsAny(name, " \t") || i == 0 && name != "default" {
				t.Errorf("%s: %q", verb, line)
			}
			if verb == "generate-key" {
				f.must(0, f.must(0, "", verb, "--profile="+name, "A"), "extract-cert")
			} else {
				f.must(0, "text", verb, "--profile="+name, "--with-password=pass")
			}
		}
	}
}

// TestVerifications checks the form of the lines.
func TestVerifications(t *testing.T) {
	f := newFolder(t)
	text := f.read("text")
	for mode, verb := range map[string]string{"binary": "--as=binary", "text": "--as=text"} {
		f.write("sig", f.must(0, text, "sign", verb, "alice.key", "six.key"))
		lines := strings.Split(strings.TrimSuffix(f.must(0, text, "verify", "sig", "six.cert", "alice.cert"), "\n"), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		for i, length := range []string{"40", "64"} {
			want := `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [0-9A-F]{` + length + `} [0-9A-F]{` + length + `} mode:` + mode + ` \{"signers":\["(six|alice)\.cert"\]\}$`
			if !regexp.MustCompile(want).MatchString(lines[i]) {
				t.Errorf("line %q", lines[i])
			}
		}
		// Line ends matter only to the binary signature.
		want := map[string]int{"binary": int(sop.NoSignature), "text": 0}[mode]
		f.must(want, strings.ReplaceAll(text, "\n", "\r\n"), "verify", "sig", "alice.cert")
	}
	// A certificate that is in two inputs is named with both.
	out := f.must(0, text, "verify", "text.sig", "alice.cert", "locked.cert")
	if !strings.Contains(out, `{"signers":["alice.cert","locked.cert"]}`) {
		t.Errorf("got %q", out)
	}
}

// TestTimes holds the bounds against the signature's own time.
func TestTimes(t *testing.T) {
	f := newFolder(t)
	line := f.must(0, f.read("text"), "verify", "text.sig", "alice.cert")
	at, err := time.Parse(time.RFC3339, strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	when := func(d time.Duration) string { return at.Add(d).Format(time.RFC3339) }
	for _, tt := range []struct {
		from, to string
		code     int
	}{
		{"-", "-", 0}, {"-", "now", 0}, {when(0), when(0), 0}, {when(-time.Second), when(time.Second), 0},
		{when(time.Second), "-", 3}, {"-", when(-time.Second), 3},
	} {
		bounds := []string{"--not-before=" + tt.from, "--not-after=" + tt.to}
		f.must(tt.code, f.read("text"), append(append([]string{"verify"}, bounds...), "text.sig", "alice.cert")...)
		f.must(tt.code, f.read("text.signed"), append(append([]string{"inline-verify"}, bounds...), "alice.cert")...)
		f.must(0, f.read("text.pgp"), "decrypt", "--verify-with=alice.cert", "--verifications-out=v",
			"--verify-not-before="+tt.from, "--verify-not-after="+tt.to, "alice.key")
		if (f.read("v") == "") != (tt.code != 0) {
			t.Errorf("%v: verifications %q", bounds, f.read("v"))
		}
		os.Remove("v")
	}
}

// TestPasswords: new ones lose white space at their end, old ones are tried with and without.
func TestPasswords(t *testing.T) {
	f := newFolder(t)
	f.write("spaced", "open sesame \n")
	f.write("other", "another")
	msg := f.must(0, "hello", "encrypt", "--with-password=spaced", "--with-password=other")
	for _, name := range []string{"spaced", "pass", "other"} {
		if got := f.must(0, msg, "decrypt", "--with-password=text", "--with-password="+name); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
	}
	key := f.must(0, "", "generate-key", "--with-key-password=spaced")
	f.must(0, key, "change-key-password", "--old-key-password=pass", "--new-key-password=other")
	f.must(0, key, "change-key-password", "--old-key-password=spaced")
	f.write("k", key)
	if got := f.must(0, "hello", "sign", "--with-key-password=text", "--with-key-password=spaced", "k"); got == "" {
		t.Error("nothing signed")
	}
}

// TestKeyPasswords: a key that was locked and unlocked again is the same.
func TestKeyPasswords(t *testing.T) {
	f := newFolder(t)
	for _, who := range []string{"alice", "six"} {
		key := f.read(who + ".key")
		locked := f.must(0, key, "change-key-password", "--new-key-password=pass")
		if locked == key {
			t.Error("not locked")
		}
		if got := f.must(0, locked, "change-key-password", "--old-key-password=text", "--old-key-password=pass"); got != key {
			t.Errorf("%s: unlocked it is\n%s\nit was\n%s", who, got, key)
		}
	}
	both := f.must(0, f.read("alice.key")+f.read("six.key"), "change-key-password", "--new-key-password=pass")
	if got := f.must(0, both, "extract-cert"); f.must(0, got, "dearmor") != f.must(0, f.read("alice.cert")+f.read("six.cert"), "dearmor") {
		t.Error("two keys did not become two certificates")
	}
}

// TestDecrypt_SessionKeys: what one run learns opens the message in another, also among others that do not fit.
func TestDecrypt_SessionKeys(t *testing.T) {
	f := newFolder(t)
	for _, who := range []string{"alice", "six"} {
		msg := f.must(0, "hello", "encrypt", "--session-key-out="+who+".sk", who+".cert")
		f.must(0, msg, "decrypt", "--session-key-out="+who+".sk2", who+".key")
		if one, two := f.read(who+".sk"), f.read(who+".sk2"); one != two || !regexp.MustCompile(`^9:[0-9A-F]{64}\n$`).MatchString(one) {
			t.Errorf("session keys %q and %q", one, two)
		}
		f.write("wrong", "9:"+strings.Repeat("00", 32))
		for _, args := range [][]string{
			{"--with-session-key=" + who + ".sk"},
			{"--with-session-key=wrong", "--with-session-key=" + who + ".sk"},
			{"--with-session-key=wrong", who + ".key"},
			{"--with-session-key=wrong", "--with-password=pass", who + ".key"},
		} {
			if got := f.must(0, msg, append([]string{"decrypt"}, args...)...); got != "hello" {
				t.Errorf("%s: %q", args, got)
			}
		}
		f.must(int(sop.CannotDecrypt), msg, "decrypt", "--with-session-key=wrong")
		if info, err := os.Stat(who + ".sk"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("session key: %v, %v", info.Mode(), err)
		}
	}
}

// TestDecrypt_Damaged flips every byte of a message: what can't be authenticated before its
// end is never put out, what can is a beginning.
func TestDecrypt_Damaged(t *testing.T) {
	f := newFolder(t)
	plain := strings.Repeat("some text, longer than one block\n", 12)
	for _, who := range []string{"alice", "six"} {
		msg := f.must(0, plain, "encrypt", "--no-armor", who+".cert")
		step := 1
		if testing.Short() {
			step = 17
		}
		for i := 0; i < len(msg); i += step {
			bad := msg[:i] + string(msg[i]^4) + msg[i+1:]
			code, out, _ := run(t.Context(), strings.NewReader(bad), "decrypt", who+".key")
			if code == 0 && out != plain || code != 0 && out != "" {
				t.Errorf("%s, byte %d changed: exit %d, put out %d bytes", who, i, code, len(out))
			}
			code, out, _ = run(t.Context(), strings.NewReader(msg[:i]), "decrypt", who+".key")
			if code == 0 || out != "" {
				t.Errorf("%s, cut at %d: exit %d, put out %d bytes", who, i, code, len(out))
			}
		}
	}
}

// TestDecrypt_Signed: a signature that does not count is no failure, and shows.
func TestDecrypt_Signed(t *testing.T) {
	f := newFolder(t)
	for i, cert := range []string{"alice.cert", "six.cert", "revoked.cert"} {
		out := fmt.Sprint("v", i)
		if got := f.must(0, f.read("text.pgp"), "decrypt", "--verify-with="+cert, "--verifications-out="+out, "alice.key"); got != f.read("text") {
			t.Errorf("got %q", got)
		}
		if (strings.Count(f.read(out), "\n") == 1) != (i == 0) {
			t.Errorf("%s: %q", cert, f.read(out))
		}
	}
}

// TestArmor: both ways, and once more without effect.
func TestArmor(t *testing.T) {
	f := newFolder(t)
	for name, kind := range map[string]string{
		"alice.key": "PRIVATE KEY BLOCK", "six.cert": "PUBLIC KEY BLOCK", "text.sig": "SIGNATURE", "text.pgp": "MESSAGE", "text.signed": "MESSAGE",
	} {
		binary := f.must(0, "before\n\n"+f.read(name)+"\nafter\n", "dearmor")
		if f.must(0, binary, "dearmor") != binary {
			t.Errorf("%s: binary was changed", name)
		}
		armored := f.must(0, binary, "armor")
		if !strings.HasPrefix(armored, "-----BEGIN PGP "+kind+"-----\n") {
			t.Errorf("%s: %.40q", name, armored)
		}
		if f.must(0, armored, "armor") != armored || f.must(0, armored, "dearmor") != binary {
			t.Errorf("%s: armor is not idempotent", name)
		}
		if sum := regexp.MustCompile(`\n=\S{4}\n`).MatchString(armored); sum == (name == "six.cert") {
			t.Errorf("%s: checksum %v", name, sum)
		}
	}
	// A signature before its content is a message (RFC 9580 section 10.3).
	sig := f.must(0, f.must(0, "hello", "sign", "alice.key"), "dearmor")
	old := sig + "\xcb\x0bb\x00\x00\x00\x00\x00hello"
	if got := f.must(0, old, "armor"); !strings.HasPrefix(got, "-----BEGIN PGP MESSAGE-----") {
		t.Errorf("got %.40q", got)
	}
	if got := f.must(0, old, "inline-verify", "alice.cert"); got != "hello" {
		t.Errorf("got %q", got)
	}
	if got := f.must(0, old, "inline-detach", "--no-armor", "--signatures-out=old.sig"); got != "hello" || f.read("old.sig") != sig {
		t.Errorf("got %q", got)
	}
}

// TestInline: the content comes back as it was, and its signatures hold without it.
func TestInline(t *testing.T) {
	f := newFolder(t)
	n := 0
	for _, text := range []string{"one\n", "one", "- dash\n-----BEGIN PGP\nFrom me\n", "ä\n\n\n", strings.Repeat("line\n", 30_000)} {
		for _, as := range []string{"binary", "text", "clearsigned"} {
			n++
			msg := f.must(0, text, "inline-sign", "--as="+as, "alice.key", "six.key")
			v := fmt.Sprint("v", n)
			got := f.must(0, msg, "inline-verify", "--verifications-out="+v, "alice.cert", "six.cert")
			want := text
			if as == "clearsigned" && !strings.HasSuffix(text, "\n") {
				want += "\n"
			}
			if got != want {
				t.Errorf("%s: %.60q became %.60q", as, text, got)
			}
			mode := "mode:" + map[string]string{"binary": "binary"}[as]
			if as != "binary" {
				mode = "mode:text"
			}
			if lines := f.read(v); strings.Count(lines, mode) != 2 {
				t.Errorf("%s: %s", as, lines)
			}
			sig := fmt.Sprint("sig", n)
			content := f.must(0, msg, "inline-detach", "--signatures-out="+sig)
			if lines := f.must(0, content, "verify", sig, "alice.cert", "six.cert"); strings.Count(lines, mode) != 2 {
				t.Errorf("%s, detached: %s", as, lines)
			}
			f.must(int(sop.NoSignature), content+"x", "verify", sig, "alice.cert", "six.cert")
		}
	}
}

// TestMicalg: the name as mail programs put it into a header.
func TestMicalg(t *testing.T) {
	f := newFolder(t)
	f.must(0, "hello", "sign", "--micalg-out=m", "alice.key")
	if got := f.read("m"); got != "pgp-sha512" {
		t.Errorf("got %q", got)
	}
}

// TestInterrupted: a run that waits for input ends when its context does, and leaves nothing.
func TestInterrupted(t *testing.T) {
	newFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	ended := make(chan int, 1)
	go func() {
		code, _, _ := run(ctx, r, "decrypt", "--session-key-out=new", "alice.key")
		ended <- code
	}()
	// The first byte is taken only once the output is there.
	if _, err := w.Write([]byte{0xc1}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if code := <-ended; code != int(sop.UnspecifiedFailure) {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat("new"); err == nil {
		t.Error("left an output behind")
	}
}

// program is the built zencrypt.
var program struct {
	sync.Once
	root, path string
	err        error
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sop")
	if err != nil {
		panic(err)
	}
	program.path = filepath.Join(dir, "zencrypt")
	if program.root, err = filepath.Abs("../.."); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// zencrypt builds the program once.
func zencrypt(t *testing.T) string {
	t.Helper()
	program.Do(func() {
		build := exec.Command("go", "build", "-o", program.path, ".")
		build.Dir = program.root // tests go elsewhere
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

// TestProcess: exit codes, open files and the environment reach the subcommands of the real program.
func TestProcess(t *testing.T) {
	bin := zencrypt(t)
	f := newFolder(t)
	start := func(in string, env string, files []*os.File, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"sop"}, args...)...)
		cmd.Stdin, cmd.ExtraFiles = strings.NewReader(in), files
		cmd.Env = append(os.Environ(), env)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if _, isExit := err.(*exec.ExitError); err != nil && !isExit {
			t.Fatal(err)
		}
		if n := strings.Count(stderr.String(), "\n"); (cmd.ProcessState.ExitCode() != 0) != (n == 1) {
			t.Errorf("%v: %q", args, &stderr)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	for args, want := range map[string]int{"version": 0, "frobnicate": 69, "sign --colour": 37, "sign": 19, "--help": 0, "decrypt --help": 0} {
		if code, _ := start("", "", nil, strings.Fields(args)...); code != want {
			t.Errorf("%s: exit %d, want %d", args, code, want)
		}
	}
	pass, err := os.Open("pass")
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	code, sig := start(f.read("text"), "", []*os.File{pass, w}, "sign", "--with-key-password=@FD:3", "--micalg-out=@FD:4", "locked.key")
	w.Close()
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	if micalg, err := io.ReadAll(r); err != nil || string(micalg) != "pgp-sha512" {
		t.Errorf("micalg %q, %v", micalg, err)
	}
	if code, out := start(f.read("text"), "SIG="+sig, nil, "verify", "@ENV:SIG", "alice.cert"); code != 0 || !strings.Contains(out, "mode:binary") {
		t.Errorf("exit %d, %s", code, out)
	}
}
