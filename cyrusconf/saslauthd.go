package cyrusconf

import (
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
)

// A Saslauthd is what saslauthd.conf says to the back ends that read it, with
// saslauthd's default for whatever the file does not set.
type Saslauthd struct {
	Name  string         // of the file
	Lines map[string]int // of the keys that are set; see Where

	LDAP     LDAP
	Kerberos Kerberos
	HTTPForm HTTPForm
}

// LDAP are the options of saslauthd -a ldap, each under the name of its key without
// "ldap_". It prints as REDACTED.
type LDAP struct {
	secret.Opaque
	Servers      []string // URIs
	AuthMethod   AuthMethod
	BindDN       string
	Password     string // by ldap_bind_pw or ldap_password
	PasswordAttr string // for AuthCustom
	Version      int

	// Filter, SearchBase, GroupDN, GroupFilter and GroupSearch are templates.
	SearchBase    string
	Filter        string
	Scope         Scope
	Deref         Deref
	Referrals     bool
	Restart       bool
	DefaultRealm  string        // by ldap_default_realm or ldap_default_domain
	Timeout       time.Duration // of the network and of a search
	TimeLimit     time.Duration // of a search, asked of the server
	SizeLimit     int
	GroupDN       string
	GroupAttr     string
	GroupFilter   string
	GroupSearch   string // ldap_group_search_base
	GroupScope    Scope
	GroupByFilter bool // ldap_group_match_method: filter, and not attr

	// For UseSASL.
	UseSASL            bool
	ID, AuthzID        string
	Realm, Mech        string
	SASLSecprops       string
	StartTLS           bool
	TLSCheckPeer       Check
	CACertFile         string
	CACertDir          string
	Ciphers, Cert, Key string // TLS's; Cert and Key are paths
	Debug              int

	// saslkit's own keys, for AuthCustom but the first.
	UserAttr, SCRAMAttr string   // attributes of the account's name and of SCRAM keys
	Kinds               []string // what every user has: password check scram-sha-256 …
	ListFilter          string   // finds all users, who are counted by it
}

// Kerberos are the options of saslauthd -a kerberos5.
type Kerberos struct {
	Keytab, VerifyPrincipal, Servername string
}

// HTTPForm are the options of saslauthd -a httpform.
type HTTPForm struct {
	Host, Port, URI, Data string
}

// An AuthMethod says how the LDAP back end checks a password.
type AuthMethod uint8

// The values of ldap_auth_method.
const (
	AuthBind     AuthMethod = iota // search the user, then bind as him
	AuthCustom                     // search the user, compare the attribute
	AuthFastbind                   // bind as what the filter expands to, without a search
	AuthCompare                    // search the user, let the server compare; saslkit's own
)

// String returns the word of the file.
func (m AuthMethod) String() string { return authMethods[m] }

// A Scope says how deep a search goes.
type Scope uint8

// The values of ldap_scope and ldap_group_scope.
const (
	ScopeSub Scope = iota
	ScopeOne
	ScopeBase
)

// String returns the word of the file.
func (s Scope) String() string { return scopes[s] }

// A Deref says when aliases are followed.
type Deref uint8

// The values of ldap_deref.
const (
	DerefNever Deref = iota
	DerefSearch
	DerefFind
	DerefAlways
)

// String returns the word of the file.
func (d Deref) String() string { return derefs[d] }

// A Check says whether the certificate of a server must be good.
type Check uint8

// The values of ldap_tls_check_peer.
const (
	// CheckDefault leaves it to libldap, which checks unless ldap.conf says
	// otherwise; the documented default is no.
	CheckDefault Check = iota
	CheckNo
	CheckYes
)

// String returns "default", "no" or "yes".
func (c Check) String() string { return [...]string{"default", "no", "yes"}[c] }

var (
	authMethods = []string{"bind", "custom", "fastbind", "compare"}
	scopes      = []string{"sub", "one", "base"}
	derefs      = []string{"never", "search", "find", "always"}
)

// Saslauthd returns what saslauthd takes the file for, and what is wrong with it.
// Its LDAP back end reads the file by itself: the last line for a key counts, and
// blanks behind a value belong to it.
func (f *File) Saslauthd() (Saslauthd, Faults) {
	v := newView(f, saslauthdKeys)
	v.tails = true
	v.last = func(key string) bool { return strings.HasPrefix(key, "ldap_") }
	v.scan()
	s := Saslauthd{
		Name: f.Name, Lines: v.lines,
		LDAP: v.ldap(),
		Kerberos: Kerberos{
			Keytab:          v.text("krb5_keytab"),
			VerifyPrincipal: v.text("krb5_verify_principal"),
			Servername:      v.text("krb5_servername"),
		},
		HTTPForm: HTTPForm{v.text("httpform_host"), v.text("httpform_port"), v.text("httpform_uri"), v.text("httpform_data")},
	}
	v.boolean("krb5_conv_krb4_instance")
	return s, v.all()
}

// Where says where the value of a key is from: "saslauthd.conf:3", or whose default
// it is.
func (s *Saslauthd) Where(key string) string {
	return where(s.Name, s.Lines, saslauthdKeys, key)
}

func (v *view) ldap() LDAP {
	l := LDAP{
		Servers:      v.words("ldap_servers"),
		AuthMethod:   AuthMethod(v.oneOf("ldap_auth_method", authMethods...)),
		BindDN:       v.text("ldap_bind_dn"),
		Password:     v.either("ldap_bind_pw", "ldap_password"),
		PasswordAttr: v.text("ldap_password_attr"),
		Version:      v.number("ldap_version", 2, 3),

		SearchBase:    v.text("ldap_search_base"),
		Filter:        v.text("ldap_filter"),
		Scope:         Scope(v.oneOf("ldap_scope", scopes...)),
		Deref:         Deref(v.oneOf("ldap_deref", derefs...)),
		Referrals:     v.boolean("ldap_referrals"),
		Restart:       v.boolean("ldap_restart"),
		DefaultRealm:  v.either("ldap_default_realm", "ldap_default_domain"),
		Timeout:       time.Duration(v.number("ldap_timeout", 0, maxSeconds)) * time.Second,
		TimeLimit:     time.Duration(v.number("ldap_time_limit", 0, maxSeconds)) * time.Second,
		SizeLimit:     v.number("ldap_size_limit", 0, 1<<30),
		GroupDN:       v.text("ldap_group_dn"),
		GroupAttr:     v.text("ldap_group_attr"),
		GroupFilter:   v.text("ldap_group_filter"),
		GroupSearch:   v.text("ldap_group_search_base"),
		GroupScope:    Scope(v.oneOf("ldap_group_scope", scopes...)),
		GroupByFilter: v.oneOf("ldap_group_match_method", "attr", "filter") == 1,

		UseSASL:      v.boolean("ldap_use_sasl"),
		ID:           v.either("ldap_id", "ldap_sasl_authc_id"),
		AuthzID:      v.either("ldap_authz_id", "ldap_sasl_authz_id"),
		Realm:        v.either("ldap_realm", "ldap_sasl_realm"),
		Mech:         v.either("ldap_mech", "ldap_sasl_mech"),
		SASLSecprops: v.text("ldap_sasl_secprops"),
		StartTLS:     v.boolean("ldap_start_tls"),
		CACertFile:   v.path("ldap_tls_cacert_file"),
		CACertDir:    v.path("ldap_tls_cacert_dir"),
		Ciphers:      v.text("ldap_tls_ciphers"),
		Cert:         v.path("ldap_tls_cert"),
		Key:          v.path("ldap_tls_key"),
		Debug:        v.number("ldap_debug", -1, 1<<30),

		UserAttr: v.text("ldap_user_attr"), SCRAMAttr: v.text("ldap_scram_attr"),
		Kinds: v.words("ldap_kinds"), ListFilter: v.text("ldap_list_filter"),
	}
	v.imply(&l)
	return l
}

// maxSeconds is more than anybody waits: a day.
const maxSeconds = 86400

// either is the value of a key with two names. The last line counts, whichever name
// it has.
func (v *view) either(a, b string) string {
	if v.lines[b] > v.lines[a] {
		a, b = b, a
	}
	if v.isSet(b) {
		v.add(Warning, v.lines[a], a, "delete one of them", a+" and "+b+" are one option; this line counts")
	}
	return v.text(a)
}

// imply sets what follows from other options, and tells of options that do not go
// together.
func (v *view) imply(l *LDAP) {
	if v.isSet("ldap_tls_check_peer") {
		l.TLSCheckPeer = CheckNo
		if v.boolean("ldap_tls_check_peer") {
			l.TLSCheckPeer = CheckYes
		}
	}
	if l.UseSASL || l.StartTLS {
		l.Version = 3
	}
	if l.UseSASL && l.AuthMethod == AuthBind {
		l.AuthMethod = AuthFastbind
	}
	if l.GroupFilter != "" && l.GroupSearch == "" {
		l.GroupSearch = l.SearchBase
	}
	v.ldapFaults(l)
}

func (v *view) ldapFaults(l *LDAP) {
	for _, uri := range l.Servers {
		scheme, _, ok := strings.Cut(uri, "://")
		switch {
		case !ok || !isIn([]string{"ldap", "ldaps", "ldapi"}, scheme):
			v.refuse("ldap_servers", "write ldap://host/ or ldaps://host/", "ldap_servers: %s is no URI of an LDAP server", quoted(uri))
		case l.StartTLS && strings.EqualFold(scheme, "ldaps"):
			v.refuse("ldap_start_tls", "write no, or ldap://", "ldap_start_tls: the connection to %s is TLS from its beginning", quoted(uri))
		}
	}
	if l.TLSCheckPeer == CheckNo {
		v.warn("ldap_tls_check_peer", "write yes, and the certificate's issuer in ldap_tls_cacert_file", "ldap_tls_check_peer: anybody on the way can pose as the server and read the passwords")
	}
	if l.Filter != "" && !namesUser(l.Filter) && (!namesUser(l.SearchBase) || l.AuthMethod == AuthFastbind) && v.isSet("ldap_filter") {
		v.refuse("ldap_filter", "add (uid=%u)", "ldap_filter: without %%u or %%U every user is the same entry")
	}
	if l.UseSASL && l.AuthMethod == AuthFastbind && strings.EqualFold(l.Mech, "EXTERNAL") {
		key := "ldap_mech"
		if !v.isSet(key) {
			key = "ldap_sasl_mech"
		}
		v.refuse(key, "add ldap_auth_method: custom, or use ldap_bind_dn", "%s: with ldap_use_sasl saslauthd binds as itself whoever logs in, and lets everybody in by any password", key)
	}
	v.groupFaults(l)
}

// namesUser reports whether a template has the name in it.
func namesUser(template string) bool {
	return strings.Contains(template, "%u") || strings.Contains(template, "%U")
}

// groupFaults tells of options of groups that miss each other. saslauthd asks for
// the group if either ldap_group_dn or ldap_group_filter is set, by the method.
func (v *view) groupFaults(l *LDAP) {
	switch {
	case l.GroupDN == "" && l.GroupFilter == "":
		for _, key := range []string{"ldap_group_attr", "ldap_group_search_base", "ldap_group_scope", "ldap_group_match_method"} {
			if v.isSet(key) {
				v.refuse(key, "add ldap_group_dn or ldap_group_filter, or delete the line", "%s has no effect: no group is named, and everybody may log in", key)
				return
			}
		}
	case l.GroupByFilter && l.GroupFilter == "":
		v.refuse("ldap_group_match_method", "add ldap_group_filter", "ldap_group_match_method: filter without ldap_group_filter lets nobody in")
	case !l.GroupByFilter && l.GroupDN == "":
		v.refuse("ldap_group_filter", "add ldap_group_match_method: filter", "ldap_group_filter without ldap_group_match_method: filter lets nobody in")
	}
}
