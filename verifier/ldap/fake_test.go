package ldap

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

// A fake is a server that does what a directory does not: it has a script for every
// connection, which is closed when that returns.
type fake struct {
	net.Listener
	running sync.WaitGroup

	mu     sync.Mutex
	script func(*dialog)
	conns  map[net.Conn]bool
	count  int // connections so far
}

// A dialog is one connection of a fake.
type dialog struct {
	net.Conn
	r *bufio.Reader
}

func newFake(t testing.TB, script func(*dialog)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{Listener: l, script: script, conns: make(map[net.Conn]bool)}
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(f.stop)
	return f
}

// nobodyThere is the URL of a port that nobody listens on. On Linux it is one of an address
// of its own, or another test's server might be given it.
func nobodyThere(t testing.TB) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250))
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "ldap://" + l.Addr().String() + "/"
}

func (f *fake) serve(c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	f.conns[c] = true
	f.count++
	script := f.script
	f.mu.Unlock()
	script(&dialog{c, bufio.NewReader(c)})
}

func (f *fake) stop() {
	f.Close()
	f.mu.Lock()
	for c := range f.conns {
		c.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
}

func (f *fake) served() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *fake) url() string { return "ldap://" + f.Addr().String() + "/" }

// request reads one; at the end there is no packet.
func (d *dialog) request() (id, operation byte, p *ber.Packet) {
	p, err := ber.ReadPacket(d.r)
	if err != nil {
		return 0, 0, nil
	}
	return byte(p.Children[0].Value.(int64)), byte(p.Children[1].Tag), p
}

func (d *dialog) say(messages ...string) {
	for _, m := range messages {
		d.Write([]byte(m))
	}
}

// sit waits for the end of the connection.
func (d *dialog) sit() {
	for {
		if _, _, p := d.request(); p == nil {
			return
		}
	}
}

// foundEntry is an entry that a search found.
func foundEntry(id byte, dn string, attributes ...string) string {
	list := ""
	for i := 0; i+1 < len(attributes); i += 2 {
		list += element(0x30, element(4, attributes[i])+element(0x31, element(4, attributes[i+1])))
	}
	return element(0x30, element(2, string([]byte{id}))+element(0x64, element(4, dn)+element(0x30, list)))
}

const (
	bindAnswer   = 0x61
	searchAnswer = 0x65
)

// obey answers searches with one entry and binds with a code, until the end.
func obey(d *dialog, code byte) {
	for {
		id, operation, p := d.request()
		switch {
		case p == nil:
			return
		case operation == goldap.ApplicationBindRequest:
			d.say(result(id, bindAnswer, code, ""))
		case operation == goldap.ApplicationSearchRequest:
			d.say(foundEntry(id, "uid=alice,dc=x"), result(id, searchAnswer, 0, ""))
		}
	}
}
