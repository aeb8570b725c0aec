package handlers

import (
	"encoding/base64"
	"strings"
	"testing"
)

// TestForm_TextLimit: the limit is on what was typed, not on how a browser sends it.
func TestForm_TextLimit(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("writer")
	lines := strings.Repeat("\r\n", maxText)
	b64 := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", n))) }
	for name, tc := range map[string]struct {
		path, encoding, text string
		status               int
	}{
		"LineEnds":           {"/hash", "", lines, 200},
		"OneMoreLineEnd":     {"/hash", "", lines + "x", 413},
		"HashEncoded":        {"/hash", "base64", b64(maxText), 200},
		"HashEncodedMore":    {"/hash", "base64", b64(maxText + 1), 413},
		"EncryptEncodedMore": {"/encrypt", "base64", b64(maxText + 1), 413},
		"Note":               {"/vault", "", lines, 303},
		"NoteMore":           {"/vault", "", strings.Repeat("x", maxText+1), 413},
		"ResultComesBack":    {"/vault", "base64", b64(maxText + 400<<10), 303},
		"Download":           {"/results/download", "base64", b64(maxText + 400<<10), 200},
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			fields := []string{"to", "me", "encoding", tc.encoding, "text", tc.text}
			c.upload(tc.path, fields).want(t, tc.status)
			if tc.encoding != "" {
				c.post(tc.path, fields...).want(t, tc.status)
			}
		})
	}
}
