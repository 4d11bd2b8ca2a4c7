//go:build unix

package redis

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/verifier"
)

// patience is for what happens at once unless something hangs.
const patience = 3 * time.Minute

// A server is a private instance that keeps nothing on disk.
type server struct {
	socket string
	args   []string
	cmd    *exec.Cmd
}

// newServer runs an instance until the test ends. Further arguments are options of
// redis-server.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	program := peers.Need(t, "redis-server", "redis-server")
	// Not t.TempDir: the names of Unix sockets must be short.
	dir, err := os.MkdirTemp("", "saslkit-redis-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &server{socket: filepath.Join(dir, "socket")}
	s.args = append([]string{program, "--port", "0", "--unixsocket", s.socket, "--save", "", "--dir", dir, "--logfile", "log"}, args...)
	s.start(t)
	t.Cleanup(s.kill)
	return s
}

// start runs the server and waits until it answers, if only that it wants a password.
func (s *server) start(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := s.client("")
	defer client.Close()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := client.Ping(t.Context()).Err()
		if err == nil || goredis.HasErrorPrefix(err, "NOAUTH") {
			return
		}
		if time.Now().After(end) {
			s.kill()
			t.Fatal(err)
		}
	}
}

// kill ends the server as a crash does.
func (s *server) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// pause makes the server hang, or go on with syscall.SIGCONT.
func (s *server) pause(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

func (s *server) client(password string) goredis.UniversalClient {
	return goredis.NewUniversalClient(&goredis.UniversalOptions{Addrs: []string{s.socket}, Password: password, DialerRetries: 1})
}

var testKey = []byte("sixteen bytes of")

// store returns a Store on the server with a clock that stands still.
func (s *server) store(t testing.TB, password string) *Store {
	t.Helper()
	store, err := New(Options{Server: &goredis.UniversalOptions{Addrs: []string{s.socket}, Password: password}, Key: slices.Clone(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	store.now = func() string { return "1000000000000" }
	return store
}

// throttle returns a Throttle over the store.
func throttle(t testing.TB, store verifier.ThrottleStore, o verifier.ThrottleOptions) *verifier.Throttle {
	t.Helper()
	o.Store = store
	if o.StoreTimeout == 0 {
		o.StoreTimeout = patience
	}
	th, err := verifier.NewThrottle(o)
	if err != nil {
		t.Fatal(err)
	}
	return th
}
