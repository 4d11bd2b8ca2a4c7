package mech

import (
	"slices"
	"strings"

	"github.com/saslkit/saslkit/verifier"
)

// A Mechanism is one row of the table: the facts from which a server decides
// what to advertise, and the two constructors. Rows are not changed.
type Mechanism struct {
	Name     string     // as registered, 1 to 20 characters of A-Z 0-9 - _
	Provides Properties // what it gives against attackers
	Need     Need       // what serves it
	// Secrets are the kinds of secret that serve it, best first. For NeedPassword
	// and NeedSecret only.
	Secrets []verifier.Kind
	// Binds says that it binds to the TLS channel (-PLUS).
	Binds bool
	// Plus is the row of the same mechanism that binds; nil if there is none.
	Plus *Mechanism
	// Stores says that a login changes the secret, so that the store must be one that
	// can be written.
	Stores bool
	// OnlyIfNamed keeps it off unless the site's mech_list names it.
	OnlyIfNamed bool
	// TLSOnly keeps our clients from using it in the clear, unless their Policy asks
	// for nothing there.
	TLSOnly bool
	// ServerFirst says that the server speaks first, so that a client has no
	// initial response (RFC 4422 section 5 item 2a).
	ServerFirst bool
	// MaxResponse bounds every client response, in bytes after base64, before
	// it is parsed.
	MaxResponse int

	// strongest is the strength of the strongest security layer that it can negotiate
	// within limits; nil: it has none.
	strongest func(Layers) int

	server func(serverBase) Server
	client func(client) Client
}

// NewServer begins an exchange on the server's side. It keeps both arguments.
func (m *Mechanism) NewServer(cfg *ServerConfig, b Backend) Server {
	return m.server(serverBase{cfg, b, m})
}

// NewClient begins an exchange on the client's side. It keeps the configuration. What is
// wrong with the credentials is told by Start or Next.
func (m *Mechanism) NewClient(cfg *ClientConfig) Client {
	return m.client(client{ClientConfig: cfg})
}

// WithoutBinding is the name of the same mechanism without channel binding.
func (m *Mechanism) WithoutBinding() string { return strings.TrimSuffix(m.Name, plusSuffix) }

// A Need is what a mechanism asks of the server.
type Need uint8

// What mechanisms need.
const (
	NeedNothing  Need = iota
	NeedPassword      // a verifier that checks passwords
	NeedSecret        // a source of one of the row's kinds of secret
	NeedToken         // a token verifier
	NeedGSS           // a GSS acceptor
	NeedExternal      // an identity that the channel has proven
)

var needNames = [...]string{"nothing", "a password check", "a stored secret", "a token verifier", "a GSS acceptor", "an external identity"}

// String returns the words used in messages.
func (n Need) String() string { return needNames[n] }

// table lists the mechanisms, strongest first, as Cyrus orders them: mutual
// authentication before none, no plaintext before plaintext, a proof that covers
// the channel before one that does not, and a proof by the channel before everything.
var table = []*Mechanism{
	EXTERNAL,
	SCRAMSHA3512PLUS, SCRAMSHA512PLUS, SCRAMSHA384PLUS, SCRAMSHA256PLUS, SCRAMSHA224PLUS, SCRAMSHA1PLUS,
	SCRAMSHA3512, SCRAMSHA512, SCRAMSHA384, SCRAMSHA256, SCRAMSHA224, SCRAMSHA1,
	DIGESTMD5, OTP, CRAMMD5, NTLM, OAUTHBEARER, XOAUTH2, PLAIN, LOGIN, ANONYMOUS,
}

// All returns the mechanisms, strongest first. The caller owns the slice.
func All() []*Mechanism { return slices.Clone(table) }

// ByName finds a mechanism; the case of the name does not matter. It returns
// nil for a name that is not in the table.
func ByName(name string) *Mechanism {
	if len(name) > 20 { // RFC 4422 section 3.1
		return nil
	}
	if m := byName[name]; m != nil {
		return m
	}
	if m := byName[strings.ToUpper(name)]; m != nil && SameName(m.Name, name) {
		return m
	}
	return nil
}

// byName is the table again: with a row for each mechanism to look at, a look-up
// would be a twentieth of what PLAIN costs.
var byName = func() map[string]*Mechanism {
	rows := make(map[string]*Mechanism, len(table))
	for _, m := range table {
		rows[m.Name] = m
	}
	return rows
}()

// Listed reports whether a list names a mechanism, in whatever case. The name of a
// mechanism does not stand for its -PLUS here.
func Listed(list []string, name string) bool {
	for _, n := range list {
		if SameName(n, name) {
			return true
		}
	}
	return false
}

// SameName reports whether two names are of one mechanism, whatever the case of
// their letters. Only ASCII letters have cases here.
func SameName(a, b string) bool {
	return a == b || len(a) == len(b) && strings.EqualFold(a, b)
}
