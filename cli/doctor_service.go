package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"zencrypt/config"
)

// askTime bounds one question to the server.
const askTime = 10 * time.Second

// caller asks the server: from inside, on the address that it listens on, or from outside, under its name.
type caller struct {
	ctx  context.Context
	base string // scheme and host as browsers have them
	dial string // where to connect instead, "" for where the name leads
}

// reply is what the doctor keeps of an answer.
type reply struct {
	status int
	header http.Header
	body   string
}

func (c caller) get(path, host string) (*reply, error) {
	ctx, cancel := context.WithTimeout(c.ctx, askTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	if host != "" {
		req.Host = host
	}
	transport := &http.Transport{
		DisableKeepAlives: true,
		// Whether the certificate is right is checkTLS's to say.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if c.dial != "" {
				addr = c.dial
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}
	res, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return nil, bareURL(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	return &reply{res.StatusCode, res.Header, strings.TrimSpace(string(body))}, err
}

// bareURL leaves out what was asked, which the text around says.
func bareURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}

// inside is how the server is asked on the address that it listens on.
func (v *visit) inside() caller {
	scheme := "http://"
	if v.cfg.OwnTLS() {
		scheme = "https://"
	}
	host := v.cfg.Addr
	if v.cfg.Origin != "" {
		if u, err := url.Parse(v.cfg.Origin); err == nil {
			host = u.Host
		}
	}
	return caller{v.e.ctx, scheme + host, reachable(v.cfg.Addr)}
}

// reachable is an address to connect to, where addr may mean all of this machine's.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// checkService asks the server as a probe, as a browser, and as a stranger would.
func checkService(v *visit) error {
	in := v.inside()
	alive, err := in.get("/healthz", "")
	switch {
	case err != nil && v.running:
		v.bad("give --addr as the service has it, or --settings; 'journalctl -u zencrypt' says whether it listens", "a server works on this data, and nobody answers on %s: %v", v.cfg.Addr, err)
		return nil
	case err != nil:
		v.note("systemctl start zencrypt, or 'zencrypt serve'", "the server does not run: what can be seen only then is left out")
		return nil
	case !v.running:
		v.bad("give --addr and --data as the service has them", "somebody answers on %s, and no server works on this data", v.cfg.Addr)
		return nil
	case alive.status != http.StatusOK:
		v.bad("ask 'journalctl -u zencrypt'", "GET /healthz on %s: %d %s", v.cfg.Addr, alive.status, alive.body)
		return nil
	}
	v.ok("the server answers on %s", v.cfg.Addr)
	if ready, err := in.get("/readyz", ""); err != nil || ready.status != http.StatusOK {
		v.bad("see what is bad below; 'journalctl -u zencrypt' says more", "it is not ready: %s", replyText(ready, err))
	} else {
		v.ok("it is ready: the database takes writes")
	}
	page, err := in.get("/about", "")
	if err != nil {
		return err
	}
	v.headers("the server", page.header)
	if stranger, err := in.get("/about", "doctor.invalid"); err == nil && stranger.status != http.StatusMisdirectedRequest {
		v.bad("look what listens there: this server refuses names that are not its own", "under a name that is not its own it answers %d and not 421", stranger.status)
	}
	if v.cfg.OwnTLS() {
		v.redirect()
	}
	v.outside(page)
	v.proxy()
	v.metrics()
	return nil
}

func replyText(a *reply, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", a.status, a.body)
}

// wantedHeaders are those that browsers defend a page by, with what each must say.
func wantedHeaders(https bool) map[string]string {
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
	}
	if https {
		want["Strict-Transport-Security"] = "max-age=31536000"
		want["Cross-Origin-Opener-Policy"] = "same-origin"
	}
	return want
}

// headers looks at an answer as a browser does.
func (v *visit) headers(who string, h http.Header) {
	wrong := 0
	all := wantedHeaders(v.cfg.HTTPS())
	for _, name := range slices.Sorted(maps.Keys(all)) {
		want := all[name]
		switch got := h.Values(name); {
		case len(got) == 0:
			v.bad("let the proxy pass the header on as it is", "%s sends no %s", who, name)
		case len(got) > 1:
			v.bad("let the proxy add none of its own", "%s sends %s %d times, and browsers differ in which counts", who, name, len(got))
		case !strings.Contains(got[0], want):
			v.bad("let the proxy pass the header on as it is", "%s sends %s: %s, without %s", who, name, got[0], want)
		default:
			continue
		}
		wrong++
	}
	if wrong == 0 {
		v.ok("%s sends the headers that browsers defend its pages by%s", who, map[bool]string{true: ", HSTS among them"}[v.cfg.HTTPS()])
	}
}

// outside asks under the name that people type, and whether plain http leads to https.
func (v *visit) outside(inside *reply) {
	if v.cfg.Origin == "" || v.cfg.Loopback() {
		return
	}
	out := caller{v.e.ctx, v.cfg.Origin, ""}
	page, err := out.get("/about", "")
	switch {
	case err != nil:
		v.note("try it from another machine; a name that leads outside and back may not work from here", "%s can't be reached from this machine: %v", v.cfg.Origin, err)
		return
	case page.status != inside.status:
		v.bad("look into the proxy's settings, or whether the name leads here", "%s answers %d, and the server itself %d", v.cfg.Origin, page.status, inside.status)
		return
	}
	v.ok("%s leads here", v.cfg.Origin)
	v.headers(v.cfg.Origin, page.header)
	if name := page.header.Get("Server"); name != "" {
		v.note("let the proxy leave the header out", "%s tells that it is %q", v.cfg.Origin, name)
	}
	if v.cfg.HTTPS() && !v.cfg.OwnTLS() {
		v.redirect()
	}
}

func (v *visit) redirect() {
	u, err := url.Parse(v.cfg.Origin)
	if err != nil {
		return
	}
	plain := caller{v.e.ctx, "http://" + u.Hostname(), ""}
	if v.cfg.OwnTLS() {
		if v.cfg.RedirectAddr == "" || v.cfg.RedirectAddr == "off" {
			v.note("set --redirect-addr, such as :80, if people type the name alone", "plain http is not answered")
			return
		}
		plain.dial = reachable(v.cfg.RedirectAddr)
	}
	a, err := plain.get("/about", "")
	switch {
	case err != nil:
		v.note("let port 80 send people to https, if they type the name alone", "plain http is not answered: %v", err)
	case a.status >= 300 && a.status < 400 && strings.HasPrefix(a.header.Get("Location"), v.cfg.Origin+"/"):
		v.ok("plain http leads to https")
	default:
		v.bad("let port 80 send everything to "+v.cfg.Origin, "plain http is answered with %d %s and not with a redirection to https", a.status, a.header.Get("Location"))
	}
}

// proxy looks at what is said of a proxy in front, by the settings: who comes through it can't be seen from here.
func (v *visit) proxy() {
	trusted := func(a string) bool {
		for _, p := range v.cfg.TrustedProxies {
			if p.Contains(netip.MustParseAddr(a)) {
				return true
			}
		}
		return false
	}
	local := config.Config{Addr: v.cfg.Addr}.Loopback()
	onion := strings.HasSuffix(v.cfg.Origin, ".onion")
	switch {
	case v.cfg.OwnTLS() && len(v.cfg.TrustedProxies) > 0:
		v.note("leave --trusted-proxies out, unless a proxy passes TLS through and speaks for its clients", "the server does TLS itself, and believes X-Forwarded-For of %v", v.cfg.TrustedProxies)
	case v.cfg.OwnTLS() || v.cfg.Loopback():
	case onion && len(v.cfg.TrustedProxies) > 0:
		v.bad("leave --trusted-proxies out", "Tor passes X-Forwarded-For of its clients on: anybody could choose the address that they are counted under")
	case len(v.cfg.TrustedProxies) == 0 && (onion || !local && !v.cfg.HTTPS()): // nothing stands in front
	case len(v.cfg.TrustedProxies) == 0:
		v.bad("set --trusted-proxies to the proxy's own network, such as 127.0.0.1/32", "a proxy stands in front and is not trusted: all people count as one client, and wrong passwords of one keep the others waiting")
	case local && !trusted("127.0.0.1") && !trusted("::1"):
		v.bad("add 127.0.0.1/32 to --trusted-proxies", "the proxy must be on this machine, since %s is, and %v are not", v.cfg.Addr, v.cfg.TrustedProxies)
	default:
		v.ok("X-Forwarded-For is believed of %v alone", v.cfg.TrustedProxies)
	}
	if !local && !v.cfg.OwnTLS() && v.cfg.HTTPS() {
		v.note("listen on 127.0.0.1, or let only the proxy reach the port", "%s can be reached past the proxy, in clear", v.cfg.Addr)
	}
}

// metrics looks whether what watches the server would get something.
func (v *visit) metrics() {
	network, addr := v.cfg.MetricsListener()
	if network == "" {
		v.note("set --metrics-addr 127.0.0.1:9464 and watch it: docs/OPERATE.md, Watching", "nobody watches this server: it serves no metrics")
		return
	}
	ctx, cancel := context.WithTimeout(v.e.ctx, askTime)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if network == "tcp" {
			addr = reachable(addr)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/metrics", nil)
	if err != nil {
		v.bad("", "ask for metrics: %v", err)
		return
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		v.bad("restart the server, if the setting is newer than its start", "metrics are not served on %s: %v", v.cfg.MetricsAddr, bareURL(err))
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		v.bad("look what listens there, and restart the server", "metrics are not served on %s: %s", v.cfg.MetricsAddr, res.Status)
		return
	}
	v.ok("metrics are served on %s", v.cfg.MetricsAddr)
	if v.cfg.MetricsRemote {
		v.note("let a firewall keep others than the monitoring away from it", "whoever reaches %s may read the metrics", v.cfg.MetricsAddr)
	}
}
