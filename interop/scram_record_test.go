package interop

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// saslkitCommand builds the command.
func saslkitCommand(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "saslkit")
	if out, err := exec.Command(need(t, "go"), "build", "-o", path, "../cmd/saslkit").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func runOn(t *testing.T, stdin, command string, args ...string) string {
	t.Helper()
	out, err := feed(exec.Command(command, args...), stdin).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(command), args, err, out)
	}
	return string(out)
}

// cyrusLists returns the properties of a user as sasldblistusers2 has them.
func cyrusLists(t *testing.T, file, user string) []string {
	t.Helper()
	var properties []string
	for line := range strings.Lines(runOn(t, "", need(t, "sasldblistusers2"), "-f", file)) {
		if name, property, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && name == user {
			properties = append(properties, property)
		}
	}
	slices.Sort(properties)
	return properties
}

// offerSCRAM makes a Postfix that runs offer SCRAM and PLAIN, and waits until it
// does.
func offerSCRAM(t *testing.T, p *postfix, l *lab, db string) {
	t.Helper()
	p.write(t, "etc/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: "+db+"\nmech_list: PLAIN SCRAM-SHA-1 SCRAM-SHA-256\n")
	if out, err := p.command(t, "reload"); err != nil {
		t.Fatalf("postfix reload: %v\n%s", err, out)
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		c := helloSMTP(t, l, inClear)
		_, list := c.Extension("AUTH")
		c.Close()
		if slices.Contains(strings.Fields(list), "SCRAM-SHA-256") {
			return
		}
	}
	t.Fatalf("Postfix does not offer SCRAM-SHA-256\n%s", p.logged())
}

// What saslpasswd2 set and saslkit passwd changed lets the user in with Cyrus SASL:
// by the password if it is stored, and by the SCRAM keys alone if it is not, of
// which Cyrus knows SHA-256. It obeys every change.
func TestCyrusTakesOurKeys(t *testing.T) {
	t.Parallel()
	need(t, "gsasl")
	saslkit := saslkitCommand(t)
	p, l := cyrusPostfix(t, cyrusDatabase(t))
	db := filepath.Join(p.dir, "sasldb2")
	offerSCRAM(t, p, l, db)
	const user = labUser + "@" + labRealm
	passwd := func(stdin string, args ...string) {
		t.Helper()
		runOn(t, stdin, saslkit, append([]string{"passwd", "-f", db, user}, args...)...)
	}
	client := mailClient{name: "gsasl", command: gsaslSMTP}
	want := func(mechanism, password string, in bool) {
		t.Helper()
		if output, err := client.run(t, l, mechanism, labUser, password, inClear); (err == nil) != in {
			t.Errorf("%s with %q: %v, want in: %v\n%s\n%s", mechanism, password, err, in, output, p.logged())
		}
	}
	wantListed := func(properties ...string) {
		t.Helper()
		if diff := cmp.Diff(properties, cyrusLists(t, db, user)); diff != "" {
			t.Errorf("sasldblistusers2: -want +got:\n%s", diff)
		}
	}
	// That Debian's saslpasswd2 stores OTP depends on which modules there are.
	before := cyrusLists(t, db, user)
	want("SCRAM-SHA-256", labPassword, true)

	passwd("second\n", "--password-stdin")
	wantListed(before...)
	want("SCRAM-SHA-256", "second", true)
	want("SCRAM-SHA-1", "second", true)
	want("SCRAM-SHA-256", labPassword, false)

	passwd("third\n", "--password-stdin", "--scram", "--no-plain")
	want("SCRAM-SHA-256", "third", true)
	want("SCRAM-SHA-256", "second", false)
	want("SCRAM-SHA-1", "third", false)
	want("PLAIN", "third", false)

	passwd("fourth\n", "--password-stdin", "--no-plain")
	want("SCRAM-SHA-256", "fourth", true)
	want("SCRAM-SHA-256", "third", false)

	passwd("", "--disable")
	want("SCRAM-SHA-256", "fourth", false)
	passwd("", "--enable")
	want("SCRAM-SHA-256", "fourth", true)

	passwd("fifth\n", "--password-stdin")
	want("SCRAM-SHA-256", "fifth", true)
	want("PLAIN", "fifth", true)
	want("SCRAM-SHA-256", "fourth", false)

	setPassword(t, db, labUser, "sixth") // by saslpasswd2, which knows nothing of our properties
	want("SCRAM-SHA-256", "sixth", true)
	want("SCRAM-SHA-256", "fifth", false)
	if out := runOn(t, "sixth\n", saslkit, "check", "--verifier", "sasldb:"+db, "--password-stdin", user); !strings.Contains(out, "\nok user=alice ") {
		t.Error(out)
	}

	passwd("", "--delete")
	wantListed()
	want("SCRAM-SHA-256", "sixth", false)
}

// TestCyrusTakesKeysOfAll: passwords that saslpasswd2 set become keys, all at once and while
// saslpasswd2 sets another one, with which Cyrus SASL lets the users in.
func TestCyrusTakesKeysOfAll(t *testing.T) {
	t.Parallel()
	need(t, "gsasl")
	saslkit := saslkitCommand(t)
	p, l := cyrusPostfix(t, cyrusDatabase(t))
	db := filepath.Join(p.dir, "sasldb2")
	offerSCRAM(t, p, l, db)
	client := mailClient{name: "gsasl", command: gsaslSMTP}
	want := func(mechanism, user, password string, in bool) {
		t.Helper()
		if output, err := client.run(t, l, mechanism, user, password, inClear); (err == nil) != in {
			t.Errorf("%s as %s with %q: %v, want in: %v\n%s\n%s", mechanism, user, password, err, in, output, p.logged())
		}
	}
	passwords := maps.Clone(cyrusUsers)
	for i := range 20 {
		user := fmt.Sprint("user", i)
		passwords[user] = "first" + user
		setPassword(t, db, user, passwords[user])
	}
	all := exec.Command(saslkit, "passwd", "-f", db, "--all", "--scram", "--iterations", "20000")
	var said strings.Builder
	all.Stderr = &said
	if err := all.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- all.Wait() }()
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			if err != nil || !strings.Contains(said.String(), fmt.Sprintf("made keys for %d users of %s\n", len(passwords), db)) {
				t.Fatalf("%v: %s", err, &said)
			}
		default:
			if i >= 10 { // rounds end when nobody changes a password any more
				time.Sleep(20 * time.Millisecond)
				continue
			}
			user := fmt.Sprint("user", i)
			passwords[user] = "second" + user
			setPassword(t, db, user, passwords[user])
			continue
		}
		break
	}
	// Who was changed after the commit has keys of another password, which Cyrus SASL and we
	// do not look at while there is one.
	if out := runOn(t, "", saslkit, "passwd", "-f", db, "--all", "--scram", "--no-plain"); !strings.Contains(out, fmt.Sprintf("%d passwords are not stored any more\n", len(passwords))) {
		t.Error(out)
	}
	for user, password := range passwords {
		if !slices.Contains(cyrusLists(t, db, user+"@"+labRealm), "authPassword") || slices.Contains(cyrusLists(t, db, user+"@"+labRealm), "userPassword") {
			t.Errorf("sasldblistusers2 has of %s: %v", user, cyrusLists(t, db, user+"@"+labRealm))
		}
		want("SCRAM-SHA-256", user, password, true)
	}
	want("SCRAM-SHA-256", "user1", "firstuser1", false)
	want("PLAIN", labUser, labPassword, false)
}
