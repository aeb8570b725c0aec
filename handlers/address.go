package handlers

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// address is the sender's, or what a proxy trusted by configuration says: the last address in
// X-Forwarded-For that is not itself such a proxy, since a client can write the earlier ones.
func (c *core) address(x *fiber.Ctx) netip.Addr {
	a := remote(x.Context().RemoteAddr())
	if !c.trusted(a) {
		return a
	}
	// Some proxies add a line of their own instead of adding to the client's: both are one list (RFC 9110,
	// section 5.3).
	var hops []string
	for _, line := range x.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0; i-- {
		h, ok := hop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		a = h
		if !c.trusted(a) {
			break
		}
	}
	return a
}

// hop reads an address of X-Forwarded-For, to which some proxies add the port.
func hop(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Unmap(), true
	}
	a, err := netip.ParseAddrPort(s)
	return a.Addr().Unmap(), err == nil
}

func (c *core) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(c.opt.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// connClient is whom a connection counts on, by a keyed hash as everywhere. Those of a proxy are many people's, and so may be
// those of a private address (RFC 1918, RFC 4193): a container sees everybody under the address of its bridge. Who is on this
// machine or at a socket of it (a proxy that is not trusted, Tor, a probe) has other ways to keep it busy.
func (c *core) connClient(from net.Addr) (key [16]byte, bounded bool) {
	if _, tcp := from.(*net.TCPAddr); !tcp {
		return key, false
	}
	a := remote(from)
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || c.trusted(a) {
		return key, false
	}
	return c.clients.Key(a), true
}

func remote(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.IPv6Unspecified()
}
