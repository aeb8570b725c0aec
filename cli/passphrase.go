package cli

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"zencrypt/crypto/password"
)

// maxPassphrase bounds a passphrase, in bytes: slow hashes read all of it first.
const maxPassphrase = 4 << 10

// passphraseWords is how many words a passphrase that is made here has: 10 of 7,776 are 129 bits.
const passphraseWords = 10

// A terminal is where people are asked, whatever standard input and output are.
type terminal struct{ in, out *os.File }

// openTerminal opens the terminal that controls the process; without one it says what to do instead.
func openTerminal(instead string) (*terminal, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, &usageError{fmt.Errorf("ask for a passphrase: there is no terminal. %s", instead)}
	}
	return &terminal{in: tty, out: tty}, nil
}

func (t *terminal) Close() { _ = t.in.Close() }

// secret asks for one line without showing it.
func (t *terminal) secret(e *env, prompt string) (string, error) {
	e.asking.Lock()
	defer e.asking.Unlock()
	if e.ctx.Err() != nil {
		return "", errInterrupted
	}
	state, err := term.GetState(int(t.in.Fd()))
	if err == nil {
		// Here and not where it is read, as term.ReadPassword does: that shows what is typed at once, and sets the
		// terminal again after an interruption has restored it.
		err = stopEcho(int(t.in.Fd()))
	}
	if err != nil {
		return "", fmt.Errorf("read from terminal: %w", err)
	}
	fmt.Fprintf(t.out, "%s: ", prompt)
	line, err := answer(e.ctx, func() ([]byte, error) { return typedLine(t.in) })
	_ = term.Restore(int(t.in.Fd()), state)
	fmt.Fprintln(t.out)
	switch {
	case errors.Is(err, io.EOF):
		return "", errEmptyPassphrase // Ctrl+D is no answer, and no wish for a passphrase that is made
	case errors.Is(err, errInterrupted):
		return "", err
	case err != nil:
		return "", fmt.Errorf("read from terminal: %w", err)
	}
	if len(line) > maxPassphrase {
		return "", errLongPassphrase
	}
	return string(line), nil
}

// typedLine reads one line byte by byte, so that what is typed after it is left to who asks next.
func typedLine(tty io.Reader) (line []byte, err error) {
	var b [1]byte
	for {
		n, err := tty.Read(b[:])
		switch {
		case n == 1 && b[0] == '\n':
			return line, nil
		case n == 1 && len(line) <= maxPassphrase:
			line = append(line, b[0])
		case err == io.EOF && len(line) > 0:
			return line, nil
		case err != nil:
			return nil, err
		}
	}
}

var (
	errLongPassphrase  = fmt.Errorf("read passphrase: it is longer than %d bytes", maxPassphrase)
	errEmptyPassphrase = errors.New("read passphrase: it is empty")
)

// instead is the way around a terminal.
const instead = "Put the passphrase into the first line of a file and name it with --passphrase-file"

// passphrases is the part of a command that has to do with passphrases.
type passphrases struct {
	PassphraseFile string `name:"passphrase-file" placeholder:"FILE" help:"Read the passphrase from the first line of FILE; '-' is standard input. Otherwise it is asked for."`
}

// ask returns the passphrase to open something with.
func (p passphrases) ask(e *env, prompt string) (string, error) {
	if p.PassphraseFile != "" {
		return p.fromFile(e)
	}
	t, err := openTerminal(instead)
	if err != nil {
		return "", &codeError{exitNoKey, err}
	}
	defer t.Close()
	pass, err := t.secret(e, prompt)
	if err == nil && pass == "" {
		err = errEmptyPassphrase
	}
	return pass, err
}

// choose returns a new passphrase: asked for twice, or made when nothing was typed, and then shown on
// the terminal itself, so that it ends in no file and no pipe.
func (p passphrases) choose(e *env) (string, error) {
	if p.PassphraseFile != "" {
		return p.fromFile(e)
	}
	t, err := openTerminal(instead)
	if err != nil {
		return "", err
	}
	defer t.Close()
	pass, err := t.secret(e, "New passphrase (leave empty to have one made)")
	if err != nil {
		return "", err
	}
	if pass == "" {
		pass, err = password.Generate(passphraseWords)
		if err == nil {
			_, err = fmt.Fprintf(t.out, "Using this passphrase, which is shown only now:\n\n    %s\n\n", pass)
		}
		return pass, err
	}
	again, err := t.secret(e, "Again")
	if err == nil && again != pass {
		err = errors.New("read passphrase: the two differ. Nothing was written")
	}
	return pass, err
}

// fromFile reads the passphrase file at the first time that it is needed: a second one would find a pipe empty.
func (p passphrases) fromFile(e *env) (string, error) {
	if known, ok := e.phrases[p.PassphraseFile]; ok {
		return known, nil
	}
	src, err := e.open(source{name: p.PassphraseFile})
	if err != nil {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	defer src.Close()
	line, err := answer(e.ctx, func() (string, error) {
		return bufio.NewReader(io.LimitReader(src, maxPassphrase+2)).ReadString('\n')
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read passphrase: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	switch {
	case len(line) > maxPassphrase:
		return "", errLongPassphrase
	case line == "":
		return "", errEmptyPassphrase
	}
	if e.phrases == nil {
		e.phrases = map[string]string{}
	}
	e.phrases[p.PassphraseFile] = line
	return line, nil
}

// randomName is a part of a file's name that nobody else has.
func randomName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
