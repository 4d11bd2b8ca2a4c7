//go:build unix

package sasldb

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func mustEdit(t testing.TB, path string, o WriteOptions, change func(*Tx) error) {
	t.Helper()
	if err := Edit(t.Context(), path, o, change); err != nil {
		t.Fatal(err)
	}
}

// TestEditGrows adds users one by one and looks at what is left beside the file.
func TestEditGrows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sasldb2")
	for i := range 150 {
		mustEdit(t, path, WriteOptions{Create: true}, func(tx *Tx) error {
			return tx.Set(user(fmt.Sprintf("u%d", i), "r", "pw"))
		})
	}
	l, err := Read(path)
	if err != nil || len(l.Records) != 150 || l.Damage != nil {
		t.Fatal(len(l.Records), err, l.Damage)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
}

func BenchmarkEdit(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sasldb2")
	i := 0
	for b.Loop() {
		mustEdit(b, path, WriteOptions{Create: true}, func(tx *Tx) error {
			i++
			return tx.Set(user(fmt.Sprintf("u%d", i%1000), "r", "pw"))
		})
	}
}
