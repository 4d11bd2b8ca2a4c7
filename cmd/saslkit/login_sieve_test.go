package main

import (
	"slices"
	"strings"
	"testing"
)

// sieveScript is a conversation after a greeting with these capabilities.
func sieveScript(t *testing.T, capabilities string, steps ...string) string {
	t.Helper()
	return "sieve://" + script(t, append([]string{"S: " + strings.ReplaceAll(capabilities, ";", "\r\n"), "S: OK"}, steps...)...)
}

func TestLoginToOddSieveServers(t *testing.T) {
	t.Parallel()
	const plain, login = `"SASL" "PLAIN"`, `"SASL" "LOGIN"`
	for _, test := range []scripted{
		{name: "initial response", url: sieveScript(t, plain, `C: AUTHENTICATE "PLAIN" "`+plainMessage+"\"\r\n", `S: OK "in"`, "C: LOGOUT"), out: "ok mech=PLAIN\n"},
		{name: "empty initial response", args: []string{"--mech", "ANONYMOUS"}, url: sieveScript(t, `"SASL" "ANONYMOUS"`, `C: AUTHENTICATE "ANONYMOUS" ""`+"\r\n", "S: OK"), out: "ok mech=ANONYMOUS\n"},
		{name: "quoted and literal challenges", url: sieveScript(t, login, `C: AUTHENTICATE "LOGIN"`+"\r\n", `S: "VXNlcm5hbWU6"`, `C: "`+encoded("alice")+"\"\r\n", "S: {12}\r\nUGFzc3dvcmQ6", `C: "`+encoded(canary)+"\"\r\n", "S: OK"), out: "ok mech=LOGIN\n"},
		{name: "capability in a literal", url: sieveScript(t, "\"IMPLEMENTATION\" {5}\r\na\r\nb{;\"SASL\" {5}\r\nPLAIN", "C: AUTHENTICATE", "S: OK"), out: "ok mech=PLAIN\n"},
		{name: "long initial response", args: []string{"--authzid", strings.Repeat("z", 1000)},
			url: sieveScript(t, plain, "C: AUTHENTICATE \"PLAIN\" {1360+}\r\n", "C: "+encoded(strings.Repeat("z", 1000)+"\x00alice\x00"+canary)+"\r\n", "S: OK"), out: "ok mech=PLAIN\n"},

		{name: "refused", url: sieveScript(t, plain, "C: AUTHENTICATE", `S: NO "no \"entry\""`), code: 1, out: "no reason=refused mech=PLAIN\n", err: `NO "no "entry""`},
		{name: "temporary", url: sieveScript(t, plain, "C: AUTHENTICATE", `S: NO (TRYLATER) "busy"`), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "busy"},
		{name: "goodbye", url: sieveScript(t, plain, "C: AUTHENTICATE", `S: BYE "too many"`), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "too many"},
		{name: "repeats the password", url: sieveScript(t, plain, "C: AUTHENTICATE", "S: NO {"+"12"+"}\r\n"+canary+" "), code: 1, out: "no reason=refused mech=PLAIN\n", err: "<hidden>"},
		{name: "yes before the challenge", url: sieveScript(t, login, "C: AUTHENTICATE", "S: OK"), code: 1, out: "no reason=bad-server mech=LOGIN\n", err: "before anything was sent"},
		{name: "yes with a wrong proof", url: sieveScript(t, `"SASL" "DIGEST-MD5"`, "C: AUTHENTICATE", `S: "`+digestNonce+`"`, "C: ", `S: OK (SASL "`+encoded("rspauth=0")+`") "in"`), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "did not prove its identity"},
		{name: "yes with what is not base64", url: sieveScript(t, `"SASL" "DIGEST-MD5"`, "C: AUTHENTICATE", `S: "`+digestNonce+`"`, "C: ", `S: OK (SASL "<>") "in"`), code: 1, out: "no reason=bad-server mech=DIGEST-MD5\n", err: "not base64"},
		{name: "cancelled", url: sieveScript(t, `"SASL" "CRAM-MD5"`, "C: AUTHENTICATE", `S: "<hello>"`, "C: \"*\"\r\n", "S: NO"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "not base64"},
		{name: "endless literal", url: sieveScript(t, plain, "C: AUTHENTICATE", "S: {99999999}"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "a string of 99999999 bytes"},
		{name: "literals without end", url: sieveScript(t, plain, "C: AUTHENTICATE", "S* {2}\r\nab {2}\r\nab"), code: 1, out: "no reason=bad-server mech=PLAIN\n"},
		{name: "string without end", url: sieveScript(t, plain, "C: AUTHENTICATE", `S: "abc`), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "does not end"},
		{name: "empty line", url: sieveScript(t, plain, "C: AUTHENTICATE", "S: "), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "an empty line"},
		{name: "capabilities without end", url: "sieve://" + script(t, `S* "SASL" "PLAIN"`), code: 1, out: "no reason=bad-server\n", err: "more than 200 capabilities"},
		{name: "not serving", url: "sieve://" + script(t, `S: BYE "full"`), code: 3, out: "no reason=no-connection\n", err: "full"},

		{name: "no STARTTLS", args: []string{"--starttls"}, url: sieveScript(t, plain), code: 3, out: "no reason=no-connection\n", err: "does not offer STARTTLS"},
		{name: "STARTTLS refused", args: []string{"--starttls"}, url: sieveScript(t, `"STARTTLS"`, "C: STARTTLS", `S: NO "not now"`), code: 3, out: "no reason=no-connection\n", err: "not now"},
		{name: "injected before TLS", args: []string{"--starttls"}, url: sieveScript(t, `"STARTTLS"`, "C: STARTTLS", "S: OK\r\n\"SASL\" \"PLAIN\""), code: 1, out: "no reason=bad-server\n", err: "in the clear follow"},
		{name: "capabilities again after TLS", args: []string{"--starttls"}, url: sieveScript(t, `"STARTTLS";"SASL" "CRAM-MD5"`, "C: STARTTLS", "S: OK", "TLS", "S: "+plain, "S: OK", `C: AUTHENTICATE "PLAIN" "`+plainMessage, "S: OK"), out: "ok mech=PLAIN\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

// FuzzParseSieve: what is read can be written and is then read as the same.
func FuzzParseSieve(f *testing.F) {
	for _, text := range []string{`"SASL" "PLAIN LOGIN"`, `OK (SASL "cnNw") "in"`, "NO {5}\r\na\r\nb)", `"a\"b\\c" d(e)`, "{0}\r\n", `"`, "{4}\r\nabc"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, err := parseSieve(text)
		if err != nil {
			if words != nil {
				t.Fatalf("%v together with %v", words, err)
			}
			return
		}
		var written strings.Builder
		for _, w := range words {
			if w.isString {
				w.text = strings.Replace(sieveString(w.text), "+}", "}", 1) // as a server writes a literal
			}
			written.WriteString(w.text + " ")
		}
		again, err := parseSieve(written.String())
		if err != nil || !slices.Equal(words, again) {
			t.Fatalf("%q is read as %v, written as %q and read as %v, %v", text, words, written.String(), again, err)
		}
	})
}

// TestLiteralSize: a brace at the end of a line is one of a literal or stands in a string.
func TestLiteralSize(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{"{5}": 5, `"A" {0}`: 0, "OK (SASL {12}": 12, `"a{5}"`: -1, "a{5}": -1, "{5": -1, "{}": -1, "{-1}": -1, "{99999}": -2, "": -1} {
		size, is, err := literalSize(line)
		switch {
		case err != nil:
			size = -2
		case !is:
			size = -1
		}
		if size != want {
			t.Errorf("%q: %d, want %d (%v)", line, size, want, err)
		}
	}
}
