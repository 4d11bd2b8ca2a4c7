//go:build linux

package interop

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	ldapclient "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// outageTime is for how long a store does not answer.
const outageTime = 50 * time.Millisecond

// TestRevocationSasldb: an outage is a file that is damaged for a while.
func TestRevocationSasldb(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(path, nil); err != nil {
		t.Fatal(err)
	}
	open := func() *sasldb.DB {
		db, err := sasldb.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	admin := open()
	revocation(t, revokingStore{
		open: func() verifier.Verifier { return open() },
		change: func(ctx context.Context, user, password string, disabled bool) error {
			return changeStored(ctx, admin, user, password, disabled)
		},
		outage: func() { damageFor(t, path, outageTime) },
		calm:   true,
	})
}

// damageFor overwrites a part of a file in its place, and mends it.
func damageFor(t *testing.T, path string, d time.Duration) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	sound := make([]byte, 64)
	f.ReadAt(sound, 0)
	f.WriteAt(make([]byte, len(sound)), 0)
	time.Sleep(d)
	f.WriteAt(sound, 0)
}

// revokingTable is a table of a database as a store; from outside nobody is at it during
// an outage.
func revokingTable(t *testing.T, d *database, outage func()) revokingStore {
	t.Helper()
	d.run(t, "CREATE TABLE revoked (name NAME, realm NAME, password TEXT, disabled BOOLEAN NOT NULL DEFAULT FALSE, PRIMARY KEY (name, realm))")
	open := func() *saslsql.DB {
		return d.new(t, saslsql.Options{
			Select: "SELECT password, disabled FROM revoked WHERE name = '%u' AND realm = '%r'",
			Insert: "INSERT INTO revoked (name, realm, %p) VALUES ('%u', '%r', '%v')",
			Update: "UPDATE revoked SET %p = '%v' WHERE name = '%u' AND realm = '%r'",
			Delete: "DELETE FROM revoked WHERE name = '%u' AND realm = '%r'",
			Kinds:  verifier.KindsOf(verifier.KindPassword),
		})
	}
	admin := open()
	return revokingStore{
		open: func() verifier.Verifier { return open() },
		change: func(ctx context.Context, user, password string, disabled bool) error {
			return changeStored(ctx, admin, user, password, disabled)
		},
		outage: outage,
	}
}

// TestRevocationSQLite: an outage is somebody who holds the file's lock.
func TestRevocationSQLite(t *testing.T) {
	t.Parallel()
	d := newSQLite(t)
	db := d.pool(t)
	revocation(t, revokingTable(t, d, func() {
		conn, err := db.Conn(context.Background())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := conn.ExecContext(context.Background(), "BEGIN EXCLUSIVE"); err == nil {
			time.Sleep(outageTime)
			conn.ExecContext(context.Background(), "ROLLBACK")
		}
	}))
}

// revocationPostgres: an outage is a server that stands still, or that drops everybody.
func revocationPostgres(t *testing.T, s *postgresServer) {
	db := s.pool(t)
	n := 0
	revocation(t, revokingTable(t, s.database, func() {
		if n++; n%2 == 0 {
			dropAll(t, db)
			return
		}
		send := s.signal(t)
		send(syscall.SIGSTOP)
		time.Sleep(outageTime)
		send(syscall.SIGCONT)
	}))
}

func dropAll(t *testing.T, db *sql.DB) {
	if _, err := db.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"); err != nil {
		t.Error(err)
	}
}

func TestRevocationPostgres(t *testing.T) {
	t.Parallel()
	revocationPostgres(t, newPostgresServer(t))
}

// TestRevocationLDAP: an outage is a directory that stands still. It is changed by its
// administrator, and nobody is disabled but by losing his password.
func TestRevocationLDAP(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, directoryPlan{})
	var mu sync.Mutex // of the administrator
	admin, err := ldapclient.DialURL(d.urls[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	if err := admin.Bind(directoryAdmin, directorySecret); err != nil {
		t.Fatal(err)
	}
	revocation(t, revokingStore{
		open: func() verifier.Verifier {
			return d.verifier(t, func(o *ldap.Options) {
				o.Method, o.Kinds = ldap.Attributes, verifier.KindsOf(verifier.KindPassword)
			})
		},
		change: func(_ context.Context, user, password string, disabled bool) error {
			mu.Lock()
			defer mu.Unlock()
			return changeEntry(admin, user, password, disabled)
		},
		outage: func() {
			d.signal(syscall.SIGSTOP)
			time.Sleep(outageTime)
			d.signal(syscall.SIGCONT)
		},
		calm: true,
	})
}

// changeEntry deletes an entry, takes its password or gives it one.
func changeEntry(admin *ldapclient.Conn, user, password string, disabled bool) error {
	dn := "uid=" + user + ",ou=people,dc=example"
	if password == "" {
		if err := admin.Del(ldapclient.NewDelRequest(dn, nil)); !ldapclient.IsErrorWithCode(err, ldapclient.LDAPResultNoSuchObject) {
			return err
		}
		return nil
	}
	var values []string
	if !disabled {
		values = []string{password}
	}
	change := ldapclient.NewModifyRequest(dn, nil)
	change.Replace("userPassword", values)
	if err := admin.Modify(change); disabled || !ldapclient.IsErrorWithCode(err, ldapclient.LDAPResultNoSuchObject) {
		if ldapclient.IsErrorWithCode(err, ldapclient.LDAPResultNoSuchObject) {
			return nil
		}
		return err
	}
	add := ldapclient.NewAddRequest(dn, nil)
	for name, value := range map[string]string{"objectClass": "inetOrgPerson", "uid": user, "cn": user, "sn": user, "userPassword": password} {
		add.Attribute(name, []string{value})
	}
	return admin.Add(add)
}
