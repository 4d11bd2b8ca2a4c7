package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The clients of a Debian system against our go-imap server, with users that
// saslpasswd2 wrote. The mechanism "command" is IMAP's own LOGIN.
func TestIMAPClients(t *testing.T) {
	matrix(t, []mailClient{
		{"curl", fourMechanisms, nothingMore, curlIMAP},
		{"gsasl", slices.Concat(fourMechanisms, gnuSCRAM, plus(gnuSCRAM)), nothingMore, gsaslIMAP},
		{"imaplib", []string{"PLAIN", "LOGIN", "CRAM-MD5", "command"}, nothingMore, imaplib},
		{"libsasl2", slices.Concat(fourMechanisms, scramMechanisms, plusMechanisms), needCyrusModules, libsasl2IMAP},
		{"mbsync", []string{"PLAIN", "CRAM-MD5", "DIGEST-MD5", scram256, "command"}, needCyrusModules, mbsync},
	}, imapLab, "NO [AUTHENTICATIONFAILED]")
}

func curlIMAP(t testing.TB, r clientRun) *exec.Cmd {
	args := []string{
		"--silent", "--show-error", "--disable", "--url", "imap://localhost:" + r.port + "/", "--request", "NOOP",
		"--resolve", "localhost:" + r.port + ":127.0.0.1",
		"--user", r.user + ":" + r.password, "--login-options", "AUTH=" + r.mechanism,
	}
	if r.cert != "" {
		args = append(args, "--ssl-reqd", "--cacert", r.cert)
	}
	return exec.Command(need(t, "curl"), args...)
}

func gsaslIMAP(t testing.TB, r clientRun) *exec.Cmd { return gsasl(t, r, "--imap") }

func imaplib(t testing.TB, r clientRun) *exec.Cmd {
	return script(t, "imaplib_login.py", r.withCert(r.port, r.mechanism, r.user, r.password)...)
}

func libsasl2IMAP(t testing.TB, r clientRun) *exec.Cmd {
	return script(t, "libsasl2_login.py", r.withCert("imap", r.port, r.mechanism, r.user, r.password)...)
}

func mbsync(t testing.TB, r clientRun) *exec.Cmd {
	mechanism, security := r.mechanism, "SSLType None"
	if mechanism == "command" {
		mechanism = "LOGIN"
	}
	if r.cert != "" {
		security = "SSLType STARTTLS\nCertificateFile " + r.cert
	}
	mail := filepath.Join(r.dir, "mail")
	if err := os.Mkdir(mail, 0o700); err != nil {
		t.Fatal(err)
	}
	rc := filepath.Join(r.dir, "mbsyncrc")
	writeFile(t, rc, []byte("IMAPAccount server\nHost localhost\nPort "+r.port+"\nUser "+r.user+"\nPass "+r.password+"\n"+
		"AuthMechs "+mechanism+"\n"+security+"\n\n"+
		"IMAPStore far\nAccount server\n\n"+
		"MaildirStore near\nPath "+mail+"/\nInbox "+mail+"/INBOX\n\n"+
		"Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nSync Pull\n"))
	return exec.Command(need(t, "mbsync"), "--config="+rc, "all")
}
