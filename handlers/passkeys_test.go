package handlers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"html"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// madePasskey is what a browser answers that made a passkey: ES256, no attestation, the person verified, with PRF.
func madePasskey(t *testing.T, origin, options string) string {
	t.Helper()
	must := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var asked struct{ Challenge string }
	if err := json.Unmarshal([]byte(options), &asked); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	point := must(key.PublicKey.Bytes())
	id, rp := make([]byte, 20), sha256.Sum256([]byte(u.Hostname()))
	rand.Read(id)
	data := append(rp[:], 1|4|64) // present, verified, attested: Web Authentication section 6.1
	data = append(data, make([]byte, 4+16)...)
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(id))), id...)
	data = append(data, must(cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}))...) // RFC 9053 section 7.1.1
	b64 := base64.RawURLEncoding.EncodeToString
	return string(must(json.Marshal(map[string]any{"id": b64(id), "rawId": b64(id), "type": "public-key",
		"clientExtensionResults": map[string]any{"prf": map[string]any{"enabled": true}},
		"response": map[string]any{
			"clientDataJSON":    b64(must(json.Marshal(map[string]any{"type": "webauthn.create", "challenge": asked.Challenge, "origin": origin, "crossOrigin": false}))),
			"attestationObject": b64(must(cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})))}})))
}

// TestPasskeys_CodesStay: one-time codes are shown this once, whether or not the passkey that they came with can be asked
// to unlock as well.
func TestPasskeys_CodesStay(t *testing.T) {
	for name, broken := range map[string]bool{"Asked": false, "NotAsked": true} {
		t.Run(name, func(t *testing.T) {
			var origin string
			s := newServer(t, func(o *Options) {
				origin = "http://localhost:" + portOf(t, o.Origins[0])
				o.Origins = []string{o.Origins[0], origin}
			})
			c := s.client(t)
			c.base = origin
			c.register("maker")
			page := c.post("/passkeys/new", "current", testPassword, "name", "Phone").want(t, 200)
			options := html.UnescapeString(firstMatch(`data-options="([^"]*)"`, page.body))
			if broken { // what is written can't be read
				db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "zencrypt.db"))
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				if _, err := db.Exec("CREATE TRIGGER broken AFTER INSERT ON passkeys BEGIN UPDATE passkeys SET sealed_passkey = x'00' WHERE id = NEW.id; END"); err != nil {
					t.Fatal(err)
				}
			}
			a := c.post("/passkeys", "state", firstMatch(`name="state" value="([^"]+)"`, page.body), "credential", madePasskey(t, origin, options)).want(t, 200)
			if codes := oneTime.FindAllString(a.body, -1); len(codes) != 10 {
				t.Errorf("%d codes are shown: %s", len(codes), a.body)
			}
			if asked := firstMatch(`data-passkey="(get)"`, a.body) != ""; asked == broken {
				t.Errorf("the passkey is asked: %v", asked)
			}
		})
	}
}

func portOf(t *testing.T, origin string) string {
	t.Helper()
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}
