package mech

import (
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/saslprep"
)

// Limits bound what a peer may send, in bytes of UTF-8. Zero means the default.
// Values over the hard maximum count as the hard maximum.
type Limits struct {
	Name     int // each name alone, after decoding: 255, at most 1,024
	Password int // 1,024, at most 4,096
}

// Buffers and bounds that are applied before parsing are made from the hard
// maximums, so that a site that raises a limit can use what it raised.
const (
	defaultNameLimit     = 255
	maxNameLimit         = 1024
	defaultPasswordLimit = 1024
	maxPasswordLimit     = 4096
)

func (l Limits) name() int     { return within(l.Name, defaultNameLimit, maxNameLimit) }
func (l Limits) password() int { return within(l.Password, defaultPasswordLimit, maxPasswordLimit) }

func within(limit, fallback, most int) int {
	if limit <= 0 {
		return fallback
	}
	return min(limit, most)
}

// prepareName checks a name as it was received and prepares it: within the limit
// and not empty, before and after preparation; valid UTF-8 without NUL. A name
// that fails is refused before any look-up.
func (c *ServerConfig) prepareName(name string) (string, error) {
	if c.Names == SASLprep && name != "" && len(name) <= c.Limits.name() && saslprep.IsPrintableASCII(name) {
		return name, nil // nearly all names: the rest finds nothing to do
	}
	if err := c.Limits.checkName(name); err != nil {
		return "", err
	}
	prepared, err := c.Names.Prepare(name)
	switch {
	case err == errLongName || len(prepared) > c.Limits.name():
		return "", &Error{Class: Limit, Code: "too-long"}
	case err != nil:
		return "", malformed("prep", err)
	}
	return prepared, nil
}

func (l Limits) checkName(name string) error {
	switch {
	case len(name) == 0:
		return malformed("malformed", errEmptyName)
	case len(name) > l.name():
		return &Error{Class: Limit, Code: "too-long"}
	case !utf8.ValidString(name):
		return malformed("malformed", errUTF8)
	case strings.IndexByte(name, 0) >= 0:
		return malformed("malformed", errNUL)
	}
	return nil
}

// prepareAuthzid is prepareName for a name that may be empty.
func (c *ServerConfig) prepareAuthzid(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	return c.prepareName(name)
}

// preparePassword prepares a password as it was received. One that SASLprep
// refuses is used as it came, as PostgreSQL does: still one attempt. Empty,
// also after preparation, never reaches a verifier: a directory would take it
// for an anonymous bind (RFC 4513 section 5.1.2).
func (l Limits) preparePassword(password string) (string, error) {
	if len(password) > l.password() {
		return "", &Error{Class: Limit, Code: "too-long"}
	}
	if password != "" && saslprep.IsPrintableASCII(password) {
		return password, nil
	}
	if strings.IndexByte(password, 0) >= 0 {
		return "", malformed("malformed", errNUL)
	}
	prepared := saslprep.Password(password)
	if prepared == "" {
		return "", refused("empty-password")
	}
	return prepared, nil
}

type nameError string

func (e nameError) Error() string { return "mech: " + string(e) }

const (
	errEmptyName nameError = "name is empty"
	errLongName  nameError = "name is too long"
	errUTF8      nameError = "not UTF-8"
	errNUL       nameError = "holds NUL"
)
