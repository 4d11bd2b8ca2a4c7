//go:build unix

package sasldb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

type sidecar struct {
	Format, Expect string
	EntriesOf      string `json:"entries_of"`
	Entries        []struct {
		Authid, Realm, Property string
		AuthidBase64            []byte `json:"authid_base64"`
		Value                   []byte
	}
	Foreign []json.RawMessage `json:"foreign_records"`
}

func readSidecar(t *testing.T, db string) sidecar {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", db+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s sidecar
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.EntriesOf != "" {
		s.Entries = readSidecar(t, s.EntriesOf).Entries
	}
	return s
}

func (s sidecar) records() map[string][]byte {
	m := map[string][]byte{}
	for _, e := range s.Entries {
		m[e.Authid+string(e.AuthidBase64)+"\x00"+e.Realm+"\x00"+e.Property] = e.Value
	}
	return m
}

func recordMap(t *testing.T, records []Record) map[string][]byte {
	t.Helper()
	m := map[string][]byte{}
	for _, r := range records {
		key := r.Authid + "\x00" + r.Realm + "\x00" + r.Property
		if _, twice := m[key]; twice {
			t.Errorf("record %s is listed twice", r)
		}
		m[key] = r.Value
	}
	return m
}

// TestSamples reads every sample file, sound and damaged, and holds what comes
// out against its sidecar.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.db")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := stampOrFail(t, path)
			side := readSidecar(t, name)
			l, err := Read(path)
			want, got := side.records(), recordMap(t, l.Records)
			for key, value := range got {
				if w, ok := want[key]; !ok || !bytes.Equal(w, value) {
					t.Errorf("record %q is not what the file holds", key)
				}
			}
			whole := len(got) == len(want)
			told := err != nil || len(l.Damage) > 0
			switch side.Expect {
			case "ok", "ok-read":
				if told || !whole || l.Foreign != len(side.Foreign) {
					t.Errorf("%d of %d records, %d of %d foreign, %v %v", len(got), len(want), l.Foreign, len(side.Foreign), err, l.Damage)
				}
			case "refuse":
				if !errors.Is(err, ErrFormat) || len(got) > 0 {
					t.Errorf("got %v and %d records, want ErrFormat", err, len(got))
				}
			case "damaged":
				if !told {
					t.Error("the damage is not told")
				}
			case "damaged-harmless":
				if !told && !whole {
					t.Error("silently incomplete")
				}
			default:
				t.Fatalf("expect %q is not known", side.Expect)
			}
			for _, e := range append(l.Damage, err) {
				if e != nil && !errors.Is(e, ErrDamaged) && !errors.Is(e, ErrFormat) {
					t.Errorf("error %v is of no kind", e)
				}
				if e != nil && !strings.Contains(e.Error(), name) {
					t.Errorf("error %v does not name the file", e)
				}
			}
			if db, err := Open(path); (err == nil) == told {
				t.Errorf("Open gives %v, %v; the listing has damage: %v", db, err, told)
			}
			if after := stampOrFail(t, path); after != before {
				t.Error("reading changed the file")
			}
		})
	}
}

func stampOrFail(t *testing.T, path string) stamp {
	t.Helper()
	s, err := stampOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newFile(t *testing.T, records ...Record) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := Create(path, records); err != nil {
		t.Fatal(err)
	}
	return path
}

func user(name, realm, password string) Record {
	return Record{Authid: name, Realm: realm, Property: PropertyPassword, Value: []byte(password)}
}

func openDB(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestConformance(t *testing.T) {
	path := newFile(t,
		user("alice", "example.com", "pencil"), user("bob", "example.com", "crayon"),
		user("alice", "example.org", "eraser"), user("frédéric", "example.com", "pässwörd"))
	err := verifiertest.TestVerifier(openDB(t, path),
		verifiertest.User{Name: "alice", Realm: "example.com", Password: "pencil"},
		verifiertest.User{Name: "bob", Realm: "example.com", Password: "crayon"},
		verifiertest.User{Name: "alice", Realm: "example.org", Password: "eraser"},
		verifiertest.User{Name: "frédéric", Realm: "example.com", Password: "pässwörd"})
	if err != nil {
		t.Error(err)
	}
}

func request(user, realm string) verifier.Request {
	return verifier.Request{User: user, Realm: realm, Service: "smtp"}
}

// TestOldSecrets: the properties that Cyrus SASL 1.5 left behind serve CRAM-MD5
// and DIGEST-MD5.
func TestOldSecrets(t *testing.T) {
	cram, digest := mech.CRAMMD5Secret("pw"), mech.DIGESTMD5Secret("carol", "r", "pw")
	var cyrus []byte // inner state first, big-endian words
	for _, half := range [][]byte{cram[16:], cram[:16]} {
		for i := 0; i < len(half); i += 4 {
			cyrus = append(cyrus, half[i+3], half[i+2], half[i+1], half[i])
		}
	}
	db := openDB(t, newFile(t,
		Record{Authid: "carol", Realm: "r", Property: propertyCRAMMD5, Value: cyrus},
		Record{Authid: "carol", Realm: "r", Property: propertyDIGESTMD5, Value: digest},
		Record{Authid: "dave", Realm: "r", Property: propertyDIGESTMD5, Value: digest[1:]}))
	for kind, want := range map[verifier.Kind][]byte{verifier.KindCRAMMD5: cram, verifier.KindDIGESTMD5: digest} {
		got, err := db.LookupSecret(t.Context(), request("carol", "r"), verifier.KindPassword, kind)
		if err != nil || got.Kind != kind || !bytes.Equal(got.Value, want) {
			t.Errorf("%v: %v, %v; want what the password makes", kind, got.Kind, err)
		}
	}
	for _, name := range []string{"carol", "dave"} {
		if _, err := db.LookupSecret(t.Context(), request(name, "r"), verifier.KindPassword); !errors.Is(err, verifier.ErrNoSecret) {
			t.Errorf("%s has no password: %v", name, err)
		}
	}
	want := verifier.Coverage{
		Some:  verifier.KindsOf(verifier.KindCRAMMD5, verifier.KindDIGESTMD5),
		Users: 2, Realms: []string{"r"},
		Counts: map[verifier.Kind]int{verifier.KindCRAMMD5: 1, verifier.KindDIGESTMD5: 1},
	}
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	other := openDB(t, "testdata/bdb-other-properties.db")
	if _, err := other.LookupSecret(t.Context(), request("erin", "example.com"), verifier.KindPassword); !errors.Is(err, verifier.ErrNoSecret) {
		t.Errorf("a user with foreign properties only: %v", err)
	}
}

// replace puts a new file in the place of an old one, as our own writer will.
func replace(t *testing.T, path string, records ...Record) {
	t.Helper()
	next := newFile(t, records...)
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, db *DB, name, password string) error {
	t.Helper()
	_, err := db.VerifyPassword(t.Context(), request(name, "r"), password)
	return err
}

func TestFollowsTheFile(t *testing.T) {
	path := newFile(t, user("al", "r", "one"))
	db := openDB(t, path)
	if err := check(t, db, "al", "one"); err != nil {
		t.Fatal(err)
	}
	replace(t, path, user("al", "r", "two"), user("bo", "r", "x"))
	if err := check(t, db, "al", "one"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("old password: %v", err)
	}
	if err := check(t, db, "al", "two"); err != nil {
		t.Errorf("new password: %v", err)
	}
	if got := db.Coverage().Users; got != 2 {
		t.Errorf("coverage counts %d users, want 2", got)
	}
	// In place, same size, same stamp but for the change time: what libdb does.
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(newFile(t, user("al", "r", "TWO"), user("bo", "r", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := check(t, db, "al", "two"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("after a change that kept size and modification time: %v", err)
	}
	replace(t, path, user("bo", "r", "x"))
	if err := check(t, db, "al", "TWO"); !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("deleted user: %v", err)
	}
}

// TestYoungStamp: within the granularity of time stamps the content decides, and
// an old stamp saves the reading.
func TestYoungStamp(t *testing.T) {
	path := newFile(t, user("al", "r", "one"))
	db := openDB(t, path)
	if db.current.Load().settled {
		t.Error("a stamp of this second is trusted")
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	// The change time cannot be set back; pretend that the clock went on.
	if _, err := db.refresh(); err != nil {
		t.Fatal(err)
	}
	v := *db.current.Load()
	v.settled = true
	db.current.Store(&v)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := db.fresh(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 { // the path for the system call
		t.Errorf("%v allocations for a look at the stamp", allocs)
	}
}

func TestTroubleIsUnavailable(t *testing.T) {
	for what, spoil := range map[string]func(path string) error{
		"missing":   os.Remove,
		"truncated": func(p string) error { return os.Truncate(p, 5000) },
		"empty":     func(p string) error { return os.Truncate(p, 0) },
		"directory": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
		"fifo":      func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) },
		"garbage":   func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("x"), 8192), 0o600) },
		"sparse":    func(p string) error { return os.Truncate(p, MaxFile+1) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := newFile(t, user("al", "r", "one"))
			db := openDB(t, path)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"al", "nobody"} {
				err := check(t, db, name, "one")
				if !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
					t.Errorf("%s: %v, want ErrUnavailable", name, err)
				}
				if err != nil && !strings.Contains(err.Error(), path) {
					t.Errorf("%v does not name the file", err)
				}
			}
			if _, err := Open(path); err == nil {
				t.Error("Open succeeds")
			}
			// It comes back by itself.
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			replace(t, path, user("al", "r", "two"))
			if err := check(t, db, "al", "two"); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for what, head := range map[string]string{
		"a GDBM database":            "\xcf\x9a\x57\x13",
		"a LMDB database, in words":  strings.Repeat("\x00", 16) + "\xde\xc0\xef\xbe",
		"a Berkeley DB btree":        strings.Repeat("\x00", 12) + "\x62\x31\x05\x00",
		"Berkeley DB 1.85 or before": "\x61\x15\x06\x00",
	} {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, append([]byte(head), make([]byte, 8192)...), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Read(path)
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", what, err)
		}
	}
	path := newFile(t)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	nobody.Do(func() {
		if _, err := Read(path); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "group sasl") {
			t.Errorf("without permission: %v", err)
		}
	})
}

func TestCreate(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	path := filepath.Join(t.TempDir(), "sasldb2")
	records := []Record{user("al", "r", "one"), user("", "r", "nobody"), {Authid: "al", Realm: "r", Property: "other", Value: []byte{0}}}
	if err := Create(path, records); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600 under any umask", info.Mode(), err)
	}
	l, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(recordMap(t, records), recordMap(t, l.Records)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	faults, warnings, err := Verify(path)
	if err != nil || faults != nil || warnings != nil {
		t.Errorf("Verify: %v %v %v", faults, warnings, err)
	}
	if err := Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(t.TempDir(), "target"), link); err != nil {
		t.Fatal(err)
	}
	if err := Create(link, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("through a dangling link: %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	for what, records := range map[string][]Record{
		"NUL in a name": {user("a\x00l", "r", "x")},
		"twice":         {user("al", "r", "x"), user("al", "r", "y")},
		"long key":      {user(strings.Repeat("a", 1100), "r", "x")},
	} {
		err := Create(bad, records)
		if err == nil {
			t.Errorf("%s: accepted", what)
			continue
		}
		if _, statErr := os.Lstat(bad); !errors.Is(statErr, fs.ErrNotExist) {
			t.Errorf("%s: a file is left", what)
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, records, records), `"x"`) {
			t.Errorf("%s: the value shows", what)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add([]byte("al\x00example.com\x00userPassword"))
	f.Add([]byte("\x00\x00"))
	f.Add([]byte("no NUL"))
	f.Fuzz(func(t *testing.T, key []byte) {
		authid, realm, property, ok := parseKey(key)
		if !ok {
			if bytes.Count(key, []byte{0}) == 2 || authid+realm+property != "" {
				t.Fatalf("%q is foreign", key)
			}
			return
		}
		again, err := Record{Authid: authid, Realm: realm, Property: property}.key()
		if err != nil || !bytes.Equal(again, key) {
			t.Fatalf("%q becomes %q, %v", key, again, err)
		}
	})
}

// FuzzParse reads arbitrary files: no panic, and no listing with an error.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"bdb-one-user.db", "bdb-empty.db", "bdb-foreign-keys.db", "bad-cycle.db"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parse("fuzz", data)
		if err != nil && (l.Records != nil || !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFormat)) {
			t.Fatalf("%v with %d records", err, len(l.Records))
		}
		if v, err := newView("fuzz", data); err == nil && len(l.Damage) > 0 {
			t.Fatalf("a damaged file gives a view of %d users", len(v.users))
		}
	})
}
