package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
)

// The log's own events.
const (
	eventTorn       = "torn" // bytes before it are a write that was cut
	eventLost       = "lost" // so many lines before it could not be written
	eventHead       = "head" // its number and MAC went to the second places
	eventHeadFailed = "head-failed"
	eventCheckpoint = "checkpoint" // lines up to a number were forgotten
)

// maxLine bounds a line in bytes. Those that are written have under 1 KiB.
const maxLine = 64 << 10

// macLabel stands before a line's bytes in its MAC, so that no other use of the key gives one.
const macLabel = "zencrypt/v1/log-line\x00"

type mac [sha256.Size]byte

func (m mac) String() string { return base64.RawURLEncoding.EncodeToString(m[:]) }

func parseMAC(s string) (m mac, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(m) {
		return m, false
	}
	return mac(b), true
}

// line is what a line says. Its MAC is the last member of the object and not part of what is authenticated:
//
//	body = the object without it
//	mac  = HMAC-SHA-256(key, label | body), base64url
type line struct {
	Seq     uint64            `json:"seq"`
	Time    string            `json:"time"`
	Event   string            `json:"event"`
	Account string            `json:"account,omitempty"`
	By      string            `json:"by,omitempty"`
	Counts  map[string]int64  `json:"counts,omitempty"`
	Info    map[string]string `json:"info,omitempty"`
	Key     string            `json:"key"`  // fingerprint of the server key
	Prev    string            `json:"prev"` // MAC of the line before; of zeros in the first
}

const (
	macBefore = `,"mac":"`
	macAfter  = `"}`
	macText   = 43 // characters of 32 bytes in base64url without padding
)

// encode gives a line with its end, and its MAC.
func encode(keys Keys, l line) ([]byte, mac) {
	body, err := json.Marshal(l)
	if err != nil {
		panic("audit: encode line: " + err.Error()) // strings and numbers only
	}
	m := macOf(keys.All[l.Key], body)
	out := append(body[:len(body)-1:len(body)-1], macBefore...)
	out = append(out, m.String()...)
	return append(out, macAfter+"\n"...), m
}

func macOf(k Key, body []byte) (m mac) {
	h := hmac.New(sha256.New, k.MAC[:])
	h.Write([]byte(macLabel))
	h.Write(body)
	h.Sum(m[:0])
	return m
}

// Why a line is not genuine.
var (
	errForm = errors.New("not a line of this log")
	errMAC  = errors.New("its MAC does not fit")
	errKey  = errors.New("the server key that it was made with is not there")
)

// decode reads a line without its end and checks its own MAC. What a line claims comes along with errMAC and errKey.
func decode(keys Keys, raw []byte) (l line, m mac, err error) {
	head, rest, ok := cutLast(raw)
	if !ok {
		return l, m, errForm
	}
	if m, ok = parseMAC(rest); !ok {
		return l, m, errForm
	}
	body := append(head[:len(head):len(head)], '}')
	if err := json.Unmarshal(body, &l); err != nil {
		return line{}, m, errForm
	}
	key, ok := keys.All[l.Key]
	if !ok {
		return l, m, errKey
	}
	if want := macOf(key, body); !hmac.Equal(want[:], m[:]) {
		return l, m, errMAC
	}
	return l, m, nil
}

// cutLast parts a line at its last member, the MAC.
func cutLast(raw []byte) (head []byte, mac string, ok bool) {
	raw, ok = bytes.CutSuffix(raw, []byte(macAfter))
	if !ok || len(raw) < macText {
		return nil, "", false
	}
	mac = string(raw[len(raw)-macText:])
	head, ok = bytes.CutSuffix(raw[:len(raw)-macText], []byte(macBefore))
	return head, mac, ok
}
