package sop

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"zencrypt/crypto/pgp"
)

// keysFrom reads private keys.
func keysFrom(name string, src io.Reader) ([]*pgp.Key, error) {
	keys, err := pgp.ReadKeys(src, pgp.ReadOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// keys reads the private keys of several inputs and unlocks what the passwords unlock.
func (j *job) keys(names, passwords []string) (all []*pgp.Key, err error) {
	old, err := j.oldPasswords(passwords)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := open(name)
		if err != nil {
			return nil, err
		}
		keys, err := keysFrom(name, &untilDone{j.ctx, f})
		f.Close()
		if err != nil {
			return nil, err
		}
		if keys, err = unlock(keys, old); err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// unlock unlocks the parts of keys that the passwords fit. Others stay locked.
func unlock(keys []*pgp.Key, passwords []string) (all []*pgp.Key, err error) {
	for _, k := range keys {
		if k, err = k.UnlockParts(passwords, pgp.LockOptions{}); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// certs is an input with certificates.
type certs struct {
	name string
	list []*pgp.Certificate
}

// certs reads certificates. Where only signatures are checked, one that can't be read at all
// does not stop the others from being used.
func (j *job) certs(names []string, lenient bool) (all []certs, err error) {
	for _, name := range names {
		f, err := open(name)
		if err != nil {
			return nil, err
		}
		o := pgp.ReadOptions{}
		if lenient {
			o.Skip = func(error) {}
		}
		list, err := pgp.ReadCertificates(&untilDone{j.ctx, f}, o)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, certs{name, list})
	}
	return all, nil
}

func flat(all []certs) (list []*pgp.Certificate) {
	for _, c := range all {
		list = append(list, c.list...)
	}
	return list
}

// put writes binary packets to standard output, armored or not.
func (j *job) put(packets []byte, noArmor bool) error { return arrange(j.stdout, packets, noArmor) }

func arrange(w io.Writer, packets []byte, noArmor bool) error {
	if noArmor {
		_, err := w.Write(packets)
		return err
	}
	return pgp.AddArmor(w, bytes.NewReader(packets))
}

// date reads a point in time (ISO 8601, or "now"); "-" is whatever none means.
func (j *job) date(option, s string, none time.Time) (time.Time, error) {
	switch s {
	case "-":
		return none, nil
	case "now":
		return j.now(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "20060102T150405Z0700", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fail(UnsupportedOption, "use --%s=%s: that is no date such as 2026-01-31T15:04:05Z, nor 'now' or '-'", option, s)
}
