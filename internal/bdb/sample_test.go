package bdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// samples is the folder of files that real tools made; its README explains the
// sidecars.
const samples = "../../sasldb/testdata"

// A sidecar says what must come out of a sample.
type sidecar struct {
	Format    string
	Expect    string
	EntriesOf string `json:"entries_of"`
	Entries   []sidecarEntry
	Foreign   []struct{ Key, Value []byte } `json:"foreign_records"`
	Libdb     struct{ Verify string }

	ByteOrder   string `json:"byte_order"`
	PageSize    uint32 `json:"page_size"`
	Version     uint32 `json:"hash_version"`
	Checksummed bool
	Buckets     uint32
	LastPage    uint32 `json:"last_pgno"`
}

type sidecarEntry struct {
	Authid, Realm, Property string
	AuthidBase64            []byte `json:"authid_base64"`
	RealmBase64             []byte `json:"realm_base64"`
	PropertyBase64          []byte `json:"property_base64"`
	Value                   []byte
}

func (e sidecarEntry) key() string {
	text := func(s string, b []byte) string { return s + string(b) }
	return text(e.Authid, e.AuthidBase64) + "\x00" + text(e.Realm, e.RealmBase64) + "\x00" + text(e.Property, e.PropertyBase64)
}

func readSample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readSidecar(t testing.TB, name string) sidecar {
	t.Helper()
	var s sidecar
	if err := json.Unmarshal(readSample(t, name+".json"), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// records returns what is in the file by the sidecar, or was before the damage.
func (s sidecar) records(t testing.TB) map[string]string {
	if s.EntriesOf != "" {
		return readSidecar(t, s.EntriesOf).records(t)
	}
	all := map[string]string{}
	for _, e := range s.Entries {
		all[e.key()] = string(e.Value)
	}
	for _, r := range s.Foreign {
		all[string(r.Key)] = string(r.Value)
	}
	return all
}

// sampleNames returns the samples in Berkeley DB's formats, and the empty file.
func sampleNames(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(samples, "*.db.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples in %s (%v)", samples, err)
	}
	var names []string
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".json")
		if s := readSidecar(t, name); strings.HasPrefix(s.Format, "berkeleydb") || s.Format == "unknown" {
			names = append(names, name)
		}
	}
	return names
}

// asMap fails the test on a key that comes twice.
func asMap(t testing.TB, records []dbm.Record) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, r := range records {
		if _, ok := m[string(r.Key)]; ok {
			t.Errorf("key %q twice", r.Key)
		}
		m[string(r.Key)] = string(r.Value)
	}
	return m
}

func TestSamples(t *testing.T) {
	for _, name := range sampleNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, data := readSidecar(t, name), readSample(t, name)
			before := bytes.Clone(data)
			f, err := Open(data)
			switch s.Expect {
			case "ok", "ok-read":
				if err != nil {
					t.Fatal(err)
				}
				checkSound(t, f, s)
			case "refuse":
				var refusal *dbm.FormatError
				if !errors.As(err, &refusal) {
					t.Fatalf("got error %v, want a *dbm.FormatError", err)
				}
			case "damaged", "damaged-harmless", "damaged-silent":
				if err == nil {
					checkDamaged(t, f, s)
				}
			default:
				t.Fatalf("sidecar expects %q", s.Expect)
			}
			if err != nil && f != nil {
				t.Error("a file together with an error")
			}
			if !bytes.Equal(data, before) {
				t.Error("the data were changed")
			}
		})
	}
}

func checkSound(t *testing.T, f *File, s sidecar) {
	want := s.records(t)
	records, faults := f.Records()
	if got := asMap(t, records); !maps.Equal(got, want) {
		t.Errorf("got %d records, want %d, or they differ", len(got), len(want))
	}
	closer, warnings := f.Verify()
	for _, e := range append(faults, closer...) {
		t.Error(e)
	}
	if s.Expect == "ok" && warnings != nil {
		t.Errorf("warning about a healthy file: %v", warnings)
	}
	for key, value := range want {
		if got, ok, err := f.Lookup([]byte(key)); string(got) != value || !ok || err != nil {
			t.Errorf("Lookup(%q) = %q, %v, %v", key, got, ok, err)
		}
		if got, ok, err := f.Lookup([]byte(key + "x")); got != nil || ok || err != nil {
			t.Errorf("Lookup of a key that is not there = %q, %v, %v", got, ok, err)
		}
	}
	info := f.Info()
	wantLayout := Layout{s.Version, s.PageSize, s.ByteOrder == "big", s.Checksummed}
	if info.Layout != wantLayout || info.Buckets != s.Buckets || info.Pages != s.LastPage+1 || info.ForeignHash {
		t.Errorf("info is %+v, the sidecar says %+v, %d buckets, last page %d", info, wantLayout, s.Buckets, s.LastPage)
	}
	if info.Duplicates != (s.Expect == "ok-read") {
		t.Errorf("duplicates: %v", info.Duplicates)
	}
	checkRewrite(t, f, records)
}

// checkRewrite builds the file anew and compares.
func checkRewrite(t *testing.T, f *File, records []dbm.Record) {
	t.Helper()
	data, err := Build(records, Options{Layout: f.Info().Layout, LongKeys: KeepLongKeys})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	if again.Info().Layout != f.Info().Layout {
		t.Errorf("layout was %+v, is %+v", f.Info().Layout, again.Info().Layout)
	}
	checkClean(t, again, asMap(t, records))
}

// checkClean wants exactly these records and nothing to complain about.
func checkClean(t *testing.T, f *File, want map[string]string) {
	t.Helper()
	records, _ := f.Records()
	if got := asMap(t, records); !maps.Equal(got, want) {
		t.Errorf("got %d records, want %d, or they differ", len(got), len(want))
	}
	faults, warnings := f.Verify()
	for _, e := range append(faults, warnings...) {
		t.Error(e)
	}
	for key, value := range want {
		if got, ok, err := f.Lookup([]byte(key)); string(got) != value || !ok || err != nil {
			t.Fatalf("Lookup(%.40q) = %.40q, %v, %v; want %.40q", key, got, ok, err, value)
		}
	}
}

func checkDamaged(t *testing.T, f *File, s sidecar) {
	want := s.records(t)
	records, faults := f.Records()
	got := asMap(t, records)
	for key, value := range got {
		if v, ok := want[key]; !ok || v != value {
			t.Errorf("key %q has a wrong value", key)
		}
	}
	closer, _ := f.Verify()
	complete := len(got) == len(want)
	t.Logf("%d of %d records, faults %v", len(got), len(want), faults)
	if s.Expect != "damaged-silent" && !complete && faults == nil {
		t.Error("records are missing without a word")
	}
	if s.Expect == "damaged" && closer == nil {
		t.Error("Verify finds nothing")
	}
	if s.Libdb.Verify == "fails" && closer == nil {
		t.Error("Verify finds nothing, db_verify does")
	}
}
