package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
)

// The suite of an account's own pair (RFC 9180 section 7): DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, ChaCha20Poly1305. The server seals to the public half what happens while
// nobody is logged in.
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	return hpke.DHKEM(ecdh.X25519()), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305()
}

// HPKESize is the size of a public and of a private key in bytes, and of the encapsulated
// key at the head of each message.
const HPKESize = 32

// NewHPKE returns a new pair as RFC 9180 serializes it, [HPKESize] bytes each.
func NewHPKE() (public, private []byte, err error) {
	kem, _, _ := suite()
	k, err := kem.GenerateKey()
	if err != nil {
		return nil, nil, fmt.Errorf("make account pair: %w", err)
	}
	private, err = k.Bytes()
	if err != nil {
		return nil, nil, fmt.Errorf("make account pair: %w", err)
	}
	return k.PublicKey().Bytes(), private, nil
}

// SealTo seals one message to a public key in base mode: encapsulated key (32 bytes),
// ciphertext, tag (16 bytes). Anybody who knows the public key can make one, so what opens
// is secret but not vouched for. info and aad must be given to [OpenFrom] again.
func SealTo(public, info, aad, pt []byte) ([]byte, error) {
	kem, kdf, aead := suite()
	pk, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("seal to account: read public key: %w", err)
	}
	enc, sender, err := hpke.NewSender(pk, kdf, aead, info)
	if err != nil {
		return nil, fmt.Errorf("seal to account: %w", err)
	}
	ct, err := sender.Seal(aad, pt)
	if err != nil {
		return nil, fmt.Errorf("seal to account: %w", err)
	}
	return append(enc, ct...), nil
}

// OpenFrom opens what [SealTo] made. It returns [ErrFormat] for what is too short and
// [ErrOpen] for what was changed or sealed to another key, info or aad.
func OpenFrom(private, info, aad, ct []byte) ([]byte, error) {
	kem, kdf, aead := suite()
	k, err := kem.NewPrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("open sealed message: read private key: wrong form")
	}
	if len(ct) < HPKESize+16 {
		return nil, ErrFormat
	}
	receiver, err := hpke.NewRecipient(ct[:HPKESize], k, kdf, aead, info)
	if err != nil {
		return nil, ErrOpen // an encapsulated key of low order
	}
	pt, err := receiver.Open(aad, ct[HPKESize:])
	if err != nil {
		return nil, ErrOpen
	}
	return pt, nil
}
