package handlers

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"
)

// letters are without end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// multi is a multipart form with the boundary b, as the server reads it.
func multi(body io.Reader) *form {
	f := &form{values: url.Values{}, most: maxEncoded, hold: func(int64) error { return nil }}
	f.receive(&bodyReader{src: body, now: time.Now, limits: defaultConnLimits, limit: 1 << 40, length: -1, buf: make([]byte, pieceBytes)}, nil)
	f.split("b")
	return f
}

const fieldHead = "--b\r\nContent-Disposition: form-data; name=\""

// TestForm_Heads: what surrounds the fields of a form is bounded like the fields, and what browsers send fits.
func TestForm_Heads(t *testing.T) {
	t.Run("Memory", func(t *testing.T) {
		long := func() io.Reader { return io.LimitReader(letters{}, 8<<20) }
		for name, body := range map[string]func() io.Reader{
			"Name": func() io.Reader {
				return io.MultiReader(strings.NewReader(fieldHead), long(), strings.NewReader("\"\r\n\r\nx\r\n--b--\r\n"))
			},
			"Header": func() io.Reader {
				return io.MultiReader(strings.NewReader(fieldHead+"a\"\r\nX-A: "), long(), strings.NewReader("\r\n\r\nx\r\n--b--\r\n"))
			},
			"Preamble": func() io.Reader {
				return io.MultiReader(strings.NewReader(strings.Repeat(strings.Repeat("x", 100)+"\r\n", 80_000) + fieldHead + "a\"\r\n\r\nx\r\n--b--\r\n"))
			},
			"Behind": func() io.Reader {
				return io.MultiReader(strings.NewReader(fieldHead+"a\"\r\n\r\nx\r\n"+fieldHead), long(), strings.NewReader("\"\r\n\r\nx\r\n--b--\r\n"))
			},
		} {
			t.Run(name, func(t *testing.T) {
				least := uint64(1 << 62) // of some tries, since what ran before may still take memory
				for range 5 {
					var before, after runtime.MemStats
					in := body()
					runtime.ReadMemStats(&before)
					f := multi(in)
					p, err := f.advance()
					runtime.ReadMemStats(&after)
					if p != nil || !errors.Is(err, errMalformed) {
						t.Errorf("%v, want errMalformed", err)
					}
					if f.body.Count() > 2*pieceBytes {
						t.Errorf("%d bytes were read", f.body.Count())
					}
					least = min(least, after.TotalAlloc-before.TotalAlloc)
				}
				if least > 1<<20 {
					t.Errorf("%d bytes were taken for a form without content", least)
				}
			})
		}
	})
	t.Run("Content", func(t *testing.T) { // of files counts as none of it, read or not
		file := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n"
		f := multi(io.MultiReader(strings.NewReader(file), io.LimitReader(letters{}, 1<<20), strings.NewReader("\r\n"+file+"second\r\n--b--\r\n")))
		if p, err := f.advance(); p == nil || err != nil {
			t.Fatal(err)
		}
		p, err := f.advance() // nothing of the first was read
		if p == nil || err != nil {
			t.Fatalf("the second file: %v", err)
		}
		if b, err := io.ReadAll(p); string(b) != "second" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		if p, err := f.advance(); p != nil || err != nil {
			t.Errorf("%v, %v; want the end", p, err)
		}
	})
	s := newServer(t)
	c := s.client(t)
	post := func(body string) answer {
		t.Helper()
		return c.do("POST", "/hash", "multipart/form-data; boundary=b", strings.NewReader(body))
	}
	t.Run("Refused", func(t *testing.T) {
		c.t = t
		text := fieldHead + "text\"\r\n\r\nx\r\n"
		for name, body := range map[string]string{
			"Name":     fieldHead + strings.Repeat("n", maxName+1) + "\"\r\n\r\nx\r\n" + text,
			"Headers":  text + fieldHead + "salt\"\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 1000)+"\r\n", 2*maxHead/1000) + "\r\nx\r\n",
			"Preamble": strings.Repeat("x\r\n", maxHead) + text,
		} {
			if a := post(body + "--b--\r\n"); a.StatusCode != 400 {
				t.Errorf("%s: %d", name, a.StatusCode)
			}
		}
		c.post("/hash", "text", "x", strings.Repeat("n", maxName+1), "x").want(t, 400)
	})
	t.Run("Taken", func(t *testing.T) {
		c.t = t
		name, encoded := strings.Repeat("🔒", 255), strings.Repeat("%F0%9F%94%92", 255)
		for which, head := range map[string]string{
			"Raw":     fmt.Sprintf(`filename="%s"`, name),
			"RFC5987": fmt.Sprintf(`filename="%s"; filename*=UTF-8''%s`, encoded, encoded),
		} {
			c.t = t
			file := "--b\r\nContent-Disposition: form-data; name=\"file\"; " + head + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat("x", 100_000) + "\r\n"
			if a := post("a preamble\r\n" + fieldHead + "mode\"\r\n\r\nfiles\r\n" + file + file + "--b--\r\n"); a.StatusCode != 200 {
				t.Errorf("%s: %d\n%s", which, a.StatusCode, a.body)
			}
		}
	})
}
