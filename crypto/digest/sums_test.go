package digest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// readAll collects what ReadSums yields; lines that cannot be used by their number.
func readAll(t *testing.T, text, algorithm string) (lines []SumLine, bad map[int]string) {
	t.Helper()
	bad = map[int]string{}
	for l, err := range ReadSums(iotest.HalfReader(strings.NewReader(text)), algorithm) {
		var le *LineError
		switch {
		case err == nil:
			lines = append(lines, l)
		case errors.As(err, &le) && errors.Is(err, ErrLine):
			bad[le.Line] = err.Error()
			if len(err.Error()) > 150 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		default:
			t.Fatal(err)
		}
	}
	return lines, bad
}

func TestReadSums(t *testing.T) {
	for name, tt := range map[string]struct {
		in, algorithm, name, id string
		keyed                   bool
	}{
		"Default":      {abc256 + "  a file.txt", "sha256", "a file.txt", "sha256", false},
		"Binary":       {abc256 + " *a", "sha256", "a", "sha256", false},
		"Reversed":     {abc256 + " a", "sha256", "a", "sha256", false},
		"Upper":        {strings.ToUpper(abc256) + "  a", "sha256", "a", "sha256", false},
		"Indented":     {" \t" + abc256 + "  a", "sha256", "a", "sha256", false},
		"LeadingSpace": {abc256 + "   a", "sha256", " a", "sha256", false},
		"Trailing":     {abc256 + "  a ", "sha256", "a ", "sha256", false},
		"CRLF":         {abc256 + "  a\r", "sha256", "a", "sha256", false},
		"BOM":          {"\ufeff" + abc256 + "  a", "sha256", "a", "sha256", false},
		"Comment":      {"# by me\n\n\r\n" + abc256 + "  a", "sha256", "a", "sha256", false},
		"Escaped":      {`\` + abc256 + `  a\\b\nc\r`, "sha256", "a\\b\nc\r", "sha256", false},
		"NotEscaped":   {abc256 + `  a\nb`, "sha256", `a\nb`, "sha256", false},
		"UTF8":         {abc256 + "  gr\u00fc\u00dfe \u540d.txt", "sha256", "gr\u00fc\u00dfe \u540d.txt", "sha256", false},
		"Same":         {abc256 + "  a", "blake3", "a", "blake3", false},
		"Tag":          {"SHA256 (a) = " + abc256, "", "a", "sha256", false},
		"TagNamed":     {"SHA256 (a) = " + abc256, "sha256", "a", "sha256", false},
		"TagBrackets":  {"SHA256 (a) = (b)) = " + abc256, "", "a) = (b)", "sha256", false},
		"TagEscaped":   {`\SHA256 (a\nb) = ` + abc256, "", "a\nb", "sha256", false},
		"TagBLAKE2b":   {"BLAKE2b-256 (a) = " + abc256, "", "a", "blake2b-256", false},
		"TagBLAKE2b64": {"BLAKE2b (a) = " + abc256 + abc256, "", "a", "blake2b-512", false},
		"TagBLAKE3":    {"BLAKE3 (a) = " + abc256, "", "a", "blake3", false},
		"OpenSSL":      {"SHA2-256(a)= " + abc256, "", "a", "sha256", false},
		"OpenSSL1":     {"SHA256(a)= " + abc256, "", "a", "sha256", false},
		"OpenSSL512t":  {"SHA2-512/256(a)= " + abc256, "", "a", "sha512-256", false},
		"OpenSSLSHA3":  {"SHA3-256(a)= " + abc256, "", "a", "sha3-256", false},
		"OpenSSLBLAKE": {"BLAKE2S-256(a)= " + abc256, "", "a", "blake2s-256", false},
		"HMAC":         {"HMAC-SHA256 (a) = " + abc256, "", "a", "sha256", true},
		"OpenSSLHMAC":  {"HMAC-SHA2-256(a)= " + abc256, "", "a", "sha256", true},
		"MD5":          {"MD5 (a) = " + abcMD5, "", "a", "md5", false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, end := range []string{"", "\n", "\n\n"} {
				lines, bad := readAll(t, tt.in+end, tt.algorithm)
				if len(lines) != 1 || len(bad) != 0 {
					t.Fatalf("%+v, %v", lines, bad)
				}
				if l := lines[0]; l.Name != tt.name || len(l.Algorithms) != 1 || l.Algorithms[0].ID != tt.id || l.Keyed != tt.keyed {
					t.Errorf("%+v", l)
				}
			}
		})
	}
}

func TestReadSums_Candidates(t *testing.T) {
	lines, _ := readAll(t, abc256+"  a\n"+abcMD5+"  b\n", "")
	if len(lines) != 2 || len(lines[0].Algorithms) != 6 || len(lines[1].Algorithms) != 1 || lines[1].Line != 2 {
		t.Errorf("%+v", lines)
	}
	if !lines[0].Matches(sums(t, []string{"md5", "blake3", "sha256"}, nil, []byte("abc"))...) {
		t.Error("does not find the one that fits")
	}
}

func TestSumLine_Matches(t *testing.T) {
	lines, _ := readAll(t, "SHA256 (a) = "+abc256+"\nHMAC-SHA256 (a) = "+abc256+"\nSHA512t256 (a) = "+abc256+"\n", "")
	s := sums(t, []string{"sha256"}, nil, []byte("abc"))
	other := sums(t, []string{"sha256"}, nil, []byte("abd"))
	for i, want := range []bool{true, false, false} {
		if lines[i].Matches(s...) != want || lines[i].Matches(other...) || lines[i].Matches() {
			t.Errorf("line %d is mistaken", i+1)
		}
	}
	if (SumLine{}).Matches(Sum{}) {
		t.Error("nothing matches nothing")
	}
}

// What is wrong with a line is counted, and the lines around it are read.
func TestReadSums_BadLines(t *testing.T) {
	good := abc256 + "  good\n"
	for name, tt := range map[string]struct{ bad, algorithm, want string }{
		"Words":       {"see the download page", "sha256", "neither a digest"},
		"DigestOnly":  {abc256, "sha256", "neither a digest"},
		"Short":       {abc256[:62] + "  a", "sha256", "neither a digest"},
		"NotHex":      {"g" + abc256[1:] + "  a", "sha256", "neither a digest"},
		"OtherLength": {abcMD5 + "  a", "sha256", "16 bytes"},
		"OtherTag":    {"SHA512t256 (a) = " + abc256, "sha256", "another algorithm"},
		"Downgrade":   {"MD5 (a) = " + abcMD5, "sha256", "another algorithm"},
		"UnknownTag":  {"SHA257 (a) = " + abc256, "", "another algorithm"},
		"TagLength":   {"SHA256 (a) = " + abcMD5, "", "16 bytes"},
		"TagEmpty":    {"SHA256 () = " + abc256, "", "name is empty"},
		"Escape":      {`\` + abc256 + `  a\tb`, "sha256", "escape"},
		"EscapeEnd":   {`\` + abc256 + `  a\`, "sha256", "escape"},
		"NUL":         {abc256 + "  a\x00b", "sha256", "NUL"},
		"BinaryJunk":  {"\x7fELF\x02\x01\x00", "sha256", "neither"},
		"LateBOM":     {"\ufeff" + abc256 + "  a", "sha256", "neither"},
		"Long":        {abc256 + "  " + strings.Repeat("a", 64<<10), "sha256", "longer than 65536"},
		"VeryLong":    {strings.Repeat("a", 1<<20), "sha256", "longer than 65536"},
		"OneSpace":    {abc256 + " a", "sha256", "one space and two"},
	} {
		t.Run(name, func(t *testing.T) {
			lines, bad := readAll(t, good+tt.bad+"\n"+good, tt.algorithm)
			if len(lines) != 2 || lines[1].Line != 3 || len(bad) != 1 || !strings.Contains(bad[2], tt.want) {
				t.Errorf("%+v, %v", lines, bad)
			}
		})
	}
	if lines, bad := readAll(t, abc256+"  "+strings.Repeat("a", 64<<10-67), "sha256"); len(lines) != 1 || len(bad) != 0 {
		t.Errorf("a line of 64 KiB less one: %d, %v", len(lines), bad)
	}
	if lines, bad := readAll(t, strings.Repeat("a", 1<<20), "sha256"); len(lines) != 0 || len(bad) != 1 {
		t.Errorf("a long last line: %d, %v", len(lines), bad)
	}
}

func TestReadSums_Errors(t *testing.T) {
	broken := errors.New("broken pipe")
	n := 0
	for l, err := range ReadSums(io.MultiReader(strings.NewReader(abc256+"  a\n"+abc256), iotest.ErrReader(broken)), "sha256") {
		if n++; n == 1 && (err != nil || l.Name != "a") || n == 2 && (!errors.Is(err, broken) || errors.Is(err, ErrLine)) || n > 2 {
			t.Errorf("%d: %+v, %v", n, l, err)
		}
	}
	for _, err := range ReadSums(strings.NewReader(abc256+"  a\n"), "sha257") {
		if !errors.Is(err, ErrAlgorithm) {
			t.Errorf("unknown algorithm: %v", err)
		}
	}
	for range ReadSums(strings.NewReader(strings.Repeat("x\n", 1000)+abc256+"  a\n"), "") {
		break // ends without a panic
	}
}

func TestAppendLine(t *testing.T) {
	s := sums(t, []string{"sha256"}, nil, []byte("abc"))[0]
	keyed := sums(t, []string{"sha256"}, []byte("k"), nil)[0]
	for want, got := range map[string][]byte{
		abc256 + "  a b\n":                          AppendLine(nil, s, "a b", Style{}),
		`\` + abc256 + `  a\nb` + "\n":              AppendLine(nil, s, "a\nb", Style{}),
		"SHA256 (a b) = " + abc256 + "\n":           AppendLine(nil, s, "a b", Style{Tag: true}),
		abc256 + "  a\nb\x00":                       AppendLine(nil, s, "a\nb", Style{Zero: true}),
		`SHA256 (a\b) = ` + abc256 + "\x00":         AppendLine(nil, s, `a\b`, Style{Tag: true, Zero: true}),
		"x" + abc256 + "  a\n":                      AppendLine([]byte("x"), s, "a", Style{}),
		"HMAC-SHA256 (a) = " + keyed.Hex() + "\n":   AppendLine(nil, keyed, "a", Style{}),
		`\HMAC-SHA256 (\\) = ` + keyed.Hex() + "\n": AppendLine(nil, keyed, `\`, Style{}),
	} {
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestSums_Coreutils goes both ways for every difficult name: their list is read and
// matches, our list is theirs to the byte, and they check it.
func TestSums_Coreutils(t *testing.T) {
	for id, command := range coreutils {
		t.Run(id, func(t *testing.T) { bothWays(t, id, names, command, true) })
	}
}

func TestSums_B3sum(t *testing.T) {
	// b3sum 1.2.0 knows no --tag, leaves a carriage return as it is, and checks UTF-8 only.
	var tame []string
	for _, name := range names {
		if utf8.ValidString(name) && !strings.Contains(name, "\r") {
			tame = append(tame, name)
		}
	}
	bothWays(t, "blake3", tame, []string{"b3sum"}, false)
}

func bothWays(t *testing.T, id string, names, command []string, tags bool) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := func(flags ...string) string {
		return tool(t, nil, command[0], append(append(append([]string{}, command[1:]...), flags...), append([]string{"--"}, names...)...)...)
	}
	write := func(style Style) (out []byte) {
		for _, name := range names {
			out = AppendLine(out, sums(t, []string{id}, nil, []byte(name))[0], name, style)
		}
		return out
	}
	for flag, style := range map[string]Style{"": {}, "--tag": {Tag: true}, "-z": {Zero: true}} {
		if flag != "" && !tags {
			continue
		}
		var flags []string
		if flag != "" {
			flags = []string{flag}
		}
		theirs, ours := list(flags...), write(style)
		if string(ours) != theirs {
			t.Errorf("%s: got\n%s\nwant\n%s", flag, ours, theirs)
		}
		if style.Zero {
			continue
		}
		for _, text := range []string{theirs, strings.ReplaceAll(theirs, "\n", "\r\n")} {
			lines, bad := readAll(t, text, id)
			if len(lines) != len(names) || len(bad) != 0 {
				t.Fatalf("%s: %d lines, %v", flag, len(lines), bad)
			}
			for i, l := range lines {
				if l.Name != names[i] || !l.Matches(sums(t, []string{id}, nil, []byte(names[i]))...) {
					t.Errorf("%q is read as %+v", names[i], l)
				}
			}
		}
		if err := os.WriteFile("SUMS", ours, 0o600); err != nil {
			t.Fatal(err)
		}
		check := []string{"-c", "SUMS"}
		if tags {
			check = []string{"-c", "--strict", "--status", "SUMS"}
		}
		tool(t, nil, command[0], check...) // fails the test if one does not match
	}
}

// TestReadSums_OpenSSL reads the lists of openssl dgst, which escapes nothing.
func TestReadSums_OpenSSL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	var tame []string
	for _, name := range names {
		if strings.ContainsAny(name, "\r\n\\*") || name[0] == '-' {
			continue
		}
		tame = append(tame, name)
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for id, o := range openssl {
		for _, args := range [][]string{{"dgst", "-" + o}, {"dgst", "-r", "-" + o}, {"dgst", "-" + o, "-hmac", "k"}} {
			var key []byte
			if len(args) == 4 {
				key = []byte("k")
			}
			lines, bad := readAll(t, tool(t, nil, "openssl", append(args, tame...)...), id)
			if len(lines) != len(tame) || len(bad) != 0 {
				t.Fatalf("%v: %d lines, %v", args, len(lines), bad)
			}
			for i, l := range lines {
				if l.Name != tame[i] || !l.Matches(sums(t, []string{id}, key, []byte(tame[i]))...) {
					t.Errorf("%v: %q is read as %+v", args, tame[i], l)
				}
			}
		}
	}
}

// Whatever stands in a file, ReadSums ends, yields a bounded number of whole entries, and what
// it yields can be written and read again.
func FuzzReadSums(f *testing.F) {
	for _, s := range []string{
		abc256 + "  a\n", abc256 + " *a\r\n", "SHA256 (a) = " + abc256 + "\n", `\` + abc256 + `  a\nb` + "\n# c\n\n",
		"\ufeffHMAC-SHA2-256(a)= " + abc256, abc256 + " a\n" + abc256 + "  b\n", "\\", "()=", "BLAKE2b-256 (x) = " + abc256,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, any bool) {
		algorithm := "sha256"
		if any {
			algorithm = ""
		}
		n := 0
		for l, err := range ReadSums(bytes.NewReader(in), algorithm) {
			if n++; n > bytes.Count(in, []byte("\n"))+1 {
				t.Fatal("more entries than lines")
			}
			if err != nil {
				if !errors.Is(err, ErrLine) {
					t.Fatal(err)
				}
				continue
			}
			if l.Name == "" || len(l.Algorithms) == 0 || len(l.Digest) != l.Algorithms[0].Size {
				t.Fatalf("%+v", l)
			}
			s := Sum{Algorithm: l.Algorithms[0], Digest: l.Digest, Keyed: l.Keyed}
			for _, style := range []Style{{}, {Tag: true}} {
				for again, err := range ReadSums(bytes.NewReader(AppendLine(nil, s, l.Name, style)), "") {
					if err != nil || again.Name != l.Name || !again.Matches(s) {
						t.Errorf("%+v is read back as %+v, %v", l, again, err)
					}
				}
			}
		}
	})
}

func ExampleReadSums() {
	h, _ := New([]string{"sha256"}, nil)
	_, _ = h.Write([]byte("abc"))
	sums, _ := h.Sums()
	list := strings.NewReader("# release 1\n" +
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc.txt\n" +
		"not a line\n")
	for l, err := range ReadSums(list, "sha256") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(l.Name, l.Matches(sums...))
	}
	// Output:
	// abc.txt true
	// read checksum file: line 3: neither a digest and a name nor an algorithm, a name and a digest
}
