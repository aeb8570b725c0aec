package handlers

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/passkey"
	"zencrypt/crypto/seal"
	"zencrypt/models"
)

// ceremonyLife is how long a passkey may take to answer: as long as a session waits for its second factor.
const ceremonyLife = 5 * time.Minute

// ceremonies keep what a passkey was asked until its answer comes. The page carries it, sealed under a key
// in memory for one session and one purpose, so that nobody can fill memory by asking; what is remembered
// is only which answers were taken, since each counts once.
type ceremonies struct {
	now func() time.Time
	key seal.Key

	mu    sync.Mutex
	taken map[[sha256.Size]byte]time.Time
}

func newCeremonies(now func() time.Time) *ceremonies {
	return &ceremonies{now: now, key: seal.NewKey(), taken: make(map[[sha256.Size]byte]time.Time)}
}

// ceremony is what a question was about.
type ceremony struct {
	Until   int64 // seconds since 1970
	State   []byte
	Name    string    // of a new passkey
	Others  bool      // whether the other sessions end when it is made
	Passkey models.ID // one that is to unlock
}

func ceremonyPlace(purpose string, session models.ID) seal.Place {
	return seal.Place{Table: "ceremony", Column: purpose, Row: session[:]}
}

// put gives the text that the page carries. The session is zero where nobody is logged in.
func (c *ceremonies) put(purpose string, session models.ID, what ceremony) (string, error) {
	what.Until = c.now().Add(ceremonyLife).Unix()
	b, err := json.Marshal(what)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(seal.Seal(c.key, 0, ceremonyPlace(purpose, session), b)), nil
}

// get reads what put made for the same purpose and session. An answer that comes late, a second time,
// or after the server was started again is Gone.
func (c *ceremonies) get(purpose string, session models.ID, text string) (what ceremony, err error) {
	gone := models.Errorf(models.Gone, "", "ask passkey: the question is too old, try again")
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return what, gone
	}
	plain, err := seal.Open(c.key, ceremonyPlace(purpose, session), b)
	if err != nil || json.Unmarshal(plain, &what) != nil || c.now().Unix() >= what.Until {
		return ceremony{}, gone
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.taken[sha256.Sum256(b)]; ok {
		return ceremony{}, gone
	}
	return what, nil
}

// take notes that a question was answered; false when it was before.
func (c *ceremonies) take(text string) bool {
	b, _ := base64.RawURLEncoding.DecodeString(text)
	sum, now := sha256.Sum256(b), c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, until := range c.taken {
		if !now.Before(until) {
			delete(c.taken, old)
		}
	}
	if _, ok := c.taken[sum]; ok {
		return false
	}
	c.taken[sum] = now.Add(ceremonyLife)
	return true
}

// relyingParty is the server under the first of its origins that browsers have passkeys for: a name, by
// https, on this machine, or an onion service. nil when there is none.
func relyingParty(origins []string) *passkey.RP {
	for _, o := range origins {
		host := originHost(o)
		if h, _, ok := strings.Cut(host, ":"); ok {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			continue
		}
		if !strings.HasPrefix(o, "https://") && host != "localhost" && !strings.HasSuffix(host, ".localhost") && !strings.HasSuffix(host, ".onion") {
			continue
		}
		if rp, err := passkey.New(o); err == nil {
			return rp
		}
	}
	return nil
}

// passkeysHere tells whether the page was asked for under the name that passkeys belong to.
func (c *core) passkeysHere(x *fiber.Ctx) bool {
	return c.rp != nil && originHost(c.rp.Origin()) == strings.ToLower(string(x.Request().Host()))
}

// passkeyOrigin is where passkeys work when they don't here, or "".
func (c *core) passkeyOrigin() string {
	if c.rp == nil {
		return ""
	}
	return c.rp.Origin()
}

// passkeyUser is an account as an authenticator keeps it.
func passkeyUser(a *models.Account) passkey.User { return passkey.User{ID: a.ID[:], Name: a.Login} }

// credentials are those of the passkeys whose record opens.
func credentials(all []models.Passkey) (out []passkey.Credential) {
	for _, k := range all {
		if !k.Unreadable {
			out = append(out, k.Credential)
		}
	}
	return out
}

// prfOf reads what a passkey's PRF gave, or nil.
func prfOf(f *form) []byte {
	b, err := base64.RawURLEncoding.DecodeString(f.get("prf"))
	if err != nil || len(b) != passkey.PRFSize {
		return nil
	}
	return b
}
