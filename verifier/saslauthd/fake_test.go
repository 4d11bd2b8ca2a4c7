package saslauthd

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

var (
	alice = verifiertest.User{Name: "alice", Realm: "mail.example", Password: "canary-A7"}
	users = []verifiertest.User{
		alice,
		{Name: "alice", Realm: "other.example", Password: "canary-B8"},
		{Name: "al ice", Password: "pass word-C9"},
		{Name: "jürgen", Password: "schlüssel-D1"},
		{Name: "a@b%s", Realm: "mail.example", Password: "p%40ss@E2"},
		{Name: "gone", Password: "canary-F3", Expired: true},
	}
	fromAlice = verifier.Request{User: alice.Name, Realm: alice.Realm, Service: "smtp"}
)

// A fake answers as saslauthd does, for the users.
type fake struct {
	store     *verifiertest.Memory
	now, most atomic.Int64 // requests under way
}

func newFake() *fake { return &fake{store: verifiertest.NewMemory(users...)} }

// serve has one request, half-closes, and waits for the client.
func (f *fake) serve(conn net.Conn) {
	defer asktest.Gone(conn)
	n := f.now.Add(1)
	for most := f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
	}
	r, err := receive(conn)
	f.now.Add(-1) // before the client can know that it has its answer
	if err != nil {
		return
	}
	conn.Write(saslauthdwire.AppendReply(nil, f.answer(r)))
	conn.(*net.UnixConn).CloseWrite()
}

func receive(conn net.Conn) (saslauthdwire.Request, error) {
	var b []byte
	for {
		more := make([]byte, 4096)
		n, err := conn.Read(more)
		b = append(b, more[:n]...)
		r, parse := saslauthdwire.ParseRequest(b, saslauthdwire.DefaultMaxField)
		if !errors.Is(parse, saslauthdwire.ErrIncomplete) {
			return r, parse
		}
		if err != nil {
			return r, err
		}
	}
}

func (f *fake) answer(r saslauthdwire.Request) saslauthdwire.Reply {
	_, err := f.store.VerifyPassword(context.Background(), verifier.Request{User: r.Login, Realm: r.Realm}, r.Password)
	switch {
	case err == nil:
		return saslauthdwire.Reply{Verdict: saslauthdwire.Yes}
	case errors.Is(err, verifier.ErrExpired):
		return saslauthdwire.Reply{Verdict: saslauthdwire.No, Reason: "Account expired"}
	case errors.Is(err, verifier.ErrNoUser):
		return saslauthdwire.Reply{Verdict: saslauthdwire.No, Reason: "Invalid username"}
	}
	return saslauthdwire.Reply{Verdict: saslauthdwire.No, Reason: "Incorrect password"}
}

// client asks the daemon.
func client(t testing.TB, d *asktest.Daemon) *Client {
	t.Helper()
	c, err := New(Options{Socket: d.Socket, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// patience is enough for thousands that wait for each other.
const patience = 10 * time.Minute
