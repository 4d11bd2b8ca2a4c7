package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func TestSaslauthdSilence(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	m := startMux(t, &Saslauthd{
		Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: 20 * time.Millisecond},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for _, sent := range []string{"", "\x00", counted("alice"), counted("alice", "canary-A7", "smtp"), counted("alice", "canary-A7", "smtp", "") + "\x00"} {
		if got := m.ask(t, sent); got != "" {
			t.Errorf("%d bytes and silence: %q", len(sent), got)
		}
	}
	m.stop()
	if n := strings.Count(log.String(), "a request that ends after"); n != 5 || strings.Contains(log.String(), "canary") {
		t.Errorf("%d complaints in the log:\n%s", n, log.String())
	}
}

// A megabyte of anything is answered by its first bytes, or not at all.
func TestSaslauthdJunk(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, c := range []struct{ name, unit, want string }{
		{"text", "x", muxTooLong},
		{"zeroes", "\x00", "\x00\x16NO NULL login received"},
		{"right requests", counted("alice", "canary-A7", "smtp", ""), muxOK},
		{"wrong requests", counted("alice", "wrong", "smtp", ""), muxNo},
	} {
		if got := m.ask(t, strings.Repeat(c.unit, 1<<20/len(c.unit))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A server that has stopped before a connection is read from waits no longer for it than
// for others.
func TestSaslauthdStoppedBefore(t *testing.T) {
	t.Parallel()
	for _, h := range []Handler{
		&Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: time.Hour, ofStop: time.Millisecond}},
		&Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofRequest: time.Hour, ofStop: time.Millisecond}},
	} {
		client, server := net.Pipe()
		c := &Conn{Conn: server}
		c.Stop()
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeConn(context.Background(), c)
		}()
		select {
		case <-done:
		case <-time.After(enough):
			t.Errorf("%T goes on", h)
		}
		client.Close()
		server.Close()
	}
}

// A server that stops answers what is on its way, and does not wait for who is silent.
func TestSaslauthdStop(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifyFunc(func(_ context.Context, r verifier.Request, _ string) (verifier.Account, error) {
		close(entered)
		<-leave
		return verifier.Account{User: r.User}, nil
	}))), times: connTimes{ofRequest: time.Hour, ofStop: 10 * time.Millisecond}})
	silent, asking := m.dial(t), m.dial(t)
	asktest.Until(t, "both are served", func() bool { return m.server.Conns() == 2 })
	io.WriteString(asking, counted("alice", "canary-A7", "smtp", ""))
	<-entered
	stopped := make(chan struct{})
	go func() { defer close(stopped); m.stop() }()
	if got := remaining(t, silent); got != "" {
		t.Errorf("silent: %q", got)
	}
	close(leave)
	if got := remaining(t, asking); got != muxOK {
		t.Errorf("asking: %q", got)
	}
	<-stopped
}

// Ten thousand at once, each with an answer of its own.
func TestSaslauthdMany(t *testing.T) {
	t.Parallel()
	const users = 100
	store := new(verifiertest.Memory)
	for i := range users {
		store.Add(verifiertest.User{Name: fmt.Sprint("user", i), Password: fmt.Sprint("canary-", i)})
	}
	m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(store))})
	asking := make(chan struct{}, 1000) // descriptors are limited
	var all sync.WaitGroup
	for i := range 10_000 {
		asking <- struct{}{}
		all.Go(func() {
			defer func() { <-asking }()
			user, password, want := i%users, i%users, muxOK
			if i/users%2 == 1 {
				password, want = (i+1)%users, muxNo
			}
			if got := m.ask(t, counted(fmt.Sprint("user", user), fmt.Sprint("canary-", password), "smtp", "")); got != want {
				t.Errorf("user %d by password %d: %q, want %q", user, password, got, want)
			}
		})
	}
	all.Wait()
}

// A thousand that say half a word hold up nobody, and nothing is left of them. It is not
// parallel: it counts goroutines and descriptors.
func TestSaslauthdSilentThousand(t *testing.T) {
	check := muxLeaks(t)
	func() {
		m := startMux(t, &Saslauthd{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofStop: time.Millisecond}})
		var silent []net.Conn
		for range 1000 {
			c := m.dial(t)
			io.WriteString(c, "\x00")
			silent = append(silent, c)
		}
		asktest.Until(t, "all are served", func() bool { return m.server.Conns() == len(silent) })
		for range 100 {
			if got := m.ask(t, counted("alice", "canary-A7", "smtp", "")); got != muxOK {
				t.Errorf("%q", got)
			}
		}
		if n := m.server.Conns(); n < len(silent) {
			t.Errorf("%d connections are left of %d", n, len(silent))
		}
		m.stop()
		for _, c := range silent {
			if got := remaining(t, c); got != "" {
				t.Errorf("%q", got)
			}
			c.Close()
		}
	}()
	check()
}

// muxLeaks is asktest.Leaks when the descriptors are there that the runtime opens for the
// first connection and keeps.
func muxLeaks(t *testing.T) (check func()) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "first"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return asktest.Leaks(t)
}

// Passwords are in no log.
func TestSaslauthdLog(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	site := muxSite(verifiertest.NewMemory(muxUsers...))
	site.Auth.Logger = logger
	m := startMux(t, &Saslauthd{Current: NewCurrent(site), Logger: logger})
	for _, c := range muxAnswers {
		m.ask(t, c.request)
	}
	m.askAndEnd(t, counted("alice", "canary-A7"))
	m.stop()
	text := log.String()
	if strings.Contains(text, "canary") || strings.Contains(text, "pass word-B8") || strings.Contains(text, "D1D1") {
		t.Errorf("a password is in the log:\n%s", text)
	}
	for _, want := range []string{"login of 257 bytes", "a request that ends after 18 bytes", "result=ok user=alice", "remote=192.0.2.1", "password holds a NUL"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the log:\n%s", want, text)
		}
	}
}

// A lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
