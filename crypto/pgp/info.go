package pgp

import "time"

// A Kind is what an input is.
type Kind string

// The kinds.
const (
	KindMessage    Kind = "encrypted message"
	KindSigned     Kind = "signed message"
	KindPlain      Kind = "message that is neither encrypted nor signed"
	KindSignature  Kind = "detached signature"
	KindClear      Kind = "clear-signed text"
	KindPublicKey  Kind = "public key"
	KindPrivateKey Kind = "private key"
)

// Info is what an input says of itself. Nothing was opened or checked, all of it may be made
// up. Lists are cut at 100 entries, counts are not.
type Info struct {
	Kind    Kind
	Armored bool
	Quoted  bool // its lines stand behind the marks of quoted mail

	Recipients  []RecipientInfo
	Passphrases []PassphraseInfo
	Signatures  []SignatureInfo
	Keys        []PublicKeyInfo
	KeyCount    int

	Protection string // SEIPDv1, SEIPDv2, AEAD, none; "" when not encrypted
	Cipher     string // when it shows
	AEAD       string
	ChunkSize  int64 // bytes authenticated at a time; 0 without AEAD
	Compressed bool  // what can be seen is compressed

	Packets   []PacketInfo
	Size      int64 // of the input in bytes, text around armor included
	Plaintext int64 // in bytes, -1 when it can't be known without opening

	Whole    bool   // as far as can be told without a key: packets end where they say, and so does armor
	Problem  string // why it is not whole
	Checksum string // of armor: ok, wrong, or none. Nothing depends on it (RFC 9580 section 6.1).
}

// RecipientInfo is whom a message is encrypted to.
type RecipientInfo struct {
	Version     int
	KeyID       string // 0000000000000000 for a hidden one
	Fingerprint string // version 6 only
	Algorithm   string
}

// PassphraseInfo is a passphrase packet.
type PassphraseInfo struct {
	Version int
	Cipher  string
	S2K     S2K
	TooMuch bool // it asks for more work than is done
}

// SignatureInfo is a signature, or its announcement before the content.
type SignatureInfo struct {
	Version   int
	KeyID     string
	Algorithm string
	Hash      string
	Time      time.Time
}

// PublicKeyInfo is a primary key, whose self-signatures were not checked.
type PublicKeyInfo struct {
	Version     int
	Fingerprint string
	Algorithm   string
	Created     time.Time
	Private     bool
}

// PacketInfo is a packet at the outermost level.
type PacketInfo struct {
	Type    int
	Version int // its first byte, for those that have one; else 0
	Length  int64
}
