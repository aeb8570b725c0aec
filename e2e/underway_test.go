//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

// underWay searches in the middle of uploads, kills the server there, and searches again.
func (p *planted) underWay(c *client) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	identity, err := age.ParseX25519Identity(p.values["pasted identity"])
	if err != nil {
		p.t.Fatal(err)
	}
	var header bytes.Buffer
	if _, err := age.Encrypt(&header, identity.Recipient()); err != nil {
		p.t.Fatal(err)
	}
	guest := p.client()
	const size = 8 << 20
	var halves []*half
	for _, u := range []struct {
		c       *client
		path    string
		start   string
		options []part
		chunked bool
		disk    bool // something of it lies on the disk meanwhile
	}{
		{c, "/vault", "", []part{field("title", p.value("title under way"))}, false, true},
		{c, "/encrypt", "", []part{field("to", "me")}, true, true},
		{guest, "/hash", "", []part{field("salt", p.value("salt under way"))}, false, false},
		// A header of age and no age payload: it counts as locked, so all of it goes into the spool.
		{guest, "/decrypt", header.String(), nil, true, true},
	} {
		h := &half{sent: make(chan struct{}), stop: ctx.Done(),
			Reader: io.MultiReader(strings.NewReader(u.start), &repeated{text: p.value("content under way") + "\n", left: size / 2})}
		up := part{field: "file", name: p.value("name under way"), content: h, size: size}
		if u.chunked {
			up.size = -1
		}
		req := u.c.multipart(u.path, append(u.options, up)...).WithContext(ctx)
		go func() {
			if resp, err := u.c.http.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		if u.disk {
			halves = append(halves, h)
		}
		select {
		case <-h.sent:
		case <-time.After(time.Minute):
			p.t.Fatalf("half of the upload to %s was not taken", u.path)
		}
	}
	eventually(p.t, time.Minute, "three uploads lie half on the disk", func() bool {
		parts := 0
		for _, path := range p.stored() {
			if info, err := os.Stat(path); err == nil && strings.HasSuffix(path, ".part") && info.Size() > size/4 {
				parts++
			}
		}
		return parts == len(halves)
	})
	p.search("while uploads are under way")
	p.kill()
	p.search("after kill -9")
	p.start()
	for _, path := range p.stored() {
		if strings.HasSuffix(path, ".part") {
			p.t.Errorf("%s was left after the start", path)
		}
	}
	p.search("after the start that follows")
	c.must(c.get("/vault"), 200)
}

// stored is every file in spool and blobs.
func (s *server) stored() (paths []string) {
	for _, dir := range []string{"spool", "blobs"} {
		names, err := filepath.Glob(filepath.Join(s.data, dir, "*"))
		if err != nil {
			s.t.Fatal(err)
		}
		paths = append(paths, names...)
	}
	slices.Sort(paths)
	return paths
}

var errHalf = errors.New("the client stops here")

// half is a file of which half comes, and then nothing until stop.
type half struct {
	io.Reader
	sent chan struct{}
	stop <-chan struct{}
	said bool
}

func (h *half) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if err != io.EOF {
		return n, err
	}
	if !h.said {
		h.said = true
		close(h.sent)
	}
	<-h.stop
	return 0, errHalf
}

// repeated gives left bytes of text, again and again.
type repeated struct {
	text string
	left int
	at   int
}

func (r *repeated) Read(b []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	b = b[:min(len(b), r.left)]
	for n < len(b) {
		m := copy(b[n:], r.text[r.at:])
		n += m
		r.at = (r.at + m) % len(r.text)
	}
	r.left -= n
	return n, nil
}
