// Package agefile encrypts and opens age files (age-encryption.org/v1, C2SP age.md) on
// filippo.io/age, with the limits a server needs around it.
//
// [Encrypt] and [Open] are for files that other people's age also reads and writes.
// [SealFile] and [OpenFile] wrap the program's own files: an age payload under a file key
// that is kept elsewhere, so that a disk alone has nothing to guess at.
//
// Keys are read by [ParseRecipients] and [ParseIdentities] where a person pasted them, and by
// a [KeyReader] from files, as age's -r, -R and -i read them.
//
// The source is read, and the destination written, when and only when the caller calls, and on
// the caller's goroutine. Only [EncryptParallel] and an [Opener] with Workers start goroutines,
// each of which seals or opens one buffer and ends.
package agefile

import (
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/tag"
)

const (
	// ServerWorkFactor is log2 of scrypt's N for passphrases set here: 0.12 s and 32 MiB.
	ServerWorkFactor = 15
	// ServerMaxWorkFactor is the highest factor that is tried for a stranger's file, and what age -p writes: 0.8 s and 256 MiB.
	ServerMaxWorkFactor = 18
	// MaxStanzas is how many recipient stanzas a file may have.
	MaxStanzas = 64
	// MaxAttempts is how many times a stanza may be held against an identity in one file: 1,000 stanzas and 100 identities took 11.5 s.
	MaxAttempts = 4096
	// ChunkSize is how much plaintext age authenticates at a time, in bytes.
	ChunkSize = 64 << 10

	// maxHeader bounds what is read before the payload, in bytes: 64 post-quantum stanzas need 110 KiB.
	maxHeader = 256 << 10
	// fileKeySize is fixed by the format.
	fileKeySize = 16
	intro       = "age-encryption.org/v1\n"
)

// Encrypt writes an age file for the recipients to dst, as text when armored. The header is
// written at once, so a recipient that cannot be used is an error here. Close writes the
// last chunk and the end of the armor, and does not close dst; without it the file is cut short.
func Encrypt(dst io.Writer, armored bool, rs ...age.Recipient) (io.WriteCloser, error) {
	if err := Check(rs...); err != nil {
		return nil, err
	}
	out := &writer{}
	if armored {
		out.armor = armor.NewWriter(dst)
		dst = out.armor
	}
	w, err := age.Encrypt(dst, rs...)
	if err != nil {
		return nil, fmt.Errorf("encrypt file: %w", err)
	}
	out.age = w
	return out, nil
}

// Check tells whether one file may have all these recipients, before there is any content: the error is
// [ErrNoRecipient], [ErrManyRecipients], or [ErrMixed].
func Check(rs ...age.Recipient) error {
	switch {
	case len(rs) == 0:
		return ErrNoRecipient
	case len(rs) > MaxStanzas:
		return ErrManyRecipients
	case len(rs) > 1 && mixed(rs):
		return ErrMixed
	}
	return nil
}

// mixed tells whether age would refuse the recipients together: passphrases stand alone,
// and one classic recipient would undo what the post-quantum ones promise.
func mixed(rs []age.Recipient) bool {
	var pq int
	for _, r := range rs {
		switch r := r.(type) {
		case *age.ScryptRecipient:
			return true
		case *age.HybridRecipient:
			pq++
		case *tag.Recipient:
			if r.Hybrid() {
				pq++
			}
		}
	}
	return pq != 0 && pq != len(rs)
}

type writer struct {
	age, armor io.WriteCloser
	closed     bool
}

func (w *writer) Write(p []byte) (int, error) { return w.age.Write(p) }

// Close finishes the file. A second Close does nothing.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.age.Close()
	if err == nil && w.armor != nil {
		err = w.armor.Close()
	}
	return err
}
