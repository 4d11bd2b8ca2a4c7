package gdbm

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

	// Of files that this package's author made; the zero values are a PC's.
	BigEndian bool `json:"big_endian"`
	Packed    bool // 32-bit x86
	Unsigned  bool // chars
}

type sidecarEntry struct {
	Authid, Realm, Property string
	AuthidBase64            []byte `json:"authid_base64"`
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
		all[e.Authid+string(e.AuthidBase64)+"\x00"+e.Realm+"\x00"+e.Property] = string(e.Value)
	}
	return all
}

// sampleNames returns the samples in GDBM's format.
func sampleNames(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(samples, "*gdbm-*.db"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d samples in %s (%v)", len(paths), samples, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(p))
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

func scanMap(t testing.TB, f *File) (map[string]string, *dbm.DamageError) {
	t.Helper()
	m := map[string]string{}
	fault := f.Scan(func(key, value []byte) {
		if _, ok := m[string(key)]; ok {
			t.Errorf("key %q twice", key)
		}
		m[string(key)] = string(value)
	})
	return m, fault
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
				checkSound(t, f, s)
			case "damaged":
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
	t.Helper()
	want := s.records(t)
	checkRecords(t, f, want)
	l := f.Layout()
	if l.BigEndian != s.BigEndian || (l.Width == Offsets64Packed) != s.Packed {
		t.Errorf("layout %+v", l)
	}
	chars := SignedChars
	if s.Unsigned {
		chars = UnsignedChars
	}
	if l.Chars != UsualChars && l.Chars != chars {
		t.Errorf("%v chars, the sidecar says %v", l.Chars, chars)
	}
	_, warnings := f.Verify()
	if foreign := l.Chars != UsualChars && l.Chars != usualChars(l.order()); (warnings != nil) != foreign {
		t.Errorf("warnings about a healthy file: %v", warnings)
	}
	records, _ := f.Records()
	data, err := f.Rewrite(records)
	if err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, data)
	checkRecords(t, again, want)
	if again.Layout() != l {
		t.Errorf("layout was %+v, is %+v", l, again.Layout())
	}
	if l.Variant == Numsync && again.numsync != f.numsync+1 {
		t.Errorf("counter was %d, is %d", f.numsync, again.numsync)
	}
}

// checkRecords wants exactly these records and no fault.
func checkRecords(t testing.TB, f *File, want map[string]string) {
	t.Helper()
	records, faults := f.Records()
	if got := asMap(t, records); !maps.Equal(got, want) {
		t.Errorf("Records gives %d records, want %d, or they differ", len(got), len(want))
	}
	closer, _ := f.Verify()
	for _, e := range append(faults, closer...) {
		t.Error(e)
	}
	if got, fault := scanMap(t, f); fault != nil || !maps.Equal(got, want) {
		t.Errorf("Scan gives %d records, want %d, or they differ; %v", len(got), len(want), fault)
	}
}

// checkClean does not want warnings either.
func checkClean(t testing.TB, f *File, want map[string]string) {
	t.Helper()
	checkRecords(t, f, want)
	if _, warnings := f.Verify(); warnings != nil {
		t.Error(warnings)
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
	_, fault := scanMap(t, f)
	t.Logf("%d of %d records, faults %v", len(got), len(want), faults)
	if faults == nil || closer == nil || fault == nil {
		t.Errorf("the damage is not told: Records %v, Verify %v, Scan %v", faults, closer, fault)
	}
}

func TestOpenOther(t *testing.T) {
	for _, name := range []string{"bdb-one-user.db", "bad-zero-length.db"} {
		data := readSample(t, name)
		f, err := Open(data)
		var refusal *dbm.FormatError
		if f != nil || err == nil || errors.As(err, &refusal) != (len(data) > 0) || !strings.HasPrefix(err.Error(), "gdbm: ") {
			t.Errorf("%s: %v, %v", name, f, err)
		}
		if Is(data) {
			t.Errorf("%s is taken for GDBM", name)
		}
	}
	if !Is(readSample(t, "gdbm-one-user.db")[:4]) {
		t.Error("4 bytes are not enough")
	}
}
