//go:build linux

package interop

import (
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// manual is what docs/sql.md shows as code.
func manual(t *testing.T) (blocks []string) {
	t.Helper()
	page, err := pages.Read("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range page.Blocks() {
		blocks = append(blocks, b.Text)
	}
	return blocks
}

// documentedOptions are the statements of the manual.
func documentedOptions(t *testing.T, d *database) (o saslsql.Options) {
	t.Helper()
	keys := map[string]*string{
		"sql_select": &o.Select, "sql_list": &o.List, "sql_insert": &o.Insert, "sql_update": &o.Update, "sql_delete": &o.Delete,
	}
	for _, block := range manual(t) {
		if !strings.Contains(block, "sql_delete: ") {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block, `"`, d.quote)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if keys[key] == nil {
				t.Fatalf("the manual has a statement %q", line)
			}
			*keys[key] = value
		}
	}
	return o
}

// documented makes the table that the manual has for a database and uses it by the
// manual's statements.
func documented(t *testing.T, d *database, mark string) {
	o := documentedOptions(t, d)
	made := slices.IndexFunc(manual(t), func(block string) bool {
		return strings.HasPrefix(block, "CREATE TABLE users") && strings.Contains(block, mark)
	})
	if made < 0 || o.Delete == "" {
		t.Fatal("the manual has no table or no statements")
	}
	for _, statement := range strings.Split(strings.TrimSuffix(strings.TrimSpace(manual(t)[made]), ";"), ";") {
		if _, err := d.pool(t).Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	// The columns of the table are the kinds that are served.
	secrets, err := mech.SecretOptions{Iterations: mech.MinIterations}.Secrets("alice", sqlRealm, "wonderland", verifier.KindPassword, verifier.KindSCRAMSHA256, verifier.KindOTP)
	if err != nil {
		t.Fatal(err)
	}
	db := d.new(t, o)
	r := verifier.Request{User: "alice", Realm: sqlRealm}
	for _, disabled := range []bool{true, false} {
		err := db.Update(t.Context(), r, func(verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Disabled: disabled, Secrets: secrets}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.VerifyPassword(t.Context(), r, "wonderland"); err != nil {
		t.Error(err)
	}
	if err := db.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := db.Coverage(); c.Users != 1 || !c.All.Has(verifier.KindOTP) || !c.All.Has(verifier.KindPassword) {
		t.Errorf("coverage %+v", c)
	}
}

func TestSQLiteManual(t *testing.T) { t.Parallel(); documented(t, newSQLite(t), "INTEGER") }
