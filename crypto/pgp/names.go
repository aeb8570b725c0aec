package pgp

import (
	"crypto"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// cipherName names a symmetric algorithm (RFC 9580 section 9.3); "" for one that is not known.
func cipherName(id byte) string {
	switch id {
	case 1:
		return "IDEA"
	case 2:
		return "3DES"
	case 3:
		return "CAST5"
	case 4:
		return "Blowfish"
	case 7:
		return "AES-128"
	case 8:
		return "AES-192"
	case 9:
		return "AES-256"
	case 10:
		return "Twofish"
	case 11:
		return "Camellia-128"
	case 12:
		return "Camellia-192"
	case 13:
		return "Camellia-256"
	}
	return ""
}

// aeadName names a mode (RFC 9580 section 9.6).
func aeadName(id byte) string {
	switch id {
	case 1:
		return "EAX"
	case 2:
		return "OCB"
	case 3:
		return "GCM"
	}
	return ""
}

// hashName names a hash algorithm (RFC 9580 section 9.5).
func hashName(id byte) string {
	switch id {
	case 1:
		return "MD5"
	case 2:
		return "SHA-1"
	case 3:
		return "RIPEMD-160"
	case 8:
		return "SHA-256"
	case 9:
		return "SHA-384"
	case 10:
		return "SHA-512"
	case 11:
		return "SHA-224"
	case 12:
		return "SHA3-256"
	case 14:
		return "SHA3-512"
	}
	return ""
}

// weakHash tells whether signatures with a hash algorithm are refused.
func weakHash(id byte) bool { return id >= 1 && id <= 3 }

// signatureType tells whether a signature type is one of RFC 9580 section 5.2.1.
func signatureType(id byte) bool {
	switch id {
	case 0x00, 0x01, 0x02, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1f, 0x20, 0x28, 0x30, 0x40, 0x50:
		return true
	}
	return false
}

// publicKeyAlgorithm tells whether an algorithm is one of RFC 9580 section 9.1 or RFC 9980.
func publicKeyAlgorithm(id byte) bool {
	return id >= 1 && id <= 3 || id >= 16 && id <= 19 || id == 22 || id >= 25 && id <= 28 || id >= 30 && id <= 36
}

// algorithmName names a key's algorithm as GnuPG does: rsa4096, ed25519, nistp256.
func algorithmName(pk *packet.PublicKey) string {
	bits := bitLength(pk)
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return fmt.Sprintf("rsa%d", bits)
	case packet.PubKeyAlgoElGamal:
		return fmt.Sprintf("elg%d", bits)
	case packet.PubKeyAlgoDSA:
		return fmt.Sprintf("dsa%d", bits)
	case packet.PubKeyAlgoX25519, packet.PubKeyAlgoX448, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		return pubKeyAlgoName(byte(pk.PubKeyAlgo))
	case packet.PubKeyAlgoECDH, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		curve, err := pk.Curve()
		if err != nil {
			return "an unknown curve"
		}
		switch curve {
		case packet.Curve25519:
			if pk.PubKeyAlgo == packet.PubKeyAlgoEdDSA {
				return "ed25519"
			}
			return "cv25519"
		case packet.Curve448:
			if pk.PubKeyAlgo == packet.PubKeyAlgoEdDSA {
				return "ed448"
			}
			return "cv448"
		case packet.CurveNistP256:
			return "nistp256"
		case packet.CurveNistP384:
			return "nistp384"
		case packet.CurveNistP521:
			return "nistp521"
		case packet.CurveSecP256k1:
			return "secp256k1"
		}
		return string(curve)
	}
	return pubKeyAlgoName(byte(pk.PubKeyAlgo))
}

// pubKeyAlgoName names an algorithm without its size.
func pubKeyAlgoName(id byte) string {
	switch id {
	case 1, 2, 3:
		return "rsa"
	case 16:
		return "elg"
	case 17:
		return "dsa"
	case 18:
		return "ecdh"
	case 19:
		return "ecdsa"
	case 22:
		return "eddsa"
	case 25:
		return "x25519"
	case 26:
		return "x448"
	case 27:
		return "ed25519"
	case 28:
		return "ed448"
	case 30:
		return "mldsa65-ed25519"
	case 31:
		return "mldsa87-ed448"
	case 32, 33, 34:
		return "slhdsa"
	case 35:
		return "mlkem768-x25519"
	case 36:
		return "mlkem1024-x448"
	}
	return fmt.Sprintf("algorithm %d", id)
}

// bitLength is a key's size where size makes the strength: RSA, DSA and ElGamal; else 0.
func bitLength(pk *packet.PublicKey) int {
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoElGamal, packet.PubKeyAlgoDSA:
		n, err := pk.BitLength()
		if err != nil {
			return 0
		}
		return int(n)
	}
	return 0
}

// hashID is the number of a hash algorithm (RFC 9580 section 9.5).
func hashID(h crypto.Hash) (byte, bool) {
	switch h {
	case crypto.MD5:
		return 1, true
	case crypto.SHA1:
		return 2, true
	case crypto.RIPEMD160:
		return 3, true
	case crypto.SHA256:
		return 8, true
	case crypto.SHA384:
		return 9, true
	case crypto.SHA512:
		return 10, true
	case crypto.SHA224:
		return 11, true
	case crypto.SHA3_256:
		return 12, true
	case crypto.SHA3_512:
		return 14, true
	}
	return 0, false
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
