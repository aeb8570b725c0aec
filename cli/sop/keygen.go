package sop

import (
	"fmt"

	"zencrypt/crypto/pgp"
)

type profile struct {
	name, about string
	algorithm   pgp.Algorithm // of generate-key
	modern      bool          // of encrypt
}

// profiles are at most four for a subcommand, the default first, as the draft has it.
func profiles(subcommand string) []profile {
	switch subcommand {
	case "generate-key":
		return []profile{
			{name: "default", about: "version 4, Ed25519 and X25519 as GnuPG 2.1 and later read them", algorithm: pgp.Curve25519},
			{name: "rfc9580", about: "version 6, Ed25519 and X25519, takes chunked AEAD", algorithm: pgp.Curve25519V6},
			{name: "rfc4880", about: "version 4, RSA of 4096 bits, for the oldest programs", algorithm: pgp.RSA4096},
			{name: "nist", about: "version 4, ECDSA and ECDH over NIST's P-256", algorithm: pgp.P256},
		}
	case "encrypt":
		return []profile{
			{name: "default", about: "what all certificates take; with passwords alone AES-256 with MDC, which every GnuPG opens"},
			{name: "rfc9580", about: "the same, but with passwords alone Argon2 and chunked AEAD", modern: true},
		}
	}
	return nil
}

// choose finds a profile by its name; none is the default.
func choose(subcommand, name string) (profile, error) {
	all := profiles(subcommand)
	if name == "" {
		return all[0], nil
	}
	for _, p := range all {
		if p.name == name {
			return p, nil
		}
	}
	return profile{}, fail(UnsupportedProfile, "%s has no profile %q", subcommand, name)
}

type listProfilesCmd struct {
	Subcommand []string `arg:"" optional:"" name:"SUBCOMMAND"`
}

func (c *listProfilesCmd) Run(j *job) error {
	if len(c.Subcommand) != 1 {
		return fail(MissingArg, "list-profiles: name one subcommand")
	}
	all := profiles(c.Subcommand[0])
	if all == nil {
		return fail(UnsupportedProfile, "%s has no profiles", c.Subcommand[0])
	}
	for _, p := range all {
		if _, err := fmt.Fprintf(j.stdout, "%s: %s\n", p.name, p.about); err != nil {
			return err
		}
	}
	return nil
}

type generateKeyCmd struct {
	NoArmor     bool     `help:"Binary output."`
	KeyPassword string   `name:"with-key-password" placeholder:"PASSWORD" help:"Lock the key with it."`
	Profile     string   `placeholder:"PROFILE" help:"See list-profiles."`
	SigningOnly bool     `help:"Make no subkey that encrypts."`
	UserID      []string `arg:"" optional:"" name:"USERID"`
}

func (c *generateKeyCmd) Run(j *job) error {
	p, err := choose("generate-key", c.Profile)
	if err != nil {
		return err
	}
	make := pgp.NewKey
	if c.SigningOnly {
		make = pgp.NewSigningKey
	}
	var pass string
	if c.KeyPassword != "" {
		if pass, err = j.newPassword(c.KeyPassword); err != nil {
			return err
		}
	}
	k, err := make(pgp.KeyParams{Algorithm: p.algorithm, UserIDs: c.UserID, Now: j.now})
	if err != nil {
		return err
	}
	if pass != "" {
		if k, err = k.Lock(pass, pgp.LockOptions{}); err != nil {
			return err
		}
	}
	return j.put(k.Bytes(), c.NoArmor)
}

type extractCertCmd struct {
	NoArmor bool `help:"Binary output."`
}

func (c *extractCertCmd) Run(j *job) error {
	keys, err := keysFrom("standard input", j.stdin)
	if err != nil {
		return err
	}
	var out []byte
	for _, k := range keys {
		out = append(out, k.Certificate().Bytes()...)
	}
	return j.put(out, c.NoArmor)
}

type changePasswordCmd struct {
	NoArmor bool     `help:"Binary output."`
	New     string   `name:"new-key-password" placeholder:"PASSWORD" help:"Lock the keys with it; without it they are put out unlocked."`
	Old     []string `name:"old-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks them. Can be given several times."`
}

func (c *changePasswordCmd) Run(j *job) error {
	old, err := j.oldPasswords(c.Old)
	if err != nil {
		return err
	}
	var pass string
	if c.New != "" {
		if pass, err = j.newPassword(c.New); err != nil {
			return err
		}
	}
	keys, err := j.unlocked(old)
	if err != nil {
		return err
	}
	var out []byte
	for _, k := range keys {
		if pass != "" {
			if k, err = k.Lock(pass, pgp.LockOptions{}); err != nil {
				return err
			}
		}
		out = append(out, k.Bytes()...)
	}
	return j.put(out, c.NoArmor)
}

// unlocked reads keys from standard input and unlocks every part of them.
func (j *job) unlocked(passwords []string) ([]*pgp.Key, error) {
	keys, err := keysFrom("standard input", j.stdin)
	if err != nil {
		return nil, err
	}
	if keys, err = unlock(keys, passwords); err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Locked() {
			return nil, fail(KeyIsProtected, "key %s: no password that was given unlocks all of it", k.Fingerprint())
		}
	}
	return keys, nil
}

type revokeKeyCmd struct {
	NoArmor     bool     `help:"Binary output."`
	KeyPassword []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks the keys. Can be given several times."`
}

// Run gives no reason, which the draft and RFC 9580 section 5.2.3.31 count as if the key were
// compromised: nobody knows better.
func (c *revokeKeyCmd) Run(j *job) error {
	old, err := j.oldPasswords(c.KeyPassword)
	if err != nil {
		return err
	}
	keys, err := j.unlocked(old)
	if err != nil {
		return err
	}
	var out []byte
	for _, k := range keys {
		if k, err = k.Revoke(pgp.NoReason, "", j.now()); err != nil {
			return signing(err)
		}
		out = append(out, k.Certificate().Bytes()...)
	}
	return j.put(out, c.NoArmor)
}
