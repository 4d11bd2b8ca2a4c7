//go:build amd64 || arm64

package sasldb

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/peers"
)

// Writers that know nothing of our lock and come when it is all but too late.

// needLeases ends the test where the file system grants none.
func needLeases(t *testing.T) {
	t.Helper()
	f, err := os.Open(memoryFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := takeLease(f); errors.Is(err, errNoLease) {
		peers.Missing(t, "file leases")
	}
}

// fileWith returns the bytes of a whole file with these records.
func fileWith(t *testing.T, records []Record) []byte {
	t.Helper()
	data, err := os.ReadFile(memoryFile(t, records...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func overwrite(f *os.File, data []byte) error {
	_, err := f.WriteAt(data, 0)
	return errors.Join(err, f.Truncate(int64(len(data))))
}

// A late writer comes to open the file when everything has been checked and the
// rename is about to be done, and so gets hold of the old one.
type late struct {
	name      string
	operation string
	data      func(t *testing.T) []byte // what it writes
	pause     time.Duration             // before it does
	want      map[string]string         // changes to the old content, "" for deleted
	is        string                    // the error
	calls     int
}

const newcomerKey = "newcomer\x00r\x00userPassword"

func theirs(changes ...Record) func(t *testing.T) []byte {
	return func(t *testing.T) []byte {
		all := map[string]Record{}
		for _, r := range append(fullTable()[:len(fullTable()):len(fullTable())], changes...) {
			all[r.Authid] = r
		}
		var records []Record
		for _, r := range all {
			if len(r.Value) > 0 {
				records = append(records, r)
			}
		}
		return fileWith(t, records)
	}
}

func TestLateWriter(t *testing.T) {
	t.Parallel()
	needLeases(t)
	for _, test := range []late{
		{
			name: "other records", operation: "grow", pause: 300 * time.Millisecond, calls: 2,
			data: theirs(user("theirs", "r", "of them"), user("user0001", "r", ""), user("user0002", "r", "changed")),
			want: map[string]string{newcomerKey: "pw", "theirs\x00r\x00userPassword": "of them", "user0001\x00r\x00userPassword": "", "user0002\x00r\x00userPassword": "changed"},
		},
		{
			name: "the record that we set", operation: "grow", calls: 2,
			data: theirs(user("newcomer", "r", "of them")),
			want: map[string]string{newcomerKey: "pw"},
		},
		{
			name: "the record that we delete", operation: "delete", calls: 2,
			data: theirs(user("user0000", "r", "of them")),
			want: map[string]string{"user0000\x00r\x00userPassword": ""},
		},
		{
			name: "the record that we would not overwrite", operation: "sole", calls: 2, is: "errRefused",
			data: theirs(user("newcomer", "r", "of them"), user("theirs", "r", "of them")),
			want: map[string]string{newcomerKey: "of them", "theirs\x00r\x00userPassword": "of them"},
		},
		{
			name: "damage", operation: "grow", calls: 1,
			data: func(t *testing.T) []byte { return theirs(user("theirs", "r", "of them"))(t)[:5000] },
			want: map[string]string{newcomerKey: "pw"},
		},
		{
			name: "no database any more", operation: "grow", calls: 1,
			data: func(t *testing.T) []byte { return []byte("garbage") },
			want: map[string]string{newcomerKey: "pw"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t)
		})
	}
}

func (l late) run(t *testing.T) {
	path := memoryFile(t, fullTable()...)
	data := l.data(t)
	written := make(chan error, 1)
	r := l.traceUntilRename(t, path, func() { go l.come(path, data, written) }, goOn)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	l.check(t, path, r)
}

// openForWriting waits while there is a lease on the file, and then has that file
// whatever its name is now. No signal of the Go runtime may interrupt the wait: then
// it begins again, with the file that has the name.
func openForWriting(path string) (*os.File, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &all, &before); err != nil {
		return nil, err
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// come opens the file and writes to it.
func (l late) come(path string, data []byte, written chan<- error) {
	f, err := openForWriting(path)
	if err == nil {
		time.Sleep(l.pause)
		err = errors.Join(overwrite(f, data), f.Close())
	}
	written <- err
}

func goOn(int, call) verdict { return verdict{} }

// traceUntilRename runs the operation in a child, stops it when it is about to
// rename, has another program come, and goes on when that waits to open the file.
// Of the calls after that, counted from 1, then is asked.
func (l late) traceUntilRename(t *testing.T, path string, come func(), then func(n int, c call) verdict) traced {
	t.Helper()
	came := 0
	return trace(t, []string{testBinary(t), l.operation, path}, childEnvironment("operate"), "", filepath.Dir(path), func(n int, c call) verdict {
		if came > 0 {
			return then(n-came, c)
		}
		if c.does != renames {
			return verdict{}
		}
		came = n
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			return verdict{kill: true}
		}
		come()
		if !awaitedBySomebody(info.Sys().(*syscall.Stat_t).Ino) {
			t.Error("nobody comes to open the file")
			return verdict{kill: true}
		}
		return verdict{}
	})
}

// awaitedBySomebody waits until the kernel lists a lease on the file as one that is
// to be let go of.
func awaitedBySomebody(inode uint64) bool {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		locks, _ := os.ReadFile("/proc/locks")
		for line := range strings.Lines(string(locks)) {
			if strings.Contains(line, "LEASE  BREAKING") && strings.Contains(line, fmt.Sprintf(":%d ", inode)) {
				return true
			}
		}
	}
	return false
}

func (l late) check(t *testing.T, path string, r traced) {
	t.Helper()
	report := parseReport(t, r.out)
	if l.is == "" && report.Failed != "" || l.is != "" && (!report.is(l.is) || report.is("ErrInPlace")) {
		t.Errorf("error %q (%v), want %q", report.Failed, report.Is, l.is)
	}
	if report.Calls != l.calls {
		t.Errorf("decided %d times, want %d", report.Calls, l.calls)
	}
	want := content{values: map[string]string{}}
	for _, r := range fullTable() {
		want.values[r.Authid+"\x00r\x00userPassword"] = string(r.Value)
	}
	maps.Copy(want.values, l.want)
	maps.DeleteFunc(want.values, func(_, value string) bool { return value == "" })
	if now := contentOf(t, path); !now.equal(want) {
		t.Error(want.difference(now))
	}
	if left := leftBeside(t, path); left != nil {
		t.Errorf("left in the folder: %q", left)
	}
}

// TestLateSaslpasswd2 is the real program as late writer. libdb opens the file twice,
// to look at it and to use it; here we rename while it waits for the latter.
func TestLateSaslpasswd2(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	c := newCyrus(t, path)
	l := late{operation: "grow", calls: 2, want: map[string]string{newcomerKey: "pw", "theirs\x00" + cyrusRealm + "\x00userPassword": "of them"}}
	comes := make(chan struct{})
	ours := make(chan traced, 1)
	opened := 0
	theirs := trace(t, append([]string{c.program}, c.arguments("of them", "theirs")...), c.env, "of them", filepath.Dir(path), func(_ int, call call) verdict {
		if call.does != creates {
			return verdict{}
		}
		if opened++; opened == 2 {
			go func() {
				defer close(ours) // also if the trace fails
				ours <- l.traceUntilRename(t, path, func() { close(comes) }, goOn)
			}()
			select {
			case <-comes:
			case <-ours:
			}
		}
		return verdict{}
	})
	if theirs.status.ExitStatus() != 0 || opened < 2 {
		t.Fatalf("saslpasswd2 opens %d times: %s", opened, theirs.out)
	}
	l.check(t, path, <-ours)
}

// TestWriterSince: while a late writer is at work on the old file, another changes the
// new one. What that does comes last.
func TestWriterSince(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	data := theirs(user("theirs", "r", "of them"), user("user0001", "r", "late"), user("user0002", "r", "late"), user("user0003", "r", ""))(t)
	since := theirs(user("newcomer", "r", "since"), user("since", "r", "of them"), user("user0002", "r", "since"), user("user0004", "r", ""))(t)
	l := late{operation: "grow", calls: 2, want: map[string]string{
		newcomerKey: "since", "theirs\x00r\x00userPassword": "of them", "since\x00r\x00userPassword": "of them",
		"user0001\x00r\x00userPassword": "late", "user0002\x00r\x00userPassword": "since",
		"user0003\x00r\x00userPassword": "", "user0004\x00r\x00userPassword": "",
	}}
	written := make(chan error, 2)
	r := l.traceUntilRename(t, path, func() { go l.come(path, data, written) }, func(n int, _ call) verdict {
		if n == 1 {
			l.come(path, since, written)
		}
		return verdict{}
	})
	if err := errors.Join(<-written, <-written); err != nil {
		t.Fatal(err)
	}
	l.check(t, path, r)
}

// TestSlowLateWriter: who takes longer than we are ready to wait loses its change,
// and nothing else happens.
func TestSlowLateWriter(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	data := theirs(user("theirs", "r", "of them"))(t)
	ended, written := make(chan struct{}), make(chan error, 1)
	l := late{operation: "grow", calls: 1, want: map[string]string{newcomerKey: "pw"}}
	r := l.traceUntilRename(t, path, func() {
		go func() {
			f, err := openForWriting(path)
			<-ended
			if err == nil {
				err = errors.Join(overwrite(f, data), f.Close())
			}
			written <- err
		}()
	}, goOn)
	close(ended)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	l.check(t, path, r)
}
