package interop

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
)

// cyrusUsers are in the database that saslpasswd2 writes, beside one whose
// password was changed and one who was deleted.
var cyrusUsers = map[string]string{
	labUser:  labPassword,
	utf8User: "schlüssel",
	"bob":    "changed",
}

const utf8User = "jürgen"

// cyrusDatabase lets saslpasswd2 write a sasldb2 and returns its path.
func cyrusDatabase(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sasldb2")
	setPassword(t, file, "bob", "first")
	setPassword(t, file, "carol", "gone")
	for user, password := range cyrusUsers {
		setPassword(t, file, user, password)
	}
	deleteUser(t, file, "carol")
	return file
}

func setPassword(t testing.TB, file, user, password string) {
	t.Helper()
	saslpasswd2(t, password, "-c", "-p", "-f", file, "-u", labRealm, user)
}

func deleteUser(t testing.TB, file, user string) {
	t.Helper()
	saslpasswd2(t, "", "-d", "-f", file, "-u", labRealm, user)
}

func saslpasswd2(t testing.TB, stdin string, args ...string) {
	t.Helper()
	cmd := exec.Command(need(t, "saslpasswd2"), args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("saslpasswd2 %v: %v\n%s", args, err, out)
	}
}

// loginAs logs our client in to an Authenticator over the database.
func loginAs(auth *saslkit.Authenticator, mechanism, user, password string) (saslkit.Result, error) {
	return saslkittest.Client{
		Mechanism:   mechanism,
		Credentials: saslkit.Credentials{Username: user, Password: password},
		Realm:       realm.Policy{Default: labRealm},
	}.Login(auth)
}

func wantRefused(t *testing.T, auth *saslkit.Authenticator, mechanism, user, password string) {
	t.Helper()
	var refusal *saslkit.Error
	if _, err := loginAs(auth, mechanism, user, password); !errors.As(err, &refusal) || refusal.Class != mech.BadCredentials {
		t.Errorf("%s by %s: %v, want the class %v", user, mechanism, err, mech.BadCredentials)
	}
}

// What saslpasswd2 wrote, changed and deleted is what we read.
func TestCyrusDatabase(t *testing.T) {
	auth := cyrusSetup(t, cyrusDatabase(t)).auth
	if err := auth.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, mechanism := range fourMechanisms {
		t.Run(mechanism, func(t *testing.T) {
			for user, password := range cyrusUsers {
				for _, name := range []string{user, user + "@" + labRealm} {
					got, err := loginAs(auth, mechanism, name, password)
					if err != nil || got.User != user || got.Realm != labRealm || got.Mechanism != mechanism {
						t.Errorf("%s: %+v, %v", name, got, err)
					}
				}
				wantRefused(t, auth, mechanism, user, "wrong")
				wantRefused(t, auth, mechanism, user+"@other.example", password)
			}
			wantRefused(t, auth, mechanism, "bob", "first")
			wantRefused(t, auth, mechanism, "carol", "gone")
		})
	}
}

// A login that starts after saslpasswd2 has ended obeys it, while the server
// runs and on connections that were open before.
func TestCyrusDatabaseChanges(t *testing.T) {
	for service, p := range protocols {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			file := cyrusDatabase(t)
			_, d := p.start(t, cyrusSetup(t, file))
			command := strings.TrimSuffix(p.plain, goodPLAIN)
			refused := "535 5.7.8"
			if service == "imap" {
				refused = "a NO [AUTHENTICATIONFAILED]"
			}
			try := func(password, reply string) {
				t.Helper()
				d.say(command + b64("\x00"+labUser+"\x00"+password))
				d.expect(reply)
			}
			for _, password := range []string{"second", "third", "fourth"} {
				setPassword(t, file, labUser, password)
				try(labPassword, refused)
			}
			deleteUser(t, file, labUser)
			try("fourth", refused)
			setPassword(t, file, labUser, "fifth")
			try("fifth", p.success)
		})
	}
}
