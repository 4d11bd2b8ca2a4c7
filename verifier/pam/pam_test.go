//go:build unix

package pam

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	if err := verifiertest.TestVerifier(s, fakeUsers...); err != nil {
		t.Error(err)
	}
	if s.String() != "pam:fake" {
		t.Error(s.String())
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	for _, c := range []struct {
		user, password string
		want           string // the account, or the error
	}{
		{"alice", "canary-A7", "alice"},
		{"alice", "wrong", `pam: service "fake": verifier: wrong password: wrong`},
		{"nobody", "wrong", `pam: service "fake": verifier: no such user: unknown`},
		{"gone", "canary-G4", `pam: service "fake": verifier: account or password has expired: too old`},
		{"locked", "canary-L5", `pam: service "fake": verifier: account is disabled: locked`},
		{"control", "x", `pam: service "fake": verifier: store is unavailable: a module made a name of the user that is none`},
		{"long", "x", `pam: service "fake": verifier: store is unavailable: the name of the user is too long`},
		{"exits", "x", `pam: service "fake": verifier: store is unavailable: the child died (which module crashes?)`},
		{"killed", "x", `pam: service "fake": verifier: store is unavailable: the child died (which module crashes?)`},
		{"client", "x", "from 192.0.2.7"},
		{"", "x", `pam: service "fake": verifier: no such user: not asked: no module takes such a name`},
		{"alice\x00", "x", `pam: service "fake": verifier: no such user: not asked: no module takes such a name`},
		{"alice", "x\x00", `pam: service "fake": verifier: wrong password: not asked: no module takes such a password`},
		{"alice", strings.Repeat("x", 4097), `pam: service "fake": verifier: wrong password: not asked: no module takes such a password`},
	} {
		r := as(c.user)
		r.Realm, r.Remote = "example.com", netip.MustParseAddrPort("[::ffff:192.0.2.7]:40000")
		account, err := s.VerifyPassword(t.Context(), r, c.password)
		got := account.User
		if err != nil {
			got = err.Error()
		} else if account.Realm != r.Realm {
			t.Errorf("%q: realm %q", c.user, account.Realm)
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.user, got, c.want)
		}
	}
}

// asked returns whom the answer is about.
func asked(t testing.TB, s *Stack, user string) string {
	t.Helper()
	account, err := s.VerifyPassword(t.Context(), as(user), "x")
	if err != nil {
		t.Errorf("%s: %v", user, err)
	}
	return account.User
}

// A child is kept until it has served its number, changed, was idle for long or died.
func TestChildrenAreKept(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	s.pool.most = 4
	first := asked(t, s, "pid")
	for i := range 3 {
		if pid := asked(t, s, "pid"); pid != first {
			t.Errorf("check %d: child %s, before %s", i+2, pid, first)
		}
	}
	second := asked(t, s, "changed")
	third := asked(t, s, "pid")
	if first == second || second == third {
		t.Errorf("after their number or a change children go on: %s, %s, %s", first, second, third)
	}
	s.pool.mu.Lock()
	idle := s.pool.idle[0]
	s.pool.mu.Unlock()
	idle.cmd.Process.Signal(syscall.SIGTERM) // as systemd does, to all
	if pid := asked(t, s, "pid"); pid != third {
		t.Errorf("child %s was terminated", third)
	}
	idle.cmd.Process.Kill()
	<-idle.ended
	if pid := asked(t, s, "pid"); pid == third {
		t.Errorf("child %s is dead and answers", pid)
	}
	s.pool.mu.Lock()
	s.pool.idling = time.Millisecond
	s.pool.mu.Unlock()
	asked(t, s, "pid")
	asktest.Until(t, "no child is left", func() bool { return s.children() == 0 })
}

// children counts those that there are.
func (s *Stack) children() int {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return len(s.pool.all)
}

// A child sees nothing of its parent but two pipes.
func TestChildSees(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("only Linux shows descriptors")
	}
	t.Setenv("SECRET", "canary")
	s := startFake(t, Options{})
	const want = "[0=/dev/null 1=/dev/null 2=/dev/null 3=pipe 4=pipe] [PATH GOMAXPROCS GOTRACEBACK] / 1"
	if got := asked(t, s, "seen"); got != want {
		t.Errorf("a child sees %s, want %s", got, want)
	}
}

// While one check waits for a module the others go on. Who does not wait any longer is
// told so, and the module comes to its end.
func TestSlowModule(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{Parallel: 2})
	const gate = "gate"
	slow := func(ctx context.Context) <-chan error {
		before, answer := s.busy(), make(chan error, 1)
		go func() {
			_, err := s.VerifyPassword(ctx, as("gate"), gate)
			answer <- err
		}()
		asktest.Until(t, "a child is busy", func() bool { return s.busy() > before })
		return answer
	}
	patient := slow(t.Context())
	first := asked(t, s, "pid")
	ctx, cancel := context.WithCancel(t.Context())
	impatient := slow(ctx)
	cancel()
	if err := <-impatient; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.VerifyPassword(ctx, as("alice"), "canary-A7"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with all children at work: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.folder, gate), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-patient; err != nil {
		t.Error(err)
	}
	asktest.Until(t, "both children are idle", func() bool { return s.busy() == 0 })
	if n := s.children(); n != 2 {
		t.Errorf("%d children: one was ended for a caller who left", n)
	}
	if pid := asked(t, s, "pid"); pid == "" || first == "" {
		t.Error("no child answers")
	}
}

// busy counts children that are at work, or start.
func (s *Stack) busy() int {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	return len(s.pool.all) - len(s.pool.idle)
}

// A child that hangs is killed, and when all have hung nobody waits for long.
func TestHangs(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{Parallel: 8})
	first := asked(t, s, "pid")
	s.timeout = 300 * time.Millisecond
	_, err := s.VerifyPassword(t.Context(), as("hangs"), "x")
	if !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
	asktest.Until(t, "the child is killed", func() bool { return s.children() == 0 })
	s.timeout = defaultTimeout
	if pid := asked(t, s, "pid"); pid == first {
		t.Errorf("child %s answers after it hung", pid)
	}
	s.timeout = 300 * time.Millisecond
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { s.VerifyPassword(t.Context(), as("hangs"), "x") })
	}
	all.Wait()
	asktest.Until(t, "the breaker is open", func() bool {
		_, err := s.VerifyPassword(t.Context(), as("alice"), "canary-A7")
		return err != nil && strings.Contains(err.Error(), "is not asked for some seconds")
	})
}

// TestMany is not parallel: it counts goroutines, descriptors and children.
func TestMany(t *testing.T) {
	check := asktest.Leaks(t)
	const parallel = 16 // and 64 times as many wait
	s := startFake(t, Options{Parallel: parallel})
	s.pool.most = 50
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			u := fakeUsers[i%2]
			account, err := s.VerifyPassword(t.Context(), as(u.Name), u.Password)
			if err != nil || account.User != u.Name {
				t.Errorf("%s: %q, %v", u.Name, account.User, err)
			}
			if n := s.children(); n > 2*parallel { // those that are about to be reaped too
				t.Errorf("%d children", n)
			}
		})
	}
	all.Wait()
	for _, user := range []string{"exits", "killed", "long", "changed"} {
		s.VerifyPassword(t.Context(), as(user), "x")
	}
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() { s.VerifyPassword(ctx, as("hangs"), "x") })
	asktest.Until(t, "it hangs", func() bool { return s.busy() > 0 })
	cancel()
	all.Wait()
	s.Close()
	if n := s.children(); n != 0 {
		t.Errorf("%d children after Close", n)
	}
	if _, err := s.VerifyPassword(t.Context(), as("alice"), "canary-A7"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
	var status syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("a zombie is left: %d, %v", pid, err)
	}
	check()
}

func TestNew(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "smtp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Program: "/bin/true", Service: "../smtp"}, `pam: service "../smtp": a name has 1 to 64 of a to z, 0 to 9, - and _`},
		{Options{Program: "/bin/true", Service: "SMTP"}, `pam: service "SMTP": a name has 1 to 64 of a to z, 0 to 9, - and _`},
		{Options{Program: "/bin/true", Service: "imap", Folder: folder}, fmt.Sprintf(`pam: service "imap" has no file (make %s/imap)`, folder)},
		{Options{Program: "/bin/true", Service: "smtp", Folder: folder}, "pam: the child /bin/true did not greet: the child died (which module crashes?) (does its main call pam.Child first?)"},
		{Options{Program: "/nonexistent", Service: "smtp", Folder: folder}, "pam: fork/exec /nonexistent: no such file or directory"},
		{Options{Program: "true"}, `pam: options: program "true" is not an absolute path`},
		{Options{Program: "/bin/true", Folder: "pam.d"}, `pam: options: folder "pam.d" is not an absolute path`},
		{Options{Program: "/bin/true", Parallel: -1}, "pam: options: parallel -1 is not 0 to 1024"},
		{Options{Program: "/bin/true", Timeout: -1}, "pam: options: the timeout is negative (0 is the default)"},
	} {
		s, err := New(c.o)
		if s != nil || err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
}

// Without Options.Service it is that of the request, and no path.
func TestServiceOfRequest(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	s.service = ""
	for service, want := range map[string]string{
		"fake": "", "other": `service "other" has no file`, "": `service ""`, "../fake": `service "../fake": a name has`,
		"fake.bak": `service "fake.bak": a name has`, strings.Repeat("x", 65): "a name has", strings.Repeat("\x00", 1<<20): "a name has",
	} {
		_, err := s.VerifyPassword(t.Context(), verifier.Request{User: "alice", Service: service}, "canary-A7")
		if want == "" && err != nil || want != "" && (!errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000) {
			t.Errorf("%.10q: %.1000v, want %q", service, err, want)
		}
	}
}

// A program that is a child already starts no more: its main forgot to call Child.
func TestChildOfChild(t *testing.T) {
	t.Setenv(childVariable, "1")
	if _, err := New(Options{Program: "/bin/true"}); err == nil || !errors.Is(err, errIsChild) {
		t.Error(err)
	}
}

// A refusal takes as long as the last success did, but not when nobody waits for it.
func TestRefusalsTakeTheSame(t *testing.T) {
	t.Parallel()
	s := startFake(t, Options{})
	s.usual.Store(int64(50 * time.Millisecond))
	for _, user := range []string{"alice", "nobody", ""} {
		began := time.Now()
		if _, err := s.VerifyPassword(t.Context(), as(user), "wrong"); !verifier.Refused(err) || time.Since(began) < 50*time.Millisecond {
			t.Errorf("%q: %v after %v", user, err, time.Since(began))
		}
	}
	s.usual.Store(int64(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := s.VerifyPassword(ctx, as(""), "wrong"); !verifier.Refused(err) {
		t.Error(err)
	}
	if _, err := s.VerifyPassword(t.Context(), as("alice"), "canary-A7"); err != nil {
		t.Error(err)
	}
	if usual := time.Duration(s.usual.Load()); usual > longestUsual {
		t.Error(usual)
	}
}
