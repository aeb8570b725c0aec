package pgp

import (
	"bytes"
	"io"
)

// Dearmor and ArmorMessage give the tests the two forms of a message.
func Dearmor(text []byte) ([]byte, error) {
	_, br, _, err := dearmor(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(br)
}

func ArmorMessage(raw []byte) string { return armorString(raw, blockMessage, false) }

// SecretS2K is how the first locked part of a key hashes its passphrase.
func SecretS2K(k *Key) (S2K, error) { return secretS2K(secrets(k.entity())[0]) }
