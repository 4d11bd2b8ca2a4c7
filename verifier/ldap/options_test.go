package ldap

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	const server = "ldap://localhost/"
	for name, change := range map[string]func(*Options){
		"no server":              func(o *Options) { o.Servers = nil },
		"no URI":                 func(o *Options) { o.Servers = []string{"localhost"} },
		"another scheme":         func(o *Options) { o.Servers = []string{"http://localhost/"} },
		"a DN in the URI":        func(o *Options) { o.Servers = []string{server + "dc=x"} },
		"a name in the URI":      func(o *Options) { o.Servers = []string{"ldap://cn=x:canary@localhost/"} },
		"TLS twice":              func(o *Options) { o.Servers, o.StartTLS = []string{server, "ldaps://localhost/"}, true },
		"no filter":              func(o *Options) { o.Filter = "" },
		"filter for everybody":   func(o *Options) { o.Filter = "(uid=*)" },
		"half a filter":          func(o *Options) { o.Filter = "(uid=%u" },
		"unknown field":          func(o *Options) { o.SearchBase = "ou=%x" },
		"the whole name":         func(o *Options) { o.Method, o.Filter = Fastbind, "%u" },
		"one DN for everybody":   func(o *Options) { o.Method, o.Filter = Fastbind, "cn=x" },
		"account, no password":   func(o *Options) { o.BindDN = "cn=x" },
		"two accounts":           func(o *Options) { o.BindDN, o.BindPassword, o.External = "cn=x", "canary", true },
		"two groups":             func(o *Options) { o.Group = Group{DN: "cn=x", Filter: "(cn=x)"} },
		"kinds without contents": func(o *Options) { o.Kinds = verifier.AllKinds },
		"list of one realm":      func(o *Options) { o.Method, o.ListFilter = Attributes, "(uid=%u)" },
		"kinds and a list":       func(o *Options) { o.Method, o.ListFilter, o.Kinds = Attributes, "(uid=*)", verifier.AllKinds },
		"attribute":              func(o *Options) { o.PasswordAttribute = "userPassword=*)(uid" },
		"unknown method":         func(o *Options) { o.Method = 9 },
		"negative":               func(o *Options) { o.Timeout = -1 },
		"too many":               func(o *Options) { o.Connections = 1 << 20 },
	} {
		o := searchOptions(server)
		change(&o)
		d, err := New(o)
		if err == nil || d != nil || !strings.HasPrefix(err.Error(), "ldap: options: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	o := searchOptions(server)
	o.SearchBase, o.Filter, o.Scope = "uid=%u,dc=x", "(objectClass=person)", BaseObject
	if _, err := New(o); err != nil {
		t.Errorf("the name in the base: %v", err)
	}
}

// Nothing that holds a password prints it.
func TestRedacted(t *testing.T) {
	t.Parallel()
	o := searchOptions("ldap://localhost/")
	o.BindDN, o.BindPassword, o.Timeout = "cn=x", "canary", time.Second
	d := newTest(t, o)
	for _, v := range []any{o, d, d.o} {
		if shown := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(shown, "canary") {
			t.Errorf("%T prints %s", v, shown)
		}
	}
	if d.String() != "ldap:ldap://localhost/" {
		t.Error(d.String())
	}
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"ldap://a.example/":               "tcp a.example:389",
		"ldap://a.example:1389":           "tcp a.example:1389",
		"ldaps://a.example":               "tcp a.example:636 TLS a.example",
		"ldap://[2001:db8::1]:389/":       "tcp [2001:db8::1]:389",
		"ldaps://[2001:db8::1]/":          "tcp [2001:db8::1]:636 TLS 2001:db8::1",
		"ldap:///":                        "tcp localhost:389",
		"ldapi://%2Frun%2Fslapd%2Fldapi/": "unix /run/slapd/ldapi",
		"ldapi://%2Frun%2Fslapd%2Fldapi":  "unix /run/slapd/ldapi",
		"ldapi:///":                       "unix " + usualSocket,
	} {
		got, err := parseTarget(uri, &Options{})
		text := got.network + " " + got.address
		if got.tls != nil {
			text += " TLS " + got.tls.ServerName
		}
		if err != nil || text != want || got.uri != uri {
			t.Errorf("%s: %s, %v; want %s", uri, text, err, want)
		}
	}
}

// What is taken has an address, and TLS for its host if that was asked for.
func FuzzTarget(f *testing.F) {
	f.Add("ldap://a.example:389/", true)
	f.Add("ldaps://[::1]/", false)
	f.Add("ldapi://%2Ftmp%2Fx/", false)
	f.Add("ldap://a.example]", false)
	f.Fuzz(func(t *testing.T, uri string, start bool) {
		got, err := parseTarget(uri, &Options{StartTLS: start})
		if err != nil {
			if got.address != "" || got.tls != nil {
				t.Errorf("%q: %v and %v", uri, got, err)
			}
			return
		}
		if got.network == "unix" {
			if again, err := parseTarget("ldapi://"+url.PathEscape(got.address), &Options{}); err != nil || again.address != got.address {
				t.Errorf("%q: %q, then %q, %v", uri, got.address, again.address, err)
			}
			return
		}
		host, port, err := net.SplitHostPort(got.address)
		if err != nil || host == "" || port == "" || (got.tls != nil) != (start || strings.HasPrefix(strings.ToLower(uri), "ldaps:")) || got.tls != nil && got.tls.ServerName != host {
			t.Errorf("%q: %+v, %v", uri, got, err)
		}
	})
}

// An origin is read as it is written, and is no SCRAM record.
func FuzzOrigin(f *testing.F) {
	f.Add("", originScheme)
	f.Add("v1\tsaslauthd\t2026-01-01T00:00:00.000000000Z\t-\t-", originScheme+"eA==")
	f.Fuzz(func(t *testing.T, origin, text string) {
		if got, ok := parseOrigin(formatOrigin([]byte(origin))); ok != (origin != "") || string(got) != origin {
			t.Errorf("%q is read as %q, %v", origin, got, ok)
		}
		got, ok := parseOrigin(text)
		if ok && formatOrigin(got) != text {
			t.Errorf("%q is read as %q", text, got)
		}
		if _, err := parseKeys(text); ok && err == nil || !ok && got != nil {
			t.Errorf("%q is both, or half", text)
		}
	})
}
