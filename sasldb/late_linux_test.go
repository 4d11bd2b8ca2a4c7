//go:build amd64 || arm64

package sasldb

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Writers that know nothing of our lock and open the file for writing before,
// during and after our commit.

// needLeases ends the test where the file system grants none.
func needLeases(t *testing.T) {
	t.Helper()
	f, err := os.Open(memoryFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := takeLease(f); errors.Is(err, errNoLease) {
		missingPeer(t, "file leases")
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

// come opens the file and writes to it.
func (l late) come(path string, data []byte, written chan<- error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
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

// TestCrashWhileMerging kills us, or has a call fail, while we take over what a late
// writer did. Our change is there, and theirs whole or not at all.
func TestCrashWhileMerging(t *testing.T) {
	t.Parallel()
	needLeases(t)
	l := late{operation: "grow"}
	data := theirs(user("theirs", "r", "of them"), user("theirs too", "r", "of them"))(t)
	run := func(then func(n int, c call) verdict) (path string, r traced) {
		path = memoryFile(t, fullTable()...)
		written := make(chan error, 1)
		r = l.traceUntilRename(t, path, func() { go l.come(path, data, written) }, then)
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		return path, r
	}
	check := func(where, path string) {
		t.Helper()
		values := contentOf(t, path).values
		both := len(values) == len(fullTable())+3
		if values[newcomerKey] != "pw" || !both && len(values) != len(fullTable())+1 {
			t.Errorf("%s: %d users", where, len(values))
		}
		mustEdit(t, path, WriteOptions{}, func(tx *Tx) error { return tx.Set(user("later", "r", "pw")) })
		if left := leftBeside(t, path); left != nil {
			t.Errorf("%s: left in the folder by the next change: %q", where, left)
		}
	}
	var plan []call
	run(func(n int, c call) verdict {
		plan = append(plan, c)
		return verdict{}
	})
	for i, c := range plan {
		for _, fault := range []verdict{{kill: true}, {fail: syscall.EIO}} {
			if fault.fail != 0 && c.does == unlinks {
				continue
			}
			where := fmt.Sprintf("%+v at call %d, %v", fault, i+1, c)
			path, r := run(func(n int, _ call) verdict {
				if n == i+1 {
					return fault
				}
				return verdict{}
			})
			if r.status.Signaled() != fault.kill {
				t.Errorf("%s: status %v", where, r.status)
			} else if courtesy := c.file == "sasldb2.lock"; !fault.kill && !courtesy && !parseReport(t, r.out).is("ErrInPlace") {
				t.Errorf("%s: %s", where, r.out)
			}
			check(where, path)
		}
	}
	t.Logf("%d calls: %v", len(plan), plan)
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
			f, err := os.OpenFile(path, os.O_RDWR, 0)
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

// TestEarlyWriter: a writer that has the file open before we read it is waited for.
func TestEarlyWriter(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := contentOf(t, path)
	err = Edit(t.Context(), path, WriteOptions{Wait: 100 * time.Millisecond}, addNewcomer)
	if !errors.Is(err, ErrBusy) {
		t.Errorf("while another has the file open: %v", err)
	}
	if now := contentOf(t, path); !now.equal(before) {
		t.Error("while another has the file open: ", before.difference(now))
	}
	data := theirs(user("theirs", "r", "of them"))(t)
	time.AfterFunc(100*time.Millisecond, func() {
		if err := errors.Join(overwrite(f, data), f.Close()); err != nil {
			t.Error(err)
		}
	})
	mustEdit(t, path, WriteOptions{}, addNewcomer)
	want := contentOf(t, path).values
	if want[newcomerKey] != "pw" || want["theirs\x00r\x00userPassword"] != "of them" {
		t.Errorf("one of the changes is missing among %d users", len(want))
	}
	if left := leftBeside(t, path); left != nil {
		t.Errorf("left in the folder: %q", left)
	}
}

// TestWriterMeanwhile: a writer that opens the file after we have read it is waited
// for, and noticed.
func TestWriterMeanwhile(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	data := theirs(user("theirs", "r", "of them"))(t)
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
		}
		return f
	}
	var f *os.File
	err := Edit(t.Context(), path, WriteOptions{Wait: 100 * time.Millisecond}, func(tx *Tx) error {
		f = open()
		return addNewcomer(tx)
	})
	if !errors.Is(err, ErrBusy) {
		t.Errorf("of a writer that does not end: %v", err)
	}
	f.Close()
	calls := 0
	mustEdit(t, path, WriteOptions{}, func(tx *Tx) error {
		if calls++; calls == 1 {
			f := open()
			time.AfterFunc(20*time.Millisecond, func() {
				if err := errors.Join(overwrite(f, data), f.Close()); err != nil {
					t.Error(err)
				}
			})
		} else if len(tx.User("theirs", "r")) != 1 {
			t.Error("decided again on the old content")
		}
		return addNewcomer(tx)
	})
	values := contentOf(t, path).values
	if calls != 2 || values[newcomerKey] != "pw" || values["theirs\x00r\x00userPassword"] != "of them" {
		t.Errorf("decided %d times; a change is missing among %d users", calls, len(values))
	}
}

// TestReplacedMeanwhile: a file that is replaced after we have read it is read again.
func TestReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	calls := 0
	mustEdit(t, path, WriteOptions{}, func(tx *Tx) error {
		if calls++; calls == 1 {
			replace(t, path, user("al", "r", "two"))
		}
		return addNewcomer(tx)
	})
	values := contentOf(t, path).values
	if want := map[string]string{"al\x00r\x00userPassword": "two", newcomerKey: "pw"}; calls != 2 || !maps.Equal(values, want) {
		t.Errorf("decided %d times, %d users", calls, len(values))
	}
}

// TestStoppedSaslpasswd2: saslpasswd2 stands still between opening the file and
// writing to it. We wait for it, and give up when that takes too long.
func TestStoppedSaslpasswd2(t *testing.T) {
	t.Parallel()
	needLeases(t)
	for _, goesOn := range []string{"goes on", "stays"} {
		t.Run(goesOn, func(t *testing.T) {
			t.Parallel()
			path := memoryFile(t, fullTable()...)
			c := newCyrus(t, path)
			edited := make(chan error, 1)
			stopped := 0
			argv := append([]string{c.program}, c.arguments("of them", "theirs")...)
			r := trace(t, argv, c.env, "of them", filepath.Dir(path), func(_ int, call call) verdict {
				if call.does != writes {
					return verdict{}
				}
				if stopped++; stopped > 1 {
					return verdict{}
				}
				o := WriteOptions{}
				if goesOn == "stays" {
					o.Wait = 100 * time.Millisecond
				}
				go func() { edited <- Edit(t.Context(), path, o, addNewcomer) }()
				if goesOn == "stays" {
					if err := <-edited; !errors.Is(err, ErrBusy) {
						t.Errorf("while saslpasswd2 stands still: %v", err)
					}
					edited <- nil
					return verdict{kill: true}
				}
				select {
				case err := <-edited:
					t.Errorf("while saslpasswd2 stands still: %v", err)
				case <-time.After(300 * time.Millisecond):
				}
				return verdict{}
			})
			if err := <-edited; err != nil {
				t.Error(err)
			}
			if stopped == 0 {
				t.Fatalf("saslpasswd2 writes nothing: %s", r.out)
			}
			values := contentOf(t, path).values
			both := values[newcomerKey] == "pw" && values["theirs\x00"+cyrusRealm+"\x00userPassword"] == "of them"
			if goesOn == "goes on" && !both {
				t.Errorf("a change is missing among %d users", len(values))
			}
		})
	}
}
