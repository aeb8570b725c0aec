package password

import (
	"fmt"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/match"
)

const (
	// meterRunes is how much of a password the meter looks at: zxcvbn's work grows steeply, 1,000 characters take it 15 s.
	meterRunes = 100
	// meterBytes bounds the same for characters of several bytes; zxcvbn works on bytes.
	meterBytes = 128
	// minScore is the least zxcvbn score that is taken: 2 is more than 10^6 guesses after an online log-in's limits.
	minScore = 2
	// maxInputs is how many of the person's own words and those of the place are compared.
	maxInputs = 12
)

// product is the name of this program, which nobody's password is made of.
const product = "zencrypt"

// A Reason says which rule a password breaks.
type Reason int

// The rules.
const (
	TooShort Reason = iota + 1
	TooLong
	NotText
	TooWeak
)

// A PolicyError says in words for a person why a password is not taken.
type PolicyError struct {
	Reason  Reason
	Message string
	Length  int    // characters, of one that is TooShort
	Pattern string // in words, of one that is TooWeak: what Strength says, or that it is a common one
}

func (e *PolicyError) Error() string { return e.Message }

// Check tells whether a password may be chosen: [MinLength] characters at least, and not
// easily guessed from lists, patterns, this program's name or userInputs (the login and the
// [PlaceWords], say). Any character will do and none is asked for. The error is a [*PolicyError].
func Check(pw string, userInputs ...string) error {
	pw, err := Normalize(pw)
	if err != nil {
		return err
	}
	if n := utf8.RuneCountInString(pw); n < MinLength {
		return &PolicyError{Reason: TooShort, Length: n, Message: fmt.Sprintf("the password has %d characters and needs at least %d: four or five random words do well", n, MinLength)}
	}
	if score, warning := strength(pw, userInputs); score < minScore {
		if warning == "" {
			warning = "it follows a common pattern"
		}
		return &PolicyError{Reason: TooWeak, Pattern: warning, Message: "the password is too easy to guess: " + warning}
	}
	return nil
}

// PlaceWords are the words of a server's own addresses (such as https://zen.example.org): each host as a whole, and its
// parts but for the last and those of less than four characters. At most eight are given.
func PlaceWords(addresses ...string) (words []string) {
	for _, host := range addresses {
		if _, after, ok := strings.Cut(host, "://"); ok {
			host = after
		}
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if net.ParseIP(strings.Trim(host, "[]")) != nil {
			continue
		}
		host = strings.ToLower(host)
		words = append(words, host)
		if parts := strings.Split(host, "."); len(parts) > 1 {
			for _, part := range parts[:len(parts)-1] {
				if utf8.RuneCountInString(part) > 3 {
					words = append(words, part)
				}
			}
		}
	}
	return words[:min(len(words), 8)]
}

// Strength rates a password from 0 (guessed at once) to 4 (out of reach) and says what is
// weak about it, or nothing. Only the first 100 characters are looked at.
func Strength(pw string) (score int, warning string) { return strength(pw, nil) }

func strength(pw string, userInputs []string) (score int, warning string) {
	pw = head(strings.ToValidUTF8(pw, ""))
	if pw == "" {
		return 0, ""
	}
	inputs := append(make([]string, 0, maxInputs+1), product)
	for _, in := range userInputs[:min(len(userInputs), maxInputs)] {
		// A word of one or two letters would make every password look like the login.
		if in = head(strings.ToValidUTF8(in, "")); utf8.RuneCountInString(in) > 2 {
			inputs = append(inputs, in)
		}
	}
	result := zxcvbn.PasswordStrength(pw, inputs)
	if result.Score >= 3 {
		return result.Score, ""
	}
	return result.Score, explain(result.MatchSequence, len(pw))
}

// explain names the pattern that covers most of the password.
func explain(matches []match.Match, length int) string {
	covered := make(map[string]int)
	var best string
	for _, m := range matches {
		kind := m.Pattern
		if kind == "dictionary" && m.DictionaryName == "user_inputs" {
			kind = m.DictionaryName
		}
		covered[kind] += len(m.Token)
		if covered[kind] > covered[best] {
			best = kind
		}
	}
	switch best {
	case "user_inputs":
		return "it is made from your login, or the name of this program or its address"
	case "dictionary":
		return "it is made of common words, names or passwords"
	case "spatial":
		return "keys next to each other are easy to guess"
	case "repeat":
		return "repeated characters are easy to guess"
	case "sequence":
		return "sequences such as abc or 6543 are easy to guess"
	case "date":
		return "dates are easy to guess"
	}
	if length < MinLength {
		return "longer is stronger: add a word or two"
	}
	return ""
}

// head cuts s to what the meter looks at, between two characters.
func head(s string) string {
	var n int
	for i, r := range s {
		if n == meterRunes || i+utf8.RuneLen(r) > meterBytes {
			return s[:i]
		}
		n++
	}
	return s
}
