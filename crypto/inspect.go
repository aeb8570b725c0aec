package crypto

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

// Info is what an input says of itself without any key. None of it is authenticated, and all of it may be
// made up.
type Info struct {
	Format  Format
	Armored bool
	Size    int64  // of the input in bytes
	Content int64  // of the plaintext in bytes; -1 when it can't be told
	Problem string // why it can't be whole; empty when nothing speaks against it

	Age     agefile.Info // for age
	PGP     pgp.Info     // for OpenPGP
	Created time.Time    // for Fernet
}

// Inspect tells the format of src and reads it to its end, in memory that does not depend on its size,
// save for a Fernet token, which is held. It opens nothing. The error kinds are [ErrFormat], [ErrDamaged],
// [ErrRefused] and [ErrTooLarge]; what is merely cut short is described as far as it goes.
func Inspect(src io.Reader) (Info, error) {
	br := bufio.NewReaderSize(src, Sniff)
	f, armored, err := detect(br)
	if err != nil {
		return Info{Format: FormatUnknown}, err
	}
	info := Info{Format: f, Armored: armored, Content: -1}
	switch f {
	case FormatAge:
		m, err := agefile.Measure(br)
		info.Age, info.Size, info.Content, info.Problem = m.Info, m.Size, m.Content, m.Problem
		return info, classify(err)
	case FormatPGP:
		info.PGP, err = pgp.Inspect(br)
		info.Size, info.Content, info.Problem = info.PGP.Size, info.PGP.Plaintext, info.PGP.Problem
		return info, classify(err)
	case FormatFernet, FormatLegacyWeb:
		return inspectFernet(br, info)
	case FormatLegacyRSA:
		info.Size, err = io.Copy(io.Discard, br)
		return info, err
	}
	return info, errUnknown
}

func inspectFernet(src io.Reader, info Info) (Info, error) {
	input := &counter{src: src}
	var token []byte
	var err error
	if info.Format == FormatLegacyWeb {
		if token, err = legacy.Unwrap(input, fernet.MaxToken); err != nil {
			return info, classify(err)
		}
	} else if token, err = io.ReadAll(io.LimitReader(input, fernet.MaxToken+1)); err != nil {
		return info, fmt.Errorf("read input: %w", err)
	}
	if len(token) > fernet.MaxToken {
		return info, classify(fernet.ErrTooLarge)
	}
	info.Size = input.n
	info.Created, err = fernet.Created(token)
	return info, classify(err)
}

type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	return n, err
}
