package main

import "net/url"

// A serverAddress is a URL of the command line.
type serverAddress struct {
	protocol string // "smtp" or "imap": the service of SASL, too
	host     string
	port     string
	implicit bool // TLS from the first byte
}

// parseServer reads a URL. Errors do not repeat it: people write passwords
// there.
func parseServer(text string) (serverAddress, error) {
	u, err := url.Parse(text)
	if err != nil {
		return serverAddress{}, usage("login: the URL is not like smtp://host:port")
	}
	kind, known := serverKinds[u.Scheme]
	switch {
	case !known:
		return serverAddress{}, usage("login: the URL is of no known kind (known: smtp:// smtps:// imap:// imaps://)")
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

// serverKinds are the schemes, each with its registered port (RFC 8314 for
// those with TLS from the start).
var serverKinds = map[string]serverAddress{
	"smtp":  {protocol: "smtp", port: "587"},
	"smtps": {protocol: "smtp", port: "465", implicit: true},
	"imap":  {protocol: "imap", port: "143"},
	"imaps": {protocol: "imap", port: "993", implicit: true},
}
