package shadow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Hashes of "secret": what openssl passwd prints with -1, -5 and -6, and mkpasswd -m
// yescrypt.
const (
	md5Hash    = "$1$vilcl7DV$.H/g7W47zgtsV0.41sCzN."
	sha256Hash = "$5$cL9Ze8omwcIEgxJo$NEZZlZ1Vhp44o5qFko01oJ5jlYTYrcQnRKCz61na/x3"
	sha512Hash = "$6$.RF61/KJ6hpM6mIj$Jhqm4GYdYWFJ5id.QnaPOFxxT6FKBUAREaZmNtWOGZ3mKAn0g1f5lCYVvPhq0/AILsj6As493vCv/0sowKW4Q."
	yescrypt   = "$y$j75$6DC3/Q/q5DJJnKbRpW4iL.$MSWxFBLb9.p0.zgY2pT31ajWQea/LfanzMzhsvgkmj2"
)

// today is the day of these tests.
const today = 20_000

func write(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newDB(t testing.TB, o stored.Options, lines ...string) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shadow")
	write(t, path, lines...)
	db, err := OpenWith(path, o)
	if err != nil {
		t.Fatal(err)
	}
	db.now = func() time.Time { return time.Unix(today*86400+1, 0) }
	return db
}

func verify(t testing.TB, db *DB, user, password string) error {
	t.Helper()
	a, err := db.VerifyPassword(t.Context(), verifier.Request{User: user, Realm: "mail.example", Service: "smtp"}, password)
	if err == nil && (a.User != user || a.Realm != "mail.example") {
		t.Errorf("%s: account %q in realm %q", user, a.User, a.Realm)
	}
	return err
}

func TestContract(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{},
		"root:*:19000:0:99999:7:::",
		"daemon:!:19000::::::",
		"alice:"+md5Hash+":19000:0:99999:7:::",
		"bob:"+md5Hash, // cut short
		"carol:"+sha256Hash+":19000:0:99999:7:::",
		"dave:!"+sha512Hash+":19000:0:99999:7:::",
		"erin:"+sha512Hash+":19000:0:99999:7::19999:",
	)
	err := verifiertest.TestVerifier(db,
		verifiertest.User{Name: "alice", Realm: "mail.example", Password: "secret"},
		verifiertest.User{Name: "root", Realm: "mail.example"},
		verifiertest.User{Name: "daemon", Realm: "mail.example"},
		verifiertest.User{Name: "bob", Realm: "mail.example"},
		verifiertest.User{Name: "dave", Realm: "mail.example", Password: "secret", Disabled: true},
		verifiertest.User{Name: "erin", Realm: "mail.example", Password: "secret", Expired: true},
	)
	if err != nil {
		t.Error(err)
	}
}

// TestLines is what a line says of its user.
func TestLines(t *testing.T) {
	t.Parallel()
	day := func(n int) string { return fmt.Sprint(today + n) }
	for _, tt := range []struct {
		name, line string
		right      error // for the right password; nil: it is let in
		wrong      error
	}{
		{"md5crypt", "u:" + md5Hash + ":19000:0:99999:7:::", nil, verifier.ErrWrongPassword},
		{"sha256crypt", "u:" + sha256Hash + ":19000:0:99999:7:::", nil, verifier.ErrWrongPassword},
		{"sha512crypt", "u:" + sha512Hash + ":19000:0:99999:7:::", nil, verifier.ErrWrongPassword},
		{"yescrypt", "u:" + yescrypt + ":19000:0:99999:7:::", nil, verifier.ErrWrongPassword},
		{"LDAP scheme", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:19000:0:99999:7:::", nil, verifier.ErrWrongPassword},
		{"no dates", "u:" + md5Hash + ":::::::", nil, verifier.ErrWrongPassword},
		{"passwd", "u:" + md5Hash + ":1000:1000:U,,,:/home/u:/bin/sh", nil, verifier.ErrWrongPassword},

		{"locked", "u:!" + md5Hash + ":19000:0:99999:7:::", verifier.ErrDisabled, verifier.ErrWrongPassword},
		{"locked twice", "u:!!" + md5Hash + ":19000:0:99999:7:::", verifier.ErrDisabled, verifier.ErrWrongPassword},
		{"never had one", "u:!:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"star", "u:*:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"locked star", "u:!*:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"star before a hash", "u:*" + md5Hash + ":19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"empty", "u::19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"shadowed", "u:x:1000:1000:U:/home/u:/bin/sh", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"in the clear", "u:secret:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"scheme in the clear", "u:{PLAIN}secret:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"gost-yescrypt", "u:$gy$j9T$saltsaltsalt$hash:19000:0:99999:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"fields missing", "u:" + md5Hash + ":19000", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"nonsense date", "u:" + md5Hash + ":19000:0:soon:7:::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"huge date", "u:" + md5Hash + ":19000:0:99999:7::99999999999:", verifier.ErrNoSecret, verifier.ErrNoSecret},

		{"ends tomorrow", "u:" + md5Hash + ":19000:0:99999:7::" + day(1) + ":", nil, verifier.ErrWrongPassword},
		{"ends today", "u:" + md5Hash + ":19000:0:99999:7::" + day(0) + ":", verifier.ErrExpired, verifier.ErrWrongPassword},
		{"ended on day 0", "u:" + md5Hash + ":19000:0:99999:7::0:", verifier.ErrExpired, verifier.ErrWrongPassword},
		{"must change", "u:" + md5Hash + ":0:0:99999:7:::", verifier.ErrExpired, verifier.ErrWrongPassword},
		{"as old as allowed", "u:" + md5Hash + ":" + day(-90) + ":0:90:7:::", nil, verifier.ErrWrongPassword},
		{"too old", "u:" + md5Hash + ":" + day(-91) + ":0:90:7:::", verifier.ErrExpired, verifier.ErrWrongPassword},
		{"too old but inactivity allows", "u:" + md5Hash + ":" + day(-91) + ":0:90:7:30::", verifier.ErrExpired, verifier.ErrWrongPassword},
		{"changed tomorrow", "u:" + md5Hash + ":" + day(1) + ":0:0:7:::", nil, verifier.ErrWrongPassword},
		{"minus one", "u:" + md5Hash + ":-1:-1:-1:-1:-1:-1:", nil, verifier.ErrWrongPassword},
		{"locked and expired", "u:!" + md5Hash + ":0:0:99999:7::1:", verifier.ErrDisabled, verifier.ErrWrongPassword},

		{"second line", "u:" + sha256Hash + ":::::::\nu:*:::::::", nil, verifier.ErrWrongPassword},
		{"first line", "u:*:::::::\nu:" + md5Hash + ":::::::", verifier.ErrNoSecret, verifier.ErrNoSecret},
		{"comment", "#u:" + md5Hash + ":::::::\nv:*:::::::", verifier.ErrNoUser, verifier.ErrNoUser},
		{"NIS", "+u:" + md5Hash + ":::::::\nv:*:::::::", verifier.ErrNoUser, verifier.ErrNoUser},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t, stored.Options{}, tt.line)
			for password, want := range map[string]error{"secret": tt.right, "Secret": tt.wrong, "": tt.wrong} {
				if err := verify(t, db, "u", password); !errors.Is(err, want) || want == nil && err != nil {
					t.Errorf("%q: %v, want %v", password, err, want)
				}
			}
			if err := verify(t, db, "nobody", "secret"); !errors.Is(err, verifier.ErrNoUser) {
				t.Errorf("nobody: %v", err)
			}
		})
	}
}

// TestFaults: what is wrong is told with its line, and nothing of the hash.
func TestFaults(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{},
		"root:*:19000:0:99999:7:::", "a:canary", "b:$gy$canary:::::::", ":canary:::::::", "root:canary:::::::", "c:!$6$canary:::::::", "d::::::::", "e:{PLAIN}canary:::::::")
	var got []string
	for _, err := range db.Faults() {
		got = append(got, strings.TrimPrefix(err.Error(), "shadow: "+db.file.Path()+": "))
		if strings.Contains(err.Error(), "canary") {
			t.Errorf("quotes the hash: %v", err)
		}
	}
	want := []string{"line 2: user \"a\": 2 fields, want 9 of shadow or 7 of passwd", "line 3: user \"b\": ", "line 4: no user name", "line 5: user \"root\" is in the file already: the first line counts", "line 6: user \"c\": ", "line 8: user \"e\": password is not a hash"}
	for i := range got {
		if i < len(want) && strings.HasSuffix(want[i], ": ") && strings.HasPrefix(got[i], want[i]) {
			got[i] = want[i]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestWork: whoever asks for whom, one hash is computed, and for an unknown user one of
// the cost that most users' have.
func TestWork(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var costs []string
	db := newDB(t, stored.Options{Observer: func(cost string) {
		mu.Lock()
		defer mu.Unlock()
		costs = append(costs, cost)
	}},
		"a:"+sha256Hash+":::::::", "b:"+md5Hash+":::::::", "c:"+md5Hash+":::::::", "locked:!"+md5Hash+":::::::",
		"star:*:::::::", "old:"+md5Hash+":0::::::", "empty::::::::")
	common, err := stored.Parse(md5Hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"nobody", "b", "c", "star", "empty", "locked", "old"} {
		for _, password := range []string{"wrong", "secret", strings.Repeat("long", 200)} {
			costs = nil
			verify(t, db, user, password)
			if diff := cmp.Diff([]string{common.Cost()}, costs); diff != "" {
				t.Errorf("%s, password of %d bytes: -want +got\n%s", user, len(password), diff)
			}
		}
	}
}

// TestFileInTrouble: what cannot be read is trouble and no refusal, for everybody, and
// only as long as it lasts.
func TestFileInTrouble(t *testing.T) {
	t.Parallel()
	good := "alice:" + md5Hash + ":19000:0:99999:7:::"
	db := newDB(t, stored.Options{}, good)
	path := db.file.Path()
	for _, tt := range []struct {
		name  string
		spoil func() error
	}{
		{"removed", func() error { return os.Remove(path) }},
		{"truncated", func() error { return os.Truncate(path, 0) }},
		{"cut in the line", func() error { return os.Truncate(path, int64(len(good)/2)) }},
		{"only comments", func() error { return os.WriteFile(path, []byte("# gone\n"), 0o600) }},
		{"a folder", func() error { os.Remove(path); return os.Mkdir(path, 0o700) }},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"alice", "nobody"} {
			if err := verify(t, db, user, "secret"); !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
				t.Errorf("%s: %s: %v", tt.name, user, err)
			}
		}
		os.Remove(path)
		write(t, path, good)
		if err := verify(t, db, "alice", "secret"); err != nil {
			t.Errorf("after %s: %v", tt.name, err)
		}
	}
	// Replaced by one where the password is another.
	write(t, path+".new", "alice:"+md5Hash[:len(md5Hash)-1]+"0:19000:0:99999:7:::")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, db, "alice", "secret"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("after the change: %v", err)
	}
}

func TestPermission(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "alice:"+md5Hash+":19000:0:99999:7:::")
	path := db.file.Path()
	dir := filepath.Dir(path)
	for name, mode := range map[string]os.FileMode{path: 0, dir: 0o755, filepath.Dir(dir): 0o755} { // the file's mode alone decides
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	nobody.Do(func() {
		if _, err := Open(path); !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "group shadow") {
			t.Errorf("at start: %v", err)
		}
		if err := verify(t, db, "alice", "secret"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, os.ErrPermission) {
			t.Errorf("at a login: %v", err)
		}
	})
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := verify(t, db, "alice", "secret"); err != nil {
		t.Errorf("with the mode back: %v", err)
	}
}

// TestCached: with the Mark a hash is computed once, until the file changes or the day
// ends.
func TestCached(t *testing.T) {
	t.Parallel()
	hashes := 0
	db := newDB(t, stored.Options{Parallel: 1, Observer: func(string) { hashes++ }}, "alice:"+md5Hash+":19000:0:99999:7::"+fmt.Sprint(today+1)+":")
	cached := verifier.Cache(db, verifier.CacheOptions{Life: time.Hour, Mark: db.Mark})
	try := func(want error, computed int) {
		t.Helper()
		hashes = 0
		_, err := cached.VerifyPassword(t.Context(), verifier.Request{User: "alice"}, "secret")
		if !errors.Is(err, want) || want == nil && err != nil || hashes != computed {
			t.Errorf("%v after %d hashes, want %v after %d", err, hashes, want, computed)
		}
	}
	try(nil, 1)
	try(nil, 0)
	write(t, db.file.Path(), "alice:!"+md5Hash+":::::::")
	try(verifier.ErrDisabled, 1)
	write(t, db.file.Path(), "alice:"+md5Hash+":19000:0:99999:7::"+fmt.Sprint(today+1)+":")
	try(nil, 1)
	try(nil, 0)
	db.now = func() time.Time { return time.Unix((today+1)*86400, 0) }
	try(verifier.ErrExpired, 1)
	os.Remove(db.file.Path())
	try(verifier.ErrUnavailable, 0)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	if _, err := Open(filepath.Join(t.TempDir(), "shadow")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	db := newDB(t, stored.Options{}, "alice:"+md5Hash+":::::::")
	if got, want := verifier.Name(db), "shadow:"+db.file.Path(); got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if got := fmt.Sprintf("%v %+v %#v", db, *db, db); strings.Contains(got, "$1$") {
		t.Error("prints the file")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("root:*:19000:0:99999:7:::\nalice:" + md5Hash + ":19000:0:99999:7:::\n")
	f.Add("u:!" + yescrypt + ":0::::1:2:\nu:x:1:1:::\n")
	f.Add("u:::::::::\n")
	f.Add(":\n+\n\n#")
	f.Fuzz(func(t *testing.T, text string) {
		tb, err := parse([]byte(text))
		if err != nil {
			if tb != nil {
				t.Error("an error and a table")
			}
			return
		}
		if len(tb.users) == 0 || len(tb.users)+len(tb.faults) > 2*strings.Count(text, "\n") {
			t.Errorf("%d users and %d faults in %d lines", len(tb.users), len(tb.faults), strings.Count(text, "\n"))
		}
		for name, e := range tb.users {
			if name == "" || strings.ContainsAny(name, ":\n") {
				t.Errorf("name %q", name)
			}
			if (e.unusable == nil) != (e.value.Kinds() == verifier.KindsOf(verifier.KindCheck)) {
				t.Errorf("%q: %v with kinds %v", name, e.unusable, e.value.Kinds())
			}
		}
	})
}
