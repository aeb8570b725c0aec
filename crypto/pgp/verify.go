package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Status says what became of a signature. Only [Good] counts.
type Status string

// The statuses.
const (
	Good       Status = "good"        // made by a certificate that was given, over exactly this
	UnknownKey Status = "unknown key" // none of the certificates made it, it was not checked
	Bad        Status = "bad"         // it does not match: the content or the signature was changed, or it is not allowed
	Expired    Status = "expired"     // the signature, or at its time the key, had expired
	Revoked    Status = "revoked"     // the key was revoked
	Weak       Status = "weak"        // it uses a hash or a key that can be forged
	Unchecked  Status = "unchecked"   // it uses a version or an algorithm that is not known
)

// A Signature is the verdict on one signature.
type Signature struct {
	Status      Status
	Reason      string    // in words, for all but good
	KeyID       string    // of the key or subkey that is said to have made it; "" if it does not say
	Fingerprint string    // of that key, when known
	Primary     string    // fingerprint of the certificate it belongs to, when that was given
	UserID      string    // of that certificate, as its owner wrote it: see [Display]
	Time        time.Time // when it says it was made
	Hash        string
}

// AnyGood tells whether at least one signature is good. What the others say does not matter then.
func AnyGood(all []Signature) bool {
	return slices.ContainsFunc(all, func(s Signature) bool { return s.Status == Good })
}

// VerifyOptions bound a verification.
type VerifyOptions struct {
	Now func() time.Time
}

// Verify reads all of signed and checks the detached signatures over it, binary or armored.
// Its verdicts are in the order of the signatures; at most [MaxSignatures] are looked at.
// Errors are [ErrFormat] when signature holds none, [ErrDamaged], [ErrRefused], and those of
// the readers. A signature that is not good is no error: see [AnyGood].
func Verify(signed, signature io.Reader, certs []*Certificate, o VerifyOptions) ([]Signature, error) {
	sigs, _, err := readSignatures(signature, false)
	if err != nil {
		return nil, err
	}
	return verifyOver(newSource(signed), sigs, certs, clock(o.Now))
}

// verifyOver checks signatures, of which go-crypto gets those it can parse.
func verifyOver(signed *source, sigs []rawSignature, certs []*Certificate, now func() time.Time) ([]Signature, error) {
	var packets bytes.Buffer
	var fed []int
	all := make([]Signature, len(sigs))
	for i, s := range sigs {
		all[i] = s.unchecked()
		if s.sig == nil || s.sig.IssuerKeyId == nil || s.sig.SigType > packet.SigTypeText {
			continue
		}
		if err := s.opaque.Serialize(&packets); err != nil {
			return nil, damaged(err, "a signature is malformed")
		}
		fed = append(fed, i)
	}
	var err error
	if len(fed) == 0 {
		_, err = io.Copy(io.Discard, signed)
	} else {
		var md *openpgp.MessageDetails
		md, err = openpgp.VerifyDetachedSignatureReader(ring(certs), signed, &packets, config(now))
		if err == nil {
			_, err = io.Copy(io.Discard, md.UnverifiedBody)
		}
		if err == nil && len(md.SignatureCandidates) != len(fed) {
			err = errors.New("signatures were lost")
		}
		if err == nil {
			for n, c := range md.SignatureCandidates {
				all[fed[n]] = verdict(c, now())
			}
		}
	}
	if signed.failed() != nil {
		err = signed.failed()
	}
	if err != nil {
		return nil, damaged(err, "a signature is malformed")
	}
	return all, nil
}

// verdict translates what go-crypto found, by types and never by texts.
func verdict(c *openpgp.SignatureCandidate, now time.Time) Signature {
	s := Signature{KeyID: keyID(c.IssuerKeyId)}
	if len(c.IssuerFingerprint) > 0 {
		s.Fingerprint = upperHex(c.IssuerFingerprint)
	}
	if id, ok := hashID(c.HashAlgorithm); ok {
		s.Hash = hashName(id)
	}
	if c.CorrespondingSig != nil {
		s.Time = c.CorrespondingSig.CreationTime.UTC()
	}
	if c.SignedByEntity != nil {
		s.Primary = fingerprint(c.SignedByEntity.PrimaryKey)
		if c.SignedBy != nil {
			s.Fingerprint = fingerprint(c.SignedBy.PublicKey)
		}
		if _, id := c.SignedByEntity.PrimaryIdentity(now, config(nil)); id != nil {
			s.UserID = id.Name
		}
	}
	s.Status, s.Reason = judge(c, now)
	return s
}

func judge(c *openpgp.SignatureCandidate, now time.Time) (Status, string) {
	err := c.SignatureError
	var weak pgperrors.WeakAlgorithmError
	var unsupported pgperrors.UnsupportedError
	id, known := hashID(c.HashAlgorithm)
	switch {
	case err == nil && c.CorrespondingSig != nil && c.SignedBy != nil:
		return Good, ""
	case c.SignedByEntity == nil:
		return UnknownKey, "the certificate that made it was not given"
	case !known || weakHash(id):
		return Weak, "it uses " + nameOr(hashName(id), "an old hash algorithm") + ", which can be forged"
	case errors.As(err, &weak):
		return Weak, "its key (" + algorithmName(c.SignedByEntity.PrimaryKey) + ") can be forged"
	case errors.Is(err, pgperrors.ErrSignatureExpired) && c.CorrespondingSig != nil && c.CorrespondingSig.CreationTime.After(now):
		return Bad, "it is dated in the future"
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return Expired, "its own time has run out; the content is as it was signed"
	case errors.Is(err, pgperrors.ErrKeyExpired):
		// go-crypto looks for a key that was valid then, and checks nothing when there is none.
		return Expired, "its key had expired when it was made, so that the content was not compared with it"
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return Revoked, "its key was revoked"
	case errors.Is(err, pgperrors.ErrSignatureOlderThanKey):
		return Bad, "it is older than its key"
	case errors.As(err, &unsupported):
		return Unchecked, "it uses an algorithm that is not known"
	}
	if c.SignedBy == nil {
		return Bad, "its key may not sign, or was not valid at that time"
	}
	return Bad, "the content or the signature was changed"
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

// A rawSignature is a signature packet, parsed when go-crypto knows its kind.
type rawSignature struct {
	opaque *packet.OpaquePacket
	sig    *packet.Signature // nil when it can't be parsed
}

// unchecked is the verdict on a signature before it is checked, or that can't be.
func (r rawSignature) unchecked() Signature {
	s := Signature{Status: Unchecked, Reason: "it uses a version or an algorithm that is not known"}
	b := r.opaque.Contents
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0
	}
	hash := at(3)
	if at(0) == 3 {
		hash = at(16)
	}
	s.Hash = hashName(hash)
	switch {
	case weakHash(hash):
		s.Status, s.Reason = Weak, "it uses "+s.Hash+", which can be forged"
	case at(0) == 3:
		s.Status, s.Reason = Weak, "it is of version 3, which is no longer used"
	case r.sig != nil && r.sig.IssuerKeyId == nil:
		s.Reason = "it does not say which key made it"
	case r.sig != nil && r.sig.SigType > packet.SigTypeText:
		s.Status, s.Reason = Bad, "it is not a signature over content"
	}
	if r.sig != nil {
		s.Time = r.sig.CreationTime.UTC()
		if r.sig.IssuerKeyId != nil {
			s.KeyID = keyID(*r.sig.IssuerKeyId)
		}
	}
	return s
}

// readSignatures reads the signature packets of an input that holds nothing else; with
// others, of one that may hold other small packets as well.
func readSignatures(src io.Reader, others bool) ([]rawSignature, string, error) {
	kind, br, b, err := dearmor(src)
	if err != nil {
		return nil, "", err
	}
	if kind == blockClear || kind == blockMessage || kind == "" && !plausibleStart(br) {
		return nil, "", fail(ErrFormat, "a detached signature was expected (it begins with BEGIN PGP SIGNATURE, or is binary)")
	}
	sigs, err := signaturePackets(br, others)
	if err != nil {
		return nil, "", damaged(err, "the signature is cut short or malformed")
	}
	if b != nil && b.done != io.EOF {
		return nil, "", fail(ErrDamaged, "its armor (the text between BEGIN and END) is incomplete or was changed")
	}
	if len(sigs) == 0 {
		return nil, "", fail(ErrFormat, "there is no signature in it")
	}
	return sigs, kind, nil
}

func plausibleStart(br *bufio.Reader) bool {
	prefix, _ := br.Peek(64)
	return plausible(prefix)
}

func signaturePackets(br *bufio.Reader, others bool) ([]rawSignature, error) {
	var sigs []rawSignature
	for n := 0; ; n++ {
		h, _, err := readHeader(br)
		if err == io.EOF {
			return sigs, nil
		}
		if err != nil {
			return nil, err
		}
		p, err := opaque(h, &body{src: br, h: h}, maxSmall)
		if err != nil {
			return nil, err
		}
		switch {
		case p.Tag == tagMarker || p.Tag == tagPadding:
		case p.Tag == tagSignature && len(sigs) == MaxSignatures && !others || n > maxKeyPackets:
			return nil, fail(ErrRefused, "more than %d signatures", MaxSignatures)
		case p.Tag == tagSignature:
			parsed, err := p.Parse()
			sig, _ := parsed.(*packet.Signature)
			if err != nil {
				sig = nil
			}
			sigs = append(sigs, rawSignature{opaque: p, sig: sig})
		case !others:
			return nil, fail(ErrFormat, "a detached signature was expected, this holds something else as well")
		}
	}
}
