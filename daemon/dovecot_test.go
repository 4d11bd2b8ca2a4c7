package daemon

import (
	"testing"
)

func TestDovecotSmoke(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	c := dialDovecot(t, r.socket)
	c.say("VERSION 1 0", "CPID 4711")
	for i, m := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1"} {
		if got := c.login(2*i, m, "", "alice", "secret"); got != "OK "+string(rune('0'+2*i))+" user=alice@example.org" && i < 5 {
			t.Errorf("%s: %s", m, got)
		}
		t.Log(c.login(2*i+1, m, "", "alice", "wrong"))
	}
}
