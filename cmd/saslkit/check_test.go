package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	other := "sasldb:" + createDB(t,
		sasldb.Record{Authid: "dave", Realm: "mail.example", Property: "userPassword", Value: []byte("other")},
		sasldb.Record{Authid: "alice", Realm: "mail.example", Property: "userPassword", Value: []byte("second")},
	)
	twoRealms := "sasldb:" + testdata + "bdb-three-users-two-realms.db"
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	const wrong = "no reason=wrong-password\n"
	check := func(args ...string) []string {
		return append([]string{"check", "--password-stdin"}, args...)
	}
	in := func(args ...string) []string { // in the realm, so that nothing is said about it
		return append(check("--verifier", db, "-r", "mail.example"), args...)
	}
	checkAll(t, []commandCase{
		{name: "right", stdin: "wonderland\n", args: in("alice"), out: "ok user=alice realm=mail.example mech=PLAIN\n"},
		{name: "right, without a newline", stdin: "wonderland", args: in("alice"), out: "ok user=alice realm=mail.example mech=PLAIN\n"},
		{name: "wrong", stdin: "wonder\n", args: in("alice"), code: 1, out: wrong, err: []string{"wrong password"}},
		{name: "empty", stdin: "\n", args: in("alice"), code: 1, out: wrong, err: []string{"empty"}},
		{name: "unknown", stdin: "x\n", args: in("nobody"), code: 1, out: "no reason=unknown-user\n", err: []string{"no such user"}},
		{name: "no secret", stdin: "x\n", args: in("carol"), code: 1, out: "no reason=no-secret\n", err: []string{"no secret"}},
		{name: "user with a realm that is not served", stdin: "x\n", args: in("alice@else.example"), code: 1, out: "no reason=unknown-user\n", err: []string{"not served"}},
		{name: "no user", stdin: "x\n", args: in(""), code: 2, err: []string{"USER is empty"}},
		{name: "name that nobody may have", stdin: "x\n", args: in("a\x01b"), code: 1, out: "no reason=not-permitted\n", err: []string{"control character"}},
		{name: "too long", stdin: strings.Repeat("x", 1025), args: in("alice"), code: 1, out: "no reason=not-permitted\n", err: []string{"too long"}},
		{name: "far too long", stdin: strings.Repeat("x", 1<<20), args: in("alice"), code: 2, err: []string{"more than 4096 bytes"}},

		{name: "realm of the only kind", stdin: "builder\n", args: check("--verifier", db, "bob"), out: "ok user=bob realm=mail.example mech=PLAIN\n", err: []string{"realm: mail.example, the only one"}},
		{name: "realm of the host", stdin: "builder\n", args: check("--verifier", twoRealms, "bob"), code: 1, out: "no reason=unknown-user\n", err: []string{"realm: " + host + ", the name of this host"}},
		{name: "wrong realm", stdin: "builder\n", args: check("--verifier", db, "-r", "example.com", "bob"), code: 1, out: "no reason=unknown-user\n", err: []string{"looked for bob@example.com; the store has users of mail.example (name one with -r)"}},
		{name: "realm in the name", stdin: "builder\n", args: check("--verifier", twoRealms, "bob@example.com"), out: "ok user=bob realm=example.com mech=PLAIN\n", err: []string{"realm: example.com, as in the user's name"}},
		{name: "two at signs", stdin: "x\n", args: check("--verifier", db, "a@b@c"), code: 1, out: "no reason=unknown-user\n", err: []string{"more than one '@'"}},

		{name: "second link", stdin: "other\n", args: in("dave", "--verifier", other), out: "ok user=dave realm=mail.example mech=PLAIN\n"},
		{name: "second link's password", stdin: "second\n", args: in("alice", "--verifier", other), out: "ok user=alice realm=mail.example mech=PLAIN\n"},
		{name: "no link's password", stdin: "third\n", args: in("alice", "--verifier", other), code: 1, out: wrong, err: []string{"wrong password"}},
		{name: "secrets alone", stdin: "other\n", args: check("--secrets", other, "-r", "mail.example", "dave"), out: "ok user=dave realm=mail.example mech=PLAIN\n"},
		{name: "secrets beside, PLAIN", stdin: "second\n", args: in("alice", "--secrets", other), code: 1, out: wrong, err: []string{"wrong password"}},
		{name: "secrets beside, CRAM-MD5", stdin: "second\n", args: in("alice", "--secrets", other, "--mech", "CRAM-MD5"), out: "ok user=alice realm=mail.example mech=CRAM-MD5\n"},

		{name: "empty store", stdin: "x\n", args: check("--verifier", "sasldb:"+testdata+"bdb-empty.db", "-r", "x", "alice"), code: 1, out: "no reason=unknown-user\n", err: []string{"no such user"}},
		{name: "store missing", stdin: "x\n", args: check("--verifier", "sasldb:"+filepath.Join(t.TempDir(), "x"), "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"no such file"}},
		{name: "store damaged", stdin: "x\n", args: check("--verifier", "sasldb:"+testdata+"bad-item-offset.db", "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"page 1"}},
		{name: "unknown kind", stdin: "x\n", args: check("--verifier", "ldapp:x", "alice"), code: 2, err: []string{`no kind "ldapp"`}},
		{name: "unknown mechanism", stdin: "x\n", args: in("--mech", "CRAM", "alice"), code: 2, err: []string{`no mechanism "CRAM"`}},
		{name: "contradiction", stdin: "x\n", args: in("--mech-list", "EXTERNL", "alice"), code: 2, err: []string{"EXTERNL"}},

		{name: "not on the mech_list", stdin: "builder\n", args: in("--mech", "LOGIN", "--mech-list", "PLAIN", "bob"), code: 1, out: "no reason=not-permitted\n", err: []string{"mech_list does not name it"}},
		{name: "against the policy", stdin: "builder\n", args: in("--mech", "LOGIN", "--tls-security-options", "noplaintext", "bob"), code: 1, out: "no reason=not-permitted\n", err: []string{"noplaintext"}},
		{name: "anonymous", args: in("--mech", "ANONYMOUS", "bob"), code: 1, out: "no reason=not-permitted\n", err: []string{"noanonymous"}},
		{name: "anonymous permitted", args: in("--mech", "ANONYMOUS", "--tls-security-options=", "bob"), out: "ok user=anonymous realm= mech=ANONYMOUS\n"},
	})
}

// A store with a realm for each customer is not listed whole.
func TestCheckNamesSomeRealms(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "sasldb2")
	var records strings.Builder
	for n := range 20 {
		fmt.Fprintf(&records, `{"authid":"bob","realm":"r%02d","property":"userPassword","value_base64":"eA=="}`+"\n", n)
	}
	if got := runCommand(t, records.String(), "import", "-f", db); got.code != 0 {
		t.Fatalf("import: exit %d, %s", got.code, got.stderr)
	}
	got := runCommand(t, "x\n", "check", "--password-stdin", "--verifier", "sasldb:"+db, "-r", "r03", "alice")
	const want = "looked for alice@r03; the store has users of r00, r01, r02, r04, r05, r06, r07, r08 and 11 more (name one with -r)"
	if got.code != 1 || !strings.Contains(got.stderr, want) {
		t.Errorf("exit %d, %q; want %q", got.code, got.stderr, want)
	}
}

func TestCheckByMechanism(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	for _, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "digest-md5"} {
		for _, test := range []struct{ user, password, out string }{
			{"alice", "wonderland", "ok user=alice realm=mail.example mech=" + strings.ToUpper(m) + "\n"},
			{"alice", "builder", "no reason=wrong-password\n"},
			{"nobody", "builder", "no reason=unknown-user\n"},
			{"carol", "builder", "no reason=no-secret\n"},
		} {
			got := runCommand(t, test.password+"\n", "check", "--verifier", db, "--mech", m, "-r", "mail.example", "-s", "imap", "--password-stdin", test.user)
			if got.out != test.out || (got.code == 0) != strings.HasPrefix(test.out, "ok") {
				t.Errorf("%s of %s by %s: exit %d, output %q, errors %q; want %q", test.password, test.user, m, got.code, got.out, got.stderr, test.out)
			}
		}
	}
}

// What a store says becomes one of the words of the contract.
func TestReasonOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want string
	}{
		{verifier.ErrWrongPassword, "wrong-password"},
		{verifier.ErrNoUser, "unknown-user"},
		{verifier.ErrNoSecret, "no-secret"},
		{verifier.ErrDisabled, "disabled"},
		{verifier.ErrExpired, "expired"},
		{verifier.ErrUnavailable, "unavailable"},
		{fmt.Errorf("%w: %w", verifier.ErrUnavailable, verifier.ErrNoUser), "unavailable"},
		{verifier.ErrThrottled, "unavailable"},
		{errors.New("disk on fire"), "unavailable"},
		{context.DeadlineExceeded, "unavailable"},
		{verifier.ErrNotPermitted, "not-permitted"},
		{&mech.Error{Class: mech.BadCredentials, Code: "bad-realm"}, "wrong-password"},
		{&mech.Error{Class: mech.TooWeak}, "not-permitted"},
		{&mech.Error{Class: mech.Limit}, "not-permitted"},
	} {
		if got := reasonOf(mech.AsError(test.err)); got != test.want {
			t.Errorf("%v: got %s, want %s", test.err, got, test.want)
		}
	}
}

func TestPasswordSources(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("wonderland\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) []string {
		return append([]string{"check", "--verifier", db, "-r", "mail.example", "alice"}, args...)
	}
	const ok = "ok user=alice realm=mail.example mech=PLAIN\n"
	checkAll(t, []commandCase{
		{name: "file", args: check("--password-file", file), out: ok},
		{name: "both", stdin: "wonderland\n", args: check("--password-file", file, "--password-stdin"), code: 2, err: []string{"exclude each other"}},
		{name: "neither", stdin: "wonderland\n", args: check(), code: 2, err: []string{"no terminal to ask"}},
		{name: "file missing", args: check("--password-file", file+"x"), code: 3, err: []string{"no such file"}},
		{name: "folder", args: check("--password-file", t.TempDir()), code: 3, err: []string{"password"}},
		{name: "only the first line", stdin: "wonderland\nbuilder\n", args: check("--password-stdin"), out: ok},
		{name: "spaces belong to it", stdin: " wonderland \n", args: check("--password-stdin"), code: 1, out: "no reason=wrong-password\n", err: []string{"wrong password"}},
	})
}
