package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// resolveTime is for how long the name of a host is looked up.
const resolveTime = 5 * time.Second

// Listen listens on s, which must not be one of systemd's ([Activation.Listen] has those).
//
// A unix socket appears at its path when it accepts connections, with owner, group and
// mode as they are to be, and never with a wider mode. Its folder must exist. A socket
// that nobody listens on any more, left by a process that was killed, is replaced; one
// that is in use, a symlink and whatever else is there stays, and Listen fails. Of several
// processes that try at the same time, one succeeds. Closing the listener removes the
// socket, unless the path has another one by then; a process that has given up its rights
// to the folder leaves it there, and the next one replaces it.
//
// A TCP address must be a loopback address, all addresses of a host must, unless
// AllowRemote is set.
func Listen(ctx context.Context, s Socket) (net.Listener, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var l net.Listener
	var err error
	switch {
	case s.Name != "":
		err = errors.New("systemd passed no such socket (is its unit started, with that FileDescriptorName= ?)")
	case s.Address != "":
		l, err = listenInet(ctx, s)
	default:
		l, err = listenPath(ctx, s)
	}
	if err != nil {
		return nil, fmt.Errorf("daemon: socket %s: %w", s.where(), err)
	}
	return l, nil
}

// where is s without what is asked of it.
func (s Socket) where() string {
	return Socket{Path: s.Path, Address: s.Address, Name: s.Name}.String()
}

func listenInet(ctx context.Context, s Socket) (net.Listener, error) {
	all, err := s.resolve(ctx)
	if err != nil {
		return nil, err
	}
	if !s.AllowRemote {
		if err := localOnly(all...); err != nil {
			return nil, err
		}
	}
	network := "tcp"
	if all[0].Addr().Is4() { // else 0.0.0.0 would be IPv6 as well
		network = "tcp4"
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, network, all[0].String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("another process listens there: %w (stop it, or choose another port)", err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%w (ports below 1024 need root or CAP_NET_BIND_SERVICE)", err)
	}
	return l, err
}

// ErrRemote says that other machines could reach a socket whose AllowRemote is not set.
var ErrRemote = errors.New("not a loopback address")

func localOnly(all ...netip.AddrPort) error {
	for _, a := range all {
		if !a.Addr().IsLoopback() {
			return fmt.Errorf("%v is %w, and whoever reaches it can try passwords (use 127.0.0.1 or a unix socket, or set AllowRemote: --allow-remote)", a.Addr(), ErrRemote)
		}
	}
	return nil
}

// Remote reports whether other machines could connect. The name of a host is looked up,
// for at most 5 s; one that has no address counts as remote.
func (s Socket) Remote() bool {
	if s.Address == "" {
		return false
	}
	all, err := s.resolve(context.Background())
	return err != nil || localOnly(all...) != nil
}

// resolve returns the addresses of Address, at least one.
func (s Socket) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	host, portText, err := cutAddress(s.Address)
	if err != nil {
		return nil, err
	}
	port, _ := strconv.ParseUint(portText, 10, 16)
	var all []netip.AddrPort
	addresses, err := resolveHost(ctx, host)
	for _, a := range addresses {
		all = append(all, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("host %s has no address", host)
	}
	return all, err
}

func resolveHost(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if strings.EqualFold(host, "localhost") { // RFC 6761 section 6.3; containers may lack /etc/hosts
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
