//go:build linux

package e2e

import (
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// TestWalkPeople: two people find each other by login, compare, and exchange messages and a file by age and by
// OpenPGP, signed, with scripts and without.
func TestWalkPeople(t *testing.T) {
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
	}{{"WithScript", true}, {"WithoutScript", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			w := &peopleWalk{s: s, t: t, dir: t.TempDir()}
			for i, login := range []string{"Mira", "Jonas"} {
				client := s.client()
				client.register(login, walkPassword)
				w.keys[i] = newPGPKey(t, login, time.Now())
				s.giveKey(login, walkPassword, w.keys[i])
				w.tabs[i] = (&browser{t, b.ctx}).tab(s.url, c.script)
				w.tabs[i].adopt(client)
			}
			w.meet()
			w.messages()
			w.file()
			w.signatures()
		})
	}
}

type peopleWalk struct {
	s    *server
	t    *testing.T
	tabs [2]*tab
	keys [2]*pgp.Key
	dir  string
}

// meet adds each other by login; both read the same words.
func (w *peopleWalk) meet() {
	w.t.Helper()
	var phrases [2]string
	for i, other := range []string{"jonas", "MIRA"} {
		tab := w.tabs[i]
		tab.open("/people")
		tab.fill("#find-login", other)
		tab.follow("form[action='/people/find'] button")
		tab.follow("section[aria-labelledby=found-title] button")
		tab.reads(".notice", "pinned")
		tab.narrowAndWide("walk-person", "dark")
		phrases[i] = tab.text(".made")
		tab.follow("form[action$='/verify'] button")
		tab.reads("#compare-title", "Verified")
	}
	if phrases[0] != phrases[1] || len(strings.Fields(phrases[0])) != 8 {
		w.t.Errorf("Mira reads %q, Jonas %q", phrases[0], phrases[1])
	}
}

// send writes a text to Jonas as Mira and returns what came out.
func (w *peopleWalk) send(text string, prepare func(*tab)) string {
	w.t.Helper()
	mira := w.tabs[0]
	mira.open("/encrypt")
	mira.click("label:has(> [name=to][value=people])")
	prepare(mira)
	mira.fill("#text", text)
	mira.answer()
	mira.reads("#result h2", "Encrypted for Jonas and you")
	return mira.text("#result-text")
}

// opens is Jonas opening what he got, with his own keys or a pasted one.
func (w *peopleWalk) opens(sealed, want, identity string) {
	w.t.Helper()
	jonas := w.tabs[1]
	jonas.open("/decrypt")
	if identity != "" {
		jonas.unfold("private key")
		jonas.fill("#identity", identity)
	}
	jonas.fill("#text", sealed)
	jonas.answer()
	jonas.reads("#result h2", "Opened with")
	if got := jonas.exact("#result-text"); got != want {
		w.t.Errorf("Jonas reads %q, want %q", got, want)
	}
}

func (w *peopleWalk) messages() {
	w.t.Helper()
	sealed := w.send("by age, grüße", func(tab *tab) { tab.fill("#recipients", "JONAS") })
	if !strings.HasPrefix(sealed, "-----BEGIN AGE") {
		w.t.Errorf("age was not preferred: %.40q", sealed)
	}
	w.opens(sealed, "by age, grüße", "")
	sealed = w.send("by OpenPGP, signed", func(tab *tab) {
		tab.click(".people .chip input")
		tab.unfold("Format and signature")
		tab.do("choose the key", evaluate(`document.getElementById("sign_with").selectedIndex = 1`))
	})
	if !strings.HasPrefix(sealed, "-----BEGIN PGP MESSAGE") {
		w.t.Errorf("a signature makes it OpenPGP: %.40q", sealed)
	}
	w.opens(sealed, "by OpenPGP, signed", w.keys[1].Armor())
	w.tabs[1].reads("#result .signature", "Good signature by Mira")
	w.tabs[1].narrowAndWide("walk-signed-message", "light")
}

func (w *peopleWalk) file() {
	w.t.Helper()
	content := "\x00binary\xff" + strings.Repeat("0123456789abcdef", 20_000)
	mira, jonas := w.tabs[0], w.tabs[1]
	mira.open("/encrypt")
	mira.click("label:has(> [name=to][value=people])")
	mira.click(".people .chip input")
	mira.mode("files")
	mira.choose("#file", small(mira, "plan.bin", content))
	mira.answer()
	mira.reads("#result h2", "Encrypted for Jonas and you")
	name, path := mira.download("#result a[download]")
	if name != "plan.bin.age" {
		w.t.Errorf("downloaded %q", name)
	}
	jonas.open("/decrypt")
	jonas.mode("files")
	jonas.choose("#file", small(jonas, name, read(w.t, path)))
	jonas.answer()
	jonas.reads("#result h2", "Opened with")
	if name, path := jonas.download("#result a[download]"); name != "plan.bin" || read(w.t, path) != content {
		w.t.Errorf("Jonas got %q with %d bytes", name, len(read(w.t, path)))
	}
}

// signatures: what Mira signs is verified by Jonas here, and by gpg and sq anywhere.
func (w *peopleWalk) signatures() {
	w.t.Helper()
	g := newGnuPG(w.t)
	g.run(w.keys[0].Certificate().Armor(), "--import")
	mira, jonas := w.tabs[0], w.tabs[1]
	mira.open("/sign")
	mira.fill("#text", "- The gate opens at 18:40.\nGrüße  \n")
	mira.answer()
	signed := mira.exact("#result-text")
	g.run("", "--verify", w.write("message.asc", signed))
	jonas.open("/verify")
	jonas.fill("#text", signed)
	jonas.answer()
	jonas.reads("#result .signature", "Good signature by Mira")
	jonas.reads("#result .signature", "You have compared their key")
	mira.open("/sign")
	mira.mode("files")
	mira.choose("#file", small(mira, "plan.txt", "the plan\r\n"))
	mira.answer()
	name, path := mira.download("#result a[download]")
	if name != "plan.txt.sig" {
		w.t.Errorf("downloaded %q", name)
	}
	plain, signature := w.write("plan.txt", "the plan\r\n"), w.write(name, read(w.t, path))
	g.run("", "--verify", signature, plain)
	if sq, err := exec.LookPath("sq"); err == nil {
		cert := w.write("mira.asc", w.keys[0].Certificate().Armor())
		if out, err := exec.Command(sq, "verify", "--signer-cert", cert, "--detached", signature, plain).CombinedOutput(); err != nil {
			w.t.Errorf("sq does not verify it: %v\n%s", err, out)
		}
	}
	jonas.open("/verify")
	jonas.mode("files")
	if !jonas.script || jonas.count("details[open] #signature_file") == 0 {
		jonas.unfold("signature is separate")
	}
	jonas.choose("#signature_file", small(jonas, name, read(w.t, signature)))
	jonas.choose("#file", small(jonas, "plan.txt", "the plan\r\n"))
	jonas.answer()
	jonas.reads("#result .signature", "Good signature by Mira")
}

func (w *peopleWalk) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// TestInterop_ToPerson: gpg and sq encrypt to the public key that another's page shows of somebody here; what the page
// encrypts to their keys they open.
func TestInterop_ToPerson(t *testing.T) {
	g := newGnuPG(t)
	sq := program(t, "sq", "messages of Sequoia to somebody here")
	s := newServer(t)
	i := &interop{T: t, c: s.client(), dir: t.TempDir()}
	i.c.register("sends", walkPassword)
	other := s.client()
	other.register("receives", walkPassword)
	key := newPGPKey(t, "Receives", time.Now())
	s.giveKey("receives", walkPassword, key)
	page := i.c.must(i.c.get(i.c.addPerson("login", "receives")), 200)
	public := html.UnescapeString(between(page.body, "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END"))
	public = "-----BEGIN PGP PUBLIC KEY BLOCK-----" + public + "-----END PGP PUBLIC KEY BLOCK-----\n"
	cert := i.write("receives.asc", public)
	g.run(public, "--import")
	opened := func(sealed string) string {
		a := other.must(other.upload("/decrypt", field("identity", key.Armor()), field("text", sealed)), 200)
		return html.UnescapeString(between(after(a.body, `id="result-text"`), ">", "</pre>"))
	}
	if got := opened(g.run("from gpg", "-a", "-e", "-r", "receives")); got != "from gpg" {
		t.Errorf("of gpg: %q", got)
	}
	cmd := exec.Command(sq, "encrypt", "--recipient-cert", cert)
	cmd.Stdin = strings.NewReader("from sq")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sq encrypt: %v", err)
	}
	if got := opened(string(out)); got != "from sq" {
		t.Errorf("of sq: %q", got)
	}

	g.run("", "--passphrase", "", "--quick-gen-key", "Grace <grace@example.org>", "future-default", "default", "never")
	i.same("to gpg's key", g.run(i.text("/encrypt", "to gpg", "to", "people", "recipients", g.run("", "-a", "--export", "grace")), "-d"), "to gpg")
	secret := i.path("sq.key")
	if out, err := exec.Command(sq, "key", "generate", "--userid", "Ada", "--export", secret).CombinedOutput(); err != nil {
		t.Fatalf("sq key generate: %v\n%s", err, out)
	}
	theirs, err := exec.Command(sq, "key", "extract-cert", secret).Output()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(sq, "decrypt", "--recipient-key", secret)
	cmd.Stdin = strings.NewReader(i.text("/encrypt", "to sq", "to", "people", "recipients", string(theirs)))
	if out, err := cmd.Output(); err != nil || string(out) != "to sq" {
		t.Errorf("sq opened %q, %v", out, err)
	}
}

// after is what stands in s after from.
func after(s, from string) string {
	_, s, _ = strings.Cut(s, from)
	return s
}
