package daemon

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/internal/peers"
	"golang.org/x/sys/unix"
)

func init() { children["drop"] = dropChild }

// A dropped is what a child is after it gave up its rights.
type dropped struct {
	Failed     string   `json:",omitempty"`
	Threads    []string // the different states of its threads
	Dumpable   bool
	Shadow     bool // it can read what is root's alone
	RootAgain  bool
	Groups     []int
	ThreadsMin bool // there were threads from before
}

// dropChild drops the privileges to args[0] and args[1], after it has become the user
// args[2], if that is one.
func dropChild(args []string) error {
	if uid, err := strconv.Atoi(args[2]); err == nil {
		for _, err := range []error{syscall.Setgroups([]int{uid}), syscall.Setresgid(uid, uid, uid), syscall.Setresuid(uid, uid, uid)} {
			if err != nil {
				return err
			}
		}
	}
	release := holdThreads(5)
	defer release()
	var d dropped
	if err := DropPrivileges(args[0], args[1]); err != nil {
		d.Failed = err.Error()
	}
	defer holdThreads(5)()
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil {
		return err
	}
	d.ThreadsMin = len(tasks) >= 10
	for _, task := range tasks {
		state, err := threadState(task)
		if err != nil {
			return err
		}
		if !slices.Contains(d.Threads, state) {
			d.Threads = append(d.Threads, state)
		}
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	d.Dumpable = dumpable != 0
	_, err = os.ReadFile("/etc/shadow")
	d.Shadow = err == nil
	d.RootAgain = syscall.Setuid(0) == nil
	if d.Groups, err = os.Getgroups(); err != nil {
		return err
	}
	slices.Sort(d.Groups)
	return json.NewEncoder(os.Stdout).Encode(d)
}

// holdThreads keeps n threads busy until the function that it returns is called.
func holdThreads(n int) (release func()) {
	hold := make(chan struct{})
	for range n {
		locked := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(locked)
			<-hold
		}()
		<-locked
	}
	return func() { close(hold) }
}

// threadState is what /proc tells of a thread's rights.
func threadState(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var state []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if slices.Contains([]string{"Uid", "Gid", "CapPrm", "CapEff", "NoNewPrivs"}, key) {
			state = append(state, key+" "+strings.Join(strings.Fields(value), " "))
		}
	}
	return strings.Join(state, ", "), nil
}

// runDrop runs such a child.
func runDrop(t *testing.T, user, group, as string) (d dropped) {
	t.Helper()
	out, err := childCommand(t, "drop", user, group, as).Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return d
}

const noCapabilities = "CapPrm 0000000000000000, CapEff 0000000000000000, NoNewPrivs 1"

// state is that of all threads of a user without rights.
func state(uid, gid int) []string {
	return []string{fmt.Sprintf("Uid %[1]d %[1]d %[1]d %[1]d, Gid %[2]d %[2]d %[2]d %[2]d, %[3]s", uid, gid, noCapabilities)}
}

// TestDropPrivileges: root becomes somebody else on every thread, and cannot go back.
func TestDropPrivileges(t *testing.T) {
	t.Parallel()
	peers.Root(t, "becoming somebody else")
	t.Run("numbers", func(t *testing.T) {
		t.Parallel()
		got := runDrop(t, "12345", "23456", "")
		want := dropped{Threads: state(12345, 23456), Groups: []int{23456}, ThreadsMin: true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
	t.Run("groups of the user", func(t *testing.T) {
		t.Parallel()
		name := memberOfMore(t)
		a, err := lookupUser(name)
		if err != nil {
			t.Fatal(err)
		}
		got := runDrop(t, name, "", "")
		want := dropped{Threads: state(a.uid, a.gid), Groups: a.groups, ThreadsMin: true, Shadow: got.Shadow}
		if diff := cmp.Diff(want, got); diff != "" || len(got.Groups) < 2 {
			t.Errorf("%s, -want +got:\n%s", name, diff)
		}
		got = runDrop(t, name, "23456", "")
		want.Threads = state(a.uid, 23456)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s with another group, -want +got:\n%s", name, diff)
		}
	})
	t.Run("nobody in particular", func(t *testing.T) {
		t.Parallel()
		got := runDrop(t, "", "", "")
		if got.Failed != "" || got.Dumpable || len(got.Threads) != 1 || !strings.HasSuffix(got.Threads[0], "NoNewPrivs 1") || !strings.HasPrefix(got.Threads[0], "Uid 0") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("not root", func(t *testing.T) {
		t.Parallel()
		got := runDrop(t, "12345", "23456", "54321")
		if want := "user 54321 cannot become user 12345 with group 23456 (start as root"; !strings.Contains(got.Failed, want) {
			t.Errorf("%q, want %q", got.Failed, want)
		}
		for _, user := range []string{"54321", ""} {
			got = runDrop(t, user, user, "54321")
			want := dropped{Threads: state(54321, 54321), Groups: []int{54321}, ThreadsMin: true}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("user %q, -want +got:\n%s", user, diff)
			}
		}
	})
}

// TestDropPrivilegesUnprivileged: whoever runs the tests, the process can give up what it
// could get.
func TestDropPrivilegesUnprivileged(t *testing.T) {
	t.Parallel()
	as, uid, gid := "", os.Getuid(), os.Getgid()
	if uid == 0 {
		as, uid, gid = "54321", 54321, 54321
	}
	got := runDrop(t, "", "", as)
	want := dropped{Threads: state(uid, gid), Groups: got.Groups, ThreadsMin: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := runDrop(t, "12345", "23456", as); !strings.Contains(got.Failed, "start as root") {
		t.Errorf("%q", got.Failed)
	}
}

// memberOfMore finds a user who is a member of a group beside his own.
func memberOfMore(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/etc/group")
	if err != nil {
		peers.Missing(t, err.Error())
	}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.Split(line, ":")
		for _, name := range strings.Split(fields[len(fields)-1], ",") {
			if a, err := lookupUser(name); name != "" && err == nil && a.uid != 0 && len(a.groups) > 1 {
				return name
			}
		}
	}
	peers.Missing(t, "a user with a second group in /etc/group (Debian package postgresql makes one)")
	return ""
}

// TestRootIsNoticed: a process that is not what it should be is told apart.
func TestRootIsNoticed(t *testing.T) {
	t.Parallel()
	uid, gid := os.Getuid(), os.Getgid()
	groups, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		account account
		want    string
	}{
		"user":   {account{uid: uid + 1, gid: gid, groups: groups}, "instead of"},
		"group":  {account{uid: uid, gid: gid + 1, groups: groups}, "instead of"},
		"groups": {account{uid: uid, gid: gid, groups: append([]int{4242424}, groups...)}, "has the groups"},
	} {
		if err := tt.account.verify(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if uid == 0 {
		if err := (account{groups: groups}).verify(); err == nil || !strings.Contains(err.Error(), errRootAgain.Error()) {
			t.Errorf("root: %v", err)
		}
	}
}
