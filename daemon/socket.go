package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// A Socket says where a daemon listens: by Path on a unix socket, by Address on TCP, or
// by Name on a socket that systemd passed. One of the three is set.
type Socket struct {
	Path string // absolute, at most 107 bytes; its folder at most 99
	// Mode is that of the unix socket: who may connect. Connecting takes w, so that each
	// digit is 0, 2 or 6. 0 means 0660.
	Mode fs.FileMode
	// Owner and Group are those of the unix socket, as names or numbers; "" leaves those
	// of the process.
	Owner, Group string

	Address string // host:port, with an IPv6 address in brackets; port 0: the system chooses

	Name string // FileDescriptorName of the systemd unit

	// AllowRemote permits that other machines connect. The protocols are without TLS and
	// without a password for the server that asks: who connects can try passwords.
	AllowRemote bool
}

const (
	// maxPath is what the address of a unix socket holds on Linux, without the NUL.
	maxPath = 107
	// maxFolder leaves room for the name under which a socket is made.
	maxFolder = maxPath - len("/"+stagingName+"/"+stagedName)
	// maxAccountName bounds names of users and groups, in bytes: Linux allows 32.
	maxAccountName = 64
	// maxSocketName is systemd's limit, in bytes.
	maxSocketName = 255

	defaultMode fs.FileMode = 0o660
)

// ParseSocket reads "PATH[,mode=0660][,owner=USER][,group=GROUP]", "inet:HOST:PORT" with
// an IPv6 address in brackets, or "systemd:NAME". It asks nobody: whether users, groups
// and folders exist is told by Validate and Listen.
func ParseSocket(text string) (Socket, error) {
	s, err := parseSocket(text)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return Socket{}, fmt.Errorf("daemon: socket %.200q: %w", text, err)
	}
	return s, nil
}

func parseSocket(text string) (Socket, error) {
	where, options, hasOptions := strings.Cut(text, ",")
	if address, ok := strings.CutPrefix(where, "inet:"); ok {
		if hasOptions {
			return Socket{}, errors.New("inet has no options (mode, owner and group are those of a unix socket)")
		}
		host, port, err := cutAddress(address)
		return Socket{Address: net.JoinHostPort(host, port)}, err
	}
	if name, ok := strings.CutPrefix(where, "systemd:"); ok {
		if hasOptions {
			return Socket{}, errors.New("systemd has no options (write SocketMode=, SocketUser= and SocketGroup= into the unit)")
		}
		if name == "" {
			return Socket{}, errors.New("the name is missing (that of FileDescriptorName= in the unit)")
		}
		return Socket{Name: name}, nil
	}
	s := Socket{Path: where}
	if path.IsAbs(where) && !strings.HasSuffix(where, "/") {
		s.Path = path.Clean(where)
	}
	if !hasOptions {
		return s, nil
	}
	return s, s.parseOptions(strings.Split(options, ","))
}

func (s *Socket) parseOptions(options []string) error {
	seen := make(map[string]bool)
	for _, option := range options {
		key, value, ok := strings.Cut(option, "=")
		switch {
		case !ok:
			return fmt.Errorf("option %q has no value (write mode=0660, owner=USER or group=GROUP)", option)
		case seen[key]:
			return fmt.Errorf("option %s is given twice", key)
		case value == "" && (key == "mode" || key == "owner" || key == "group"):
			return fmt.Errorf("%s is empty (leave it out, or give it a value)", key)
		}
		seen[key] = true
		switch key {
		case "mode":
			mode, err := strconv.ParseUint(value, 8, 16)
			if err != nil || mode == 0 || len(value) < 3 || len(value) > 4 {
				return fmt.Errorf("mode %q is not octal digits like 0660 or 600", value)
			}
			s.Mode = fs.FileMode(mode)
		case "owner":
			s.Owner = value
		case "group":
			s.Group = value
		default:
			return fmt.Errorf("no option %q (known: mode, owner, group)", key)
		}
	}
	return nil
}

// cutAddress reads HOST:PORT.
func cutAddress(address string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(address)
	if err != nil {
		return "", "", fmt.Errorf("%q is not HOST:PORT (an IPv6 address goes in brackets: inet:[::1]:12345)", address)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	if host == "" {
		return "", "", errors.New("the host is missing (127.0.0.1 for this machine, 0.0.0.0 or [::] for every address)")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String(), strconv.FormatUint(n, 10), nil
	}
	if len(host) > 253 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != "" {
		return "", "", fmt.Errorf("%q is neither an address nor the name of a host", host)
	}
	return host, strconv.FormatUint(n, 10), nil
}

// String returns what ParseSocket reads.
func (s Socket) String() string {
	switch {
	case s.Address != "":
		return "inet:" + s.Address
	case s.Name != "":
		return "systemd:" + s.Name
	}
	text := s.Path
	if s.Mode != 0 {
		text += fmt.Sprintf(",mode=%04o", s.Mode)
	}
	if s.Owner != "" {
		text += ",owner=" + s.Owner
	}
	if s.Group != "" {
		text += ",group=" + s.Group
	}
	return text
}

// Validate says what is wrong with s, users and groups that do not exist among it.
func (s Socket) Validate() error {
	err := s.check()
	if err == nil {
		_, _, err = s.owners()
	}
	if err != nil {
		return fmt.Errorf("daemon: socket %.200q: %w", s.String(), err)
	}
	return nil
}

// check is what can be said without asking anybody.
func (s Socket) check() error {
	switch {
	case s.Address != "" && s.Path == "" && s.Name == "":
		_, _, err := cutAddress(s.Address)
		return err
	case s.Name != "" && s.Path == "" && s.Address == "":
		if len(s.Name) > maxSocketName || strings.ContainsFunc(s.Name, notPrintable) || strings.ContainsAny(s.Name, ":,") {
			return errors.New("no systemd unit has such a name")
		}
		return nil
	case s.Address != "" || s.Name != "":
		return errors.New("it is more than one of path, address and name")
	}
	if err := checkPath(s.Path); err != nil {
		return err
	}
	for _, account := range []string{s.Owner, s.Group} {
		if len(account) > maxAccountName || strings.ContainsFunc(account, notPrintable) || strings.ContainsAny(account, ":,") {
			return fmt.Errorf("%.80q is no name of a user or group", account)
		}
	}
	return checkMode(s.Mode)
}

var errAbstract = errors.New("abstract sockets are for everybody (use a path, whose mode says who may connect)")

func checkPath(p string) error {
	switch {
	case p == "":
		return errors.New("the path is missing")
	case strings.HasPrefix(p, "@"):
		return errAbstract
	case !path.IsAbs(p):
		return errors.New("the path is relative (write it from / on, or inet:HOST:PORT for TCP)")
	case strings.HasSuffix(p, "/"):
		return errors.New("the path is that of a folder (add the name of the socket)")
	case len(p) > maxPath:
		return fmt.Errorf("the path has %d bytes, and addresses of sockets hold %d (choose a shorter one)", len(p), maxPath)
	case len(path.Dir(p)) > maxFolder:
		return fmt.Errorf("the path of its folder has %d bytes of at most %d (choose a shorter one)", len(path.Dir(p)), maxFolder)
	case strings.ContainsFunc(p, notPrintable):
		return errors.New("the path holds control characters")
	case path.Base(p) == stagingName:
		return fmt.Errorf("the name %s is used while sockets are made (choose another)", stagingName)
	}
	return nil
}

func checkMode(m fs.FileMode) error {
	for shift, who := range [...]string{"others", "the group", "the owner"} {
		digit := m >> (3 * shift) & 7
		switch {
		case digit&1 != 0:
			return fmt.Errorf("mode %04o has x, which means nothing for sockets (0660 and 0600 are usual)", m)
		case digit == 4:
			return fmt.Errorf("mode %04o: %s could not connect, which takes w (6 instead of 4)", m, who)
		}
	}
	if m > 0o777 {
		return fmt.Errorf("mode %04o has bits that mean nothing for sockets (0660 and 0600 are usual)", m)
	}
	return nil
}

func notPrintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }

// mode is that of the socket.
func (s Socket) mode() fs.FileMode {
	if s.Mode == 0 {
		return defaultMode
	}
	return s.Mode
}

// owners returns the numbers of Owner and Group, -1 for what is to be left as it is.
func (s Socket) owners() (uid, gid int, err error) {
	uid, gid = -1, -1
	if s.Owner != "" {
		a, err := lookupUser(s.Owner)
		if err != nil {
			return -1, -1, err
		}
		uid = a.uid
	}
	if s.Group != "" {
		if gid, err = lookupGroup(s.Group); err != nil {
			return -1, -1, err
		}
	}
	return uid, gid, nil
}
