//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// checkpass is a server's sasl_checkpass, by Python's ctypes: the lines of its input are
// a name, a space and a password; those of its output the library's codes. The
// configuration is found by SASL_CONF_PATH.
const checkpass = `
import sys
from ctypes import CDLL, byref, c_char_p, c_uint, c_void_p
sasl = CDLL("libsasl2.so.2")
if sasl.sasl_server_init(None, b"interop") != 0:
    sys.exit("sasl_server_init")
realm = sys.argv[1].encode() if sys.argv[1] else None
for line in sys.stdin.buffer:
    name, password = line.rstrip(b"\n").split(b" ", 1)
    conn = c_void_p()
    if sasl.sasl_server_new(b"smtp", b"host.example", realm, None, None, None, 0, byref(conn)) != 0:
        sys.exit("sasl_server_new")
    print(sasl.sasl_checkpass(conn, c_char_p(name), c_uint(len(name)), c_char_p(password), c_uint(len(password))))
    sasl.sasl_dispose(byref(conn))
`

// Codes of libsasl2.
const (
	saslOK      = 0
	saslFail    = -1
	saslBadAuth = -13
)

// A checkpasser asks libsasl2, which asks a daemon.
type checkpasser struct {
	conf  string // folder
	realm string // that the server program names
}

func newCheckpasser(t *testing.T, socket, realm string) *checkpasser {
	t.Helper()
	c := &checkpasser{conf: t.TempDir(), realm: realm}
	writeFile(t, filepath.Join(c.conf, "interop.conf"), []byte("pwcheck_method: saslauthd\nsaslauthd_path: "+socket+"\nlog_level: 0\n"))
	return c
}

// codes are the library's for these names and passwords.
func (c *checkpasser) codes(t *testing.T, logins ...string) string {
	t.Helper()
	cmd := exec.Command(need(t, "python3"), "-c", checkpass, c.realm)
	cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+c.conf)
	cmd.Stdin = strings.NewReader(strings.Join(logins, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}

func codes(all ...int) string { return strings.Trim(fmt.Sprint(all), "[]") }

// libsasl2's server asks our mux: right, wrong, in a realm that is typed, named by the
// program or not served; and tells trouble from refusals. Debian's libsasl2 is built
// without pwcheck, so that Pwcheck is not asked here.
func TestMuxLibsasl2(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	store := verifiertest.NewMemory(
		verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword},
		verifiertest.User{Name: labUser, Realm: "other.example", Password: "elsewhere"},
		verifiertest.User{Name: "al ice", Realm: labRealm, Password: "with space"},
		verifiertest.User{Name: "off", Realm: labRealm, Password: labPassword, Disabled: true},
	)
	faulty := &switched{Verifier: store}
	m := startMux(t, faulty, realm.Policy{Default: labRealm, Others: []string{"other.example"}})
	bare := newCheckpasser(t, m.socket(), "")
	other := newCheckpasser(t, m.socket(), "other.example")
	for _, c := range []struct {
		login       string
		bare, other int // without a realm of the program, and with one
	}{
		{labUser + " " + labPassword, saslOK, saslBadAuth},
		{labUser + " wrong", saslBadAuth, saslBadAuth},
		{labUser + " elsewhere", saslBadAuth, saslOK},
		{labUser + "@" + labRealm + " " + labPassword, saslOK, saslOK},
		{labUser + "@other.example elsewhere", saslOK, saslOK},
		{labUser + "@other.example " + labPassword, saslBadAuth, saslBadAuth},
		{labUser + "@evil.example " + labPassword, saslBadAuth, saslBadAuth},
		{labUser + "@" + labRealm + "@other.example elsewhere", saslBadAuth, saslBadAuth},
		{"off " + labPassword, saslBadAuth, saslBadAuth},
		{"nobody-here " + labPassword, saslBadAuth, saslBadAuth},
		{labUser + " " + strings.Repeat("x", 257), saslBadAuth, saslBadAuth},
	} {
		if got, want := bare.codes(t, c.login), codes(c.bare); got != want {
			t.Errorf("%.60s: %s, want %s", c.login, got, want)
		}
		if got, want := other.codes(t, c.login), codes(c.other); got != want {
			t.Errorf("%.60s with a realm of the program: %s, want %s", c.login, got, want)
		}
	}
	right := labUser + " " + labPassword
	faulty.set(verifier.ErrUnavailable)
	if got := bare.codes(t, right, right); got != codes(saslFail, saslFail) {
		t.Errorf("a store in trouble: %s", got)
	}
	faulty.set(nil)
	m.stop()
	if got := bare.codes(t, right); got != codes(saslFail) {
		t.Errorf("no daemon: %s", got)
	}
	m.start(t, m.server.Handler)
	if got := bare.codes(t, right, right); got != codes(saslOK, saslOK) {
		t.Errorf("a daemon again: %s", got)
	}
}
