//go:build amd64 || arm64

package sasldb

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Writers that know nothing of our lock and come before we are about to rename.

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
// writing to it, and then goes on. We wait for it.
func TestStoppedSaslpasswd2(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	edited := make(chan error, 1)
	stopAtWrite(t, path, func() verdict {
		go func() { edited <- Edit(t.Context(), path, WriteOptions{}, addNewcomer) }()
		select {
		case err := <-edited:
			t.Errorf("while saslpasswd2 stands still: %v", err)
			edited <- err
		case <-time.After(300 * time.Millisecond):
		}
		return verdict{}
	})
	if err := <-edited; err != nil {
		t.Error(err)
	}
	values := contentOf(t, path).values
	if values[newcomerKey] != "pw" || values["theirs\x00"+cyrusRealm+"\x00userPassword"] != "of them" {
		t.Errorf("a change is missing among %d users", len(values))
	}
}

// TestHungSaslpasswd2: it never goes on. We give up when we are told to, and go
// ahead when it is dead.
func TestHungSaslpasswd2(t *testing.T) {
	t.Parallel()
	needLeases(t)
	path := memoryFile(t, fullTable()...)
	before := contentOf(t, path)
	stopAtWrite(t, path, func() verdict {
		if err := Edit(t.Context(), path, WriteOptions{Wait: 100 * time.Millisecond}, addNewcomer); !errors.Is(err, ErrBusy) {
			t.Errorf("while saslpasswd2 stands still: %v", err)
		}
		return verdict{kill: true}
	})
	if now := contentOf(t, path); !now.equal(before) {
		t.Error(before.difference(now))
	}
	mustEdit(t, path, WriteOptions{}, addNewcomer)
}

// stopAtWrite has saslpasswd2 add a user, and calls meanwhile when it is about to
// write to the file for the first time.
func stopAtWrite(t *testing.T, path string, meanwhile func() verdict) {
	t.Helper()
	c := newCyrus(t, path)
	argv := append([]string{c.program}, c.arguments("of them", "theirs")...)
	stopped := false
	r := trace(t, argv, c.env, "of them", filepath.Dir(path), func(_ int, call call) verdict {
		if stopped || call.does != writes {
			return verdict{}
		}
		stopped = true
		return meanwhile()
	})
	if !stopped {
		t.Fatalf("saslpasswd2 writes nothing: %s", r.out)
	}
}
