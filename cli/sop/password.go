package sop

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPassword bounds a password, in bytes: OpenPGP messages and keys take no longer one here.
const maxPassword = 1024

// newPassword reads a password that something is to be locked with. White space at its end
// is dropped; one that a person could not read and type again is refused.
func (j *job) newPassword(name string) (string, error) {
	b, err := j.read(name, maxPassword)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", fail(PasswordNotHumanReadable, "read password from %s: it is not UTF-8", name)
	}
	pass := strings.TrimRightFunc(string(b), unicode.IsSpace)
	if pass == "" {
		return "", fail(PasswordNotHumanReadable, "read password from %s: it is empty", name)
	}
	if strings.ContainsFunc(pass, unicode.IsControl) {
		return "", fail(PasswordNotHumanReadable, "read password from %s: it holds line ends or control characters", name)
	}
	return pass, nil
}

// newPasswords reads several.
func (j *job) newPasswords(names []string) (all []string, err error) {
	for _, name := range names {
		pass, err := j.newPassword(name)
		if err != nil {
			return nil, err
		}
		all = append(all, pass)
	}
	return all, nil
}

// oldPasswords reads passwords that something was locked with: each counts as it is and, if
// that ends in white space, also without it. Other programs may have kept it.
func (j *job) oldPasswords(names []string) (all []string, err error) {
	for _, name := range names {
		b, err := j.read(name, maxPassword)
		if err != nil {
			return nil, err
		}
		pass := string(b)
		if pass != "" {
			all = append(all, pass)
		}
		if short := strings.TrimRightFunc(pass, unicode.IsSpace); short != pass && short != "" {
			all = append(all, short)
		}
	}
	return all, nil
}
