package ldap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A Directory is a [verifier.Verifier] that asks LDAP servers, and a SecretStore if its
// method is Attributes. It may be used concurrently. Two goroutines run for each open
// connection; they end with it.
type Directory struct {
	secret.Opaque
	o        Options
	t        templates
	servers  []*server
	checker  *stored.Checker
	recent   recent
	coverage atomic.Pointer[verifier.Coverage]
}

var _ verifier.SecretStore = (*Directory)(nil)

// New checks the options. It does not connect: the directory may start later. The error
// says which option is missing, contradicts another, or is no template.
func New(o Options) (*Directory, error) {
	o, err := o.filled()
	if err != nil {
		return nil, err
	}
	d := &Directory{o: o, checker: stored.NewChecker(o.Hashes)}
	if d.t, err = o.templates(); err != nil {
		return nil, err
	}
	for _, uri := range o.Servers {
		t, err := parseTarget(uri, &o)
		if err != nil {
			return nil, err
		}
		d.servers = append(d.servers, newServer(&d.o, t))
	}
	coverage := verifier.Declared(slices.AppendSeq([]verifier.Kind{verifier.KindCheck}, o.Kinds.All())...)
	d.coverage.Store(&coverage)
	return d, nil
}

// String is "ldap:" and the servers.
func (d *Directory) String() string { return "ldap:" + strings.Join(d.o.Servers, " ") }

// Close closes all connections when they are not in use any more. Later checks open and
// close one each.
func (d *Directory) Close() error {
	for _, s := range d.servers {
		s.service.close()
		s.users.close()
	}
	return nil
}

// Coverage implements [verifier.SecretSource]: what [Options.Kinds] declare, or what
// [Directory.Refresh] has counted.
func (d *Directory) Coverage() verifier.Coverage { return *d.coverage.Load() }

// VerifyPassword implements [verifier.Verifier]. The name that the account has is that of
// [Options.UserAttribute]. A directory that refers elsewhere, finds several entries or
// does not answer gives an error that matches [verifier.ErrUnavailable].
func (d *Directory) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if password == "" || strings.IndexByte(password, 0) >= 0 {
		return verifier.Account{}, fmt.Errorf("ldap: %w: it is empty or holds a NUL", verifier.ErrWrongPassword)
	}
	var account verifier.Account
	err := each(ctx, d.servers, func(s *server) (err error) {
		account, err = d.check(ctx, s, r, password)
		return err
	})
	if err != nil {
		return verifier.Account{}, fmt.Errorf("ldap: %w", err)
	}
	return account, nil
}

func (d *Directory) check(ctx context.Context, s *server, r verifier.Request, password string) (verifier.Account, error) {
	if d.o.Method == Fastbind {
		return d.fastbind(ctx, s, r, password)
	}
	e, lookup := d.find(ctx, s, r)
	if !verifier.Answered(lookup) {
		return verifier.Account{}, lookup
	}
	var err error
	switch d.o.Method {
	case SearchAndBind:
		err = s.users.ask(ctx, bindAs(e.dn, password, nil))
	case Compare:
		err = d.compare(ctx, s, e.dn, password)
	case Attributes:
		err = d.match(ctx, e, r, password)
	}
	switch {
	case lookup != nil && isAnswer(err): // what was asked about nobody says nothing
		return verifier.Account{}, lookup
	case err != nil:
		return verifier.Account{}, err
	}
	return e.account, s.service.ask(ctx, d.member(r, e.dn))
}

// fastbind asks for the group as the user, as saslauthd does: there may be no service
// account. A name that cannot be one costs a bind too.
func (d *Directory) fastbind(ctx context.Context, s *server, r verifier.Request, password string) (verifier.Account, error) {
	name, lookup := d.t.filter.expand(d.valuesOf(r))
	if lookup != nil {
		name, lookup = nobody(""), fmt.Errorf("%w: %w", verifier.ErrNoUser, lookup)
	}
	err := s.users.ask(ctx, bindAs(name, password, d.member(r, name)))
	if lookup != nil && isAnswer(err) {
		err = lookup
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, err
}

// bindAs binds, and asks more as who that is.
func bindAs(name, password string, more func(*conn) error) func(*conn) error {
	return func(l *conn) error {
		request := goldap.NewSimpleBindRequest(name, password, []goldap.Control{goldap.NewControlBeheraPasswordPolicy()})
		answer, err := l.SimpleBind(request)
		var controls []goldap.Control
		if answer != nil {
			controls = answer.Controls
		}
		if err = bound(err, controls); err != nil || more == nil {
			return err
		}
		return more(l)
	}
}

// compare asks whether the password is one of the entry's.
func (d *Directory) compare(ctx context.Context, s *server, dn, password string) error {
	return s.service.ask(ctx, func(l *conn) error {
		match, err := l.Compare(dn, d.o.PasswordAttribute, password)
		code, _, _ := codeOf(err)
		switch {
		case code == goldap.LDAPResultNoSuchAttribute:
			return fmt.Errorf("%w: the entry has no %s", verifier.ErrNoSecret, d.o.PasswordAttribute)
		case code == goldap.LDAPResultNoSuchObject:
			return verifier.ErrNoUser
		case err != nil:
			return told(err)
		case !match:
			return verifier.ErrWrongPassword
		}
		return nil
	})
}

var errNotMember = fmt.Errorf("%w: not a member of the group", verifier.ErrDisabled)

// member asks whether the user belongs to the group that is needed.
func (d *Directory) member(r verifier.Request, dn string) func(*conn) error {
	if d.o.Group.none() {
		return func(*conn) error { return nil }
	}
	v := d.valuesOf(r)
	v.dn = dn
	group, err := d.t.group.expand(v)
	if err != nil {
		return func(*conn) error { return errNotMember }
	}
	if d.o.Group.DN != "" {
		return func(l *conn) error {
			match, err := l.Compare(group, d.o.Group.Attribute, dn)
			code, _, _ := codeOf(err)
			switch {
			case err == nil && match:
				return nil
			case err == nil, code == goldap.LDAPResultNoSuchAttribute, d.t.group.hasFields() && isNowhere(code):
				return errNotMember
			}
			return fmt.Errorf("group: %w", told(err))
		}
	}
	base, _ := d.t.groupBase.expand(v)
	request := d.search(base, group, d.o.Group.Scope, noAttributes)
	return func(l *conn) error {
		result, err := l.Search(request)
		code, _, _ := codeOf(err)
		switch {
		case result != nil && len(result.Entries) > 0:
			return nil
		case err == nil, d.t.groupBase.hasFields() && isNowhere(code):
			return errNotMember
		}
		return fmt.Errorf("group: %w", told(err))
	}
}
