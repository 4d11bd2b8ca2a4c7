package cyrusconf

import (
	"runtime"
	"strings"
)

// A kind is what a value is made of.
type kind uint8

const (
	aText     kind = iota // anything
	aWord                 // one name
	aWords                // names separated by blanks
	aPath                 // of a file or socket
	aBoolean              // see [File.Bool]
	aNumber               // decimal
	aPassword             // never shown
)

// A key is one that a program looks up.
type key struct {
	name string
	kind kind
	// what Cyrus has if the key is not set
	value string
	// where that value comes from; the program itself if empty
	from string
}

// byBuild tells of a default that whoever builds Cyrus SASL chooses.
const byBuild = "the build"

// byUs tells of a key that saslkit alone looks up, and Cyrus ignores.
const byUs = "saslkit"

// applicationKeys are what libsasl2 2.1.28 and its plugins look up, read off the
// source and the strings of Debian's build, and after those of a plugin what saslkit
// looks up beside them.
var applicationKeys = []key{
	{name: "pwcheck_method", kind: aWords, value: "auxprop"},
	{name: "mech_list", kind: aWords},
	{name: "client_mech_list", kind: aWords},
	{name: "auxprop_plugin", kind: aWords},
	{name: "auto_transition", kind: aBoolean, value: "no"},
	{name: "auto_transition_life", kind: aWord, from: byUs},
	{name: "canon_user_plugin", kind: aWord, value: internalCanon},
	{name: "log_level", kind: aNumber, value: "1"},
	{name: "plugin_list", kind: aPath},
	{name: "saslauthd_path", kind: aPath, value: "/var/run/saslauthd/mux", from: byBuild},
	{name: "authdaemond_path", kind: aPath, value: "/dev/null"},
	{name: "sasldb_path", kind: aPath, value: DefaultSasldb(), from: byBuild},
	{name: "sasldb_mapsize", kind: aNumber, value: "1048576"},
	{name: "sasldb_maxreaders", kind: aNumber, value: "126"},
	{name: "reauth_timeout", kind: aNumber, value: "0"},
	{name: "scram_secret_generate", kind: aBoolean, value: "no"},
	{name: "scram_iteration_counter", kind: aNumber, value: "4096"},
	{name: "otp_mda", kind: aWord, value: "md5"},
	{name: "opiekeys", kind: aPath, value: "/etc/opiekeys"},
	{name: "srp_mda", kind: aWord, value: "sha1"},
	{name: "keytab", kind: aPath, value: "/etc/krb5.keytab", from: "the Kerberos library"},
	{name: "srvtab", kind: aPath, value: "/etc/srvtab"},
	{name: "ad_compat", kind: aBoolean, value: "no"},
	{name: "service_principal", kind: aText}, // those two after 2.1.28
	{name: "ccache_store", kind: aText},
	{name: "sql_engine", kind: aWord, value: "mysql"},
	{name: "sql_hostnames", kind: aText},
	{name: "sql_user", kind: aText},
	{name: "sql_passwd", kind: aPassword},
	{name: "sql_database", kind: aText},
	{name: "sql_select", kind: aText},
	{name: "sql_statement", kind: aText}, // sql_select's old name
	{name: "sql_insert", kind: aText},
	{name: "sql_update", kind: aText},
	{name: "sql_usessl", kind: aBoolean, value: "no"},
	{name: "sql_ssl_ca", kind: aPath, from: byUs},
	{name: "sql_ssl_verify", kind: aBoolean, value: "yes", from: byUs},
	{name: "sql_list", kind: aText, from: byUs},
	{name: "sql_delete", kind: aText, from: byUs},
	{name: "sql_kinds", kind: aWords, from: byUs},
	{name: "sql_scheme", kind: aWord, from: byUs},
	{name: "sql_fresh", kind: aText, from: byUs},
	{name: "sql_max_lag", kind: aNumber, from: byUs},
	{name: "sql_replicas", kind: aBoolean, value: "no", from: byUs},
	{name: "sql_timeout", kind: aNumber, from: byUs},
	{name: "ldapdb_uri", kind: aWords},
	{name: "ldapdb_id", kind: aText},
	{name: "ldapdb_pw", kind: aPassword},
	{name: "ldapdb_mech", kind: aWord},
	{name: "ldapdb_rc", kind: aPath},
	{name: "ldapdb_starttls", kind: aWord},
	{name: "ldapdb_canon_attr", kind: aWord},
	{name: "ntlm_server", kind: aText},
	{name: "ntlm_v2", kind: aBoolean, value: "no"},
}

// DefaultSasldb returns where the sasldb is of a Cyrus SASL that was built for this system,
// if neither sasldb_path nor an option names another: /etc/sasldb2, and
// /usr/local/etc/sasldb2 on FreeBSD. With the build tag fedora it is /etc/sasl2/sasldb2,
// as in Fedora since release 35 and RHEL since 9. What is in the file system makes no
// difference: a file in a place where Cyrus does not look is not its database.
func DefaultSasldb() string { return defaultSasldb(runtime.GOOS) }

func defaultSasldb(goos string) string {
	if goos == "freebsd" {
		return "/usr/local/etc/sasldb2"
	}
	return linuxSasldb
}

// saslauthdKeys are what saslauthd 2.1.28 looks up: the LDAP back end's, then those
// of Kerberos and of web forms.
var saslauthdKeys = []key{
	{name: "ldap_servers", kind: aWords, value: "ldap://localhost/"},
	{name: "ldap_bind_dn", kind: aText},
	{name: "ldap_bind_pw", kind: aPassword},
	{name: "ldap_password", kind: aPassword},
	{name: "ldap_version", kind: aNumber, value: "3"},
	{name: "ldap_search_base", kind: aText},
	{name: "ldap_filter", kind: aText, value: "(uid=%u)"}, // documented without parentheses
	{name: "ldap_password_attr", kind: aWord, value: "userPassword"},
	{name: "ldap_group_dn", kind: aText},
	{name: "ldap_group_attr", kind: aWord, value: "uniqueMember"},
	{name: "ldap_group_filter", kind: aText},
	{name: "ldap_group_search_base", kind: aText},
	{name: "ldap_group_scope", kind: aWord, value: "sub"},
	{name: "ldap_group_match_method", kind: aWord, value: "attr"},
	{name: "ldap_default_realm", kind: aText},
	{name: "ldap_default_domain", kind: aText},
	{name: "ldap_auth_method", kind: aWord, value: "bind"},
	{name: "ldap_timeout", kind: aNumber, value: "5"},
	{name: "ldap_size_limit", kind: aNumber, value: "1"},
	{name: "ldap_time_limit", kind: aNumber, value: "5"},
	{name: "ldap_deref", kind: aWord, value: "never"},
	{name: "ldap_referrals", kind: aBoolean, value: "no"},
	{name: "ldap_restart", kind: aBoolean, value: "yes"},
	{name: "ldap_scope", kind: aWord, value: "sub"},
	{name: "ldap_use_sasl", kind: aBoolean, value: "no"},
	{name: "ldap_id", kind: aText},
	{name: "ldap_sasl_authc_id", kind: aText},
	{name: "ldap_authz_id", kind: aText},
	{name: "ldap_sasl_authz_id", kind: aText},
	{name: "ldap_realm", kind: aText},
	{name: "ldap_sasl_realm", kind: aText},
	{name: "ldap_mech", kind: aWord},
	{name: "ldap_sasl_mech", kind: aWord},
	{name: "ldap_sasl_secprops", kind: aText},
	{name: "ldap_start_tls", kind: aBoolean, value: "no"},
	{name: "ldap_tls_check_peer", kind: aBoolean, from: "libldap's TLS_REQCERT"},
	{name: "ldap_tls_cacert_file", kind: aPath},
	{name: "ldap_tls_cacert_dir", kind: aPath},
	{name: "ldap_tls_ciphers", kind: aText},
	{name: "ldap_tls_cert", kind: aPath},
	{name: "ldap_tls_key", kind: aPath},
	{name: "ldap_debug", kind: aNumber, value: "0"},
	{name: "ldap_user_attr", kind: aWord, from: byUs},
	{name: "ldap_scram_attr", kind: aWord, value: "authPassword", from: byUs},
	{name: "ldap_kinds", kind: aWords, from: byUs},
	{name: "ldap_list_filter", kind: aText, from: byUs},
	{name: "krb5_keytab", kind: aPath, value: "/etc/krb5.keytab", from: "the Kerberos library"},
	{name: "krb5_verify_principal", kind: aText, value: "host"},
	{name: "krb5_servername", kind: aText},
	{name: "krb5_conv_krb4_instance", kind: aBoolean, value: "no"},
	{name: "httpform_host", kind: aText, value: "localhost"},
	{name: "httpform_port", kind: aWord, value: "80"},
	{name: "httpform_uri", kind: aText},
	{name: "httpform_data", kind: aText},
}

// lookup finds a key; nil if it is not in the table.
func lookup(table []key, name string) *key {
	for i := range table {
		if table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

// mayShow reports whether the value of a key may be shown. Of what no program
// knows nobody can tell: it may be a misspelt password.
func mayShow(name string) bool {
	for _, table := range [...][]key{applicationKeys, saslauthdKeys} {
		if k := lookup(table, name); k != nil {
			return k.kind != aPassword
		}
	}
	return false
}

// A foreigner is what another program calls its options.
type foreigner struct {
	prefix string   // of its keys
	keys   []string // those without the prefix
	whose  string
	cure   string
}

// foreigners are met in smtpd.conf and saslauthd.conf: howtos show several files at
// once, and "sasl" is in the names of most.
var foreigners = []foreigner{
	{"smtpd_", []string{"cyrus_sasl_config_path", "broken_sasl_auth_clients", "send_cyrus_sasl_authzid"}, "of Postfix", postfixCure},
	{"smtp_", nil, "of Postfix", postfixCure},
	{"lmtp_", nil, "of Postfix", postfixCure},
	{"", []string{"minimum_layer", "maximum_layer", "sasl_minimum_layer", "sasl_maximum_layer"}, "of Cyrus imapd, not of this file",
		"leave it out: libsasl2 has no such option, the application sets the policy, as Postfix does by smtpd_sasl_security_options"},
	{"", []string{"allowplaintext", "allowanonymouslogin", "sasl_auto_transition", "sasl_option"}, "of Cyrus imapd, not of this file", "move it to imapd.conf"},
	{"auth_", []string{"disable_plaintext_auth", "passdb", "userdb"}, "of Dovecot", "move it to dovecot.conf"},
	{"sasl-", nil, "of OpenLDAP's slapd", "move it to slapd.conf"},
	{"", []string{"start", "mechanisms", "mech_options", "threads", "options", "desc", "name", "params", "mech", "flags", "socketdir"},
		"of the script that starts saslauthd", "move it to /etc/default/saslauthd, on RHEL /etc/sysconfig/saslauthd"},
}

const postfixCure = "move it to Postfix's main.cf"

// foreign finds whose key it is.
func foreign(name string) *foreigner {
	for i, f := range foreigners {
		for _, k := range f.keys {
			if k == name {
				return &foreigners[i]
			}
		}
		if f.prefix != "" && strings.HasPrefix(name, f.prefix) {
			return &foreigners[i]
		}
	}
	return nil
}

// nearest finds the name that was meant: the first of those that take the fewest
// changes, at most two, and at most one for every four letters. False if none is so near.
func nearest(name string, names []string) (string, bool) {
	best, found := min(2, len(name)/4)+1, ""
	for _, n := range names {
		if len(n)-len(name) >= best || len(name)-len(n) >= best {
			continue
		}
		if d := distance(name, n); d < best {
			best, found = d, n
		}
	}
	return found, found != ""
}

// maxCompared bounds the work for a long name, in bytes: nothing near has as many.
const maxCompared = 64

// distance is the number of letters to insert, delete, replace or swap with the
// next (optimal string alignment) until one name is the other; '-' is '_'.
func distance(a, b string) int {
	if len(a) > maxCompared || len(b) > maxCompared {
		return maxCompared
	}
	a, b = strings.ReplaceAll(a, "-", "_"), strings.ReplaceAll(b, "-", "_")
	var rows [3][maxCompared + 1]int
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		row, above, twoAbove := &rows[i%3], &rows[(i-1)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := above[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(above[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

func namesOf(table []key) []string {
	names := make([]string, len(table))
	for i, k := range table {
		names[i] = k.name
	}
	return names
}
