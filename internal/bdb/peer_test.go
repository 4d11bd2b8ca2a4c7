package bdb

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
	"github.com/saslkit/saslkit/internal/peers"
)

// These tests hold what Build makes before libdb and Cyrus SASL.

// run returns the standard output of a program and what it complained about.
func run(t *testing.T, stdin, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

func mustRun(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	out, complaint, err := run(t, stdin, program, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, complaint)
	}
	return out
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dumpOf prints records as db_load reads them.
func dumpOf(records []dbm.Record) string {
	var b strings.Builder
	b.WriteString("VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n")
	for _, r := range records {
		fmt.Fprintf(&b, " %x\n %x\n", r.Key, r.Value)
	}
	b.WriteString("DATA=END\n")
	return b.String()
}

// TestLibdbReads: libdb's verifier accepts the file, its cursor lists the records,
// and its lookup finds every key. The last is seen by asking it to add them all
// without overwriting: it names each as present and changes nothing.
func TestLibdbReads(t *testing.T) {
	verify := peers.Need(t, "db5.3_verify", "db5.3-util")
	dump := peers.Need(t, "db5.3_dump", "db5.3-util")
	load := peers.Need(t, "db5.3_load", "db5.3-util")
	check := func(t *testing.T, l Layout, records []dbm.Record) {
		path := writeFile(t, mustBuild(t, records, Options{Layout: l, LongKeys: KeepLongKeys}))
		mustRun(t, "", verify, "-q", path)
		if got := dbmtest.ParseDump(t, mustRun(t, "", dump, path)); !maps.Equal(got, dbmtest.Map(t, records)) {
			t.Errorf("libdb lists %d records, want %d, or they differ", len(got), len(records))
		}
		_, complaint, _ := run(t, dumpOf(records), load, "-n", "-t", "hash", path)
		if n := strings.Count(complaint, "already exists"); n != len(records) {
			t.Errorf("libdb finds %d of %d keys", n, len(records))
		}
		if got := dbmtest.ParseDump(t, mustRun(t, "", dump, path)); !maps.Equal(got, dbmtest.Map(t, records)) {
			t.Error("libdb lists other records after looking them up")
		}
		mustRun(t, "", verify, "-q", path)
	}
	eachLayout(t, func(t *testing.T, l Layout) {
		check(t, l, nil)
		check(t, l, randomRecords(dbmtest.Seeded(), 300, l.PageSize))
	})
	t.Run("older versions", func(t *testing.T) {
		check(t, Layout{Version: 7, BigEndian: true}, randomRecords(dbmtest.Seeded(), 300, 4096))
		check(t, Layout{Version: 8, PageSize: 512, Checksummed: true}, randomRecords(dbmtest.Seeded(), 300, 512))
	})
	t.Run("long keys", func(t *testing.T) {
		records := randomRecords(dbmtest.Seeded(), 100, 512)
		for i := range 40 {
			records = append(records, dbm.Record{Key: bytes.Repeat([]byte("K"), 129+3*i), Value: []byte("of a long key")})
		}
		check(t, Layout{PageSize: 512}, records)
	})
	t.Run("1000 users", func(t *testing.T) { check(t, Layout{}, dbmtest.Users(1000)) })
}

// TestLibdbWrites: libdb overwrites every value of a built file and adds as many
// records again, splitting buckets; we read what it made of it.
func TestLibdbWrites(t *testing.T) {
	verify := peers.Need(t, "db5.3_verify", "db5.3-util")
	load := peers.Need(t, "db5.3_load", "db5.3-util")
	eachLayout(t, func(t *testing.T, l Layout) {
		records := randomRecords(dbmtest.Seeded(), 200, l.PageSize)
		path := writeFile(t, mustBuild(t, records, Options{Layout: l}))
		for i := range records {
			records[i].Value = append([]byte("changed "), records[i].Value...)
		}
		for i := range 300 {
			records = append(records, dbm.Record{Key: fmt.Appendf(nil, "added%d\x00\x00userPassword", i), Value: dbmtest.Bytes(dbmtest.Seeded(), i)})
		}
		mustRun(t, dumpOf(records), load, "-t", "hash", path)
		mustRun(t, "", verify, "-q", path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, data)
		dbmtest.CheckClean(t, f, dbmtest.Map(t, records))
		if f.Info().Layout != l {
			t.Errorf("layout is now %+v", f.Info().Layout)
		}
	})
}

// TestCyrus: saslpasswd2 adds, changes and deletes users in a built file, and
// sasldblistusers2 lists it. Only keys of the right form, for others make it loop.
func TestCyrus(t *testing.T) {
	passwd := peers.Need(t, "saslpasswd2", "sasl2-bin")
	list := peers.Need(t, "sasldblistusers2", "sasl2-bin")
	records := dbmtest.Users(300)
	path := writeFile(t, mustBuild(t, records, Options{}))
	listing := mustRun(t, "", list, "-f", path)
	if n := strings.Count(listing, "@example.com: userPassword"); n != 300 {
		t.Errorf("sasldblistusers2 lists %d of 300 users", n)
	}
	set := func(password string, args ...string) {
		mustRun(t, password, passwd, append([]string{"-p", "-f", path, "-u", "example.com"}, args...)...)
	}
	set("of alice", "-c", "alice")
	set("changed", "user0007")
	mustRun(t, "", passwd, "-d", "-f", path, "-u", "example.com", "user0008")

	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := mustOpen(t, data)
	got, fault := dbmtest.Scan(t, f)
	if fault != nil {
		t.Error(fault)
	}
	for user, want := range map[string]string{"alice": "of alice", "user0007": "changed", "user0008": "", "user0009": string(records[9].Value)} {
		value, found := got[user+"\x00example.com\x00userPassword"]
		if value != want || found != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", user, value, found, want)
		}
	}
	if faults, warnings := f.Verify(); faults != nil || warnings != nil {
		t.Error(faults, warnings)
	}
}

// TestCyrusShrinks: saslpasswd2 adds users to small pages until buckets split, then
// deletes them until libdb merges buckets and frees pages. At no point must Verify
// find a fault; a wrong previous page is libdb's habit.
func TestCyrusShrinks(t *testing.T) {
	passwd := peers.Need(t, "saslpasswd2", "sasl2-bin")
	verify := peers.Need(t, "db5.3_verify", "db5.3-util")
	path := writeFile(t, mustBuild(t, dbmtest.Users(5), Options{Layout: Layout{PageSize: 512}}))
	const users = 40
	for i := range 2 * users {
		if i < users {
			mustRun(t, "pw", passwd, "-p", "-c", "-f", path, "-u", "example.net", fmt.Sprintf("added%d", i))
		} else {
			mustRun(t, "", passwd, "-d", "-f", path, "-u", "example.net", fmt.Sprintf("added%d", i-users))
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, data)
		if faults, _ := f.Verify(); faults != nil {
			t.Fatalf("after change %d: %v", i, faults)
		}
		if i == users-1 {
			t.Logf("%d buckets when full", f.Info().Buckets)
		}
	}
	mustRun(t, "", verify, "-q", path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	records, _ := mustOpen(t, data).Records()
	if want := dbmtest.Users(5); !maps.Equal(dbmtest.Map(t, records), dbmtest.Map(t, want)) {
		t.Errorf("%d records left, want %d, or they differ", len(records), len(want))
	}
}
