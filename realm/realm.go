package realm

import (
	"errors"
	"slices"
	"strings"
)

// A Rule says where a name is cut.
type Rule uint8

const (
	// OneAt cuts at the only '@' and refuses a name with two.
	OneAt Rule = iota
	// CyrusFirstAt cuts at the first '@', as Cyrus does for sasldb and SQL:
	// "a@b@c" is user "a" in realm "b@c".
	CyrusFirstAt
	// CyrusLastAt cuts at the last '@', as Cyrus does for saslauthd:
	// "a@b@c" is user "a@b" in realm "c".
	CyrusLastAt
)

// A Policy says which realms there are and how names are cut. The zero Policy
// has no realms: a name is the user as it stands, with the '@' that may be in it.
// A Policy is not changed by its methods and may be shared.
type Policy struct {
	// Default is the realm of a name without '@'. DIGEST-MD5 offers it first.
	Default string
	// Others are the further realms that a client may name. With Cyrus a client
	// reaches every realm that the file happens to hold; here only these.
	Others []string
	// Rule is where a name is cut. OneAt refuses a name with two '@' even where
	// there are no realms.
	Rule Rule
}

// Errors of [Policy.Split]. To the peer both look like a wrong password.
var (
	// ErrAmbiguous: the name has two '@' and no Cyrus rule was chosen.
	ErrAmbiguous = errors.New("realm: name has more than one '@'")
	// ErrUnknown: the name is in a realm that the policy does not list.
	ErrUnknown = errors.New("realm: realm is not served here")
)

// Split returns the user and the realm of a prepared name. Realms are compared
// byte by byte, as sasldb does. The error is [ErrAmbiguous] or [ErrUnknown]. With
// ErrUnknown the two halves are returned too, so that they can be logged and so
// that refusing costs a look-up like any other failure.
func (p Policy) Split(name string) (user, realm string, err error) {
	i := strings.IndexByte(name, '@')
	if i < 0 {
		return name, p.Default, nil
	}
	last := strings.LastIndexByte(name, '@')
	if i != last {
		switch p.Rule {
		case CyrusFirstAt:
		case CyrusLastAt:
			i = last
		default:
			return "", "", ErrAmbiguous
		}
	}
	if !p.any() {
		return name, "", nil
	}
	user, realm = name[:i], name[i+1:]
	if !p.Serves(realm) {
		return user, realm, ErrUnknown
	}
	return user, realm, nil
}

// Serves reports whether a client may name this realm. A policy without a default
// realm serves "", that of names without one.
func (p Policy) Serves(realm string) bool {
	return realm == p.Default || slices.Contains(p.Others, realm)
}

// Realms lists the realms, the default one first; nil when there are none. The
// caller owns the result.
func (p Policy) Realms() []string {
	if !p.any() {
		return nil
	}
	realms := make([]string, 0, 1+len(p.Others))
	if p.Default != "" {
		realms = append(realms, p.Default)
	}
	for _, r := range p.Others {
		if r != "" && !slices.Contains(realms, r) {
			realms = append(realms, r)
		}
	}
	return realms
}

func (p Policy) any() bool { return p.Default != "" || len(p.Others) > 0 }

// Join is the reverse of [Policy.Split] for printing: "user@realm", or the user alone
// when there is no realm.
func Join(user, realm string) string {
	if realm == "" {
		return user
	}
	return user + "@" + realm
}
