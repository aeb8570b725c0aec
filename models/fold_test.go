package models

import (
	"testing"
	"unicode"
)

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"strasse", "STRASSE", "Straße", "STRAẞE"},
		{"caf\u00e9", "CAFE\u0301", "Cafe\u0301"},
		{"\u13a0\u13f5", "\uab70\u13fd", "\u13a0\u13fd"}, // Cherokee
		{"οδυσσευσ", "ΟΔΥΣΣΕΥΣ", "οδυσσευς"},
		{"fiona", "ﬁona", "ＦＩＯＮＡ", "𝐟𝐢𝐨𝐧𝐚"},
		{"bad\ufffd", "BAD\xff"},
	} {
		for _, s := range same[1:] {
			if fold(s) != fold(same[0]) {
				t.Errorf("%q and %q: %+q and %+q", same[0], s, fold(same[0]), fold(s))
			}
		}
	}
	for _, differ := range [][2]string{{"ada", "bob"}, {"resume", "résumé"}, {"\u13a0", "\u13a1"}, {"ı", "i"}} {
		if fold(differ[0]) == fold(differ[1]) {
			t.Errorf("%q and %q are the same", differ[0], differ[1])
		}
	}
	// Every character is folded like its other cases, and once.
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !unicode.IsGraphic(r) {
			continue
		}
		one := fold(string(r))
		if other := unicode.SimpleFold(r); fold(string(other)) != one {
			t.Errorf("%U and %U: %+q and %+q", r, other, one, fold(string(other)))
		}
		if again := fold(one); again != one {
			t.Errorf("%U: %+q, and again %+q", r, one, again)
		}
	}
}
