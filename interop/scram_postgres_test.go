package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// postgresPasswords are of roles; the name of a role is that of the case.
var postgresPasswords = map[string]string{
	"ascii":     labPassword,
	"umlauts":   "schlüssel",
	"prepared":  "ⅸ\u00a0ª", // SASLprep makes "ix a" of it
	"forbidden": "a\u0007b", // SASLprep refuses it, and PostgreSQL takes it as it is
}

// What PostgreSQL stores lets the role's user in to our server, and what we store
// lets him in to PostgreSQL.
func TestPostgreSQLRecords(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	for role, password := range postgresPasswords {
		t.Run("theirs/"+role, func(t *testing.T) {
			theirs, ours := role+"_theirs", role+"_ours"
			p.admin(t, fmt.Sprintf("create role %s login password '%s'", theirs, password))
			record := p.admin(t, "select rolpassword from pg_authid where rolname = '"+theirs+"'")
			secret, err := verifier.ParseSCRAM(record)
			if err != nil {
				t.Fatal(err)
			}
			if secret.Kind != verifier.KindSCRAMSHA256 || string(secret.Value) != record {
				t.Errorf("%v\n got %s\nwant %s", secret.Kind, secret.Value, record)
			}
			users := verifiertest.NewMemory()
			users.Add(verifiertest.User{Name: role, Realm: labRealm}, secret)
			auth := scramOver(users)
			if r, err := loginAs(auth, "SCRAM-SHA-256", role, password); err != nil || r.User != role {
				t.Errorf("by PostgreSQL's record: %+v, %v", r, err)
			}
			wantRefused(t, auth, "SCRAM-SHA-256", role, password+"x")

			own := string(scramKeys(t, "SCRAM-SHA-256", password).Value)
			p.admin(t, fmt.Sprintf("create role %s login password '%s'", ours, own))
			if stored := p.admin(t, "select rolpassword from pg_authid where rolname = '"+ours+"'"); stored != own {
				t.Errorf("PostgreSQL stored\n%s, which is not our record\n%s", stored, own)
			}
			for _, r := range []string{theirs, ours} {
				if out := p.run(t, p.psql(t, r, password, "select current_user")); out != r {
					t.Errorf("psql as %s says %q", r, out)
				}
				out, err := p.psql(t, r, password+"x", "select current_user").CombinedOutput()
				if err == nil || !strings.Contains(string(out), "password authentication failed") {
					t.Errorf("psql as %s with a wrong password: %v, %s", r, err, out)
				}
			}
		})
	}
}
