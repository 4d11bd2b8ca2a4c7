package interop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/shadow"
)

// openShadow writes a shadow file and opens it.
func openShadow(t testing.TB, text string) *shadow.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shadow")
	writeFile(t, path, []byte(text))
	return openShadowAt(t, path)
}

func openShadowAt(t testing.TB, path string) *shadow.DB {
	t.Helper()
	db, err := shadow.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestShadowMkpasswd: every hash that mkpasswd makes checks passwords in a shadow file,
// but for gost-yescrypt, which says so.
func TestShadowMkpasswd(t *testing.T) {
	t.Parallel()
	var lines []string
	var methods []string
	for line := range strings.Lines(output(t, "mkpasswd", "-m", "help")) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "Available" {
			continue
		}
		methods = append(methods, f[0])
		lines = append(lines, f[0]+":"+output(t, "mkpasswd", "-m", f[0], oddPassword)+":19000:0:99999:7:::\n")
	}
	db := openShadow(t, strings.Join(lines, ""))
	verified := 0
	for _, method := range methods {
		_, right := checkFor(db, method, oddPassword)
		_, wrong := checkFor(db, method, "pa5 ü;x")
		switch {
		case method == "gost-yescrypt":
			if !errors.Is(right, verifier.ErrNoSecret) || !strings.Contains(right.Error(), "gost-yescrypt") {
				t.Errorf("%s: %v", method, right)
			}
		case right != nil || !errors.Is(wrong, verifier.ErrWrongPassword):
			t.Errorf("%s: right %v, wrong %v", method, right, wrong)
		default:
			verified++
		}
	}
	t.Logf("%d of %d methods verified", verified, len(methods))
	if verified != len(methods)-1 {
		t.Errorf("methods: %v", methods)
	}
}

// TestShadowTools: what useradd, usermod and chage write counts from the next login on.
func TestShadowTools(t *testing.T) {
	t.Parallel()
	peers.Root(t, "useradd in a folder of its own")
	dir := shadowRoot(t)
	db := openShadowAt(t, filepath.Join(dir, "etc", "shadow"))
	hash := output(t, "mkpasswd", "-m", "yescrypt", oddPassword)
	for _, step := range []struct {
		command     []string
		right, want error // for the right and a wrong password
	}{
		{[]string{"useradd", "-P", dir, "-M", "-N", "rita"}, verifier.ErrNoSecret, verifier.ErrNoSecret},
		{[]string{"usermod", "-P", dir, "-p", hash, "rita"}, nil, verifier.ErrWrongPassword},
		{[]string{"usermod", "-P", dir, "-L", "rita"}, verifier.ErrDisabled, verifier.ErrWrongPassword},
		{[]string{"usermod", "-P", dir, "-U", "rita"}, nil, verifier.ErrWrongPassword},
		{[]string{"usermod", "-P", dir, "-e", "2020-01-01", "rita"}, verifier.ErrExpired, verifier.ErrWrongPassword},
		{[]string{"usermod", "-P", dir, "-e", "", "rita"}, nil, verifier.ErrWrongPassword},
		{[]string{"chage", "-R", dir, "-d", "0", "rita"}, verifier.ErrExpired, verifier.ErrWrongPassword},
		{[]string{"chage", "-R", dir, "-d", "2024-01-01", "-M", "30", "rita"}, verifier.ErrExpired, verifier.ErrWrongPassword},
		{[]string{"chage", "-R", dir, "-d", "2024-01-01", "-M", "99999", "rita"}, nil, verifier.ErrWrongPassword},
		{[]string{"usermod", "-P", dir, "-l", "rosa", "rita"}, verifier.ErrNoUser, verifier.ErrNoUser},
	} {
		output(t, step.command[0], step.command[1:]...)
		if _, err := checkFor(db, "rita", oddPassword); !errors.Is(err, step.right) || step.right == nil && err != nil {
			t.Errorf("%v: right password: %v, want %v", step.command, err, step.right)
		}
		if _, err := checkFor(db, "rita", "wrong"); !errors.Is(err, step.want) {
			t.Errorf("%v: wrong password: %v, want %v", step.command, err, step.want)
		}
	}
	if _, err := checkFor(db, "rosa", oddPassword); err != nil {
		t.Errorf("under the new name: %v", err)
	}
}

// TestPasswordAsTyped: what SASLprep makes another password of logs in with the hash of
// what was typed.
func TestPasswordAsTyped(t *testing.T) {
	t.Parallel()
	const typed = "x² et voilà…" // SASLprep: "x2 et voilà..."
	db := openShadow(t, "al:"+output(t, "mkpasswd", "-m", "sha512crypt", typed)+":19000:0:99999:7:::\n")
	auth := &saslkit.Authenticator{Verifier: db, Policy: labPolicy}
	for password, want := range map[string]bool{typed: true, "x2 et voilà...": false} {
		for _, m := range []*mech.Mechanism{mech.PLAIN, mech.LOGIN} {
			_, err := saslkittest.Client{
				Mechanism: m.Name, Channel: saslkit.Channel{Secure: true}, Service: "smtp",
				Credentials: saslkit.Credentials{Username: "al", Password: password},
			}.Login(auth)
			if (err == nil) != want {
				t.Errorf("%s, %q: %v", m.Name, password, err)
			}
		}
	}
}

// shadowRoot makes a folder in which the tools of package passwd find all they need.
func shadowRoot(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	etc := filepath.Join(dir, "etc")
	if err := os.Mkdir(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/root:/bin/sh\n", "shadow": "root:*:19000:0:99999:7:::\n",
		"group": "root:x:0:\nusers:x:100:\n", "gshadow": "root:*::\nusers:*::\n", "login.defs": "ENCRYPT_METHOD YESCRYPT\n",
	} {
		writeFile(t, filepath.Join(etc, name), []byte(text))
	}
	return dir
}
