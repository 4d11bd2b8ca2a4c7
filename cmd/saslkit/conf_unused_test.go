package main

import (
	"strings"
	"testing"
	"time"
)

// TestConfUnused: what a file asks for and does not get is told, once for each reason, or
// refused where it would make somebody another user.
func TestConfUnused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		code       int
		told       string
	}{
		{"nothing", "log_level: 3", 0, ""},
		{"Kerberos", "keytab: /etc/k\nad_compat: yes", 0, "smtpd.conf:2: no effect here: keytab, ad_compat (Kerberos is not built in)"},
		{"a directory", "ldapdb_uri: ldapi://\nldapdb_pw: pencil", 0, "no effect here: ldapdb_uri, ldapdb_pw (the plugin ldapdb is not built in"},
		{"names from a directory", "canon_user_plugin: ldapdb\nldapdb_canon_attr: uid", 2, "canon_user_plugin ldapdb is not built in"},
		{"series with SHA-1", "otp_mda: sha1", 0, ""},
		{"again for two days", "reauth_timeout: 2880", 0, "reauth_timeout: 1440 minutes is the longest here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conf := textFile(t, "smtpd.conf", "sasldb_path: "+mailDB(t), tt.line)
			got := runCommand(t, "", "mechs", "--conf", conf, "-r", "mail.example")
			if got.code != tt.code || !strings.Contains(got.stderr, tt.told) || tt.told == "" && strings.Contains(got.stderr, "warning") {
				t.Errorf("exit %d, errors %q", got.code, got.stderr)
			}
			if strings.Contains(got.stderr, "pencil") {
				t.Errorf("a password: %q", got.stderr)
			}
		})
	}
}

// TestConfReauth: reauth_timeout is NonceLife, in minutes.
func TestConfReauth(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	for line, want := range map[string]time.Duration{"": 0, "reauth_timeout: 90": 90 * time.Minute, "reauth_timeout: 9999": 24 * time.Hour} {
		o := siteOptions{confFile: textFile(t, "smtpd.conf", "sasldb_path: "+db, line)}
		open := &opener{std: newStdio("saslkit", nil, &strings.Builder{}, &strings.Builder{})}
		a, err := o.authenticator(open)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); err != nil || a.NonceLife != want {
			t.Errorf("%q: %v, %v", line, a.NonceLife, err)
		}
		open.close()
	}
}
