package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

// Bounds of what Validate accepts.
const (
	minSession = time.Minute         // a session is touched at most once a minute, so less would end it in use
	maxSession = 30 * 24 * time.Hour // the account key is sealed under a cookie for as long
	minResult  = time.Minute         // time to press the link
	maxEvery   = 10000               // more lines than a busy day has would never be anchored
	maxResult  = 24 * time.Hour      // a result is meant to be fetched, not kept
	minKeep    = 24 * time.Hour      // less would be forgotten before anybody looks
	minKDF     = Size(64 << 20)      // one argon2id run with the parameters of RFC 9106's second choice
)

// SettingError is a setting that cannot be used.
type SettingError struct {
	Flag  string // as typed: --max-upload
	Env   string // ZENCRYPT_MAX_UPLOAD
	Value string // what it is now
	Want  string // the right form, a phrase that begins with a verb
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("set %s (%s): %.100q does not do: %s", e.Flag, e.Env, e.Value, e.Want)
}

// Validate returns nil, or one *SettingError for each wrong setting, joined, each
// on a line of its own. What follows from Domain counts as said.
func (c Config) Validate() error {
	derived := c.Origin == "" && len(c.Domain) > 0 // from a name that checkTLS looks at
	c = c.Settled()
	p := problems{c: reflect.ValueOf(c)}
	c.checkPlaces(&p)
	if !derived {
		c.checkOrigin(&p)
	}
	c.checkTLS(&p)
	c.checkAmounts(&p)
	c.checkMemory(&p)
	c.checkMetrics(&p)

	p.oneOf("Registration", c.Registration, "open", "invite", "closed")
	p.oneOf("LogFormat", c.LogFormat, "auto", "text", "json")
	p.oneOf("LogLevel", c.LogLevel, "debug", "info", "warn", "error")
	return errors.Join(p.errs...)
}

func (c Config) checkPlaces(p *problems) {
	_, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	p.check("Addr", err == nil, "give HOST:PORT, such as 127.0.0.1:8080, or [::1]:8080 for IPv6")
	p.check("Data", c.Data != "", "name a directory, such as ./data")
	p.check("Secrets", c.Secrets == "" || !c.InData(c.Secrets),
		"name a directory outside --data: who copies the data must not get the key along")
	p.check("ServerKeyFile", c.ServerKeyFile == "" || c.Secrets == "" && !c.InData(c.ServerKeyFile),
		"name a file outside --data, and not --secrets too")
	for _, proxy := range c.TrustedProxies {
		p.check("TrustedProxies", proxy.IsValid() && proxy.Bits() > 0,
			"name the proxies' own networks, such as 10.0.0.0/8: a network of everybody would let anybody choose the address they are counted under")
	}
}

func (c Config) checkOrigin(p *problems) {
	if c.Origin == "" {
		// An address that is wrong in itself was reported already.
		_, _, err := net.SplitHostPort(c.Addr)
		p.check("Origin", err != nil || c.Loopback(),
			"name the address people type, such as https://zen.example, since --addr can be reached from other machines")
		return
	}
	u, err := url.Parse(c.Origin)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil {
		p.add("Origin", "give scheme, host and port and nothing else, such as https://zen.example or http://127.0.0.1:8080")
		return
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || port == 0) {
		p.add("Origin", "give a port from 1 to 65535, or none for the scheme's own, such as https://zen.example")
		return
	}
	// Browsers send the origin in one spelling (RFC 6454, section 6.2) and it is
	// compared byte by byte, so any other spelling would refuse every post.
	if want := canonicalOrigin(u); c.Origin != want {
		p.add("Origin", "write it as "+want)
		return
	}
	p.check("Origin", u.Scheme == "https" || c.Loopback() || bool(c.AllowHTTP),
		"use https://, or set --allow-http=on if what is sent may be read on its way")
}

func (c Config) checkTLS(p *problems) {
	names := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	for _, name := range c.Domain {
		_, err := netip.ParseAddr(name)
		ascii, odd := names.ToASCII(name)
		if odd == nil && ascii != name && ascii != strings.ToLower(name) {
			p.add("Domain", "write it as "+ascii)
			continue
		}
		p.check("Domain", err != nil && odd == nil && ascii == name && strings.Contains(name, ".") && !strings.HasSuffix(name, "."),
			"give names of this server in the DNS, in lower case, such as zen.example")
	}
	if len(c.Domain) > 0 {
		// A proxy in front may have another name, with a certificate of its own.
		if o, err := url.Parse(c.Origin); err == nil && len(p.errs) == 0 && len(c.TrustedProxies) == 0 {
			p.check("Origin", slices.Contains(c.Domain, o.Hostname()), "name one of --domain: a certificate is got for those alone. If a proxy in front has that name, name the proxy with --trusted-proxies")
		}
		u, err := url.Parse(c.ACMEDirectory)
		p.check("ACMEDirectory", err == nil && u.Scheme == "https" && u.Host != "", "give the https:// address of an ACME directory")
		p.check("TLSCert", c.TLSCert == "", "use it or --domain, not both")
	}
	p.check("TLSKey", (c.TLSKey == "") == (c.TLSCert == ""), "name both --tls-cert and --tls-key")
	if c.OwnTLS() {
		p.check("Origin", c.HTTPS(), "use https://, since the server does TLS itself")
		if c.RedirectAddr != "" && c.RedirectAddr != "off" {
			_, _, err := net.SplitHostPort(c.RedirectAddr)
			p.check("RedirectAddr", err == nil, "give HOST:PORT, such as :80, or off")
		}
	} else {
		p.check("RedirectAddr", c.RedirectAddr == "" || c.RedirectAddr == "off", "use it with --domain or --tls-cert: a proxy in front does this itself")
	}
}

func canonicalOrigin(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ascii, err := idna.Lookup.ToASCII(host); err == nil && !strings.Contains(host, ":") {
		host = ascii // as browsers write what is not ASCII
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && !(u.Scheme == "https" && port == "443") && !(u.Scheme == "http" && port == "80") {
		host += ":" + port
	}
	return u.Scheme + "://" + host
}

func (c Config) checkAmounts(p *problems) {
	p.check("MaxUpload", c.MaxUpload > 0, "give a size above zero, such as 10GiB")
	p.check("SpoolMax", c.SpoolMax >= c.MaxUpload, "give at least the size of --max-upload, "+c.MaxUpload.String())
	p.check("GuestQuota", c.GuestQuota > 0, "give a size above zero, such as 1GiB; --guests=off is what keeps guests out")
	p.check("AccountQuota", c.AccountQuota > 0, "give a size above zero, such as 20GiB")
	p.check("MinFreeDisk", c.MinFreeDisk >= 0, "give a size of zero or more, such as 1GiB")
	p.check("KDFReserve", c.KDFReserve >= minKDF, "give at least "+minKDF.String()+", which one log-in needs")
	p.check("KDFMemory", c.KDFMemory >= minKDF && c.KDFMemory-minKDF >= c.KDFReserve,
		"give at least "+minKDF.String()+" more than --kdf-reserve; a file of 'age -p' needs 272MiB more")

	p.check("SessionIdle", c.SessionIdle >= minSession && c.SessionIdle <= c.SessionMax,
		"give a time of 1m or more that is not above --session-max, such as 30m")
	p.check("SessionMax", c.SessionMax >= minSession && c.SessionMax <= maxSession, "give a time from 1m to 720h, such as 12h")
	p.check("ResultTTL", c.ResultTTL >= minResult && c.ResultTTL <= maxResult, "give a time from 1m to 24h, such as 1h")
}

func (c Config) checkMemory(p *problems) {
	p.check("ActivityKeep", c.ActivityKeep >= minKeep, "give a time of 24h or more, such as 8760h for a year")
	p.check("LogKeep", c.LogKeep == 0 || c.LogKeep >= minKeep, "give a time of 24h or more, such as 8760h for a year, or 0s to keep all")
	p.check("LogEvery", c.LogEvery >= 1 && c.LogEvery <= maxEvery, "give a number of lines from 1 to 10000, such as 64")
	for _, place := range c.LogAnchor {
		p.check("LogAnchor", place != "" && place != "syslog:" && place != c.ServerLogFile(),
			"name a file that is not the log itself, syslog, or syslog: and the path of its socket")
	}
}

// checkMetrics keeps the metrics on this machine unless somebody says otherwise: nobody logs in to read them.
func (c Config) checkMetrics(p *problems) {
	network, addr := c.MetricsListener()
	switch network {
	case "unix":
		p.check("MetricsAddr", addr != "" && !c.InData(filepath.Dir(addr)), "name a file for the socket outside --data, such as unix:/run/zencrypt/metrics.sock")
	case "tcp":
		host, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || addr == c.Addr && port != "0" {
			p.add("MetricsAddr", "give HOST:PORT other than --addr, such as 127.0.0.1:9464, or unix: and the path of a socket, or off")
			return
		}
		p.check("MetricsAddr", bool(c.MetricsRemote) || loopbackHost(host),
			"give an address of this machine alone, such as 127.0.0.1:9464, or set --metrics-remote=on if whoever reaches it may read it")
	}
}

// problems collects errors under the names that the struct tags give.
type problems struct {
	c    reflect.Value
	errs []error
}

func (p *problems) check(field string, ok bool, want string) {
	if !ok {
		p.add(field, want)
	}
}

func (p *problems) add(field, want string) {
	f, _ := p.c.Type().FieldByName(field)
	p.errs = append(p.errs, &SettingError{
		Flag:  "--" + f.Tag.Get("name"),
		Env:   f.Tag.Get("env"),
		Value: fmt.Sprint(p.c.FieldByName(field).Interface()),
		Want:  want,
	})
}

func (p *problems) oneOf(field, value string, allowed ...string) {
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	p.add(field, "give one of "+strings.Join(allowed, ", "))
}
