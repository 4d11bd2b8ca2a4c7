//go:build unix

package interop

import "testing"

// The tests of a server share it, for it takes a second to start.

func TestPostgres(t *testing.T) {
	t.Parallel()
	s := newPostgresServer(t)
	t.Run("contract", func(t *testing.T) { t.Parallel(); contract(t, s.database) })
	t.Run("injection", func(t *testing.T) { injectionPostgres(t, s.database) })
	t.Run("injection into Latin-1", func(t *testing.T) { injectionLatin1(t, s.database) })
}

func TestMaria(t *testing.T) {
	t.Parallel()
	s := newMariaServer(t)
	t.Run("contract", func(t *testing.T) { t.Parallel(); contract(t, s.database) })
	t.Run("injection", func(t *testing.T) { injectionMaria(t, s.database) })
	t.Run("injection into GBK", func(t *testing.T) { injectionGBK(t, s.database) })
}
