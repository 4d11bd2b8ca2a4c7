package dovecotauth

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/saslkit/saslkit/internal/secret"
)

// The versions spoken here. Other minor numbers are understood; 1.2 is what the login
// processes of Dovecot 2.3 say.
const (
	Major = 1
	Minor = 2
)

// A Version is the first line of either side.
type Version struct{ Major, Minor uint32 }

// Append implements Message.
func (v Version) Append(dst []byte) ([]byte, error) {
	return appendLine(dst, "VERSION", []string{decimal(v.Major), decimal(v.Minor)}, nil)
}

// A Mech announces a mechanism. Of the properties "plaintext", "dictionary", "active",
// "anonymous", "forward-secrecy", "mutual-auth" and "private" are known.
type Mech struct {
	Name       string
	Properties Params
}

// Append implements Message.
func (m Mech) Append(dst []byte) ([]byte, error) {
	if m.Name == "" {
		return dst, errEmpty
	}
	return appendLine(dst, "MECH", []string{m.Name}, m.Properties)
}

// An SPID is the process id of the server.
type SPID string

// Append implements Message.
func (id SPID) Append(dst []byte) ([]byte, error) { return appendWord(dst, "SPID", string(id)) }

// A CUID is a number of the connection, unique in its server process.
type CUID string

// Append implements Message.
func (id CUID) Append(dst []byte) ([]byte, error) { return appendWord(dst, "CUID", string(id)) }

// A Cookie belongs to a connection. Together with the client's CPID it lets another
// process claim a login that was made on it.
type Cookie struct {
	secret.Opaque
	Hex string
}

// Append implements Message.
func (c Cookie) Append(dst []byte) ([]byte, error) { return appendWord(dst, "COOKIE", c.Hex) }

// Done ends the server's part of the handshake.
type Done struct{}

// Append implements Message.
func (Done) Append(dst []byte) ([]byte, error) { return appendLine(dst, "DONE", nil, nil) }

// A CPID is the process id of the client and ends its part of the handshake. To Dovecot
// it is a number from 1 to 4294967295.
type CPID string

// Append implements Message.
func (id CPID) Append(dst []byte) ([]byte, error) { return appendWord(dst, "CPID", string(id)) }

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// maxGreeting bounds the lines of a greeting, known or not.
const maxGreeting = 256

// A Greeting is the server's part of the handshake. The zero value is one of which
// nothing has been read.
type Greeting struct {
	Version Version
	Mechs   []Mech
	SPID    SPID
	CUID    CUID
	Cookie  Cookie

	lines int
}

// Errors of Greeting.
var (
	ErrVersion     = errors.New("dovecotauth: greeting: not version 1 of the auth protocol")
	ErrNoMech      = errors.New("dovecotauth: greeting: no mechanisms (a socket for Dovecot's master instead of one for clients?)")
	ErrUnfinished  = errors.New("dovecotauth: greeting: ends before it is done")
	errManyLines   = errors.New("dovecotauth: greeting: more than 256 lines")
	errNotGreeting = errors.New("dovecotauth: greeting: an answer before the end")
)

// Append appends the whole greeting. The cookie may be missing where no logins can be
// claimed.
func (g Greeting) Append(dst []byte) ([]byte, error) {
	if g.Version.Major != Major {
		return dst, ErrVersion
	}
	if len(g.Mechs) == 0 {
		return dst, ErrNoMech
	}
	lines := []Message{g.Version}
	for _, m := range g.Mechs { // before SPID: by their absence Postfix knows the wrong socket
		lines = append(lines, m)
	}
	lines = append(lines, g.SPID, g.CUID)
	if g.Cookie.Hex != "" {
		lines = append(lines, g.Cookie)
	}
	if len(lines) >= maxGreeting {
		return dst, errManyLines
	}
	all := dst
	for _, m := range append(lines, Done{}) {
		var err error
		if all, err = m.Append(all); err != nil {
			return dst, err
		}
	}
	return all, nil
}

// Add takes the next line and reports whether it was the last. After an error the
// greeting is of no use.
func (g *Greeting) Add(line []byte) (done bool, err error) {
	if g.lines++; g.lines > maxGreeting {
		return false, errManyLines
	}
	m, err := ParseServer(line)
	if err != nil {
		return false, err
	}
	if v, ok := m.(Version); ok && v.Major != Major {
		return false, fmt.Errorf("%w: %d.%d", ErrVersion, v.Major, v.Minor)
	}
	if g.Version.Major != Major {
		if _, ok := m.(Version); !ok {
			return false, ErrVersion
		}
	}
	return g.take(m)
}

func (g *Greeting) take(m Message) (done bool, err error) {
	switch m := m.(type) {
	case Version:
		g.Version = m
	case Mech:
		g.Mechs = append(g.Mechs, m)
	case SPID:
		if len(g.Mechs) == 0 { // a master's greeting ends here, without DONE
			return false, ErrNoMech
		}
		g.SPID = m
	case CUID:
		g.CUID = m
	case Cookie:
		g.Cookie = m
	case Done:
		if len(g.Mechs) == 0 {
			return false, ErrNoMech
		}
		return true, nil
	case OK, Fail, Cont:
		return false, errNotGreeting
	}
	return false, nil
}
