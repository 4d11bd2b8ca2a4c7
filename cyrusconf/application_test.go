package cyrusconf

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// faultCases are files of libsasl2 and what is told of them: "!" before what is
// refused.
var faultCases = []struct {
	name, text string
	want       []string
}{
	{"nothing", "", nil},
	{"ordinary", "pwcheck_method: saslauthd\nmech_list: plain login\n", nil},
	{"names in any case", "PWCHECK_METHOD: SaslAuthd auxPROP\nmech_list: Plain cram-MD5\nauxprop_plugin: SASLdb\n", nil},

	// Keys.
	{"misspelt key", "mech_lst: PLAIN\n", []string{"!1: mech_lst: unknown key; did you mean mech_list? (write mech_list)"}},
	{"letters swapped", "\npwchekc_method: saslauthd\n", []string{"!2: pwchekc_method: unknown key; did you mean pwcheck_method? (write pwcheck_method)"}},
	{"hyphen for underscore", "mech-list: PLAIN\n", []string{"!1: mech-list: unknown key; did you mean mech_list? (write mech_list)"}},
	{"unknown key", "saslauthd_version: 2\n", []string{"1: saslauthd_version: unknown key; Cyrus ignores it (delete the line)"}},
	{"no key", ": 2\n", []string{"1: line begins with a colon (write the key before the colon, or delete the line)"}},
	{"key of the manual", "pwcheck_method: authdaemond\nauthdaemon_path: /var/run/courier/authdaemon/socket\n", []string{
		"!2: authdaemon_path is what Cyrus's manual has, but the library asks for authdaemond_path (write authdaemond_path)",
	}},
	{"imapd's prefix", "sasl_pwcheck_method: saslauthd\n", []string{"!1: sasl_pwcheck_method is what Cyrus imapd's imapd.conf has; here it has no effect (write pwcheck_method)"}},
	{"imapd's layers", "minimum_layer: 0\nsasl_maximum_layer: 256\n", []string{
		"1: minimum_layer is an option of Cyrus imapd, not of this file; here it has no effect (leave it out: libsasl2 has no such option, the application sets the policy, as Postfix does by smtpd_sasl_security_options)",
		"2: sasl_maximum_layer is an option of Cyrus imapd, not of this file; here it has no effect (leave it out: libsasl2 has no such option, the application sets the policy, as Postfix does by smtpd_sasl_security_options)",
	}},
	{"imapd's policy", "allowplaintext: yes\n", []string{"1: allowplaintext is an option of Cyrus imapd, not of this file; here it has no effect (move it to imapd.conf)"}},
	{"Postfix's key", "smtpd_sasl_security_options: noanonymous\n", []string{"1: smtpd_sasl_security_options is an option of Postfix; here it has no effect (move it to Postfix's main.cf)"}},
	{"Dovecot's key", "auth_mechanisms: plain\n", []string{"1: auth_mechanisms is an option of Dovecot; here it has no effect (move it to dovecot.conf)"}},
	{"slapd's key", "sasl-host: a.example\n", []string{"1: sasl-host is an option of OpenLDAP's slapd; here it has no effect (move it to slapd.conf)"}},
	{"Debian's script", "MECHANISMS: pam\n", []string{"1: mechanisms is an option of the script that starts saslauthd; here it has no effect (move it to /etc/default/saslauthd, on RHEL /etc/sysconfig/saslauthd)"}},
	{"saslauthd's LDAP", "ldap_servers: ldap://a.example\n", []string{"1: ldap_servers is an option of saslauthd's file; here it has no effect (move it to /etc/saslauthd.conf; the keys of auxprop_plugin: ldapdb begin with ldapdb_)"}},
	{"saslauthd's Kerberos", "krb5_keytab: /etc/k\n", []string{"1: krb5_keytab is an option of saslauthd's file; here it has no effect (move it to /etc/saslauthd.conf)"}},
	{"twice", "mech_list: plain\n\nmech_list: login\n", []string{"3: mech_list is set to something else than in line 1; line 1 counts (delete line 3, or line 1 if that was meant)"}},
	{"twice the same", "mech_list: plain\nmech_list: plain\n", nil},

	// Form of values.
	{"CR LF", "mech_list: plain\r\nmech_list: plain\r\n", []string{"1: line ends with CR LF (save the file with line ends of Unix: libsasl2 drops the CR, saslauthd takes it for a part of the value)"}},
	{"quotes", "sasldb_path: \"/etc/sasldb2\"\n", []string{"!1: sasldb_path: the quotes are a part of the value (delete them)"}},
	{"quotes around a password", "sql_passwd: 'pencil'\n", []string{"1: sql_passwd: the quotes are a part of the value (delete them)"}},
	{"comment behind a path", "sasldb_path: /etc/sasldb2 # users\n", []string{"!1: sasldb_path: '#' begins no comment behind a value, of which it is a part (put the comment on a line of its own)"}},
	{"comment behind a number", "log_level: 3 # enough\n", []string{"1: log_level: '#' begins no comment behind a value, of which it is a part (put the comment on a line of its own)"}},
	{"comment behind a password", "sql_passwd: pencil #2\n", []string{"1: sql_passwd: '#' begins no comment behind a value, of which it is a part (put the comment on a line of its own)"}},
	{"hash in a password", "sql_passwd: pen#cil\n", nil},
	{"upper case Boolean", "sql_usessl: Yes\n", []string{`!1: sql_usessl: "Yes" counts as off (write yes, in lower case, or no)`}},
	{"True", "scram_secret_generate: True\n", []string{`!1: scram_secret_generate: "True" counts as off (write yes, in lower case, or no)`}},
	{"ON", "ntlm_v2: ON\n", []string{`!1: ntlm_v2: "ON" counts as off (write yes, in lower case, or no)`}},
	{"On", "ad_compat: On\n", []string{`!1: ad_compat: "On" counts as off (write yes, in lower case, or no)`}},
	{"No is off", "ntlm_v2: No\nsql_usessl: OFF\nscram_secret_generate: False\n", nil},
	{"NoPlain", "pwcheck_method: saslauthd\nauto_transition: NoPlain\n", []string{`!2: auto_transition: "NoPlain" counts as off (write noplain, in lower case)`}},
	{"no number", "scram_iteration_counter: many\n", []string{`!1: scram_iteration_counter: "many" is not one of its numbers (write a number from 1 to 10000000)`}},
	{"number too large", "log_level: 99999999999999999999\n", []string{`!1: log_level: "99999999999999999999" is not one of its numbers (write a number from 0 to 7)`}},
	{"negative number", "reauth_timeout: -1\n", []string{`!1: reauth_timeout: "-1" is not one of its numbers (write a number from 0 to 1048576)`}},

	// pwcheck_method.
	{"comma in methods", "pwcheck_method: saslauthd,auxprop\n", []string{`!1: pwcheck_method: names are separated by blanks, not commas; Cyrus takes "saslauthd,auxprop" for one name (write pwcheck_method: saslauthd auxprop)`}},
	{"alwaystrue", "pwcheck_method: AlwaysTrue\n", []string{"!1: pwcheck_method: alwaystrue lets everybody in with any password (write saslauthd or auxprop)"}},
	{"auxprop-hashed", "pwcheck_method: auxprop-hashed\n", []string{"!1: pwcheck_method: auxprop-hashed was removed from Cyrus SASL in 2.1.28; older builds took any password (write auxprop, and store the passwords as they are or SCRAM's keys)"}},
	{"pam", "pwcheck_method: pam\n", []string{"!1: pwcheck_method: pam is a back end of saslauthd (write pwcheck_method: saslauthd, and run saslauthd -a pam)"}},
	{"shadow", "pwcheck_method: saslauthd shadow\n", []string{"!1: pwcheck_method: shadow is a back end of saslauthd (write pwcheck_method: saslauthd, and run saslauthd -a shadow)"}},
	{"ldap", "pwcheck_method: ldap\n", []string{"!1: pwcheck_method: ldap is a back end of saslauthd (write pwcheck_method: saslauthd, and run saslauthd -a ldap)"}},
	{"sasldb", "pwcheck_method: sasldb\n", []string{"!1: pwcheck_method: sasldb is a plugin of auxprop (write pwcheck_method: auxprop and auxprop_plugin: sasldb)"}},
	{"mysql", "pwcheck_method: mysql\n", []string{`!1: pwcheck_method: "mysql" is nothing that checks passwords; auxprop does, with what a database holds (write pwcheck_method: auxprop and auxprop_plugin: sql with sql_engine: mysql)`}},
	{"dovecot", "pwcheck_method: dovecot\n", []string{"!1: pwcheck_method: dovecot is no part of Cyrus SASL (set smtpd_sasl_type = dovecot in Postfix's main.cf instead of using this file)"}},
	{"misspelt method", "pwcheck_method: saslauth\n", []string{`!1: pwcheck_method: no method "saslauth" (write saslauthd)`}},
	{"unknown method", "pwcheck_method: radius\n", []string{`!1: pwcheck_method: no method "radius" (write one of auxprop, saslauthd, pwcheck, authdaemond)`}},
	{"method twice", "pwcheck_method: auxprop saslauthd AUXPROP\n", []string{`1: pwcheck_method: "AUXPROP" is there twice (delete it once)`}},

	// mech_list.
	{"comma in mechanisms", "mech_list: plain, login\n", []string{`!1: mech_list: names are separated by blanks, not commas; Cyrus takes "plain, login" for one name (write mech_list: plain login)`}},
	{"misspelt mechanism", "mech_list: PLAIN CRAMMD5 DIGEST_MD5\n", []string{
		`1: mech_list: no mechanism "CRAMMD5"; Cyrus drops it (write CRAM-MD5)`,
		`1: mech_list: no mechanism "DIGEST_MD5"; Cyrus drops it (write DIGEST-MD5)`,
	}},
	{"nothing left", "mech_list: PLAINTEXT\n", []string{`!1: mech_list: no mechanism "PLAINTEXT"; Cyrus drops it (write PLAIN)`}},
	{"SCRAM without a hyphen", "mech_list: PLAIN scram-sha256 scram\n", []string{
		`1: mech_list: no mechanism "scram-sha256"; Cyrus drops it (write SCRAM-SHA-256)`,
		`1: mech_list: no mechanism "scram"; Cyrus drops it (write SCRAM-SHA-256)`,
	}},
	{"no such mechanism", "mech_list: PLAIN APOP\n", []string{`1: mech_list: no mechanism "APOP"; Cyrus drops it (delete it)`}},
	{"PLUS at the end", "mech_list: PLAIN SCRAM-SHA-1-PLUS\n", []string{"1: mech_list: SCRAM-SHA-1-PLUS stands for SCRAM-SHA-1, with and without binding (write SCRAM-SHA-1, which offers both where there is a channel to bind to)"}},
	{"PLUS before others", "mech_list: SCRAM-SHA-1-PLUS PLAIN\n", []string{"!1: mech_list: Cyrus drops SCRAM-SHA-1-PLUS unless it is the last name (write SCRAM-SHA-1, which offers both where there is a channel to bind to)"}},
	{"mechanism twice", "mech_list: PLAIN plain\n", []string{`1: mech_list: "plain" is there twice (delete it once)`}},
	{"comment behind a list", "mech_list: plain # login\n", []string{"!1: mech_list: '#' begins no comment behind a value, of which it is a part (put the comment on a line of its own)"}},

	// auxprop_plugin.
	{"comma in plugins", "auxprop_plugin: sasldb,sql\n", []string{`!1: auxprop_plugin: names are separated by blanks, not commas; Cyrus takes "sasldb,sql" for one name (write auxprop_plugin: sasldb sql)`}},
	{"sasldb2 as a plugin", "auxprop_plugin: sasldb2\n", []string{`!1: auxprop_plugin: "sasldb2" is a form of the plugin sasldb's file (write auxprop_plugin: sasldb; the format is the file's)`}},
	{"mysql as a plugin", "auxprop_plugin: mysql\n", []string{`!1: auxprop_plugin: "mysql" is a database of the plugin sql (write auxprop_plugin: sql with sql_engine: mysql)`}},
	{"postgresql as a plugin", "auxprop_plugin: postgresql\n", []string{`!1: auxprop_plugin: "postgresql" is a database of the plugin sql (write auxprop_plugin: sql with sql_engine: pgsql)`}},
	{"ldap as a plugin", "auxprop_plugin: ldap\n", []string{"!1: auxprop_plugin: the plugin for LDAP is named ldapdb (write auxprop_plugin: ldapdb, or pwcheck_method: saslauthd and run saslauthd -a ldap)"}},
	{"saslauthd as a plugin", "auxprop_plugin: saslauthd\n", []string{`!1: auxprop_plugin: "saslauthd" checks passwords and holds no secrets (write pwcheck_method: saslauthd or another, and leave this line out)`}},
	{"no such plugin", "auxprop_plugin: radius\n", []string{`!1: auxprop_plugin: no plugin "radius" (write one of sasldb, sql, ldapdb, slapd)`}},
	{"misspelt plugin", "auxprop_plugin: sasdlb\n", []string{`!1: auxprop_plugin: no plugin "sasdlb" (write sasldb)`}},

	// Paths.
	{"folder of the socket", "pwcheck_method: saslauthd\nsaslauthd_path: /var/run/saslauthd\n", []string{`!2: saslauthd_path: "/var/run/saslauthd" is the folder of the socket (write saslauthd_path: /var/run/saslauthd/mux)`}},
	{"folder with a slash", "pwcheck_method: saslauthd\nsaslauthd_path: /run/sasl/\n", []string{`!2: saslauthd_path: "/run/sasl/" is the folder of the socket (write saslauthd_path: /run/sasl/mux)`}},
	{"another socket", "pwcheck_method: saslauthd\nsaslauthd_path: /run/auth\n", []string{`2: saslauthd_path: "/run/auth" does not end in /mux, as sockets of saslauthd do (write saslauthd_path: /run/auth/mux if that is the folder)`}},
	{"relative socket", "pwcheck_method: saslauthd\nsaslauthd_path: var/run/saslauthd/mux\n", []string{`!2: saslauthd_path: "var/run/saslauthd/mux" is no absolute path; where it leads depends on the folder in which the program runs (write the whole path, from /)`}},
	{"long socket", "pwcheck_method: saslauthd\nsaslauthd_path: /" + strings.Repeat("x", 103) + "/mux\n", []string{`!2: saslauthd_path: 108 bytes, more than 107 are no path of a socket (run saslauthd with a shorter -m)`}},
	{"prefix of a table", "sasldb_path: sasldb:/etc/sasldb2\n", []string{`!1: sasldb_path: the value is a path, not "sasldb:" and a path (write sasldb_path: /etc/sasldb2)`}},
	{"relative database", "sasldb_path: sasldb2\n", []string{`!1: sasldb_path: "sasldb2" is no absolute path; where it leads depends on the folder in which the program runs (write the whole path, from /)`}},

	// Lines that have no effect because of others.
	{"socket without method", "saslauthd_path: /run/saslauthd/mux\n", []string{"1: saslauthd_path has no effect: pwcheck_method is not set, and by default not saslauthd (write pwcheck_method: saslauthd, or delete the line)"}},
	{"Courier's socket without method", "pwcheck_method: saslauthd\nauthdaemond_path: /run/courier\n", []string{"2: authdaemond_path has no effect: pwcheck_method does not name authdaemond (write pwcheck_method: authdaemond, or delete the line)"}},
	{"database without plugin", "auxprop_plugin: sql\nsql_select: SELECT p FROM u WHERE n = '%u'\nsasldb_path: /etc/sasldb2\n", []string{"3: sasldb_path has no effect: auxprop_plugin does not name sasldb (add sasldb to auxprop_plugin, or delete the sasldb_ lines)"}},
	{"database beside saslauthd", "pwcheck_method: saslauthd\nsasldb_path: /etc/sasldb2\nauxprop_plugin: sasldb\n", nil},
	{"SQL without plugin", "auxprop_plugin: sasldb\nsql_user: al\nsql_passwd: pencil\n", []string{"2: sql_user has no effect: auxprop_plugin does not name sql (add sql to auxprop_plugin, or delete the sql_ lines)"}},
	{"ldapdb without plugin", "auxprop_plugin: sasldb\nldapdb_uri: ldapi://\n", []string{"2: ldapdb_uri has no effect: auxprop_plugin does not name ldapdb (add ldapdb to auxprop_plugin, or delete the ldapdb_ lines)"}},
	{"ldapdb for names only", "auxprop_plugin: sasldb\ncanon_user_plugin: ldapdb\nldapdb_uri: ldapi://\nldapdb_canon_attr: uid\n", nil},
	{"SQL without statement", "auxprop_plugin: sql\n", []string{"!1: auxprop_plugin: sql without sql_select does nothing (add sql_select: SELECT ... WHERE ... '%u')"}},
	{"ldapdb without URI", "auxprop_plugin: ldapdb\n", []string{"!1: auxprop_plugin: ldapdb without ldapdb_uri does nothing (add ldapdb_uri)"}},
	{"canonical names without attribute", "canon_user_plugin: ldapdb\n", []string{"!1: canon_user_plugin: ldapdb without ldapdb_canon_attr does nothing (add ldapdb_canon_attr)"}},
	{"insert without update", "sql_insert: INSERT\n", []string{"1: sql_insert has no effect without sql_update (add sql_update, or delete the line)"}},
	{"update without insert", "sql_update: UPDATE %p\n", []string{"1: sql_update has no effect without sql_insert (add sql_insert, or delete the line)"}},
	{"both names of the statement", "sql_select: SELECT '%u'\nsql_statement: SELECT '%u'\n", []string{"2: sql_statement is the old name of sql_select, and has no effect beside it (delete the line)"}},
	{"life of copies", "pwcheck_method: saslauthd\nauto_transition: noplain\nauto_transition_life: 30d\n", nil},
	{"life of copies without a unit", "pwcheck_method: saslauthd\nauto_transition: noplain\nauto_transition_life: 30\n", []string{`!3: auto_transition_life: "30" is not a time (write a number and one of s, m, h, d, such as 24h or 30d)`}},
	{"life of no copies", "auto_transition_life: 30d\n", []string{"1: auto_transition_life has no effect without auto_transition (add auto_transition: noplain, or delete the line)"}},
	{"transition after auxprop", "auto_transition: yes\n", []string{"1: auto_transition has no effect: it follows a password that another than auxprop has checked (delete the line)"}},
	{"transition to what cannot be written", "pwcheck_method: saslauthd\nauto_transition: noplain\nauxprop_plugin: sql\nsql_select: SELECT '%u'\n", []string{"2: auto_transition has no effect: no plugin of auxprop_plugin can write (add sasldb to auxprop_plugin, or sql_insert and sql_update)"}},

	// What is unwise or unknown.
	{"log level", "log_level: 7\n", []string{"1: log_level: 7 may write passwords to the log (write 6 or less)"}},
	{"select for nobody", "sql_select: SELECT p FROM u\n", []string{"!1: sql_select: no %u, so that everybody has the password of the first row (compare the column of names with '%u')"}},
	{"saslkit's own keys of SQL", "sql_usessl: yes\nsql_ssl_ca: /etc/ca.pem\nsql_list: SELECT 1\nsql_kinds: password otp\nsql_scheme: CRYPT\nsql_max_lag: 9\nsql_timeout: 3\n", nil},
	{"a certificate that is not looked at", "sql_usessl: yes\nsql_ssl_verify: no\n", []string{"2: sql_ssl_verify: whoever is between us and the server may be taken for it (write the CA's certificate to a file and sql_ssl_ca: FILE, and leave this line out)"}},
	{"a CA without TLS", "sql_ssl_ca: /etc/ca.pem\n", []string{"1: sql_ssl_ca has no effect without sql_usessl (add sql_usessl: yes)"}},
	{"replicas of any age", "sql_replicas: yes\n", []string{"!1: sql_replicas: how old an answer is nobody knows, and a password that was revoked would still count (add sql_fresh: a statement that returns how many seconds a server is behind)"}},
	{"engine", "sql_engine: postgres\n", []string{`!1: sql_engine: no engine "postgres" (write sql_engine: pgsql)`}},
	{"SQLite and Cyrus's plugin", "sql_engine: sqlite3\n", []string{`1: sql_engine: Cyrus's plugin escapes no quotes for SQLite, so that whoever logs in there as "' UNION SELECT 1 --" gets in by the password 1 (let only saslkit ask it)`}},
	{"update of one column", "sql_insert: INSERT\nsql_update: UPDATE u SET p = '%v' WHERE n = '%u'\n", []string{"2: sql_update: without %p Cyrus's saslpasswd2 overwrites the password that it has set with the word NULL, which then is the password (write %p for the column, or leave saslpasswd2 of Cyrus alone)"}},
	{"update of any column", "sql_insert: INSERT\nsql_update: UPDATE u SET %p = '%v' WHERE n = '%u'\n", nil},
	{"unknown engine", "sql_engine: oracle\n", []string{`!1: sql_engine: no engine "oracle" (write one of mysql, pgsql, sqlite, sqlite3)`}},
	{"blanks between hosts", "sql_hostnames: a.example b.example\n", []string{"!1: sql_hostnames: names are separated by commas, not blanks (write sql_hostnames: a.example,b.example)"}},
	{"digest of OTP", "otp_mda: sha256\n", []string{`!1: otp_mda: "sha256" is not one of its words (write one of md4, md5, sha1)`}},
	{"StartTLS of ldapdb", "ldapdb_starttls: yes\n", []string{`!1: ldapdb_starttls: "yes" is not one of its words (write one of try, demand)`}},
	{"plugin for names", "canon_user_plugin: internal\n", []string{`!1: canon_user_plugin: no plugin "internal"; Cyrus refuses every login (write INTERNAL or ldapdb, in this case, or leave the line out)`}},
	{"few iterations", "scram_iteration_counter: 1000\n", []string{"1: scram_iteration_counter: fewer than RFC 7677 asks for, and some clients refuse that (write 4096 or more)"}},
	{"many iterations", "scram_iteration_counter: 100000\n", []string{"1: scram_iteration_counter: Cyrus's clients refuse more than 65536 (write 65536 or less)"}},
	{"control characters", "pwcheck_method: a\x1b[31m\xff\n", []string{`!1: pwcheck_method: no method "a\x1b[31m\xff" (write one of auxprop, saslauthd, pwcheck, authdaemond)`}},
	{"in the order of lines", "mech_list: PLAIN FOO\nlog_level: 7\npwcheck_method: pam\nfoo: bar\n", []string{
		`1: mech_list: no mechanism "FOO"; Cyrus drops it (delete it)`,
		"2: log_level: 7 may write passwords to the log (write 6 or less)",
		"!3: pwcheck_method: pam is a back end of saslauthd (write pwcheck_method: saslauthd, and run saslauthd -a pam)",
		"4: foo: unknown key; Cyrus ignores it (delete the line)",
	}},
}

// told are faults in the form of the tables.
func told(faults Faults) []string {
	var all []string
	for _, f := range faults {
		mark := ""
		if f.Severity == Refused {
			mark = "!"
		}
		all = append(all, mark+strings.TrimPrefix(f.Error(), f.Name+":"))
	}
	return all
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range faultCases {
		_, faults := mustParse(t, c.text).Application()
		if diff := cmp.Diff(c.want, told(faults)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
		checkFaults(t, c.text, faults)
		refused := slices.ContainsFunc(c.want, func(w string) bool { return w[0] == '!' })
		if err := faults.Err(); (err != nil) != refused {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(faults.Refused())+len(faults.Warnings()) != len(faults) {
			t.Errorf("%s: %d faults, but %v and %v", c.name, len(faults), faults.Refused(), faults.Warnings())
		}
	}
}

func TestFaultFields(t *testing.T) {
	t.Parallel()
	_, faults := mustParse(t, "# x\nmech_lst: PLAIN\n").Application()
	want := Faults{{"smtpd.conf", 2, "mech_lst", "mech_lst: unknown key; did you mean mech_list?", "write mech_list", Refused}}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := faults.Error(); got != "smtpd.conf:2: mech_lst: unknown key; did you mean mech_list? (write mech_list)" {
		t.Error(got)
	}
	if got := Refused.String() + " " + Warning.String(); got != "refused warning" {
		t.Error(got)
	}
}

// No key is so near to another that one is taken for a mistake in the other, and
// both files know their own.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, table := range [][]key{applicationKeys, saslauthdKeys} {
		for i, k := range table {
			if lookup(table, k.name) != &table[i] {
				t.Errorf("%s is in the table twice", k.name)
			}
			if foreign(k.name) != nil {
				t.Errorf("%s is somebody else's", k.name)
			}
			if k.kind == aBoolean && k.value != "yes" && k.value != "no" && k.name != "ldap_tls_check_peer" {
				t.Errorf("%s: default %q", k.name, k.value)
			}
			if got, ok := nearest(k.name+"x", namesOf(table)); len(k.name) > 4 && (!ok || got != k.name) {
				t.Errorf("%sx: %q", k.name, got)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"mech_list", "mech-list", 0}, {"mech_lst", "mech_list", 1}, {"abc", "acb", 1},
		{"kitten", "sitting", 3}, {"ca", "abc", 3}, {strings.Repeat("x", 65), strings.Repeat("x", 65), maxCompared},
		{strings.Repeat("x", 64), strings.Repeat("x", 63), 1},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q, %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestCheckFiles(t *testing.T) {
	t.Parallel()
	dir := inFolder(t, map[string]string{"sasldb2.db": "", "sasldb2": "", "users.db": ""})
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"all there", "sasldb_path: DIR/sasldb2\nsaslauthd_path: DIR/sasldb2\n", nil},
		{"not there yet", "sasldb_path: DIR/a\nsaslauthd_path: DIR/mux\n", nil},
		{"folders", "sasldb_path: DIR\nsaslauthd_path: DIR\n", []string{
			`!1: sasldb_path: "DIR" is a folder (write the path of the file in it)`,
			`!2: saslauthd_path: "DIR" is a folder, not the socket in it (write saslauthd_path: DIR/mux)`,
		}},
		{"without .db", "sasldb_path: DIR/users\n", []string{`!1: sasldb_path: there is no "DIR/users", but the file "DIR/users.db" (write sasldb_path: DIR/users.db)`}},
	} {
		app, _ := mustParse(t, strings.ReplaceAll(c.text, "DIR", dir)).Application()
		var got []string
		for _, line := range told(app.CheckFiles()) {
			got = append(got, strings.ReplaceAll(line, dir, "DIR"))
		}
		if diff := cmp.Diff(c.want, got); diff != "" && len(dir) < maxQuoted-10 {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
}

// A password in a file that everybody may read is told, where it stands.
func TestExposed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		mode os.FileMode
		want []string
	}{
		{"sql_user: al\nsql_passwd: pencil\nldapdb_pw: pencil\n", 0o644, []string{"2: every user may read the file (mode 0644), which holds sql_passwd (chmod o-r, and give the file to the group of the application)"}},
		{"sql_user: al\nsql_passwd: pencil\n", 0o640, nil},
		{"sql_user: al\n", 0o644, nil},
	} {
		path := filepath.Join(inFolder(t, map[string]string{"smtpd.conf": c.text}), "smtpd.conf")
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		f, err := LoadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, faults := f.Application()
		if diff := cmp.Diff(c.want, told(faults)); diff != "" {
			t.Errorf("%q, %v: -want +got:\n%s", c.text, c.mode, diff)
		}
	}
}
