package crypto

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
)

// Info is what an input says of itself without any key. None of it is authenticated.
type Info struct {
	Format  Format
	Armored bool
	Age     agefile.Info // for age
	Created time.Time    // for Fernet
}

// Inspect tells the format of src and reads its header, or a Fernet token to its end. It
// opens nothing. The error kinds are [ErrFormat], [ErrDamaged], [ErrRefused] and [ErrTooLarge].
func Inspect(src io.Reader) (Info, error) {
	br := bufio.NewReaderSize(src, sniff)
	f, armored, err := detect(br)
	if err != nil {
		return Info{Format: FormatUnknown}, err
	}
	info := Info{Format: f, Armored: armored}
	switch f {
	case FormatAge:
		info.Age, err = agefile.Inspect(br)
		return info, classify(err)
	case FormatFernet:
		token, err := io.ReadAll(io.LimitReader(br, fernet.MaxToken+1))
		if err != nil {
			return info, fmt.Errorf("read input: %w", err)
		}
		if len(token) > fernet.MaxToken {
			return info, classify(fernet.ErrTooLarge)
		}
		info.Created, err = fernet.Created(token)
		return info, classify(err)
	}
	return info, errUnknown
}
