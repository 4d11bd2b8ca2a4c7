package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A gate is a store that answers about the user slow when it is told to.
type gate struct {
	*verifiertest.Memory
	arrived chan struct{} // has one for each that waits
	open    chan struct{} // closed to let all through
	once    sync.Once
}

func newGate(t testing.TB) *gate {
	g := &gate{Memory: aliceStore(), arrived: make(chan struct{}, 2*maxOutstanding), open: make(chan struct{})}
	g.Add(verifiertest.User{Name: "slow", Realm: "example.org", Password: "secret"})
	t.Cleanup(g.letThrough)
	return g
}

func (g *gate) letThrough() { g.once.Do(func() { close(g.open) }) }

func (g *gate) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if r.User == "slow" {
		g.arrived <- struct{}{}
		select {
		case <-g.open:
		case <-ctx.Done():
			return verifier.Account{}, ctx.Err()
		}
	}
	return g.Memory.VerifyPassword(ctx, r, password)
}

// await waits until n requests are held up.
func (g *gate) await(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case <-g.arrived:
		case <-time.After(enough):
			t.Fatal("no request arrives")
		}
	}
}

// A ledger is a guard that counts how exchanges end.
type ledger struct {
	mu                              sync.Mutex
	admitted, well, abandoned, void int
	failed                          int
}

func (l *ledger) Admit(context.Context, verifier.Request) (func(error), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admitted++
	return l.done, nil
}

func (l *ledger) done(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.well++
	case errors.Is(err, verifier.ErrAbandoned):
		l.abandoned++
	case errors.Is(err, verifier.ErrUnavailable):
		l.void++
	default:
		l.failed++
	}
}

// total is admitted, well, failed, abandoned, void.
func (l *ledger) total() [5]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return [5]int{l.admitted, l.well, l.failed, l.abandoned, l.void}
}

func (l *ledger) settled() bool {
	n := l.total()
	return n[0] == n[1]+n[2]+n[3]+n[4]
}

// A conversation is many logins on one connection.
type conversation struct {
	c         *dovecotClient
	exchanges map[string]*saslkit.ClientExchange
	ends      map[string]string
	out       chan string
}

// loginAll starts a login for every id and goes on with them as the answers come, until
// all have ended.
func loginAll(t *testing.T, c *dovecotClient, mechanisms []string, ids []string, password func(id string) string) map[string]string {
	t.Helper()
	v := &conversation{c, make(map[string]*saslkit.ClientExchange), make(map[string]string), make(chan string, 16*len(ids))}
	var writer sync.WaitGroup
	defer writer.Wait()
	defer close(v.out)
	writer.Go(func() {
		for line := range v.out {
			c.Write([]byte(tabs.Replace(line) + "\n"))
		}
	})
	for i, id := range ids {
		name := mechanisms[i%len(mechanisms)]
		x, initial := newExchange(t, name, "alice", password(id))
		v.exchanges[id] = x
		line := "AUTH " + id + " " + name + " service=smtp nologin"
		if initial != nil {
			line += " resp=" + encoded(string(initial))
		}
		v.out <- line
	}
	for len(v.ends) < len(ids) {
		if !v.take(t, c.line()) {
			break
		}
	}
	return v.ends
}

func (v *conversation) take(t *testing.T, line string) bool {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	id, data, _ := strings.Cut(rest, " ")
	x := v.exchanges[id]
	switch {
	case x == nil || v.ends[id] != "":
		t.Errorf("an answer to nothing: %q", line)
		return false
	case word != "CONT":
		v.ends[id] = word
		return true
	}
	response, err := x.Next(decodedMessage(t, data))
	if err != nil {
		t.Errorf("%s: %v", id, err)
		return false
	}
	v.out <- "CONT " + id + " " + encoded(string(response))
	return true
}

func TestDovecotInterleaved(t *testing.T) {
	t.Parallel()
	const n = 1000
	l := &ledger{}
	auth := permissive(aliceStore())
	auth.Guard = l
	c := dialDovecot(t, serveAuth(t, auth).socket)
	ids := make([]string, n)
	for i, id := range rand.Perm(n) {
		ids[i] = strconv.FormatUint(uint64(id)*4294967, 10) // over the 32 bits
	}
	password := func(id string) string {
		if strings.HasSuffix(id, "1") {
			return "wrong"
		}
		return "secret"
	}
	ends := loginAll(t, c, []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1"}, ids, password)
	var wrong int
	for _, id := range ids {
		want := "OK"
		if password(id) == "wrong" {
			want, wrong = "FAIL", wrong+1
		}
		if ends[id] != want {
			t.Errorf("%s ends with %q, want %s", id, ends[id], want)
		}
	}
	if got := l.total(); got != [5]int{n, n - wrong, wrong} {
		t.Errorf("the guard counts %v", got)
	}
	c.ask("AUTH "+ids[0]+" PLAIN service=smtp resp="+plainMessage("alice", "secret"), "OK "+ids[0]+" user=alice@example.org")
}

func TestDovecotSlowOnesHoldUpNobody(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := dialDovecot(t, serveAuth(t, permissive(g)).socket)
	for i := range 20 {
		c.say(authPlain(i, "slow", "secret"))
	}
	g.await(t, 20)
	c.ask(authPlain(100, "alice", "secret"), "OK 100 user=alice@example.org")
	c.ask(authPlain(101, "alice", "wrong"), "FAIL 101 user=alice@example.org")
	c.ask("AUTH 102 LOGIN service=smtp resp=YWxpY2U=", "CONT 102 UGFzc3dvcmQ6")
	c.ask("CONT 102 c2VjcmV0", "OK 102 user=alice@example.org")
	g.letThrough()
	seen := make(map[string]bool)
	for range 20 {
		seen[c.line()] = true
	}
	for i := range 20 {
		if want := fmt.Sprintf("OK %d user=slow@example.org", i); !seen[want] {
			t.Errorf("no %q", want)
		}
	}
}

// A delay is a guard that makes alice wait.
type delay struct{ arrived, over chan struct{} }

func (d delay) Admit(ctx context.Context, r verifier.Request) (func(error), error) {
	if r.User != "alice" {
		return func(error) {}, nil
	}
	close(d.arrived)
	select {
	case <-d.over:
		return func(error) {}, nil
	case <-ctx.Done():
		return nil, verifier.ErrUnavailable
	}
}

// A guard that makes one wait does not hold up the others.
func TestDovecotDelays(t *testing.T) {
	t.Parallel()
	store := aliceStore()
	store.Add(verifiertest.User{Name: "bob", Realm: "example.org", Password: "secret"})
	d := delay{make(chan struct{}), make(chan struct{})}
	auth := permissive(store)
	auth.Guard = d
	c := dialDovecot(t, serveAuth(t, auth).socket)
	c.say(authPlain(50, "alice", "secret"))
	<-d.arrived
	for i := 100; i < 150; i++ {
		c.ask(authPlain(i, "bob", "secret"), fmt.Sprintf("OK %d user=bob@example.org", i))
	}
	close(d.over)
	c.want("OK 50 user=alice@example.org")
}

func TestDovecotCancel(t *testing.T) {
	t.Parallel()
	g, l := newGate(t), &ledger{}
	auth := permissive(g)
	auth.Guard = l
	c := dialDovecot(t, serveAuth(t, auth).socket)
	c.say("CANCEL 1") // of nothing
	c.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	c.say("CANCEL 1", "CONT 1 YWxpY2U=") // which is of nothing now
	c.ask("AUTH 1 LOGIN service=smtp resp=YWxpY2U=", "CONT 1 UGFzc3dvcmQ6")
	c.ask("CONT 1 c2VjcmV0", "OK 1 user=alice@example.org")
	c.say(authPlain(2, "slow", "secret"))
	g.await(t, 1)
	c.say("CANCEL 2")
	c.ask(authPlain(2, "alice", "secret"), "OK 2 user=alice@example.org") // the id is free at once
	g.letThrough()
	eventually(t, "what was cancelled counts as a guess", func() bool { return l.total() == [5]int{3, 2, 0, 1, 0} })
	c.ask(authPlain(3, "alice", "secret"), "OK 3 user=alice@example.org") // and 2 was not answered again
}

// What was cancelled and is still being worked on counts among the requests under way.
func TestDovecotCancelBoundsWork(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := dialDovecot(t, serveAuth(t, permissive(g)).socket)
	c.say("VERSION 1 2")
	for range maxOutstanding {
		c.say(authPlain(1, "slow", "secret"))
		g.await(t, 1)
		c.say("CANCEL 1")
	}
	c.ask(authPlain(1, "alice", "secret"), "FAIL 1 temp code=temp_fail")
	g.letThrough()
	eventually(t, "the work is done", func() bool {
		c.say(authPlain(1, "alice", "secret"))
		return c.line() == "OK 1 user=alice@example.org"
	})
}

// A request of which nothing is heard any more ends, and its client counts as a guesser.
func TestDovecotExpiry(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	auth := permissive(aliceStore())
	auth.Guard = l
	d := dovecotOf(auth)
	d.times.request = 20 * time.Millisecond
	c := dialDovecot(t, startServer(t, &Server{Handler: d}).socket)
	c.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	c.want("FAIL 1")
	c.say("CONT 1 YWxpY2U=") // too late
	_, initial := newExchange(t, "SCRAM-SHA-1", "alice", "secret")
	c.say("AUTH 1 SCRAM-SHA-1 service=smtp resp=" + encoded(string(initial)))
	if line := c.line(); !strings.HasPrefix(line, "CONT 1 ") {
		t.Fatal(line)
	}
	c.want("FAIL 1 user=alice@example.org")
	if got := l.total(); got != [5]int{1, 0, 0, 1, 0} {
		t.Errorf("the guard counts %v", got)
	}
	c.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
}

// Answers come when requests expire: each has one end.
func TestDovecotExpiryRace(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	auth := permissive(aliceStore())
	auth.Guard = l
	d := dovecotOf(auth)
	d.times.request = time.Millisecond
	c := dialDovecot(t, startServer(t, &Server{Handler: d}).socket)
	ids := make([]string, 500)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	for range 3 {
		ends := loginAll(t, c, []string{"LOGIN", "CRAM-MD5", "DIGEST-MD5"}, ids, func(string) string { return "secret" })
		if len(ends) != len(ids) {
			t.Fatalf("%d ends of %d", len(ends), len(ids))
		}
	}
	c.ask(authPlain(5000, "alice", "secret"), "OK 5000 user=alice@example.org")
	eventually(t, "all are settled", l.settled)
}

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
			if n := logged.count("1024 requests are under way"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

// Trouble of ours: to the clients that take every FAIL for a wrong password it is told by
// hanging up, after what else is being worked on was answered.
func TestDovecotTrouble(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]verifiertest.Fault{
		"unavailable":     {Err: verifier.ErrUnavailable},
		"unknown":         {Err: errors.New("no idea")},
		"panic":           {Panic: "at the disco"},
		"nil map":         {Panic: errors.New("assignment to entry in nil map")},
		"nobody":          {Empty: true},
		"throttled":       {Err: verifier.ErrThrottled},
		"context expired": {Err: context.DeadlineExceeded},
		"context ended":   {Err: context.Canceled},
	} {
		for _, minor := range []string{"0", "1", "2"} {
			t.Run(name+" of minor "+minor, func(t *testing.T) {
				t.Parallel()
				g := newGate(t)
				split := splitStore{slow: g, rest: &verifiertest.Faulty{Verifier: g, Fault: fault}}
				r := serveAuth(t, permissive(split))
				c := dialDovecot(t, r.socket)
				c.say("VERSION 1 "+minor, authPlain(1, "slow", "secret"), authPlain(2, "slow", "wrong"))
				g.await(t, 2)
				c.ask("AUTH 4 LOGIN service=smtp resp=YWxpY2U=", "CONT 4 UGFzc3dvcmQ6") // waits for us: it is not answered
				c.say(authPlain(3, "alice", "secret"))
				if minor != "0" {
					c.want("FAIL 3 user=alice@example.org temp code=temp_fail")
				} else {
					eventually(t, "it is hung up", func() bool { return hungUp(r) })
				}
				g.letThrough()
				got := []string{c.line(), c.line()}
				if got[0] > got[1] {
					got[0], got[1] = got[1], got[0]
				}
				if got[0] != "FAIL 2 user=slow@example.org" || got[1] != "OK 1 user=slow@example.org" {
					t.Errorf("the others get %q", got)
				}
				if minor == "0" {
					c.want("end")
				} else {
					c.ask(authPlain(5, "slow", "secret"), "OK 5 user=slow@example.org")
				}
			})
		}
	}
}

// hungUp reports whether the only connection is one that should end.
func hungUp(r *running) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		return c.Stopping()
	}
	return false
}

// A splitStore asks two stores.
type splitStore struct{ slow, rest verifier.Verifier }

func (s splitStore) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if r.User == "slow" {
		return s.slow.VerifyPassword(ctx, r, password)
	}
	return s.rest.VerifyPassword(ctx, r, password)
}

func (s splitStore) Coverage() verifier.Coverage { return verifier.CoverageOf(s.slow) }

func (s splitStore) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	return s.rest.(verifier.SecretSource).LookupSecret(ctx, r, kinds...)
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
	d := dovecotOf(auth)
	d.times.write = 50 * time.Millisecond
	r := startServer(t, &Server{Handler: d})
	deaf := dialDovecot(t, r.socket)
	deaf.lines = nil
	other := dialDovecot(t, r.socket)
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
	idle.Write([]byte("AUTH\t2\tPLAIN\tservice=smtp"))
	idle.Write([]byte("\tresp=" + plainMessage("alice", "secret") + "\n"))
	idle.want("OK 2 user=alice@example.org")
	time.Sleep(2 * d.times.line)
	idle.ask(authPlain(3, "alice", "secret"), "OK 3 user=alice@example.org")
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
	d := dovecotOf(auth)
	d.Logger = logged.logger()
	d.times.line = 20 * time.Millisecond
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
	p := dialDovecot(t, r.socket)
	p.Write([]byte("AUTH"))
	p.want("end")
	eventually(t, "a slow line is logged", func() bool { return logged.count("does not complete its line") == 1 })
	dialDovecot(t, r.socket).Close()
	p = dialDovecot(t, r.socket)
	p.ask(authPlain(1, "alice", "wrong"), "FAIL 1 user=alice@example.org")
	p.Close()
	r.stop(t)
	if n := logged.count("hunter2"); n != 0 {
		t.Errorf("the password is logged %d times", n)
	}
	if n := logged.count("\n"); n != 7 {
		t.Errorf("%d lines are logged", n)
	}
}
