package lmdb

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
}

type sidecarEntry struct {
	Authid, Realm, Property string
	Value                   []byte
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
		all[e.Authid+"\x00"+e.Realm+"\x00"+e.Property] = string(e.Value)
	}
	for _, r := range s.Foreign {
		all[string(r.Key)] = string(r.Value)
	}
	return all
}

// sampleNames returns the samples in this format.
func sampleNames(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(samples, "*lmdb-*.db.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no samples in %s (%v)", samples, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".json"))
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
			case "ok":
				if err != nil {
					t.Fatal(err)
				}
				checkSound(t, f, s.records(t))
			case "refuse":
				var refusal *dbm.FormatError
				if !errors.As(err, &refusal) {
					t.Fatalf("got error %v, want a *dbm.FormatError", err)
				}
			case "damaged":
				var damage *dbm.DamageError
				if err == nil {
					checkDamaged(t, f, s.records(t))
				} else if !errors.As(err, &damage) {
					t.Fatalf("got error %v, want a *dbm.DamageError", err)
				}
			default:
				t.Fatalf("sidecar expects %q", s.Expect)
			}
			if err != nil && f != nil {
				t.Error("a file together with an error")
			}
			if !Is(data) {
				t.Error("not recognised")
			}
			if !bytes.Equal(data, before) {
				t.Error("the data were changed")
			}
		})
	}
}

// checkSound wants exactly these records and no fault.
func checkSound(t *testing.T, f *File, want map[string]string) {
	t.Helper()
	records, seen := f.Records()
	if got := asMap(t, records); seen != nil || !maps.Equal(got, want) {
		t.Errorf("Records gives %d records, want %d, or they differ; %v", len(got), len(want), seen)
	}
	got := map[string]string{}
	fault := f.Scan(func(key, value []byte) { got[string(key)] = string(value) })
	if fault != nil || !maps.Equal(got, want) {
		t.Errorf("Scan gives %d records, want %d, or they differ; %v", len(got), len(want), fault)
	}
	if faults, _ := f.Verify(); faults != nil {
		t.Errorf("Verify: %v", faults)
	}
	if !f.Settled(f.data[:f.HeadSize()]) {
		t.Error("the file is not settled, yet nobody writes")
	}
	again, err := Build(records)
	if err != nil {
		t.Fatal(err)
	}
	rebuilt, _ := mustOpen(t, again).Records()
	if !maps.Equal(asMap(t, rebuilt), want) {
		t.Error("the file built of the records has others")
	}
}

// checkClean wants no warning either.
func checkClean(t *testing.T, f *File, want map[string]string) {
	t.Helper()
	checkSound(t, f, want)
	if _, warnings := f.Verify(); warnings != nil {
		t.Errorf("warnings: %v", warnings)
	}
}

func checkDamaged(t *testing.T, f *File, want map[string]string) {
	t.Helper()
	records, faults := f.Records()
	for key, value := range asMap(t, records) {
		if v, ok := want[key]; !ok || v != value {
			t.Errorf("key %q has a wrong value", key)
		}
	}
	t.Logf("%d of %d records, faults %v", len(records), len(want), faults)
	if faults == nil {
		t.Error("no damage is told")
	}
	if closer, _ := f.Verify(); len(closer) < len(faults) {
		t.Errorf("Records tells of %d faults, Verify of %d", len(faults), len(closer))
	}
}

func checkFound(t *testing.T, what string, got []*dbm.DamageError, want string) {
	t.Helper()
	if want == "" && got == nil {
		return
	}
	for _, e := range got {
		if want != "" && strings.Contains(e.Error(), want) {
			return
		}
	}
	t.Errorf("got %ss %v, want %q", what, got, want)
}
