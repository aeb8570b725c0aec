package passkey_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"zencrypt/crypto/passkey"
)

const origin = "https://zen.example"

func newRP(t *testing.T) *passkey.RP {
	t.Helper()
	rp, err := passkey.New(origin)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

var mira = passkey.User{ID: []byte("0123456789abcdef"), Name: "Mira"}

func TestNew(t *testing.T) {
	for o, want := range map[string]error{
		"https://zen.example": nil, "http://localhost:8080": nil, "https://zen.example:8443": nil,
		"http://127.0.0.1:8080": passkey.ErrOrigin, "https://[2001:db8::1]": passkey.ErrOrigin,
	} {
		if _, err := passkey.New(o); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", o, err, want)
		}
	}
	if _, err := passkey.New("zen"); err == nil {
		t.Error("a word is an origin")
	}
}

func TestCreated(t *testing.T) {
	rp := newRP(t)
	options, state, err := rp.Create(mira, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"id":"zen.example"`, `"name":"Mira"`, `"userVerification":"preferred"`, `"residentKey":"preferred"`, `"prf":{"eval":{"first":`, `"attestation":"none"`} {
		if !strings.Contains(string(options), want) {
			t.Errorf("the options lack %s: %s", want, options)
		}
	}
	for name, c := range map[string]struct {
		change func(*device)
		user   passkey.User
		fits   bool
	}{
		"Fits":           {func(*device) {}, mira, true},
		"Unverified":     {func(d *device) { d.verified = false }, mira, true},
		"Absent":         {func(d *device) { d.present = false }, mira, false},
		"OtherOrigin":    {func(d *device) { d.origin = "https://evil.example" }, mira, false},
		"OtherScheme":    {func(d *device) { d.origin = "http://zen.example" }, mira, false},
		"OtherPort":      {func(d *device) { d.origin = "https://zen.example:8443" }, mira, false},
		"OtherRP":        {func(d *device) { d.rpID = "evil.example" }, mira, false},
		"OtherChallenge": {func(d *device) { d.challenge = strings.Repeat("A", 43) }, mira, false},
		"Framed":         {func(d *device) { d.crossOrigin = true }, mira, false},
		"OtherUser":      {func(*device) {}, passkey.User{ID: []byte("fedcba9876543210")}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			c.change(d)
			made, verified, err := rp.Created(c.user, state, d.create(options))
			if (err == nil) != c.fits || err != nil && !errors.Is(err, passkey.ErrRefused) {
				t.Fatalf("%v", err)
			}
			if !c.fits {
				return
			}
			if verified != d.verified || !bytes.Equal(made.ID(), d.id) {
				t.Errorf("verified %v, id %x", verified, made.ID())
			}
			b, err := json.Marshal(made)
			if err != nil || bytes.Contains(b, []byte("clientDataJSON\":\"ey")) || len(b) > 800 {
				t.Errorf("the record has %d bytes: %s", len(b), b)
			}
			if back, err := passkey.ParseCredential(b); err != nil || !bytes.Equal(back.ID(), d.id) {
				t.Errorf("read back: %v", err)
			}
		})
	}
	for name, response := range map[string]string{"Empty": "", "Null": "null", "NoJSON": "x", "Long": strings.Repeat("x", passkey.MaxResponse+1), "Deep": strings.Repeat("[", 20000)} {
		if _, _, err := rp.Created(mira, state, []byte(response)); !errors.Is(err, passkey.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// registered is a device whose passkey Mira has.
func registered(t *testing.T, rp *passkey.RP) (*device, passkey.Credential) {
	t.Helper()
	d := newDevice(t)
	options, state, err := rp.Create(mira, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := rp.Created(mira, state, d.create(options))
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestAnswered(t *testing.T) {
	rp := newRP(t)
	d, c := registered(t, rp)
	_, other := registered(t, rp)
	ask := map[string]func() ([]byte, []byte, error){
		"Factor":  func() ([]byte, []byte, error) { return rp.Ask(mira, []passkey.Credential{other, c}) },
		"PRF":     func() ([]byte, []byte, error) { return rp.AskPRF(mira, c) },
		"Anybody": rp.AskAnybody,
	}
	for kind, question := range ask {
		for name, x := range map[string]struct {
			change func(*device)
			fits   bool
		}{
			"Fits":           {func(*device) {}, true},
			"Unverified":     {func(d *device) { d.verified = false }, kind == "Factor"},
			"Absent":         {func(d *device) { d.present = false }, false},
			"OtherOrigin":    {func(d *device) { d.origin = "https://evil.example" }, false},
			"OtherRP":        {func(d *device) { d.rpID = "evil.example" }, false},
			"OtherChallenge": {func(d *device) { d.challenge = strings.Repeat("A", 43) }, false},
			"OtherKey":       {func(d *device) { d.key = newDevice(t).key }, false},
			"OtherPerson":    {func(d *device) { d.user = []byte("fedcba9876543210") }, false},
			"Unknown":        {func(d *device) { d.id = []byte("an unknown passkey") }, false},
			"Forged":         {func(d *device) { d.forged = true }, false},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				options, state, err := question()
				if err != nil {
					t.Fatal(err)
				}
				d := d.copy()
				d.counter = 5
				x.change(d)
				have := []passkey.Credential{other, c}
				if kind != "Factor" {
					have = []passkey.Credential{c}
				}
				got, err := rp.Answered(mira, have, state, d.get(options))
				if (err == nil) != x.fits || err != nil && !errors.Is(err, passkey.ErrRefused) {
					t.Fatalf("%v", err)
				}
				if x.fits && !bytes.Equal(got.ID(), c.ID()) {
					t.Error("another passkey")
				}
			})
		}
	}
	t.Run("NoUser", func(t *testing.T) {
		options, state, err := rp.AskAnybody()
		if err != nil {
			t.Fatal(err)
		}
		d := d.copy()
		d.user = nil
		if _, err := rp.Answered(mira, []passkey.Credential{c}, state, d.get(options)); !errors.Is(err, passkey.ErrRefused) {
			t.Fatal(err)
		}
	})
	t.Run("CredentialID", func(t *testing.T) {
		options, _, err := rp.AskAnybody()
		if err != nil {
			t.Fatal(err)
		}
		if id, err := passkey.CredentialID(d.get(options)); err != nil || !bytes.Equal(id, c.ID()) {
			t.Fatalf("%x, %v", id, err)
		}
		if _, err := passkey.CredentialID([]byte(strings.Repeat("x", passkey.MaxResponse+1))); !errors.Is(err, passkey.ErrRefused) {
			t.Fatal(err)
		}
	})
}

// A counter has to rise; a passkey that has none is taken as it is.
func TestAnswered_Counter(t *testing.T) {
	rp := newRP(t)
	d, c := registered(t, rp)
	answer := func(counter uint32) error {
		options, state, err := rp.Ask(mira, []passkey.Credential{c})
		if err != nil {
			t.Fatal(err)
		}
		d.counter = counter
		got, err := rp.Answered(mira, []passkey.Credential{c}, state, d.get(options))
		if err == nil {
			c = got
		} else if errors.Is(err, passkey.ErrCopied) && !bytes.Equal(got.ID(), c.ID()) {
			t.Error("it does not say which passkey was copied")
		}
		return err
	}
	for _, step := range []struct {
		counter uint32
		want    error
	}{{0, nil}, {0, nil}, {7, nil}, {8, nil}, {8, passkey.ErrCopied}, {3, passkey.ErrCopied}, {0, passkey.ErrCopied}, {9, nil}} {
		if err := answer(step.counter); !errors.Is(err, step.want) || step.want == nil && err != nil {
			t.Errorf("counter %d: %v, want %v", step.counter, err, step.want)
		}
	}
}
