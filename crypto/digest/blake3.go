package digest

import (
	"hash"

	"lukechampine.com/blake3"
)

const (
	// blake3Segment is how much of a stream, in bytes, goes to the tree at once. The
	// module hashes each write on all cores, but 16 KiB a goroutine and the last
	// chunks of a write one by one: 64 KiB a write gave 1.9 GB/s, 1 MiB 3.0 on one
	// core and 4.2 on two, and longer segments no more.
	blake3Segment = 1 << 20
	// blake3Spare lies behind a segment, since the module copies a group of fewer
	// than 16 chunks that it cannot read past.
	blake3Spare = 16 << 10
)

// blake3Tree collects the short writes of a stream into segments, so that BLAKE3's
// tree (BLAKE3 paper, section 2.1) is worked on by all cores. A write returns after
// its work is done; between writes at most a segment of input is held.
type blake3Tree struct {
	*blake3.Hasher
	buf []byte // made when a write is shorter than a segment
}

func newBLAKE3() hash.Hash { return &blake3Tree{Hasher: blake3.New(32, nil)} }

func (t *blake3Tree) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if whole := len(p) / blake3Segment * blake3Segment; whole > 0 && len(t.buf) == 0 {
			_, _ = t.Hasher.Write(p[:whole]) // never fails (hash.Hash)
			p = p[whole:]
			continue
		}
		room := min(len(p), blake3Segment-len(t.buf))
		t.reserve(len(t.buf) + room)
		t.buf = append(t.buf, p[:room]...)
		p = p[room:]
		if len(t.buf) == blake3Segment {
			_, _ = t.Hasher.Write(t.buf)
			t.drop()
		}
	}
	return n, nil
}

// reserve makes room: a short text gets a short buffer, a stream the whole segment.
func (t *blake3Tree) reserve(size int) {
	if size <= cap(t.buf) {
		return
	}
	room := blake3Segment + blake3Spare
	if cap(t.buf) == 0 && size <= blake3Spare {
		room = blake3Spare
	}
	t.buf = append(make([]byte, 0, room), t.buf...)
}

// drop forgets what was collected, which is somebody's content.
func (t *blake3Tree) drop() {
	clear(t.buf)
	t.buf = t.buf[:0]
}

// Sum appends the digest and leaves the state as it was.
func (t *blake3Tree) Sum(b []byte) []byte {
	if len(t.buf) > 0 {
		end := *t.Hasher
		_, _ = end.Write(t.buf)
		return end.Sum(b)
	}
	return t.Hasher.Sum(b)
}

func (t *blake3Tree) Reset() {
	t.Hasher.Reset()
	t.drop()
}
