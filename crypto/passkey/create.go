package passkey

import (
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Create asks for a new passkey that is none of those there are. options is JSON for
// navigator.credentials.create; state goes back to Created, unseen and unchanged by the browser, once.
func (rp *RP) Create(u User, have []Credential) (options, state []byte, err error) {
	not := make([]protocol.CredentialDescriptor, len(have))
	for i, c := range have {
		not[i] = c.c.Descriptor()
	}
	creation, session, err := rp.w.BeginRegistration(person{u, have}, webauthn.WithExclusions(not), webauthn.WithExtensions(prf()))
	if err != nil {
		return nil, nil, fmt.Errorf("ask for passkey: %w", err)
	}
	return question(creation.Response, session, nil)
}

// Created checks the answer to Create, a PublicKeyCredential in JSON. verified tells whether the
// authenticator made sure of the person (PIN, finger, face), without which what its PRF gives must not
// become a key.
func (rp *RP) Created(u User, state, response []byte) (c Credential, verified bool, err error) {
	if len(response) > MaxResponse {
		return c, false, fmt.Errorf("%w: it has %d bytes", ErrRefused, len(response))
	}
	session, err := sessionOf(state)
	if err != nil {
		return c, false, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return c, false, refused(err)
	}
	made, err := rp.w.CreateCredential(person{User: u}, session, parsed)
	if err != nil {
		return c, false, refused(err)
	}
	made.Attestation = webauthn.CredentialAttestation{}
	made.Authenticator.AAGUID = nil
	return Credential{*made}, made.Flags.UserVerified, nil
}
