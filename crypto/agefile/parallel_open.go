package agefile

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// parallelReader is [reader] with several chunks opened at once. The source is read ahead, by
// who calls Read, a job for each buffer; jobs are given out in order, and each ends with what
// age's own reader would have said in its place.
type parallelReader struct {
	src     io.Reader
	payload cipher.AEAD
	limit   int        // of jobs
	queue   []*openJob // read, in order
	free    []*openJob
	next    uint64 // index of the next job's first chunk
	drained bool   // src gave an error, mostly io.EOF
	n       int64  // bytes given out
	err     error
}

// newParallelReader returns the payload of src, which stands at a file's first byte. That the
// header's MAC fits the key was checked.
func newParallelReader(head header, src io.Reader, key [fileKeySize]byte, workers int) (io.Reader, error) {
	skip := make([]byte, len(head.raw)+nonceSize)
	if _, err := io.ReadFull(src, skip); err != nil {
		return nil, damagedPart(err, ErrHeader, "it ends after the header")
	}
	payload, err := newPayload(key, skip[len(head.raw):])
	if err != nil {
		return nil, err
	}
	return &parallelReader{src: src, payload: payload, limit: usable(workers) + 1}, nil
}

// An openJob is a run of chunks. They are opened towards the front, each into the place of the
// one before, so that a chunk that does not open is still there for the second try.
type openJob struct {
	buf     [ChunkSize + jobSize]byte
	read    int   // bytes of ciphertext, from ChunkSize on
	readErr error // what ended them
	first   uint64
	plain   []byte // opened and not given out
	last    bool   // the last chunk was found
	err     error  // after plain
	done    chan struct{}
	waited  bool // for done, by the reader
}

// wait returns when plain, last and err may be looked at.
func (j *openJob) wait() {
	if !j.waited {
		<-j.done
		j.waited = true
	}
}

var (
	errChunk    = errors.New("a chunk does not fit its tag")
	errEmpty    = errors.New("the last chunk is empty")
	errTrailing = errors.New("there are bytes after the last chunk")
)

// open opens the job's chunks. As in age.md, the last one is told by its nonce alone.
func (j *openJob) open(payload cipher.AEAD) {
	sealed, n := j.buf[ChunkSize:ChunkSize+j.read], 0
	for index := j.first; len(sealed) > 0 && j.err == nil; index++ {
		chunk := sealed[:min(sealedSize, len(sealed))]
		if len(chunk) < sealedSize && j.readErr != io.EOF {
			break // the rest is lost
		}
		sealed = sealed[len(chunk):]
		switch {
		case j.last:
			j.err = errTrailing
		case len(chunk) == chacha20poly1305.Overhead && index > 0:
			j.err = errEmpty
		default:
			n += j.chunk(payload, chunk, n, index)
		}
	}
	if j.err == nil {
		switch {
		case j.readErr == io.EOF && !j.last:
			j.err = io.ErrUnexpectedEOF
		case j.readErr != nil && j.readErr != io.EOF:
			j.err = j.readErr
		}
	}
	j.plain = j.buf[:n]
	j.done <- struct{}{}
}

// chunk opens one into the buffer at n and returns its size.
func (j *openJob) chunk(payload cipher.AEAD, chunk []byte, n int, index uint64) int {
	var nonce [chacha20poly1305.NonceSize]byte
	for _, last := range []bool{false, true} {
		if !last && len(chunk) < sealedSize {
			continue
		}
		chunkNonce(&nonce, index, last)
		if plain, err := payload.Open(j.buf[n:n], nonce[:], chunk, nil); err == nil {
			j.last = last
			return len(plain)
		}
	}
	j.err = errChunk
	return 0
}

// fill reads as many jobs as there are buffers for.
func (r *parallelReader) fill() {
	for !r.drained && len(r.queue) < r.limit {
		var job *openJob
		if n := len(r.free); n > 0 {
			job, r.free = r.free[n-1], r.free[:n-1]
		} else {
			job = &openJob{done: make(chan struct{}, 1)}
		}
		job.first, job.last, job.err, job.read, job.readErr, job.waited = r.next, false, nil, 0, nil, false
		for job.read < jobSize && job.readErr == nil {
			var n int
			n, job.readErr = r.src.Read(job.buf[ChunkSize+job.read : ChunkSize+jobSize])
			job.read += n
		}
		r.drained = job.readErr != nil
		r.next += jobChunks
		r.queue = append(r.queue, job)
		if r.drained && len(r.queue) == 1 {
			job.open(r.payload) // here: there is nothing else to do meanwhile
		} else {
			go job.open(r.payload)
		}
	}
}

// some returns opened bytes, at least one, or the error that stands in their place.
func (r *parallelReader) some() ([]byte, error) {
	for r.err == nil {
		r.fill()
		job := r.queue[0]
		job.wait()
		if len(job.plain) > 0 {
			return job.plain, nil
		}
		switch {
		case job.err != nil:
			r.fail(job.err)
		case job.last && job.readErr == io.EOF:
			r.fail(io.EOF)
		default:
			r.free, r.queue = append(r.free, job), append(r.queue[:0], r.queue[1:]...)
			if job.last {
				r.end()
			}
		}
	}
	return nil, r.err
}

// end is for a last chunk that filled its job: nothing may follow.
func (r *parallelReader) end() {
	r.fill()
	switch job := r.queue[0]; {
	case job.read > 0:
		r.fail(errTrailing)
	default:
		r.fail(job.readErr)
	}
}

func (r *parallelReader) fail(err error) {
	if err != io.EOF {
		err = damagedPart(err, ErrPayload, fmt.Sprintf("only the first %d bytes of its content are whole", r.n))
	}
	r.err = err
	r.drop()
}

// drop waits for the jobs at work, so that none outlives the reader, and lets all go.
func (r *parallelReader) drop() {
	for _, job := range r.queue {
		job.wait()
	}
	r.queue, r.free, r.drained = nil, nil, true
}

// Read implements [io.Reader].
func (r *parallelReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	plain, err := r.some()
	n := copy(p, plain)
	r.take(n)
	return n, err
}

// WriteTo implements [io.WriterTo].
func (r *parallelReader) WriteTo(dst io.Writer) (int64, error) {
	var total int64
	for {
		plain, err := r.some()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := dst.Write(plain)
		if n < 0 || n > len(plain) {
			return total, fmt.Errorf("write content: wrote %d of %d bytes", n, len(plain))
		}
		r.take(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
		if n == 0 {
			return total, io.ErrShortWrite
		}
	}
}

// take counts n bytes as given out.
func (r *parallelReader) take(n int) {
	if n > 0 {
		r.queue[0].plain = r.queue[0].plain[n:]
		r.n += int64(n)
	}
}

var errReaderClosed = errors.New("read age file: it is closed")

// Close waits for the jobs at work and drops the buffers.
func (r *parallelReader) Close() error {
	if r.err == nil {
		r.err = errReaderClosed
	}
	r.drop()
	return nil
}
