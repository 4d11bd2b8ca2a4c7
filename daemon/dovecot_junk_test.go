package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
)

// Mistakes of a client that cannot be assigned to a request end its connection, and
// settle everything on it.
func TestDovecotProtocolErrors(t *testing.T) {
	t.Parallel()
	g, l := newGate(t), &ledger{}
	auth := permissive(g)
	auth.Guard = l
	r := serveAuth(t, auth)
	_, scram := newExchange(t, "SCRAM-SHA-1", "alice", "secret")
	started := "AUTH 1 SCRAM-SHA-1 service=smtp resp=" + encoded(string(scram))
	for _, c := range []struct{ name, line string }{
		{"id in use, waiting", started},
		{"id in use, busy", authPlain(2, "alice", "secret")},
		{"continued while busy", "CONT 2 "},
		{"another major version", "VERSION 2 0"},
		{"version without numbers", "VERSION"},
		{"version without a minor number", "VERSION 1"},
		{"no id", "AUTH"},
		{"no number", "AUTH x PLAIN service=smtp"},
		{"33 bits", "AUTH 4294967296 PLAIN service=smtp"},
		{"no mechanism", "AUTH 3"},
		{"no service", "AUTH 3 PLAIN"},
		{"resp not last", "AUTH 3 PLAIN service=smtp resp=AAAA secured"},
		{"CONT without data", "CONT 1"},
		{"empty CPID", "CPID"},
		{"NUL", "AUTH 3 PLAIN service=smtp\x00"},
		{"CR", "AUTH 3 PLAIN service=smtp\r"},
		{"another protocol", "\x16\x03\x01\x00\r\n"},
		{"longest line and one more", "X" + strings.Repeat("x", 16383)},
		{"a megabyte without an end", strings.Repeat("x", 1<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := l.total()
			p := dialDovecot(t, r.socket)
			p.say(started)
			if line := p.line(); !strings.HasPrefix(line, "CONT 1 ") {
				t.Fatal(line)
			}
			p.say(authPlain(2, "slow", "secret"))
			g.await(t, 1)
			p.Write([]byte(tabs.Replace(c.line) + "\n")) // the server may not read to the end
			p.want("end")
			eventually(t, "all are settled", func() bool {
				n := l.total()
				return n[0] == before[0]+2 && n[3] == before[3]+2 // abandoned
			})
		})
	}
}

// What a client may say.
func TestDovecotTolerated(t *testing.T) {
	t.Parallel()
	c := dialDovecot(t, serveAuth(t, permissive(aliceStore())).socket)
	c.say(
		"VERSION 1 99", "CPID 0", "CPID x", "CPID 0", // ids may repeat behind a proxy
		"", " ", "UNKNOWN", "UNKNOWN 1 2 3", "REQUEST 1 2 3 4", "USER 1 alice", "LIST 1", "PENALTY", "auth 1", "CONT 77 ", "CONT 77 !!", "CANCEL 77",
		"X"+strings.Repeat("x", 16382),
	)
	c.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	c.say("CONT 1 ")
	c.ask(authPlain(0, "alice", "secret"), "OK 0 user=alice@example.org")
	c.ask("AUTH 4294967295 PLAIN service=smtp resp="+plainMessage("alice", "secret"), "OK 4294967295 user=alice@example.org")
}

// A message that is too large for a line is refused, where it can be said whose it is.
func TestDovecotLongLines(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", 20000)
	r := serveAuth(t, permissive(aliceStore()))
	for _, c := range []struct{ line, want string }{
		{"AUTH 7 PLAIN service=smtp resp=" + long, "FAIL 7"},
		{"AUTH 1 PLAIN service=smtp resp=" + long, "end"},
		{"CONT 1 " + long, "FAIL 1 user=alice@example.org"},
		{"CONT 7 " + long, "end"},
		{"AUTH 4294967296 PLAIN service=smtp resp=" + long, "end"},
		{"AUTH 00000000000000000011 PLAIN service=smtp resp=" + long, "end"},
		{long, "end"},
	} {
		p := dialDovecot(t, r.socket)
		_, scram := newExchange(t, "SCRAM-SHA-1", "alice", "secret")
		p.say("AUTH 1 SCRAM-SHA-1 service=smtp resp=" + encoded(string(scram)))
		p.line()
		p.Write([]byte(tabs.Replace(c.line) + "\n"))
		if c.want != "end" {
			p.want(c.want)
		}
		p.want("end")
	}
}

// As many as may be outstanding; then there is trouble.
func TestDovecotOutstanding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ minor, want string }{{"2", "FAIL 5000 temp code=temp_fail"}, {"0", "end"}} {
		t.Run(c.minor, func(t *testing.T) {
			t.Parallel()
			logged := &logBuffer{}
			d := dovecotOf(permissive(aliceStore()))
			d.Logger = logged.logger()
			p := dialDovecot(t, startServer(t, &Server{Handler: d, Grace: time.Millisecond}).socket)
			p.say("VERSION 1 " + c.minor)
			for i := range maxOutstanding {
				p.ask(fmt.Sprintf("AUTH %d LOGIN service=smtp", i), fmt.Sprintf("CONT %d VXNlcm5hbWU6", i))
			}
			p.ask(authPlain(5000, "alice", "secret"), c.want)
			if c.minor == "2" {
				p.ask(authPlain(5000, "alice", "secret"), c.want)
				p.say("CANCEL 3")
				p.ask(authPlain(5000, "alice", "secret"), "OK 5000 user=alice@example.org")
			}
			if n := logged.count("too many requests are under way"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// Panics outside of stores are trouble of one request too, a thousand times.
func TestDovecotPanics(t *testing.T) {
	t.Parallel()
	auth := permissive(aliceStore())
	auth.Observer = func(e saslkit.Event) {
		if e.User == "eve" {
			panic("an observer")
		}
	}
	c := dialDovecot(t, serveAuth(t, auth).socket)
	c.say("VERSION 1 2")
	for i := range 1000 {
		c.ask(authPlain(2*i, "eve", "secret"), fmt.Sprintf("FAIL %d user=eve@example.org temp code=temp_fail", 2*i))
		c.ask(authPlain(2*i+1, "alice", "secret"), fmt.Sprintf("OK %d user=alice@example.org", 2*i+1))
	}
}

// One client of a hundred sends junk: the others do not notice.
func TestDovecotJunkIsOnesOwn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	r := serveAuth(t, permissive(g))
	var clients []*dovecotClient
	for range 100 {
		c := dialDovecot(t, r.socket)
		c.say(authPlain(1, "slow", "secret"))
		clients = append(clients, c)
	}
	g.await(t, 100)
	clients[37].say("AUTH 2 PLAIN service=smtp resp=!!")
	clients[37].want("FAIL 2")
	clients[38].say("AUTH junk")
	clients[38].want("end")
	g.letThrough()
	for i, c := range clients {
		if i != 38 {
			c.want("OK 1 user=slow@example.org")
		}
	}
}

// A client that does not read is cut off, and holds up nobody.
func TestDovecotUnreadAnswers(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	auth := permissive(aliceStore())
	auth.Guard = l
	patient, hurried := dovecotOf(auth), dovecotOf(auth)
	hurried.times.write = 50 * time.Millisecond
	r := startServer(t, &Server{Handler: &inTurn{handlers: []Handler{patient, hurried}}})
	other := dialDovecot(t, r.socket)
	deaf := dialDovecot(t, r.socket)
	deaf.lines = nil
	for i := 0; ; i++ {
		if _, err := deaf.Write([]byte(tabs.Replace(authPlain(i, "alice", "wrong")) + "\n")); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatal("it is not cut off")
			}
			break
		}
		if i%100 == 0 {
			other.ask(authPlain(i, "alice", "secret"), fmt.Sprintf("OK %d user=alice@example.org", i))
		}
	}
	eventually(t, "it is gone", func() bool { return r.Conns() == 1 && l.settled() })
	other.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
}

// An inTurn has a handler for each connection in the order of their coming.
type inTurn struct {
	handlers []Handler
	conns    atomic.Int64
}

func (h *inTurn) ServeConn(ctx context.Context, c *Conn) {
	h.handlers[h.conns.Add(1)-1].ServeConn(ctx, c)
}

// A line that has begun must end in time. Between lines there is no hurry.
func TestDovecotSlowLines(t *testing.T) {
	t.Parallel()
	d := dovecotOf(permissive(aliceStore()))
	d.times.line = 50 * time.Millisecond
	r := startServer(t, &Server{Handler: d})
	idle := dialDovecot(t, r.socket)
	for _, begun := range []string{"A", "VERSION\t1\t0\nAUTH\t1", authPlain(7, "alice", "secret")[:30]} {
		c := dialDovecot(t, r.socket)
		c.Write([]byte(begun))
		c.want("end")
	}
	var half []*dovecotClient
	for range 100 {
		c := dialDovecot(t, r.socket)
		c.Write([]byte("AUTH"))
		half = append(half, c)
		idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	}
	for _, c := range half {
		c.want("end")
	}
	c := dialDovecot(t, r.socket)
	dripped := make(chan struct{})
	go func() { // some progress is not enough
		defer close(dripped)
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	c.want("end")
	<-dripped
	idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	time.Sleep(2 * d.times.line)
	idle.ask(authPlain(3, "alice", "secret"), "OK 3 user=alice@example.org")
}

// A line may come in pieces.
func TestDovecotPieces(t *testing.T) {
	t.Parallel()
	c := dialDovecot(t, serveAuth(t, permissive(aliceStore())).socket)
	for _, piece := range []string{"AUTH\t2\tPLAIN\tserv", "ice=smtp", "\tresp=" + plainMessage("alice", "secret"), "\n"} {
		c.Write([]byte(piece))
	}
	c.want("OK 2 user=alice@example.org")
}

// What the log hears of clients: each once, and no password.
func TestDovecotLog(t *testing.T) {
	t.Parallel()
	logged := &logBuffer{}
	auth := permissive(aliceStore())
	auth.Observer = func(e saslkit.Event) {
		if e.User == "eve" {
			panic("hunter2")
		}
	}
	d, hurried := dovecotOf(auth), dovecotOf(auth)
	d.Logger, hurried.Logger = logged.logger(), logged.logger()
	hurried.times.line = 20 * time.Millisecond
	r := startServer(t, &Server{Handler: d})
	for _, c := range []struct {
		say  []string
		want string
	}{
		{[]string{"AUTH 1 PLAIN service=smtp hunter2 resp=hunter2 hunter2"}, "breaks the auth protocol"},
		{[]string{"VERSION 2 0"}, "version 2.0"},
		{[]string{strings.Repeat("hunter2", 3000)}, "longer than 16384 bytes"},
		{[]string{"VERSION 1 0", authPlain(1, "eve", "hunter2")}, "panic of type string"},
		{[]string{"AUTH 1 EXTERNAL service=smtp valid-client-cert cert_username=x\x01ny resp=="}, `x\\ny`},
		{[]string{"AUTH hunter2"}, "expected a number"},
	} {
		p := dialDovecot(t, r.socket)
		p.Write([]byte(tabs.Replace(strings.Join(c.say, "\n") + "\n")))
		p.want("end")
		eventually(t, c.want, func() bool { return logged.count(c.want) == 1 })
	}
	h := startServer(t, &Server{Handler: hurried})
	p := dialDovecot(t, h.socket)
	p.Write([]byte("AUTH"))
	p.want("end")
	eventually(t, "a slow line is logged", func() bool { return logged.count("does not complete its line") == 1 })
	dialDovecot(t, r.socket).Close()
	p = dialDovecot(t, r.socket)
	p.ask(authPlain(1, "alice", "wrong"), "FAIL 1 user=alice@example.org")
	p.Close()
	r.stop(t)
	h.stop(t)
	if n := logged.count("hunter2"); n != 0 {
		t.Errorf("the password is logged %d times", n)
	}
	if n := logged.count("level=WARN"); n != 7 {
		t.Errorf("%d lines of trouble are logged", n)
	}
	if n := logged.count("level=INFO"); n != 9 {
		t.Errorf("%d connections are logged, want 9", n)
	}
	if runtime.GOOS == "linux" && logged.count(fmt.Sprintf("uid %d", os.Getuid())) == 0 {
		t.Error("it is not logged who connected")
	}
}
