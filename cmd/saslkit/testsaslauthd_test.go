package main

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
)

// replying is a daemon that says this to everybody, and what it was asked.
func replying(t *testing.T, reply string) (socket string, asked <-chan string) {
	t.Helper()
	requests := make(chan string, 10)
	d := asktest.Start(t, "mux", func(conn net.Conn) {
		b := make([]byte, 1<<17)
		n, _ := conn.Read(b)
		requests <- string(b[:n])
		io.WriteString(conn, reply)
	})
	return d.Socket, requests
}

// The outputs and exit codes are those of testsaslauthd 2.1.28, unless why says that ours
// differ.
func TestTestsaslauthd(t *testing.T) {
	t.Parallel()
	const yes, no = "0: OK \"Success.\"\n", "0: NO \"authentication failed\"\n"
	for _, c := range []struct {
		name, reply string
		want        ran
		why         string
	}{
		{"OK", "\x00\x02OK", ran{0, yes, ""}, ""},
		{"OK and a reason", "\x00\x0aOK welcome", ran{0, yes, ""}, ""},
		{"NO", "\x00\x02NO", ran{255, no, ""}, ""},
		{"NO and a space", "\x00\x03NO ", ran{255, no, ""}, ""},
		{"NO and a reason", "\x00\x15NO Incorrect password", ran{255, no, ""}, ""},
		{"longest", "\x04\x00NO " + strings.Repeat("x", 1021), ran{255, no, ""}, ""},
		{"nothing", "", ran{255, "0: ", "size read failed\n"}, ""},
		{"one byte", "\x00", ran{255, "0: ", "size read failed\n"}, ""},
		{"no text", "\x00\x00", ran{255, "0: ", "bad response from saslauthd\n"}, ""},
		{"text of one byte", "\x00\x01O", ran{255, "0: ", "bad response from saslauthd\n"}, ""},
		{"cut", "\x00\x05OK", ran{255, "0: ", "read failed\n"}, ""},
		{"OKAY", "\x00\x04OKAY", ran{255, "0: ", "bad response from saslauthd\n"}, "it counts as OK"},
		{"neither", "\x00\x05maybe", ran{255, "0: ", "bad response from saslauthd\n"}, "it counts as NO"},
		{"too long", "\x04\x01NO " + strings.Repeat("x", 1022), ran{255, "0: ", "bad response from saslauthd\n"}, "it writes behind its memory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			socket, _ := replying(t, c.reply)
			got := runOld(t, "testsaslauthd", "", "-u", "alice", "-p", "canary-A7", "-f", socket)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(ran{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTestsaslauthdRequest(t *testing.T) {
	t.Parallel()
	socket, asked := replying(t, "\x00\x02OK")
	long := strings.Repeat("x", 65535)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-u", "al", "-p", "pw"}, "\x00\x02al\x00\x02pw\x00\x04imap\x00\x00"},
		{[]string{"-u", "al@b@c", "-p", "pw", "-s", "smtp", "-r", "mail.example"}, "\x00\x06al@b@c\x00\x02pw\x00\x04smtp\x00\x0cmail.example"},
		{[]string{"-u", "", "-p", "", "-s", ""}, "\x00\x00\x00\x00\x00\x00\x00\x00"},
		{[]string{"-u", "al", "-p", "pw", "ignored", "too"}, "\x00\x02al\x00\x02pw\x00\x04imap\x00\x00"},
		{[]string{"-upal", "-ppw"}, "\x00\x03pal\x00\x02pw\x00\x04imap\x00\x00"},
		{[]string{"-u", "al", "-p", long}, "\x00\x02al\xff\xff" + long + "\x00\x04imap\x00\x00"},
	} {
		got := runOld(t, "testsaslauthd", "", append(c.args, "-f", socket)...)
		if request := <-asked; request != c.want || got.code != 0 {
			t.Errorf("%.100q: %.200q, want %.200q; %+v", c.args, request, c.want, got)
		}
	}
}

func TestTestsaslauthdCalls(t *testing.T) {
	t.Parallel()
	socket, asked := replying(t, "\x00\x02OK")
	_ = asked
	usage := "testsaslauthd: " + testsaslauthdUsage + "\n"
	for _, c := range []struct {
		args string
		want ran
	}{
		{"", ran{1, "", usage}},
		{"-u al", ran{1, "", usage}},
		{"-p pw", ran{1, "", usage}},
		{"-u al -p pw -z", ran{1, "", "testsaslauthd: invalid option -- 'z'\n" + usage}},
		{"-u al -p", ran{1, "", "testsaslauthd: option requires an argument -- 'p'\n" + usage}},
		{"-u al -p pw -f /nonexistent/mux", ran{255, "0: ", "connect() : no such file or directory\n"}},
		{"-u al -p pw -R 3 -f SOCKET", ran{0, "0: OK \"Success.\"\n1: OK \"Success.\"\n2: OK \"Success.\"\n", ""}},
		{"-u al -p pw -R x -f SOCKET", ran{0, "0: OK \"Success.\"\n", ""}},
		{"-u al -p pw -R -1 -f SOCKET", ran{0, "0: OK \"Success.\"\n", ""}},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "SOCKET", socket))
		if diff := cmp.Diff(c.want, runOld(t, "testsaslauthd", "", args...), cmp.AllowUnexported(ran{})); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.args, diff)
		}
	}
	if got := runOld(t, "testsaslauthd", "", "-u", "al", "-p", strings.Repeat("x", 65536), "-f", socket); got.code != 255 {
		t.Errorf("a password that cannot be sent: %+v", got)
	}
}
