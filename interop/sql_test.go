//go:build linux

package interop

import "testing"

// The tests of a server share it, for it takes a second to start. Those that stop it
// come when the others are done.

func TestPostgres(t *testing.T) {
	t.Parallel()
	s := newPostgresServer(t)
	makeSimple(t, s.database)
	t.Run("shared", func(t *testing.T) {
		t.Run("contract", func(t *testing.T) { t.Parallel(); contract(t, s.database) })
		t.Run("injection", func(t *testing.T) { injectionPostgres(t, s.database) })
		t.Run("injection into Latin-1", func(t *testing.T) { injectionLatin1(t, s.database) })
		t.Run("first comers", func(t *testing.T) { firstComers(t, s.database) })
		t.Run("manual", func(t *testing.T) { t.Parallel(); documented(t, s.database, "timestamptz") })
	})
	t.Run("trouble", func(t *testing.T) { troublePostgres(t, s) })
	command := saslkitCommand(t)
	t.Run("beside Cyrus", func(t *testing.T) { besideCyrusPostgres(t, command, s) })
	t.Run("daemons", func(t *testing.T) { daemons(t, command, s) })
	t.Run("certificates", func(t *testing.T) { certificates(t, command, "pgsql", s.port, postgresAdmin, "postgres", s.tls.pem) })
	t.Run("counter", func(t *testing.T) { counterPostgres(t, s) })
}

func TestMaria(t *testing.T) {
	t.Parallel()
	s := newMariaServer(t)
	makeSimple(t, s.database)
	t.Run("shared", func(t *testing.T) {
		t.Run("contract", func(t *testing.T) { t.Parallel(); contract(t, s.database) })
		t.Run("injection", func(t *testing.T) { injectionMaria(t, s.database) })
		t.Run("injection into GBK", func(t *testing.T) { injectionGBK(t, s.database) })
		t.Run("first comers", func(t *testing.T) { firstComers(t, s.database) })
		t.Run("manual", func(t *testing.T) { t.Parallel(); documented(t, s.database, "InnoDB") })
	})
	t.Run("trouble", func(t *testing.T) { troubleMaria(t, s) })
	command := saslkitCommand(t)
	t.Run("beside Cyrus", func(t *testing.T) { besideCyrusMaria(t, command, s) })
	t.Run("certificates", func(t *testing.T) {
		s.database.run(t, "CREATE USER secured@'127.0.0.%' IDENTIFIED BY 'canary-of-mine'", "GRANT SELECT ON mysql.simple TO secured@'127.0.0.%'")
		certificates(t, command, "mysql", s.port, "secured", "mysql", s.tls.pem)
	})
	t.Run("counter", func(t *testing.T) { counterMaria(t, s) })
}
