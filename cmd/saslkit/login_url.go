package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A serverAddress is a URL of the command line.
type serverAddress struct {
	protocol string
	service  string // of SASL
	host     string
	port     string
	implicit bool   // TLS from the first byte
	path     string // of a unix socket, in the place of host and port
}

// parseServer reads a URL. Errors do not repeat it: people write passwords
// there.
func parseServer(text string) (serverAddress, error) {
	if address, ok := strings.CutPrefix(text, "dovecot:"); ok {
		return parseDovecot(address)
	}
	if path, ok := strings.CutPrefix(text, "saslauthd:"); ok {
		return serverAddress{protocol: "saslauthd", service: "smtp", path: muxPath(path)}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return serverAddress{}, usage("login: the URL is not like smtp://host:port")
	}
	kind, known := serverKinds[u.Scheme]
	switch {
	case !known:
		return serverAddress{}, usage("login: the URL is of no known kind (known: %s)", strings.Join(knownServers(), " "))
	case u.User != nil:
		return serverAddress{}, usage("login: the user is an argument of its own, and the password is never one")
	case u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return serverAddress{}, usage("login: the URL is not like %s://host:port", u.Scheme)
	}
	kind.host = u.Hostname()
	if u.Port() != "" {
		kind.port = u.Port()
	}
	return kind, nil
}

// parseDovecot reads the address of a socket that speaks Dovecot's auth protocol: a path
// or inet:HOST:PORT, as Postfix has it in smtpd_sasl_path.
func parseDovecot(address string) (serverAddress, error) {
	s := serverAddress{protocol: "dovecot", service: "smtp", host: "localhost"}
	hostPort, isInet := strings.CutPrefix(address, "inet:")
	var err error
	switch {
	case isInet:
		if s.host, s.port, err = net.SplitHostPort(hostPort); err != nil || s.host == "" || s.port == "" {
			return serverAddress{}, usage("login: the address is not like dovecot:inet:host:port")
		}
	case address == "" || strings.ContainsRune(address, 0):
		return serverAddress{}, usage("login: the path of a socket is missing (dovecot:PATH)")
	default:
		s.path = address
	}
	return s, nil
}

// serverKinds are the schemes of servers with a host, each with its registered port (RFC
// 8314 for those with TLS from the start).
var serverKinds = map[string]serverAddress{
	"smtp":  {protocol: "smtp", service: "smtp", port: "587"},
	"smtps": {protocol: "smtp", service: "smtp", port: "465", implicit: true},
	"imap":  {protocol: "imap", service: "imap", port: "143"},
	"imaps": {protocol: "imap", service: "imap", port: "993", implicit: true},
	"pop3":  {protocol: "pop3", service: "pop", port: "110"},
	"pop3s": {protocol: "pop3", service: "pop", port: "995", implicit: true},
	"sieve": {protocol: "sieve", service: "sieve", port: "4190"},
}

// knownServers are all kinds of URLs, as people write them.
func knownServers() []string {
	var all []string
	for scheme := range serverKinds {
		all = append(all, scheme+"://")
	}
	slices.Sort(all)
	return append(all, "dovecot:PATH", "saslauthd:PATH")
}

// dial connects to the server.
func (s serverAddress) dial(ctx context.Context, patience time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	network, address := "tcp", net.JoinHostPort(s.host, s.port)
	if s.path != "" {
		network, address = "unix", s.path
	}
	conn, err := d.DialContext(ctx, network, address)
	cure := ""
	var timeout net.Error
	switch {
	case network == "tcp" && errors.Is(err, syscall.ECONNREFUSED):
		cure = " (nobody listens on that port: is the server started?)"
	case network == "tcp" && errors.As(err, &timeout) && timeout.Timeout():
		cure = fmt.Sprintf(" (no answer in %v: does a firewall drop what goes to that port?)", patience)
	case network == "tcp":
	case errors.Is(err, fs.ErrPermission):
		cure = " (who may connect say the socket's mode and those of the folders above it)"
	case errors.Is(err, fs.ErrNotExist):
		cure = " (is the server started, and is this its socket? Postfix writes it without /var/spool/postfix)"
	case errors.Is(err, syscall.ECONNREFUSED):
		cure = " (the server has ended and left its socket behind)"
	}
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, cure)
	}
	return conn, nil
}
