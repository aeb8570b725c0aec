//go:build linux

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// soaker is one person of a soak: an account, an address, and things to do one after the other. What it makes it deletes
// again, so that the server has as much at the end as at the beginning.
type soaker struct {
	s       *server
	c       *client
	login   string
	number  int
	largest int // bytes of the largest files
	pick    *rand.Rand
	done    map[string]int
	waited  int // times that a busy server asked for it
}

// soakActs are what people do, and how often of a hundred times.
var soakActs = []struct {
	what string
	of   int
	do   func(k *soaker, ctx context.Context) error
}{
	{"pages", 22, (*soaker).pages},
	{"texts encrypted and decrypted", 14, (*soaker).text},
	{"files encrypted and decrypted", 8, (*soaker).file},
	{"hashes", 10, (*soaker).hash},
	{"notes saved, renamed, deleted", 16, (*soaker).note},
	{"files saved, read, deleted", 6, (*soaker).keep},
	{"searches", 6, (*soaker).search},
	{"keys made and deleted", 3, (*soaker).key},
	{"log-ins", 3, (*soaker).session},
	{"failed log-ins", 2, (*soaker).guess},
	{"exports", 1, (*soaker).export},
	{"uploads cut off", 4, (*soaker).cut},
	{"downloads cut off", 3, (*soaker).leave},
	{"slow clients", 2, (*soaker).slow},
}

// run works until the context ends. An answer that was not to be expected ends it.
func (k *soaker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		at := k.pick.IntN(100)
		for _, a := range soakActs {
			if at -= a.of; at >= 0 {
				continue
			}
			err := a.do(k, ctx)
			switch {
			case errors.Is(err, errAsked):
			case err != nil:
				return fmt.Errorf("%s of %s: %w", a.what, k.login, err)
			default:
				k.done[a.what]++
			}
			break
		}
	}
	return nil
}

// errAsked ends an act that a busy server asked to try again, and whose body is gone.
var errAsked = errors.New("asked to wait")

// asked tells whether the server asked to wait, and waits: it is too busy just now, or has not seen yet that an upload
// was cut off and counts it among the two that a person may have under way.
func (k *soaker) asked(status int, header http.Header) bool {
	if status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
		return false
	}
	wait, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil {
		wait = 1
	}
	if wait > 60 { // it is not about this moment
		return false
	}
	k.waited++
	time.Sleep(time.Duration(wait) * time.Second)
	return true
}

// want sends a request, again when it is asked to, and wants one of the statuses.
func (k *soaker) want(req *http.Request, statuses ...int) (answer, error) {
	a, err := k.c.try(req)
	for range 10 {
		if err != nil || !k.asked(a.status, a.header) {
			break
		}
		if req.Body != nil && req.GetBody == nil {
			return a, errAsked
		}
		again := req.Clone(req.Context())
		if req.GetBody != nil {
			if again.Body, err = req.GetBody(); err != nil {
				break
			}
		}
		a, err = k.c.try(again)
	}
	if err != nil {
		return a, fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
	}
	for _, s := range statuses {
		if a.status == s {
			return a, nil
		}
	}
	return a, fmt.Errorf("%s %s: status %d: %s", req.Method, req.URL.Path, a.status, words(a.body))
}

func (k *soaker) get(path string, statuses ...int) (answer, error) {
	return k.want(k.c.request(http.MethodGet, path, nil), statuses...)
}

func (k *soaker) post(path string, pairs ...string) (answer, error) {
	return k.want((&person{c: k.c}).form(path, pairs...), http.StatusSeeOther)
}

func (k *soaker) pages(context.Context) error {
	all := []string{"/", "/about", "/help", "/encrypt", "/decrypt", "/hash", "/vault", "/keys", "/people", "/account", "/activity", "/settings", "/healthz", "/readyz"}
	_, err := k.get(all[k.pick.IntN(len(all))], http.StatusOK, http.StatusSeeOther)
	return err
}

func (k *soaker) text(context.Context) error {
	plain := seed{byte(k.number)}.text(k.pick.Int(), 1+k.pick.IntN(20000))
	to := []part{field("to", "me")}
	if k.pick.IntN(8) == 0 {
		to = []part{field("to", "passphrase"), field("passphrase", "three short words")}
	}
	a, err := k.want(k.c.multipart("/encrypt", append(to, field("text", plain))...), http.StatusOK)
	if err != nil {
		return err
	}
	m := shownText.FindStringSubmatch(a.body)
	if m == nil || !strings.HasPrefix(m[1], "-----BEGIN AGE") {
		return errors.New("no ciphertext is shown")
	}
	if len(to) > 1 {
		return nil
	}
	got, err := k.c.unseal(m[1])
	if err == nil && got != plain {
		err = fmt.Errorf("%d bytes instead of %d", len(got), len(plain))
	}
	return err
}

// content is a file of a size that is mostly small.
func (k *soaker) content() (f func() part, sum [sha256.Size]byte) {
	size := int64(1 + k.pick.IntN(256<<10))
	if k.pick.IntN(4) == 0 {
		size = int64(1 + k.pick.IntN(k.largest))
	}
	h := sha256.New()
	_, _ = io.Copy(h, noise(size))
	return func() part { return part{field: "file", name: "soak.bin", content: noise(size), size: size} }, [sha256.Size]byte(h.Sum(nil))
}

// sumOf reads a download to its end.
func (k *soaker) sumOf(path string) (sum [sha256.Size]byte, err error) {
	resp, err := k.c.http.Do(k.c.request(http.MethodGet, path, nil))
	if err != nil {
		return sum, err
	}
	defer resp.Body.Close()
	h := sha256.New()
	n, err := io.Copy(h, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n != resp.ContentLength) {
		err = fmt.Errorf("GET %s: status %d, %d of %d bytes", path, resp.StatusCode, n, resp.ContentLength)
	}
	return [sha256.Size]byte(h.Sum(nil)), err
}

func (k *soaker) file(context.Context) error {
	content, sum := k.content()
	a, err := k.want(k.c.multipart("/encrypt", field("to", "me"), content()), http.StatusOK)
	if err != nil {
		return err
	}
	sealed := shownResult.FindString(a.body)
	resp, err := k.c.http.Do(k.c.request(http.MethodGet, sealed+"/file", nil))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if a, err = k.want(k.c.multipart("/decrypt", part{field: "file", name: "soak.age", content: resp.Body, size: resp.ContentLength}), http.StatusOK); err != nil {
		_, _ = k.post(sealed + "/delete")
		return err
	}
	plain := shownResult.FindString(a.body)
	got, err := k.sumOf(plain + "/file")
	if err == nil && got != sum {
		err = errors.New("what was decrypted is not what was encrypted")
	}
	for _, result := range []string{sealed, plain} {
		if _, derr := k.post(result + "/delete"); err == nil {
			err = derr
		}
	}
	return err
}

func (k *soaker) hash(context.Context) error {
	content, _ := k.content()
	parts := []part{field("algorithm", "sha256"), field("algorithm", "blake2b-512")}
	if k.pick.IntN(3) == 0 {
		parts = append(parts, field("mode", "files"), content())
	} else {
		parts = append(parts, field("text", strings.Repeat("hash me ", 1+k.pick.IntN(2000))))
	}
	_, err := k.want(k.c.multipart("/hash", parts...), http.StatusOK)
	return err
}

func (k *soaker) note(context.Context) error {
	text := strings.Repeat("a note of a soak ", 1+k.pick.IntN(500))
	a, err := k.want(k.c.multipart("/vault", field("title", "soak"), field("text", text)), http.StatusSeeOther)
	if err != nil {
		return err
	}
	path := a.location()
	if a, err = k.get(path+"/file", http.StatusOK); err != nil || a.body != text {
		return fmt.Errorf("read %d of %d bytes back (%w)", len(a.body), len(text), err)
	}
	if _, err = k.post(path+"/rename", "title", "soaked"); err != nil {
		return err
	}
	_, err = k.post(path + "/delete")
	return err
}

func (k *soaker) keep(context.Context) error {
	content, sum := k.content()
	a, err := k.want(k.c.multipart("/vault", content()), http.StatusSeeOther)
	if err != nil {
		return err
	}
	got, err := k.sumOf(a.location() + "/file")
	if err == nil && got != sum {
		err = errors.New("what was read is not what was saved")
	}
	if _, derr := k.post(a.location() + "/delete"); err == nil {
		err = derr
	}
	return err
}

func (k *soaker) search(context.Context) error {
	_, err := k.get([]string{"/vault?q=soak", "/vault?kind=note", "/people?q=nobody", "/vault?q=nothing"}[k.pick.IntN(4)], http.StatusOK)
	return err
}

func (k *soaker) key(context.Context) error {
	a, err := k.post("/keys", "kind", "age", "name", "soak")
	if err != nil {
		return err
	}
	path := shownKey.FindString(a.location())
	if _, err = k.post(path + "/rotate"); err != nil {
		return err
	}
	if _, err = k.get(path, http.StatusOK); err != nil {
		return err
	}
	_, err = k.post(path+"/delete", "current", killPassword)
	return err
}

// session logs in as another browser does, looks at the vault, and logs out.
func (k *soaker) session(context.Context) error {
	c := *k // k.done is the same, and waited is given back below
	defer func() { k.waited = c.waited }()
	c.c = newClient(k.s.t, k.s.url, net.IPv4(127, 0, 1, byte(k.number+2)))
	defer c.c.http.CloseIdleConnections()
	if _, err := c.post("/login", "login", k.login, "password", killPassword); err != nil {
		return err
	}
	if _, err := c.get("/vault", http.StatusOK); err != nil {
		return err
	}
	_, err := c.post("/logout")
	return err
}

// guess tries a wrong password, from an address and for a login of its own, which is soon made to wait.
func (k *soaker) guess(context.Context) error {
	c := newClient(k.s.t, k.s.url, net.IPv4(127, 0, 2, byte(2+k.pick.IntN(200))))
	defer c.http.CloseIdleConnections()
	a, err := c.try((&person{c: c}).form("/login", "login", fmt.Sprint("nobody-", k.pick.IntN(50)), "password", "a wrong password"))
	if err == nil && a.status != http.StatusTooManyRequests && !k.asked(a.status, a.header) && a.status != http.StatusUnprocessableEntity {
		err = fmt.Errorf("status %d", a.status)
	}
	return err
}

func (k *soaker) export(context.Context) error {
	req := (&person{c: k.c}).form("/account/export", "current", killPassword, "to", "passphrase", "passphrase", "three short words more", "passphrase2", "three short words more")
	resp, err := k.c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if k.asked(resp.StatusCode, resp.Header) {
		return errAsked
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n < 1000) {
		err = fmt.Errorf("status %d, %d bytes", resp.StatusCode, n)
	}
	return err
}

// cut sends a part of an upload, to each of the pages that take files.
func (k *soaker) cut(ctx context.Context) error {
	size := 1 + k.pick.IntN(k.largest)
	path := []string{"/vault", "/encrypt", "/decrypt", "/hash"}[k.pick.IntN(4)]
	cut := part{field: "file", name: "cut.bin", size: int64(size) + 1<<20, content: io.MultiReader(noise(int64(size)), ender(func() error { return errCut }))}
	resp, err := k.c.http.Do(k.c.multipart(path, field("to", "me"), cut).WithContext(ctx))
	if err == nil { // it may be refused before the cut: noise is no ciphertext
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil
	}
	if errors.Is(err, errCut) || ctx.Err() != nil || path == "/decrypt" {
		return nil
	}
	return err
}

// leave goes away in the middle of a download.
func (k *soaker) leave(ctx context.Context) error {
	a, err := k.want(k.c.multipart("/vault", part{field: "file", name: "left.bin", content: noise(4 << 20), size: 4 << 20}), http.StatusSeeOther)
	if err != nil {
		return err
	}
	resp, err := k.c.http.Do(k.c.request(http.MethodGet, a.location()+"/file", nil).WithContext(ctx))
	if err == nil {
		_, err = io.CopyN(io.Discard, resp.Body, 100<<10)
		resp.Body.Close()
	}
	if _, derr := k.post(a.location() + "/delete"); err == nil {
		err = derr
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// slow says a request letter by letter, and goes away before its end.
func (k *soaker) slow(ctx context.Context) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(k.s.url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, b := range bytes.Split([]byte("GET /about HTTP/1.1\r\nHost: nobody waits for the end of this one"), nil) {
		if _, err := conn.Write(b); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// soak lets people work until the context ends, and returns what they did, and how often they were asked to wait.
func soak(ctx context.Context, people []*soaker) (done map[string]int, waited int, err error) {
	errs := make([]error, len(people))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for i, k := range people {
		wg.Go(func() {
			if errs[i] = k.run(ctx); errs[i] != nil {
				cancel()
			}
			k.c.http.CloseIdleConnections()
		})
	}
	wg.Wait()
	done = map[string]int{}
	for _, k := range people {
		waited += k.waited
		for what, n := range k.done {
			done[what] += n
		}
	}
	return done, waited, errors.Join(errs...)
}
