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
	options  Options
	pairs    map[pair]int // and the line of each
	members  map[member]int
	memberOf map[identity][]string // the groups of a user
	masters  map[identity]bool     // who acts by a pattern, folded
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

// An actor is a user or, with a name of one, a group.
type actor struct {
	user  identity
	group string
}

func (a actor) String() string {
	if a.group != "" {
		return "@" + a.group
	}
	return a.user.String()
}

// A pair is a rule: who acts, and as whom. A pattern has the user "*", which no name in
// a file is, and that for everybody has no realm.
type pair struct {
	who  actor
	whom identity
}

const everyone = "*"

// A member is a user who is in a group.
type member struct {
	group string
	user  identity
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

// Authorize implements [verifier.Authorizer]. It asks nobody and never fails otherwise than
// with ErrNotPermitted.
func (r *Rules) Authorize(_ context.Context, a verifier.Account, user, realmName string) error {
	if r == nil || a.User == "" {
		return refused(identity{a.User, a.Realm}, identity{user, realmName}, "no rule")
	}
	who, whom := r.options.place(a.User, a.Realm), r.options.place(user, realmName)
	if who == whom {
		return nil
	}
	named, covered := r.allows(actor{user: who}, whom)
	for _, group := range r.memberOf[who] {
		n, c := r.allows(actor{group: group}, whom)
		named, covered = named || n, covered || c
	}
	switch {
	case !named && !covered:
		return refused(who, whom, "no rule")
	case !named && (!whom.whole() || !r.prepared(user)):
		return refused(who, whom, "a pattern covers names in prepared form only")
	case !named && r.masters[whom.folded()]:
		return refused(who, whom, "a pattern does not cover a master user")
	}
	return nil
}

// allows reports whether a rule of somebody names whom to act as, and whether a pattern
// covers him.
func (r *Rules) allows(who actor, whom identity) (named, covered bool) {
	has := func(whom identity) bool { return r.pairs[pair{who, whom}] > 0 }
	named = whom.user != everyone && has(whom)
	return named, has(identity{everyone, ""}) || whom.realm != "" && has(identity{everyone, whom.realm})
}

func (r *Rules) prepared(name string) bool {
	p, err := r.options.prepare(name)
	return err == nil && p == name
}

// refused is a refusal for the log: who asked gets another text.
func refused(who, whom identity, why string) error {
	return fmt.Errorf("acting: %.200q as %.200q: %s: %w", who.String(), whom.String(), why, verifier.ErrNotPermitted)
}
