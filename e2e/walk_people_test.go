//go:build linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWalkPeople: two people find each other by login, compare, and exchange messages and a file of 100 MB by age and
// by OpenPGP, with scripts and without. One made her key on the page, the other brought his along from GnuPG and
// takes it back; what gpg and sq encrypt to it opens on the page, and gpg verifies what is signed there. All that is
// in the database came in by the page.
func TestWalkPeople(t *testing.T) {
	sq := program(t, "sq", "messages of Sequoia to a key that the page has exported")
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
		params string // for gpg --full-generate-key: what it makes of its own accord since 2.3, and before
	}{
		{"WithScript", true, "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign\nSubkey-Type: ECDH\nSubkey-Curve: cv25519\nSubkey-Usage: encrypt\n"},
		{"WithoutScript", false, "Key-Type: RSA\nKey-Length: 3072\nKey-Usage: sign\nSubkey-Type: RSA\nSubkey-Length: 3072\nSubkey-Usage: encrypt\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			w := &peopleWalk{t: t, gpg: newGnuPG(t), sq: sq, dir: t.TempDir()}
			for i, login := range []string{"Mira", "Jonas"} {
				client := s.client()
				client.register(login, walkPassword)
				w.tabs[i] = (&browser{t, b.ctx}).tab(s.url, c.script)
				w.tabs[i].adopt(client)
			}
			w.gpg.run(c.params+"Name-Real: Jonas Example\nName-Email: jonas@example.org\nExpire-Date: 2y\nPassphrase: "+gpgPass+"\n%commit\n", "--full-generate-key")
			w.makeKey()
			w.importKey()
			w.meet()
			w.messages()
			w.file()
			w.takeBack()
			w.fromElsewhere()
			w.signatures()
		})
	}
}

const gpgPass = "a passphrase for gpg"

type peopleWalk struct {
	t       *testing.T
	tabs    [2]*tab
	gpg     *gnupg // where Jonas has made his key
	sq, dir string
	keys    [2]string // the paths of their OpenPGP keys
	public  [2]string // what these pages give to others
	sealed  string    // an OpenPGP message to Jonas
}

// makeKey makes Mira's OpenPGP key on the page.
func (w *peopleWalk) makeKey() {
	w.t.Helper()
	mira := w.tabs[0]
	mira.open("/keys?new=1")
	mira.click("label:has(> [name=kind][value=pgp])")
	mira.fill("#user_name", "Mira Example")
	mira.fill("#email", "mira@example.org")
	mira.follow("#submit")
	mira.reads(".notice", "The key is made")
	w.shows(0)
}

// importKey takes the key of Jonas over from gpg, which exports it locked.
func (w *peopleWalk) importKey() {
	w.t.Helper()
	jonas := w.tabs[1]
	jonas.open("/keys?import=1")
	jonas.choose("#file", w.write("jonas.asc", w.gpg.run("", "--armor", "--passphrase", gpgPass, "--export-secret-keys", "jonas")))
	jonas.fill("#passphrase", gpgPass)
	jonas.follow("#submit")
	jonas.reads(".notice ul", "Jonas Example <jonas@example.org>: added")
	jonas.follow(".notice ul a")
	w.shows(1)
	if got := w.gpg.run("", "--with-colons", "--list-keys", "jonas"); !strings.Contains(got, strings.ReplaceAll(jonas.text("dd.fp"), " ", "")) {
		w.t.Errorf("the fingerprint is %q, gpg lists %s", jonas.text("dd.fp"), got)
	}
}

// shows downloads the public key whose page is open.
func (w *peopleWalk) shows(i int) {
	w.t.Helper()
	w.keys[i], _, _ = strings.Cut(w.tabs[i].path(), "?")
	name, path := w.tabs[i].download("section[aria-labelledby=public-title] .publickey form button")
	if w.public[i] = read(w.t, path); name != "zencrypt-openpgp-public.asc" || strings.TrimSpace(w.public[i]) != w.tabs[i].text("#recipient") {
		w.t.Errorf("downloaded %q, which is not what the page shows", name)
	}
}

// meet adds each other by login; both read the same words for both kinds of key.
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
		if n := tab.count(".made"); n != 2 {
			w.t.Errorf("%d safety phrases instead of one for age and one for OpenPGP", n)
		}
		phrases[i] = tab.text(".made") + tab.text("p.made:last-of-type")
		tab.follow("form[action$='/verify'] button")
		tab.reads("#compare-title", "Verified")
	}
	if phrases[0] != phrases[1] || len(strings.Fields(phrases[0])) < 15 {
		w.t.Errorf("Mira reads %q, Jonas %q", phrases[0], phrases[1])
	}
}

// send writes a text to the other and returns what came out.
func (w *peopleWalk) send(from int, text string, prepare func(*tab)) string {
	w.t.Helper()
	tab := w.tabs[from]
	tab.open("/encrypt")
	tab.click("label:has(> [name=to][value=people])")
	prepare(tab)
	tab.fill("#text", text)
	tab.answer()
	tab.reads("#result h2", "Encrypted for "+[]string{"Jonas", "Mira"}[from]+" and you")
	return tab.text("#result-text")
}

// opens is one of them opening a message with the keys of the ring.
func (w *peopleWalk) opens(who int, sealed, want, with string) {
	w.t.Helper()
	tab := w.tabs[who]
	tab.open("/decrypt")
	tab.fill("#text", sealed)
	tab.answer()
	tab.reads("#result h2", "Opened with your key “"+with)
	if got := tab.exact("#result-text"); got != want {
		w.t.Errorf("opened as %q, want %q", got, want)
	}
}

func (w *peopleWalk) messages() {
	w.t.Helper()
	sealed := w.send(0, "by age, grüße", func(tab *tab) { tab.fill("#recipients", "JONAS") })
	if !strings.HasPrefix(sealed, "-----BEGIN AGE") {
		w.t.Errorf("age was not preferred: %.40q", sealed)
	}
	w.opens(1, sealed, "by age, grüße", "age")
	w.sealed = w.send(0, "by OpenPGP, signed", func(tab *tab) {
		tab.fill("#recipients", "jonas")
		tab.unfold("Format and signature")
		tab.do("choose the key", evaluate(`document.getElementById("sign_with").selectedIndex = 1`))
	})
	if !strings.HasPrefix(w.sealed, "-----BEGIN PGP MESSAGE") {
		w.t.Errorf("a signature makes it OpenPGP: %.40q", w.sealed)
	}
	w.opens(1, w.sealed, "by OpenPGP, signed", "Jonas Example")
	w.tabs[1].reads("#result .signature", "Good signature by Mira")
	w.tabs[1].narrowAndWide("walk-signed-message", "light")
	// The key that gpg made signs on the page, and its owner is known by it.
	answer := w.send(1, "and back", func(tab *tab) {
		tab.click(".people .chip input")
		tab.unfold("Format and signature")
		tab.do("choose the key", evaluate(`document.getElementById("sign_with").selectedIndex = 1`))
	})
	w.opens(0, answer, "and back", "Mira Example")
	w.tabs[0].reads("#result .signature", "Good signature by Jonas")
}

const exchangedBytes = 100_000_000

// file is a file of 100 MB on its way from one to the other, by login.
func (w *peopleWalk) file() {
	w.t.Helper()
	plain := filepath.Join(w.dir, "plan.bin")
	f, err := os.Create(plain)
	if err != nil {
		w.t.Fatal(err)
	}
	want := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, want), noise(exchangedBytes)); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	mira, jonas := w.tabs[0], w.tabs[1]
	mira.open("/encrypt")
	mira.click("label:has(> [name=to][value=people])")
	mira.fill("#recipients", "Jonas")
	mira.mode("files")
	mira.choose("#file", plain)
	mira.answer()
	mira.reads("#result h2", "Encrypted for Jonas and you")
	name, path := mira.download("#result a[download]")
	if name != "plan.bin.age" {
		w.t.Errorf("downloaded %q", name)
	}
	sealed := filepath.Join(w.dir, name) // as the download is called, and not as Chromium keeps it
	if err := os.Rename(path, sealed); err != nil {
		w.t.Fatal(err)
	}
	jonas.open("/decrypt")
	jonas.mode("files")
	jonas.choose("#file", sealed)
	jonas.answer()
	jonas.reads("#result h2", "Opened with your key")
	name, path = jonas.download("#result a[download]")
	got, n := sha256.New(), int64(0)
	if f, err = os.Open(path); err == nil {
		n, err = io.Copy(got, f)
		f.Close()
	}
	if name != "plan.bin" || err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		w.t.Errorf("Jonas got %q with %d bytes (%v), not the file that Mira has", name, n, err)
	}
	for _, path := range []string{plain, sealed, path} {
		_ = os.Remove(path)
	}
}

// takeBack exports the key of Jonas with and without a passphrase: a GnuPG that never saw it reads with it what
// Mira wrote on the page.
func (w *peopleWalk) takeBack() {
	w.t.Helper()
	jonas := w.tabs[1]
	for _, pass := range []string{"", "another one for the way"} {
		jonas.open(w.keys[1])
		jonas.unfold("Export the OpenPGP key")
		jonas.fill("#export-current", walkPassword)
		if pass != "" {
			jonas.fill("#export-passphrase", pass)
		}
		name, path := jonas.download("form[action$='/export'] button[type=submit]")
		if name != "zencrypt-openpgp-key.asc" {
			w.t.Errorf("the export is called %q", name)
		}
		back := newGnuPG(w.t)
		back.run(read(w.t, path), "--passphrase", pass, "--import")
		back.run(w.public[0], "--import") // by which it checks the signature too
		if got := back.run(w.sealed, "--passphrase", pass, "--decrypt"); got != "by OpenPGP, signed" {
			w.t.Errorf("gpg decrypted %q with what came back", got)
		}
		if pass != "" {
			_ = exec.Command("gpgconf", "--homedir", back.home, "--kill", "gpg-agent").Run() // which remembers the passphrase
			if out, err := back.try(w.sealed, "--passphrase", pass+"x", "--decrypt"); err == nil {
				w.t.Errorf("the key was exported without its passphrase: gpg decrypted %q", out)
			}
		}
	}
	// The one that he made it in knows it as its own.
	w.gpg.run(w.public[0]+w.public[1], "--import")
	if got := w.gpg.run(w.sealed, "--passphrase", gpgPass, "--decrypt"); got != "by OpenPGP, signed" {
		w.t.Errorf("the first gpg decrypted %q", got)
	}
}

// fromElsewhere: what gpg and sq encrypt to the public key that the page gave out opens on the page.
func (w *peopleWalk) fromElsewhere() {
	w.t.Helper()
	other := newGnuPG(w.t)
	other.run(w.public[1], "--import")
	w.opens(1, other.run("from gpg\n", "--armor", "--encrypt", "-r", "jonas"), "from gpg\n", "Jonas Example")
	cmd := exec.Command(w.sq, "encrypt", "--recipient-cert", w.write("public.asc", w.public[1]))
	cmd.Stdin = strings.NewReader("from sq\n")
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("sq encrypt: %v", err)
	}
	w.opens(1, string(out), "from sq\n", "Jonas Example")
}

// signatures: what Mira signs is verified by Jonas here, and by gpg and sq anywhere.
func (w *peopleWalk) signatures() {
	w.t.Helper()
	g := newGnuPG(w.t)
	g.run(w.public[0], "--import")
	mira, jonas := w.tabs[0], w.tabs[1]
	mira.open("/sign")
	mira.fill("#text", "- The gate opens at 18:40.\nGrüße  \n")
	mira.answer()
	signed := mira.exact("#result-text")
	g.run("", "--verify", w.write("message.asc", signed))
	if out, err := g.try("", "--verify", w.write("forged.asc", strings.Replace(signed, "18:40", "19:40", 1))); err == nil {
		w.t.Errorf("gpg verifies what was changed: %s", out)
	}
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
	if out, err := exec.Command(w.sq, "verify", "--signer-cert", w.write("mira.asc", w.public[0]), "--detached", signature, plain).CombinedOutput(); err != nil {
		w.t.Errorf("sq does not verify it: %v\n%s", err, out)
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
	other.importKey(key.Armor())
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
