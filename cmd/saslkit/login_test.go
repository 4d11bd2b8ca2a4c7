package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, m := range mech.All() {
		for _, channel := range []string{"", "--starttls"} {
			args := []string{"login", "--insecure", "--mech", m.Name, "--password-stdin", "smtp://" + l.address, l.user}
			if channel != "" {
				args = append(args, channel)
			}
			want := ran{code: 0, out: "ok mech=" + m.Name + "\n", stderr: "saslkit: the server says: 235 2.0.0 Authentication succeeded\n"}
			impossible := m.Need == mech.NeedExternal || m.Binds && channel == "" // we show no certificate
			if impossible {
				want = ran{code: 3, out: "no reason=no-mechanism\n"}
			}
			secret := l.password
			if m.Need == mech.NeedToken {
				secret = l.token
			}
			got := runCommand(t, secret+"\n", args...)
			if want.stderr == "" {
				got.stderr = ""
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("%s %s: -want +got:\n%s", m.Name, channel, diff)
			}
			if impossible || m.Need != mech.NeedPassword && m.Need != mech.NeedSecret && m.Need != mech.NeedToken {
				continue
			}
			wrong := "wrong"
			if m == mech.OTP {
				wrong = "wrong pass phrase"
			}
			if got := runCommand(t, wrong+"\n", args...); got.code != 1 || got.out != "no reason=refused mech="+m.Name+"\n" || !strings.Contains(got.stderr, "535 5.7.8") {
				t.Errorf("%s %s with a wrong password: exit %d, output %q, errors %q", m.Name, channel, got.code, got.out, got.stderr)
			}
		}
	}
}

func TestLoginChoices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	url := "smtp://" + l.address
	in := l.password + "\n"
	login := func(args ...string) []string {
		return append([]string{"login", "--password-stdin"}, args...)
	}
	const yes = "the server says: 235"
	checkAll(t, []commandCase{
		{name: "strongest", stdin: in, args: login(url, l.user), out: "ok mech=SCRAM-SHA3-512\n", err: []string{yes}},
		{name: "bound to the channel", stdin: in, args: login("--starttls", "--insecure", url, l.user), out: "ok mech=SCRAM-SHA3-512-PLUS\n", err: []string{yes}},
		{name: "name of the mechanism in lower case", stdin: in, args: login("--mech", "cram-md5", url, l.user), out: "ok mech=CRAM-MD5\n", err: []string{yes}},
		{name: "password in the clear", stdin: in, args: login("--mech", "PLAIN", url, l.user), code: 3, out: "no reason=no-mechanism\n", err: []string{"only under TLS: PLAIN", "--starttls", "--insecure"}},
		{name: "NTLM in the clear", stdin: in, args: login("--mech", "NTLM", url, l.user), code: 3, out: "no reason=no-mechanism\n", err: []string{"only under TLS: NTLM", "--insecure"}},
		{name: "unknown certificate", stdin: in, args: login("--starttls", url, l.user), code: 3, out: "no reason=no-connection\n", err: []string{"certificate", "--insecure"}},
		{name: "not offered", stdin: in, args: login("--mech", "EXTERNAL", url, l.user), code: 3, out: "no reason=no-mechanism\n", err: []string{"not offered", " PLAIN LOGIN ANONYMOUS"}},
		{name: "for somebody else", stdin: in, args: login("--mech", "PLAIN", "--insecure", "--authzid", "bob", url, l.user), code: 1, out: "no reason=refused mech=PLAIN\n", err: []string{"Not permitted to act"}},
		{name: "for oneself", stdin: in, args: login("--mech", "PLAIN", "--insecure", "--authzid", l.user, url, l.user), out: "ok mech=PLAIN\n", err: []string{yes}},
		{name: "for somebody else by a mechanism that cannot", stdin: in, args: login("--mech", "LOGIN", "--insecure", "--authzid", "bob", url, l.user), code: 3, out: "no reason=no-mechanism mech=LOGIN\n", err: []string{"no authorization identity"}},
		{name: "no password asked for", args: []string{"login", "--mech", "ANONYMOUS", url, "x"}, out: "ok mech=ANONYMOUS\n", err: []string{yes}},
		{name: "TLS where there is none", stdin: in, args: login("--tls", url, l.user), code: 3, out: "no reason=no-connection\n", err: []string{"TLS: "}},
		{name: "nobody there", stdin: in, args: login("smtp://"+closed, l.user), code: 3, out: "no reason=no-connection\n", err: []string{"refused"}},
		{name: "no terminal", args: []string{"login", url, l.user}, code: 2, err: []string{"no terminal"}},
		{name: "no user", stdin: in, args: login(url, ""), code: 2, err: []string{"USER is empty"}},
		{name: "unknown mechanism", stdin: in, args: login("--mech", "CRAM", url, l.user), code: 2, err: []string{`no mechanism "CRAM"`}},
		{name: "unknown kind", stdin: in, args: login("gopher://localhost", l.user), code: 2, err: []string{"imap:// imaps:// pop3:// pop3s:// sieve:// smtp:// smtps:// dovecot:PATH saslauthd:PATH"}},
		{name: "no URL", stdin: in, args: login("localhost:25", l.user), code: 2, err: []string{"imap:// imaps:// pop3:// pop3s:// sieve:// smtp:// smtps:// dovecot:PATH saslauthd:PATH"}},
		{name: "no host", stdin: in, args: login("smtp://", l.user), code: 2, err: []string{"smtp://host:port"}},
		{name: "path", stdin: in, args: login("imap://localhost/INBOX", l.user), code: 2, err: []string{"imap://host:port"}},
		{name: "password in the URL", stdin: in, args: login("imap://alice:sesame@localhost", l.user), code: 2, err: []string{"never"}},
		{name: "TLS twice", stdin: in, args: login("--starttls", "smtps://"+l.address, l.user), code: 2, err: []string{"exclude each other"}},
	})
}

// closed is an address at which nobody listens: tcpmux's. A port that was free is given to
// the server of another test at times.
const closed = "127.0.0.1:1"

func TestParseServer(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]serverAddress{
		"smtp://mail.example":       {protocol: "smtp", service: "smtp", host: "mail.example", port: "587"},
		"smtps://mail.example/":     {protocol: "smtp", service: "smtp", host: "mail.example", port: "465", implicit: true},
		"imap://mail.example:1143":  {protocol: "imap", service: "imap", host: "mail.example", port: "1143"},
		"imaps://[2001:db8::1]":     {protocol: "imap", service: "imap", host: "2001:db8::1", port: "993", implicit: true},
		"IMAPS://[2001:db8::1]:994": {protocol: "imap", service: "imap", host: "2001:db8::1", port: "994", implicit: true},
	} {
		if got, err := parseServer(url); got != want || err != nil {
			t.Errorf("%s: got %+v, %v; want %+v", url, got, err, want)
		}
	}
}

// The trace tells the conversation without the secrets, whatever the mechanism.
func TestTraceHidesSecrets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for mechanism, want := range map[string][]string{
		"PLAIN":              {`C: AUTH PLAIN "\x00demo\x00<hidden>"`},
		"LOGIN":              {"C: AUTH LOGIN\n", `S: 334 "Username:"`, `C: "demo"`, `S: 334 "Password:"`, "C: <hidden>\n"},
		"CRAM-MD5":           {`S: 334 "<`, `C: "demo <hidden>"`},
		"DIGEST-MD5":         {`S: 334 "realm=`, `response=<hidden>,`, `S: 334 "rspauth=<hidden>"`, "C: \"\"\n"},
		"ANONYMOUS":          {`C: AUTH ANONYMOUS ""`},
		"SCRAM-SHA-256":      {`C: AUTH SCRAM-SHA-256 "n,,n=demo,r=`, `S: 334 "r=`, ",i=4096\"\n", `C: "c=biws,r=`, `,p=<hidden>"`, `S: 334 "v=<hidden>"`, "C: \"\"\n", "-- the server has proven that it knows the password\n"},
		"SCRAM-SHA-512-PLUS": {`C: AUTH SCRAM-SHA-512-PLUS "p=tls-exporter,,n=demo,r=`, `,p=<hidden>"`, `S: 334 "v=<hidden>"`, "-- the login is bound to the channel by tls-exporter\n"},
	} {
		for _, tls := range []bool{false, true} {
			if mech.ByName(mechanism).Binds && !tls {
				continue
			}
			args := []string{"login", "--trace", "--insecure", "--mech", mechanism, "--password-stdin", "smtp://" + l.address, l.user}
			if tls {
				args = append(args, "--starttls")
				want = append(want, "-- TLS 1.3")
			}
			got := runCommand(t, l.password+"\n", args...)
			for _, text := range append(want, "S: 220 ", "C: EHLO [127.0.0.1]", "S: 235 ", "C: QUIT") {
				if !strings.Contains(got.stderr, text) {
					t.Errorf("%s: no %q in\n%s", mechanism, text, got.stderr)
				}
			}
			checkNoSecret(t, got, l.password, base64.StdEncoding.EncodeToString([]byte("\x00demo\x00"+l.password)))
		}
	}
}

// checkNoSecret looks for secrets as they stand and in base64.
func checkNoSecret(t *testing.T, got ran, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{s, base64.RawStdEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(got.out+got.stderr, form) {
				t.Errorf("a secret shows as %q in\n%s%s", form, got.out, got.stderr)
			}
		}
	}
}

// No command shows the password that it was given, right or wrong.
func TestNoCommandShowsThePassword(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	db := "sasldb:" + mailDB(t)
	for _, password := range []string{l.password, "wonderland", "canary-7Hq2"} {
		for _, args := range [][]string{
			{"check", "--verifier", db, "--password-stdin", "alice"},
			{"check", "--verifier", db, "--mech", "LOGIN", "--password-stdin", "alice"},
			{"check", "--verifier", "sasldb:/nonexistent", "--password-stdin", "alice"},
			{"check", "--verifier", db, "--mech", "DIGEST-MD5", "-r", "x", "--password-stdin", "alice"},
			{"login", "--trace", "--password-stdin", "smtp://" + l.address, "alice"},
			{"login", "--trace", "--insecure", "--mech", "PLAIN", "--password-stdin", "smtp://" + l.address, l.user},
			{"login", "--trace", "--insecure", "--starttls", "--mech", "LOGIN", "--password-stdin", "smtp://" + l.address, l.user},
		} {
			got := runCommand(t, password+"\n", args...)
			checkNoSecret(t, got, password)
		}
	}
	checkNoSecret(t, runCommand(t, "", "users", "-f", strings.TrimPrefix(db, "sasldb:"), "--json"), "wonderland")
}
