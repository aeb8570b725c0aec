package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age/plugin"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// maxKeyFile bounds a file of keys, in bytes: as age's own command.
const maxKeyFile = agefile.CommandMaxBytes

// readSmall reads a file that is held in memory; "-" is standard input.
func (e *env) readSmall(name string, most int) ([]byte, error) {
	src, err := e.open(source{name: name})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	data, err := answer(e.ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(src, int64(most)+1)) })
	if err == nil && len(data) > most {
		err = fmt.Errorf("read %s: it is longer than %d MiB", name, most>>20)
	}
	return data, err
}

// keyFile is how keys are read on a person's own machine: with plugins, and asking for passphrases.
func (e *env) keyFile(name string, p passphrases) crypto.KeyFile {
	return crypto.KeyFile{
		Label: name, Large: true,
		Ask:       func() (string, error) { return p.ask(e, "Passphrase for the key in "+pgp.Display(name)) },
		PublicKey: func() ([]byte, error) { return e.readSmall(name+".pub", maxKeyFile) },
		Warn:      func(text string) { e.warn(name + ": " + text) },
		Plugins: plugin.NewTerminalUI(
			func(format string, v ...any) { fmt.Fprintf(e.stderr, "zencrypt: "+format+"\n", v...) },
			func(format string, v ...any) { fmt.Fprintf(e.stderr, "zencrypt: warning: "+format+"\n", v...) }),
	}
}

// privateKeys reads the files that -i names.
func (e *env) privateKeys(files []string, p passphrases) (crypto.Keys, error) {
	var all crypto.Keys
	for _, name := range files {
		data, err := e.readSmall(name, maxKeyFile)
		if err != nil {
			return all, err
		}
		keys, err := e.keyFile(name, p).Private(data)
		if err != nil {
			return all, inFile(name, err)
		}
		all.Add(keys)
	}
	return all, nil
}

// publicKeys reads the files that -R names.
func (e *env) publicKeys(files []string, p passphrases) (crypto.Public, error) {
	var all crypto.Public
	for _, name := range files {
		data, err := e.readSmall(name, maxKeyFile)
		if err != nil {
			return all, err
		}
		keys, err := e.keyFile(name, p).Public(data)
		if err != nil {
			return all, inFile(name, err)
		}
		all.Age, all.PGP = append(all.Age, keys.Age...), append(all.PGP, keys.PGP...)
	}
	return all, nil
}

// certificates reads the OpenPGP keys that -k names: public ones, or private ones whose public half counts.
func (e *env) certificates(files []string) ([]*pgp.Certificate, error) {
	var all []*pgp.Certificate
	for _, name := range files {
		data, err := e.readSmall(name, maxKeyFile)
		if err != nil {
			return nil, err
		}
		certs, err := pgp.ReadCertificates(bytes.NewReader(data), pgp.ReadOptions{})
		if errors.Is(err, pgp.ErrPrivateKey) {
			var keys []*pgp.Key
			keys, err = pgp.ReadKeys(bytes.NewReader(data), pgp.ReadOptions{})
			for _, k := range keys {
				certs = append(certs, k.Certificate())
			}
		}
		if err != nil {
			return nil, inFile(name, err)
		}
		all = append(all, certs...)
	}
	return all, nil
}

// signingKeys reads the OpenPGP private keys that sign, and unlocks them.
func (e *env) signingKeys(files []string, p passphrases) ([]*pgp.Key, error) {
	var all []*pgp.Key
	for _, name := range files {
		data, err := e.readSmall(name, maxKeyFile)
		if err != nil {
			return nil, err
		}
		keys, err := pgp.ReadKeys(bytes.NewReader(data), pgp.ReadOptions{})
		if err != nil {
			return nil, inFile(name, err)
		}
		for _, k := range keys {
			if k, err = e.unlock(k, name, p); err != nil {
				return nil, inFile(name, err)
			}
			all = append(all, k)
		}
	}
	return all, nil
}

// unlock takes the passphrase off a key that has one.
func (e *env) unlock(k *pgp.Key, name string, p passphrases) (*pgp.Key, error) {
	if !k.Locked() {
		return k, nil
	}
	pass, err := p.ask(e, "Passphrase for the key in "+pgp.Display(name))
	if err != nil {
		return nil, err
	}
	unlocked, err := k.Unlock(pass, pgp.LockOptions{})
	return unlocked, err
}

// inFile names the file that an error is about. A file of keys that is damaged is no damaged input.
func inFile(name string, err error) error {
	err = fmt.Errorf("%s: %w", name, err)
	var coded *codeError
	var usage *usageError
	if !errors.As(err, &coded) && !errors.As(err, &usage) && !wrongPassphrase(err) {
		err = &codeError{exitError, err}
	}
	return err
}

// onlyOnce refuses a command line that reads standard input for two things.
func onlyOnce(p passphrases, inputs []string, files ...string) error {
	n := 0
	for _, name := range append(files, p.PassphraseFile) {
		if name == stdinName {
			n++
		}
	}
	if len(inputs) == 0 {
		n++
	}
	for _, in := range inputs {
		if in == stdinName {
			n++
		}
	}
	if n > 1 {
		return &usageError{errors.New("standard input can be only one thing: the input, a key or the passphrase. Name files for the others")}
	}
	return nil
}

// exists tells whether there is anything at a path.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
