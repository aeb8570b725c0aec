package models

import (
	"crypto/rand"
	"errors"
	"runtime"
	"sync/atomic"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// A kdf runs argon2id and counts the runs: each log-in makes two, known or not.
type kdf struct {
	params password.Params
	nobody credentials // for logins that do not exist
	runs   atomic.Int64
	turns  chan struct{} // held during a run
}

// saltSize is the unlock key's salt in bytes (RFC 9106 section 3.1 recommends 16).
const saltSize = 16

// credentials are what a row says about a password.
type credentials struct {
	verifier string // PHC string
	pepper   string // fingerprint of the server key
	salt     []byte // of the unlock key; its costs are the verifier's
}

// newKDF makes the credentials of nobody, which also proves that the costs are valid.
// It takes no run: the 64 MiB of one would stay the peak of a server without log-ins.
func newKDF(p password.Params) (*kdf, error) {
	phc, err := password.Decoy(p)
	if err != nil {
		return nil, err
	}
	k := &kdf{params: p, nobody: credentials{verifier: phc, salt: make([]byte, saltSize)}}
	rand.Read(k.nobody.salt)
	k.turns = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/int(p.Threads)))
	return k, nil
}

// run does one argon2id run when its turn comes. A run keeps as many cores busy as it has lanes. More at
// once end no sooner, but Go's scheduler looks at the network last: while 200 people logged in on two
// cores, a page took 83 ms in the middle and 266 at worst with three runs at once, 3 and 51 with one.
func (k *kdf) run(work func()) {
	k.turns <- struct{}{}
	defer func() { <-k.turns }()
	k.runs.Add(1)
	work()
}

// create makes the verifier and the unlock key of a normalized password.
func (k *kdf) create(p PepperKeys, normalized string) (credentials, seal.Key, error) {
	c := credentials{pepper: p.Active, salt: make([]byte, saltSize)}
	rand.Read(c.salt)
	peppered := password.Pepper(p.Keys[p.Active].Pepper, normalized)
	var err error
	k.run(func() { c.verifier, err = password.Hash(peppered, k.params) })
	if err != nil {
		return c, seal.Key{}, err
	}
	var unlock seal.Key
	k.run(func() { unlock = password.UnlockKey(peppered, c.salt, k.params) })
	return c, unlock, nil
}

// check tells whether a password fits, with the unlock key when it does. It always
// makes two runs: a login that does not exist, a wrong password and a server key
// that is missing take the same time and get the same answer.
func (k *kdf) check(p PepperKeys, c *credentials, normalized string) (seal.Key, bool, error) {
	known := c != nil
	if !known {
		c = &k.nobody
	}
	key, ok := p.Keys[c.pepper]
	if !ok {
		key, known = p.Keys[p.Active], false
	}
	peppered := password.Pepper(key.Pepper, normalized)
	var (
		fits   bool
		unlock seal.Key
		err    error
	)
	k.run(func() { fits, err = password.Verify(peppered, c.verifier) })
	if err != nil {
		return seal.Key{}, false, err
	}
	params, err := password.ParamsOf(c.verifier)
	if err != nil {
		return seal.Key{}, false, err
	}
	k.run(func() { unlock = password.UnlockKey(peppered, c.salt, params) })
	if !fits || !known {
		return seal.Key{}, false, nil
	}
	return unlock, true, nil
}

// verify is check without the unlock key, one run: for a person who is logged in.
func (k *kdf) verify(p PepperKeys, c *credentials, normalized string) (bool, error) {
	key, ok := p.Keys[c.pepper]
	if !ok {
		return false, nil
	}
	var fits bool
	var err error
	k.run(func() { fits, err = password.Verify(password.Pepper(key.Pepper, normalized), c.verifier) })
	return fits, err
}

// SlowHashes is how many argon2id runs there were since the start. A log-in makes two, known or not.
func (db *DB) SlowHashes() int64 { return db.kdf.runs.Load() }

// old reports whether the costs are below those set or the server key is not the active one.
func (k *kdf) old(p PepperKeys, c *credentials) bool {
	params, err := password.ParamsOf(c.verifier)
	return err == nil && (c.pepper != p.Active || params.Time < k.params.Time || params.MemoryKiB < k.params.MemoryKiB)
}

// passwordField turns a policy error into one that names its field.
func passwordField(field string, err error) error {
	var policy *password.PolicyError
	if errors.As(err, &policy) {
		return Errorf(Invalid, field, "%v", policy)
	}
	return err
}
