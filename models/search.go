package models

import "strings"

// Names are sealed, so that a search opens what there is and looks through it. Case does not count, nor do the blanks
// that fingerprints are written with.

// Holds tells whether a key's name, description, public key or fingerprint holds a text.
func (k *Key) Holds(text string) bool {
	found := holds(text, k.Name, k.Description)
	for i := range k.Versions {
		v := &k.Versions[i]
		if k.Kind == KindPGP { // a part of the armor says nothing to anybody
			found = found || holdsCode(text, v.Fingerprint)
		} else {
			found = found || holdsCode(text, v.Fingerprint, v.Public)
		}
	}
	return found
}

// Holds tells whether a person's name, login, note or a key's fingerprint holds a text.
func (p *Person) Holds(text string) bool {
	found := holds(text, p.Name, p.Login, p.Note)
	for i := range p.Keys {
		found = found || holdsCode(text, p.Keys[i].Fingerprint)
	}
	return found
}

func holds(text string, in ...string) bool {
	text = FoldName(text)
	for _, s := range in {
		if strings.Contains(FoldName(s), text) {
			return true
		}
	}
	return false
}

func holdsCode(text string, in ...string) bool {
	for i := range in {
		in[i] = compact(in[i])
	}
	return holds(compact(text), in...)
}

func compact(s string) string { return strings.Join(strings.Fields(s), "") }
