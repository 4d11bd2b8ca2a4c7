//go:build unix

package sasldb

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/internal/bdb"
	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestLoginsShareALook: those who wait for a look share it.
func TestLoginsShareALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, newFile(t, user("al", "r", "one")))
		defer db.Close()
		before := db.looks.Begun()
		release := db.looks.Hold()
		var logins sync.WaitGroup
		for range 50 {
			logins.Go(func() {
				if err := check(t, db, "al", "one"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait() // until all are waiting
		release()
		logins.Wait()
		if n := db.looks.Begun() - before; n != 1 {
			t.Errorf("%d looks, want one for all", n)
		}
	})
}

func TestWaitingForALookEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openDB(t, newFile(t, user("al", "r", "one")))
		release := db.looks.Hold()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := db.VerifyPassword(ctx, request("al", "r"), "one")
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		release()
		db.Close()
	})
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"))
	for _, bad := range []time.Duration{-1, maxRecheck + 1} {
		if _, err := OpenWith(path, Options{Recheck: bad}); err == nil {
			t.Errorf("Recheck of %v is accepted", bad)
		}
	}
	lazy, err := OpenWith(path, Options{Recheck: maxRecheck})
	if err != nil {
		t.Fatal(err)
	}
	defer lazy.Close()

	var now time.Time
	db, err := newDB(path, Options{Recheck: time.Second}, clock{func() time.Time { return now }, time.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	replace(t, path, user("al", "r", "two"))
	now = now.Add(time.Second - 1)
	if err := check(t, db, "al", "one"); err != nil {
		t.Errorf("before the time is over: %v", err)
	}
	now = now.Add(1)
	if err := check(t, db, "al", "one"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("after it: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	if err := check(t, db, "al", "two"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("without a file: %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	db := openDB(t, newFile(t, user("al", "r", "one")))
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := check(t, db, "al", "one"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := db.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
	if c := db.Coverage(); c.Users != 0 || c.Some != 0 {
		t.Errorf("coverage %+v", c)
	}
}

func TestDisabledUsers(t *testing.T) {
	t.Parallel()
	disabled := func(name, password string) Record {
		return Record{Authid: name, Realm: "r", Property: disabledPrefix + PropertyPassword, Value: []byte(password)}
	}
	path := newFile(t, user("alice", "r", "pencil"), user("bob", "r", "crayon"), disabled("carol", "charcoal"),
		disabled("dave", "old chalk"), user("dave", "r", "new chalk"))
	db := openDB(t, path)
	err := verifiertest.TestVerifier(db,
		verifiertest.User{Name: "alice", Realm: "r", Password: "pencil"},
		verifiertest.User{Name: "bob", Realm: "r", Password: "crayon"},
		verifiertest.User{Name: "carol", Realm: "r", Password: "charcoal", Disabled: true},
		verifiertest.User{Name: "dave", Realm: "r", Password: "new chalk", Disabled: true})
	if err != nil {
		t.Error(err)
	}
	if c := db.Coverage(); c.Users != 2 {
		t.Errorf("%d users, want those who are not disabled", c.Users)
	}
}

// A tearable is a database of which a page can be spoilt.
type tearable struct {
	t       *testing.T
	path    string
	records []dbm.Record
}

func newTearable(t *testing.T) *tearable {
	f := &tearable{t: t, path: filepath.Join(t.TempDir(), "sasldb2")}
	for i := range 500 {
		f.set(fmt.Sprint("user", i), "pw")
	}
	f.write(f.bytes())
	return f
}

func (f *tearable) set(name, password string) {
	f.remove(name)
	f.records = append(f.records, dbm.Record{Key: []byte(name + "\x00r\x00" + PropertyPassword), Value: []byte(password)})
}

func (f *tearable) remove(name string) {
	for i, r := range f.records {
		if strings.HasPrefix(string(r.Key), name+"\x00") {
			f.records = append(f.records[:i:i], f.records[i+1:]...)
			return
		}
	}
}

func (f *tearable) bytes() []byte {
	f.t.Helper()
	data, err := bdb.Build(f.records, bdb.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	return data
}

// write changes the file in place.
func (f *tearable) write(data []byte) {
	f.t.Helper()
	if err := os.WriteFile(f.path, data, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// tear spoils page 2 and returns who was on it and somebody who was not.
func (f *tearable) tear() (lost, left string) {
	f.t.Helper()
	data := f.bytes()
	data[2*4096+25] = 99 // the type of the page
	f.write(data)
	l, err := Read(f.path)
	if err != nil || l.Damage == nil {
		f.t.Fatal(err, l.Damage)
	}
	sound := map[string]bool{}
	for _, r := range l.Records {
		sound[r.Authid] = true
	}
	for i := range 500 {
		if name := fmt.Sprint("user", i); sound[name] {
			left = name
		} else {
			lost = name
		}
	}
	if lost == "" || left == "" {
		f.t.Fatal("nobody or everybody is lost")
	}
	return lost, left
}

func (f *tearable) wants(db *DB, name, password string, want error) {
	f.t.Helper()
	if err := check(f.t, db, name, password); !errors.Is(err, want) {
		f.t.Errorf("%s with %q: %v, want %v", name, password, err, want)
	}
}

// TestTornFile: who is served from the last good content while the file is damaged,
// and for how long.
func TestTornFile(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db, c := openClocked(t, f.path, Options{})
	lost, left := f.tear()
	f.wants(db, left, "pw", nil)
	f.wants(db, left, "wrong", verifier.ErrWrongPassword)
	f.wants(db, lost, "pw", verifier.ErrUnavailable)
	f.wants(db, "nobody", "pw", verifier.ErrUnavailable)
	if got := db.Coverage().Users; got != 500 {
		t.Errorf("coverage of %d users, want that of the last good content", got)
	}

	// The five seconds do not begin anew, and the file is not parsed at every login.
	c.advance(3 * time.Second)
	f.wants(db, left, "pw", nil)
	v, looks, pauses := db.current.Load(), db.looks.Begun(), c.pauses.Load()
	for range 10 {
		f.wants(db, left, "pw", nil)
	}
	if db.current.Load() != v || db.looks.Begun() != looks || c.pauses.Load() != pauses {
		t.Error("a damaged file that does not change is looked at again")
	}
	f.set("somebody", "else")
	if f.tear(); db.digestNow(t) == v.digest {
		t.Fatal("the damaged file did not change")
	}
	f.wants(db, left, "pw", nil)
	c.advance(2 * time.Second)
	f.wants(db, left, "pw", verifier.ErrUnavailable)
	f.wants(db, lost, "pw", verifier.ErrUnavailable)

	f.write(f.bytes())
	f.wants(db, left, "pw", nil)
	f.wants(db, lost, "pw", nil)
	f.wants(db, "nobody", "pw", verifier.ErrNoUser)
}

func (db *DB) digestNow(t *testing.T) uint64 {
	t.Helper()
	data, err := os.ReadFile(db.path)
	if err != nil {
		t.Fatal(err)
	}
	return maphash.Bytes(db.seed, data)
}

// TestTornWithRecheck: a damaged file is looked at for every login, whatever the
// options.
func TestTornWithRecheck(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db, c := openClocked(t, f.path, Options{Recheck: 2 * time.Second})
	lost, left := f.tear()
	f.wants(db, lost, "pw", nil) // it is not known yet
	c.advance(2 * time.Second)
	f.wants(db, left, "pw", nil)
	f.wants(db, lost, "pw", verifier.ErrUnavailable)
	f.write(f.bytes())
	f.wants(db, lost, "pw", nil)
}

// TestLastGoodCountsFromTheDamage: not from when the file was read, and not from when
// the damage was noticed.
func TestLastGoodCountsFromTheDamage(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db, c := openClocked(t, f.path, Options{})
	f.wants(db, "user1", "pw", nil)
	_, left := f.tear()
	c.advance(lastGoodLife - time.Second)
	f.wants(db, left, "pw", nil)
	f.write(f.bytes())
	f.wants(db, left, "pw", nil)
	_, left = f.tear()
	c.advance(2 * time.Second) // nobody logs in meanwhile
	f.wants(db, left, "pw", verifier.ErrUnavailable)
}

// TestTornAfterRevocation: what was changed before the file was damaged counts, even
// if it was never seen in a sound file.
func TestTornAfterRevocation(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	_, left := f.tear() // to know who stays where he is
	f.write(f.bytes())
	db, _ := openClocked(t, f.path, Options{})
	f.set(left, "new")
	f.set("newcomer", "pw")
	if _, still := f.tear(); still != left {
		t.Fatal("the changed user is lost, not what is meant")
	}
	f.wants(db, left, "pw", verifier.ErrUnavailable)
	f.wants(db, left, "new", verifier.ErrUnavailable)
	f.wants(db, "newcomer", "pw", verifier.ErrUnavailable)

	f.remove(left)
	f.tear()
	f.wants(db, left, "pw", verifier.ErrUnavailable)

	f.records = append(f.records, dbm.Record{Key: []byte(left + "\x00r\x00" + disabledPrefix + PropertyPassword), Value: []byte("pw")})
	f.tear()
	f.wants(db, left, "pw", verifier.ErrUnavailable)
}

// TestNothingLeft: without a sound record nobody is served, from the first moment.
func TestNothingLeft(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(f *tearable) error{
		"garbage":    func(f *tearable) error { return os.WriteFile(f.path, make([]byte, 8192), 0o600) },
		"missing":    func(f *tearable) error { return os.Remove(f.path) },
		"cut":        func(f *tearable) error { return os.Truncate(f.path, 100) },
		"other kind": func(f *tearable) error { return os.WriteFile(f.path, btree(), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newTearable(t)
			db, _ := openClocked(t, f.path, Options{})
			if err := spoil(f); err != nil {
				t.Fatal(err)
			}
			f.wants(db, "user1", "pw", verifier.ErrUnavailable)
			f.wants(db, "nobody", "pw", verifier.ErrUnavailable)
			looks := db.looks.Begun()
			f.wants(db, "user1", "pw", verifier.ErrUnavailable)
			if n := db.looks.Begun() - looks; n > 1 {
				t.Errorf("%d looks for a login", n)
			}
		})
	}
}

func btree() []byte {
	b := make([]byte, 8192)
	copy(b[12:], "\x62\x31\x05\x00")
	return b
}

// TestTornIsReadAgain: what is damaged only for a moment is waited for.
func TestTornIsReadAgain(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db, c := openClocked(t, f.path, Options{})
	lost, _ := f.tear()
	f.set(lost, "new")
	c.asleep = func() { f.write(f.bytes()); c.asleep = nil }
	f.wants(db, lost, "new", nil)
	f.wants(db, lost, "pw", verifier.ErrWrongPassword)
}

// TestTornButSound: a change of several pages of which some are not written yet can
// look like a sound file that lacks users.
func TestTornButSound(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db, c := openClocked(t, f.path, Options{})
	whole := f.bytes()
	half := append([]byte(nil), whole...)
	clear(half[2*4096 : 3*4096]) // a bucket that nobody has used looks so
	f.write(half)
	l, err := Read(f.path)
	if err != nil || l.Damage != nil || len(l.Records) == 500 {
		t.Fatalf("%v, %d records: not the case that is meant", err, len(l.Records))
	}
	c.advance(-time.Minute) // it was written to just now, however slow this machine is
	c.asleep = func() { f.write(whole); c.asleep = nil }
	for i := range 500 {
		f.wants(db, fmt.Sprint("user", i), "pw", nil)
	}
	if c.pauses.Load() == 0 {
		t.Error("no pause was made")
	}
}

func TestTriesOfTornFiles(t *testing.T) {
	t.Parallel()
	change := func(path string) func() {
		n := 0
		return func() {
			n++
			if err := os.WriteFile(path, make([]byte, n), 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		ahead  time.Duration
		asleep func(path string) func()
		err    error
		want   int
	}{
		{"sound", 0, nil, nil, 1},
		{"another error", 0, nil, ErrFormat, 1},
		{"old damage", time.Minute, nil, ErrDamaged, 1},
		{"damage that stays as it is", 0, nil, ErrDamaged, 2},
		{"being written to", 0, change, ErrDamaged, tornTries},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := newFile(t)
			var test testClock
			test.advance(c.ahead)
			if c.asleep != nil {
				test.asleep = c.asleep(path)
			}
			tries := 0
			s, err := whileTorn(path, test.clock(), func(*source, int) error { tries++; return c.err })
			if !errors.Is(err, c.err) || tries != c.want {
				t.Errorf("%d tries, %v; want %d, %v", tries, err, c.want, c.err)
			}
			s.Close()
		})
	}
	if s, err := whileTorn(t.TempDir()+"/none", wallClock, nil); s != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// TestReadingBesideAWriterInPlace: logins run while a file is written page by page
// as libdb does it. None is accepted with a password that was never the user's.
func TestReadingBesideAWriterInPlace(t *testing.T) {
	t.Parallel()
	f := newTearable(t)
	db := openDB(t, f.path)
	defer db.Close()
	stop := make(chan struct{})
	var logins sync.WaitGroup
	for range 4 {
		logins.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := check(t, db, "changing", "never"); err == nil {
					t.Error("accepted with a password that nobody set")
				}
				if err := check(t, db, fmt.Sprint("user", n%500), "never"); err == nil {
					t.Error("accepted with a password that nobody set")
				}
			}
		})
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for round := range 30 {
		f.set("changing", fmt.Sprint("password", round))
		f.set(fmt.Sprint("more", round), strings.Repeat("x", 900)) // the table grows
		data := f.bytes()
		for at := 0; at < len(data); at += 4096 {
			if _, err := file.WriteAt(data[at:at+4096], int64(at)); err != nil {
				t.Fatal(err)
			}
		}
		if err := file.Truncate(int64(len(data))); err != nil {
			t.Fatal(err)
		}
		// Acknowledged: from here on only the new one counts.
		f.wants(db, "changing", fmt.Sprint("password", round), nil)
		f.wants(db, "changing", fmt.Sprint("password", round-1), verifier.ErrWrongPassword)
	}
	close(stop)
	logins.Wait()
}

// descriptors counts the descriptors of files in a folder.
func descriptors(t *testing.T, folder string) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc/self/fd here")
	}
	for _, e := range list {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(to, folder) {
			n++
		}
	}
	return n
}

// TestDescriptors: one is open for each DB, whatever happens to the file, and none
// when the DB is gone, closed or not.
func TestDescriptors(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "0"))
	folder := filepath.Dir(path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	func() {
		db := openDB(t, path)
		for i := range 1000 {
			next := path + ".next"
			switch i % 4 {
			case 0, 1:
				if err := os.WriteFile(next, data, 0o600); err != nil {
					t.Fatal(err)
				}
			case 2:
				if err := os.WriteFile(next, data[:5000], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(next, path); err != nil && i%4 != 3 {
				t.Fatal(err)
			}
			err := check(t, db, "al", "0")
			if damaged := i%4 >= 2; damaged != errors.Is(err, verifier.ErrUnavailable) || !damaged && err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		if n := descriptors(t, folder); n != 1 {
			t.Errorf("%d descriptors after many replacements, want 1", n)
		}
	}()
	if err := os.WriteFile(path, data[:5000], 0o600); err != nil {
		t.Fatal(err)
	}
	open := descriptors(t, folder)
	if _, err := Open(path); err == nil {
		t.Error("a damaged file is opened")
	}
	if n := descriptors(t, folder); n > open {
		t.Errorf("%d descriptors after an Open that failed", n)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		runtime.GC()
		if descriptors(t, folder) == 0 {
			return
		}
	}
	t.Errorf("%d descriptors of a DB that nobody has", descriptors(t, folder))
}

// TestReplacedFilesDiffer: a file that takes the place of another has another
// stamp, for its number cannot be that of one that is still open.
func TestReplacedFilesDiffer(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "000"))
	db, c := openClocked(t, path, Options{})
	c.advance(time.Minute) // every stamp is old
	for i := range 200 {
		password := fmt.Sprintf("%03d", i)
		data, err := bdb.Build([]dbm.Record{{Key: []byte("al\x00r\x00" + PropertyPassword), Value: []byte(password)}}, bdb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(path+".next", data, 0o600), os.Rename(path+".next", path)); err != nil {
			t.Fatal(err)
		}
		if err := check(t, db, "al", password); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
}
