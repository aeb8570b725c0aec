package limits

import "sync"

// Gate bounds how many things a key does at one time, such as uploads a client.
type Gate struct {
	max int

	mu     sync.Mutex
	inside map[[16]byte]int // no zeros, so it is as small as what goes on
}

// NewGate lets max through for each key; max below 1 is the caller's mistake and panics.
func NewGate(max int) *Gate {
	if max < 1 {
		panic("limits: gate out of bounds")
	}
	return &Gate{max: max, inside: make(map[[16]byte]int)}
}

// Enter never waits. If ok, leave must be called, and may be more than once; else
// it is nil.
func (g *Gate) Enter(key [16]byte) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[key] >= g.max {
		return nil, false
	}
	g.inside[key]++
	return sync.OnceFunc(func() { g.leave(key) }), true
}

func (g *Gate) leave(key [16]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[key]--; g.inside[key] == 0 {
		delete(g.inside, key)
	}
}
