package sop

import (
	"bytes"
	"fmt"
	"io"

	"zencrypt/crypto/pgp"
)

const (
	// MaxHeld bounds content that may not be put out before all of it was checked, in bytes.
	// It is held in memory and written nowhere: with the program's own needs it stays below 1 GiB.
	MaxHeld = 896 << 20
	// heldPart is how much is taken at a time: growing one piece would copy, and need double.
	heldPart = 1 << 20
)

// held is content that waits for its verdict.
type held struct {
	max   int64
	parts [][]byte
	n     int64
}

func (h *held) Write(p []byte) (int, error) {
	if h.n+int64(len(p)) > h.max {
		return 0, &tooLong{h.max}
	}
	written := len(p)
	h.n += int64(written)
	for len(p) > 0 {
		last := len(h.parts) - 1
		if last < 0 || len(h.parts[last]) == heldPart {
			h.parts = append(h.parts, make([]byte, 0, heldPart))
			last++
		}
		n := min(len(p), heldPart-len(h.parts[last]))
		h.parts[last] = append(h.parts[last], p[:n]...)
		p = p[n:]
	}
	return written, nil
}

func (h *held) reader() io.Reader {
	all := make([]io.Reader, len(h.parts))
	for i, part := range h.parts {
		all[i] = bytes.NewReader(part)
	}
	return io.MultiReader(all...)
}

func (h *held) writeTo(w io.Writer) error {
	for _, part := range h.parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// tooLong is a kind of [pgp.ErrTooLarge].
type tooLong struct{ max int64 }

func (t *tooLong) Error() string {
	return fmt.Sprintf("hold content back: it has more than %d MiB, and cannot be checked before its end; nothing was put out", t.max>>20)
}
func (*tooLong) Unwrap() error { return pgp.ErrTooLarge }
