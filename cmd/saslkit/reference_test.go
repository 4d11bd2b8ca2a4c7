package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// reference is docs/reference/options.md.
const reference = "../../docs/reference/options.md"

// samples are files that set one option each, beside the lines that it needs. Of one that
// the page says is warned of or refused it is the sample that has that fate.
var samples = map[string]string{
	"pwcheck_method": "pwcheck_method: saslauthd", "mech_list": "mech_list: PLAIN", "auxprop_plugin": "auxprop_plugin: sasldb",
	"auto_transition": transitionSample, "auto_transition_life": transitionSample + "\nauto_transition_life: 30d",
	"canon_user_plugin": "canon_user_plugin: INTERNAL", "log_level": "log_level: 3", "plugin_list": "plugin_list: /etc/plugins",
	"client_mech_list": "client_mech_list: PLAIN", "saslauthd_path": "pwcheck_method: saslauthd\nsaslauthd_path: /run/sasl/mux",
	"authdaemond_path": "authdaemond_path: /run/authdaemon", "sasldb_path": "",
	"sasldb_mapsize": "sasldb_mapsize: 4096", "sasldb_maxreaders": "sasldb_maxreaders: 10",
	"reauth_timeout": "reauth_timeout: 60", "scram_secret_generate": "scram_secret_generate: yes", "scram_iteration_counter": "scram_iteration_counter: 10000",
	"otp_mda": "otp_mda: sha1", "opiekeys": "opiekeys: /etc/opiekeys", "srp_mda": "srp_mda: md5",
	"keytab": "keytab: /etc/k", "srvtab": "srvtab: /etc/s", "ad_compat": "ad_compat: yes", "service_principal": "service_principal: smtp", "ccache_store": "ccache_store: FILE:/tmp/x",
	"sql_engine": sqlSample, "sql_hostnames": sqlSample + "\nsql_hostnames: 127.0.0.1", "sql_user": sqlSample + "\nsql_user: al",
	"sql_passwd": sqlSample + "\nsql_passwd: pencil", "sql_database": sqlSample, "sql_select": sqlSample,
	"sql_statement": strings.Replace(sqlSample, "sql_select", "sql_statement", 1),
	"sql_insert":    sqlSample + sqlWrite, "sql_update": sqlSample + sqlWrite, "sql_usessl": sqlSample + "\nsql_usessl: no",
	"sql_ssl_ca": sqlSample + "\nsql_usessl: yes\nsql_ssl_ca: /nonexistent", "sql_ssl_verify": sqlSample + "\nsql_ssl_verify: yes",
	"sql_list": sqlSample + "\nsql_list: SELECT name AS \"user\", password FROM users", "sql_delete": sqlSample + sqlWrite + "\nsql_delete: DELETE FROM users WHERE name = '%u'",
	"sql_kinds": sqlSample + "\nsql_kinds: password", "sql_scheme": sqlSample + "\nsql_scheme: PLAIN", "sql_fresh": sqlSample + "\nsql_fresh: SELECT 0",
	"sql_max_lag": sqlSample + "\nsql_fresh: SELECT 0\nsql_max_lag: 9", "sql_replicas": sqlSample + "\nsql_fresh: SELECT 0\nsql_replicas: yes", "sql_timeout": sqlSample + "\nsql_timeout: 3",
	"ldapdb_uri": "ldapdb_uri: ldapi://", "ldapdb_id": "ldapdb_id: al", "ldapdb_pw": "ldapdb_pw: pencil", "ldapdb_mech": "ldapdb_mech: PLAIN",
	"ldapdb_rc": "ldapdb_rc: /etc/ldaprc", "ldapdb_starttls": "ldapdb_starttls: try", "ldapdb_canon_attr": "ldapdb_canon_attr: uid",
	"ntlm_server": "ntlm_server: dc.example", "ntlm_v2": "ntlm_v2: yes",

	"ldap_servers": "", "ldap_bind_dn": bindSample, "ldap_bind_pw": bindSample, "ldap_password": "ldap_bind_dn: cn=a\nldap_password: pencil",
	"ldap_search_base": "ldap_search_base: dc=x", "ldap_filter": "ldap_filter: (uid=%u)", "ldap_scope": "ldap_scope: one", "ldap_deref": "ldap_deref: always",
	"ldap_auth_method": "ldap_auth_method: custom", "ldap_password_attr": "ldap_password_attr: x",
	"ldap_group_dn": groupSample, "ldap_group_attr": groupSample, "ldap_group_filter": groupFilterSample, "ldap_group_search_base": groupFilterSample,
	"ldap_group_scope": groupFilterSample, "ldap_group_match_method": groupFilterSample,
	"ldap_default_realm": "ldap_default_realm: e", "ldap_default_domain": "ldap_default_domain: e", "ldap_timeout": "ldap_timeout: 3", "ldap_time_limit": "ldap_time_limit: 3",
	"ldap_version": "ldap_version: 3", "ldap_start_tls": "ldap_start_tls: yes", "ldap_tls_check_peer": "ldap_tls_check_peer: yes",
	"ldap_tls_cacert_file": "ldap_tls_cacert_file: /nonexistent", "ldap_tls_cacert_dir": "ldap_tls_cacert_dir: /nonexistent",
	"ldap_tls_cert": "ldap_tls_cert: /nonexistent", "ldap_tls_key": "ldap_tls_key: /nonexistent", "ldap_tls_ciphers": "ldap_tls_ciphers: HIGH", "ldap_referrals": "ldap_referrals: yes",
	"ldap_use_sasl": externalSample, "ldap_mech": externalSample, "ldap_sasl_mech": strings.Replace(externalSample, "ldap_mech", "ldap_sasl_mech", 1),
	"ldap_id": "ldap_id: a", "ldap_sasl_authc_id": "ldap_sasl_authc_id: a", "ldap_authz_id": "ldap_authz_id: a", "ldap_sasl_authz_id": "ldap_sasl_authz_id: a",
	"ldap_realm": "ldap_realm: e", "ldap_sasl_realm": "ldap_sasl_realm: e", "ldap_sasl_secprops": "ldap_sasl_secprops: none",
	"ldap_size_limit": "ldap_size_limit: 3", "ldap_restart": "ldap_restart: no", "ldap_debug": "ldap_debug: 1",
	"ldap_user_attr": "ldap_user_attr: uid", "ldap_scram_attr": "ldap_scram_attr: x", "ldap_kinds": "ldap_auth_method: custom\nldap_kinds: password",
	"ldap_list_filter": "ldap_auth_method: custom\nldap_list_filter: (a=b)",
	"krb5_keytab":      "krb5_keytab: /etc/k", "krb5_verify_principal": "krb5_verify_principal: smtp", "krb5_servername": "krb5_servername: x", "krb5_conv_krb4_instance": "krb5_conv_krb4_instance: no",
	"httpform_host": "httpform_host: x", "httpform_port": "httpform_port: 81", "httpform_uri": "httpform_uri: /x", "httpform_data": "httpform_data: x",
}

const (
	transitionSample  = "pwcheck_method: saslauthd\nauto_transition: noplain"
	sqlSample         = "auxprop_plugin: sql\nsql_engine: pgsql\nsql_database: mail\nsql_select: SELECT password FROM users WHERE name = '%u'"
	sqlWrite          = "\nsql_insert: INSERT INTO users (name, %p) VALUES ('%u', '%v')\nsql_update: UPDATE users SET %p = '%v' WHERE name = '%u'"
	bindSample        = "ldap_bind_dn: cn=a\nldap_bind_pw: pencil"
	groupSample       = "ldap_group_dn: cn=mail\nldap_group_attr: member"
	groupFilterSample = "ldap_group_match_method: filter\nldap_group_filter: (member=%D)\nldap_group_search_base: dc=x\nldap_group_scope: one"
	externalSample    = "ldap_servers: ldapi://%2Frun%2Fldapi/\nldap_use_sasl: yes\nldap_mech: EXTERNAL\nldap_auth_method: custom"
)

// sampleRun shows what mechs makes of a file with an option.
func sampleRun(t *testing.T, option string) ran {
	t.Helper()
	sample, ok := samples[option]
	if !ok {
		t.Fatalf("no sample of %s", option)
	}
	if strings.HasPrefix(option, "ldap_") || strings.HasPrefix(option, "krb5_") || strings.HasPrefix(option, "httpform_") {
		lines := []string{sample}
		if !strings.Contains(sample, "ldap_servers") {
			lines = append(lines, "ldap_servers: ldap://127.0.0.1:1/")
		}
		if !strings.Contains(sample, "ldap_search_base") {
			lines = append(lines, "ldap_search_base: dc=x")
		}
		return runCommand(t, "", "mechs", "--verifier", "ldap:"+textFile(t, "saslauthd.conf", lines...), "-r", "mail.example")
	}
	lines := []string{sample}
	if !strings.Contains(sample, "auxprop_plugin: sql") {
		lines = append(lines, "sasldb_path: "+mailDB(t))
	}
	return runCommand(t, "", "mechs", "--conf", textFile(t, "smtpd.conf", lines...), "-r", "mail.example")
}

// TestReferenceOptions: what the page says of an option is what the command does with a
// file that has it, in the words that the page quotes.
func TestReferenceOptions(t *testing.T) {
	t.Parallel()
	page, err := pages.Read(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range slices.Concat(page.Rows("The application's file"), page.Rows("saslauthd.conf")) {
		for _, option := range pages.Code(row.Cells[0]) {
			t.Run(option, func(t *testing.T) {
				t.Parallel()
				got := sampleRun(t, option)
				if word := fateOf(got, option); word != "" && row.Cells[1] != "**"+word+"**" || word == "" && !strings.Contains("**read** **own** **not needed**", row.Cells[1]) {
					t.Errorf("%s:%d: %s, but it is %q: exit %d, errors %q", reference, row.Line, row.Cells[1], word, got.code, got.stderr)
				}
				if row.Cells[1] == "**warned**" && !slices.ContainsFunc(pages.Code(row.Cells[2]), func(words string) bool {
					return strings.Contains(words, " ") && strings.Contains(got.stderr, words)
				}) {
					t.Errorf("%s:%d: none of the words of the page is in %q", reference, row.Line, got.stderr)
				}
			})
		}
	}
}

// fateOf is "refused", "warned" or neither. A file that cannot be opened is as good as
// read.
func fateOf(got ran, option string) string {
	for line := range strings.Lines(got.stderr) {
		named := regexp.MustCompile(`\b` + option + `\b`).MatchString(line)
		switch {
		case !named || strings.Contains(line, "no such file"):
		case strings.HasPrefix(line, "saslkit: warning: "):
			return "warned"
		case got.code == exitUsage:
			return "refused"
		}
	}
	return ""
}

// TestReferenceRefusals: the refusals that the page quotes.
func TestReferenceRefusals(t *testing.T) {
	t.Parallel()
	page, err := pages.Read(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ option, line string }{
		{"pwcheck_method", "pwcheck_method: authdaemond"},
		{"auxprop_plugin", "auxprop_plugin: ldapdb\nldapdb_uri: ldapi://"},
		{"canon_user_plugin", "canon_user_plugin: ldapdb\nldapdb_canon_attr: uid"},
	} {
		got := runCommand(t, "", "mechs", "--conf", textFile(t, "smtpd.conf", tt.line, "sasldb_path: "+mailDB(t)), "-r", "mail.example")
		if got.code != exitUsage || !quotes(page, tt.option, got.stderr) {
			t.Errorf("%s: exit %d, errors %q", tt.line, got.code, got.stderr)
		}
	}
	for _, backend := range []string{"kerberos5", "rimap", "httpform", "dce", "kerberos4", "sia"} {
		s := &oldSaslauthd{numbers: map[byte]int{}}
		err := s.parse([]string{"-a", backend, "-m", "/nonexistent"})
		if err == nil || backend == "rimap" && !quotes(page, "-a", err.Error()) {
			t.Errorf("saslauthd -a %s: %v", backend, err)
		}
	}
}

// quotes reports whether the row of an option has words of a message.
func quotes(page *pages.Page, option, message string) bool {
	for _, heading := range []string{"The application's file", "saslauthd's switches"} {
		for _, row := range page.Rows(heading) {
			if row.Cells[0] == "`"+option+"`" {
				return slices.ContainsFunc(pages.Code(row.Cells[2]), func(words string) bool {
					return strings.Contains(words, " ") && strings.Contains(message, words)
				})
			}
		}
	}
	return false
}

// TestReferenceSwitches: the page has the switches that the old names take, and no other
// but those that it says are gone.
func TestReferenceSwitches(t *testing.T) {
	t.Parallel()
	page, err := pages.Read(reference)
	if err != nil {
		t.Fatal(err)
	}
	for heading, usage := range map[string]string{
		"saslauthd's switches": oldSaslauthdUsage, "saslpasswd2": saslpasswd2Usage,
		"sasldblistusers2": sasldblistusers2Usage, "testsaslauthd": testsaslauthdUsage,
	} {
		want := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?:^|[\s\[])(-[a-zA-Z])\b`).FindAllStringSubmatch(usage, -1) {
			want[m[1]] = true
		}
		for _, row := range page.Rows(heading) {
			for _, s := range pages.Code(row.Cells[0]) {
				if gone := row.Cells[1] == "**gone**"; gone == want[s] {
					t.Errorf("%s:%d: %s is %s", reference, row.Line, s, row.Cells[1])
				}
				delete(want, s)
			}
		}
		for s := range want {
			t.Errorf("%s, %s: %s is missing", reference, heading, s)
		}
	}
}
