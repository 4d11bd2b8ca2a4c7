package interop

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/passwdfile"
)

// ntlmHash is what Samba keeps of labPassword, and Dovecot before 2.4.
const ntlmHash = "{NTLM}878d8014606cda29677a44efa1353fc7"

// ntlmStores hold a password and its NT hash.
func ntlmStores(t testing.TB) map[string]verifier.Verifier {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	writeFile(t, file, []byte(labUser+"@"+labRealm+":"+ntlmHash+"\n"))
	hashed, err := passwdfile.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]verifier.Verifier{
		"password": verifier.Static{labUser + "@" + labRealm: labPassword, utf8User + "@" + labRealm: cyrusUsers[utf8User]},
		"NT hash":  hashed,
	}
}

func ntlmSetup(store verifier.Verifier) setup {
	return setup{auth: &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"NTLM"}, Policy: labPolicy}}
}

// An ntlmProgram is a client, and what it speaks.
type ntlmProgram struct {
	mailClient
	start    func(testing.TB, setup) *lab
	refusal  string
	version2 bool
}

// ntlmPrograms are the clients of a Debian system that speak NTLM. libntlm, which is
// behind gsasl and msmtp, knows version 1 alone; Cyrus SASL, which is behind mutt, says
// version 1 unless told otherwise (see TestCyrusVersion2).
var ntlmPrograms = []ntlmProgram{
	{mailClient{name: "curl", need: nothingMore, command: curlSMTP}, smtpLab, "535 5.7.8", true},
	{mailClient{name: "curl over IMAP", need: nothingMore, command: curlIMAP}, imapLab, "NO [AUTHENTICATIONFAILED]", true},
	{mailClient{name: "msmtp", need: nothingMore, command: msmtp}, smtpLab, "535 5.7.8", false},
	{mailClient{name: "gsasl", need: nothingMore, command: gsaslSMTP}, smtpLab, "535 5.7.8", false},
	{mailClient{name: "gsasl over IMAP", need: nothingMore, command: gsaslIMAP}, imapLab, "NO [AUTHENTICATIONFAILED]", false},
	{mailClient{name: "mutt", need: needCyrusModules, command: mutt}, smtpLab, "535 5.7.8", false},
	{mailClient{name: "libsasl2", need: needCyrusModules, command: libsasl2SMTP}, smtpLab, "535 5.7.8", false},
	{mailClient{name: "libsasl2 over IMAP", need: needCyrusModules, command: libsasl2IMAP}, imapLab, "NO [AUTHENTICATIONFAILED]", false},
}

// Who speaks version 2 logs in. Who speaks version 1 does where it is allowed, and the
// log says what is wrong where it is not.
func TestNTLMClients(t *testing.T) {
	t.Parallel()
	stores := ntlmStores(t)
	for _, c := range ntlmPrograms {
		for held, store := range stores {
			t.Run(c.name+"/"+held, func(t *testing.T) {
				t.Parallel()
				c.need(t)
				allowing := ntlmSetup(store)
				allowing.auth.AllowNTLMv1 = true
				for _, w := range []wire{inClear, startTLS} {
					c.wantLogin(t, c.start(t, allowing), "NTLM", labUser, w)
					if c.version2 {
						c.wantLogin(t, c.start(t, ntlmSetup(store)), "NTLM", labUser, w)
					}
				}
				c.wantRefusal(t, c.start(t, allowing), "NTLM", inClear, c.refusal)
				if !c.version2 {
					c.wantVersion1Refused(t, c.start(t, ntlmSetup(store)))
				}
			})
		}
	}
}

func (c ntlmProgram) wantVersion1Refused(t *testing.T, l *lab) {
	t.Helper()
	output, err := c.run(t, l, "NTLM", labUser, labPassword, inClear)
	s := l.seen(t)
	var status *exec.ExitError
	if !errors.As(err, &status) || len(s.results) != 0 || !strings.Contains(s.transcript, c.refusal) {
		t.Errorf("version 1: %v, %+v\n%s\n%s", err, s.results, output, s.transcript)
	}
	if len(s.events) != 1 || !strings.Contains(s.events[0].Err.Detail(), `"`+labUser+`" answers with NTLMv1`) {
		t.Errorf("the log does not say why: %+v", s.events)
	}
}

// With ntlm_v2 Cyrus's client sends an LM response of version 2 and no NT response. LM
// responses are not looked at, of whatever version: this client stays with version 1.
func TestCyrusVersion2(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	s := ntlmSetup(ntlmStores(t)["password"])
	s.auth.AllowNTLMv1 = true
	l := smtpLab(t, s)
	c := mailClient{name: "libsasl2", command: func(t testing.TB, r clientRun) *exec.Cmd {
		r.mechanism += ",ntlm_v2=yes"
		return libsasl2SMTP(t, r)
	}}
	output, err := c.run(t, l, "NTLM", labUser, labPassword, inClear)
	saw := l.seen(t)
	if err == nil || len(saw.results) != 0 || len(saw.events) != 1 || !strings.Contains(saw.events[0].Err.Detail(), "LM response alone") {
		t.Errorf("%v, %+v\n%s", err, saw.events, output)
	}
}

// A name and a password that are not ASCII. curl takes each byte of what it is given for
// a character, and so do libntlm and Cyrus SASL: they cannot say them, and must not be
// taken for somebody else.
func TestNTLMClientsUTF8(t *testing.T) {
	t.Parallel()
	store := ntlmStores(t)["password"]
	for _, c := range ntlmPrograms {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.need(t)
			s := ntlmSetup(store)
			s.auth.AllowNTLMv1 = true
			l := c.start(t, s)
			output, _ := c.run(t, l, "NTLM", utf8User, cyrusUsers[utf8User], inClear)
			saw := l.seen(t)
			for _, r := range saw.results {
				if r.User != utf8User {
					t.Errorf("logged in as %q\n%s", r.User, output)
				}
			}
			if !strings.Contains(saw.transcript, "TlRMTVNTUAAD") {
				t.Errorf("it sent no last message:\n%s", saw.transcript)
			}
		})
	}
}
