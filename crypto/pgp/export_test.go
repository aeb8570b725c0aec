package pgp

// ArmorMessage gives the tests the text form of a message, damaged or not.
func ArmorMessage(raw []byte) string { return armorString(raw, blockMessage, false) }

// SecretS2K is how the first locked part of a key hashes its passphrase.
func SecretS2K(k *Key) (S2K, error) { return secretS2K(secrets(k.entity())[0]) }
