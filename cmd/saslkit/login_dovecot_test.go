package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dovecotScript is a conversation after a greeting that offers these mechanisms.
func dovecotScript(t *testing.T, mechanisms string, steps ...string) string {
	t.Helper()
	greeting := []string{"C: VERSION\t1\t2\n", "C: CPID\t", "S: VERSION\t1\t2"}
	for m := range strings.FieldsSeq(mechanisms) {
		greeting = append(greeting, "S: MECH\t"+m+"\tplaintext")
	}
	greeting = append(greeting, "S: SPID\t1", "S: CUID\t2", "S: COOKIE\tc0ffee", "S: DONE")
	return "dovecot:inet:" + script(t, slices.Concat(greeting, steps)...)
}

func TestLoginToOddAuthServers(t *testing.T) {
	t.Parallel()
	for _, test := range []scripted{
		{name: "initial response", url: dovecotScript(t, "PLAIN", "C: AUTH\t1\tPLAIN\tservice=smtp\tnologin\tresp="+plainMessage+"\n", "S: OK\t1\tuser=alice@r"), out: "ok mech=PLAIN\n", err: "OK user=alice@r"},
		{name: "another service", args: []string{"-s", "imap"}, url: dovecotScript(t, "PLAIN", "C: AUTH\t1\tPLAIN\tservice=imap\t", "S: OK\t1\tuser=alice"), out: "ok mech=PLAIN\n"},
		{name: "challenges", url: dovecotScript(t, "LOGIN", "C: AUTH\t1\tLOGIN\tservice=smtp\tnologin\n", "S: CONT\t1\t", "C: CONT\t1\t"+encoded("alice")+"\n", "S: CONT\t1\t"+encoded("Password:"), "C: CONT\t1\t"+encoded(canary)+"\n", "S: OK\t1\tuser=alice"), out: "ok mech=LOGIN\n", err: `S: CONT 1 "Password:"`},
		{name: "empty initial response", args: []string{"--mech", "ANONYMOUS"}, url: dovecotScript(t, "ANONYMOUS", "C: AUTH\t1\tANONYMOUS\tservice=smtp\tnologin\tresp==\n", "S: OK\t1\tuser=guest"), out: "ok mech=ANONYMOUS\n"},
		{name: "unknown lines between", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: NEWS\t1", "S: OK\t1\tuser=alice"), out: "ok mech=PLAIN\n"},

		{name: "refused", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: FAIL\t1\tuser=alice\treason=\x1b[2J no"), code: 1, out: "no reason=refused mech=PLAIN\n", err: `FAIL user=alice reason=\x1b[2J no`},
		{name: "temporary", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: FAIL\t1\ttemp"), code: 3, out: "no reason=unavailable mech=PLAIN\n", err: "FAIL temp"},
		{name: "temporary as a code", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: FAIL\t1\tcode=temp_fail"), code: 3, out: "no reason=unavailable mech=PLAIN\n"},
		{name: "yes without a name", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: OK\t1"), code: 1, out: "no reason=refused mech=PLAIN\n", err: "without a user name"},
		{name: "password of another server", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: OK\t1\tuser=alice\tproxy\tpass="+canary+"\thost=h"), out: "ok mech=PLAIN\n", err: "OK user=alice proxy pass=<hidden> host=<hidden>"},
		{name: "the answer to another request", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: OK\t2\tuser=alice"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "request 2"},
		{name: "yes before the proof", url: dovecotScript(t, "SCRAM-SHA-256", "C: AUTH", "S: OK\t1\tuser=alice"), code: 1, out: "no reason=bad-server mech=SCRAM-SHA-256\n", err: "did not prove its identity"},
		{name: "challenge that is not base64", url: dovecotScript(t, "CRAM-MD5", "C: AUTH", "S: CONT\t1\t<hello>", "C: CANCEL\t1\n"), code: 1, out: "no reason=bad-server mech=CRAM-MD5\n", err: "not base64"},
		{name: "nonsense", url: dovecotScript(t, "PLAIN", "C: AUTH", "S: OK\tone"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "OK"},
		{name: "lines without end", url: dovecotScript(t, "PLAIN", "C: AUTH", "S* NEWS\t1"), code: 1, out: "no reason=bad-server mech=PLAIN\n", err: "more than 200 lines"},
		{name: "greeting without end", url: "dovecot:inet:" + script(t, "S: VERSION\t1\t2", "S* MECH\tPLAIN"), code: 1, out: "no reason=bad-server\n", err: "more than 256 lines"},
		{name: "a socket for masters", url: "dovecot:inet:" + script(t, "S: VERSION\t1\t2", "S: SPID\t1"), code: 3, out: "no reason=no-connection\n", err: "a socket for Dovecot's master"},
		{name: "another protocol", url: "dovecot:inet:" + script(t, "S: 220 hello"), code: 3, out: "no reason=no-connection\n", err: "not version 1 of the auth protocol"},
		{name: "only what is not known", args: []string{"--mech", "PLAIN"}, url: dovecotScript(t, "GSSAPI"), code: 3, out: "no reason=no-mechanism\n", err: "the server offers: GSSAPI"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.check(t)
		})
	}
}

// TestLoginToOddSaslauthd: an answer is one of two words, and whole.
func TestLoginToOddSaslauthd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer string
		code   int
		out    string
		err    string
	}{
		"yes":            {"\x00\x02OK", 0, "ok\n", "says: OK"},
		"no":             {"\x00\x09NO \x1b[2Jno", 1, "no reason=refused\n", `NO \x1b[2Jno`},
		"longer word":    {"\x00\x03OKA", 1, "no reason=bad-server\n", "neither yes nor no"},
		"nothing":        {"", 1, "no reason=bad-server\n", "neither yes nor no"},
		"not whole":      {"\x00\x09OK", 1, "no reason=bad-server\n", "neither yes nor no"},
		"too long":       {"\xff\xffOK" + strings.Repeat("x", 2000), 1, "no reason=bad-server\n", "neither yes nor no"},
		"the password":   {"\x00\x0eNO " + canary, 1, "no reason=refused\n", "NO <hidden>"},
		"two of them":    {"\x00\x02OK\x00\x02NO", 1, "no reason=bad-server\n", "neither yes nor no"},
		"another system": {"HTTP/1.1 400 Bad Request", 1, "no reason=bad-server\n", "neither yes nor no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(socketDir(t), "mux")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				c.Read(make([]byte, 4096))
				c.Write([]byte(tt.answer))
			}()
			got := runCommand(t, canary+"\n", "login", "--trace", "--password-stdin", "saslauthd:"+path, "alice")
			if got.code != tt.code || got.out != tt.out || !strings.Contains(got.stderr, tt.err) {
				t.Errorf("exit %d, %q, %s; want exit %d, %q, %q", got.code, got.out, got.stderr, tt.code, tt.out, tt.err)
			}
			checkNoSecret(t, got, canary)
			if strings.ContainsAny(got.stderr, "\x1b\x00") {
				t.Errorf("control characters reach the terminal: %q", got.stderr)
			}
		})
	}
}

// TestLoginToSockets: what is wrong with an address or a socket is told with the cure.
func TestLoginToSockets(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/stale"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in := "x\n"
	login := func(args ...string) []string { return append([]string{"login", "--password-stdin"}, args...) }
	none := "no reason=no-connection\n"
	checkAll(t, []commandCase{
		{name: "no path", stdin: in, args: login("dovecot:", "alice"), code: 2, err: []string{"dovecot:PATH"}},
		{name: "no port", stdin: in, args: login("dovecot:inet:localhost", "alice"), code: 2, err: []string{"dovecot:inet:host:port"}},
		{name: "nothing there", stdin: in, args: login("dovecot:"+dir+"/none", "alice"), code: 3, out: none, err: []string{dir + "/none", "is the server started"}},
		{name: "nobody there", stdin: in, args: login("dovecot:"+dir+"/stale", "alice"), code: 3, out: none, err: []string{dir + "/stale", "left its socket behind"}},
		{name: "TLS", stdin: in, args: login("--tls", "dovecot:"+dir+"/none", "alice"), code: 2, err: []string{"no TLS"}},
		{name: "realm", stdin: in, args: login("-r", "x", "dovecot:"+dir+"/none", "alice"), code: 2, err: []string{"user@realm"}},
		{name: "saslauthd that is not there", stdin: in, args: login("saslauthd:"+dir, "alice"), code: 3, out: none, err: []string{dir + "/mux", "does saslauthd run"}},
		{name: "saslauthd that has ended", stdin: in, args: login("saslauthd:"+dir+"/stale", "alice"), code: 3, out: none, err: []string{dir + "/stale", "stale"}},
		{name: "saslauthd without a path", stdin: in, args: login("saslauthd:", "alice"), code: 2, err: []string{"no path"}},
		{name: "saslauthd with a mechanism", stdin: in, args: login("--mech", "PLAIN", "saslauthd:"+dir, "alice"), code: 2, err: []string{"saslauthd checks passwords"}},
		{name: "too much for saslauthd", stdin: in, args: login("saslauthd:"+dir, strings.Repeat("x", 2000)), code: 2, err: []string{"2000 bytes"}},
	})
}
