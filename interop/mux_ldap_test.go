//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// slapdConf is OpenLDAP's own configuration; %s is the folder of the entries. With
// sasl-host nobody is asked for the name of the machine; loglevel is for syslog alone.
const slapdConf = `include /etc/ldap/schema/core.schema
sasl-host ldap.example
sasl-secprops none
loglevel 0
database ldif
suffix ou=people
directory %s
`

// A slapd is a private server of OpenLDAP on a unix socket, whose libsasl2 asks a mux.
type slapd struct {
	dir, url string
	whoami   string // the program ldapwhoami
}

// ldapUser is the DN of an entry.
func ldapUser(uid string) string { return "uid=" + uid + ",ou=people" }

// startSlapd serves entries, uid to userPassword, until the test ends.
func startSlapd(t testing.TB, mux string, entries map[string]string) *slapd {
	t.Helper()
	program, slapadd := need(t, "slapd"), need(t, "slapadd")
	whoami := need(t, "ldapwhoami")
	peers.Root(t, "a mount that slapd alone sees")
	dir, err := os.MkdirTemp("", "saslkit-slapd-") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &slapd{dir: dir, url: "ldapi://" + url.PathEscape(filepath.Join(dir, "ldapi")), whoami: whoami}
	for _, folder := range []string{"sasl2", "db"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	conf, ldif := filepath.Join(dir, "slapd.conf"), filepath.Join(dir, "ldif")
	writeFile(t, conf, fmt.Appendf(nil, slapdConf, filepath.Join(dir, "db")))
	writeFile(t, filepath.Join(dir, "sasl2", "slapd.conf"), []byte("pwcheck_method: saslauthd\nsaslauthd_path: "+mux+"\n"))
	lines := "dn: ou=people\nobjectClass: organizationalUnit\n"
	for uid, password := range entries {
		lines += fmt.Sprintf("\ndn: %s\nobjectClass: person\nobjectClass: uidObject\ncn: %[2]s\nsn: %[2]s\nuserPassword: %[3]s\n", ldapUser(uid), uid, password)
	}
	writeFile(t, ldif, []byte(lines))
	if out, err := exec.Command(slapadd, "-f", conf, "-l", ldif).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.start(t, program, conf)
	return s
}

// start runs slapd. Debian's looks for libsasl2's slapd.conf in /etc/ldap/sasl2 whatever
// SASL_CONF_PATH says, so it gets one of its own there. It makes a table of as many
// connections as it may have files, which in containers can be a thousand million.
func (s *slapd) start(t testing.TB, program, conf string) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const overlay = `"$1" --bind "$2" /etc/ldap/sasl2 && shift 2 && ulimit -n 1024 && exec "$@"`
	cmd := exec.Command("sh", "-c", overlay, "sh", need(t, "mount"), filepath.Join(s.dir, "sasl2"), program, "-d", "stats", "-f", conf, "-h", s.url)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		peers.Missing(t, "the right to make mounts of one's own: "+err.Error())
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil {
			t.Errorf("slapd ended: %v", err)
		}
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("slapd's log:\n%s", said)
		}
	})
	asktest.Until(t, "slapd listens", func() bool {
		c, err := net.Dial("unix", filepath.Join(s.dir, "ldapi"))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// Result codes of LDAP, with which ldapwhoami exits too.
const (
	ldapSuccess            = 0
	ldapInvalidCredentials = 49
)

// bind is the result of a simple bind. It may be called concurrently.
func (s *slapd) bind(t testing.TB, uid, password string) int {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Error(err)
		return -1
	}
	cmd := exec.Command(s.whoami, "-x", "-H", s.url, "-D", ldapUser(uid), "-y", file)
	cmd.Env = append(os.Environ(), "LDAPNOINIT=1") // the system's ldap.conf is not looked at
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Error(err)
		return -1
	}
	code := cmd.ProcessState.ExitCode()
	if said := strings.TrimSpace(string(out)); code == ldapSuccess && said != "dn:"+ldapUser(uid) {
		t.Errorf("%s is %q", uid, said)
	}
	return code
}

// A ldapLogin is what our daemon observes of a bind.
type ldapLogin struct{ Service, User, Realm, Result string }

// startLDAPMux is startMux, and the logins that it observes.
func startLDAPMux(t *testing.T, v verifier.Verifier, policy realm.Policy) (*mux, <-chan ldapLogin) {
	t.Helper()
	m := startMux(t, v, policy)
	logins := make(chan ldapLogin, 100)
	observe := func(e saslkit.Event) {
		l := ldapLogin{e.Service, e.User, e.Realm, "in"}
		switch {
		case e.Err == nil:
		case errors.Is(e.Err, verifier.ErrUnavailable):
			l.Result = "trouble"
		default:
			l.Result = "refused"
		}
		logins <- l
	}
	site := &daemon.Site{Auth: &saslkit.Authenticator{Verifier: v, Observer: observe}, Realm: policy}
	m.server.Handler.(*daemon.Saslauthd).Current.Set(site)
	return m, logins
}

// nextLogin waits for it.
func nextLogin(t *testing.T, logins <-chan ldapLogin) ldapLogin {
	t.Helper()
	select {
	case l := <-logins:
		return l
	case <-time.After(patience):
		t.Fatal("our daemon has observed nothing")
		return ldapLogin{}
	}
}

func inScheme(name string) string { return "{SASL}" + name }

// OpenLDAP asks our mux about simple binds to entries with {SASL}, and about nothing else.
func TestMuxLDAP(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory(
		verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword},
		verifiertest.User{Name: "bob", Realm: "other.example", Password: "elsewhere, pä"},
		verifiertest.User{Name: "off", Realm: labRealm, Password: labPassword, Disabled: true},
	)
	m, logins := startLDAPMux(t, store, realm.Policy{Default: labRealm, Others: []string{"other.example"}})
	s := startSlapd(t, m.socket(), map[string]string{
		"full":    inScheme(labUser + "@" + labRealm),
		"bare":    inScheme(labUser),
		"other":   inScheme("bob@other.example"),
		"off":     inScheme("off@" + labRealm),
		"unknown": inScheme("nobody-here@" + labRealm),
		"foreign": inScheme(labUser + "@evil.example"),
	})
	for _, c := range []struct {
		uid, password string
		code          int
		login         *ldapLogin // nil: we are not asked
	}{
		{"full", labPassword, ldapSuccess, &ldapLogin{"ldap", labUser, labRealm, "in"}},
		{"full", "wrong", ldapInvalidCredentials, &ldapLogin{"ldap", labUser, labRealm, "refused"}},
		{"full", labPassword + " ", ldapInvalidCredentials, &ldapLogin{"ldap", labUser, labRealm, "refused"}},
		{"full", strings.Repeat("x", 256), ldapInvalidCredentials, &ldapLogin{"ldap", labUser, labRealm, "refused"}},
		{"full", strings.Repeat("x", 257), ldapInvalidCredentials, nil},
		{"bare", labPassword, ldapSuccess, &ldapLogin{"ldap", labUser, labRealm, "in"}},
		{"other", "elsewhere, pä", ldapSuccess, &ldapLogin{"ldap", "bob", "other.example", "in"}},
		{"other", labPassword, ldapInvalidCredentials, &ldapLogin{"ldap", "bob", "other.example", "refused"}},
		{"off", labPassword, ldapInvalidCredentials, &ldapLogin{"ldap", "off", labRealm, "refused"}},
		{"unknown", labPassword, ldapInvalidCredentials, &ldapLogin{"ldap", "nobody-here", labRealm, "refused"}},
		{"foreign", labPassword, ldapInvalidCredentials, &ldapLogin{"ldap", labUser, "evil.example", "refused"}},
		{"not-an-entry", labPassword, ldapInvalidCredentials, nil},
	} {
		if got := s.bind(t, c.uid, c.password); got != c.code {
			t.Errorf("%s by %.20q: %d, want %d", c.uid, c.password, got, c.code)
		}
		if c.login != nil {
			if diff := cmp.Diff(*c.login, nextLogin(t, logins)); diff != "" {
				t.Errorf("%s by %.20q (-want +got):\n%s", c.uid, c.password, diff)
			}
		}
	}
}

// OpenLDAP takes our trouble for a wrong password, 49: its hook for schemes knows yes and
// no alone. Our log tells them apart, and nobody is let in.
func TestMuxLDAPTrouble(t *testing.T) {
	t.Parallel()
	store := &switched{Verifier: verifiertest.NewMemory(verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword})}
	m, logins := startLDAPMux(t, store, realm.Policy{Default: labRealm})
	s := startSlapd(t, m.socket(), map[string]string{"full": inScheme(labUser + "@" + labRealm)})
	store.set(verifier.ErrUnavailable)
	if got := s.bind(t, "full", labPassword); got != ldapInvalidCredentials {
		t.Errorf("a store in trouble: %d", got)
	}
	if diff := cmp.Diff(ldapLogin{"ldap", labUser, labRealm, "trouble"}, nextLogin(t, logins)); diff != "" {
		t.Errorf("a store in trouble (-want +got):\n%s", diff)
	}
	store.set(nil)
	handler := m.server.Handler
	m.stop()
	if got := s.bind(t, "full", labPassword); got != ldapInvalidCredentials {
		t.Errorf("no daemon: %d", got)
	}
	m.start(t, handler)
	if got := s.bind(t, "full", labPassword); got != ldapSuccess {
		t.Errorf("a daemon again: %d", got)
	}
}

// A gathering verifier does not answer before so many ask at the same time.
type gathering struct {
	verifier.Verifier
	missing atomic.Int64
	all     chan struct{} // closed when none is missing
}

func gather(v verifier.Verifier, n int64) *gathering {
	g := &gathering{Verifier: v, all: make(chan struct{})}
	g.missing.Store(n)
	return g
}

func (g *gathering) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if g.missing.Add(-1) == 0 {
		close(g.all)
	}
	select {
	case <-g.all:
		return g.Verifier.VerifyPassword(ctx, r, password)
	case <-ctx.Done():
		return verifier.Account{}, verifier.ErrUnavailable
	}
}

// Twenty binds by twenty clients, eight of them and more in slapd's threads at the same
// time, which are sixteen: every answer is that to its own question.
func TestMuxLDAPParallel(t *testing.T) {
	t.Parallel()
	users, entries := new(verifiertest.Memory), make(map[string]string)
	for n := range parallelUsers {
		users.Add(verifiertest.User{Name: parallelUser(n), Realm: labRealm, Password: parallelPassword(n)})
		entries[parallelUser(n)] = inScheme(parallelUser(n) + "@" + labRealm)
	}
	m, logins := startLDAPMux(t, gather(users, 8), realm.Policy{Default: labRealm})
	s := startSlapd(t, m.socket(), entries)
	want, got := make(map[ldapLogin]int), make(map[ldapLogin]int)
	var all sync.WaitGroup
	for i := range 20 {
		user := i % parallelUsers
		password, code, result := parallelPassword(user), ldapSuccess, "in"
		if i%2 == 1 {
			password, code, result = parallelPassword((user+1)%parallelUsers), ldapInvalidCredentials, "refused"
		}
		want[ldapLogin{"ldap", parallelUser(user), labRealm, result}]++
		all.Go(func() {
			if got := s.bind(t, parallelUser(user), password); got != code {
				t.Errorf("%s by %s: %d, want %d", parallelUser(user), password, got, code)
			}
		})
	}
	all.Wait()
	for range 20 {
		got[nextLogin(t, logins)]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}
