package daemon

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// openFiles counts descriptors, on Linux.
func openFiles() int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}

// The steps at which an exchange can be given up: how many responses the client has
// made, the initial one included.
var abortedSteps = []struct {
	mechanism string
	responses int
}{
	{"PLAIN", 0}, {"LOGIN", 0}, {"LOGIN", 1}, {"CRAM-MD5", 0}, {"DIGEST-MD5", 0}, {"DIGEST-MD5", 1},
	{"SCRAM-SHA-1", 0}, {"SCRAM-SHA-1", 1}, {"SCRAM-SHA-1", 2},
}

// abort begins a login and stops when so many responses were made. The last challenge
// was read.
func (c *dovecotClient) abort(id int, mechanism string, responses int) {
	c.t.Helper()
	c.say(fmt.Sprintf("AUTH %d %s service=smtp", id, mechanism))
	x, initial := newExchange(c.t, mechanism, "alice", "secret")
	for {
		challenge, more := strings.CutPrefix(c.line(), fmt.Sprintf("CONT %d ", id))
		if !more {
			c.t.Fatalf("%s has ended", mechanism)
		}
		if responses == 0 {
			return
		}
		responses--
		response := initial
		if initial = nil; response == nil {
			var err error
			if response, err = x.Next(decodedMessage(c.t, challenge)); err != nil {
				c.t.Fatal(err)
			}
		}
		c.say(fmt.Sprintf("CONT %d %s", id, encoded(string(response))))
	}
}

// After 10,000 exchanges that were given up at every step, by CANCEL, by forgetting them
// and by leaving, nothing is left. It is not parallel: it counts goroutines.
func TestDovecotAborted(t *testing.T) {
	const conns, rounds = 100, 11 // × 9 steps, and 100 more that are being worked on
	g, l := newGate(t), &ledger{}
	auth := permissive(g)
	auth.Guard = l
	r := startServer(t, &Server{Handler: dovecotOf(auth), Grace: time.Millisecond})
	idle := dialDovecot(t, r.socket)
	idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	goroutines, files := runtime.NumGoroutine(), openFiles()
	for n := range conns {
		c := dialDovecot(t, r.socket)
		id := 0
		for range rounds {
			for _, step := range abortedSteps {
				c.abort(id, step.mechanism, step.responses)
				if id%3 == 0 {
					c.say(fmt.Sprint("CANCEL ", id))
				}
				id++
			}
		}
		c.say(authPlain(id, "slow", "secret"))
		g.await(t, 1)
		if n%2 == 0 {
			c.say("junk", "AUTH junk")
			c.want("end")
		}
		c.Close()
	}
	eventually(t, "nothing is left", func() bool {
		return r.Conns() == 1 && runtime.NumGoroutine() <= goroutines && openFiles() <= files
	})
	if n := l.total(); !l.settled() || n[1] != 1 || n[3] != n[0]-1 {
		t.Errorf("the guard counts %v", n)
	}
	idle.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
	r.stop(t)
	eventually(t, "nothing is left of the server", func() bool { return runtime.NumGoroutine() < goroutines && openFiles() < files })
}

// memoryInUse is that of heap and stacks, in bytes.
func memoryInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first has let finalizers run
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// A connection that is idle costs little, also when it has been used. It is not
// parallel: it measures memory.
func TestDovecotIdleMemory(t *testing.T) {
	const want, most = 10_000, 20 << 10 // bytes for each, our client's side included
	n := connsAllowed(want)
	if n < want/10 {
		t.Skipf("missing peer: RLIMIT_NOFILE for %d connections, not %d", want/10, n)
	}
	r := startServer(t, &Server{Handler: dovecotOf(permissive(verifiertest.NewMemory(verifiertest.User{Name: "alice", Realm: "example.org", Password: "secret"})))})
	clients := make([]*dovecotClient, 0, n)
	connectAll := func() {
		for range n {
			clients = append(clients, dialDovecot(t, r.socket))
		}
	}
	before := memoryInUse()
	connectAll()
	for _, c := range clients {
		c.lines = nil // of the test alone
	}
	idle := int64(memoryInUse()-before) / int64(n)
	for _, c := range clients {
		fmt.Fprintf(c, "%s\n", tabs.Replace(authPlain(1, "alice", "secret")))
		var answer [64]byte
		if _, err := c.Read(answer[:]); err != nil || string(answer[:5]) != "OK\t1\t" {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	used := int64(memoryInUse()-before) / int64(n)
	t.Logf("%d connections take %d bytes each, after a login %d", n, idle, used)
	if max(idle, used) > most {
		t.Errorf("a connection takes %d bytes, after a login %d, want %d at most", idle, used, most)
	}
	for _, c := range clients {
		c.Close()
	}
}
