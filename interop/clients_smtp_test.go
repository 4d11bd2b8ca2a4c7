package interop

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gnuSCRAM is the SCRAM of libgsasl.
var gnuSCRAM = []string{"SCRAM-SHA-1", "SCRAM-SHA-256"}

var smtpClients = []mailClient{
	{"swaks", fourMechanisms, needSwaks, swaks},
	{"msmtp", slices.Concat(fourMechanisms, gnuSCRAM), nothingMore, msmtp},
	{"curl", fourMechanisms, nothingMore, curlSMTP},
	{"gsasl", slices.Concat(fourMechanisms, gnuSCRAM, plus(gnuSCRAM)), nothingMore, gsaslSMTP},
	{"gsasl by tls-unique", plus(gnuSCRAM), nothingMore, gsaslUniqueSMTP},
	{"mutt", slices.Concat(fourMechanisms, gnuSCRAM), needCyrusModules, mutt},
	{"libsasl2", slices.Concat(fourMechanisms, scramMechanisms, plusMechanisms), needCyrusModules, libsasl2SMTP},
	{"libsasl2 by tls-unique", []string{scram256Plus}, needCyrusModules, libsasl2UniqueSMTP},
	{"smtplib", []string{"PLAIN", "LOGIN", "CRAM-MD5"}, nothingMore, smtplib},
}

// The clients of a Debian system against our go-smtp server, with users that
// saslpasswd2 wrote.
func TestSMTPClients(t *testing.T) {
	matrix(t, smtpClients, smtpLab, "535 5.7.8")
}

// A name and a password that are not ASCII. smtplib cannot send them. Whoever
// speaks DIGEST-MD5 hashes them in UTF-8, with charset=utf-8 or without it,
// although RFC 2831 section 2.1.2.1 has ISO 8859-1 wherever it suffices; our
// server, as Cyrus's, takes both.
func TestSMTPClientsUTF8(t *testing.T) {
	file := cyrusDatabase(t)
	for _, c := range smtpClients {
		if c.name == "smtplib" {
			continue
		}
		for _, mechanism := range c.mechanisms {
			if isPlus(mechanism) {
				continue
			}
			t.Run(c.name+"/"+mechanism, func(t *testing.T) {
				t.Parallel()
				c.need(t)
				l := smtpLab(t, cyrusSetup(t, file))
				output, err := c.run(t, l, mechanism, utf8User, cyrusUsers[utf8User], inClear)
				s := l.seen(t)
				switch {
				case err != nil:
					t.Errorf("%v\nit printed:\n%s\non the wire:\n%s", err, output, s.transcript)
				case len(s.results) != 1 || s.results[0].User != utf8User:
					t.Errorf("logged in: %+v", s.results)
				}
			})
		}
	}
}

func needSwaks(t testing.TB) {
	needPerl(t, "Authen::SASL", "libauthen-sasl-perl")
	needPerl(t, "Net::SSLeay", "libnet-ssleay-perl")
}

func swaks(t testing.TB, r clientRun) *exec.Cmd {
	args := []string{
		"--server", "127.0.0.1", "--port", r.port, "--helo", "client.example", "--quit-after", "AUTH",
		"--auth", r.mechanism, "--auth-user", r.user, "--auth-password", r.password,
	}
	if r.cert != "" {
		args = append(args, "--tls", "--tls-verify", "--tls-ca-path", r.cert)
	}
	return exec.Command(need(t, "swaks"), args...)
}

func msmtp(t testing.TB, r clientRun) *exec.Cmd {
	rc := filepath.Join(r.dir, "msmtprc")
	settings := fmt.Sprintf("account default\nhost 127.0.0.1\nport %s\ndomain client.example\nfrom alice@mail.example\nauth %s\nuser %s\npassword %s\n",
		r.port, strings.ToLower(r.mechanism), r.user, r.password)
	if r.cert != "" {
		settings += "tls on\ntls_starttls on\ntls_trust_file " + r.cert + "\n"
	}
	writeFile(t, rc, []byte(settings))
	return feed(exec.Command(need(t, "msmtp"), "--file="+rc, "bob@mail.example"), message)
}

func curlSMTP(t testing.TB, r clientRun) *exec.Cmd {
	args := []string{
		"--silent", "--show-error", "--disable", "--url", "smtp://localhost:" + r.port + "/client.example",
		"--resolve", "localhost:" + r.port + ":127.0.0.1",
		"--mail-from", "alice@mail.example", "--mail-rcpt", "bob@mail.example", "--upload-file", "-",
		"--user", r.user + ":" + r.password, "--login-options", "AUTH=" + r.mechanism,
	}
	if r.cert != "" {
		args = append(args, "--ssl-reqd", "--cacert", r.cert)
	}
	return feed(exec.Command(need(t, "curl"), args...), message)
}

func gsaslSMTP(t testing.TB, r clientRun) *exec.Cmd { return gsasl(t, r, "--smtp") }

// gsaslUniqueSMTP is gsasl under TLS 1.2, where it binds to tls-unique.
func gsaslUniqueSMTP(t testing.TB, r clientRun) *exec.Cmd {
	cmd := gsaslSMTP(t, r)
	cmd.Args = append(cmd.Args, "--priority=NORMAL:-VERS-TLS1.3")
	return cmd
}

func gsasl(t testing.TB, r clientRun, protocol string) *exec.Cmd {
	args := []string{
		protocol, "--connect=127.0.0.1:" + r.port, "--hostname=localhost", "--mechanism=" + r.mechanism,
		"--authentication-id=" + r.user, "--password=" + r.password, "--quality-of-protection=qop-auth",
	}
	if r.cert != "" {
		args = append(args, "--starttls", "--x509-ca-file="+r.cert)
		if isSCRAM(r.mechanism) && !isPlus(r.mechanism) {
			args = append(args, "--no-cb") // or gsasl refuses to do without -PLUS
		}
	} else {
		args = append(args, "--no-starttls")
	}
	return feed(exec.Command(need(t, "gsasl"), args...), "")
}

func mutt(t testing.TB, r clientRun) *exec.Cmd {
	rc := filepath.Join(r.dir, "muttrc")
	tls := "no"
	if r.cert != "" {
		tls = "yes"
	}
	settings := []string{
		`smtp_url="smtp://` + r.user + `@localhost:` + r.port + `/"`,
		`smtp_pass="` + r.password + `"`,
		`smtp_authenticators="` + strings.ToLower(r.mechanism) + `"`,
		`ssl_starttls=` + tls, `ssl_force_tls=` + tls, `certificate_file="` + r.cert + `"`,
		`from="alice@mail.example"`, `use_envelope_from=yes`, `hostname="client.example"`,
		`copy=no`, `record=""`, `folder="` + r.dir + `"`,
	}
	writeFile(t, rc, []byte("set "+strings.Join(settings, "\nset ")+"\n"))
	return feed(exec.Command(need(t, "mutt"), "-n", "-F", rc, "-s", "hello", "bob@mail.example"), "hello\n")
}

func libsasl2SMTP(t testing.TB, r clientRun) *exec.Cmd {
	return script(t, "libsasl2_login.py", r.withCert("smtp", r.port, r.mechanism, r.user, r.password)...)
}

func libsasl2UniqueSMTP(t testing.TB, r clientRun) *exec.Cmd {
	cmd := libsasl2SMTP(t, r)
	cmd.Args = append(cmd.Args, "tls-unique")
	return cmd
}

func smtplib(t testing.TB, r clientRun) *exec.Cmd {
	return script(t, "smtplib_login.py", r.withCert(r.port, r.mechanism, r.user, r.password)...)
}
