package cyrusconf

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// defaults is an application of which the file says nothing but what change sets.
func defaults(lines map[string]int, change func(*Application)) Application {
	a := Application{
		Name: "smtpd.conf", Lines: lines,
		PwcheckMethod:   []string{"auxprop"},
		CanonUserPlugin: "INTERNAL", LogLevel: 1,
		SaslauthdPath: "/var/run/saslauthd/mux", AuthdaemondPath: "/dev/null",
		SasldbPath:            applicationDefault("sasldb_path"),
		ScramIterationCounter: 4096, OTPMda: "md5", Keytab: "/etc/krb5.keytab",
		SQL: SQL{Engine: "mysql"},
	}
	change(&a)
	return a
}

func applicationDefault(key string) string { return lookup(applicationKeys, key).value }

// Files as howtos have them, and what they mean.
var howtos = []struct {
	name, text string
	want       Application
	faults     []string
}{
	{name: "no line", want: defaults(map[string]int{}, func(*Application) {})},
	{name: "Debian with saslauthd", text: `# /etc/postfix/sasl/smtpd.conf
pwcheck_method: saslauthd
mech_list: PLAIN LOGIN
`, want: defaults(map[string]int{"pwcheck_method": 2, "mech_list": 3}, func(a *Application) {
		a.PwcheckMethod, a.MechList = []string{"saslauthd"}, []string{"PLAIN", "LOGIN"}
	})},
	{name: "RHEL", text: "pwcheck_method: saslauthd\nmech_list: plain login\n",
		want: defaults(map[string]int{"pwcheck_method": 1, "mech_list": 2}, func(a *Application) {
			a.PwcheckMethod, a.MechList = []string{"saslauthd"}, []string{"PLAIN", "LOGIN"}
		})},
	{name: "saslauthd in Postfix's chroot", text: `log_level: 3
pwcheck_method: saslauthd
mech_list: PLAIN LOGIN
saslauthd_path: /var/spool/postfix/var/run/saslauthd/mux
`, want: defaults(map[string]int{"log_level": 1, "pwcheck_method": 2, "mech_list": 3, "saslauthd_path": 4}, func(a *Application) {
		a.LogLevel, a.PwcheckMethod, a.MechList = 3, []string{"saslauthd"}, []string{"PLAIN", "LOGIN"}
		a.SaslauthdPath = "/var/spool/postfix/var/run/saslauthd/mux"
	})},
	{name: "sasldb", text: `pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 NTLM
sasldb_path: /etc/postfix/sasldb2
`, want: defaults(map[string]int{"pwcheck_method": 1, "auxprop_plugin": 2, "mech_list": 3, "sasldb_path": 4}, func(a *Application) {
		a.AuxpropPlugin, a.SasldbPath = []string{"sasldb"}, "/etc/postfix/sasldb2"
		a.MechList = []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM"}
	})},
	{name: "PAM, then sasldb, with transition", text: `pwcheck_method: saslauthd auxprop
auxprop_plugin: sasldb
auto_transition: noplain
scram_secret_generate: yes
scram_iteration_counter: 10000
mech_list: scram-sha-256 plain
`, want: defaults(map[string]int{"pwcheck_method": 1, "auxprop_plugin": 2, "auto_transition": 3, "scram_secret_generate": 4, "scram_iteration_counter": 5, "mech_list": 6}, func(a *Application) {
		a.PwcheckMethod, a.AuxpropPlugin = []string{"saslauthd", "auxprop"}, []string{"sasldb"}
		a.AutoTransition, a.ScramSecretGenerate, a.ScramIterationCounter = NoPlainTransition, true, 10000
		a.MechList = []string{"SCRAM-SHA-256", "PLAIN"}
	})},
	{name: "MySQL", text: `pwcheck_method: auxprop
auxprop_plugin: sql
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5
sql_engine: mysql
sql_hostnames: 127.0.0.1, db2.example.org:3307
sql_user: postfix
sql_passwd: pencil
sql_database: mail
sql_select: SELECT password FROM users WHERE email = '%u@%r' AND active = 1
sql_usessl: yes
`, want: defaults(map[string]int{
		"pwcheck_method": 1, "auxprop_plugin": 2, "mech_list": 3, "sql_engine": 4, "sql_hostnames": 5, "sql_user": 6, "sql_passwd": 7,
		"sql_database": 8, "sql_select": 9, "sql_usessl": 10,
	}, func(a *Application) {
		a.AuxpropPlugin, a.MechList = []string{"sql"}, []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"}
		a.SQL = SQL{
			Engine: "mysql", Hostnames: []string{"127.0.0.1", "db2.example.org:3307"}, User: "postfix", Passwd: "pencil", Database: "mail",
			Select: "SELECT password FROM users WHERE email = '%u@%r' AND active = 1", UseSSL: true,
		}
	})},
	{name: "PostgreSQL by the old name", text: `pwcheck_method: auxprop
auxprop_plugin: sql
sql_engine: PgSQL
sql_statement: SELECT %p FROM user_table WHERE username = '%u' AND realm = '%r'
sql_insert: INSERT INTO user_table (username, realm, %p) VALUES ('%u', '%r', '%v')
sql_update: UPDATE user_table SET %p = '%v' WHERE username = '%u' AND realm = '%r'
`, want: defaults(map[string]int{"pwcheck_method": 1, "auxprop_plugin": 2, "sql_engine": 3, "sql_statement": 4, "sql_insert": 5, "sql_update": 6}, func(a *Application) {
		a.AuxpropPlugin = []string{"sql"}
		a.SQL = SQL{
			Engine: "pgsql",
			Select: "SELECT %p FROM user_table WHERE username = '%u' AND realm = '%r'",
			Insert: "INSERT INTO user_table (username, realm, %p) VALUES ('%u', '%r', '%v')",
			Update: "UPDATE user_table SET %p = '%v' WHERE username = '%u' AND realm = '%r'",
		}
	})},
	{name: "OpenLDAP", text: `pwcheck_method: auxprop
auxprop_plugin: ldapdb
mech_list: DIGEST-MD5 PLAIN
ldapdb_uri: ldap://ldap1.example.org ldap://ldap2.example.org
ldapdb_id: proxyuser
ldapdb_pw: pencil
ldapdb_mech: DIGEST-MD5
ldapdb_starttls: demand
ldapdb_rc: /etc/postfix/ldaprc
`, want: defaults(map[string]int{
		"pwcheck_method": 1, "auxprop_plugin": 2, "mech_list": 3, "ldapdb_uri": 4, "ldapdb_id": 5, "ldapdb_pw": 6, "ldapdb_mech": 7,
		"ldapdb_starttls": 8, "ldapdb_rc": 9,
	}, func(a *Application) {
		a.AuxpropPlugin, a.MechList = []string{"ldapdb"}, []string{"DIGEST-MD5", "PLAIN"}
		a.LDAPDB = LDAPDB{
			URI: []string{"ldap://ldap1.example.org", "ldap://ldap2.example.org"}, ID: "proxyuser", PW: "pencil",
			Mech: "DIGEST-MD5", StartTLS: "demand", RC: "/etc/postfix/ldaprc",
		}
	})},
	{name: "Courier's authdaemond", text: "pwcheck_method: authdaemond\nauthdaemond_path: /var/run/courier/authdaemon/socket\nmech_list: PLAIN LOGIN\n",
		want: defaults(map[string]int{"pwcheck_method": 1, "authdaemond_path": 2, "mech_list": 3}, func(a *Application) {
			a.PwcheckMethod, a.AuthdaemondPath = []string{"authdaemond"}, "/var/run/courier/authdaemon/socket"
			a.MechList = []string{"PLAIN", "LOGIN"}
		})},
	{name: "Kerberos and NTLM", text: "keytab: /etc/postfix/smtp.keytab\nmech_list: GSSAPI NTLM\nntlm_server: dc1.example.org, dc2.example.org\nreauth_timeout: 1440\notp_mda: SHA1\n",
		want: defaults(map[string]int{"keytab": 1, "mech_list": 2, "ntlm_server": 3, "reauth_timeout": 4, "otp_mda": 5}, func(a *Application) {
			a.Keytab, a.MechList = "/etc/postfix/smtp.keytab", []string{"GSSAPI", "NTLM"}
			a.NTLM.Server, a.ReauthTimeout, a.OTPMda = []string{"dc1.example.org", "dc2.example.org"}, 1440, "sha1"
		})},
	{name: "a howto of 2005", text: "pwcheck_method: saslauthd\nsaslauthd_version: 2\nmech_list: plain login\nminimum_layer: 0\nauto_transition: true\n",
		want: defaults(map[string]int{"pwcheck_method": 1, "mech_list": 3, "auto_transition": 5}, func(a *Application) {
			a.PwcheckMethod, a.MechList, a.AutoTransition = []string{"saslauthd"}, []string{"PLAIN", "LOGIN"}, FullTransition
		}),
		faults: []string{"2: saslauthd_version: unknown key", "4: minimum_layer is an option of Cyrus imapd, not of this file"}},
}

func TestHowtos(t *testing.T) {
	t.Parallel()
	for _, c := range howtos {
		app, faults := mustParse(t, c.text).Application()
		if diff := cmp.Diff(c.want, app); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
		got := told(faults)
		if len(got) != len(c.faults) {
			t.Errorf("%s: %v", c.name, faults)
			continue
		}
		for i, want := range c.faults {
			if !strings.HasPrefix(got[i], want) {
				t.Errorf("%s: %s, want %s", c.name, got[i], want)
			}
		}
	}
}

func TestWhere(t *testing.T) {
	t.Parallel()
	app, _ := mustParse(t, "# x\nmech_list: plain\n").Application()
	for key, want := range map[string]string{
		"mech_list": "smtpd.conf:2", "pwcheck_method": "default of Cyrus SASL",
		"sasldb_path": "default of the build", "keytab": "default of the Kerberos library",
	} {
		if got := app.Where(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	var none File
	app, faults := none.Application()
	if faults != nil || app.SasldbPath == "" || app.MechList != nil || app.AutoTransition.String() != "no" {
		t.Errorf("%+v, %v", app, faults)
	}
}
