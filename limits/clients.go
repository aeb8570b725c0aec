package limits

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

// clientKeyLife is how long an address keeps its hash. The key before it is
// forgotten, so that a day's hashes say nothing about the next.
const clientKeyLife = 24 * time.Hour

// Clients turns addresses into keys for a Limiter or a Gate. The keys are HMACs
// under a random key in memory, so that neither a core dump taken later nor a
// debugger's list of keys gives the addresses away.
type Clients struct {
	now func() time.Time

	mu   sync.Mutex
	made time.Time
	key  [32]byte
}

// NewClients makes a random key.
func NewClients(now func() time.Time) *Clients {
	c := &Clients{now: now, made: now()}
	_, _ = rand.Read(c.key[:]) // never fails (Go 1.24)
	return c
}

// Key is the first 16 bytes of HMAC-SHA-256 over the client's network: the IPv4
// address, or the /64 of an IPv6 address, which is what one subscriber gets (RFC
// 6177) and can choose addresses in at will. An IPv4 address in IPv6's clothes
// (RFC 4291, section 2.5.5.2) counts as IPv4. All invalid addresses share a key.
func (c *Clients) Key(addr netip.Addr) (key [16]byte) {
	network := addr.Unmap().AsSlice()
	if len(network) == 16 {
		network = network[:8]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.made) >= clientKeyLife {
		_, _ = rand.Read(c.key[:])
		c.made = now
	}
	mac := hmac.New(sha256.New, c.key[:])
	mac.Write(network) // 0, 4 or 8 bytes: the length tells the families apart
	copy(key[:], mac.Sum(nil))
	return key
}
