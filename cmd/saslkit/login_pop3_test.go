package main

import (
	"strings"
	"testing"
)

// pop3Script is a conversation after a greeting and CAPA. The capabilities are separated
// by semicolons.
func pop3Script(t *testing.T, capabilities string, steps ...string) string {
	t.Helper()
	return "pop3://" + script(t, append([]string{"S: +OK hello", "C: CAPA", "S: +OK", "S: " + strings.ReplaceAll(capabilities, ";", "\r\n"), "S: ."}, steps...)...)
}

func TestLoginToOddPOP3Servers(t *testing.T) {
	t.Parallel()
	for _, test := range []scripted{
		{name: "initial response", url: pop3Script(t, "SASL PLAIN", "C: AUTH PLAIN "+plainMessage+"\r\n", "S: +OK in", "C: QUIT"), out: "ok mech=PLAIN\n"},
		{name: "none", url: pop3Script(t, "SASL LOGIN;USER", "C: AUTH LOGIN\r\n", "S: +", "C: "+encoded("alice")+"\r\n", "S: + =", "C: "+encoded(canary)+"\r\n", "S: +OK"), out: "ok mech=LOGIN\n"},
		{name: "empty initial response", args: []string{"--mech", "ANONYMOUS"}, url: pop3Script(t, "SASL ANONYMOUS", "C: AUTH ANONYMOUS =\r\n", "S: +OK"), out: "ok mech=ANONYMOUS\n"},
		{name: "initial response too long for a command", args: []string{"--authzid", strings.Repeat("z", 400)},
			url: pop3Script(t, "SASL PLAIN", "C: AUTH PLAIN\r\n", "S: + ", "C: "+encoded(strings.Repeat("z", 400)+"\x00alice\x00"+canary)+"\r\n", "S: +OK"), out: "ok mech=PLAIN\n"},

		{name: "refused", url: pop3Script(t, "SASL PLAIN", "C: AUTH", "S: -ERR [AUTH] no"), code: 1, out: "no reason=refused mech=PLAIN\n", err: "-ERR [AUTH] no"},
		{name: "temporary", url: pop3Script(t, "SASL PLAIN", "C: AUTH", "S: -ERR [SYS/TEMP] later"), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "later"},
		{name: "mailbox in use", url: pop3Script(t, "SASL PLAIN", "C: AUTH", "S: -ERR [in-use] later"), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "later"},
		{name: "repeats what it does not understand", url: pop3Script(t, "SASL PLAIN", "C: AUTH", "S: -ERR what is AUTH PLAIN "+plainMessage), code: 1, out: "no reason=refused mech=PLAIN\n", err: "what is AUTH PLAIN <hidden>"},
		{name: "only USER and PASS", url: pop3Script(t, "USER;TOP"), code: 3, out: "no reason=no-mechanism\n", err: "it takes USER and PASS"},
		{name: "no CAPA", url: "pop3://" + script(t, "S: +OK hello", "C: CAPA", "S: -ERR what"), code: 3, out: "no reason=no-mechanism\n", err: "the server offers: nothing"},
		{name: "yes before the challenge", url: pop3Script(t, "SASL CRAM-MD5", "C: AUTH CRAM-MD5", "S: +OK welcome"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "before anything was sent"},
		{name: "yes before the proof", url: pop3Script(t, "SASL SCRAM-SHA-256", "C: AUTH SCRAM-SHA-256", "S: +OK welcome"), code: 1, out: "no reason=bad-server mech=SCRAM-SHA-256\n", err: "did not prove its identity"},
		{name: "neither yes nor no", url: pop3Script(t, "SASL PLAIN", "C: AUTH", "S: OK welcome"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "no answer to AUTH"},
		{name: "capabilities without end", url: "pop3://" + script(t, "S: +OK hello", "C: CAPA", "S: +OK", "S* SASL PLAIN"), code: 1, out: "no reason=bad-server\n", err: "more than 200 capabilities"},
		{name: "not serving", url: "pop3://" + script(t, "S: -ERR full"), code: 3, out: "no reason=no-connection\n", err: "full"},
		{name: "not POP3", url: "pop3://" + script(t, "S: 220 hello"), code: 1, out: "no reason=bad-server\n", err: "no answer of POP3"},

		{name: "no STLS", args: []string{"--starttls"}, url: pop3Script(t, "SASL PLAIN"), code: 3, out: "no reason=no-connection\n", err: "does not offer STLS"},
		{name: "STLS refused", args: []string{"--starttls"}, url: pop3Script(t, "STLS", "C: STLS", "S: -ERR not now"), code: 3, out: "no reason=no-connection\n", err: "refuses STLS: not now"},
		{name: "injected before TLS", args: []string{"--starttls"}, url: pop3Script(t, "STLS", "C: STLS", "S: +OK go\r\n+OK SASL PLAIN"), code: 1, out: "no reason=bad-server\n", err: "in the clear follow"},
		{name: "capabilities again after TLS", args: []string{"--starttls"}, url: pop3Script(t, "STLS;SASL CRAM-MD5", "C: STLS", "S: +OK go", "TLS", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .", "C: AUTH PLAIN "+plainMessage, "S: +OK"), out: "ok mech=PLAIN\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}
