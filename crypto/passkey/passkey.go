// Package passkey is the server's side of passkeys (W3C Web Authentication, level 3): it makes what the
// browser asks an authenticator, and checks what comes back.
//
// A credential is kept by the caller as bytes that mean nothing to it. With the PRF extension (section
// 10.1.4) an authenticator also gives 32 secret bytes that are the same each time, from which the caller
// makes a key; this package asks for them and never sees them.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	// PRFSize is the size in bytes of what an authenticator's PRF gives for one input.
	PRFSize = 32
	// prfInput is what the PRF is asked for. It is no secret and the same for all: the function is each
	// credential's own, and a browser puts a prefix before it that keeps other uses apart.
	prfInput = "zencrypt/v1/passkey"
	// MaxResponse bounds what a browser sends, in bytes: with none of the attestation that is not asked for,
	// answers have under 4 KiB.
	MaxResponse = 32 << 10
)

var (
	// ErrOrigin is returned by [New] for a server that is reached by address: browsers have passkeys for names only.
	ErrOrigin = errors.New("use passkeys: the server's address is no name, and browsers keep passkeys for names only")
	// ErrRefused is an answer that does not fit: malformed, for another server, account or question, or with a
	// wrong signature. What exactly is in the error's text, which is for a log.
	ErrRefused = errors.New("check passkey: the answer does not fit")
	// ErrCopied is an answer whose counter did not rise: the passkey may exist twice (section 6.1.1).
	ErrCopied = errors.New("check passkey: its counter went back, so a copy of it may be in use")
)

// RP is this server under one origin, the relying party.
type RP struct {
	w      *webauthn.WebAuthn
	origin string
}

// User is an account as an authenticator keeps it: 16 random bytes, and the name that it shows.
type User struct {
	ID   []byte
	Name string
}

// New makes the relying party of an origin, scheme://host[:port]. Its id is the host, so a passkey works
// under every port and scheme of that name, but answers count from this origin only.
func New(origin string) (*RP, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("use passkeys: %q is no origin", origin)
	}
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, ErrOrigin
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Zencrypt", RPOrigins: []string{origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey:      protocol.ResidentKeyRequirementPreferred, // to be found without a login
			UserVerification: protocol.VerificationPreferred,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("use passkeys: %w", err)
	}
	return &RP{w: w, origin: origin}, nil
}

// Origin is what New was given.
func (rp *RP) Origin() string { return rp.origin }

// Credential is a passkey as it is kept: id, public key, flags and counter. What the authenticator says of
// its make and model is thrown away.
type Credential struct{ c webauthn.Credential }

// ParseCredential reads what MarshalJSON wrote.
func ParseCredential(b []byte) (Credential, error) {
	var c Credential
	if err := json.Unmarshal(b, &c.c); err != nil {
		return Credential{}, fmt.Errorf("read passkey: %w", err)
	}
	if len(c.c.ID) == 0 || len(c.c.PublicKey) == 0 {
		return Credential{}, errors.New("read passkey: it has no id or no public key")
	}
	return c, nil
}

// MarshalJSON gives the record to keep, about 400 bytes.
func (c Credential) MarshalJSON() ([]byte, error) { return json.Marshal(c.c) }

// ID is the credential's id: 16 random bytes or more, chosen by the authenticator.
func (c Credential) ID() []byte { return c.c.ID }

// person is a User with its credentials, as the library asks for them.
type person struct {
	User
	have []Credential
}

func (p person) WebAuthnID() []byte          { return p.ID }
func (p person) WebAuthnName() string        { return p.Name }
func (p person) WebAuthnDisplayName() string { return p.Name }
func (p person) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, len(p.have))
	for i, c := range p.have {
		all[i] = c.c
	}
	return all
}

func prf() webauthn.ExtensionOption {
	return webauthn.WithExtensionPRF(protocol.PRFValues{First: protocol.URLEncodedBase64(prfInput)})
}

// question is what goes to the browser, and what has to be there when its answer comes.
func question(options any, session *webauthn.SessionData, err error) (ask, state []byte, _ error) {
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	if ask, err = json.Marshal(options); err == nil {
		state, err = json.Marshal(session)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return ask, state, nil
}

func sessionOf(state []byte) (s webauthn.SessionData, err error) {
	if err := json.Unmarshal(state, &s); err != nil {
		return s, fmt.Errorf("check passkey: read state: %w", err)
	}
	return s, nil
}

func refused(err error) error {
	var detail *protocol.Error
	if errors.As(err, &detail) {
		return fmt.Errorf("%w: %s", ErrRefused, detail.Details)
	}
	return fmt.Errorf("%w: %v", ErrRefused, err)
}
