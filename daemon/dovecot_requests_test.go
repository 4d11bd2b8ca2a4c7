package daemon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// TestDovecotTurns: of what comes in one piece, the quick ones before and behind slow
// ones are answered at once, and in their order.
func TestDovecotTurns(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	c := dialDovecot(t, serveAuth(t, permissive(g)).socket)
	c.say(
		authPlain(1, "alice", "secret"), authPlain(2, "slow", "secret"), authPlain(3, "slow", "secret"),
		authPlain(4, "alice", "wrong"), authPlain(5, "slow", "secret"), authPlain(6, "alice", "secret"))
	c.want("OK 1 user=alice@example.org", "FAIL 4 user=alice@example.org", "OK 6 user=alice@example.org")
	g.await(t, 3)
	c.ask(authPlain(7, "alice", "secret"), "OK 7 user=alice@example.org")
	g.letThrough()
	for range 3 {
		if line := c.line(); !strings.HasPrefix(line, "OK ") {
			t.Error(line)
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

// What all connections have under way is bounded, and whatever ends leaves its place.
func TestDovecotUnderWay(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	d := dovecotOf(permissive(g))
	d.underWay.Store(maxUnderWay - 1)
	s := startServer(t, &Server{Handler: d})
	one, other := dialDovecot(t, s.socket), dialDovecot(t, s.socket)
	other.say("VERSION 1 2")
	free := func() {
		t.Helper()
		eventually(t, "its place is free", func() bool { return d.underWay.Load() == maxUnderWay-1 })
	}
	full := func() {
		t.Helper()
		other.ask(authPlain(1, "alice", "secret"), "FAIL 1 temp code=temp_fail")
	}

	one.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	full()
	one.say("CANCEL 1")
	free()
	other.ask(authPlain(1, "alice", "wrong"), "FAIL 1 user=alice@example.org")
	free()
	other.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	free()
	one.say(authPlain(1, "slow", "secret"))
	g.await(t, 1)
	one.say("CANCEL 1")
	full()
	g.letThrough()
	free()
	one.ask("AUTH 1 LOGIN service=smtp", "CONT 1 VXNlcm5hbWU6")
	full()
	one.Close()
	free()
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
