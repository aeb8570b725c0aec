package models

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"strings"

	"github.com/sethvargo/go-diceware/diceware"
)

// safetyWords is the length of a safety phrase: eight words of 7,776 hold 103 bits, so that nobody makes a key whose
// phrase is another's by trying.
const safetyWords = 8

// SafetyPhrase is what two people read to each other: the same eight words of EFF's large list on both sides when
// each has the other's key of a kind, whoever of them asks. It is SHA-256 over a label and both fingerprints in
// order, each with its length, read as a number whose last digits in base 7,776 are the words.
func SafetyPhrase(kind, one, other string) string {
	if one > other {
		one, other = other, one
	}
	h := sha256.New()
	for _, part := range []string{"zencrypt/v1/safety-phrase", kind, one, other} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	n, base, digit := new(big.Int).SetBytes(h.Sum(nil)), big.NewInt(7776), new(big.Int)
	list := diceware.WordListEffLarge()
	words := make([]string, safetyWords)
	for i := range words {
		n.DivMod(n, base, digit)
		words[i] = list.WordAt(rolls(int(digit.Int64())))
	}
	return strings.Join(words, " ")
}

// rolls writes a number below 7,776 as the list counts: five throws of a die, 11111 to 66666.
func rolls(n int) (throws int) {
	for place := 1; place <= 10000; place *= 10 {
		throws += (n%6 + 1) * place
		n /= 6
	}
	return throws
}
