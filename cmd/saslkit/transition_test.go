package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
)

// Hashes by openssl passwd -1.
const (
	bobsHash = "$1$salt$jA7/icRpMOEwpfh4Sfwjg/" // of "bob's secret"
	newHash  = "$1$salt$IYluO0UleEQYjbGFkXMcJ0" // of "alice's new secret"
)

func shadowLine(user, hash string) string { return user + ":" + hash + ":19000:0:99999:7:::" }

// rewrite gives a file other lines, as passwd does: by another file.
func rewrite(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.Rename(textFile(t, "new", lines...), path); err != nil {
		t.Fatal(err)
	}
}

// startMux runs saslkit serve as a saslauthd on a shadow file, and returns its folder.
func startMux(t *testing.T, shadow string) string {
	t.Helper()
	dir := socketDir(t)
	var log syncBuffer
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"serve", "--verifier", "shadow:" + shadow, "--mux", dir}, strings.NewReader(""), io.Discard, &log)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	until(t, &log, "ready\n")
	return dir
}

// A moved is a site whose users move, by the options that say so.
type moved struct {
	options []string
	t       *testing.T
}

func (m moved) check(user, password, mechanism, out string, err ...string) {
	m.t.Helper()
	args := append([]string{"check", "-r", "example.com", "--password-stdin"}, m.options...)
	if mechanism != "" {
		args = append(args, "--mech", mechanism)
	}
	code := 0
	switch {
	case strings.HasPrefix(out, "no reason=unavailable"):
		code = 3
	case strings.HasPrefix(out, "no"):
		code = 1
	}
	commandCase{stdin: password, args: append(args, user), code: code, out: out + "\n", err: err}.check(m.t)
}

// TestTransitionFromShadow: a change of the user's line ends the copy at once.
func TestTransitionFromShadow(t *testing.T) {
	t.Parallel()
	shadow, db := textFile(t, "shadow", shadowLine("alice", md5Hash), shadowLine("bob", bobsHash)), createDB(t)
	m := moved{[]string{"--verifier", "shadow:" + shadow, "--secrets", "sasldb:" + db, "--transition", "noplain"}, t}
	const plain, scram = "ok user=alice realm=example.com mech=PLAIN", "ok user=alice realm=example.com mech=SCRAM-SHA-256"
	m.check("alice", "secret", "SCRAM-SHA-256", "no reason=unknown-user", "")
	m.check("alice", "wrong", "", "no reason=wrong-password", "wrong password")
	m.check("alice", "secret", "", plain, "user alice@example.com was copied")
	m.check("alice", "secret", "SCRAM-SHA-256", scram)
	m.check("alice", "secret", "SCRAM-SHA-1", "ok user=alice realm=example.com mech=SCRAM-SHA-1")
	m.check("alice", "secret", "", plain) // and nothing is copied again
	m.check("bob", "bob's secret", "SCRAM-SHA-256", "no reason=unknown-user", "")

	rewrite(t, shadow, shadowLine("alice", md5Hash), shadowLine("bob", newHash))
	m.check("alice", "secret", "SCRAM-SHA-256", scram) // that was bob's line
	rewrite(t, shadow, shadowLine("alice", newHash), shadowLine("bob", bobsHash))
	m.check("alice", "secret", "SCRAM-SHA-256", "no reason=unavailable", "has changed since", "a login by PLAIN renews it")
	m.check("alice", "alice's new secret", "SCRAM-SHA-256", "no reason=unavailable", "")
	m.check("alice", "alice's new secret", "", plain, "was copied")
	m.check("alice", "alice's new secret", "SCRAM-SHA-256", scram)
	m.check("alice", "secret", "SCRAM-SHA-256", "no reason=wrong-password", "")

	rewrite(t, shadow, shadowLine("alice", "!"+newHash))
	m.check("alice", "alice's new secret", "SCRAM-SHA-256", "no reason=unavailable", "")
	m.check("alice", "alice's new secret", "", "no reason=disabled", "the copy was removed")
	commandCase{args: []string{"users", "-f", db}}.check(t)
}

// TestAutoTransition: the configuration of Cyrus SASL, with a saslauthd that runs.
func TestAutoTransition(t *testing.T) {
	t.Parallel()
	shadow, db := textFile(t, "shadow", shadowLine("alice", md5Hash), shadowLine("bob", bobsHash)), createDB(t)
	mux := startMux(t, shadow)
	conf := func(lines ...string) moved {
		lines = append(lines, "saslauthd_path: "+mux+"/mux", "sasldb_path: "+db)
		return moved{[]string{"--conf", textFile(t, "smtpd.conf", lines...)}, t}
	}
	noplain := conf("pwcheck_method: saslauthd auxprop", "auto_transition: noplain", "auto_transition_life: 30d", "mech_list: PLAIN LOGIN")
	noplain.check("alice", "secret", "", "ok user=alice realm=example.com mech=PLAIN", "was copied")
	scram := conf("pwcheck_method: saslauthd", "auto_transition: noplain", "mech_list: PLAIN SCRAM-SHA-256")
	scram.check("alice", "secret", "SCRAM-SHA-256", "ok user=alice realm=example.com mech=SCRAM-SHA-256")

	// An own user logs in where auxprop is a method. A copy does not, by PLAIN.
	commandCase{stdin: "zoe's", args: []string{"passwd", "-f", db, "--password-stdin", "zoe@example.com"}, out: "zoe@example.com: password set (password) in " + db + "\n"}.check(t)
	noplain.check("zoe", "zoe's", "", "ok user=zoe realm=example.com mech=PLAIN")
	scram.check("zoe", "zoe's", "", "no reason=wrong-password", "")
	scram.check("zoe", "zoe's", "SCRAM-SHA-256", "ok user=zoe realm=example.com mech=SCRAM-SHA-256")

	yes := conf("pwcheck_method: auxprop saslauthd", "auto_transition: yes", "mech_list: PLAIN CRAM-MD5 DIGEST-MD5")
	yes.check("bob", "bob's secret", "", "ok user=bob realm=example.com mech=PLAIN", "was copied")
	for _, name := range []string{"CRAM-MD5", "DIGEST-MD5"} {
		yes.check("bob", "bob's secret", name, "ok user=bob realm=example.com mech="+name)
	}
	rewrite(t, shadow, shadowLine("alice", md5Hash))
	yes.check("bob", "bob's secret", "", "no reason=wrong-password", "")

	// Without a mech_list only what serves everybody is offered.
	got := runCommand(t, "", append([]string{"mechs"}, conf("pwcheck_method: saslauthd", "auto_transition: noplain").options...)...)
	if got.code != 0 || !strings.Contains(got.stderr, "mech_list: EXTERNAL PLAIN LOGIN\n") {
		t.Errorf("exit %d, errors %q", got.code, got.stderr)
	}
}

// TestPasswdOfCopy: who gets a password in the store is its own user from then on, and a
// copy that is disabled there stays so.
func TestPasswdOfCopy(t *testing.T) {
	t.Parallel()
	shadow, db := textFile(t, "shadow", shadowLine("alice", md5Hash), shadowLine("bob", bobsHash)), createDB(t)
	m := moved{[]string{"--verifier", "shadow:" + shadow, "--secrets", "sasldb:" + db, "--transition", "noplain"}, t}
	m.check("alice", "secret", "", "ok user=alice realm=example.com mech=PLAIN", "was copied")
	m.check("bob", "bob's secret", "", "ok user=bob realm=example.com mech=PLAIN", "was copied")
	for _, args := range [][]string{{"--password-stdin", "alice@example.com"}, {"--disable", "bob@example.com"}} {
		if got := runCommand(t, "own", append([]string{"passwd", "-f", db}, args...)...); got.code != 0 {
			t.Fatalf("exit %d, errors %q", got.code, got.stderr)
		}
	}
	if got := runCommand(t, "", "users", "-f", db); strings.Contains(strings.Split(got.out, "\n")[0], "saslkit-origin") {
		t.Errorf("users %q", got.out)
	}
	m.check("alice", "secret", "", "ok user=alice realm=example.com mech=PLAIN")
	m.check("alice", "own", "SCRAM-SHA-256", "ok user=alice realm=example.com mech=SCRAM-SHA-256")
	m.check("bob", "bob's secret", "SCRAM-SHA-256", "no reason=disabled", "")
	m.check("bob", "bob's secret", "", "ok user=bob realm=example.com mech=PLAIN")
	m.check("bob", "bob's secret", "SCRAM-SHA-256", "no reason=disabled", "")
}

// Without a realm the first copies get that of saslpasswd2, the host's name.
func TestTransitionRealm(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	shadow, db := textFile(t, "shadow", shadowLine("alice", md5Hash)), createDB(t)
	for _, said := range []string{"the name of this host", "the only one in the store"} {
		commandCase{stdin: "secret", args: []string{"check", "--password-stdin", "--verifier", "shadow:" + shadow, "--secrets", "sasldb:" + db, "--transition", "yes", "alice"},
			out: "ok user=alice realm=" + host + " mech=PLAIN\n", err: []string{said}}.check(t)
	}
	commandCase{args: []string{"users", "-f", db}, out: "alice@" + host + "\tsaslkit-origin,userPassword\n"}.check(t)
}

func TestTransitionMistakes(t *testing.T) {
	t.Parallel()
	shadow, db, missing := textFile(t, "shadow", shadowLine("alice", md5Hash)), createDB(t), filepath.Join(t.TempDir(), "sasldb2")
	mechs := func(args ...string) []string { return append([]string{"mechs"}, args...) }
	conf := func(lines ...string) []string {
		return mechs("--conf", textFile(t, "smtpd.conf", append(lines, "saslauthd_path: "+t.TempDir()+"/mux")...))
	}
	checkAll(t, []commandCase{
		{name: "nowhere to", args: mechs("--verifier", "shadow:"+shadow, "--transition", "yes"), code: 2, err: []string{"--secrets, such as sasldb:FILE"}},
		{name: "nowhere from", args: mechs("--secrets", "sasldb:"+db, "--transition", "yes"), code: 2, err: []string{"needs a --verifier"}},
		{name: "from the store itself", args: mechs("--verifier", "sasldb:"+db, "--secrets", "sasldb:"+db, "--transition", "yes"), code: 2, err: []string{"another verifier than the store"}},
		{name: "to what cannot be written", args: mechs("--verifier", "shadow:"+shadow, "--secrets", "passwdfile:"+textFile(t, "users", "a:{PLAIN}b"), "--transition", "yes"), code: 2, err: []string{"cannot be written"}},
		{name: "a word", args: mechs("--verifier", "shadow:"+shadow, "--secrets", "sasldb:"+db, "--transition", "no"), code: 2, err: []string{"want yes or noplain"}},
		{name: "a life", args: mechs("--verifier", "shadow:"+shadow, "--secrets", "sasldb:"+db, "--transition", "yes", "--transition-life", "24"), code: 2, err: []string{"not a number and one of s, m, h, d"}},
		{name: "a life alone", args: mechs("--verifier", "shadow:"+shadow, "--secrets", "sasldb:"+db, "--transition-life", "24h"), code: 2, err: []string{"needs --transition"}},
		{name: "beside a file", args: append(conf("sasldb_path: "+db), "--transition", "yes"), code: 2, err: []string{"give the one or the others"}},
		{name: "no sasldb", args: conf("pwcheck_method: saslauthd", "auto_transition: yes", "sasldb_path: "+missing), code: 2, err: []string{"smtpd.conf:2", "no such file", "make it", "saslkit import -f " + missing}},
		{name: "few iterations", args: conf("pwcheck_method: saslauthd", "auto_transition: noplain", "sasldb_path: "+db, "scram_iteration_counter: 10"), code: 2, err: []string{"10 iterations"}},
	})
}

// TestUsersCoverage: how far a transition is, and when the other verifier can be left.
func TestUsersCoverage(t *testing.T) {
	t.Parallel()
	shadow, db := textFile(t, "shadow", shadowLine("root", "*"), shadowLine("alice", md5Hash), shadowLine("bob", bobsHash)), createDB(t)
	m := moved{[]string{"--verifier", "shadow:" + shadow, "--secrets", "sasldb:" + db, "--transition", "noplain"}, t}
	coverage := func(code int, want string, args ...string) {
		t.Helper()
		got := runCommand(t, "", append([]string{"users", "--coverage", "-f", db}, args...)...)
		if lines := strings.Split(strings.TrimSpace(got.out), "\n"); got.code != code || lines[len(lines)-1] != want || got.stderr != "" {
			t.Errorf("exit %d, errors %q, output\n%swant exit %d and at last %q", got.code, got.stderr, got.out, code, want)
		}
	}
	from := []string{"--verifier", "shadow:" + shadow}
	coverage(1, "not yet: no mechanism of SCRAM serves every user of sasldb:"+db)
	coverage(1, "not yet: 2 of 2 users of shadow:"+shadow+" have no good copy", from...)
	m.check("alice", "secret", "", "ok user=alice realm=example.com mech=PLAIN", "")
	coverage(1, "not yet: 1 of 2 users of shadow:"+shadow+" have no good copy", from...)
	coverage(0, "mech_list can name SCRAM-SHA-1 SCRAM-SHA-256: all 1 users of sasldb:"+db+" have it (who has no copy yet is told with --verifier)")
	coverage(0, "mech_list can name SCRAM-SHA-1 SCRAM-SHA-256 if saslauthd:/run has no more users than the 1 here: it cannot list them", "--verifier", "saslauthd:/run")
	m.check("bob", "bob's secret", "", "ok user=bob realm=example.com mech=PLAIN", "")
	all := "mech_list can name SCRAM-SHA-1 SCRAM-SHA-256: all 2 users of shadow:" + shadow + " have it"
	coverage(0, all, from...)
	rewrite(t, shadow, shadowLine("alice", newHash), shadowLine("bob", bobsHash))
	coverage(1, "not yet: 1 of 2 users of shadow:"+shadow+" have no good copy", from...)
	m.check("alice", "alice's new secret", "", "ok user=alice realm=example.com mech=PLAIN", "")
	rewrite(t, shadow, shadowLine("alice", newHash))
	coverage(1, "not yet: 1 copies are void (a login by PLAIN renews them, --delete-void deletes them)", from...)
	all = "mech_list can name SCRAM-SHA-1 SCRAM-SHA-256: all 1 users of shadow:" + shadow + " have it"
	commandCase{args: append([]string{"users", "--coverage", "--delete-void", "-f", db}, from...), out: strings.Join([]string{
		"deleted\t1 void copies",
		"sasldb:" + db + "\t1 users, 0 disabled",
		"PLAIN, LOGIN\t1", "CRAM-MD5\t0", "DIGEST-MD5\t0", "NTLM\t0", "OTP\t0", "SCRAM-SHA-1\t1", "SCRAM-SHA-224\t0", "SCRAM-SHA-256\t1", "SCRAM-SHA-384\t0", "SCRAM-SHA-512\t0", "SCRAM-SHA3-512\t0",
		"copies from shadow:" + shadow + "\t1, void 0, void within a week 0",
		"shadow:" + shadow + "\t1 users",
		all,
	}, "\n") + "\n"}.check(t)
	coverage(0, `{"store":"sasldb:`+db+`","users":1,"disabled":0,"mechanisms":[{"mechanism":"PLAIN, LOGIN","users":1},{"mechanism":"CRAM-MD5","users":0},{"mechanism":"DIGEST-MD5","users":0},{"mechanism":"NTLM","users":0},{"mechanism":"OTP","users":0},{"mechanism":"SCRAM-SHA-1","users":1},{"mechanism":"SCRAM-SHA-224","users":0},{"mechanism":"SCRAM-SHA-256","users":1},{"mechanism":"SCRAM-SHA-384","users":0},{"mechanism":"SCRAM-SHA-512","users":0},{"mechanism":"SCRAM-SHA3-512","users":0}],"copies":[{"source":"shadow:`+shadow+`","copies":1,"void":0,"void_within_a_week":0}],"verifier":{"name":"shadow:`+shadow+`","users":1},"ready":["SCRAM-SHA-1","SCRAM-SHA-256"],"verdict":"`+all+`"}`,
		append(from, "--json")...)
}

// A copy with an end is void after it, whoever made it, and told of a week before.
func TestUsersCoverageOfLives(t *testing.T) {
	t.Parallel()
	var records []sasldb.Record
	for name, times := range map[string]string{
		"over":  "2020-01-01T00:00:00.000000000Z\t2020-01-02T00:00:00.000000000Z",
		"good":  "2020-01-01T00:00:00.000000000Z\t9999-01-02T00:00:00.000000000Z",
		"ends":  "2020-01-01T00:00:00.000000000Z\t-",
		"later": "v9",
	} {
		records = append(records,
			sasldb.Record{Authid: name, Realm: "example.com", Property: "userPassword", Value: []byte("secret")},
			sasldb.Record{Authid: name, Realm: "example.com", Property: "saslkit-origin", Value: []byte("v1\tpam:smtp\t" + times + "\t- beside  with userPassword")})
	}
	db := createDB(t, records...)
	got := runCommand(t, "", "users", "--coverage", "-f", db)
	if got.code != 1 || !strings.Contains(got.out, "copies from pam:smtp\t3, void 1, void within a week 0\n") || !strings.Contains(got.out, "copies from ?\t1, void 1, void within a week 0\n") {
		t.Errorf("exit %d, output %q", got.code, got.out)
	}
	commandCase{args: []string{"users", "--coverage", "--secrets", "sasldb:" + db, "-f", db}, code: 2, err: []string{"exclude each other"}}.check(t)
	commandCase{args: []string{"users", "--delete-void", "-f", db}, code: 2, err: []string{"need --coverage"}}.check(t)
	commandCase{args: []string{"users", "--coverage", "--reveal", "--json", "-f", db}, code: 2, err: []string{"nothing that --reveal"}}.check(t)
	if got := runCommand(t, "", "users", "--coverage", "--delete-void", "-f", db); got.code != 0 || !strings.HasPrefix(got.out, "deleted\t2 void copies\n") {
		t.Errorf("exit %d, output %q, errors %q", got.code, got.out, got.stderr)
	}
}
