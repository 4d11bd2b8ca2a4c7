package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/ntlm"
)

// loginByNTLMv1 is the last line of a login over Dovecot's protocol as old devices send it.
func loginByNTLMv1(t *testing.T, socket, user, password string) string {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	lines := bufio.NewScanner(c)
	until := func(prefixes ...string) string {
		for lines.Scan() {
			for _, prefix := range prefixes {
				if strings.HasPrefix(lines.Text(), prefix) {
					return lines.Text()
				}
			}
		}
		t.Fatalf("no %q: %v", prefixes, lines.Err())
		return ""
	}
	const flags = ntlm.Unicode | ntlm.NTLM
	send := func(format string, message []byte) {
		fmt.Fprintf(c, format, base64.StdEncoding.EncodeToString(message))
	}
	fmt.Fprintf(c, "VERSION\t1\t2\nCPID\t1\n")
	until("DONE")
	send("AUTH\t1\tNTLM\tservice=smtp\tsecured\tresp=%s\n", ntlm.Negotiate{Flags: flags}.Append(nil))
	text := until("CONT\t1\t", "FAIL\t1")
	challenge, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "CONT\t1\t"))
	if err != nil {
		t.Fatal(text)
	}
	offer, err := ntlm.ParseChallenge(challenge)
	if err != nil {
		t.Fatal(err)
	}
	hash, _ := ntlm.Hash(password)
	send("CONT\t1\t%s\n", ntlm.Authenticate{Flags: flags, User: user, NT: ntlm.ResponseV1(hash, offer.Nonce)}.Append(nil))
	return until("OK\t1", "FAIL\t1")
}

// TestServeNTLMv1: old devices get in where that is allowed, which is told, and the log has
// the reason where it is not.
func TestServeNTLMv1(t *testing.T) {
	t.Parallel()
	const warning = "warning: NTLMv1 is allowed"
	db := mailDB(t)
	for _, c := range []struct{ options, want, told string }{
		{"", "FAIL", "answers with NTLMv1"},
		{"--allow-ntlmv1", "OK", warning},
	} {
		socket := filepath.Join(socketDir(t), "auth")
		args := append([]string{"serve", "--verifier", "sasldb:" + db, "--realm", "mail.example", "--limit", "off", "--mech-list", "PLAIN NTLM", "--auth", socket}, strings.Fields(c.options)...)
		_, stderr, end := background(t, args...)
		until(t, stderr, "ready\n")
		if got := loginByNTLMv1(t, socket, "alice", "wonderland"); !strings.HasPrefix(got, c.want+"\t1") {
			t.Errorf("%q: %q", c.options, got)
		}
		if got := loginByNTLMv1(t, socket, "alice", "wrong"); !strings.HasPrefix(got, "FAIL\t1") {
			t.Errorf("%q: wrong password: %q", c.options, got)
		}
		if code := end(); code != 0 || !strings.Contains(stderr.String(), c.told) || (c.told == warning) != strings.Contains(stderr.String(), warning) {
			t.Errorf("%q: exit %d: %s", c.options, code, stderr)
		}
	}
	commandCase{
		args: []string{"serve", "--verifier", "sasldb:" + db, "--realm", "mail.example", "--auth", filepath.Join(socketDir(t), "auth"), "--allow-ntlmv1"},
		code: 2, err: []string{"--allow-ntlmv1: NTLM is offered nowhere (name it in mech_list"},
	}.check(t)
}
