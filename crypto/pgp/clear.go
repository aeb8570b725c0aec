package pgp

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
)

// A SignedText is what a clear-signed text holds.
type SignedText struct {
	Text       []byte // exactly what was signed, without the dashes' escapes, each line ended with LF but the last
	Signatures []Signature
	// Around tells that there is more text, before or after. It is not signed, whatever it
	// says, and is not returned.
	Around bool
}

func checkText(text []byte, max int) error {
	if max <= 0 {
		max = MaxText
	}
	switch {
	case len(text) > max:
		return fail(ErrTooLarge, "the text has more than %d bytes", max)
	case !utf8.Valid(text) || bytes.IndexByte(text, 0) >= 0:
		return fail(ErrFormat, "only text in UTF-8 can be signed so that it stays readable; sign anything else as a file")
	}
	return nil
}

// VerifyText reads a clear-signed text of at most max bytes, 0 for [MaxText] and half as
// much again, and checks its signatures. What it returns as Text is what they cover, and
// nothing else: a second signed text, or a line in dashes that is not escaped, is refused.
// Errors are [ErrFormat], [ErrDamaged], [ErrTooLarge], [ErrRefused] and those of src. A
// signature that is not good is no error: see [AnyGood].
func VerifyText(src io.Reader, certs []*Certificate, max int, o VerifyOptions) (*SignedText, error) {
	if max <= 0 {
		max = MaxText + MaxText/2
	}
	s := newSource(src)
	input, err := io.ReadAll(io.LimitReader(s, int64(max)+1))
	switch {
	case err != nil:
		return nil, err
	case len(input) > max:
		return nil, fail(ErrTooLarge, "the signed text has more than %d bytes", max)
	}
	before, frame, after, err := cutFrame(bytes.TrimPrefix(input, []byte(bom)))
	if err != nil {
		return nil, err
	}
	b, rest := clearsign.Decode(frame)
	if b == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fail(ErrDamaged, "the signed text is malformed or cut short")
	}
	sigs, err := signaturesOf(frame)
	if err != nil {
		return nil, err
	}
	t := &SignedText{Text: b.Plaintext, Around: len(bytes.TrimSpace(before))+len(bytes.TrimSpace(after)) > 0}
	t.Signatures, err = verifyOver(newSource(bytes.NewReader(b.Bytes)), sigs, certs, clock(o.Now))
	if err != nil {
		return nil, err
	}
	return t, nil
}

// cutFrame finds the one frame of a signed text: from its first line to the last line of
// its signature. All lines in dashes are looked at, so that nothing within or around it can
// be taken for another frame by anybody.
func cutFrame(input []byte) (before, frame, after []byte, err error) {
	start, sig, end := -1, -1, -1
	for from := 0; from < len(input); {
		line := input[from:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		next := from + len(line)
		if bytes.HasPrefix(line, []byte(armorTail)) {
			switch l := string(bytes.TrimRight(line, " \t\r\n")); {
			case l == armorBegin+blockClear+armorTail && start < 0:
				start = from
			case start < 0 || end >= 0:
				// Other armor around is none of ours, unless it claims to be the like.
				if bytes.Contains(line, []byte(blockClear)) {
					return nil, nil, nil, fail(ErrFormat, "it holds more than one signed text, give one alone")
				}
			case l == armorBegin+blockSignature+armorTail && sig < 0:
				sig = from
			case l == armorEnd+blockSignature+armorTail && sig >= 0:
				end = next
			default:
				return nil, nil, nil, fail(ErrDamaged, "a line within the signed text begins with dashes and is not escaped")
			}
		}
		from = next
	}
	switch {
	case start < 0:
		return nil, nil, nil, fail(ErrFormat, "a signed text was expected (it begins with BEGIN PGP SIGNED MESSAGE)")
	case end < 0:
		return nil, nil, nil, fail(ErrDamaged, "the signed text is cut short")
	}
	return input[:start], input[start:end], input[end:], nil
}

// signaturesOf reads the signature within a frame.
func signaturesOf(frame []byte) ([]rawSignature, error) {
	i := bytes.LastIndex(frame, []byte("\n"+armorBegin+blockSignature+armorTail))
	if i < 0 {
		return nil, fail(ErrDamaged, "the signed text is malformed or cut short")
	}
	sigs, _, err := readSignatures(bytes.NewReader(frame[i+1:]), false)
	return sigs, err
}
