package daemon

import (
	"sync/atomic"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/secret"
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
// the one that they began with.
func (c *Current) Set(s *Site) { c.site.Store(s) }
