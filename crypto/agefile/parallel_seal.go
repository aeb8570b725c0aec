package agefile

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/crypto/chacha20poly1305"
)

// EncryptParallel is [Encrypt] whose chunks are sealed by up to workers goroutines (at most 16; 0
// and 1 start none), for a program that has the processors to itself. The file is the same that
// age writes for its file key. dst is written in order, and only within Write, ReadFrom and
// Close, by their caller. A goroutine ends with its buffer, so that a writer which is never
// closed leaves none behind. Memory is 512 KiB for each worker and 1 MiB beside.
func EncryptParallel(dst io.Writer, armored bool, workers int, rs ...age.Recipient) (io.WriteCloser, error) {
	if usable(workers) <= 1 {
		return Encrypt(dst, armored, rs...)
	}
	if err := Check(rs...); err != nil {
		return nil, err
	}
	capture := &capture{Recipient: rs[0]}
	var head bytes.Buffer
	// age writes header and nonce; its own stream stays unused.
	if _, err := age.Encrypt(&head, append([]age.Recipient{capture}, rs[1:]...)...); err != nil {
		return nil, fmt.Errorf("encrypt file: %w", err)
	}
	payload, err := newPayload(capture.key, head.Bytes()[head.Len()-nonceSize:])
	if err != nil {
		return nil, fmt.Errorf("encrypt file: %w", err)
	}
	out := &writer{}
	if armored {
		out.armor = armor.NewWriter(dst)
		dst = out.armor
	}
	if _, err := dst.Write(head.Bytes()); err != nil {
		return nil, fmt.Errorf("encrypt file: %w", err)
	}
	sealer := &sealer{dst: dst, payload: payload, free: make(chan *sealJob, usable(workers)+2)}
	for range cap(sealer.free) {
		sealer.free <- nil // made when needed
	}
	out.age = sealer
	return &parallelWriter{out, sealer}, nil
}

// capture is a recipient that keeps the file key which age made.
type capture struct {
	age.Recipient
	key [fileKeySize]byte
}

func (c *capture) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	if len(fileKey) != fileKeySize {
		return nil, nil, fmt.Errorf("file key has %d bytes instead of %d", len(fileKey), fileKeySize)
	}
	copy(c.key[:], fileKey)
	if r, ok := c.Recipient.(age.RecipientWithLabels); ok {
		return r.WrapWithLabels(fileKey)
	}
	stanzas, err := c.Wrap(fileKey)
	return stanzas, nil, err
}

// parallelWriter lets io.Copy read straight into the buffers.
type parallelWriter struct {
	*writer
	sealer *sealer
}

// ReadFrom implements [io.ReaderFrom].
func (w *parallelWriter) ReadFrom(src io.Reader) (int64, error) { return w.sealer.ReadFrom(src) }

// A sealJob is a run of chunks, each at the place where its sealed form will stand.
type sealJob struct {
	buf   [jobSize]byte
	n     int // bytes of plaintext
	first uint64
	done  chan struct{}
}

// room returns where the next bytes of plaintext go: the rest of the chunk that n stands in.
func (j *sealJob) room() []byte {
	chunk, within := j.n/ChunkSize, j.n%ChunkSize
	return j.buf[chunk*sealedSize+within : chunk*sealedSize+ChunkSize]
}

// seal makes the plaintext the file's bytes.
func (j *sealJob) seal(payload cipher.AEAD, last bool) {
	var nonce [chacha20poly1305.NonceSize]byte
	for i := range j.chunks() {
		at, size := i*sealedSize, min(ChunkSize, j.n-i*ChunkSize)
		chunkNonce(&nonce, j.first+uint64(i), last && i == j.chunks()-1)
		payload.Seal(j.buf[at:at], nonce[:], j.buf[at:at+size], nil)
	}
	j.done <- struct{}{}
}

// chunks is 1 for the empty payload's empty chunk.
func (j *sealJob) chunks() int { return max((j.n+ChunkSize-1)/ChunkSize, 1) }

func (j *sealJob) sealed() []byte { return j.buf[:j.n+j.chunks()*chacha20poly1305.Overhead] }

// sealer fills jobs and writes them in order. It belongs to one goroutine.
type sealer struct {
	dst     io.Writer
	payload cipher.AEAD
	job     *sealJob      // being filled; full jobs wait for the next byte, which tells that they are not the last
	queue   []*sealJob    // being sealed, in order
	free    chan *sealJob // never blocks: its jobs are those not in queue or job
	next    uint64        // index of the next job's first chunk
	err     error
}

var errClosed = errors.New("encrypt file: it is already closed")

func (s *sealer) Write(p []byte) (int, error) {
	var n int
	for n < len(p) {
		room, err := s.more()
		if err != nil {
			return n, err
		}
		m := copy(room, p[n:])
		s.job.n += m
		n += m
	}
	return n, s.err
}

// ReadFrom reads src to its end.
func (s *sealer) ReadFrom(src io.Reader) (int64, error) {
	var n int64
	var probe [1]byte
	for {
		into := probe[:]
		full := s.job != nil && s.job.n == jobChunks*ChunkSize
		if !full {
			room, err := s.more()
			if err != nil {
				return n, err
			}
			into = room
		}
		m, err := src.Read(into)
		n += int64(m)
		if m > 0 && full {
			if _, err := s.Write(probe[:m]); err != nil {
				return n - int64(m), err
			}
		} else {
			s.job.n += m
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// more returns room for at least one byte, which is known to come.
func (s *sealer) more() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.job != nil && s.job.n == jobChunks*ChunkSize {
		s.send()
	}
	for s.job == nil {
		// Write what is ready; wait only when no buffer is left.
		for len(s.queue) > 0 && (len(s.free) == 0 || ready(s.queue[0])) {
			if err := s.flush(); err != nil {
				return nil, err
			}
		}
		if s.job = <-s.free; s.job == nil {
			s.job = &sealJob{done: make(chan struct{}, 1)}
		}
		s.job.n, s.job.first = 0, s.next
	}
	return s.job.room(), nil
}

func ready(j *sealJob) bool { return len(j.done) > 0 }

// send has a full job sealed that is not the last.
func (s *sealer) send() {
	s.next += jobChunks
	s.queue = append(s.queue, s.job)
	go s.job.seal(s.payload, false)
	s.job = nil
}

// flush waits for the oldest job and writes it.
func (s *sealer) flush() error {
	job := s.queue[0]
	<-job.done
	s.queue = append(s.queue[:0], s.queue[1:]...)
	if s.err == nil {
		_, s.err = s.dst.Write(job.sealed())
	}
	s.free <- job
	return s.err
}

// Close seals the last chunk and writes what is left.
func (s *sealer) Close() error {
	if s.err == nil && s.job == nil {
		_, s.err = s.more()
	}
	if s.err == nil {
		s.queue = append(s.queue, s.job)
		s.job.seal(s.payload, true) // here: there is nothing else to do meanwhile
		s.job = nil
	}
	for len(s.queue) > 0 {
		s.flush() // keeps its error, and waits for all
	}
	if s.err != nil {
		return s.err
	}
	s.err = errClosed
	return nil
}
