package main

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// script starts a server that plays a conversation once. A step is "S: " and a
// line to send, "C: " and the beginning of a line to expect, "SAY " and lines to send
// whether or not anybody listens, "TLS" to begin TLS as a server, or "S* " and a line to
// send for as long as anybody does. It returns the address.
func script(t *testing.T, steps ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { conn.Close() }()
		play(t, &conn, steps)
	}()
	return l.Addr().String()
}

func play(t *testing.T, conn *net.Conn, steps []string) {
	(*conn).SetDeadline(time.Now().Add(3 * time.Minute))
	lines := bufio.NewReader(*conn)
	for _, step := range steps {
		switch kind, text, _ := strings.Cut(step, ": "); {
		case kind == "C":
			line, err := lines.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, text) {
				t.Errorf("the client sent %q (%v), want %q", line, err, text)
				return
			}
		case kind == "S":
			(*conn).Write([]byte(text + "\r\n"))
		case strings.HasPrefix(step, "SAY "):
			io.WriteString(*conn, strings.TrimPrefix(step, "SAY "))
		case step == "TLS":
			*conn = tls.Server(*conn, &tls.Config{Certificates: []tls.Certificate{labCert(t)}})
			lines.Reset(*conn)
		default:
			for err := error(nil); err == nil; {
				_, err = (*conn).Write([]byte(strings.TrimPrefix(step, "S* ") + "\r\n"))
			}
		}
	}
	for { // until the client goes, so that it reads everything
		line, err := lines.ReadString('\n')
		if err != nil || strings.Contains(line, "QUIT") || strings.Contains(line, "LOGOUT") {
			return
		}
	}
}

func labCert(t *testing.T) tls.Certificate {
	ca, err := newAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// smtpScript is a conversation after a greeting and EHLO. The extensions are
// separated by semicolons.
func smtpScript(t *testing.T, extensions string, steps ...string) string {
	t.Helper()
	return "smtp://" + script(t, append([]string{"S: 220 hello", "C: EHLO [127.0.0.1]", "S: 250-hello",
		"S: 250-" + strings.ReplaceAll(extensions, ";", "\r\n250-"), "S: 250 8BITMIME"}, steps...)...)
}

// imapScript is a conversation after a greeting and CAPABILITY.
func imapScript(t *testing.T, capabilities string, steps ...string) string {
	t.Helper()
	return "imap://" + script(t, append([]string{"S: * OK hello", "C: A1 CAPABILITY", "S: * CAPABILITY IMAP4rev1 " + capabilities, "S: A1 OK"}, steps...)...)
}

const canary = "canary-7Hq2"

func encoded(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var (
	plainMessage = encoded("\x00alice\x00" + canary)
	digestNonce  = encoded(`realm="r",nonce="abc",qop="auth",charset=utf-8,algorithm=md5-sess`)
)

// A scripted is a conversation with a server that is odd or hostile, and what
// the command must make of it. It never shows the password.
type scripted struct {
	name string
	url  string
	args []string
	code int
	out  string
	err  string
}

func (s scripted) check(t *testing.T) {
	t.Helper()
	args := append([]string{"login", "--trace", "--insecure", "--password-stdin", s.url, "alice"}, s.args...)
	got := runCommand(t, canary+"\n", args...)
	if got.code != s.code || got.out != s.out || !strings.Contains(got.stderr, s.err) {
		t.Errorf("got exit %d, output %q, errors:\n%s\nwant exit %d, output %q, in the errors %q", got.code, got.out, got.stderr, s.code, s.out, s.err)
	}
	checkNoSecret(t, got, canary, plainMessage)
	if strings.ContainsAny(got.stderr, "\x1b\a\x00") {
		t.Errorf("control characters reach the terminal: %q", got.stderr)
	}
}

func TestLoginToOddSMTPServers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxReplyLine)
	for _, test := range []scripted{
		{name: "AUTH with a space", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN "+plainMessage, "S: 235 welcome"), out: "ok mech=PLAIN\n"},
		{name: "AUTH with an equals sign", url: smtpScript(t, "AUTH=PLAIN", "C: AUTH PLAIN "+plainMessage, "S: 235 welcome"), out: "ok mech=PLAIN\n"},
		{name: "both, and small letters", url: smtpScript(t, "auth=login;auth login plain", "C: AUTH PLAIN", "S: 235 welcome"), out: "ok mech=PLAIN\n"},
		{name: "reply in several lines, the last one bare", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 235-one", "S: 235"), out: "ok mech=PLAIN\n"},
		{name: "bare 334", url: smtpScript(t, "AUTH LOGIN", "C: AUTH LOGIN\r\n", "S: 334", "C: "+encoded("alice")+"\r\n", "S: 334 =", "C: "+encoded(canary)+"\r\n", "S: 235 ok"), out: "ok mech=LOGIN\n"},
		{name: "initial response too long for a command", args: []string{"--authzid", strings.Repeat("z", 400)},
			url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN\r\n", "S: 334 go ahead", "C: "+encoded(strings.Repeat("z", 400)+"\x00alice\x00"+canary)+"\r\n", "S: 235 ok"), out: "ok mech=PLAIN\n"},

		{name: "no AUTH", url: smtpScript(t, "SIZE"), code: 3, out: "no reason=no-mechanism\n", err: "the server offers: nothing"},
		{name: "AUTH with nothing", url: smtpScript(t, "AUTH"), code: 3, out: "no reason=no-mechanism\n", err: "the server offers: nothing"},
		{name: "only what we do not have", url: smtpScript(t, "AUTH NTLM \x1b[2J"), code: 3, out: "no reason=no-mechanism\n", err: "the server offers: NTLM\n"},
		{name: "temporary", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 454 4.7.0 later"), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "454 4.7.0 later"},
		{name: "refused", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 535 \x1b]0;title\a no"), code: 1, out: "no reason=refused mech=PLAIN\n", err: `535 \x1b]0;title\a no`},
		{name: "repeats what it does not understand", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 501 bad command: AUTH PLAIN "+plainMessage+" ("+canary+")"), code: 1, out: "no reason=refused mech=PLAIN\n", err: "AUTH PLAIN <hidden>"},
		{name: "repeats the password as a challenge", url: smtpScript(t, "AUTH LOGIN", "C: AUTH LOGIN", "S: 334 ", "C: ", "S: 334 ", "C: ", "S: 334 "+encoded("password "+canary), "C: *", "S: 501 cancelled"), code: 1, out: "no reason=bad-server mech=LOGIN\n", err: `S: 334 "password <hidden>"`},

		{name: "yes before the challenge", url: smtpScript(t, "AUTH CRAM-MD5", "C: AUTH CRAM-MD5", "S: 235 welcome"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "before anything was sent"},
		{name: "yes before the proof", url: smtpScript(t, "AUTH DIGEST-MD5", "C: AUTH DIGEST-MD5", "S: 334 "+digestNonce, "C: ", "S: 235 welcome"), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "did not prove its identity"},
		{name: "yes before SCRAM's proof", url: smtpScript(t, "AUTH SCRAM-SHA-256", "C: AUTH SCRAM-SHA-256 ", "S: 235 welcome"), code: 1, out: "no reason=bad-server mech=SCRAM-SHA-256\n", err: "did not prove its identity"},
		{name: "SCRAM with another nonce", url: smtpScript(t, "AUTH SCRAM-SHA-256", "C: AUTH SCRAM-SHA-256 ", "S: 334 "+encoded("r=abcdefghijklmnopqrstuvwxyz,s=AAAA,i=4096"), "C: *", "S: 501 cancelled"), code: 1, out: "no reason=bad-server mech=SCRAM-SHA-256\n", err: "nonce"},
		{name: "wrong proof", url: smtpScript(t, "AUTH DIGEST-MD5", "C: AUTH DIGEST-MD5", "S: 334 "+digestNonce, "C: ", "S: 334 "+encoded("rspauth=00000000000000000000000000000000"), "C: *", "S: 501 cancelled"), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "did not prove its identity"},
		{name: "yes to a cancelled login", url: smtpScript(t, "AUTH DIGEST-MD5", "C: AUTH DIGEST-MD5", "S: 334 "+digestNonce, "C: ", "S: 334 "+encoded("rspauth=0"), "C: *", "S: 235 welcome"), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "yes to a cancelled login"},
		{name: "challenge that is not base64", url: smtpScript(t, "AUTH CRAM-MD5", "C: AUTH CRAM-MD5", "S: 334 <hello>", "C: *\r\n", "S: 501 cancelled"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "not base64"},
		{name: "challenges without end", url: smtpScript(t, "AUTH LOGIN", "C: AUTH LOGIN", "S* 334 "), code: 1, out: "no reason=bad-server mech=LOGIN\n", err: "after the last message"},
		{name: "lines without end", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S* 235-welcome"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "more than 200 lines"},
		{name: "capabilities without end", url: "smtp://" + script(t, "S: 220 hello", "C: EHLO", "S* 250-AUTH PLAIN"), code: 1, out: "no reason=bad-server\n", err: "more than 200 lines"},
		{name: "greeting without end", url: "smtp://" + script(t, "S* 220-hello"), code: 1, out: "no reason=bad-server\n", err: "more than 200 lines"},
		{name: "long line", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 235 "+long), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "longer than"},
		{name: "another code half way", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 535-no", "S: 235 yes"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "no part of an SMTP reply"},
		{name: "nonsense", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 23 5"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "no part of an SMTP reply"},
		{name: "strange code", url: smtpScript(t, "AUTH PLAIN", "C: AUTH PLAIN", "S: 250 ok"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "250 is no answer to AUTH"},
		{name: "not serving", url: "smtp://" + script(t, "S: 554 go away"), code: 3, out: "no reason=no-connection\n", err: "554 go away"},
		{name: "EHLO refused", url: "smtp://" + script(t, "S: 220 hello", "C: EHLO", "S: 502 what"), code: 3, out: "no reason=no-connection\n", err: "refuses EHLO: 502 what"},

		{name: "no STARTTLS", args: []string{"--starttls"}, url: smtpScript(t, "AUTH PLAIN"), code: 3, out: "no reason=no-connection\n", err: "does not offer STARTTLS"},
		{name: "STARTTLS refused", args: []string{"--starttls"}, url: smtpScript(t, "STARTTLS", "C: STARTTLS", "S: 454 not now"), code: 3, out: "no reason=no-connection\n", err: "refuses STARTTLS: 454 not now"},
		{name: "injected before TLS", args: []string{"--starttls"}, url: smtpScript(t, "STARTTLS", "C: STARTTLS", "S: 220 go\r\n250 AUTH PLAIN"), code: 1, out: "no reason=bad-server\n", err: "in the clear follow"},
		{name: "capabilities again after TLS", args: []string{"--starttls"}, url: smtpScript(t, "AUTH CRAM-MD5;STARTTLS", "C: STARTTLS", "S: 220 go", "TLS", "C: EHLO", "S: 250-hello", "S: 250 AUTH PLAIN", "C: AUTH PLAIN "+plainMessage, "S: 235 ok"), out: "ok mech=PLAIN\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

func TestLoginToOddIMAPServers(t *testing.T) {
	t.Parallel()
	for _, test := range []scripted{
		{name: "SASL-IR", url: imapScript(t, "SASL-IR AUTH=PLAIN", "C: A2 AUTHENTICATE PLAIN "+plainMessage+"\r\n", "S: A2 OK [CAPABILITY IMAP4rev1] done", "C: A3 LOGOUT", "S: * BYE", "S: A3 OK"), out: "ok mech=PLAIN\n"},
		{name: "IMAP4rev2", url: imapScript(t, "imap4rev2 auth=plain", "C: A2 AUTHENTICATE PLAIN "+plainMessage+"\r\n", "S: A2 OK done"), out: "ok mech=PLAIN\n"},
		{name: "NTLM as Microsoft's servers ask for it", args: []string{"--mech", "NTLM"},
			url: imapScript(t, "AUTH=NTLM", "C: A2 AUTHENTICATE NTLM\r\n", "S: + ntlm supported", "C: TlRMTVNTUAAB", "S: A2 OK done"), out: "ok mech=NTLM\n"},
		{name: "neither", url: imapScript(t, "AUTH=PLAIN", "C: A2 AUTHENTICATE PLAIN\r\n", "S: + ", "C: "+plainMessage+"\r\n", "S: A2 OK done"), out: "ok mech=PLAIN\n"},
		{name: "bare plus, and equals sign", url: imapScript(t, "SASL-IR AUTH=LOGIN", "C: A2 AUTHENTICATE LOGIN\r\n", "S: +", "C: "+encoded("alice")+"\r\n", "S: + =", "C: "+encoded(canary)+"\r\n", "S: * OK still here", "S: A2 OK done"), out: "ok mech=LOGIN\n"},
		{name: "empty initial response", args: []string{"--mech", "ANONYMOUS"}, url: imapScript(t, "SASL-IR AUTH=ANONYMOUS", "C: A2 AUTHENTICATE ANONYMOUS =\r\n", "S: A2 OK done"), out: "ok mech=ANONYMOUS\n"},

		{name: "LOGINDISABLED", url: imapScript(t, "STARTTLS LOGINDISABLED"), code: 3, out: "no reason=no-mechanism\n", err: "LOGINDISABLED: it permits logins under TLS only"},
		{name: "refused", url: imapScript(t, "AUTH=PLAIN SASL-IR", "C: A2 AUTHENTICATE", "S: A2 NO [AUTHENTICATIONFAILED] no"), code: 1, out: "no reason=refused mech=PLAIN\n", err: "NO [AUTHENTICATIONFAILED] no"},
		{name: "BAD", url: imapScript(t, "AUTH=PLAIN SASL-IR", "C: A2 AUTHENTICATE", "S: A2 BAD what is "+plainMessage), code: 1, out: "no reason=refused mech=PLAIN\n", err: "BAD what is <hidden>"},
		{name: "temporary", url: imapScript(t, "AUTH=PLAIN SASL-IR", "C: A2 AUTHENTICATE", "S: A2 NO [UNAVAILABLE] later"), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "later"},
		{name: "yes before the challenge", url: imapScript(t, "AUTH=CRAM-MD5", "C: A2 AUTHENTICATE CRAM-MD5", "S: A2 OK welcome"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "before anything was sent"},
		{name: "yes before the proof", url: imapScript(t, "AUTH=DIGEST-MD5", "C: A2 AUTHENTICATE DIGEST-MD5", "S: + "+digestNonce, "C: ", "S: A2 OK welcome"), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "did not prove its identity"},
		{name: "the answer to another command", url: imapScript(t, "AUTH=PLAIN SASL-IR", "C: A2 AUTHENTICATE", "S: A1 OK welcome"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "no answer to a command of ours"},
		{name: "untagged lines without end", url: imapScript(t, "AUTH=PLAIN SASL-IR", "C: A2 AUTHENTICATE", "S* * OK wait"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "more than 200 lines"},
		{name: "capabilities without end", url: "imap://" + script(t, "S: * OK hello", "C: A1", "S* * CAPABILITY AUTH=PLAIN"), code: 1, out: "no reason=bad-server\n", err: "more than 200 lines"},
		{name: "logged in already", url: "imap://" + script(t, "S: * PREAUTH welcome"), code: 1, out: "no reason=bad-server\n", err: "logged in already"},
		{name: "not serving", url: "imap://" + script(t, "S: * BYE full"), code: 3, out: "no reason=no-connection\n", err: "full"},
		{name: "not IMAP", url: "imap://" + script(t, "S: 220 hello"), code: 1, out: "no reason=bad-server\n", err: "not IMAP's"},
		{name: "CAPABILITY refused", url: "imap://" + script(t, "S: * OK hello", "C: A1", "S: A1 BAD no"), code: 3, out: "no reason=no-connection\n", err: "refuses CAPABILITY"},

		{name: "no STARTTLS", args: []string{"--starttls"}, url: imapScript(t, "AUTH=PLAIN"), code: 3, out: "no reason=no-connection\n", err: "does not offer STARTTLS"},
		{name: "STARTTLS refused", args: []string{"--starttls"}, url: imapScript(t, "STARTTLS", "C: A2 STARTTLS", "S: A2 NO not now"), code: 3, out: "no reason=no-connection\n", err: "refuses STARTTLS: not now"},
		{name: "injected before TLS", args: []string{"--starttls"}, url: imapScript(t, "STARTTLS", "C: A2 STARTTLS", "S: A2 OK go\r\n* CAPABILITY AUTH=PLAIN"), code: 1, out: "no reason=bad-server\n", err: "in the clear follow"},
		{name: "capabilities again after TLS", args: []string{"--starttls"}, url: imapScript(t, "STARTTLS AUTH=CRAM-MD5", "C: A2 STARTTLS", "S: A2 OK go", "TLS", "C: A3 CAPABILITY", "S: * CAPABILITY SASL-IR AUTH=PLAIN", "S: A3 OK", "C: A4 AUTHENTICATE PLAIN "+plainMessage, "S: A4 OK done"), out: "ok mech=PLAIN\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

// TLS from the first byte, as smtps:// and imaps:// have it.
func TestLoginUnderTLSFromTheStart(t *testing.T) {
	t.Parallel()
	smtps := script(t, "TLS", "S: 220 hello", "C: EHLO", "S: 250-hello", "S: 250 AUTH PLAIN", "C: AUTH PLAIN "+plainMessage, "S: 235 ok")
	scripted{url: "smtps://" + smtps, out: "ok mech=PLAIN\n", err: "-- TLS 1.3"}.check(t)
	imaps := script(t, "TLS", "S: * OK hello", "C: A1", "S: * CAPABILITY AUTH=PLAIN SASL-IR", "S: A1 OK", "C: A2 AUTHENTICATE PLAIN "+plainMessage, "S: A2 OK done")
	scripted{url: "imap://" + imaps, args: []string{"--tls"}, out: "ok mech=PLAIN\n", err: "-- TLS 1.3"}.check(t)
}

// A server that is silent does not hold us. What it says it says at once: how far we come
// before our patience ends is a matter of the machine.
func TestLoginDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]string{
		"no greeting":   "",
		"no capability": "220 hello\r\n",
		"never an end":  "220 hello\r\n250-hello\r\n",
		"no answer":     "220 hello\r\n250-hello\r\n250 AUTH PLAIN\r\n",
		"no handshake":  "220 hello\r\n250-hello\r\n250 STARTTLS\r\n220 go\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, port, _ := net.SplitHostPort(script(t, "SAY "+said))
			l := &login{
				server:      serverAddress{protocol: "smtp", service: "smtp", host: host, port: port},
				tls:         &tls.Config{InsecureSkipVerify: true},
				mechanisms:  []string{"PLAIN"},
				policy:      mech.Policy{Clear: mech.AnyMechanism},
				credentials: saslkit.Credentials{Username: "alice", Password: canary},
				trace:       &tracer{},
				patience:    200 * time.Millisecond,
			}
			if name == "no handshake" {
				l.security = startTLS
			}
			_, _, err := l.run(t.Context())
			if err == nil || exitCode(err) != exitUntried {
				t.Errorf("got %v", err)
			}
		})
	}
}
