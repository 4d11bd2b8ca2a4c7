//go:build unix

package sasldb

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Much of what is promised shows only between processes, so this test binary is
// also the other processes: TestMain has it do what childVariable says.

const childVariable = "SASLKIT_TEST_CHILD"

// children are what the binary can do as a child of itself. A child has the
// arguments of the command line and ends with its function.
var children = map[string]func(args []string){
	"operate": operate,
	"work":    work,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		children[name](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// childEnvironment is that of a child that does what name says. The race detector
// would have it sleep for a second at its end.
func childEnvironment(name string) []string {
	return append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
}

// childCommand prepares a child, which is killed if the test ends before it.
func childCommand(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testBinary(t), args...)
	cmd.Env = childEnvironment(name)
	cmd.Stderr = os.Stderr
	return cmd
}

func testBinary(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A report is what became of a commit in another process.
type report struct {
	Failed string   `json:",omitempty"`
	Is     []string `json:",omitempty"` // keys of sentinels
	Calls  int      // of the function that decides
}

var sentinels = map[string]error{
	"ErrBusy":        ErrBusy,
	"ErrDamaged":     ErrDamaged,
	"ErrInPlace":     ErrInPlace,
	"ErrNotWritable": ErrNotWritable,
	"EIO":            syscall.EIO,
	"ENOSPC":         syscall.ENOSPC,
	"ErrNotExist":    fs.ErrNotExist,
	"errRefused":     errRefused,
}

// errRefused is that of a function that decides not to.
var errRefused = errors.New("refused")

func newReport(err error, calls int) report {
	r := report{Calls: calls}
	if err == nil {
		return r
	}
	r.Failed = err.Error()
	for name, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			r.Is = append(r.Is, name)
		}
	}
	return r
}

func (r report) is(name string) bool {
	for _, is := range r.Is {
		if is == name {
			return true
		}
	}
	return false
}

func (r report) print() { json.NewEncoder(os.Stdout).Encode(r) }

func parseReport(t *testing.T, out []byte) (r report) {
	t.Helper()
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("a child reports %q: %v", out, err)
	}
	return r
}

// A worker is a child that goes on until it is told to stop or killed, and prints
// lines.
type worker struct {
	*exec.Cmd
	stop  func()
	lines *bufio.Scanner
}

func startWorker(t *testing.T, name string, args ...string) *worker {
	t.Helper()
	w := &worker{Cmd: childCommand(t, name, args...)}
	in, err := w.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	w.stop = func() { in.Close() }
	w.lines = bufio.NewScanner(out)
	return w
}

// untilTold lets a worker end between two rounds when its standard input is closed.
func untilTold(round func() bool) {
	told := make(chan struct{})
	go func() {
		os.Stdin.Read(make([]byte, 1))
		close(told)
	}()
	for round() {
		select {
		case <-told:
			return
		default:
		}
	}
}

// memoryFolder returns a folder that no slow disk holds up, for tests whose faults
// are not those of disks.
func memoryFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "sasldb-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// memoryFile is newFile in such a folder.
func memoryFile(t *testing.T, records ...Record) string {
	t.Helper()
	path := filepath.Join(memoryFolder(t), "sasldb2")
	if err := Create(path, records); err != nil {
		t.Fatal(err)
	}
	return path
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
