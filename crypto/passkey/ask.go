package passkey

import (
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Ask asks for one of a person's passkeys, as the second factor. options is JSON for
// navigator.credentials.get; state goes to Answered.
func (rp *RP) Ask(u User, have []Credential) (options, state []byte, err error) {
	assertion, session, err := rp.w.BeginLogin(person{u, have})
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return question(assertion.Response, session, nil)
}

// AskPRF asks one passkey for what its PRF gives. The authenticator has to make sure of the person.
func (rp *RP) AskPRF(u User, c Credential) (options, state []byte, err error) {
	assertion, session, err := rp.w.BeginLogin(person{u, []Credential{c}},
		webauthn.WithUserVerification(protocol.VerificationRequired), webauthn.WithAssertionExtensions(prf()))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return question(assertion.Response, session, nil)
}

// AskAnybody asks for a passkey of whoever is there, with what its PRF gives. The authenticator has to
// make sure of the person: the answer stands for the password.
func (rp *RP) AskAnybody() (options, state []byte, err error) {
	assertion, session, err := rp.w.BeginDiscoverableLogin(
		webauthn.WithUserVerification(protocol.VerificationRequired), webauthn.WithAssertionExtensions(prf()))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return question(assertion.Response, session, nil)
}

// CredentialID is the id that an answer claims, before anything of it is checked.
func CredentialID(response []byte) ([]byte, error) {
	if len(response) > MaxResponse {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrRefused, len(response))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, refused(err)
	}
	return parsed.RawID, nil
}

// Answered checks the answer to Ask, AskPRF or AskAnybody against the credentials of the person, and
// returns the one that answered with its new counter, to be kept in place of the old. A counter that went
// back is ErrCopied, with the credential.
func (rp *RP) Answered(u User, have []Credential, state, response []byte) (Credential, error) {
	if len(response) > MaxResponse {
		return Credential{}, fmt.Errorf("%w: it has %d bytes", ErrRefused, len(response))
	}
	session, err := sessionOf(state)
	if err != nil {
		return Credential{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return Credential{}, refused(err)
	}
	p := person{u, make([]Credential, len(have))}
	for i, c := range have {
		c.c.Authenticator.CloneWarning = false // of an earlier answer
		p.have[i] = c
	}
	var used *webauthn.Credential
	if session.UserID == nil {
		_, used, err = rp.w.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return p, nil }, session, parsed)
	} else {
		used, err = rp.w.ValidateLogin(p, session, parsed)
	}
	if err != nil {
		return Credential{}, refused(err)
	}
	if used.Authenticator.CloneWarning {
		used.Authenticator.CloneWarning = false
		return Credential{*used}, ErrCopied
	}
	return Credential{*used}, nil
}
