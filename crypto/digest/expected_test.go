package digest

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

const (
	abc256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	abcMD5 = "900150983cd24fb0d6963f7d28e17f72"
)

// groups cuts digits into groups of n with a separator between.
func groups(s string, n int, sep string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 && i%n == 0 {
			b.WriteString(sep)
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func TestParseExpected(t *testing.T) {
	upper := strings.ToUpper(abc256)
	for name, tt := range map[string]struct{ in, hex, name string }{
		"Plain":         {abc256, abc256, ""},
		"Upper":         {upper, abc256, ""},
		"Mixed":         {upper[:30] + abc256[30:], abc256, ""},
		"Around":        {"\r\n\t " + abc256 + " \r\n\r\n", abc256, ""},
		"BOM":           {"\ufeff" + abc256, abc256, ""},
		"Spaces":        {groups(upper, 8, " "), abc256, ""},
		"Pairs":         {groups(abc256, 2, " "), abc256, ""},
		"Colons":        {groups(upper, 2, ":"), abc256, ""},
		"ColonsLower":   {groups(abc256, 2, ":"), abc256, ""},
		"Dashes":        {groups(abc256, 4, "-"), abc256, ""},
		"NoBreak":       {groups(abc256, 4, "\u00a0"), abc256, ""},
		"Lines":         {groups(abc256, 16, "\r\n"), abc256, ""},
		"GPG":           {groups(upper[:32], 8, " ") + "  " + groups(upper[32:], 8, " "), abc256, ""},
		"Halves":        {abc256[:32] + "\n" + abc256[32:], abc256, ""},
		"HalvesSpace":   {abc256[:32] + " " + abc256[32:], abc256, ""},
		"0x":            {"0x" + abc256, abc256, ""},
		"Label":         {"sha256:" + abc256, abc256, ""},
		"LabelSpace":    {"SHA-256: " + upper, abc256, ""},
		"LabelEquals":   {"SHA256 = " + abc256, abc256, ""},
		"LabelColons":   {"Fingerprint: " + groups(upper, 2, ":"), abc256, ""},
		"OpenSSLOld":    {"(stdin)= " + abc256, abc256, "stdin"},
		"OpenSSL":       {"SHA2-256(a file.txt)= " + abc256, abc256, "a file.txt"},
		"OpenSSLHMAC":   {"HMAC-SHA2-256(stdin)= " + abc256 + "\n", abc256, "stdin"},
		"Line":          {abc256 + "  a file.txt\n", abc256, "a file.txt"},
		"LineBinary":    {abc256 + " *a file.txt", abc256, "a file.txt"},
		"LineUpper":     {upper + "  a.txt", abc256, "a.txt"},
		"LineStdin":     {abc256 + "  -", abc256, "-"},
		"LineOneSpace":  {abc256 + " a.txt", abc256, "a.txt"},
		"LineTab":       {abc256 + "\ta.txt", abc256, "a.txt"},
		"LineCRLF":      {abc256 + "  a.txt\r\n", abc256, "a.txt"},
		"LineMD5":       {abcMD5 + "  a.txt", abcMD5, "a.txt"},
		"LineSpaces":    {abc256 + "    two before", abc256, "  two before"},
		"LineHexName":   {abc256 + "  deadbeef", abc256, "deadbeef"},
		"LineSumName":   {abcMD5 + "  " + abcMD5, abcMD5, abcMD5},
		"LineSumStar":   {abcMD5 + " *" + abcMD5, abcMD5, abcMD5},
		"LineTagName":   {abc256 + "  a (b) = c", abc256, "a (b) = c"},
		"LineEscaped":   {`\` + abc256 + `  a\\b\nc\rd\\n`, abc256, "a\\b\nc\rd\\n"},
		"LineUnescaped": {abc256 + `  a\nb`, abc256, `a\nb`},
		"Tag":           {"SHA256 (a file.txt) = " + abc256 + "\n", abc256, "a file.txt"},
		"TagUpper":      {"SHA256 (a.txt) = " + upper, abc256, "a.txt"},
		"TagBrackets":   {"SHA256 (a (1).txt) = " + abc256, abc256, "a (1).txt"},
		"TagInTag":      {"SHA256 (x) = y) = " + abc256, abc256, "x) = y"},
		"TagEscaped":    {`\SHA256 (a\nb\\) = ` + abc256, abc256, "a\nb\\"},
		"TagEmpty":      {"SHA256 () = " + abc256, abc256, ""},
		"TagOther":      {"BLAKE2b-256 (a) = " + abc256, abc256, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			gotHex, gotName, err := ParseExpected(tt.in)
			if err != nil || gotHex != tt.hex || gotName != tt.name {
				t.Errorf("%q: got %s, %q, %v", tt.in, gotHex, gotName, err)
			}
		})
	}
	for _, a := range Algorithms() {
		t.Run("Every/"+a.ID, func(t *testing.T) {
			s := sums(t, []string{a.ID}, nil, []byte("abc"))[0]
			for _, in := range []string{s.Hex(), Tag(s, "n"), s.Hex() + "  n"} {
				if got, _, err := ParseExpected(in); err != nil || got != s.Hex() {
					t.Errorf("%q: got %s, %v", in, got, err)
				}
			}
		})
	}
}

func TestParseExpected_Errors(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"Empty":       {"", "empty"},
		"Blank":       {" \r\n\t\ufeff"[:4], "empty"},
		"Short":       {abc256[:63], "63 hex digits"},
		"ShortEven":   {abc256[:62], "62 hex digits"},
		"Long":        {abc256 + "0", "65 hex digits"},
		"NotHex":      {"g" + abc256[1:], "want hex digits"},
		"Words":       {"see the download page", "want hex digits"},
		"Base64":      {"ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "want hex digits"},
		"NUL":         {abc256[:32] + "\x00" + abc256[32:], "want hex digits"},
		"InvalidUTF8": {"\xff\xfe", "want hex digits"},
		"Lookalike":   {strings.Replace(abc256, "a", "\u0430", 1), "want hex digits"},
		"FullWidth":   {strings.Replace(abc256, "1", "\uff11", 1), "want hex digits"},
		"TwoLines":    {abc256 + "  a\n" + abc256 + "  b\n", "several lines"},
		"TwoTags":     {"SHA256 (a) = " + abc256 + "\nSHA256 (b) = " + abc256, "several lines"},
		"TagShort":    {"SHA256 (a) = " + abc256[:10], "10 hex digits"},
		"Huge":        {strings.Repeat("a", 1<<20), "longer than 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			gotHex, gotName, err := ParseExpected(tt.in)
			if !errors.Is(err, ErrExpected) || !strings.Contains(err.Error(), tt.want) || gotHex != "" || gotName != "" {
				t.Fatalf("%.80q: got %s, %q, %v", tt.in, gotHex, gotName, err)
			}
			if len(err.Error()) > 200 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func FuzzParseExpected(f *testing.F) {
	for _, s := range []string{
		abc256, abc256 + "  name", "SHA256 (name) = " + abc256, `\` + abc256 + `  a\nb`, "sha256:" + abc256,
		groups(abc256, 2, ":"), ")(=", "(=)", "\\", "0x", ":", "=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		gotHex, gotName, err := ParseExpected(s)
		if err != nil {
			if gotHex != "" || gotName != "" || !errors.Is(err, ErrExpected) {
				t.Errorf("an error with results: %q, %q, %v", gotHex, gotName, err)
			}
			return
		}
		if b, err := hex.DecodeString(gotHex); err != nil || hex.EncodeToString(b) != gotHex || !known(gotHex) {
			t.Errorf("not a digest in lower case: %q", gotHex)
		}
	})
}

// Whatever a file is called, what Tag writes is read back.
func FuzzTag(f *testing.F) {
	for _, name := range names {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 4096 {
			t.Skip() // PATH_MAX
		}
		s := sums(t, []string{"sha256"}, nil, []byte(name))[0]
		line := Tag(s, name)
		if strings.ContainsAny(line, "\n\r") {
			t.Fatalf("more than a line: %q", line)
		}
		if gotHex, gotName, err := ParseExpected(line); err != nil || gotHex != s.Hex() || gotName != name {
			t.Errorf("%q: got %s, %q, %v", line, gotHex, gotName, err)
		}
	})
}

func TestMatch(t *testing.T) {
	s := sums(t, []string{"md5", "sha512-256", "sha256", "blake3"}, nil, []byte("abc"))
	for in, want := range map[string]int{
		abc256: 2, strings.ToUpper(abc256): 2, abcMD5: 0,
		s[1].Hex(): 1, s[3].Hex(): 3,
		abc256[:62]: -1, abc256 + "00": -1, "": -1, "zz": -1, abc256[:63]: -1,
		strings.Repeat("0", 64): -1, "bb" + abc256[2:]: -1, abc256[:62] + "ae": -1,
	} {
		if got := Match(s, in); got != want {
			t.Errorf("%s: got %d, want %d", in, got, want)
		}
	}
	if Match(nil, abc256) != -1 || Match([]Sum{{}}, "") != -1 {
		t.Error("nothing matches something")
	}
}

func TestTag(t *testing.T) {
	for id, want := range map[string]string{
		"sha256": "SHA256", "sha512-256": "SHA512t256", "sha3-256": "SHA3-256", "blake2b-512": "BLAKE2b",
		"blake2b-256": "BLAKE2b-256", "blake2s-256": "BLAKE2s", "blake3": "BLAKE3", "md5": "MD5",
	} {
		s := sums(t, []string{id}, nil, []byte("abc"))[0]
		if got := Tag(s, "a b"); got != want+" (a b) = "+s.Hex() {
			t.Errorf("got %s", got)
		}
	}
	s := sums(t, []string{"sha256"}, []byte("k"), nil)[0]
	if got := Tag(s, "-"); got != "HMAC-SHA256 (-) = "+s.Hex() {
		t.Errorf("an HMAC is written as %s", got)
	}
}
