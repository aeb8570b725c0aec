package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// SignOptions say how to sign.
type SignOptions struct {
	Armor bool
	Text  bool // the signature does not depend on line ends
	Now   func() time.Time
}

var errNoSigner = errors.New("sign: no key given")

// signing checks the keys and returns what go-crypto needs.
func signing(keys []*Key, o SignOptions) ([]*openpgp.Entity, *openpgp.SignParams, error) {
	now := clock(o.Now)().Truncate(time.Second)
	if len(keys) == 0 {
		return nil, nil, errNoSigner
	}
	if err := checkSigners(keys, now); err != nil {
		return nil, nil, err
	}
	return entities(keys), &openpgp.SignParams{
		TextSig: o.Text, Hints: &openpgp.FileHints{IsUTF8: o.Text}, Config: config(func() time.Time { return now }),
	}, nil
}

// SignDetached writes to dst the signatures over what is written to the Writer it returns,
// when that is closed. Errors are [*KeyError], [ErrLocked], and those of dst.
func SignDetached(dst io.Writer, keys []*Key, o SignOptions) (*Writer, error) {
	signers, params, err := signing(keys, o)
	if err != nil {
		return nil, err
	}
	w, out, err := newWriter(dst, o.Armor, blockSignature, allModern(keys))
	if err != nil {
		return nil, err
	}
	if w.in, err = openpgp.DetachSignWriter(out, signers, params); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return w, nil
}

// Sign writes a signed message, which holds the content, as content is written to the
// Writer it returns. [OpenSigned] reads it.
func Sign(dst io.Writer, keys []*Key, o SignOptions) (*Writer, error) {
	signers, params, err := signing(keys, o)
	if err != nil {
		return nil, err
	}
	w, out, err := newWriter(dst, o.Armor, blockMessage, allModern(keys))
	if err != nil {
		return nil, err
	}
	if w.in, err = openpgp.SignWithParams(out, signers, params); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return w, nil
}

// SignText returns a clear-signed text (RFC 9580 section 7): the text stays readable, lines
// that begin with a dash are escaped. White space at the ends of lines is not signed and is
// dropped. The text is valid UTF-8 without NUL and of at most [MaxText] bytes, or max if that is not 0.
func SignText(text []byte, keys []*Key, max int, o SignOptions) ([]byte, error) {
	if err := checkText(text, max); err != nil {
		return nil, err
	}
	signers, params, err := signing(keys, o)
	if err != nil {
		return nil, err
	}
	var secret []*packet.PrivateKey
	for _, e := range signers {
		key, ok := e.SigningKey(params.Config.Now(), params.Config)
		if !ok {
			return nil, ErrCannotSign
		}
		secret = append(secret, key.PrivateKey)
	}
	var out bytes.Buffer
	w, err := clearsign.EncodeMulti(&out, secret, params.Config)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("sign text: %w", err)
	}
	return checksummed(out.Bytes(), allModern(keys))
}

// checksummed replaces the signature's armor, which go-crypto writes without a checksum: see [armorWriter].
func checksummed(signed []byte, modern bool) ([]byte, error) {
	i := bytes.LastIndex(signed, []byte("\n"+armorBegin+blockSignature+armorTail)) + 1
	b, err := openBlock(bufio.NewReaderSize(bytes.NewReader(signed[i:]), preface))
	if err != nil {
		return nil, fmt.Errorf("sign text: %w", err)
	}
	raw, err := io.ReadAll(b)
	if err != nil {
		return nil, fmt.Errorf("sign text: %w", err)
	}
	return append(signed[:i:i], armorString(raw, blockSignature, modern)...), nil
}

func allModern(keys []*Key) bool {
	return !slices.ContainsFunc(keys, func(k *Key) bool { return !k.public.modern() })
}
