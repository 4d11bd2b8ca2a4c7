package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cyrusUsers are in the database that saslpasswd2 writes, beside one whose
// password was changed and one who was deleted.
var cyrusUsers = map[string]string{
	labUser:  labPassword,
	"jürgen": "schlüssel",
	"bob":    "changed",
}

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
