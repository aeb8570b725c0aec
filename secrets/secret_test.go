package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"
)

const planted = "Planted-Secret-0123456789-abcdef" // 32 bytes

type exposed struct {
	Name  string
	S     Secret
	P     *Secret
	List  []Secret
	Map   map[string]Secret
	Any   any
	Inner struct{ S Secret }
}

// hidden has fields whose methods fmt may not call.
type hidden struct {
	s Secret
	p *Secret
	l []Secret
}

func forms() map[string]any {
	s := NewSecret([]byte(planted))
	e := exposed{Name: "n", S: s, P: &s, List: []Secret{s}, Map: map[string]Secret{"k": s}, Any: s}
	e.Inner.S = s
	h := hidden{s, &s, []Secret{s}}
	key := newKey(3, "/etc/secrets/zencrypt_key.3", []byte(planted))
	ring := Keyring{Active: key, Older: []Key{key}}
	return map[string]any{
		"Value": s, "Pointer": &s, "Slice": []Secret{s}, "Array": [1]Secret{s}, "Map": map[int]Secret{1: s},
		"Struct": e, "StructPointer": &e, "Hidden": h, "HiddenPointer": &h, "Any": []any{s, &s, h},
		"Key": key, "KeyPointer": &key, "Keyring": ring, "KeyringPointer": &ring,
		"Error": fmt.Errorf("wrap: %w", fmt.Errorf("%v", s)),
	}
}

// mustHide fails if out holds the planted bytes in any form that fmt or an
// encoder gives them.
func mustHide(t *testing.T, out string) {
	t.Helper()
	decimal := strings.Trim(fmt.Sprint([]byte(planted)), "[]")
	goHex := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(planted)), "[]byte{"), "}")
	for _, leak := range []string{
		planted, strings.ToUpper(planted), decimal, strings.ReplaceAll(decimal, " ", ","), goHex,
		hex.EncodeToString([]byte(planted)), strings.ToUpper(hex.EncodeToString([]byte(planted))),
		fmt.Sprintf("% x", planted), fmt.Sprintf("% X", planted), fmt.Sprintf("% o", []byte(planted)),
		base64.StdEncoding.EncodeToString([]byte(planted)),
		planted[:8], decimal[:16], hex.EncodeToString([]byte(planted[:6])),
	} {
		if strings.Contains(out, leak) {
			t.Fatalf("shows %q in %q", leak, out)
		}
	}
}

func TestSecret_Format(t *testing.T) {
	verbs := "vsqxXdbotTpcUeEfFgGw"
	for name, value := range forms() {
		t.Run(name, func(t *testing.T) {
			for _, verb := range verbs {
				for _, flags := range []string{"", "+", "#", " ", "0", "-20", "+#", "# ", "80", ".4", "300.2", "[1]", "*"} {
					format := "%" + flags + string(verb)
					out := fmt.Sprintf(format, value)
					mustHide(t, out)
					out = fmt.Errorf(format, value).Error()
					mustHide(t, out)
				}
			}
			mustHide(t, fmt.Sprint(value)+fmt.Sprintln(value))
		})
	}
}

// Wherever fmt may call methods, it says [redacted] and nothing else.
func TestSecret_Format_Says(t *testing.T) {
	s := NewSecret([]byte(planted))
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%t", "%c", "%5.1f"} {
		if got := fmt.Sprintf(format, s); got != redacted {
			t.Errorf("%s: got %q", format, got)
		}
	}
	if got := fmt.Sprintf("%v", struct{ S Secret }{s}); got != "{[redacted]}" {
		t.Errorf("in a struct: got %q", got)
	}
	if got := fmt.Sprintf("%#v", map[string]Secret{"a": s}); got != `map[string]secrets.Secret{"a":[redacted]}` {
		t.Errorf("in a map: got %q", got)
	}
	if s.String() != redacted || s.GoString() != redacted {
		t.Error("String or GoString differ")
	}
}

func TestSecret_Encoders(t *testing.T) {
	encoders := map[string]func(v any) (string, error){
		"JSON": func(v any) (string, error) { b, err := json.Marshal(v); return string(b), err },
		"JSONIndent": func(v any) (string, error) {
			b, err := json.MarshalIndent(v, "", " ")
			return string(b), err
		},
		"XML": func(v any) (string, error) { b, err := xml.Marshal(v); return string(b), err },
		"SlogText": func(v any) (string, error) {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).With("a", v).Info("m", "k", v, slog.Group("g", "k", v))
			return b.String(), nil
		},
		"SlogJSON": func(v any) (string, error) {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).With("a", v).Info("m", "k", v, slog.Group("g", "k", v))
			return b.String(), nil
		},
		"Template": func(v any) (string, error) {
			var b strings.Builder
			err := template.Must(template.New("").Parse(`{{.}} {{printf "%x" .}} {{printf "%#v" .}}`)).Execute(&b, v)
			return b.String(), err
		},
	}
	for name, encode := range encoders {
		for form, value := range forms() {
			t.Run(name+"/"+form, func(t *testing.T) {
				out, err := encode(value)
				if err != nil && !errors.As(err, new(*xml.UnsupportedTypeError)) {
					t.Fatal(err)
				}
				mustHide(t, out)
				if form == "Value" && !strings.Contains(out, redacted) {
					t.Errorf("does not say so: %q", out)
				}
			})
		}
	}
	t.Run("JSONMapKey", func(t *testing.T) {
		b, err := json.Marshal(map[string]Secret{"k": NewSecret([]byte(planted))})
		if err != nil || string(b) != `{"k":"[redacted]"}` {
			t.Errorf("got %s, %v", b, err)
		}
	})
	t.Run("Text", func(t *testing.T) {
		if b, err := NewSecret([]byte(planted)).MarshalText(); err != nil || string(b) != redacted {
			t.Errorf("got %s, %v", b, err)
		}
	})
}

func TestSecret_Bytes(t *testing.T) {
	in := []byte(planted)
	s := NewSecret(in)
	in[0] = 'x'
	got := s.Bytes()
	if string(got) != planted {
		t.Fatal("changes with its source")
	}
	got[0] = 'x'
	if string(s.Bytes()) != planted {
		t.Fatal("changes with its copy")
	}
	var zero Secret
	if zero.Bytes() != nil || !zero.IsZero() || s.IsZero() || !NewSecret(nil).IsZero() || fmt.Sprint(zero) != redacted {
		t.Error("the zero Secret is not empty, or shows that it is")
	}
}

func TestSecret_Equal(t *testing.T) {
	s := NewSecret([]byte(planted))
	for _, tt := range []struct {
		other Secret
		want  bool
	}{
		{NewSecret([]byte(planted)), true},
		{NewSecret([]byte(planted[:31])), false},
		{NewSecret([]byte(planted + "x")), false},
		{NewSecret([]byte("x" + planted[1:])), false},
		{Secret{}, false},
	} {
		if s.Equal(tt.other) != tt.want || tt.other.Equal(s) != tt.want {
			t.Errorf("Equal(%q) is not %v", tt.other.Bytes(), tt.want)
		}
	}
	if !(Secret{}).Equal(NewSecret(nil)) {
		t.Error("empty secrets differ")
	}
}
