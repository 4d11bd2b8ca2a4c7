package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Activation is what systemd gave the process: sockets, and an address for news of
// its state. The zero Activation is a start without systemd. Its methods may be called
// concurrently.
type Activation struct {
	notify string

	mu     sync.Mutex
	passed []passed
}

// A passed socket was opened by systemd.
type passed struct {
	name string
	net.Listener
}

const (
	// firstPassed is the descriptor of the first socket (sd_listen_fds(3)).
	firstPassed = 3
	// maxPassed bounds LISTEN_FDS.
	maxPassed = 1000
	// unnamed is what systemd calls sockets without a name.
	unnamed = "unknown"
	// notifyTime is for how long systemd may be too busy to take news.
	notifyTime = 5 * time.Second
)

// Activated takes over what the environment says systemd gave this process, and unsets
// the variables, so that no child takes it for its own. Without systemd there is nothing,
// and no error. It is called once, with os.Getenv and os.Unsetenv.
func Activated(getenv func(string) string, unsetenv func(string) error) (*Activation, error) {
	a := &Activation{notify: getenv("NOTIFY_SOCKET")}
	names, err := passedNames(os.Getpid(), getenv)
	for _, variable := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"} {
		err = errors.Join(err, unsetenv(variable))
	}
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		l, fault := passedListener(firstPassed + i)
		if fault != nil {
			err = errors.Join(err, fmt.Errorf("daemon: socket systemd:%s, descriptor %d: %w", name, firstPassed+i, fault))
			continue
		}
		a.passed = append(a.passed, passed{name, l})
	}
	if err != nil {
		a.closeAll()
		return nil, err
	}
	return a, nil
}

// passedNames returns the names of the sockets passed to the process pid, in the order of
// their descriptors.
func passedNames(pid int, getenv func(string) string) ([]string, error) {
	forPID, count := getenv("LISTEN_PID"), getenv("LISTEN_FDS")
	if forPID == "" || count == "" {
		return nil, nil
	}
	if n, err := strconv.ParseUint(forPID, 10, 31); err != nil {
		return nil, fmt.Errorf("daemon: LISTEN_PID=%.20q is no process", forPID)
	} else if int(n) != pid {
		return nil, nil // a parent's, who forgot to unset it
	}
	n, err := strconv.ParseUint(count, 10, 16)
	if err != nil || n > maxPassed {
		return nil, fmt.Errorf("daemon: LISTEN_FDS=%.20q is not a number of at most %d", count, maxPassed)
	}
	text := getenv("LISTEN_FDNAMES")
	if text == "" {
		return slices.Repeat([]string{unnamed}, int(n)), nil
	}
	names := strings.Split(text, ":")
	if len(names) != int(n) {
		return nil, fmt.Errorf("daemon: LISTEN_FDNAMES has %d names for %d sockets", len(names), n)
	}
	return names, nil
}

// Names returns the names of the sockets that systemd passed and no Listen has asked for,
// in the order of their descriptors. A unit with several addresses gives all of them the
// same name, which then stands there as often: each Listen takes one.
func (a *Activation) Names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, p := range a.passed {
		names = append(names, p.name)
	}
	return names
}

// Listen returns the socket that systemd passed for s, which has its name or listens
// where s says, or else listens there itself. The owner and mode of what systemd passed
// are those in its unit, and closing it does not remove it.
func (a *Activation) Listen(ctx context.Context, s Socket) (net.Listener, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	l, err := a.take(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("daemon: socket %s: %w", s.where(), err)
	}
	if l == nil {
		return Listen(ctx, s)
	}
	return l, nil
}

// take returns a socket that was passed for s, nil if there is none. Each is taken once.
func (a *Activation) take(ctx context.Context, s Socket) (net.Listener, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var addresses []netip.AddrPort
	if s.Address != "" && len(a.passed) > 0 {
		var err error
		if addresses, err = s.resolve(ctx); err != nil {
			return nil, err
		}
	}
	i := slices.IndexFunc(a.passed, func(p passed) bool { return p.is(s, addresses) })
	if i < 0 {
		return nil, nil
	}
	l := a.passed[i].Listener
	switch at := l.Addr().(type) {
	case *net.TCPAddr:
		if s.AllowRemote {
			break
		}
		if err := localOnly(tcpAddrPort(at)); err != nil {
			return nil, err
		}
	case *net.UnixAddr:
		if strings.HasPrefix(at.Name, "@") {
			return nil, errAbstract
		}
	}
	a.passed = slices.Delete(a.passed, i, i+1)
	return l, nil
}

// is reports whether p is the socket that s asks for.
func (p passed) is(s Socket, addresses []netip.AddrPort) bool {
	if s.Name != "" {
		return p.name == s.Name
	}
	switch at := p.Addr().(type) {
	case *net.UnixAddr:
		return s.Path != "" && (at.Name == s.Path || sameFile(at.Name, s.Path))
	case *net.TCPAddr:
		return slices.Contains(addresses, tcpAddrPort(at))
	}
	return false
}

// sameFile compares paths of which one may lead over a symlink, as /var/run does.
func sameFile(a, b string) bool {
	x, err := os.Lstat(a)
	if err != nil {
		return false
	}
	y, err := os.Lstat(b)
	return err == nil && os.SameFile(x, y)
}

func tcpAddrPort(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Rest closes the sockets that systemd passed and no Listen asked for. The error names
// them: their clients wait in vain.
func (a *Activation) Rest() error {
	var left []string
	for _, p := range a.closeAll() {
		left = append(left, fmt.Sprintf("systemd:%s (%v)", p.name, p.Addr()))
	}
	if left == nil {
		return nil
	}
	return fmt.Errorf("daemon: systemd passed sockets that nothing is served on: %s (name them, or take them out of the unit)", strings.Join(left, ", "))
}

func (a *Activation) closeAll() []passed {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.passed
	a.passed = nil
	for _, p := range left {
		p.Close()
	}
	return left
}

// What Notify tells; the third is the result of Reloading.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
)

// Reloading is the news that the configuration is being read again, which Ready follows.
// It holds the time: it is made when it is told.
func Reloading() string {
	return "RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonicMicroseconds(), 10)
}

// Notify tells systemd a state. Without systemd it does nothing.
func (a *Activation) Notify(state string) error {
	if a.notify == "" {
		return nil
	}
	if a.notify[0] != '/' && a.notify[0] != '@' {
		return fmt.Errorf("daemon: NOTIFY_SOCKET=%.200q: %w (a path or an abstract socket)", a.notify, errors.ErrUnsupported)
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: a.notify, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("daemon: NOTIFY_SOCKET: %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(notifyTime))
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("daemon: NOTIFY_SOCKET: %w", err)
	}
	return nil
}
