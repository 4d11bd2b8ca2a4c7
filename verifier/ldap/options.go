package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// Options say where the directory is and how it is asked. Servers must be set, and Filter
// and SearchBase for most methods. It prints as REDACTED.
type Options struct {
	secret.Opaque

	// Servers are URIs, ldap://host:port/, ldaps://host:port/ or ldapi://%2Fpath/, the
	// first of which is asked first.
	Servers []string
	// TLS configures ldaps:// and StartTLS; nil verifies by the system's authorities.
	// The name that is verified is that of the URI, whatever ServerName says.
	TLS *tls.Config
	// StartTLS makes ldap:// connections wait for TLS before anything else. A server
	// without it is not talked to.
	StartTLS bool

	// BindDN and BindPassword are those of the service account; without them searches
	// are anonymous.
	BindDN, BindPassword string
	// External makes the service account that of the TLS client certificate or of the
	// process at the other end of ldapi:// (SASL EXTERNAL).
	External bool

	// Method says how a password is checked.
	Method Method
	// SearchBase is the template of the DN under which users are.
	SearchBase string
	// Filter is the template of the filter that finds a user, and for Fastbind that of
	// the DN; one without a '=' is no DN but a name, as Active Directory takes:
	// %u@example.com.
	Filter string
	// Scope says how deep searches for users go, Deref when aliases are followed.
	Scope Scope
	Deref Deref

	// PasswordAttribute holds passwords, for Compare and Attributes; "" is
	// userPassword.
	PasswordAttribute string
	// SCRAMAttribute holds SCRAM keys, for Attributes (RFC 5803); "" is authPassword.
	// It counts where PasswordAttribute has nothing usable.
	SCRAMAttribute string
	// UserAttribute holds the name that an account has, such as uid; "" keeps the name
	// that was asked for, although directories ignore case and blanks around it.
	UserAttribute string
	// Group is whose member a user has to be.
	Group Group
	// DefaultRealm is %r where a request has none.
	DefaultRealm string

	// Timeout bounds each question to a server, connecting included; 0 is 5 s.
	Timeout time.Duration
	// TimeLimit is the one that servers are told for searches, in whole seconds; 0 is
	// theirs.
	TimeLimit time.Duration
	// Connections is how many there are to each server for either use, searches and
	// binds; 0 is 8. Idle ones are closed after a minute.
	Connections int

	// Kinds are what every user has, for Attributes; none is a password check.
	Kinds verifier.Kinds
	// ListFilter finds all users, for Attributes: Refresh counts by it what they have.
	ListFilter string
	// Hashes says how many hashes are computed at a time, for Attributes.
	Hashes stored.Options
}

// A Group is a condition on users. The zero Group has none.
type Group struct {
	// DN is the template of the group's DN; the user's DN must be a value of its
	// Attribute, "" for uniqueMember. Or
	DN, Attribute string
	// Filter is the template of a filter that must find something under Base.
	Filter, Base string
	Scope        Scope
}

func (g Group) none() bool { return g.DN == "" && g.Filter == "" }

// A Method says how a password is checked.
type Method uint8

// The methods.
const (
	SearchAndBind Method = iota // search the entry, bind as it
	Fastbind                    // bind as the DN that Filter makes
	Compare                     // search the entry, compare its password
	Attributes                  // search the entry, check what it holds
)

// A Scope says how deep a search goes.
type Scope uint8

// The scopes.
const (
	Subtree Scope = iota
	OneLevel
	BaseObject
)

func (s Scope) number() int {
	return [...]int{goldap.ScopeWholeSubtree, goldap.ScopeSingleLevel, goldap.ScopeBaseObject}[s]
}

// A Deref says when aliases are followed.
type Deref uint8

// The values of Deref.
const (
	DerefNever Deref = iota
	DerefSearching
	DerefFinding
	DerefAlways
)

const (
	defaultTimeout     = 5 * time.Second
	defaultConnections = 8
	mostConnections    = 1024
)

// filled returns the options with defaults in place, or what is wrong with them.
func (o Options) filled() (Options, error) {
	defaults := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	defaults(&o.PasswordAttribute, "userPassword")
	defaults(&o.SCRAMAttribute, "authPassword")
	defaults(&o.Group.Attribute, "uniqueMember")
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	return o, o.check()
}

func (o *Options) check() error {
	switch {
	case len(o.Servers) == 0:
		return errors.New("ldap: options: no server")
	case o.Method > Attributes || o.Scope > BaseObject || o.Group.Scope > BaseObject || o.Deref > DerefAlways:
		return errors.New("ldap: options: unknown method, scope or way to follow aliases")
	case o.Timeout < 0 || o.TimeLimit < 0 || o.Connections < 0 || o.Connections > mostConnections:
		return fmt.Errorf("ldap: options: a limit is negative, or more than %d connections", mostConnections)
	case o.External && o.BindDN != "":
		return errors.New("ldap: options: the service account has a DN and is EXTERNAL (choose one)")
	case o.BindDN != "" && o.BindPassword == "":
		return errors.New("ldap: options: the service account has no password: such a bind succeeds and means nothing (set one, or no DN for anonymous searches)")
	case o.Method != Attributes && (o.Kinds != 0 || o.ListFilter != ""):
		return errors.New("ldap: options: kinds and a list of users are for the method that reads attributes")
	case o.Kinds != 0 && o.ListFilter != "":
		return errors.New("ldap: options: kinds are declared and counted (choose one)")
	case o.Group.DN != "" && o.Group.Filter != "":
		return errors.New("ldap: options: a group by DN and by filter (choose one)")
	}
	for _, a := range []string{o.PasswordAttribute, o.SCRAMAttribute, o.UserAttribute, o.Group.Attribute} {
		if strings.ContainsFunc(a, notInAttribute) {
			return fmt.Errorf("ldap: options: %.40q is no name of an attribute", a)
		}
	}
	return nil
}

// notInAttribute tells what no attribute description has (RFC 4512 section 2.5).
func notInAttribute(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-.;", r))
}

// templates are those of the options.
type templates struct {
	base, filter         template // filter is the name to bind as for Fastbind
	group                template // a DN or a filter
	groupBase            template
	listBase, listFilter string
}

func (o *Options) templates() (t templates, err error) {
	parse := func(to *template, f form, what, text string) {
		if err != nil {
			return
		}
		if *to, err = parseTemplate(f, text); err != nil {
			err = fmt.Errorf("ldap: options: %s: %w", what, err)
		}
	}
	switch {
	case o.Method != Fastbind:
		parse(&t.base, inDN, "search base", o.SearchBase)
		parse(&t.filter, inFilter, "filter", o.Filter)
	case strings.Contains(o.Filter, "="):
		parse(&t.filter, inDN, "template of the DN", o.Filter)
	default:
		parse(&t.filter, inName, "template of the name", o.Filter)
	}
	if err == nil && !t.filter.hasUser() && !t.base.hasUser() {
		return t, errors.New("ldap: options: filter: without %u or %U every user is the same entry (add (uid=%u))")
	}
	switch {
	case o.Group.DN != "":
		parse(&t.group, inDN, "group", o.Group.DN)
	case o.Group.Filter != "":
		parse(&t.group, inFilter, "filter of the group", o.Group.Filter)
		parse(&t.groupBase, inDN, "base of the group", o.Group.Base)
	}
	if o.ListFilter == "" || err != nil {
		return t, err
	}
	return t, o.list(&t)
}

// list wants what finds all users to say so without any of them.
func (o *Options) list(t *templates) error {
	filter, err := parseTemplate(inFilter, o.ListFilter)
	switch {
	case err != nil:
		return fmt.Errorf("ldap: options: filter of all users: %w", err)
	case filter.hasFields() || t.base.hasFields():
		return errors.New("ldap: options: filter of all users: it and the search base must hold no field of one user")
	}
	t.listFilter, _ = filter.expand(values{})
	t.listBase, _ = t.base.expand(values{})
	return nil
}
