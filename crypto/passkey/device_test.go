package passkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// device is a browser with an authenticator: ES256, no attestation. Its fields are what a test makes wrong.
type device struct {
	t                 testing.TB
	key               *ecdsa.PrivateKey
	id, user          []byte
	origin, rpID      string
	challenge         string // instead of the one asked with
	counter           uint32
	present, verified bool
	crossOrigin       bool
	forged            bool // the signature is over something else
}

func newDevice(t testing.TB) *device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 20)
	rand.Read(id)
	return &device{t: t, key: key, id: id, user: mira.ID, origin: origin, rpID: "zen.example", present: true, verified: true}
}

func (d *device) copy() *device { c := *d; c.id = slices.Clone(d.id); return &c }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *device) clientData(kind string, options []byte) []byte {
	d.t.Helper()
	var o struct{ Challenge string }
	if err := json.Unmarshal(options, &o); err != nil {
		d.t.Fatal(err)
	}
	if d.challenge != "" {
		o.Challenge = d.challenge
	}
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": o.Challenge, "origin": d.origin, "crossOrigin": d.crossOrigin})
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// data is authenticator data (Web Authentication section 6.1): RP id's hash, flags, counter.
func (d *device) data(attested bool) []byte {
	sum := sha256.Sum256([]byte(d.rpID))
	var flags byte
	if d.present {
		flags |= 1
	}
	if d.verified {
		flags |= 4
	}
	if attested {
		flags |= 64
	}
	return binary.BigEndian.AppendUint32(append(sum[:], flags), d.counter)
}

func (d *device) json(v any) []byte {
	d.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *device) create(options []byte) []byte {
	d.t.Helper()
	point, err := d.key.PublicKey.Bytes()
	if err != nil {
		d.t.Fatal(err)
	}
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}) // RFC 9053 section 7.1.1
	if err != nil {
		d.t.Fatal(err)
	}
	data := append(d.data(true), make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(d.id)))
	data = append(append(data, d.id...), cose...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.json(map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key",
		"clientExtensionResults": map[string]any{"prf": map[string]any{"enabled": true}},
		"response":               map[string]any{"clientDataJSON": b64(d.clientData("webauthn.create", options)), "attestationObject": b64(object)}})
}

func (d *device) get(options []byte) []byte {
	d.t.Helper()
	client, data := d.clientData("webauthn.get", options), d.data(false)
	hash := sha256.Sum256(client)
	signed := append(slices.Clone(data), hash[:]...)
	if d.forged {
		signed[0] ^= 1
	}
	sum := sha256.Sum256(signed)
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, sum[:])
	if err != nil {
		d.t.Fatal(err)
	}
	response := map[string]any{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
	if d.user != nil {
		response["userHandle"] = b64(d.user)
	}
	return d.json(map[string]any{"id": b64(d.id), "rawId": b64(d.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
}
