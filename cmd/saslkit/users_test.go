package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/sasldb"
)

const usersOfMailDB = "alice@mail.example\tuserPassword\nbob@mail.example\tuserPassword\ncarol@mail.example\tcmusaslsecretOTP\n"

func TestUsers(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	missing := filepath.Join(t.TempDir(), "sasldb2")
	checkAll(t, []commandCase{
		{name: "text", args: []string{"users", "-f", db}, out: usersOfMailDB},
		{name: "two realms", args: []string{"users", "-f", testdata + "bdb-three-users-two-realms.db"},
			out: "alice@example.com\tcmusaslsecretOTP,userPassword\nbob@example.com\tcmusaslsecretOTP,userPassword\nalice@example.org\tcmusaslsecretOTP,userPassword\n"},
		{name: "no realm", args: []string{"users", "-f", testdata + "bdb-empty-realm.db"}, out: "root\tuserPassword\nroot@example.com\tuserPassword\n"},
		{name: "empty", args: []string{"users", "-f", testdata + "bdb-empty.db"}},
		{name: "reveal without json", args: []string{"users", "-f", db, "--reveal"}, code: 2, err: []string{"--reveal needs --json"}},
		{name: "foreign records", args: []string{"users", "-f", testdata + "bdb-foreign-keys.db"},
			out: "ok@example.com\tuserPassword\n", err: []string{"3 records are no user's"}},
		{name: "damaged", args: []string{"users", "-f", testdata + "bad-item-offset.db"}, code: 4,
			out: "alice@example.com\tuserPassword\nbob@example.com\tcmusaslsecretOTP\nalice@example.org\tcmusaslsecretOTP\n",
			err: []string{"page 1: entry 0 begins at byte 65520 of 4096", "only sound records are listed"}},
		{name: "unknown format", args: []string{"users", "-f", testdata + "bad-magic.db"}, code: 4, err: []string{"unknown format"}},
		{name: "btree", args: []string{"users", "-f", testdata + "bdb-btree.db"}, code: 4, err: []string{"btree"}},
		{name: "zero length", args: []string{"users", "-f", testdata + "bad-zero-length.db"}, code: 4, err: []string{"bad-zero-length.db"}},
		{name: "missing", args: []string{"users", "-f", missing}, code: 3, err: []string{missing, "no such file"}},
		{name: "folder", args: []string{"users", "-f", t.TempDir()}, code: 3, err: []string{"not a regular file"}},
	})
}

func TestUsersUnreadable(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	if err := os.Chmod(db, 0); err != nil {
		t.Fatal(err)
	}
	nobody.Do(func() {
		commandCase{args: []string{"users", "-f", db}, code: 3, err: []string{"permission denied", "group sasl"}}.check(t)
	})
}

func TestUsersJSON(t *testing.T) {
	t.Parallel()
	db := createDB(t,
		sasldb.Record{Authid: "alice", Realm: "", Property: "userPassword", Value: []byte("a<b>&")},
		sasldb.Record{Authid: "j\xf6rg", Realm: "mail.example", Property: "userPassword", Value: []byte{0, 0xff}},
		sasldb.Record{Authid: "esc\x1b[2J\u009b\u202e\U000e0001ö", Realm: "mail.example", Property: "userPassword", Value: []byte("x")},
	)
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"--json"}, []string{
			`{"authid":"alice","realm":"","property":"userPassword"}`,
			`{"authid":"esc\u001b[2J\u009b\u202e\udb40\udc01ö","realm":"mail.example","property":"userPassword"}`,
			`{"authid_base64":"avZyZw==","realm":"mail.example","property":"userPassword"}`,
		}},
		{[]string{"--json", "--reveal"}, []string{
			`{"authid":"alice","realm":"","property":"userPassword","value_base64":"YTxiPiY="}`,
			`{"authid":"esc\u001b[2J\u009b\u202e\udb40\udc01ö","realm":"mail.example","property":"userPassword","value_base64":"eA=="}`,
			`{"authid_base64":"avZyZw==","realm":"mail.example","property":"userPassword","value_base64":"AP8="}`,
		}},
		{nil, []string{
			"alice\tuserPassword",
			`"esc\x1b[2J\u009b\u202e\U000e0001ö@mail.example"` + "\tuserPassword",
			`"j\xf6rg@mail.example"` + "\tuserPassword",
		}},
	} {
		got := runCommand(t, "", append([]string{"users", "-f", db}, test.args...)...)
		if diff := cmp.Diff(strings.Join(test.want, "\n")+"\n", got.out); got.code != 0 || diff != "" {
			t.Errorf("users %q: exit %d, errors %q, -want +got:\n%s", test.args, got.code, got.stderr, diff)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	checkAll(t, []commandCase{
		{name: "sound", args: []string{"verify", "-f", db}, err: []string{"faults: 0, warnings: 0"}},
		{name: "damaged", args: []string{"verify", "-f", testdata + "bad-item-offset.db"}, code: 4,
			out: "fault: sasldb: ../../sasldb/testdata/bad-item-offset.db: bdb: page 1: entry 0 begins at byte 65520 of 4096\n",
			err: []string{"faults: 1"}},
		{name: "unknown format", args: []string{"verify", "-f", testdata + "bad-magic.db"}, code: 4, err: []string{"unknown format"}},
		{name: "missing", args: []string{"verify", "-f", filepath.Join(t.TempDir(), "x")}, code: 3, err: []string{"no such file"}},
		{name: "folder", args: []string{"verify", "-f", t.TempDir()}, code: 3, err: []string{"not a regular file"}},
	})
}

// Every damaged sample is told, by both commands, and quickly.
func TestDamagedSamples(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Glob(testdata + "bad-*.db")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, path := range samples {
		users, verify := runCommand(t, "", "users", "-f", path), runCommand(t, "", "verify", "-f", path)
		if verify.code != 4 || verify.stderr == "" {
			t.Errorf("verify %s: exit %d, errors %q", path, verify.code, verify.stderr)
		}
		if users.code != 0 && users.code != 4 || users.code == 4 && users.stderr == "" {
			t.Errorf("users %s: exit %d, errors %q", path, users.code, users.stderr)
		}
	}
}
