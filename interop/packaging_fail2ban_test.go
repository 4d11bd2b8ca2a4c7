//go:build linux

package interop

import (
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	dovecotclient "github.com/saslkit/saslkit/verifier/dovecot"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// A servedLog is what a saslkit serve that runs has logged.
type servedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *servedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *servedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serveAuth runs saslkit serve with these options until the test ends.
func serveAuth(t *testing.T, command string, options ...string) (*dovecotclient.Client, *servedLog) {
	t.Helper()
	socket, log := filepath.Join(t.TempDir(), "auth"), new(servedLog)
	cmd := exec.Command(command, append([]string{"serve", "--auth", socket, "--realm", labRealm}, options...)...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil {
			t.Errorf("saslkit serve: %v\n%s", err, log)
		}
	})
	asktest.Until(t, "saslkit serve is ready", func() bool { return strings.Contains(log.String(), "ready\n") })
	client, err := dovecotclient.New(dovecotclient.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, log
}

// fail2ban finds in the lines that the daemon writes, as it writes them, as syslog and as
// the journal hand them on, each address that guessed, and no other whatever the names are.
func TestPackagingFail2ban(t *testing.T) {
	t.Parallel()
	regex := peers.Need(t, "fail2ban-regex", "fail2ban")
	dir := t.TempDir()
	users, shadow := filepath.Join(dir, "users"), filepath.Join(dir, "shadow")
	writeFile(t, users, []byte("alice:{PLAIN}secret\n"))
	writeFile(t, shadow, []byte("gone:$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA:1:0:99999:7::2:\n")) // "secret", expired in 1970

	command := saslkitCommand(t)
	sound, soundLog := serveAuth(t, command, "--verifier", "passwdfile:"+users, "--verifier", "shadow:"+shadow, "--limit", "free=3,max=3", "--mux", dir)
	mux, err := saslauthd.New(saslauthd.Options{Socket: filepath.Join(dir, "mux"), ClientAddress: saslauthd.Send})
	if err != nil {
		t.Fatal(err)
	}
	broken, brokenLog := serveAuth(t, command, "--verifier", "saslauthd:"+filepath.Join(dir, "nobody-there"))

	const guilty = true
	var want []string
	for _, c := range []struct {
		name, user, password, remote string
		guilty                       bool
	}{
		{"right", "alice", "secret", "192.0.2.1", false},
		{"wrong password", "alice", "wrong", "192.0.2.2", guilty},
		{"unknown user", "nobody-here", "x", "192.0.2.3", guilty},
		{"IPv6", "bob", "wrong", "2001:db8::4", guilty},
		{"IPv4 in IPv6", "carol", "wrong", "::ffff:192.0.2.5", guilty},
		{"loopback, which jail.conf exempts", "dave", "wrong", "127.0.0.1", guilty},
		{"another realm", "alice@other.example", "secret", "192.0.2.6", guilty},
		{"expired, with the right password", "gone", "secret", "192.0.2.7", false},
		{"guess 1", "erin", "x", "192.0.2.8", guilty},
		{"guess 2", "erin", "x", "192.0.2.8", guilty},
		{"guess 3", "erin", "x", "192.0.2.8", guilty},
		{"turned away", "alice", "secret", "192.0.2.8", guilty},
		{"name with a space", "a b", "x", "192.0.2.10", guilty},
		{"name that is a value", `x remote=198.51.100.1 reason="bad-credentials"`, "x", "192.0.2.11", guilty},
		{"name that ends its quotes", `x" realm=r mech=PLAIN service=smtp tls=true remote=198.51.100.2 reason="bad-credentials: `, "x", "192.0.2.12", guilty},
		{"name that escapes its quotes", `x\" realm=r mech=PLAIN service=smtp tls=true remote=198.51.100.3 reason=bad-credentials`, "x", "192.0.2.13", guilty},
		{"name that ends in a backslash", `x\`, "x", "192.0.2.14", guilty},
		{"name with a date", "time=2020-01-01T00:00:00Z", "x", "192.0.2.15", guilty},
		{"name of another script", "Zoë\u00a0ſ", "x", "192.0.2.16", guilty},
		{"name as long as any", strings.Repeat(`\"`, 120), "x", "192.0.2.17", guilty},
		{"name with a line of its own", "x\ntime=2026-11-22T05:59:14Z level=INFO msg=login result=fail user=x realm=r mech=PLAIN service=smtp tls=true remote=198.51.100.4 reason=bad-credentials", "x", "192.0.2.18", false}, // refused as malformed: nothing was guessed
	} {
		r := verifier.Request{User: c.user, Service: "smtp", Remote: netip.AddrPortFrom(netip.MustParseAddr(c.remote), 1)}
		if _, err := sound.VerifyPassword(t.Context(), r, c.password); (err == nil) != (c.name == "right") {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.guilty {
			want = append(want, strings.TrimPrefix(c.remote, "::ffff:"))
		}
	}
	for _, c := range []struct {
		user, password, remote string
		guilty                 bool
	}{
		{"alice", "secret", "192.0.2.20", false},
		{"alice", "wrong", "192.0.2.21", guilty},
		{`x protocol=saslauthd service=smtp remote=198.51.100.6 reason="bad-credentials"`, "wrong", "192.0.2.22", guilty},
		{"alice", "wrong", "", false}, // nobody says who it was
	} {
		r := verifier.Request{User: c.user, Service: "smtp"}
		if c.remote != "" {
			r.Remote = netip.AddrPortFrom(netip.MustParseAddr(c.remote), 1)
		}
		if _, err := mux.VerifyPassword(t.Context(), r, c.password); (err == nil) != (c.password == "secret") {
			t.Errorf("%s over saslauthd's protocol: %v", c.user, err)
		}
		if c.guilty {
			want = append(want, c.remote)
		}
	}
	if _, err := broken.VerifyPassword(t.Context(), verifier.Request{User: "alice", Service: "smtp", Remote: netip.MustParseAddrPort("198.51.100.5:1")}, "secret"); err == nil {
		t.Error("a store that is not there says yes")
	}
	asktest.Until(t, "all is logged", func() bool {
		return strings.Count(soundLog.String(), "msg=login") == 25 && strings.Contains(brokenLog.String(), "msg=login")
	})

	log := soundLog.String() + brokenLog.String()
	for name, prefix := range map[string]string{
		"standard error": "",
		"journal":        "mail saslkit[4711]: ",
		"syslog":         "Nov 22 05:59:14 mail saslkit[4711]: ",
		"RFC 5424":       "2026-11-22T05:59:14.347112+00:00 mail saslkit[4711]: ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines strings.Builder
			for line := range strings.Lines(log) {
				lines.WriteString(prefix + line)
			}
			// Programs that log what strangers say, to the same file.
			for _, of := range []string{"sshd[123]: Invalid user ", "su: FAILED SU (to ", "postfix/smtpd[9]: warning: non-SMTP command from unknown[203.0.113.1]: "} {
				lines.WriteString(strings.Replace(prefix, "saslkit[4711]: ", of, 1) + "saslkit[4711]: time=2026-11-22T05:59:14Z level=INFO msg=login result=fail user=x realm=r mech=PLAIN service=smtp tls=true remote=198.51.100.6 reason=bad-credentials\n")
			}
			file := filepath.Join(t.TempDir(), "log")
			writeFile(t, file, []byte(lines.String()))
			got := strings.Fields(ran(t, regex, "-e", "UTF-8", "-o", "ip", file, "../packaging/fail2ban/saslkit.conf"))
			got = slices.DeleteFunc(got, func(s string) bool { return s == "exit" || s == "status" || s == "0" }) // of ran
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("addresses (-want +got):\n%s\n%s", diff, lines.String())
			}
		})
	}
}
