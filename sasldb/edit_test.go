//go:build unix

package sasldb

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
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

// large adds the benchmarks that take minutes and 2 GB of memory.
var large = flag.Bool("large", false, "also measure files of a million users")

// BenchmarkEdit is the cost of one durable change by the number of users in the
// file, in time and in flushes of the disk's: two.
func BenchmarkEdit(b *testing.B) {
	for _, users := range []int{1, 1_000, 10_000, 100_000, 1_000_000} {
		if users > 100_000 && !*large {
			continue
		}
		b.Run(fmt.Sprint(users), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "sasldb2")
			records := make([]Record, users)
			for i := range records {
				records[i] = user(fmt.Sprintf("user%07d", i), "example.com", "secret-"+strconv.Itoa(i))
			}
			if err := Create(path, records); err != nil {
				b.Fatal(err)
			}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				mustEdit(b, path, WriteOptions{Wait: time.Minute}, func(tx *Tx) error {
					return tx.Set(user("user0000000", "example.com", "changed-"+strconv.Itoa(i)))
				})
			}
		})
	}
}
