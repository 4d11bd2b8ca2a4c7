package passwdfile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// An extra is what Dovecot's extra fields say that matters here.
type extra struct {
	user     string // whose account it is, if not the one of the line's name
	disabled bool
	limited  bool // to the networks:
	networks []netip.Prefix
	local    bool // connections without an address
}

// parseExtra reads fields separated by blanks, each a key or key=value.
func parseExtra(text string) (extra, error) {
	var x extra
	for _, field := range strings.Fields(text) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "nopassword", "noauthenticate", "fail":
			return extra{}, fmt.Errorf("extra field %s: nobody is let in by that here", key)
		case "nologin":
			x.disabled = true
		case "user":
			if value == "" {
				return extra{}, errors.New("extra field user: no name")
			}
			x.user = value
		case "allow_nets", "allow_real_nets":
			if err := x.allow(value); err != nil {
				return extra{}, fmt.Errorf("extra field %s: %w", key, err)
			}
		}
	}
	return x, nil
}

// allow adds a list of networks, separated by commas.
func (x *extra) allow(list string) error {
	x.limited = true
	for text := range strings.SplitSeq(list, ",") {
		if text == "local" {
			x.local = true
			continue
		}
		network, err := netip.ParsePrefix(text)
		if err != nil {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("%.40q is not an address or network", text)
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		if network.Addr().Is4In6() {
			return fmt.Errorf("%.40q: write IPv4 addresses as such", text)
		}
		x.networks = append(x.networks, network.Masked())
	}
	return nil
}

// allows reports whether a client may log in from an address. Both fields may be there:
// then the networks of either count, as we do not see proxies.
func (x *extra) allows(from netip.Addr) bool {
	if !x.limited {
		return true
	}
	from = from.Unmap().WithZone("")
	if !from.IsValid() {
		return x.local
	}
	return slices.ContainsFunc(x.networks, func(n netip.Prefix) bool { return n.Contains(from) })
}
