//go:build amd64 || arm64

package sasldb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/peers"
)

// A small system call tracer. (strace can make the n-th call fail, but counts for
// each thread by itself, and a Go program moves between threads as it likes.)

// A call is a system call that writes something in the folder that is watched.
type call struct {
	watched
	file string // in the folder; "." is the folder itself
}

func (c call) String() string { return c.name + " " + c.file }

// A watched system call is one that is told of.
type watched struct {
	name string
	does effect
	file func(p process, args [6]uint64) (string, error) // which file it is about
}

type effect int

const (
	creates effect = iota // or opens for writing
	writes
	cuts
	flushes
	renames
	aliases
	unlinks
	dresses // mode, owner, attributes
)

// A verdict on a call that is about to be made: the zero value lets it go on.
type verdict struct {
	kill bool
	fail unix.Errno
}

// A traced program was run under the tracer.
type traced struct {
	calls  []call
	status unix.WaitStatus
	out    []byte // standard output and error
}

// trace runs a program and asks visit before each call that writes in the folder.
// The program stands still meanwhile, however long visit takes.
func trace(t *testing.T, argv, env []string, stdin, folder string, visit func(n int, c call) verdict) traced {
	t.Helper()
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // ptrace obeys one thread
	defer runtime.UnlockOSThread()
	pid, out := startTraced(t, argv, env, stdin)
	defer out.Close()
	guard := time.AfterFunc(5*time.Minute, func() { unix.Kill(pid, unix.SIGKILL) })
	defer guard.Stop()
	r := tracer{process: process(pid), folder: folder, visit: visit, seen: map[process]bool{process(pid): true}, spoilt: map[process]unix.Errno{}}
	if err := r.run(); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		t.Fatalf("trace: %v", err)
	}
	if r.out, err = os.ReadFile(out.Name()); err != nil {
		t.Fatal(err)
	}
	return r.traced
}

func startTraced(t *testing.T, argv, env []string, stdin string) (pid int, out *os.File) {
	t.Helper()
	folder := t.TempDir()
	in := filepath.Join(folder, "in")
	if err := os.WriteFile(in, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	given, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	out, err = os.Create(filepath.Join(folder, "out"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{given.Fd(), out.Fd(), out.Fd()},
		// Its own process group tells its threads from other children.
		Sys: &syscall.SysProcAttr{Ptrace: true, Setpgid: true},
	})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		peers.Missing(t, "ptrace")
	}
	if err != nil {
		t.Fatal(err)
	}
	return pid, out
}

// A process is one, or one of its threads.
type process int

type tracer struct {
	traced
	process process
	folder  string
	visit   func(n int, c call) verdict
	seen    map[process]bool
	spoilt  map[process]unix.Errno // in a call that must fail so
}

// run follows the program to its end, and that of all its threads.
func (r *tracer) run() error {
	var status unix.WaitStatus
	if _, err := unix.Wait4(int(r.process), &status, unix.WALL, nil); err != nil {
		return err
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(int(r.process), options); err != nil {
		return err
	}
	for stopped, signal := r.process, 0; ; {
		// ESRCH: it was killed meanwhile, and its end is told by wait.
		if err := unix.PtraceSyscall(int(stopped), signal); err != nil && err != unix.ESRCH {
			return err
		}
		var err error
		stopped, err = r.wait()
		if err == unix.ECHILD {
			return nil
		}
		if err != nil {
			return err
		}
		if signal, err = r.stopped(stopped); err != nil {
			return err
		}
	}
}

// wait returns a thread that is stopped, or ECHILD when all have ended.
func (r *tracer) wait() (process, error) {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-int(r.process), &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case status.Stopped():
			r.status = status
			return process(tid), nil
		}
		if process(tid) == r.process {
			r.status = status
		}
	}
}

// stopped does what there is to do about a stop, and returns the signal to deliver.
func (r *tracer) stopped(p process) (signal int, err error) {
	known := r.seen[p]
	r.seen[p] = true
	switch signal := r.status.StopSignal(); {
	case signal == unix.SIGTRAP|0x80:
		return 0, r.atCall(p)
	case signal == unix.SIGTRAP: // a new thread, told of by its parent
		return 0, nil
	case signal == unix.SIGSTOP && !known: // a new thread, by itself
		return 0, nil
	default:
		return int(signal), nil
	}
}

// callInfo is struct ptrace_syscall_info of linux/ptrace.h, with its member entry.
type callInfo struct {
	op       uint8
	_        [3]uint8
	arch     uint32
	ip, sp   uint64
	number   uint64
	args     [6]uint64
	reserved [2]uint64
}

const (
	entering = 1 // PTRACE_SYSCALL_INFO_ENTRY
	leaving  = 2 // PTRACE_SYSCALL_INFO_EXIT
)

func (r *tracer) atCall(p process) error {
	var info callInfo
	_, _, failed := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(p), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if failed == unix.ESRCH {
		return nil
	}
	if failed != 0 {
		return fmt.Errorf("PTRACE_GET_SYSCALL_INFO: %w", failed)
	}
	if errno, ok := r.spoilt[p]; ok && info.op == leaving {
		delete(r.spoilt, p)
		return p.setResult(-int64(errno))
	}
	if info.op != entering {
		return nil
	}
	c, ok := r.interesting(p, info)
	if !ok {
		return nil
	}
	r.calls = append(r.calls, c)
	v := r.visit(len(r.calls), c)
	if v.kill {
		return unix.Kill(int(r.process), unix.SIGKILL) // the call is not made any more
	}
	if v.fail != 0 {
		r.spoilt[p] = v.fail
		return p.skipCall()
	}
	return nil
}

// interesting finds out whether a call writes in the folder.
func (r *tracer) interesting(p process, info callInfo) (call, bool) {
	w, ok := watchedCalls[info.number]
	if !ok {
		return call{}, false
	}
	file, err := w.file(p, info.args)
	if err != nil || file != r.folder && !strings.HasPrefix(file, r.folder+"/") {
		return call{}, false
	}
	file, _ = filepath.Rel(r.folder, file)
	return call{w, file}, true
}

var watchedCalls = map[uint64]watched{
	unix.SYS_OPENAT:          {"openat", creates, openedForWriting},
	unix.SYS_WRITE:           {"write", writes, byDescriptor},
	unix.SYS_PWRITE64:        {"pwrite64", writes, byDescriptor},
	unix.SYS_WRITEV:          {"writev", writes, byDescriptor},
	unix.SYS_PWRITEV:         {"pwritev", writes, byDescriptor},
	unix.SYS_SENDFILE:        {"sendfile", writes, byDescriptor},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", writes, byThirdDescriptor},
	unix.SYS_FTRUNCATE:       {"ftruncate", cuts, byDescriptor},
	unix.SYS_FALLOCATE:       {"fallocate", cuts, byDescriptor},
	unix.SYS_FSYNC:           {"fsync", flushes, byDescriptor},
	unix.SYS_FDATASYNC:       {"fdatasync", flushes, byDescriptor},
	unix.SYS_RENAMEAT:        {"renameat", renames, bySecondPath},
	unix.SYS_RENAMEAT2:       {"renameat2", renames, bySecondPath},
	unix.SYS_LINKAT:          {"linkat", aliases, bySecondPath},
	unix.SYS_UNLINKAT:        {"unlinkat", unlinks, byPath},
	unix.SYS_MKDIRAT:         {"mkdirat", creates, byPath},
	unix.SYS_FCHMOD:          {"fchmod", dresses, byDescriptor},
	unix.SYS_FCHMODAT:        {"fchmodat", dresses, byPath},
	unix.SYS_FCHOWN:          {"fchown", dresses, byDescriptor},
	unix.SYS_FCHOWNAT:        {"fchownat", dresses, byPath},
	unix.SYS_UTIMENSAT:       {"utimensat", dresses, byPath},
	unix.SYS_FSETXATTR:       {"fsetxattr", dresses, byDescriptor},
	unix.SYS_FREMOVEXATTR:    {"fremovexattr", dresses, byDescriptor},
}

func byDescriptor(p process, args [6]uint64) (string, error)      { return p.named(args[0], nil) }
func byThirdDescriptor(p process, args [6]uint64) (string, error) { return p.named(args[2], nil) }
func byPath(p process, args [6]uint64) (string, error)            { return p.named(args[0], &args[1]) }
func bySecondPath(p process, args [6]uint64) (string, error)      { return p.named(args[2], &args[3]) }

func openedForWriting(p process, args [6]uint64) (string, error) {
	if args[2]&(unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC) == 0 {
		return "", unix.EINVAL
	}
	return byPath(p, args)
}

// named returns the file that an open descriptor is, or that a path from there
// leads to; the path is at an address in the memory of the process.
func (p process) named(descriptor uint64, path *uint64) (string, error) {
	link := fmt.Sprintf("/proc/%d/fd/%d", p, int32(descriptor))
	if int32(descriptor) == unix.AT_FDCWD {
		link = fmt.Sprintf("/proc/%d/cwd", p)
	}
	var text string
	if path != nil {
		var err error
		if text, err = p.text(*path); err != nil {
			return "", err
		}
		if filepath.IsAbs(text) {
			return filepath.Clean(text), nil
		}
	}
	from, err := os.Readlink(link)
	return filepath.Join(from, text), err
}

// text reads a string that ends with NUL.
func (p process) text(at uint64) (string, error) {
	var text []byte
	for len(text) < unix.PathMax {
		word := make([]byte, 8)
		if _, err := unix.PtracePeekData(int(p), uintptr(at)+uintptr(len(text)), word); err != nil {
			return "", err
		}
		if end := bytes.IndexByte(word, 0); end >= 0 {
			return string(append(text, word[:end]...)), nil
		}
		text = append(text, word...)
	}
	return "", unix.ENAMETOOLONG
}
