package views

import "testing"

func TestDirection(t *testing.T) {
	for text, want := range map[string]string{
		"": "ltr", "plain": "ltr", "123 - \n": "ltr", "\xff\xfe": "ltr", "\x00": "ltr",
		"שלום": "rtl", "12: مرحبا, then Latin": "rtl", "Latin, then שלום": "ltr", "\u200f!": "rtl", "\U0001e900": "rtl",
	} {
		if got := direction(text); got != want {
			t.Errorf("%q runs %s, want %s", text, got, want)
		}
	}
}
