//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
	"github.com/saslkit/saslkit/internal/filestamp"
	"github.com/saslkit/saslkit/internal/nobody"
)

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
			side := dbmtest.Folder("testdata").Sidecar(t, name)
			l, err := Read(path)
			want, got := side.Users(), recordMap(t, l.Records)
			for key, value := range got {
				if w, ok := want[key]; !ok || w != string(value) {
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

func stampOrFail(t *testing.T, path string) filestamp.Stamp {
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

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	for what, head := range map[string]string{
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
	})
}
