//go:build linux

package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

// The command over files that a postmaster has, or writes.
func TestLDAPCommand(t *testing.T) {
	t.Parallel()
	command, site := saslkitCommand(t), labTLS(t)
	d := startDirectory(t, directoryPlan{tls: site, entries: append(comparedEntries(t),
		person("clear", "canary-clear"), person("keys", ldapSCRAM(t, verifier.KindSCRAMSHA256, "canary-keys", verifier.SCRAMDovecot)))})
	account := "ldap_search_base: ou=people,dc=example\nldap_bind_dn: " + directoryAdmin + "\nldap_bind_pw: " + directorySecret + "\n"
	plain := "ldap_servers: " + d.urls[0] + "\n" + account
	secure := "ldap_servers: ldap://localhost:" + d.port + "/\nldap_start_tls: yes\n" + account
	for _, c := range []struct {
		name, conf string
		args       string // after check
		password   string
		out, err   string // what is printed, in part
		code       int
	}{
		{"right", plain, "alice", "canary-alice", "ok user=alice", "", 0},
		{"wrong", plain, "alice", "wrong", "no reason=wrong-password", "", 1},
		{"unknown", plain, "nobody-here", "x", "no reason=unknown-user", "", 1},
		{"realm", plain + "ldap_filter: (mail=%u@%r)\nldap_user_attr: uid\n", "--realm mail.example carol@mail.example", "canary-carol", "ok user=carol realm=mail.example", "", 0},
		{"not a member", plain + "ldap_group_dn: cn=mail,dc=example\n", "carol", "canary-carol", "no reason=disabled", "", 1},
		{"down", "ldap_servers: ldap://127.0.0.1:1/\n" + account, "alice", "x", "no reason=unavailable", "connection refused", 3},
		{"service account", plain + "ldap_bind_pw: wrong\n", "alice", "canary-alice", "no reason=unavailable", "service account", 3},
		{"StartTLS", secure + "ldap_tls_cacert_file: " + site.pem + "\n", "alice", "canary-alice", "ok user=alice", "", 0},
		{"StartTLS, the system's authorities", secure, "alice", "canary-alice", "no reason=unavailable", "certificate", 3},
		{"StartTLS, unchecked", secure + "ldap_tls_check_peer: no\n", "alice", "canary-alice", "ok user=alice", "anybody on the way can pose as the server", 0},
		{"SCRAM without secrets", plain, "--mech SCRAM-SHA-256 clear", "canary-clear", "no reason=no-secret", "", 1},
		{"secrets of a directory that compares", plain, "--secrets ldap:CONF --mech SCRAM-SHA-256 clear", "x", "", "holds no secrets", 2},
		{"secrets of one that is read", plain + "ldap_auth_method: custom\nldap_kinds: password\n", "--secrets ldap:CONF --mech CRAM-MD5 clear", "canary-clear", "ok user=clear", "", 0},
		{"SCRAM from a password", plain + "ldap_auth_method: custom\nldap_kinds: password\n", "--mech SCRAM-SHA-256 clear", "canary-clear", "ok user=clear", "", 0},
		{"SCRAM from keys, counted", plain + "ldap_auth_method: custom\nldap_list_filter: (uid=keys)\n", "--mech SCRAM-SHA-256 keys", "canary-keys", "ok user=keys", "", 0},
		{"unknown kind", plain + "ldap_auth_method: custom\nldap_kinds: scram\n", "alice", "x", "", "ldap_kinds: no kind", 2},
		{"GSSAPI", plain + "ldap_use_sasl: yes\nldap_mech: GSSAPI\n", "alice", "x", "", "only EXTERNAL", 2},
		{"EXTERNAL for everybody", plain + "ldap_use_sasl: yes\nldap_mech: EXTERNAL\n", "alice", "x", "", "lets everybody in", 2},
		{"misspelt", plain + "ldap_search_bas: x\n", "alice", "x", "", "did you mean ldap_search_base", 2},
		{"version 2", plain + "ldap_version: 2\n", "alice", "x", "", "only version 3", 2},
		{"everybody's filter", plain + "ldap_filter: (uid=*)\n", "alice", "x", "", "every user is the same entry", 2},
		{"no password of the account", strings.Replace(plain, "ldap_bind_pw", "#", 1), "alice", "x", "", "has no password", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := filepath.Join(t.TempDir(), "saslauthd.conf")
			writeFile(t, conf, []byte(c.conf))
			args := append([]string{"check", "--password-stdin", "--verifier", "ldap:" + conf}, strings.Fields(strings.ReplaceAll(c.args, "CONF", conf))...)
			cmd := exec.Command(command, args...)
			cmd.Stdin = strings.NewReader(c.password + "\n")
			var said strings.Builder
			cmd.Stderr = &said
			out, _ := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(out), c.out) || !strings.Contains(said.String(), c.err) {
				t.Errorf("%d, want %d: %s%s", code, c.code, out, said.String())
			}
			if strings.Contains(said.String(), "canary") || strings.Contains(said.String(), directorySecret) {
				t.Errorf("a password is shown: %s", said.String())
			}
		})
	}
}
