package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/sasldb"
)

// withKeys is what a user of a rekeyed file has.
func withKeys() []string {
	return []string{"authPassword", "saslkit-SCRAM-SHA-1", "saslkit-SCRAM-SHA-224", "saslkit-SCRAM-SHA-384", "saslkit-SCRAM-SHA-512"}
}

// inShort has KEYS for those.
func inShort(held map[string][]string) map[string]string {
	short := map[string]string{}
	for user, properties := range held {
		others := slices.DeleteFunc(slices.Clone(properties), func(p string) bool { return slices.Contains(withKeys(), p) })
		if len(properties)-len(others) == len(withKeys()) {
			properties = append([]string{"KEYS"}, others...)
		}
		short[user] = strings.Join(properties, " ")
	}
	return short
}

func password(user, in, value string) sasldb.Record {
	return sasldb.Record{Authid: user, Realm: in, Property: sasldb.PropertyPassword, Value: []byte(value)}
}

// loginsBySCRAM reports whether a user gets in by a SCRAM mechanism.
func loginsBySCRAM(t *testing.T, path, mech, user, password string) bool {
	t.Helper()
	return runCommand(t, password+"\n", "check", "--verifier", "sasldb:"+path, "--mech", mech, "--password-stdin", user).code == 0
}

func mustRun(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	got := runCommand(t, stdin, args...)
	if got.code != 0 {
		t.Fatalf("saslkit %q: %+v", args, got)
	}
	return got
}

func TestPasswdAll(t *testing.T) {
	t.Parallel()
	cyrus := "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
	db := createDB(t,
		password("al", "e", "pencil"),
		password("bo", "f", "builder"),
		password("few", "e", "pencil"), sasldb.Record{Authid: "few", Realm: "e", Property: "authPassword", Value: []byte(cyrus)},
		password("disabled", "e", "x"),
		sasldb.Record{Authid: "otp", Realm: "e", Property: "cmusaslsecretOTP", Value: []byte("md5 499")},
		password("more", "e", "\uff38"), sasldb.Record{Authid: "more", Realm: "e", Property: "mailQuota", Value: []byte("1")},
		sasldb.Record{Authid: "more", Realm: "e", Property: "cmusaslsecretDIGEST-MD5", Value: []byte("sixteen of bytes")},
		password("latin", "e", "gr\xfcn"), password("emoji", "e", "pen\U0001f600cil"), password("wide", "", "w"),
	)
	mustRun(t, "", "passwd", "-f", db, "--disable", "disabled@e")
	mustRun(t, "stale\n", "passwd", "-f", db, "--scram", "--password-stdin", "stale@e")
	mustRun(t, "good\n", "passwd", "-f", db, "--scram", "--password-stdin", "good@e")
	mustRun(t, "keys\n", "passwd", "-f", db, "--scram", "--no-plain", "--password-stdin", "keys@e")
	// Cyrus changes the password and leaves the keys.
	if err := sasldb.Edit(t.Context(), db, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error { return tx.Set(password("stale", "e", "fresh")) }); err != nil {
		t.Fatal(err)
	}
	all := func(args ...string) []string {
		return append([]string{"passwd", "-f", db, "--all", "--scram"}, args...)
	}
	want := inShort(held(t, db))
	for _, c := range []struct {
		commandCase
		changed map[string]string
	}{
		{commandCase{name: "of a realm that nobody has", args: all("-u", "g"), code: 1, err: []string{`no user of realm "g"`}}, nil},
		{commandCase{name: "of no realm", args: all("-u", ""), err: []string{"saslkit: made keys for 1 user of " + db + "\n"}},
			map[string]string{"wide": "KEYS userPassword=w"}},
		{commandCase{name: "of a realm, as typed", args: all("-u", "\uff45"), err: []string{"made keys for 6 users of " + db + "; 2 had them already; 1 has no password stored; 1 is disabled\n"}},
			map[string]string{
				"al@e": "KEYS userPassword=pencil", "few@e": "KEYS userPassword=pencil", "latin@e": "KEYS userPassword=gr\xfcn",
				"emoji@e": "KEYS userPassword=pen\U0001f600cil", "more@e": "KEYS cmusaslsecretDIGEST-MD5 mailQuota userPassword=\uff38",
			}},
		{commandCase{name: "all, without passwords", args: all("--no-plain"), err: []string{"made keys for 1 user of " + db + "; 9 had them already; 1 has no password stored; 1 is disabled; 9 passwords are not stored any more\n"}},
			map[string]string{
				"al@e": "KEYS", "bo@f": "KEYS", "few@e": "KEYS", "latin@e": "KEYS", "emoji@e": "KEYS", "more@e": "KEYS cmusaslsecretDIGEST-MD5 mailQuota",
				"stale@e": "KEYS", "good@e": "KEYS", "wide": "KEYS",
			}},
		{commandCase{name: "again", args: all("--no-plain"), err: []string{"made keys for 0 users of " + db + "; 10 had them already; 1 has no password stored; 1 is disabled\n"}}, nil},
		{commandCase{name: "more iterations cannot be made", args: all("--iterations", "10001"), err: []string{"made keys for 0 users of " + db + "; 11 have no password stored; 1 is disabled\n"}}, nil},
	} {
		c.check(t)
		maps.Copy(want, c.changed)
		if diff := cmp.Diff(want, inShort(held(t, db))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
	for user, password := range map[string]string{
		"al@e": "pencil", "bo@f": "builder", "few@e": "pencil", "more@e": "X", "stale@e": "fresh", "good@e": "good", "keys@e": "keys",
		"emoji@e": "pen\U0001f600cil",
	} {
		for _, mech := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			if !loginsBySCRAM(t, db, mech, user, password) {
				t.Errorf("%s does not get in by %s", user, mech)
			}
		}
		if !allow(t, db, user, password) {
			t.Errorf("%s does not get in by PLAIN", user)
		}
	}
	if allow(t, db, "stale@e", "stale") || allow(t, db, "disabled@e", "x") {
		t.Error("an old password or a disabled user gets in")
	}
}

// Those that are there are made anew for more iterations, and not for fewer.
func TestPasswdAllIterations(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "pencil"))
	for _, c := range []struct{ given, made, count string }{{"4097", "1 user", "4097"}, {"4096", "0 users", "4097"}, {"", "1 user", "10000"}} {
		args := []string{"passwd", "-f", db, "--all", "--scram"}
		if c.given != "" {
			args = append(args, "--iterations", c.given)
		}
		if got := mustRun(t, "", args...); !strings.Contains(got.stderr, "made keys for "+c.made) || got.out != "" {
			t.Errorf("%s: %+v", c.given, got)
		}
		for _, property := range withKeys() {
			if value := propertyOf(t, db, "al", property); !strings.Contains(value, "$"+c.count+":") {
				t.Errorf("%s: %s is %s", c.given, property, value)
			}
		}
	}
	alone := createDB(t)
	mustRun(t, "x\n", "passwd", "-f", alone, "--scram", "--password-stdin", "al@e")
	if value := propertyOf(t, alone, "al", "authPassword"); !strings.Contains(value, "$10000:") {
		t.Errorf("a user alone has %s: the default is not the same", value)
	}
}

func TestPasswdAllRefuses(t *testing.T) {
	t.Parallel()
	db, dir := mailDB(t), t.TempDir()
	before := held(t, db)
	all := func(args ...string) []string { return append([]string{"passwd", "-f", db, "--all"}, args...) }
	of := func(path string) []string { return []string{"passwd", "-f", path, "--all", "--scram"} }
	checkAll(t, []commandCase{
		{name: "no kind", args: all(), code: 2, err: []string{"--all needs --scram"}},
		{name: "only no password", args: all("--no-plain"), code: 2, err: []string{"--all needs --scram"}},
		{name: "user", args: all("--scram", "alice"), code: 2, err: []string{"--all takes no USER"}},
		{name: "delete", args: all("--delete"), code: 2, err: []string{"--all and --delete exclude each other"}},
		{name: "disable", args: all("--disable"), code: 2, err: []string{"--all and --disable"}},
		{name: "enable", args: all("--enable"), code: 2, err: []string{"--all and --enable"}},
		{name: "if new", args: all("--scram", "--if-new"), code: 2, err: []string{"--all and --if-new"}},
		{name: "if exists", args: all("--scram", "--if-exists"), code: 2, err: []string{"--all and --if-exists"}},
		{name: "one-time passwords", args: all("--scram", "--otp"), code: 2, err: []string{"--all and --otp"}},
		{name: "a password", args: all("--scram", "--password-stdin"), code: 2, err: []string{"--all and --password-stdin"}},
		{name: "format", args: all("--scram", "--format", "gdbm"), code: 2, err: []string{"--all and --format"}},
		{name: "few iterations", args: all("--scram", "--iterations", "4095"), code: 2, err: []string{"--iterations 4095"}},
		{name: "no file", args: of(filepath.Join(dir, "x")), code: 3, err: []string{"no such file"}},
		{name: "folder", args: of(dir), code: 3, err: []string{"not a regular file"}},
		{name: "no database", args: of(testdata + "bad-magic.db"), code: 4, err: []string{"unknown format"}},
		{name: "damaged", args: of(testdata + "bad-item-offset.db"), code: 4, err: []string{"page 1: entry 0"}},
	})
	t.Cleanup(func() { wantHeld(t, db, before) })
}

// Who is left out keeps what he has, and is there.
func TestPasswdAllExcept(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "x"), password("bo", "e", "x"), password("fax", "e", "x"), password("fax", "f", "x"), password("\uff46\uff41\uff58", "e", "x"))
	before := held(t, db)
	all := func(args ...string) []string {
		return append([]string{"passwd", "-f", db, "--all", "--scram", "--no-plain"}, args...)
	}
	checkAll(t, []commandCase{
		{name: "nobody of that name", args: all("--except", "fax@e", "--except", "fox@e"), code: 1, err: []string{"no user fox@e"}},
		{name: "nobody in that realm", args: all("--except", "fax"), code: 1, err: []string{"no user fax@"}},
		{name: "nobody in the realm of -u", args: all("-u", "e", "--except", "fox"), code: 1, err: []string{"no user fox@e"}},
		{name: "another realm than -u", args: all("-u", "e", "--except", "fax@f"), code: 2, err: []string{"passwd: --except: USER names a realm, and -u another"}},
		{name: "no name", args: all("--except", ""), code: 2, err: []string{"--except: USER is empty"}},
		{name: "not of all", args: []string{"passwd", "-f", db, "--except", "al@e", "bo@e"}, code: 2, err: []string{"--except needs --all"}},
	})
	wantHeld(t, db, before)
	mustRun(t, "", "passwd", "-f", db, "--disable", "bo@e")
	const wide = "\uff46\uff41\uff58@e" // another user than fax
	commandCase{name: "two", args: all("--except", "fax@e", "--except", wide, "--except", "fax@e"), err: []string{
		"made keys for 2 users of " + db + "; 1 is disabled; 2 are left out; 2 passwords are not stored any more\n",
	}}.check(t)
	plain := []string{"userPassword=x"}
	wantHeld(t, db, map[string][]string{"al@e": withKeys(), "bo@e": {"saslkit-disabled:userPassword"}, "fax@e": plain, "fax@f": withKeys(), wide: plain})
	commandCase{name: "with -u", args: all("-u", "e", "--except", "fax"), err: []string{"made keys for 1 user of", "1 is disabled; 1 is left out;"}}.check(t)
	wantHeld(t, db, map[string][]string{"al@e": withKeys(), "bo@e": {"saslkit-disabled:userPassword"}, "fax@e": plain, "fax@f": withKeys(), wide: withKeys()})
}

// An empty file has nobody, which is no error.
func TestPasswdAllOfNobody(t *testing.T) {
	t.Parallel()
	db := createDB(t)
	commandCase{args: []string{"passwd", "-f", db, "--all", "--scram"}, err: []string{"made keys for 0 users of "}}.check(t)
}

// newRekeying makes keys quickly, and tells of each derivation before it begins.
func newRekeying(t *testing.T, db string, derived func(n int)) (*rekeying, *syncBuffer) {
	t.Helper()
	said := &syncBuffer{}
	var n atomic.Int64
	return &rekeying{
		std: newStdio("saslkit", strings.NewReader(""), io.Discard, said), path: db, noPlain: true, iterations: 10, made: map[userName]making{},
		derive: func(ctx context.Context, h scram.Hash, password string, salt []byte, iterations int) (scram.Record, error) {
			derived(int(n.Add(1)))
			return scram.New(ctx, h, password, salt, iterations)
		},
	}, said
}

// What another program does while keys are made is neither lost nor overruled.
func TestPasswdAllMeanwhile(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "old"), password("bo", "e", "builder"), password("cy", "e", "x"), password("dan", "e", "x"), password("eve", "e", "x"))
	r, said := newRekeying(t, db, func(n int) {
		switch n {
		case 3:
			if err := sasldb.Edit(t.Context(), db, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
				tx.DeleteUser("eve", "e")
				return errors.Join(tx.Set(password("al", "e", "new")), tx.Set(password("new", "e", "newcomer")))
			}); err != nil {
				t.Error(err)
			}
			mustRun(t, "", "passwd", "-f", db, "--disable", "cy@e")
			mustRun(t, "keys\n", "passwd", "-f", db, "--scram", "--no-plain", "--password-stdin", "dan@e")
		case 25 + 2: // the second round, for al and the newcomer
			if err := sasldb.Edit(t.Context(), db, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
				return tx.Set(password("al", "e", "newest"))
			}); err != nil {
				t.Error(err)
			}
		case 25 + 10 + 5 + 1:
			t.Error("more is derived than was changed")
		}
	})
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "saslkit: made keys for 3 users of " + db + "; 1 had them already; 1 is disabled; 3 passwords are not stored any more\n"; said.String() != want {
		t.Errorf("said %q, want %q", said, want)
	}
	disabled := []string{"saslkit-disabled:userPassword"}
	wantHeld(t, db, map[string][]string{"al@e": withKeys(), "bo@e": withKeys(), "cy@e": disabled, "dan@e": withKeys(), "new@e": withKeys()})
	for user, password := range map[string]string{"al@e": "newest", "bo@e": "builder", "dan@e": "keys", "new@e": "newcomer"} {
		if !allow(t, db, user, password) {
			t.Errorf("%s does not get in", user)
		}
	}
}

// Passwords that change in every round end it, with nothing done.
func TestPasswdAllNeverDone(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "0"))
	last := ""
	r, _ := newRekeying(t, db, func(n int) {
		last = strings.Repeat("x", n)
		if err := sasldb.Edit(t.Context(), db, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error { return tx.Set(password("al", "e", last)) }); err != nil {
			t.Error(err)
		}
	})
	if err := r.run(t.Context()); exitCode(err) != exitUntried || !strings.Contains(err.Error(), "change all the time") {
		t.Error(err)
	}
	wantHeld(t, db, map[string][]string{"al@e": {"userPassword=" + last}})
}

// An interrupt leaves the file as it was, also if it comes with the last of the keys.
func TestPasswdAllEndsEarly(t *testing.T) {
	t.Parallel()
	for _, last := range []int{1, 7, 10} {
		db := createDB(t, password("al", "e", "x"), password("bo", "e", "x"))
		before, err := os.ReadFile(db)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r, said := newRekeying(t, db, func(n int) {
			if n == last {
				cancel()
			}
		})
		err = r.run(ctx)
		after, _ := os.ReadFile(db)
		if exitCode(err) != exitUntried || !strings.Contains(err.Error(), "is as it was: interrupted") || !bytes.Equal(before, after) || said.String() != "" {
			t.Errorf("%d: %v, said %q", last, err, said)
		}
		if entries, err := os.ReadDir(filepath.Dir(db)); err != nil || len(entries) != 1 {
			t.Errorf("%d: left behind: %v, %v", last, entries, err)
		}
	}
}

// Keys that cannot be made are an error, and one for all.
func TestPasswdAllFails(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "x"), password("bo", "e", "x"), password("cy", "e", "x"))
	r, _ := newRekeying(t, db, func(int) {})
	failed := errors.New("failed")
	var tried atomic.Int64
	r.derive = func(context.Context, scram.Hash, string, []byte, int) (scram.Record, error) {
		tried.Add(1)
		return scram.Record{}, failed
	}
	if err := r.run(t.Context()); !errors.Is(err, failed) || exitCode(err) != exitUntried {
		t.Error(err)
	}
	if n := int(tried.Load()); n > runtime.GOMAXPROCS(0) {
		t.Errorf("tried %d times", n)
	}
	wantHeld(t, db, map[string][]string{"al@e": {"userPassword=x"}, "bo@e": {"userPassword=x"}, "cy@e": {"userPassword=x"}})
}

// Keys that are there are looked at by one derivation, and by one only.
func TestPasswdAllWitness(t *testing.T) {
	t.Parallel()
	db := createDB(t, password("al", "e", "x"))
	count := 0
	for _, want := range []int{5, 1} {
		r, _ := newRekeying(t, db, func(n int) { count = n })
		r.noPlain = false
		if err := r.run(t.Context()); err != nil || count != want {
			t.Errorf("%d derivations, want %d; %v", count, want, err)
		}
	}
}
