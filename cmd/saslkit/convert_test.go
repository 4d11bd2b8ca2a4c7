package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
)

func TestConvert(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := mailDB(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	want := runCommand(t, "", "export", "-f", db).out
	for _, c := range []struct {
		from, to, format string
		records          int
	}{
		{db, at("gdbm"), "gdbm", 3},
		{at("gdbm"), at("lmdb"), "lmdb", 3},
		{at("lmdb"), at("bdb"), "bdb", 3},
	} {
		commandCase{args: []string{"convert", c.from, c.to, "--format", c.format},
			out: fmt.Sprintf("%d records converted to %s in %s\n", c.records, c.format, c.to)}.check(t)
		if listing, err := sasldb.Read(c.to); err != nil || listing.Format.String() != c.format {
			t.Errorf("%s: %v, %v", c.to, listing.Format, err)
		}
		if got := runCommand(t, "", "export", "-f", c.to).out; got != want {
			t.Errorf("%s holds %q, want %q", c.to, got, want)
		}
	}
	checkAll(t, []commandCase{
		{name: "no format", args: []string{"convert", db, at("x")}, code: 2, err: []string{"--format is missing"}},
		{name: "unknown format", args: []string{"convert", db, at("x"), "--format", "ndbm"}, code: 2, err: []string{"known: bdb, gdbm, lmdb"}},
		{name: "one argument", args: []string{"convert", db}, code: 2, err: []string{"convert: TO is missing"}},
		{name: "missing", args: []string{"convert", at("none"), at("x"), "--format", "gdbm"}, code: 3, err: []string{"no such file"}},
		{name: "no database", args: []string{"convert", testdata + "bad-magic.db", at("x"), "--format", "gdbm"}, code: 4, err: []string{"unknown format"}},
		{name: "damaged", args: []string{"convert", testdata + "bad-item-offset.db", at("x"), "--format", "gdbm"}, code: 4, err: []string{"page 1"}},
		{name: "foreign records", args: []string{"convert", testdata + "bdb-foreign-keys.db", at("foreign"), "--format", "gdbm"},
			out: "4 records converted to gdbm in " + at("foreign") + "\n", err: []string{"3 of the records are no user's"}},
		{name: "nowhere", args: []string{"convert", db, at("no/x"), "--format", "gdbm"}, code: 3, err: []string{"no such file"}},
	})
	t.Cleanup(func() {
		if _, err := os.Lstat(at("x")); err == nil {
			t.Error("a failed conversion left a file")
		}
	})
}

func TestConvertOverwrites(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	other := createDB(t, sasldb.Record{Authid: "al", Realm: "e", Property: "userPassword", Value: []byte("x")})
	commandCase{args: []string{"convert", other, db, "--format", "gdbm"}, code: 2, err: []string{db, "--force replaces it"}}.check(t)
	if got := runCommand(t, "", "users", "-f", db).out; got != usersOfMailDB {
		t.Errorf("the file holds %q", got)
	}
	commandCase{args: []string{"convert", other, db, "--format", "gdbm", "--force"}, out: "1 records converted to gdbm in " + db + "\n"}.check(t)
	commandCase{args: []string{"convert", "--force", "--format=bdb", db, db}, out: "1 records converted to bdb in " + db + "\n"}.check(t)
	wantHeld(t, db, map[string][]string{"al@e": {"userPassword=x"}})
}
