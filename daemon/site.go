package daemon

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// A Site is what the sockets of a daemon serve. It is not changed once it is in use: a
// new configuration is another Site.
type Site struct {
	secret.Opaque
	// Auth is the configuration of logins. Its Logger gets a record for each, and its
	// Observer, which Metrics can be.
	Auth *saslkit.Authenticator
	// Realm says how names are cut, and which realms are served: no client of these
	// protocols knows.
	Realm realm.Policy
	// HostNames are the names of the servers that ask, for DIGEST-MD5; none: any.
	HostNames []string
}

// Announced lists, in the site's order, what Dovecot's protocol announces when a client
// connects: all that some client of it may use, for the channel of a request is not known
// yet. Without a binding none of them ends in -PLUS.
func (s *Site) Announced() []string {
	clear := s.Auth.Advertised(saslkit.Channel{})
	secure := s.Auth.Advertised(saslkit.Channel{Secure: true, External: announced(s.Auth)})
	var names []string
	for _, m := range offerable(s.Auth) {
		if slices.Contains(clear, m.Name) || slices.Contains(secure, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// offerable are the mechanisms to choose from: the site's in its order, or all of them,
// strongest first.
func offerable(auth *saslkit.Authenticator) []*mech.Mechanism {
	if len(auth.Mechanisms) == 0 {
		return mech.All()
	}
	var order []*mech.Mechanism
	for _, name := range auth.Mechanisms {
		if m := mech.ByName(name); m != nil && !slices.Contains(order, m) {
			order = append(order, m)
		}
	}
	return order
}

// announced is an identity for EXTERNAL to be announced with, where the site named it.
func announced(auth *saslkit.Authenticator) string {
	if mech.Listed(auth.Mechanisms, mech.EXTERNAL.Name) {
		return "somebody"
	}
	return ""
}

// A Current is the Site in force. It may be used concurrently.
type Current struct{ site atomic.Pointer[Site] }

// NewCurrent returns a Current that has a site.
func NewCurrent(s *Site) *Current {
	c := new(Current)
	c.Set(s)
	return c
}

// Site returns the site for the next login.
func (c *Current) Site() *Site { return c.site.Load() }

// Set makes s the site of every login that begins from now on. Those under way end with
// the one that they began with, so what it asks is not closed at once: no login takes
// longer than 3 minutes. A sasldb need not be closed, for it is collected.
//
// The new site gets the [saslkit.Authenticator.Guard] of the old one, or whoever guesses
// begins anew, and the same DecoyKey, or SCRAM's salts for names that nobody has change.
func (c *Current) Set(s *Site) { c.site.Store(s) }

// incomplete says what is not set of what a handler of this name serves.
func (c *Current) incomplete(handler string) error {
	switch {
	case c == nil:
		return fmt.Errorf("daemon: %s.Current is not set", handler)
	case c.Site() == nil:
		return fmt.Errorf("daemon: %s.Current has no site (NewCurrent gives it one)", handler)
	case c.Site().Auth == nil:
		return errors.New("daemon: Site.Auth is not set")
	}
	return nil
}

func (d *Dovecot) incomplete() error   { return d.Current.incomplete("Dovecot") }
func (s *Saslauthd) incomplete() error { return s.Current.incomplete("Saslauthd") }
func (p *Pwcheck) incomplete() error   { return p.Current.incomplete("Pwcheck") }
