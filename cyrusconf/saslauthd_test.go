package cyrusconf

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// daemonCases are files of saslauthd and what is told of them: "!" before what is
// refused.
var daemonCases = []struct {
	name, text string
	want       []string
}{
	{"nothing", "", nil},
	{"key of the application", "mech_list: plain\nsaslauthd_path: /run/mux\n", []string{
		"1: mech_list is an option of the application's file; here it has no effect (move it to that of the application, such as smtpd.conf)",
		"2: saslauthd_path is an option of the application's file; here it has no effect (move it to that of the application, such as smtpd.conf)",
	}},
	{"Debian's script", "START: yes\n", []string{"1: start is an option of the script that starts saslauthd; here it has no effect (move it to /etc/default/saslauthd, on RHEL /etc/sysconfig/saslauthd)"}},
	{"misspelt key", "ldap_search_dn: dc=example\nldap_server: ldap://a.example/\n", []string{
		"1: ldap_search_dn: unknown key; Cyrus ignores it (delete the line)",
		"!2: ldap_server: unknown key; did you mean ldap_servers? (write ldap_servers)",
	}},
	{"no URI", "ldap_servers: a.example\n", []string{`!1: ldap_servers: "a.example" is no URI of an LDAP server (write ldap://host/ or ldaps://host/)`}},
	{"comma", "ldap_servers: ldap://a/,ldap://b/\n", []string{`!1: ldap_servers: names are separated by blanks, not commas; Cyrus takes "ldap://a/,ldap://b/" for one name (write ldap_servers: ldap://a/ ldap://b/)`}},
	{"TLS twice", "ldap_servers: ldaps://a/\nldap_start_tls: yes\n", []string{`!2: ldap_start_tls: the connection to "ldaps://a/" is TLS from its beginning (write no, or ldap://)`}},
	{"unchecked certificate", "ldap_tls_check_peer: no\n", []string{"1: ldap_tls_check_peer: anybody on the way can pose as the server and read the passwords (write yes, and the certificate's issuer in ldap_tls_cacert_file)"}},
	{"upper case Boolean", "ldap_start_tls: Yes\n", []string{`!1: ldap_start_tls: "Yes" counts as off (write yes, in lower case, or no)`}},
	{"EXTERNAL for everybody", "ldap_use_sasl: yes\nldap_mech: external\n", []string{"!2: ldap_mech: with ldap_use_sasl saslauthd binds as itself whoever logs in, and lets everybody in by any password (add ldap_auth_method: custom, or use ldap_bind_dn)"}},
	{"EXTERNAL for the service", "ldap_use_sasl: yes\nldap_mech: EXTERNAL\nldap_auth_method: custom\n", nil},
	{"filter for everybody", "ldap_filter: (objectClass=person)\n", []string{"!1: ldap_filter: without %u or %U every user is the same entry (add (uid=%u))"}},
	{"base for one", "ldap_filter: (objectClass=person)\nldap_search_base: uid=%U,ou=people\nldap_scope: base\n", nil},
	{"twice", "ldap_scope: one\nldap_scope: base\n", []string{"2: ldap_scope is set to something else than in line 1; line 2 counts (delete line 1, or line 2 if that was meant)"}},
	{"Kerberos twice", "krb5_servername: a\nkrb5_servername: b\n", []string{"2: krb5_servername is set to something else than in line 1; line 1 counts (delete line 2, or line 1 if that was meant)"}},
	{"two names", "ldap_bind_pw: pencil\nldap_password: pencil\n", []string{"2: ldap_password and ldap_bind_pw are one option; this line counts (delete one of them)"}},
	{"blank behind a password", "ldap_password: pencil \n", []string{"1: ldap_password: the blanks behind the value are a part of it (delete them)"}},
	{"CR LF", "ldap_scope: one\r\nldap_password: pencil\r\n", []string{
		"!1: ldap_scope: line ends with CR LF, of which the CR is a part of the value (save the file with line ends of Unix)",
		"!2: ldap_password: line ends with CR LF, of which the CR is a part of the value (save the file with line ends of Unix)",
	}},
	{"unknown word", "ldap_auth_method: simple\n", []string{`!1: ldap_auth_method: "simple" is not one of its words (write one of bind, custom, fastbind, compare)`}},
	{"attribute without group", "ldap_group_attr: member\n", []string{"!1: ldap_group_attr has no effect: no group is named, and everybody may log in (add ldap_group_dn or ldap_group_filter, or delete the line)"}},
	{"filter without method", "ldap_group_filter: (member=%D)\n", []string{"!1: ldap_group_filter without ldap_group_match_method: filter lets nobody in (add ldap_group_match_method: filter)"}},
	{"method without filter", "ldap_group_match_method: filter\nldap_group_dn: cn=mail\n", []string{"!1: ldap_group_match_method: filter without ldap_group_filter lets nobody in (add ldap_group_filter)"}},
	{"quotes", "ldap_password: \"pencil\"\nldap_scope: \"one\"\n", []string{
		"1: ldap_password: the quotes are a part of the value (delete them)",
		"!2: ldap_scope: the quotes are a part of the value (delete them)",
	}},
}

func TestSaslauthdFaults(t *testing.T) {
	t.Parallel()
	for _, c := range daemonCases {
		_, faults := mustParse(t, c.text).Saslauthd()
		if diff := cmp.Diff(c.want, told(faults)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
		checkFaults(t, c.text, faults)
	}
}

func TestSaslauthd(t *testing.T) {
	t.Parallel()
	base := func(change func(*Saslauthd)) Saslauthd {
		s := Saslauthd{
			Name: "smtpd.conf", Lines: map[string]int{},
			LDAP: LDAP{
				Servers: []string{"ldap://localhost/"}, Filter: "(uid=%u)", PasswordAttr: "userPassword", Version: 3,
				Restart: true, Timeout: 5 * time.Second, TimeLimit: 5 * time.Second, SizeLimit: 1, GroupAttr: "uniqueMember", SCRAMAttr: "authPassword",
			},
			Kerberos: Kerberos{Keytab: "/etc/krb5.keytab", VerifyPrincipal: "host"},
			HTTPForm: HTTPForm{Host: "localhost", Port: "80"},
		}
		change(&s)
		return s
	}
	for _, c := range []struct {
		name, text string
		want       Saslauthd
	}{
		{"defaults", "", base(func(*Saslauthd) {})},
		{"bind", `ldap_servers: ldaps://ldap1.example.org/ ldaps://ldap2.example.org/
ldap_search_base: ou=people,dc=example,dc=org
ldap_filter: (&(uid=%U)(mailEnabled=TRUE))
ldap_bind_dn: cn=saslauthd,dc=example,dc=org
ldap_bind_pw: pencil
ldap_tls_check_peer: yes
ldap_tls_cacert_file: /etc/ssl/certs/ca-certificates.crt
ldap_timeout: 10
ldap_scope: one
`, base(func(s *Saslauthd) {
			s.Lines = map[string]int{
				"ldap_servers": 1, "ldap_search_base": 2, "ldap_filter": 3, "ldap_bind_dn": 4, "ldap_bind_pw": 5,
				"ldap_tls_check_peer": 6, "ldap_tls_cacert_file": 7, "ldap_timeout": 8, "ldap_scope": 9,
			}
			l := &s.LDAP
			l.Servers = []string{"ldaps://ldap1.example.org/", "ldaps://ldap2.example.org/"}
			l.SearchBase, l.Filter = "ou=people,dc=example,dc=org", "(&(uid=%U)(mailEnabled=TRUE))"
			l.BindDN, l.Password = "cn=saslauthd,dc=example,dc=org", "pencil"
			l.TLSCheckPeer, l.CACertFile, l.Timeout, l.Scope = CheckYes, "/etc/ssl/certs/ca-certificates.crt", 10*time.Second, ScopeOne
		})},
		{"what SASL implies", "ldap_version: 2\nldap_use_sasl: yes\nldap_mech: DIGEST-MD5\nldap_sasl_authc_id: saslauthd\nldap_password: pencil\n", base(func(s *Saslauthd) {
			s.Lines = map[string]int{"ldap_version": 1, "ldap_use_sasl": 2, "ldap_mech": 3, "ldap_sasl_authc_id": 4, "ldap_password": 5}
			l := &s.LDAP
			l.AuthMethod, l.UseSASL, l.Mech, l.ID, l.Password = AuthFastbind, true, "DIGEST-MD5", "saslauthd", "pencil"
		})},
		{"groups", "ldap_search_base: dc=example\nldap_group_match_method: filter\nldap_group_filter: (member=%D)\nldap_group_scope: base\n", base(func(s *Saslauthd) {
			s.Lines = map[string]int{"ldap_search_base": 1, "ldap_group_match_method": 2, "ldap_group_filter": 3, "ldap_group_scope": 4}
			l := &s.LDAP
			l.SearchBase, l.GroupSearch, l.GroupByFilter, l.GroupFilter, l.GroupScope = "dc=example", "dc=example", true, "(member=%D)", ScopeBase
		})},
	} {
		s, faults := mustParse(t, c.text).Saslauthd()
		if diff := cmp.Diff(c.want, s); diff != "" || faults != nil {
			t.Errorf("%s: %v, -want +got:\n%s", c.name, faults, diff)
		}
	}
}

// The LDAP back end takes the last line for a key, and all that stands on it.
func TestSaslauthdReadsItsWay(t *testing.T) {
	t.Parallel()
	s, _ := mustParse(t, "ldap_bind_dn: a\nldap_bind_dn: b \nldap_password: pencil\nldap_bind_pw: other\nkrb5_servername: a\nkrb5_servername: b\n").Saslauthd()
	if s.LDAP.BindDN != "b " || s.LDAP.Password != "other" || s.Kerberos.Servername != "a" {
		t.Errorf("%q, %v, %q", s.LDAP.BindDN, s.LDAP.Password == "other", s.Kerberos.Servername)
	}
	for key, want := range map[string]string{
		"ldap_bind_dn": "smtpd.conf:2", "ldap_scope": "default of Cyrus SASL", "ldap_tls_check_peer": "default of libldap's TLS_REQCERT",
	} {
		if got := s.Where(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	words := AuthCustom.String() + " " + ScopeOne.String() + " " + DerefFind.String() + " " + CheckNo.String()
	if words != "custom one find no" {
		t.Error(words)
	}
}
