package ldap

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// An entry is a user's. Its DN is always set: that of nobody has one too.
type entry struct {
	secret.Opaque
	dn      string
	account verifier.Account
	held    holding // for Attributes
}

func (d *Directory) valuesOf(r verifier.Request) values {
	return values{user: r.User, realm: cmp.Or(r.Realm, d.o.DefaultRealm), service: r.Service}
}

// nobody is the DN of an entry that does not exist.
func nobody(base string) string {
	dn := "cn=saslkit-" + rand.Text()
	if base != "" {
		dn += "," + base
	}
	return dn
}

// noAttributes asks for the DN alone (RFC 4511 section 4.5.1.8).
var noAttributes = []string{"1.1"}

// found is how many entries a search for one may find: it takes two to know that there is
// more than one.
const found = 2

func (d *Directory) search(base, filter string, scope Scope, attributes []string) *goldap.SearchRequest {
	seconds := min(int64((d.o.TimeLimit+time.Second-1)/time.Second), math.MaxInt32)
	return &goldap.SearchRequest{
		BaseDN: base, Scope: scope.number(), DerefAliases: int(d.o.Deref), SizeLimit: found, TimeLimit: int(seconds),
		Filter: filter, Attributes: attributes, EnforceSizeLimit: true,
	}
}

// find looks for the entry of a user. With ErrNoUser it returns one that nobody has.
func (d *Directory) find(ctx context.Context, s *server, r verifier.Request) (e entry, err error) {
	e, _, err = d.read(ctx, s, r)
	return e, err
}

// read is find, and the entry as it came.
func (d *Directory) read(ctx context.Context, s *server, r verifier.Request) (e entry, raw *goldap.Entry, err error) {
	v := d.valuesOf(r)
	base, _ := d.t.base.expand(v)
	filter, err := d.t.filter.expand(v)
	if err != nil {
		return entry{dn: nobody(base)}, nil, fmt.Errorf("%w: %w", verifier.ErrNoUser, err)
	}
	request := d.search(base, filter, d.o.Scope, d.attributes())
	err = s.service.ask(ctx, func(l *conn) error {
		result, err := l.Search(request)
		raw, err = d.only(result, err)
		return err
	})
	if err != nil {
		return entry{dn: nobody(base)}, nil, err
	}
	e = entry{dn: raw.DN, held: d.holds(raw)}
	e.account, err = d.account(raw, r)
	return e, raw, err
}

// attributes are those that are asked for.
func (d *Directory) attributes() []string {
	var all []string
	if d.o.UserAttribute != "" {
		all = append(all, d.o.UserAttribute)
	}
	if d.o.Method == Attributes {
		all = append(all, d.o.PasswordAttribute, d.o.SCRAMAttribute)
	}
	if all == nil {
		return noAttributes
	}
	return all
}

// only returns the one entry of a result. That a part of what was searched is elsewhere,
// as Active Directory says whenever its whole domain is searched, is not looked at.
func (d *Directory) only(result *goldap.SearchResult, err error) (*goldap.Entry, error) {
	code, _, _ := codeOf(err)
	switch {
	case d.t.base.hasFields() && isNowhere(code):
		return nil, verifier.ErrNoUser
	case err != nil:
		return nil, fmt.Errorf("search: %w", told(err))
	case len(result.Entries) == 0:
		return nil, verifier.ErrNoUser
	case len(result.Entries) > 1:
		return nil, answer("search: " + cures[goldap.LDAPResultSizeLimitExceeded])
	case result.Entries[0].DN == "": // whose bind is nobody's and may succeed
		return nil, answer("search: the entry has no DN")
	}
	return result.Entries[0], nil
}

// account says whose the entry is. Of several names the one that was asked for counts, as
// the directory spells it.
func (d *Directory) account(raw *goldap.Entry, r verifier.Request) (verifier.Account, error) {
	a := verifier.Account{User: r.User, Realm: r.Realm}
	if d.o.UserAttribute == "" {
		return a, nil
	}
	names := raw.GetEqualFoldAttributeValues(d.o.UserAttribute)
	for _, name := range names {
		if len(names) == 1 || strings.EqualFold(cutRealm(name, r.Realm), r.User) {
			if a.User = cutRealm(name, r.Realm); a.User != "" {
				return a, nil
			}
		}
	}
	return verifier.Account{}, fmt.Errorf("the entry has %d values of %s, of which none is the name asked for (choose an attribute with one value)", len(names), d.o.UserAttribute)
}

// cutRealm cuts the realm that was asked for off a name that ends in it.
func cutRealm(name, realm string) string {
	if i := strings.LastIndexByte(name, '@'); i > 0 && strings.EqualFold(name[i+1:], realm) {
		return name[:i]
	}
	return name
}
