package main

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// serveDelay is the longest that a login waits for the guard: Postfix gives up on an auth
// server after 10 seconds.
const serveDelay = 8 * time.Second

// parseLimit makes the guard that --limit asks for: "free=10,max=100,delay=8s,
// exempt=192.0.2.0/24", each of which may be missing, exempt as often as needed; nil
// for "off".
func parseLimit(text string) (verifier.Guard, error) {
	if text == "off" {
		return nil, nil
	}
	o := verifier.ThrottleOptions{MaxDelay: serveDelay}
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		key, value, _ := strings.Cut(item, "=")
		var err error
		switch key {
		case "free":
			o.Free, err = strconv.Atoi(value)
		case "max":
			o.Limit, err = strconv.Atoi(value)
		case "delay":
			o.MaxDelay, err = time.ParseDuration(value)
		case "exempt":
			err = exempt(&o, value)
		default:
			return nil, usage("--limit: no %q (known: free=N max=N delay=TIME exempt=NETWORK, or off)", key)
		}
		if err != nil {
			return nil, usage("--limit: %s: %q is not understood (%s)", key, value, limitForms[key])
		}
	}
	guard, err := verifier.NewThrottle(o)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return guard, nil
}

var limitForms = map[string]string{
	"free": "failures in a minute, a number", "max": "failures in an hour, a number",
	"delay": "a time such as 8s", "exempt": "a network such as 192.0.2.0/24, or an address",
}

// loopback is exempt also if others are.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func exempt(o *verifier.ThrottleOptions, text string) error {
	if o.Exempt == nil {
		o.Exempt = append(o.Exempt, loopback...)
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return err
		}
		network = netip.PrefixFrom(address, address.BitLen())
	}
	o.Exempt = append(o.Exempt, network)
	return nil
}
