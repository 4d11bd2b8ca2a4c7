package main

import (
	"context"
	"os"
	"strings"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pam"
	"github.com/saslkit/saslkit/verifier/shadow"
	"github.com/saslkit/saslkit/verifier/stored"
)

// An oldBackend is a mechanism of saslauthd's -a.
type oldBackend struct {
	name, file string
	realms     bool // it looks at the realm
	open       func(*oldSaslauthd) (verifier.Verifier, error)
}

// oldBackends are those that need nothing but this program, and PAM if that was built in.
var oldBackends = []oldBackend{
	{"sasldb", defaultDB, true, openOldSasldb},
	{"getpwent", "/etc/passwd", false, openOldShadow},
	{"shadow", "/etc/shadow", false, openOldShadow},
	{"pam", "", false, openOldPam},
	{"ldap", "/etc/saslauthd.conf", true, openOldLDAP},
}

func knownBackends() string {
	var names []string
	for _, b := range oldBackends {
		if b.name != "pam" || pam.Built {
			names = append(names, b.name)
		}
	}
	return strings.Join(names, " ")
}

func openOldShadow(s *oldSaslauthd) (verifier.Verifier, error) {
	db, err := shadow.OpenWith(s.file, stored.Options{Parallel: s.parallel()})
	if err != nil {
		return nil, err
	}
	sayAll(s.std, db.Faults())
	return s.cached(db, db.Mark), nil
}

func openOldSasldb(s *oldSaslauthd) (verifier.Verifier, error) {
	db, err := sasldb.Open(s.file)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	return oldSasldb{db, host}, nil
}

// An oldSasldb is a sasldb with all the realms that it holds, where a name without one is
// in that of the host. Names come joined, login@realm: so one with an '@' and no realm
// beside it reaches that realm, which with the original it does not.
type oldSasldb struct {
	db   *sasldb.DB
	host string
}

func (o oldSasldb) String() string { return o.db.String() }

// VerifyPassword implements verifier.Verifier.
func (o oldSasldb) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if r.User, r.Realm = cutLast(r.User); r.Realm == "" {
		r.Realm = o.host
	}
	return o.db.VerifyPassword(ctx, r, password)
}

// cutLast cuts a name where libsasl2 does.
func cutLast(name string) (user, realm string) {
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return name, ""
}
