package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// TestReferenceOwnMessages: what docs/reference/messages.md quotes of saslkit is what the
// command says.
func TestReferenceOwnMessages(t *testing.T) {
	t.Parallel()
	page, err := pages.Read("../../docs/reference/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	said := ownMessages(t)
	for _, row := range page.Rows("Messages, and where they are answered") {
		message := pages.Code(row.Cells[0])[0]
		if row.Cells[1] != "saslkit" || isReply.MatchString(message) { // replies are held against package mech
			continue
		}
		if !slices.ContainsFunc(said, func(output string) bool { return saysInOrder(output, strings.Split(message, "…")) }) {
			t.Errorf("messages.md:%d: no run says %q", row.Line, message)
		}
	}
}

var isReply = regexp.MustCompile(`^[45][0-9]{2} [45]\.`)

// saysInOrder reports whether a line has all parts.
func saysInOrder(output string, parts []string) bool {
	for line := range strings.Lines(output) {
		for i, part := range parts {
			_, after, found := strings.Cut(line, part)
			if !found {
				break
			}
			if line = after; i == len(parts)-1 {
				return true
			}
		}
	}
	return false
}

// ownMessages are what mistakes of all kinds come to.
func ownMessages(t *testing.T) (said []string) {
	t.Helper()
	db := mailDB(t)
	file := func(lines ...string) string { return textFile(t, "smtpd.conf", append(lines, "sasldb_path: "+db)...) }
	linked := mailDB(t)
	if err := os.Link(linked, filepath.Join(t.TempDir(), "other")); err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t)
	stale, taken := listening(t, filepath.Join(dir, "mux")), filepath.Join(dir, "auth")
	stale.SetUnlinkOnClose(false)
	stale.Close()
	defer listening(t, taken).Close()
	for _, args := range [][]string{
		{"mechs", "--conf", file("sasldb_path: /nonexistent", "pwcheck_method: saslauthd", "mech_list: DIGEST-MD5")},
		{"mechs", "--conf", file("pwcheck_method : auxprop")},
		{"mechs", "--conf", file("mech_lst: PLAIN")},
		{"mechs", "--conf", file("mech_list: GSSAPI")},
		{"mechs", "--conf", file("pwcheck_method: authdaemond")},
		{"mechs", "--conf", file("auxprop_plugin: ldapdb", "ldapdb_uri: ldapi://")},
		{"mechs", "--verifier", "sasldb:" + db, "-r", "mail.example"},
		{"mechs", "--verifier", "sasldb:" + db, "-r", "mail.example", "--mech-list", "ANONYMOUS"},
		{"mechs", "--verifier", "sasldb:" + db, "-r", "mail.example", "--mech-list", "SCRAM-SHA-256"},
		{"mechs", "--verifier", "passwdfile:" + textFile(t, "users", "alice:"+md5Hash), "-r", "mail.example", "--mech-list", "CRAM-MD5"},
		{"check", "--verifier", "sasldb:" + db, "-r", "mail.example", "--password-stdin", "nobody"},
		{"check", "--verifier", "sasldb:" + db, "-r", "mail.example", "--password-stdin", "--mech", "SCRAM-SHA-1", "--authzid", "bob", "alice"},
		{"check", "--verifier", "saslauthd:" + dir, "-r", "mail.example", "--password-stdin", "alice"},
		{"check", "--verifier", "saslauthd:" + t.TempDir(), "-r", "mail.example", "--password-stdin", "alice"},
		{"passwd", "-f", linked, "-u", "mail.example", "--password-stdin", "alice"},
		{"serve", "--verifier", "sasldb:" + db, "-r", "mail.example"},
		{"serve", "--verifier", "sasldb:" + db, "-r", "mail.example", "--auth", taken},
	} {
		got := runCommand(t, "wonderland\n", args...)
		said = append(said, got.out+got.stderr)
	}
	s := &oldSaslauthd{numbers: map[byte]int{}}
	_, choice := saslkit.NewClient(saslkit.ClientConfig{Offered: []string{"GSSAPI"}})
	said = append(said, mech.AsError(choice).Detail(), s.parse([]string{"-a", "rimap", "-m", "/nonexistent"}).Error(), verifier.ErrThrottled.Error())
	// What takes a mount, or not to be root, stands in the source.
	for _, name := range []string{"../../sasldb", "../../verifier/shadow"} {
		files, err := filepath.Glob(name + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			said = append(said, strings.ReplaceAll(string(text), "%w (is the process", "permission denied (is the process"))
		}
	}
	return said
}

func listening(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
