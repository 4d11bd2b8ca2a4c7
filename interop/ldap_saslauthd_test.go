//go:build linux

package interop

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// hashed is a {SCHEME}value as OpenLDAP writes it (RFC 2307 section 5.3).
func hashed(scheme, password string) string {
	const salt = "salt"
	var sum []byte
	switch scheme {
	case "{SHA}":
		h := sha1.Sum([]byte(password))
		sum = h[:]
	case "{SSHA}":
		h := sha1.Sum([]byte(password + salt))
		sum = append(h[:], salt...)
	case "{MD5}":
		h := md5.Sum([]byte(password))
		sum = h[:]
	case "{SMD5}":
		h := md5.Sum([]byte(password + salt))
		sum = append(h[:], salt...)
	}
	return scheme + base64.StdEncoding.EncodeToString(sum)
}

// comparedEntries are people and groups of whom both saslauthds are asked.
func comparedEntries(t *testing.T) []ldapItem {
	mail := person("carol", hashed("{SSHA}", "canary-carol"))
	mail.lines = append(mail.lines, "mail: carol@mail.example")
	group := func(cn string, members ...string) ldapItem {
		lines := []string{"objectClass: groupOfUniqueNames", "cn: " + cn}
		for _, m := range members {
			lines = append(lines, "uniqueMember: "+m)
		}
		return ldapItem{"cn=" + cn, lines}
	}
	other := person("alice", "canary-other")
	other.dn = "uid=alice,ou=other.example"
	return []ldapItem{
		person("alice", "canary-alice"), mail,
		person("sha", hashed("{SHA}", "canary-sha")), person("md5", hashed("{MD5}", "canary-md5")),
		person("smd5", hashed("{SMD5}", "canary-smd5")), person("crypt", "{CRYPT}"+md5crypt(t, "canary-crypt")),
		person("odd", "{NOSUCH}canary-odd"), person("none"),
		person("a@b", "canary-at"), person("two", "canary-two"), person("two-too", "canary-two"),
		{"ou=other.example", []string{"objectClass: organizationalUnit"}}, other,
		group("mail", "uid=alice,ou=people,dc=example", "uid=a@b,ou=people,dc=example"),
		group("mail.example", "uid=carol,ou=people,dc=example"),
	}
}

// comparedConfs are what saslauthd.conf says beside the server and the service account.
var comparedConfs = []struct {
	name, conf string
	args       string
}{
	{"bind", "ldap_search_base: ou=people,dc=example\n", ""},
	{"bind, joined", "ldap_search_base: ou=people,dc=example\nldap_filter: (|(uid=%u)(mail=%u))\n", "-r"},
	{"bind, cut", "ldap_search_base: ou=people,dc=example\nldap_filter: (|(uid=%U)(mail=%u@%r))\nldap_scope: one\n", ""},
	{"bind, no parentheses", "ldap_search_base: ou=people,dc=example\nldap_filter: uid=%u\n", ""},
	{"bind, blanks", "ldap_search_base: ou=people,dc=example\nldap_filter: (& (uid=%u) (| (sn=%u) (cn=%u) ) )\n", ""},
	{"bind, realm in the base", "ldap_search_base: ou=%r,dc=example\n", ""},
	{"bind, default realm", "ldap_search_base: ou=%r,dc=example\nldap_default_realm: other.example\n", ""},
	{"bind, labels", "ldap_search_base: ou=people,dc=%1\nldap_filter: (&(uid=%u)(uid=*))\n", ""},
	{"bind, group", "ldap_search_base: ou=people,dc=example\nldap_group_dn: cn=mail,dc=example\n", ""},
	{"bind, group of the realm", "ldap_search_base: ou=people,dc=example\nldap_group_dn: cn=%r,dc=example\n", ""},
	{"bind, group by filter", "ldap_search_base: ou=people,dc=example\nldap_group_filter: (&(cn=mail)(uniqueMember=%D))\nldap_group_match_method: filter\nldap_group_search_base: dc=example\n", ""},
	{"fastbind", "ldap_auth_method: fastbind\nldap_filter: uid=%u,ou=people,dc=example\n", ""},
	{"fastbind, group", "ldap_auth_method: fastbind\nldap_filter: uid=%u,ou=people,dc=example\nldap_group_dn: cn=mail,dc=example\n", ""},
	{"custom", "ldap_auth_method: custom\nldap_search_base: ou=people,dc=example\n", ""},
	{"custom, group", "ldap_auth_method: custom\nldap_search_base: ou=people,dc=example\nldap_group_dn: cn=mail,dc=example\n", ""},
}

var comparedLogins = []struct{ user, password string }{
	{"alice", "canary-alice"}, {"alice", "canary-other"}, {"alice", "wrong"}, {"ALICE", "canary-alice"}, {"alice ", "canary-alice"}, {" alice", "canary-alice"},
	{"carol", "canary-carol"}, {"carol", "canary-carolx"}, {"sha", "canary-sha"}, {"md5", "canary-md5"}, {"smd5", "canary-smd5"}, {"crypt", "canary-crypt"},
	{"odd", "canary-odd"}, {"odd", "x"}, {"none", "x"}, {"two", "canary-two"}, {"nobody-here", "x"},
	{"*", "canary-alice"}, {"ali*", "canary-alice"}, {"alice)(uid=*", "canary-alice"}, {`\61lice`, "canary-alice"}, {"alice,ou=people", "canary-alice"}, {"alice\\", "canary-alice"},
}

// Our saslauthd answers as the original does, by the same file over the same directory.
func TestLDAPSaslauthd(t *testing.T) {
	t.Parallel()
	need(t, "saslauthd")
	peers.Root(t, "mounts that saslauthd alone sees")
	program := filepath.Join(oldCommands(t), "saslauthd")
	d := startDirectory(t, directoryPlan{entries: comparedEntries(t)})
	server := "ldap_servers: " + d.urls[0] + "\nldap_bind_dn: " + directoryAdmin + "\nldap_bind_pw: " + directorySecret + "\n"
	for _, c := range comparedConfs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := filepath.Join(t.TempDir(), "saslauthd.conf")
			writeFile(t, conf, []byte(server+c.conf))
			args := append([]string{"-a", "ldap", "-O", conf}, strings.Fields(c.args)...)
			theirs := startSaslauthd(t, nil, nil, append(args, "-n", "1")...).client(t)
			ours, err := saslauthd.New(saslauthd.Options{Socket: startOurSaslauthd(t, program, args...)})
			if err != nil {
				t.Fatal(err)
			}
			in := 0
			for _, login := range comparedLogins {
				for _, realm := range []string{"", "mail.example", "other.example"} {
					r := verifier.Request{User: login.user, Realm: realm, Service: "smtp", Mechanism: "PLAIN"}
					_, want := theirs.VerifyPassword(t.Context(), r, login.password)
					_, got := ours.VerifyPassword(t.Context(), r, login.password)
					if (want == nil) != (got == nil) || errors.Is(got, verifier.ErrUnavailable) {
						t.Errorf("%q in %q by %q: saslauthd %v, ours %v", login.user, realm, login.password, want, got)
					}
					if got == nil {
						in++
					}
				}
			}
			if in == 0 {
				t.Error("nobody gets in")
			}
		})
	}
}
