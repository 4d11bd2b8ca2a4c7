package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
)

const fiveSCRAM = "SCRAM-SHA-1 keys, SCRAM-SHA-224 keys, SCRAM-SHA-256 keys, SCRAM-SHA-384 keys, SCRAM-SHA-512 keys"

// held returns the properties of the users of a file, and of userPassword the value.
func held(t *testing.T, path string) map[string][]string {
	t.Helper()
	listing, err := sasldb.Read(path)
	if err != nil || listing.Damage != nil {
		t.Fatalf("%s: %v %v", path, err, listing.Damage)
	}
	slices.SortFunc(listing.Records, compareRecords)
	all := map[string][]string{}
	for _, r := range listing.Records {
		user, property := realm.Join(r.Authid, r.Realm), r.Property
		if property == sasldb.PropertyPassword {
			property += "=" + string(r.Value)
		}
		all[user] = append(all[user], property)
	}
	return all
}

func wantHeld(t *testing.T, path string, want map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(want, held(t, path)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", path, diff)
	}
}

// allow reports whether a user gets in, by PLAIN or with SCRAM keys.
func allow(t *testing.T, path, user, password string) bool {
	t.Helper()
	return runCommand(t, password+"\n", "check", "--verifier", "sasldb:"+path, "--password-stdin", user).code == 0
}

func TestPasswd(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "sasldb2")
	passwd := func(args ...string) []string { return append([]string{"passwd", "-f", db}, args...) }
	const alice = "alice@mail.example"
	for _, c := range []struct {
		commandCase
		held map[string][]string
	}{
		{commandCase{name: "a new file", stdin: "one\n", args: passwd("-u", "mail.example", "--password-stdin", "alice"),
			out: alice + ": password set (password) in " + db + "\n"},
			map[string][]string{alice: {"userPassword=one"}}},
		{commandCase{name: "a change", stdin: "two\n", args: passwd("--password-stdin", alice),
			out: alice + ": password set (password) in " + db + "\n"},
			map[string][]string{alice: {"userPassword=two"}}},
		{commandCase{name: "with SCRAM keys", stdin: "three", args: passwd("--password-stdin", "--scram", alice),
			out: alice + ": password set (password, " + fiveSCRAM + ") in " + db + "\n"},
			map[string][]string{alice: {"authPassword", "saslkit-SCRAM-SHA-1", "saslkit-SCRAM-SHA-224", "saslkit-SCRAM-SHA-384", "saslkit-SCRAM-SHA-512", "userPassword=three"}}},
		{commandCase{name: "without the password", stdin: "four\n", args: passwd("--password-stdin", "--no-plain", alice),
			out: alice + ": password set (" + fiveSCRAM + ") in " + db + "\n"},
			map[string][]string{alice: {"authPassword", "saslkit-SCRAM-SHA-1", "saslkit-SCRAM-SHA-224", "saslkit-SCRAM-SHA-384", "saslkit-SCRAM-SHA-512"}}},
		{commandCase{name: "if new", stdin: "five\n", args: passwd("--password-stdin", "--if-new", alice), code: 1,
			err: []string{"alice@mail.example exists already"}}, nil},
		{commandCase{name: "disabled", args: passwd("--disable", alice), out: alice + ": disabled in " + db + "\n"},
			map[string][]string{alice: {"saslkit-disabled:authPassword", "saslkit-disabled:saslkit-SCRAM-SHA-1", "saslkit-disabled:saslkit-SCRAM-SHA-224", "saslkit-disabled:saslkit-SCRAM-SHA-384", "saslkit-disabled:saslkit-SCRAM-SHA-512"}}},
		{commandCase{name: "disabled twice", args: passwd("--disable", alice), out: alice + ": disabled in " + db + "\n"}, nil},
		{commandCase{name: "a change while disabled", stdin: "six\n", args: passwd("--password-stdin", "--if-exists", alice),
			out: alice + ": password set (password, " + fiveSCRAM + ") in " + db + "\n", err: []string{"stays disabled"}}, nil},
		{commandCase{name: "enabled", args: passwd("--enable", alice), out: alice + ": enabled in " + db + "\n"},
			map[string][]string{alice: {"authPassword", "saslkit-SCRAM-SHA-1", "saslkit-SCRAM-SHA-224", "saslkit-SCRAM-SHA-384", "saslkit-SCRAM-SHA-512", "userPassword=six"}}},
		{commandCase{name: "if exists", stdin: "x\n", args: passwd("--password-stdin", "--if-exists", "bob@mail.example"), code: 1,
			err: []string{"no user bob@mail.example"}}, nil},
		{commandCase{name: "nothing left", stdin: "x\n", args: passwd("--password-stdin", "--no-plain", "bob@mail.example"), code: 2,
			err: []string{"add --scram"}}, nil},
		{commandCase{name: "prepared", stdin: "\u00aa\u00ad\n", args: passwd("--password-stdin", "--if-new", "\uff22ob\uff20mail.example"),
			out: "Bob@mail.example: password set (password) in " + db + "\n"},
			map[string][]string{"Bob@mail.example": {"userPassword=a"}}},
		{commandCase{name: "no realm", stdin: "x\n", args: passwd("--password-stdin", "carol@"),
			out: "carol: password set (password) in " + db + "\n"}, nil},
		{commandCase{name: "deleted", args: passwd("--delete", alice), out: alice + ": deleted from " + db + "\n"}, nil},
		{commandCase{name: "deleted twice", args: passwd("--delete", alice), code: 1, err: []string{"no user alice@mail.example"}}, nil},
		{commandCase{name: "disabled, unknown", args: passwd("--disable", alice), code: 1, err: []string{"no user alice@mail.example"}}, nil},
		{commandCase{name: "deleted as typed", args: passwd("--delete", "\uff22ob@mail.example"), out: "Bob@mail.example: deleted from " + db + "\n"}, nil},
	} {
		c.check(t)
		got := held(t, db)
		for user, want := range c.held {
			if diff := cmp.Diff(want, got[user]); diff != "" {
				t.Errorf("%s: %s: -want +got:\n%s", c.name, user, diff)
			}
		}
	}
	wantHeld(t, db, map[string][]string{"carol": {"userPassword=x"}})
	if info, err := os.Stat(db); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
	}
}

// Every change counts for the next login, whichever the kind.
func TestPasswdRevokes(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	const bob = "bob@mail.example"
	steps := []struct {
		args []string
		want string // that gets him in
	}{
		{nil, "builder"},
		{[]string{"--scram"}, "new1"},
		{nil, "new2"},
		{[]string{"--disable"}, ""},
		{nil, ""},
		{[]string{"--enable"}, "new4"},
		{[]string{"--delete"}, ""},
	}
	for i, s := range steps {
		if i > 0 {
			stdin, args := "", append([]string{"passwd", "-f", db, bob}, s.args...)
			if len(s.args) == 0 || s.args[0] == "--scram" {
				stdin, args = "new"+string(rune('0'+i))+"\n", append(args, "--password-stdin")
			}
			if got := runCommand(t, stdin, args...); got.code != 0 {
				t.Fatalf("%q: %+v", args, got)
			}
		}
		for _, password := range []string{"builder", "new1", "new2", "new4"} {
			if got := allow(t, db, bob, password); got != (password == s.want) {
				t.Errorf("step %d: %s gets in: %v", i, password, got)
			}
		}
	}
}

func TestPasswdRefuses(t *testing.T) {
	t.Parallel()
	db, dir := mailDB(t), t.TempDir()
	missing, there := filepath.Join(dir, "none", "sasldb2"), held(t, db)
	passwd := func(args ...string) []string { return append([]string{"passwd", "-f", db}, args...) }
	stdin := func(args ...string) []string { return passwd(append(args, "--password-stdin")...) }
	hardLinked := filepath.Join(dir, "linked")
	if err := sasldb.Create(hardLinked, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(hardLinked, hardLinked+"2"); err != nil {
		t.Skip("missing: hard links: ", err)
	}
	checkAll(t, []commandCase{
		{name: "no user", args: passwd(), code: 2, err: []string{"passwd: USER is missing"}},
		{name: "password as an argument", args: passwd("alice", "sesame"), code: 2, err: []string{"no more arguments"}},
		{name: "nowhere to ask", args: passwd("alice"), code: 2, err: []string{"no terminal to ask"}},
		{name: "two sources", args: stdin("alice", "--password-file", "x"), code: 2, err: []string{"exclude each other"}},
		{name: "delete and disable", args: passwd("--delete", "--disable", "alice"), code: 2, err: []string{"--delete and --disable exclude each other"}},
		{name: "delete and a password", args: stdin("--delete", "alice"), code: 2, err: []string{"--delete sets no password"}},
		{name: "enable if new", args: passwd("--enable", "--if-new", "alice"), code: 2, err: []string{"--enable sets no password"}},
		{name: "new and existing", args: stdin("--if-new", "--if-exists", "alice"), code: 2, err: []string{"exclude each other"}},
		{name: "two realms", stdin: "x\n", args: stdin("-u", "a.example", "alice@b.example"), code: 2, err: []string{"USER names a realm, and -u another"}},
		{name: "two @", stdin: "x\n", args: stdin("alice@b@c"), code: 2, err: []string{`"alice@b@c"`, "more than one '@'"}},
		{name: "no name", stdin: "x\n", args: stdin("@mail.example"), code: 2, err: []string{"USER is empty"}},
		{name: "no name once prepared", stdin: "x\n", args: stdin("\u00ad"), code: 2, err: []string{"USER is empty"}},
		{name: "long name", stdin: "x\n", args: stdin(strings.Repeat("x", 256) + "@e"), code: 2, err: []string{"more than 255 bytes"}},
		{name: "long realm", stdin: "x\n", args: stdin("x@" + strings.Repeat("x", 256)), code: 2, err: []string{"more than 255 bytes"}},
		{name: "very long name", stdin: "x\n", args: stdin(strings.Repeat("x", 1<<20)), code: 2, err: []string{"more than 255 bytes"}},
		{name: "name that is not UTF-8", stdin: "x\n", args: stdin("j\xf6rg"), code: 2, err: []string{"USER cannot be used: saslprep: byte 1: not valid UTF-8"}},
		{name: "control character in the name", stdin: "x\n", args: stdin("al\x1bice"), code: 2, err: []string{"USER cannot be used"}},
		{name: "realm that is unassigned", stdin: "x\n", args: stdin("al", "-u", "\U0001f600.example"), code: 2, err: []string{"the realm cannot be used"}},
		{name: "empty password", stdin: "\n", args: stdin("bob@mail.example"), code: 2, err: []string{"password is empty"}},
		{name: "empty password once prepared", stdin: "\u00ad\n", args: stdin("bob@mail.example"), code: 2, err: []string{"password is empty"}},
		{name: "NUL in the password", stdin: "a\x00b\n", args: stdin("bob@mail.example"), code: 2, err: []string{"the password cannot be used"}},
		{name: "long password", stdin: strings.Repeat("x", 4097) + "\n", args: stdin("bob@mail.example"), code: 2, err: []string{"more than 4096 bytes"}},
		{name: "password that is not UTF-8", stdin: "gr\xfcn\n", args: stdin("bob@mail.example"), code: 2, err: []string{"byte 2: not valid UTF-8"}},
		{name: "unknown format", stdin: "x\n", args: stdin("--format", "dbm", "bob"), code: 2, err: []string{"known: bdb, gdbm, lmdb"}},
		{name: "LMDB", stdin: "x\n", args: stdin("--format", "lmdb", "bob"), code: 2, err: []string{"by convert only"}},
		{name: "no folder", stdin: "x\n", args: []string{"passwd", "-f", missing, "--password-stdin", "bob"}, code: 3, err: []string{filepath.Dir(missing), "no such file"}},
		{name: "deleted from no file", args: []string{"passwd", "-f", filepath.Join(dir, "x"), "--delete", "bob"}, code: 3, err: []string{"no such file"}},
		{name: "existing in no file", stdin: "x\n", args: []string{"passwd", "-f", filepath.Join(dir, "x"), "--if-exists", "--password-stdin", "bob"}, code: 1, err: []string{"no user bob@"}},
		{name: "folder", stdin: "x\n", args: []string{"passwd", "-f", dir, "--password-stdin", "bob"}, code: 3, err: []string{"not a regular file"}},
		{name: "no database", stdin: "x\n", args: []string{"passwd", "-f", testdata + "bad-magic.db", "--password-stdin", "bob"}, code: 4, err: []string{"unknown format"}},
		{name: "damaged", stdin: "x\n", args: []string{"passwd", "-f", testdata + "bad-item-offset.db", "--password-stdin", "bob"}, code: 4, err: []string{"page 1: entry 0"}},
		{name: "hard links", stdin: "x\n", args: []string{"passwd", "-f", hardLinked, "--password-stdin", "bob"}, code: 2, err: []string{"cannot be changed safely"}},
	})
	t.Cleanup(func() {
		if diff := cmp.Diff(there, held(t, db)); diff != "" {
			t.Errorf("the file was changed, -before +after:\n%s", diff)
		}
		if _, err := os.Lstat(filepath.Join(dir, "x")); err == nil {
			t.Error("a file was made")
		}
	})
}

func TestPasswdNotPermitted(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	for path, mode := range map[string]os.FileMode{db: 0o444, filepath.Dir(db): 0o555} { // for the owner, if not root's
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Dir(db), 0o755) }) // so that it can be removed
	nobody.Do(func() {
		got := runCommand(t, "x\n", "passwd", "-f", db, "--password-stdin", "bob@mail.example")
		if got.code != 2 && got.code != 3 || got.out != "" || got.stderr == "" {
			t.Errorf("%+v", got)
		}
	})
	wantHeld(t, db, map[string][]string{"alice@mail.example": {"userPassword=wonderland"}, "bob@mail.example": {"userPassword=builder"}, "carol@mail.example": {"cmusaslsecretOTP"}})
}

// What the user had of other kinds is made anew, and what cannot be is gone.
func TestPasswdReplacesAllKinds(t *testing.T) {
	t.Parallel()
	record := func(property, value string) sasldb.Record {
		return sasldb.Record{Authid: "al", Realm: "e", Property: property, Value: []byte(value)}
	}
	old := []sasldb.Record{
		record("userPassword", "old"),
		record("cmusaslsecretCRAM-MD5", strings.Repeat("c", 32)),
		record("cmusaslsecretDIGEST-MD5", strings.Repeat("d", 16)),
		record("cmusaslsecretPLAIN", strings.Repeat("p", 33)),
		record("cmusaslsecretSRP", "verifier"),
		record("cmusaslsecretOTP", "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000"),
		record("authPassword", "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="),
		record("mailQuota", "100"),
	}
	db := createDB(t, old...)
	got := runCommand(t, "new\n", "passwd", "-f", db, "-u", "e", "--password-stdin", "al")
	if got.code != 0 {
		t.Fatalf("%+v", got)
	}
	wantHeld(t, db, map[string][]string{"al@e": {
		"authPassword", "cmusaslsecretCRAM-MD5", "cmusaslsecretDIGEST-MD5", "cmusaslsecretOTP", "mailQuota",
		"saslkit-SCRAM-SHA-1", "saslkit-SCRAM-SHA-224", "saslkit-SCRAM-SHA-384", "saslkit-SCRAM-SHA-512", "userPassword=new",
	}})
	listing, err := sasldb.Read(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range listing.Records {
		for _, o := range old {
			if r.Property == o.Property && string(r.Value) == string(o.Value) && r.Property != "mailQuota" {
				t.Errorf("%s is what it was", r.Property)
			}
		}
	}
}

// A user whom other tools stored under a name as it was typed can be deleted.
func TestPasswdAsTyped(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"j\xf6rg", "\u00aa", "al\x1bice"} {
		db := createDB(t, sasldb.Record{Authid: name, Realm: "e", Property: "userPassword", Value: []byte("x")})
		got := runCommand(t, "", "passwd", "-f", db, "--delete", name+"@e")
		if got.code != 0 {
			t.Errorf("%q: %+v", name, got)
		}
		wantHeld(t, db, map[string][]string{})
	}
}

func TestPasswdFormat(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "sasldb2")
	if got := runCommand(t, "x\n", "passwd", "-f", db, "--format", "gdbm", "--password-stdin", "al@e"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if listing, err := sasldb.Read(db); err != nil || listing.Format != sasldb.GDBM {
		t.Errorf("%v, %v", listing.Format, err)
	}
	wantHeld(t, db, map[string][]string{"al@e": {"userPassword=x"}})
}

func TestPasswdIterations(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	passwd := func(count string) ran {
		return runCommand(t, "x\n", "passwd", "-f", db, "--password-stdin", "--scram", "--no-plain", "--iterations", count, "bob@mail.example")
	}
	for _, count := range []string{"4095", "1000001", "-1", "many"} {
		if got := passwd(count); got.code != 2 || !strings.Contains(got.stderr, "iterations") {
			t.Errorf("%s: %+v", count, got)
		}
	}
	if got := passwd("4096"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	listing, err := sasldb.Read(db)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	for _, r := range listing.Records {
		if name, rest, ok := strings.Cut(string(r.Value), "$"); ok && strings.HasPrefix(name, "SCRAM-") {
			keys++
			if !strings.HasPrefix(rest, "4096:") {
				t.Errorf("%s is %s", r.Property, r.Value)
			}
		}
	}
	if keys != 5 {
		t.Errorf("%d keys, want 5", keys)
	}
}
