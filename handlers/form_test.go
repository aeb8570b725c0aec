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

// TestForm_TextAndFile: a file chosen before the person went back to Text is not taken in its place.
func TestForm_TextAndFile(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("both")
	file := [2]string{"chosen-before.txt", "the file"}
	for _, path := range []string{"/encrypt", "/decrypt", "/hash", "/vault"} {
		t.Run(path[1:], func(t *testing.T) {
			c.t = t
			page := c.upload(path, []string{"to", "me", "mode", "text", "text", "the text"}, file).want(t, 422, "Choose one of the two: the text or the file", ">the text</textarea>")
			if !strings.Contains(page.body, `value="text" checked`) {
				t.Error("the page does not show the text, which is what was chosen")
			}
			if strings.Contains(c.get("/vault").body, "chosen-before") {
				t.Error("the file was kept")
			}
			// An empty text is no choice.
			c.upload(path, []string{"to", "me", "mode", "text", "text", ""}, file)
		})
	}
	c.t = t
	if !strings.Contains(c.get("/vault").body, "chosen-before") {
		t.Error("a file beside an empty text was not kept")
	}
	page := c.upload("/vault", []string{"mode", "files"}).want(t, 422, `id="file-error"`)
	if strings.Contains(page.body, `id="text-error"`) {
		t.Error("the missing file is said to be a missing text")
	}
}
