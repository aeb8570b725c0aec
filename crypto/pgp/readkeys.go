package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	// maxKeyInput bounds an input with keys, in bytes: 1,000 keys have 1 to 5 MiB.
	maxKeyInput = 16 << 20
	// maxKeyPackets is how many packets one key may have; the most signed public keys have some thousand.
	maxKeyPackets = 10_000
	// maxSubkeys and maxUserIDs bound a key's parts, maxSelfSignatures what claims to be signed by itself and has to be checked.
	maxSubkeys        = 64
	maxUserIDs        = 256
	maxSelfSignatures = 1000
)

// ReadOptions say what is accepted. The zero value has the limits of the constants.
type ReadOptions struct {
	Max int // keys; 0 is [MaxCertificates] or [MaxKeys]
	// Skip is called for each key that cannot be read at all (an unknown version or
	// algorithm, too large), and reading goes on. nil makes the first one an error.
	Skip func(error)
}

// ReadCertificates reads public keys: binary, or one or several blocks of armor with text
// around them. A key that can be read is returned even if it can't be used, see [KeyInfo].
// Errors are [ErrKeys] with the reason, [ErrPrivateKey], [ErrTooLarge], [ErrRefused] for
// more keys than are accepted, [ErrDamaged], and those of src.
func ReadCertificates(src io.Reader, o ReadOptions) ([]*Certificate, error) {
	var all []*Certificate
	if o.Max == 0 {
		o.Max = MaxCertificates
	}
	err := readKeys(src, false, o, func(raw []byte, e *openpgp.Entity) error {
		all = append(all, &Certificate{raw: raw, fingerprint: fingerprint(e.PrimaryKey)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ReadKeys reads private keys, as [ReadCertificates] does public ones: [ErrPublicKey] is the
// error for a public key. None is unlocked and no passphrase is hashed.
func ReadKeys(src io.Reader, o ReadOptions) ([]*Key, error) {
	var all []*Key
	if o.Max == 0 {
		o.Max = MaxKeys
	}
	err := readKeys(src, true, o, func(raw []byte, e *openpgp.Entity) error {
		k, err := keyOf(raw, e)
		all = append(all, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// readKeys calls add for each key. raw belongs to the callee.
func readKeys(src io.Reader, private bool, o ReadOptions, add func(raw []byte, e *openpgp.Entity) error) error {
	k := &keyReader{private: private, o: o, add: add}
	limited := newSource(&capped{src: src, left: maxKeyInput})
	err := k.input(limited)
	switch {
	case limited.failed() != nil:
		return damaged(limited.failed(), "")
	case err != nil:
		return damaged(err, "the keys are cut short or malformed")
	case k.n == 0 && k.skipped == 0:
		return fail(ErrKeys, "no OpenPGP key was found")
	case k.n == 0:
		return fail(ErrKeys, "none of the keys can be read")
	}
	return nil
}

// capped ends an input that is too long with an error.
type capped struct {
	src  io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, fail(ErrTooLarge, "keys of more than %d MiB", maxKeyInput>>20)
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

type keyReader struct {
	private bool
	o       ReadOptions
	add     func([]byte, *openpgp.Entity) error
	light   func([]*packet.OpaquePacket) error // instead of add, for what is not checked

	n, skipped int
	current    []*packet.OpaquePacket
}

// input reads binary packets or all blocks of a text.
func (k *keyReader) input(src io.Reader) error {
	br := bufio.NewReaderSize(src, preface)
	prefix, _ := br.Peek(64)
	if len(prefix) > 0 && prefix[0]&0x80 != 0 && !bytes.HasPrefix(prefix, []byte(bom)) {
		return k.packets(br)
	}
	for {
		b, err := nextBlock(br)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case b.kind == blockPrivate && !k.private:
			return ErrPrivateKey
		case b.kind == blockPublic && k.private:
			return ErrPublicKey
		case b.kind != blockPrivate && b.kind != blockPublic:
			return fail(ErrKeys, "this is a %s, not a key", blockName(b.kind))
		}
		if err := k.packets(bufio.NewReaderSize(b, 4<<10)); err != nil {
			return err
		}
		if b.done != io.EOF {
			return fail(ErrDamaged, "its armor (the text between BEGIN and END) is incomplete or was changed")
		}
	}
}

func blockName(kind string) string {
	switch kind {
	case blockMessage:
		return "message"
	case blockSignature:
		return "signature"
	}
	return "signed text"
}

// packets reads one run of packets, which holds whole keys.
func (k *keyReader) packets(br *bufio.Reader) error {
	for {
		h, _, err := readHeader(br)
		if err == io.EOF {
			return k.finish()
		}
		if err != nil {
			return err
		}
		p, err := opaque(h, &body{src: br, h: h}, maxSmall)
		if err != nil {
			return err
		}
		if err := k.packet(p); err != nil {
			return err
		}
	}
}

func (k *keyReader) packet(p *packet.OpaquePacket) error {
	switch p.Tag {
	case tagSecretKey, tagPublicKey:
		if p.Tag == tagSecretKey && !k.private {
			return ErrPrivateKey
		}
		if p.Tag == tagPublicKey && k.private {
			return ErrPublicKey
		}
		if err := k.finish(); err != nil {
			return err
		}
		if k.n+k.skipped >= k.o.Max {
			return fail(ErrRefused, "more than %d keys", k.o.Max)
		}
	case tagSecretSub:
		if !k.private {
			return ErrPrivateKey
		}
	case tagTrust, tagMarker, tagPadding:
		return nil // local to the program that wrote them, or nothing at all
	case tagPKESK, tagSKESK, tagOnePass, tagCompressed, tagLiteral, tagSED, tagSEIPD, tagAEAD:
		return fail(ErrKeys, "this is a message, not a key")
	}
	if len(k.current) == 0 && p.Tag != tagSecretKey && p.Tag != tagPublicKey {
		return fail(ErrKeys, "this does not begin with a key")
	}
	if len(k.current) >= maxKeyPackets {
		return fail(ErrRefused, "a key of more than %d parts", maxKeyPackets)
	}
	k.current = append(k.current, p)
	return nil
}

// finish makes a key of the packets so far.
func (k *keyReader) finish() error {
	if len(k.current) == 0 {
		return nil
	}
	if k.light != nil {
		k.n++
		packets := k.current
		k.current = nil
		return k.light(packets)
	}
	raw, e, err := assemble(k.current)
	k.current = nil
	switch {
	case err == nil:
		k.n++
		return k.add(raw, e)
	case k.o.Skip != nil:
		k.skipped++
		k.o.Skip(err)
	default:
		return err
	}
	return nil
}

// assemble parses one key, after its sizes were looked at.
func assemble(packets []*packet.OpaquePacket) ([]byte, *openpgp.Entity, error) {
	var raw bytes.Buffer
	var subkeys, userIDs int
	for i, p := range packets {
		switch p.Tag {
		case tagSecretKey, tagPublicKey, tagSecretSub, tagPublicSub:
			pk, err := publicPart(p)
			if err == nil && bitLength(pk) > MaxBits {
				return nil, nil, fail(ErrRefused, "a key of %d bits, at most %d are accepted", bitLength(pk), MaxBits)
			}
			if i == 0 && err != nil {
				return nil, nil, keysError(err, p)
			}
			if i > 0 {
				subkeys++
			}
		case tagUserID:
			if userIDs++; len(p.Contents) > maxUserID {
				return nil, nil, fail(ErrRefused, "a user id of more than %d bytes", maxUserID)
			}
		}
		if subkeys > maxSubkeys || userIDs > maxUserIDs {
			return nil, nil, fail(ErrRefused, "a key of more than %d subkeys or %d user ids", maxSubkeys, maxUserIDs)
		}
		if err := p.Serialize(&raw); err != nil {
			return nil, nil, damaged(err, "a key cannot be read")
		}
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(raw.Bytes())))
	if err != nil {
		if len(packets) == 1 {
			return nil, nil, &kindError{kind: ErrKeys, detail: "a key without user ids and signatures: it is cut short", err: err}
		}
		return nil, nil, keysError(err, packets[0])
	}
	if n := selfSignatures(e); n > maxSelfSignatures {
		return nil, nil, fail(ErrRefused, "a key with %d signatures by itself, at most %d are accepted", n, maxSelfSignatures)
	}
	// Whatever is asked of a key later parses what is written here, and must not fail.
	var again, public bytes.Buffer
	if err := serialize(&public, e, false); err != nil {
		return nil, nil, keysError(err, packets[0])
	}
	if _, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(public.Bytes()))); err != nil {
		return nil, nil, keysError(err, packets[0])
	}
	if e.PrivateKey == nil {
		return public.Bytes(), e, nil
	}
	if err := serialize(&again, e, true); err != nil {
		return nil, nil, keysError(err, packets[0])
	}
	return again.Bytes(), e, nil
}

// publicPart parses only the public part of a key packet, which go-crypto does without any
// computation; parsing the secret part of an RSA key checks its primes.
func publicPart(p *packet.OpaquePacket) (*packet.PublicKey, error) {
	tag := byte(tagPublicKey)
	if p.Tag == tagSecretSub || p.Tag == tagPublicSub {
		tag = tagPublicSub
	}
	parsed, err := (&packet.OpaquePacket{Tag: tag, Contents: p.Contents}).Parse()
	if err != nil {
		return nil, err
	}
	pk, ok := parsed.(*packet.PublicKey)
	if !ok {
		return nil, errors.New("not a public key")
	}
	return pk, nil
}

func keysError(err error, primary *packet.OpaquePacket) error {
	if len(primary.Contents) > 0 && primary.Contents[0] < 4 {
		return fail(ErrKeys, "a key of version %d, which is too old", primary.Contents[0])
	}
	if len(primary.Contents) > 0 && primary.Contents[0] != 4 && primary.Contents[0] != 6 {
		return fail(ErrKeys, "a key of version %d, which is not known", primary.Contents[0])
	}
	return &kindError{kind: ErrKeys, detail: "a key is malformed, has no user id, or uses an algorithm that is not known", err: err}
}

func selfSignatures(e *openpgp.Entity) int {
	n := len(e.Revocations) + len(e.DirectSignatures)
	for _, id := range e.Identities {
		n += len(id.SelfCertifications) + len(id.Revocations)
	}
	for _, sub := range e.Subkeys {
		n += len(sub.Bindings) + len(sub.Revocations)
	}
	return n
}
