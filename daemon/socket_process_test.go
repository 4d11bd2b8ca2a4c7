//go:build linux || openbsd || darwin || freebsd || netbsd

package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/internal/peers"
)

func init() { children["listen"] = listenChild }

// listenChild listens on the socket args[0], becomes the user and group args[1] if that
// is one, and serves until its standard input ends.
func listenChild(args []string) error {
	s, err := ParseSocket(args[0])
	if err != nil {
		return err
	}
	l, err := Listen(context.Background(), s)
	if err != nil {
		fmt.Println("lost:", err)
		return nil
	}
	if args[1] != "" {
		if err := DropPrivileges(args[1], args[1]); err != nil {
			return err
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "%d\n", os.Getpid())
			c.Close()
		}
	}()
	fmt.Println("won")
	io.Copy(io.Discard, os.Stdin)
	fmt.Println("closed:", l.Close())
	return nil
}

// A listening is such a child.
type listening struct {
	*exec.Cmd
	in  io.Closer
	out *bufio.Reader
	won bool
}

func startListening(t *testing.T, socket, user string) *listening {
	t.Helper()
	cmd := childCommand(t, "listen", socket, user)
	in, out := peers.Pipe(t, cmd)
	return &listening{Cmd: cmd, in: in, out: out}
}

// learn waits for the child to have won or lost.
func (l *listening) learn(t *testing.T) {
	t.Helper()
	line, err := l.out.ReadString('\n')
	l.won = line == "won\n"
	if err != nil || !l.won && !strings.Contains(line, "another process listens there") {
		t.Errorf("a child says %q, %v", line, err)
	}
}

// stop lets the child end and returns what it said then.
func (l *listening) stop(t *testing.T) string {
	t.Helper()
	l.in.Close()
	rest, _ := io.ReadAll(l.out)
	if err := l.Wait(); err != nil {
		t.Errorf("a child ends: %v, %s", err, rest)
	}
	return strings.TrimSpace(string(rest))
}

// whoListens returns the number of the child that answers.
func whoListens(t *testing.T, path string) (pid int) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer c.Close()
	if _, err := fmt.Fscan(c, &pid); err != nil {
		t.Error(err)
	}
	return pid
}

// TestProcessesAtOnce: of several processes that start at the same time one wins, as
// often as the winner is killed, and the last one takes its socket away.
func TestProcessesAtOnce(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	path := filepath.Join(folder, "auth")
	const rounds = 5
	for round := range rounds {
		var all []*listening
		for range 4 {
			all = append(all, startListening(t, path, ""))
		}
		var winner *listening
		for _, l := range all {
			l.learn(t)
			if !l.won {
				l.stop(t)
			} else if winner != nil {
				t.Error("two have won")
				l.stop(t)
			} else {
				winner = l
			}
		}
		if winner == nil {
			t.Fatal("nobody has won")
		}
		if pid := whoListens(t, path); pid != winner.Process.Pid {
			t.Errorf("process %d answers, %d has won", pid, winner.Process.Pid)
		}
		if round < rounds-1 {
			winner.Process.Kill()
			winner.Wait()
			if diff := cmp.Diff([]string{"auth"}, namesIn(t, folder)); diff != "" {
				t.Errorf("after a kill, -want +got:\n%s", diff)
			}
		} else if said := winner.stop(t); said != "closed: <nil>" {
			t.Error(said)
		}
	}
	if left := namesIn(t, folder); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// TestListenThenDrop: a daemon that gave up root serves on, cannot remove its socket from
// a folder of root's and says so, and the next daemon replaces it.
func TestListenThenDrop(t *testing.T) {
	t.Parallel()
	peers.Root(t, "becoming somebody else")
	folder := shortFolder(t)
	path := filepath.Join(folder, "auth")
	for range 2 {
		l := startListening(t, path+",mode=0600,owner=12345,group=23456", "34567")
		l.learn(t)
		if pid := whoListens(t, path); pid != l.Process.Pid {
			t.Errorf("process %d answers instead of %d", pid, l.Process.Pid)
		}
		if said := l.stop(t); !strings.HasPrefix(said, "closed: daemon: socket "+path+" is left behind: permission denied") {
			t.Error(said)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
