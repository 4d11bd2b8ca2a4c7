//go:build linux

package interop

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
)

// directoryConf is OpenLDAP's configuration, without the folder of the entries. The
// attribute of RFC 3112 is in no schema of Debian's.
const directoryConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.4203.1.3.4 NAME 'authPassword' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.4203.1.4.7 NAME 'authPasswordObject' SUP top AUXILIARY MAY ( authPassword $ userPassword ) )
modulepath /usr/lib/ldap
sasl-host ldap.example
loglevel 0
%s
database %s
suffix dc=example
rootdn cn=admin,dc=example
rootpw admin's
directory %s
%s
`

const (
	directoryAdmin  = "cn=admin,dc=example"
	directorySecret = "admin's"
)

// A directory is a private OpenLDAP on a loopback port and a unix socket.
type directory struct {
	dir, conf string
	port      string // of ldap://127.0.0.1
	tlsPort   string // of ldaps://127.0.0.1
	urls      []string
	cmd       *exec.Cmd
}

// A directoryPlan says what is special about a directory.
type directoryPlan struct {
	global, database string     // more lines of the configuration
	backend          string     // "" is ldif, which sends no pages
	tls              *testTLS   // for StartTLS and ldaps
	entries          []ldapItem // besides dc=example and ou=people
}

// A ldapItem is an entry: its DN below dc=example, and "attribute: value" lines.
type ldapItem struct {
	dn    string
	lines []string
}

// person is an entry with an uid, and values of userPassword.
func person(uid string, passwords ...string) ldapItem {
	lines := []string{"objectClass: inetOrgPerson", "objectClass: authPasswordObject", "uid: " + uid, "cn: " + uid, "sn: " + uid}
	for _, p := range passwords {
		lines = append(lines, "userPassword: "+p)
	}
	return ldapItem{"uid=" + uid + ",ou=people", lines}
}

// startDirectory runs slapd until the test ends.
func startDirectory(t testing.TB, plan directoryPlan) *directory {
	t.Helper()
	slapadd := need(t, "slapadd")
	need(t, "slapd")
	dir, err := os.MkdirTemp("", "saslkit-ldap-") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &directory{dir: dir, conf: filepath.Join(dir, "slapd.conf"), port: freePort(t)}
	d.urls = []string{"ldap://127.0.0.1:" + d.port + "/", "ldapi://" + url.PathEscape(filepath.Join(dir, "ldapi")) + "/"}
	if plan.tls != nil {
		d.tlsPort = freePort(t)
		// The certificate is not for the second address.
		d.urls = append(d.urls, "ldaps://127.0.0.1:"+d.tlsPort+"/", "ldap://127.0.0.2:"+d.port+"/", "ldaps://127.0.0.2:"+d.tlsPort+"/")
		plan.global += fmt.Sprintf("\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\nTLSCACertificateFile %[1]s\nTLSVerifyClient try\n", plan.tls.pem, plan.tls.key)
	}
	db := filepath.Join(dir, "db")
	if err := os.Mkdir(db, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, d.conf, fmt.Appendf(nil, directoryConf, plan.global, cmp.Or(plan.backend, "ldif"), db, plan.database))
	ldif := "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n\ndn: ou=people,dc=example\nobjectClass: organizationalUnit\n\n"
	for _, e := range plan.entries {
		ldif += "dn: " + e.dn + ",dc=example\n" + strings.Join(e.lines, "\n") + "\n\n"
	}
	writeFile(t, filepath.Join(dir, "ldif"), []byte(ldif))
	if out, err := exec.Command(slapadd, "-f", d.conf, "-l", filepath.Join(dir, "ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	d.start(t)
	t.Cleanup(func() {
		d.end(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("slapd's log:\n%s", d.log())
		}
	})
	return d
}

// start runs slapd, again after its end. It makes a table of as many connections as it may
// have files.
func (d *directory) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const limited = `ulimit -n 1024 && exec "$@"`
	d.cmd = exec.Command("sh", "-c", limited, "sh", need(t, "slapd"), "-d", "stats", "-f", d.conf, "-h", strings.Join(d.urls, " "))
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	asktest.Until(t, "slapd listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+d.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func (d *directory) log() string {
	said, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return string(said)
}

func (d *directory) signal(s syscall.Signal) { d.cmd.Process.Signal(s) }

// end ends slapd, unless it has ended.
func (d *directory) end(s syscall.Signal) {
	if d.cmd.ProcessState == nil {
		peers.End(d.cmd, s)
	}
}

// options are those of a service account that searches people by uid.
func (d *directory) options() ldap.Options {
	return ldap.Options{
		Servers: d.urls[:1], SearchBase: "ou=people,dc=example", Filter: "(uid=%u)",
		BindDN: directoryAdmin, BindPassword: directorySecret, Timeout: patience,
	}
}

// verifier is ours of the directory, until the test ends.
func (d *directory) verifier(t testing.TB, change func(*ldap.Options)) *ldap.Directory {
	t.Helper()
	o := d.options()
	if change != nil {
		change(&o)
	}
	v, err := ldap.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

// askFor is a request for a user of no realm.
func askFor(user string) verifier.Request {
	return verifier.Request{User: user, Service: "smtp", Mechanism: "PLAIN"}
}
