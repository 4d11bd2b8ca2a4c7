package acting

import (
	"context"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// Options say how names are understood. They are those of the server.
type Options struct {
	// Realm is how names are cut, and the realm of those without one. A rule for a
	// realm that is not served is kept: stores may say that a user is in it.
	Realm realm.Policy
	// Prepare prepares a name; nil: by SASLprep. A server with another
	// Authenticator.Names has its method Prepare here.
	Prepare func(name string) (string, error)
}

func (o *Options) prepare(name string) (string, error) {
	if o.Prepare == nil {
		return saslprep.Query(name)
	}
	return o.Prepare(name)
}

// Rules say who may act as whom. They do not change and may be used concurrently. Nil
// and the zero value let nobody act as somebody else.
type Rules struct {
	options Options
	users   map[identity]*grant
	groups  map[string]*group
	// memberOf are what the groups of a user may do.
	memberOf map[identity][]*grant
	// masters are those who act by a pattern, folded.
	masters map[identity]bool
}

var _ verifier.Authorizer = (*Rules)(nil)

// An identity is a user of a realm, or of none.
type identity struct{ user, realm string }

func (i identity) String() string { return realm.Join(i.user, i.realm) }

// folded is for comparing without regard to case.
func (i identity) folded() identity {
	fold := func(s string) string { return strings.ToLower(strings.ToUpper(s)) }
	return identity{fold(i.user), fold(i.realm)}
}

// whole reports whether neither half is missing.
func (i identity) whole() bool {
	return i.user != "" && !strings.HasPrefix(i.user, "@") && !strings.HasSuffix(i.user, "@")
}

// A grant is as whom somebody may act. The numbers are those of lines, 0 for none.
type grant struct {
	names  map[identity]int
	realms map[string]int
	all    int
}

// pattern reports whether the grant has one: its owner is then a master user.
func (g *grant) pattern() bool { return g.all > 0 || len(g.realms) > 0 }

// covers reports whether a pattern has a name in it.
func (g *grant) covers(whom identity) bool { return g.all > 0 || g.realms[whom.realm] > 0 }

// A group is users who may act as the same others.
type group struct {
	members map[identity]int // and the line of each
	grant   grant
	line    int // the first that uses it
}

// place is the identity of a name that was cut. Where there are no realms the name has
// its realm in it still, and it is the same user.
func (o *Options) place(user, realmName string) identity {
	if realmName == "" {
		at := strings.LastIndexByte(user, '@')
		if o.Realm.Rule == realm.CyrusFirstAt {
			at = strings.IndexByte(user, '@')
		}
		if at > 0 && at < len(user)-1 {
			return identity{user[:at], user[at+1:]}
		}
	}
	return identity{user, realmName}
}

// Authorize implements verifier.Authorizer. It asks nobody and never fails otherwise than
// with ErrNotPermitted.
func (r *Rules) Authorize(_ context.Context, a verifier.Account, user, realmName string) error {
	if r == nil || a.User == "" {
		return refused(identity{a.User, a.Realm}, identity{user, realmName}, "no rule")
	}
	who, whom := r.options.place(a.User, a.Realm), r.options.place(user, realmName)
	if who == whom {
		return nil
	}
	covered := false
	for _, g := range r.grants(who) {
		if g.names[whom] > 0 {
			return nil
		}
		covered = covered || g.covers(whom)
	}
	switch {
	case !covered:
		return refused(who, whom, "no rule")
	case !whom.whole() || !r.prepared(user):
		return refused(who, whom, "a pattern covers names in prepared form only")
	case r.masters[whom.folded()]:
		return refused(who, whom, "a pattern does not cover a master user")
	}
	return nil
}

// grants are what lets a user act.
func (r *Rules) grants(who identity) []*grant {
	own, ok := r.users[who]
	if !ok {
		return r.memberOf[who]
	}
	return append([]*grant{own}, r.memberOf[who]...)
}

func (r *Rules) prepared(name string) bool {
	p, err := r.options.prepare(name)
	return err == nil && p == name
}

// refused is a refusal for the log: who asked gets another text.
func refused(who, whom identity, why string) error {
	return fmt.Errorf("acting: %.200q as %.200q: %s: %w", who.String(), whom.String(), why, verifier.ErrNotPermitted)
}
