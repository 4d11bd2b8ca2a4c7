//go:build unix

package sasldb

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/dbm"
)

// rawRecords returns every record of a file, foreign ones too.
func rawRecords(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := formats[formatOf(data)].open(data)
	if err != nil {
		t.Fatal(err)
	}
	faults, _ := f.Verify()
	for _, fault := range faults {
		t.Errorf("%s: %v", path, fault)
	}
	all := map[string]string{}
	if fault := f.Scan(func(key, value []byte) { all[string(key)] = string(value) }); fault != nil {
		t.Fatal(fault)
	}
	return all
}

// TestConvert takes a database through all formats, in both directions.
func TestConvert(t *testing.T) {
	t.Parallel()
	for _, sample := range []string{"bdb-empty.db", "bdb-1000-users.db", "bdb-utf8-names.db", "bdb-foreign-keys.db", "bdb-checksummed-big-endian.db", "bdb-version7-unsorted.db"} {
		want := rawRecords(t, filepath.Join("testdata", sample))
		for first := range formats {
			for second := range formats {
				t.Run(fmt.Sprint(sample, "/", Format(first), "/", Format(second)), func(t *testing.T) {
					t.Parallel()
					folder := t.TempDir()
					path := filepath.Join("testdata", sample)
					for i, f := range []Format{Format(first), Format(second)} {
						next := filepath.Join(folder, fmt.Sprint(i))
						n, err := Convert(t.Context(), path, next, ConvertOptions{Format: f})
						if err != nil {
							t.Fatal(err)
						}
						if got := rawRecords(t, next); !cmp.Equal(got, want) || n.Records != len(want) {
							t.Errorf("%v: %d records, counted %d, want %d", f, len(got), n.Records, len(want))
						}
						if l, err := Read(next); err != nil || l.Format != f || n.Foreign != l.Foreign {
							t.Errorf("%v: listed as %v with %d foreign records, counted %d (%v)", f, l.Format, l.Foreign, n.Foreign, err)
						}
						path = next
					}
					leftOnly(t, folder, "0", "1")
				})
			}
		}
	}
}

// leftOnly makes sure that a folder holds these names and no other.
func leftOnly(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in the folder (-want +got):\n%s", diff)
	}
}

func TestConvertInPlace(t *testing.T) {
	t.Parallel()
	path := newFile(t, user("al", "r", "one"), user("bo", "r", "two"))
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	want := rawRecords(t, path)
	_, err := Convert(t.Context(), path, path, ConvertOptions{Format: GDBM})
	if !errors.Is(err, fs.ErrExist) {
		t.Fatalf("without Replace: %v", err)
	}
	for _, f := range []Format{GDBM, BerkeleyDB, LMDB} {
		if _, err := Convert(t.Context(), path, path, ConvertOptions{Format: f, Replace: true}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, rawRecords(t, path)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", f, diff)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
			t.Errorf("%v: mode %v, %v", f, info.Mode(), err)
		}
	}
	if _, err := Convert(t.Context(), path, path, ConvertOptions{Replace: true}); !errors.Is(err, ErrNotWritable) {
		t.Errorf("an LMDB file is replaced: %v", err)
	}
	leftOnly(t, filepath.Dir(path), filepath.Base(path))
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	damaged := filepath.Join("testdata", "bad-item-offset.db")
	if _, err := Convert(t.Context(), damaged, filepath.Join(folder, "a"), ConvertOptions{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	if _, err := Convert(t.Context(), filepath.Join(folder, "none"), filepath.Join(folder, "a"), ConvertOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	long := filepath.Join(folder, "long")
	data, err := formats[BerkeleyDB].build([]dbm.Record{{Key: bytes.Repeat([]byte("k"), 600), Value: []byte("v")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(long, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Convert(t.Context(), long, filepath.Join(folder, "a"), ConvertOptions{Format: LMDB}); err == nil {
		t.Error("a key that LMDB cannot hold is converted")
	}
	leftOnly(t, folder, "long")
}
