package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes, written as "10GiB", "500MB" or "1024". Units of
// 1,024 end in iB, those of 1,000 in B alone (IEC 80000-13).
type Size int64

// UnmarshalText reads a size of 0 to 2^63-1 bytes.
func (s *Size) UnmarshalText(text []byte) error {
	in := strings.TrimSpace(string(text))
	// Whole bytes are read as integers: ParseBytes goes through a float64, which
	// is exact up to 2^53 only.
	if n, err := strconv.ParseInt(in, 10, 64); err == nil && n >= 0 {
		*s = Size(n)
		return nil
	}
	n, err := humanize.ParseBytes(in)
	if err != nil || n > math.MaxInt64 || strings.Contains(in, ",") {
		return fmt.Errorf("read size %.40q: give a number of bytes with or without a unit, such as 10GiB, 500MB or 1024", in)
	}
	*s = Size(n)
	return nil
}

// MarshalText writes what String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the size exactly, in the largest unit of 1,024 that divides it.
func (s Size) String() string {
	units := [...]string{"", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	n, i := int64(s), 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// Network is a network of addresses, written as "10.0.0.0/8" or "fd00::/8".
type Network struct{ netip.Prefix }

// UnmarshalText reads a network. One of IPv4 addresses in IPv6's form is that of the IPv4 addresses, as which peers are
// known: no peer would be in it otherwise.
func (n *Network) UnmarshalText(text []byte) error {
	in := strings.TrimSpace(string(text))
	p, err := netip.ParsePrefix(in)
	if err == nil && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if err != nil || p.Addr().Is4In6() {
		return fmt.Errorf("read network %.60q: give address/bits, by comma, such as 10.0.0.0/8, or 127.0.0.1/32 for one address", in)
	}
	n.Prefix = p
	return nil
}

// Switch is a setting that is on or off.
type Switch bool

// UnmarshalText reads on, off, true, false, 1 or 0, in any case.
func (s *Switch) UnmarshalText(text []byte) error {
	switch strings.ToLower(strings.TrimSpace(string(text))) {
	case "on", "true", "1":
		*s = true
	case "off", "false", "0":
		*s = false
	default:
		return errors.New("read switch: give on or off")
	}
	return nil
}

// MarshalText writes what String does.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is "on" or "off".
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}
