//go:build unix

package pam

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestMain makes the children of these tests, which are this program too. The service
// "fake" is not PAM's.
func TestMain(m *testing.M) {
	if args := os.Getenv(parentVariable); args != "" {
		parent(strings.Split(args, "\t"))
	}
	if os.Getenv(childVariable) == "" {
		code := m.Run()
		cleanUp()
		os.Exit(code)
	}
	child(answer{verdict: accepted, user: protocol}, func(q request) answer {
		if q.service == "fake" {
			return fake(q)
		}
		return check(q)
	})
}

// cleanUp removes what tests share.
var cleanUp = func() {}

var fakeUsers = []verifiertest.User{
	{Name: "alice", Password: "canary-A7"},
	{Name: "jürgen", Password: "schlüssel-C9"},
	{Name: "gone", Password: "canary-G4", Expired: true},
	{Name: "locked", Password: "canary-L5", Disabled: true},
}

// fake does what the name of the user says.
func fake(q request) answer {
	switch q.user {
	case "pid":
		return answer{verdict: accepted, user: fmt.Sprint(os.Getpid())}
	case "seen":
		return answer{verdict: accepted, user: seen()}
	case "client":
		return answer{verdict: accepted, user: "from " + q.client}
	case "changed":
		return answer{verdict: accepted, user: fmt.Sprint(os.Getpid()), changed: true}
	case "long":
		return answer{verdict: accepted, user: strings.Repeat("x", maxString+1)}
	case "control":
		return answer{verdict: accepted, user: "alice\n"}
	case "exits":
		os.Exit(0)
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "gate": // comes back when the folder has a file of that name
		for {
			if _, err := os.Stat(filepath.Join(q.folder, q.password)); err == nil {
				return answer{verdict: accepted, user: fmt.Sprint(os.Getpid())}
			}
			time.Sleep(time.Millisecond)
		}
	case "hangs":
		time.Sleep(time.Hour)
	}
	for _, u := range fakeUsers {
		if u.Name != q.user {
			continue
		}
		switch {
		case u.Password != q.password:
			return answer{verdict: wrongPassword, text: "wrong"}
		case u.Expired:
			return answer{verdict: expired, text: "too old"}
		case u.Disabled:
			return answer{verdict: disabled, text: "locked"}
		}
		return answer{verdict: accepted, user: q.user}
	}
	return answer{verdict: unknownUser, text: "unknown"}
}

// seen is what a child got from its parent: descriptors, environment, folder, arguments.
func seen() string {
	var files []string
	for fd := range 64 {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/sys/") { // the runtime's
			target, _, _ = strings.Cut(target, ":[")
			files = append(files, fmt.Sprintf("%d=%s", fd, target))
		}
	}
	var names []string
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		names = append(names, name)
	}
	dir, _ := os.Getwd()
	return fmt.Sprintf("%v %v %s %d", files, names, dir, len(os.Args))
}

// startFake starts children of the service "fake".
func startFake(t testing.TB, o Options) *Stack {
	t.Helper()
	o.Folder, o.Service = t.TempDir(), "fake"
	if err := os.WriteFile(filepath.Join(o.Folder, "fake"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := prepare(o, program)
	t.Cleanup(func() { s.Close() })
	return s
}

// as asks for a user.
func as(user string) verifier.Request { return verifier.Request{User: user, Service: "fake"} }
