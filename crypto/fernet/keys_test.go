package fernet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"zencrypt/crypto/fernet"
)

const (
	urlSafeKey  = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	standardKey = "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4="
)

func TestParseKeys(t *testing.T) {
	other := fernet.NewKey()
	for name, tt := range map[string]struct {
		in   string
		want []string
	}{
		"One":        {urlSafeKey, []string{urlSafeKey}},
		"Newline":    {urlSafeKey + "\n", []string{urlSafeKey}},
		"Two":        {other + "\n" + urlSafeKey + "\n", []string{other, urlSafeKey}},
		"Standard":   {standardKey + "\n", []string{urlSafeKey}},
		"Unpadded":   {urlSafeKey[:43] + "\n" + other + "\n", []string{urlSafeKey, other}},
		"CRLF":       {urlSafeKey + "\r\n" + other + "\r\n", []string{urlSafeKey, other}},
		"BOM":        {"\ufeff" + urlSafeKey + "\n", []string{urlSafeKey}},
		"BlankAtEnd": {urlSafeKey + "\n\n \r\n\t\n", []string{urlSafeKey}},
		"Most":       {strings.Repeat(urlSafeKey+"\n", fernet.MaxKeys), strings.Split(strings.TrimSpace(strings.Repeat(urlSafeKey+"\n", fernet.MaxKeys)), "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := fernet.ParseKeys(iotest.OneByteReader(strings.NewReader(tt.in)))
			if err != nil || len(keys) != len(tt.want) {
				t.Fatalf("%d keys, %v", len(keys), err)
			}
			for i, k := range keys {
				if k.Encode() != tt.want[i] {
					t.Errorf("key %d is another", i)
				}
			}
			again, err := fernet.ParseKeys(bytes.NewReader(keys.Encode()))
			if err != nil || !bytes.Equal(again.Encode(), keys.Encode()) {
				t.Errorf("does not read back: %v", err)
			}
		})
	}
}

func TestParseKeys_Errors(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"Empty":    {"", "no key"},
		"Blank":    {"\ufeff \n\r\n", "no key"},
		"Between":  {urlSafeKey + "\n\n" + urlSafeKey, "line 2"},
		"First":    {"\n" + urlSafeKey, "line 1"},
		"Comment":  {"# mine\n" + urlSafeKey, "line 1"},
		"Behind":   {urlSafeKey + "\n" + urlSafeKey + " mine\n", "line 2"},
		"Before":   {" " + urlSafeKey, "line 1"},
		"SameLine": {urlSafeKey + " " + urlSafeKey, "line 1"},
		"Trailing": {urlSafeKey + " \n" + urlSafeKey, "line 1"},
		"LateBOM":  {urlSafeKey + "\n\ufeff" + urlSafeKey, "line 2"},
		"Short":    {urlSafeKey + "\n" + urlSafeKey[1:], "line 2"},
		"Spare":    {strings.Replace(urlSafeKey, "4e4=", "4e5=", 1), "line 1"},
		"PEM":      {"-----BEGIN PRIVATE KEY-----\nMIIE\n", "line 1"},
		"CROnly":   {urlSafeKey + "\r" + urlSafeKey, "line 1"},
		"NUL":      {urlSafeKey + "\x00", "line 1"},
		"Many":     {strings.Repeat(urlSafeKey+"\n", fernet.MaxKeys+1), "line 65: more than 64"},
		"Huge":     {strings.Repeat("\n", 1<<20), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := fernet.ParseKeys(strings.NewReader(tt.in))
			if keys != nil || !errors.Is(err, fernet.ErrKeyFile) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%d keys, %v, want %q", len(keys), err, tt.want)
			}
			if strings.Contains(err.Error(), urlSafeKey[1:9]) || strings.Contains(err.Error(), "mine") {
				t.Errorf("the error repeats the file: %v", err)
			}
		})
	}
	broken := errors.New("input/output error")
	if _, err := fernet.ParseKeys(io.MultiReader(strings.NewReader(urlSafeKey), iotest.ErrReader(broken))); !errors.Is(err, broken) || errors.Is(err, fernet.ErrKeyFile) {
		t.Errorf("a source that fails: %v", err)
	}
}

func TestKeys_Rotation(t *testing.T) {
	old, renewed := key(t, fernet.NewKey()), key(t, fernet.NewKey())
	now := time.Unix(1700000000, 0)
	before, err := fernet.Keys{old}.Encrypt([]byte("before"), now)
	if err != nil {
		t.Fatal(err)
	}
	both := fernet.Keys{renewed, old}
	after, err := both.Encrypt([]byte("after"), now)
	if err != nil {
		t.Fatal(err)
	}
	for want, tt := range map[string]struct {
		token []byte
		index int
	}{"before": {before, 1}, "after": {after, 0}} {
		if got, i, err := both.Decrypt(tt.token, time.Minute, at(now)); err != nil || string(got) != want || i != tt.index {
			t.Errorf("%s: %q, %d, %v", want, got, i, err)
		}
	}
	if _, i, err := both.Decrypt(before, time.Minute, at(now.Add(2*time.Minute))); !errors.Is(err, fernet.ErrExpired) || i != 1 {
		t.Errorf("too old: %d, %v", i, err)
	}
	if _, _, err := (fernet.Keys{old}).Decrypt(after, 0, at(now)); !errors.Is(err, fernet.ErrNoKey) {
		t.Errorf("the old key alone opens it: %v", err)
	}
	if _, err := (fernet.Keys{}).Encrypt(nil, now); err == nil {
		t.Error("encrypted with no key")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if out := fmt.Sprintf(verb, both); strings.Contains(out, old.Encode()[:10]) || !strings.Contains(out, "redacted") {
			t.Errorf("%s: %s", verb, out)
		}
	}
	if out, err := json.Marshal(both); err != nil || string(out) != `["[redacted]","[redacted]"]` {
		t.Errorf("json: %s, %v", out, err)
	}
}

// TestParseKeys_Fixtures reads the key files of older versions, and opens what was made with
// them; see package legacy's tests.
func TestParseKeys_Fixtures(t *testing.T) {
	const dir = "../../../shared/fixtures/legacy"
	for version, file := range map[string]string{"v62": "v62/cli_files/zen.key", "v53": "v53/zen.key"} {
		f, err := os.Open(filepath.Join(dir, file))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("the data of older versions is not here")
		} else if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		keys, err := fernet.ParseKeys(f)
		if err != nil || len(keys) != 1 {
			t.Fatalf("%s: %d keys, %v", file, len(keys), err)
		}
		b, err := os.ReadFile(filepath.Join(dir, version, "truth.json"))
		if err != nil {
			t.Fatal(err)
		}
		type text struct{ Plaintext, Token string }
		var truth struct {
			CLI   []text `json:"cli_texts"`
			Users []struct{ Texts []text }
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(err)
		}
		texts := truth.CLI
		if version == "v53" { // one key for everybody
			for _, u := range truth.Users {
				texts = append(texts, u.Texts...)
			}
		}
		for _, text := range texts {
			if got, _, err := keys.Decrypt([]byte(text.Token), 0, time.Now); err != nil || string(got) != text.Plaintext {
				t.Errorf("%s: %.20q: %.20q, %v", version, text.Plaintext, got, err)
			}
		}
		if len(texts) < 3 {
			t.Errorf("%s: only %d texts", version, len(texts))
		}
		t.Logf("%s: %d texts", version, len(texts))
	}
}

// TestPython_Keys goes both ways with MultiFernet, and asks it about the age of tokens.
func TestPython_Keys(t *testing.T) {
	keys := fernet.Keys{key(t, fernet.NewKey()), key(t, fernet.NewKey())}
	made := time.Unix(1700000000, 0)
	token, err := fernet.Encrypt(keys[1], []byte("under the second"), made)
	if err != nil {
		t.Fatal(err)
	}
	const open = `import sys; from cryptography.fernet import Fernet, MultiFernet
keys = [Fernet(k) for k in sys.argv[1].encode().split()]
sys.stdout.buffer.write(MultiFernet(keys).decrypt(sys.stdin.buffer.read()))`
	if got := python(t, open, token, string(keys.Encode())); string(got) != "under the second" {
		t.Errorf("Python opens %q", got)
	}
	const seal = `import sys; from cryptography.fernet import Fernet, MultiFernet
keys = [Fernet(k) for k in sys.argv[1].encode().split()]
sys.stdout.buffer.write(MultiFernet(keys).encrypt_at_time(sys.stdin.buffer.read(), 1700000000))`
	theirs := python(t, seal, []byte("by Python"), string(keys.Encode()))
	if got, i, err := keys.Decrypt(theirs, time.Minute, at(made.Add(time.Minute))); err != nil || string(got) != "by Python" || i != 0 {
		t.Errorf("%q, %d, %v", got, i, err)
	}
	// 60 s after and 60 s before it was made are the last good times, for both.
	const ages = `import sys; from cryptography.fernet import Fernet, InvalidToken
f, token, out = Fernet(sys.argv[1].encode()), sys.stdin.buffer.read(), ""
for t in map(int, sys.argv[2:]):
    try: f.decrypt_at_time(token, 60, t); out += "y"
    except InvalidToken: out += "n"
sys.stdout.write(out)`
	var ours string
	args := []string{keys[0].Encode()}
	for _, d := range []time.Duration{0, 59, 60, 61, 3600, -59, -60, -61, -3600} {
		when := made.Add(d * time.Second)
		args = append(args, fmt.Sprint(when.Unix()))
		if _, _, err := keys.Decrypt(theirs, time.Minute, at(when)); err == nil {
			ours += "y"
		} else {
			ours += "n"
		}
	}
	if got := string(python(t, ages, theirs, args...)); got != ours || ours != "yyynnyynn" {
		t.Errorf("by age: ours %s, Python's %s", ours, got)
	}
}

func FuzzParseKeys(f *testing.F) {
	for _, s := range []string{urlSafeKey, standardKey + "\r\n" + urlSafeKey + "\n\n", "\ufeff" + urlSafeKey, "\n", "# x\n" + urlSafeKey} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		keys, err := fernet.ParseKeys(bytes.NewReader(in))
		if err != nil {
			if keys != nil || !errors.Is(err, fernet.ErrKeyFile) {
				t.Errorf("%d keys, %v", len(keys), err)
			}
			return
		}
		if len(keys) == 0 || len(keys) > fernet.MaxKeys {
			t.Errorf("%d keys", len(keys))
		}
		again, err := fernet.ParseKeys(bytes.NewReader(keys.Encode()))
		if err != nil || !bytes.Equal(again.Encode(), keys.Encode()) {
			t.Errorf("does not read back: %v", err)
		}
	})
}
