package interop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/passwdfile"
)

// A password that every scheme hashes as it is typed, beyond ASCII and with what means
// something to shells and files.
const oddPassword = "Pa5 ü;x"

func output(t testing.TB, command string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need(t, command), args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.TrimSpace(string(out))
}

// dovecotSchemes makes a passwd-file's line for every scheme that doveadm makes.
func dovecotSchemes(t testing.TB, password string) (users map[string]string, file string) {
	t.Helper()
	users = make(map[string]string)
	var lines strings.Builder
	for _, scheme := range strings.Fields(output(t, "doveadm", "pw", "-l")) {
		if scheme == "OTP" || scheme == "PLAIN-TRUNC" { // a series; a part of a password
			continue
		}
		name := strings.ToLower(scheme) + "@" + labRealm
		made := output(t, "doveadm", "pw", "-s", scheme, "-u", name, "-p", password)
		users[scheme] = name
		fmt.Fprintf(&lines, "%s:%s:1000:1000::/home/x::userdb_mail=maildir:/x:y\n", name, made)
		// Without the scheme's own encoding, in the other two.
		if bare, ok := strings.CutPrefix(made, "{PLAIN}"); ok {
			users["PLAIN.HEX"], users["PLAIN.B64"] = "hex@"+labRealm, "b64@"+labRealm
			fmt.Fprintf(&lines, "hex@%s:{PLAIN.HEX}%x\n", labRealm, bare)
			fmt.Fprintf(&lines, "b64@%s:{PLAIN.B64}%s\n", labRealm, base64.StdEncoding.EncodeToString([]byte(bare)))
		}
	}
	users["from here"], users["from elsewhere"] = "here@"+labRealm, "elsewhere@"+labRealm
	fmt.Fprintf(&lines, "here@%s:{PLAIN}%s::::::allow_nets=2001:db8::/32,192.0.2.0/24\n", labRealm, password)
	fmt.Fprintf(&lines, "elsewhere@%s:{PLAIN}%s::::::allow_nets=198.51.100.0/24,local\n", labRealm, password)
	return users, lines.String()
}

// TestPasswdfileAsDovecot: one file, read by Dovecot and by us, lets in the same.
func TestPasswdfileAsDovecot(t *testing.T) {
	t.Parallel()
	users, file := dovecotSchemes(t, oddPassword)
	theirs := dovecotVerifier(t, runDovecotAuth(t, "plain", map[string]string{"users": file}))
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, []byte(file))
	ours, err := passwdfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if faults := ours.Faults(); faults != nil {
		t.Error(faults)
	}
	for scheme, user := range users {
		for _, password := range []string{oddPassword, "pa5 ü;x", "Pa5 ü;", "secret"} {
			_, us := checkFor(ours, user, password)
			_, them := checkFor(theirs, user, password)
			if (us == nil) != (them == nil) || verifier.Refused(us) != verifier.Refused(them) {
				t.Errorf("%s: password %q: we say %v, Dovecot %v", scheme, password, us, them)
			}
			if right := password == oddPassword && scheme != "from elsewhere"; (us == nil) != right {
				t.Errorf("%s: password %q: %v", scheme, password, us)
			}
		}
	}
	t.Logf("%d schemes and forms", len(users))
}

// TestPasswdfileMechanisms: what doveadm made serves the mechanisms it is made for. The
// password is ASCII: beyond that a {DIGEST-MD5} hash is of one encoding, UTF-8 with
// doveadm, and serves the clients that hash the same.
func TestPasswdfileMechanisms(t *testing.T) {
	t.Parallel()
	const password = "pencil"
	users, file := dovecotSchemes(t, password)
	path := filepath.Join(t.TempDir(), "users")
	writeFile(t, path, []byte(file))
	ours, err := passwdfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	all := slices.Concat(scramMechanisms, fourMechanisms)
	auth := &saslkit.Authenticator{Verifier: ours, Mechanisms: all, Policy: labPolicy}
	if err := auth.Validate(); err != nil {
		t.Fatal(err)
	}
	serves := map[string][]string{
		"PLAIN": all, "CLEAR": all, "CLEARTEXT": all, "PLAIN.HEX": all, "PLAIN.B64": all,
		"CRAM-MD5": {"CRAM-MD5", "PLAIN", "LOGIN"}, "HMAC-MD5": {"CRAM-MD5", "PLAIN", "LOGIN"}, "DIGEST-MD5": {"DIGEST-MD5", "PLAIN", "LOGIN"},
		"SCRAM-SHA-1": {"SCRAM-SHA-1", "PLAIN", "LOGIN"}, "SCRAM-SHA-256": {"SCRAM-SHA-256", "PLAIN", "LOGIN"},
	}
	for scheme, user := range users {
		if strings.HasPrefix(scheme, "from ") {
			continue
		}
		want := serves[scheme]
		if want == nil {
			want = []string{"PLAIN", "LOGIN"}
		}
		bare, _, _ := strings.Cut(user, "@") // a hash for DIGEST-MD5 is of the name alone
		for _, mechanism := range all {
			_, err := saslkittest.Client{
				Mechanism: mechanism, Channel: saslkit.Channel{Secure: true}, Service: "smtp", Realm: realm.Policy{Default: labRealm},
				Credentials: saslkit.Credentials{Username: bare, Password: password},
			}.Login(auth)
			if (err == nil) != slices.Contains(want, mechanism) {
				t.Errorf("%s by %s: %v", scheme, mechanism, err)
			}
		}
	}
}

// TestHtpasswd: Apache's program makes and changes the file that we follow.
func TestHtpasswd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "users")
	htpasswd := func(args ...string) {
		t.Helper()
		output(t, "htpasswd", append([]string{"-b"}, args...)...)
	}
	htpasswd("-cB", path, "first", oddPassword)
	db, err := passwdfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(user, password string, want error) {
		t.Helper()
		if _, err := checkFor(db, user, password); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", user, err, want)
		}
	}
	try("first", oddPassword, nil)
	for _, option := range []string{"-m", "-B", "-2", "-5", "-s", "-d"} {
		htpasswd(option, path, "al"+option, "secret")
		try("al"+option, "secret", nil)
		try("al"+option, "Secret", verifier.ErrWrongPassword)
	}
	htpasswd("-m", path, "al-m", "changed")
	try("al-m", "secret", verifier.ErrWrongPassword)
	try("al-m", "changed", nil)
	htpasswd("-p", path, "clear", "secret") // in the clear, without a scheme
	try("clear", "secret", verifier.ErrNoSecret)
	output(t, "htpasswd", "-D", path, "al-m")
	try("al-m", "changed", verifier.ErrNoUser)
	try("first", oddPassword, nil)
	if c := db.Coverage(); c.Users != 7 || c.Some.Has(verifier.KindPassword) {
		t.Errorf("coverage %+v", c)
	}
}
