package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/crypto"
	"zencrypt/crypto/pgp"
)

type inspectCmd struct {
	JSON  bool   `name:"json" help:"Print a JSON object."`
	Input string `arg:"" optional:"" name:"input" help:"What to look at. Default: standard input."`
}

// Help is the long text of `zencrypt inspect --help`.
func (inspectCmd) Help() string {
	return `Tells what an input is: its format, for whom it is encrypted, its sizes, and whether it can be whole. It opens
nothing and needs no key, so that all it says is what the input says of itself; anybody could have made that up.

` + exitCodes
}

func (c *inspectCmd) Run(e *env) error {
	list, err := e.sources(optional(c.Input))
	if err != nil {
		return err
	}
	src, err := e.open(list[0])
	if err != nil {
		return err
	}
	defer src.Close()
	r, done := e.progress(list[0], src)
	info, err := answer(e.ctx, func() (crypto.Info, error) { return crypto.Inspect(r) })
	done()
	if err != nil {
		return err
	}
	facts := factsOf(info)
	if c.JSON {
		return printJSON(e.stdout, facts)
	}
	return facts.print(e.stdout)
}

// facts are what is printed, in both forms.
type facts struct {
	Format      string   `json:"format"`
	Kind        string   `json:"kind,omitempty"`
	Armored     bool     `json:"armored"`
	Recipients  []string `json:"recipients,omitempty"`
	Passphrase  string   `json:"passphrase,omitempty"`
	Cipher      string   `json:"cipher,omitempty"`
	Signatures  []string `json:"signatures,omitempty"`
	Keys        []string `json:"keys,omitempty"`
	Created     string   `json:"created,omitempty"`
	Size        int64    `json:"size"`
	ContentSize *int64   `json:"content_size,omitempty"`
	Whole       bool     `json:"whole"`
	Problem     string   `json:"problem,omitempty"`
	Note        string   `json:"note,omitempty"`
}

func factsOf(i crypto.Info) facts {
	f := facts{Format: string(i.Format), Armored: i.Armored, Size: i.Size, Whole: i.Problem == "", Problem: i.Problem}
	if i.Content >= 0 {
		f.ContentSize = &i.Content
	}
	switch i.Format {
	case crypto.FormatAge:
		f.Kind, f.Cipher = "encrypted file", "ChaCha20-Poly1305, 64 KiB at a time"
		if i.Age.Passphrase {
			f.Passphrase = fmt.Sprintf("scrypt, work factor %d", i.Age.WorkFactor)
		} else {
			f.Recipients = i.Age.Stanzas
		}
	case crypto.FormatFernet:
		f.Kind, f.Cipher = "token", "AES-128-CBC, HMAC-SHA-256"
		f.Created = i.Created.UTC().Format(time.RFC3339)
	case crypto.FormatLegacyWeb:
		f.Kind, f.Cipher = "file of an older Zencrypt's page: base64 over a Fernet token", "AES-128-CBC, HMAC-SHA-256"
		f.Created = i.Created.UTC().Format(time.RFC3339)
	case crypto.FormatLegacyRSA:
		f.Kind, f.Cipher = "message of an older Zencrypt, or any other 256 bytes in base64", "RSA-2048, OAEP with SHA-256"
	case crypto.FormatPGP:
		f.openPGP(i.PGP)
	}
	return f
}

func (f *facts) openPGP(i pgp.Info) {
	f.Kind = string(i.Kind)
	for _, r := range i.Recipients {
		f.Recipients = append(f.Recipients, r.Algorithm+" "+r.KeyID)
	}
	var pass []string
	for _, p := range i.Passphrases {
		pass = append(pass, s2kName(p.S2K))
	}
	f.Passphrase = strings.Join(pass, "; ")
	f.Cipher = strings.Join(nonEmpty(i.Protection, i.Cipher, i.AEAD), ", ")
	if i.Protection == "none" {
		f.Note = "there is no integrity protection: anybody could have changed it unseen"
	}
	for _, s := range i.Signatures {
		f.Signatures = append(f.Signatures, strings.Join(nonEmpty(s.Algorithm, s.Hash, s.KeyID), " "))
	}
	for _, k := range i.Keys {
		f.Keys = append(f.Keys, fmt.Sprintf("%s %s, version %d, made %s", k.Algorithm, k.Fingerprint, k.Version, k.Created.UTC().Format(time.DateOnly)))
	}
}

func s2kName(s pgp.S2K) string {
	switch {
	case s.Memory > 0:
		return fmt.Sprintf("%s, %s, %d passes", s.Kind, humanize.IBytes(uint64(s.Memory)), s.Passes)
	case s.Count > 0:
		return fmt.Sprintf("%s %s, %s hashed", s.Kind, s.Hash, humanize.IBytes(uint64(s.Count)))
	}
	return strings.Join(nonEmpty(s.Kind, s.Hash), " ")
}

func nonEmpty(words ...string) (kept []string) {
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}

func (f facts) print(w io.Writer) error {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-14s%s\n", name+":", pgp.Display(value))
		}
	}
	format := f.Format
	if f.Armored {
		format += ", as text"
	}
	line("Format", format)
	line("What it is", f.Kind)
	for _, r := range f.Recipients {
		line("Encrypted to", r)
	}
	line("Passphrase", f.Passphrase)
	line("Protection", f.Cipher)
	for _, s := range f.Signatures {
		line("Signature", s)
	}
	for _, k := range f.Keys {
		line("Key", k)
	}
	line("Made", f.Created)
	line("Size", fmt.Sprintf("%d bytes", f.Size))
	if f.ContentSize != nil {
		line("Content", fmt.Sprintf("%d bytes", *f.ContentSize))
	}
	if f.Whole {
		line("Whole", "nothing speaks against it; only opening it tells")
	} else {
		line("Whole", "no: "+f.Problem)
	}
	line("Note", f.Note)
	_, err := io.WriteString(w, b.String())
	return err
}
