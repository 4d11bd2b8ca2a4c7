//go:build unix

package interop

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
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
		t.Run(role, func(t *testing.T) {
			theirs, ours := role+"_theirs", role+"_ours"
			p.admin(t, fmt.Sprintf("create role %s login password '%s'", theirs, password))
			record := p.admin(t, "select rolpassword from pg_authid where rolname = '"+theirs+"'")
			secret, err := verifier.ParseSCRAM(record)
			if err != nil {
				t.Fatal(err)
			}
			if again := recordText(t, secret); secret.Kind != verifier.KindSCRAMSHA256 || again != record {
				t.Errorf("%v\n got %s\nwant %s", secret.Kind, again, record)
			}
			users := verifiertest.NewMemory()
			users.Add(verifiertest.User{Name: role, Realm: labRealm}, secret)
			auth := scramOver(users)
			if r, err := loginAs(auth, "SCRAM-SHA-256", role, password); err != nil || r.User != role {
				t.Errorf("by PostgreSQL's record: %+v, %v", r, err)
			}
			wantRefused(t, auth, "SCRAM-SHA-256", role, password+"x")

			own := recordText(t, scramKeys(t, "SCRAM-SHA-256", password))
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

// Our client against PostgreSQL itself, which binds to tls-server-end-point. It goes
// by the name at the start of the connection, and looks at none in SCRAM.
func TestPostgreSQLServer(t *testing.T) {
	t.Parallel()
	p := newPostgres(t)
	p.admin(t, fmt.Sprintf("create role %s login password '%s'", labUser, labPassword))
	own := scramKeys(t, scram256, labPassword)
	p.admin(t, fmt.Sprintf("create role %s login password '%s'", keysUser, recordText(t, own)))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, mechanism := range []string{scram256, scram256Plus} {
			t.Run(mechanism+"/"+tls.VersionName(version), func(t *testing.T) {
				try := func(role, password string, bound func(tls.ConnectionState) saslkit.Channel) error {
					t.Helper()
					w := p.dial(t, version, role)
					if !slices.Contains(w.mechanisms, mechanism) {
						t.Fatalf("PostgreSQL offers %q", w.mechanisms)
					}
					a := login{mechanism: mechanism, user: "somebody else", password: password}
					if isPlus(mechanism) {
						a.channel = bound(w.conn.ConnectionState())
					}
					return a.into(t, w.server(mechanism))
				}
				toCertificate := func(state tls.ConnectionState) saslkit.Channel { return boundBy(mech.BindingEndPoint, state) }
				for _, role := range []string{labUser, keysUser} {
					if err := try(role, labPassword, toCertificate); err != nil {
						t.Errorf("%s: %v", role, err)
					}
					if err := try(role, "wrong", toCertificate); err == nil || !strings.Contains(err.Error(), "28P01") { // invalid_password
						t.Errorf("%s with a wrong password: %v", role, err)
					}
				}
				if !isPlus(mechanism) {
					return
				}
				toAnother := func(tls.ConnectionState) saslkit.Channel { return labBinding.channel() }
				if err := try(labUser, labPassword, toAnother); err == nil || !strings.Contains(err.Error(), "SCRAM channel binding check failed") {
					t.Errorf("bound to another certificate: %v", err)
				}
			})
		}
	}
}
