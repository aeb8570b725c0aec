package agefile

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// Measured is what an age file says of itself, and what its length tells.
type Measured struct {
	Info
	Size    int64  // of the input in bytes, with its armor
	Content int64  // of the plaintext in bytes, when the file is whole; -1 otherwise
	Problem string // why it can't be whole; empty when it can
}

// Measure reads a file to its end, opens nothing and holds none of it. A file that was changed without
// changing its length looks whole: only opening it tells. Errors are those of [Inspect].
func Measure(src io.Reader) (Measured, error) {
	input := &counter{src: src}
	armored, binary, err := dearmor(mark(input), false)
	if err != nil {
		return Measured{}, err
	}
	head, rest, err := readHeader(binary)
	if err != nil {
		return Measured{}, err
	}
	m := Measured{Content: -1}
	if m.Info, err = head.info(); err != nil {
		return m, err
	}
	m.Armored = armored
	n, err := io.Copy(io.Discard, rest)
	switch {
	case errors.Is(err, ErrDamaged):
		m.Problem = "its armor is incomplete or was changed"
	case err != nil:
		return m, err
	default:
		m.Content, m.Problem = contentSize(n - int64(m.HeaderSize))
	}
	m.Size = input.n
	return m, nil
}

// contentSize tells the plaintext's size from that of nonce and payload (age.md, payload): each chunk of
// 64 KiB has a tag, and only an empty plaintext has an empty chunk.
func contentSize(payload int64) (n int64, problem string) {
	const full = ChunkSize + chacha20poly1305.Overhead
	payload -= nonceSize
	chunks := (payload + full - 1) / full
	last := payload - (chunks-1)*full
	switch {
	case payload < chacha20poly1305.Overhead:
		return -1, "it ends before its content begins"
	case last < chacha20poly1305.Overhead, last == chacha20poly1305.Overhead && chunks > 1:
		return -1, fmt.Sprintf("it ends within chunk %d of its content", chunks)
	}
	return payload - chunks*chacha20poly1305.Overhead, ""
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
