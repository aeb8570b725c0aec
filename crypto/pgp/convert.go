package pgp

import (
	"bufio"
	"bytes"
	"io"
)

// Armor copies binary OpenPGP as text; what is text already is copied as it is. The kind is
// told from the first packet. Errors are [ErrFormat] for what is no OpenPGP, and those of src and dst.
func Armor(dst io.Writer, src io.Reader) error {
	br := bufio.NewReaderSize(newSource(src), preface)
	prefix, err := br.Peek(64)
	if !plausible(prefix) {
		if err == nil {
			prefix, _ = br.Peek(preface)
		}
		if start, _ := armorStart(prefix); start < 0 {
			if err != nil && err != io.EOF {
				return err
			}
			return fail(ErrFormat, "this is no OpenPGP")
		}
		_, err = io.Copy(dst, br)
		return err
	}
	h, _, _ := readHeader(bytes.NewReader(prefix))
	kind := blockMessage
	switch h.tag {
	case tagSignature:
		kind = blockSignature
	case tagSecretKey:
		kind = blockPrivate
	case tagPublicKey:
		kind = blockPublic
	}
	modern := h.tag != tagSEIPD && len(prefix) > h.size && prefix[h.size] == 6
	w, err := armorWriter(dst, kind, modern)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, br); err != nil {
		return err
	}
	return w.Close()
}

// Dearmor returns the packets within a text, or binary OpenPGP as it is. Errors are
// [ErrFormat], and for armor that was changed or cut short, while it is read, [ErrDamaged].
// A clear-signed text has no packets of its own content and is an [ErrFormat].
func Dearmor(src io.Reader) (io.Reader, error) {
	kind, br, _, err := dearmor(src)
	if err != nil {
		return nil, err
	}
	if kind == blockClear || kind == "" && !plausibleStart(br) {
		return nil, fail(ErrFormat, "this is no OpenPGP in packets")
	}
	return br, nil
}
