package dbmtest

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A Folder has files that real tools made, damaged copies of them, and sidecars,
// which its README explains.
type Folder string

// Samples is the folder, as seen from the package of a format.
const Samples = Folder("../../sasldb/testdata")

// A Sidecar says what must come out of a sample.
type Sidecar struct {
	Format    string
	Expect    string
	EntriesOf string                        `json:"entries_of"`
	Entries   []entry                       // of the undamaged file if this one is damaged
	Foreign   []struct{ Key, Value []byte } `json:"foreign_records"`
	Libdb     struct{ Verify string }

	// Of Berkeley DB.
	ByteOrder   string `json:"byte_order"`
	PageSize    uint32 `json:"page_size"`
	Version     uint32 `json:"hash_version"`
	Checksummed bool
	Buckets     uint32
	LastPage    uint32 `json:"last_pgno"`

	// Of GDBM; the zero values are a PC's.
	BigEndian bool `json:"big_endian"`
	Packed    bool // 32-bit x86
	Unsigned  bool // chars
}

type entry struct {
	Authid, Realm, Property string
	AuthidBase64            []byte `json:"authid_base64"`
	RealmBase64             []byte `json:"realm_base64"`
	PropertyBase64          []byte `json:"property_base64"`
	Value                   []byte
}

func (e entry) key() string {
	return e.Authid + string(e.AuthidBase64) + "\x00" + e.Realm + string(e.RealmBase64) + "\x00" + e.Property + string(e.PropertyBase64)
}

// Read returns a file of the folder.
func (f Folder) Read(t testing.TB, name string) []byte {
	t.Helper()
	return Must(os.ReadFile(filepath.Join(string(f), name)))(t)
}

// Sidecar returns that of a sample.
func (f Folder) Sidecar(t testing.TB, name string) Sidecar {
	t.Helper()
	var s Sidecar
	if err := json.Unmarshal(f.Read(t, name+".json"), &s); err != nil {
		t.Fatal(err)
	}
	if s.EntriesOf != "" {
		base := f.Sidecar(t, s.EntriesOf)
		s.Entries, s.Foreign = base.Entries, base.Foreign
	}
	return s
}

// Names returns the samples of formats whose names begin so.
func (f Folder) Names(t testing.TB, formats ...string) (names []string) {
	t.Helper()
	paths := Must(filepath.Glob(filepath.Join(string(f), "*.db.json")))(t)
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".json")
		s := f.Sidecar(t, name)
		for _, format := range formats {
			if strings.HasPrefix(s.Format, format) {
				names = append(names, name)
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("%d samples of %q in %s", len(names), formats, f)
	}
	return names
}

// Users returns the entries, by name NUL realm NUL property.
func (s Sidecar) Users() map[string]string {
	all := map[string]string{}
	for _, e := range s.Entries {
		all[e.key()] = string(e.Value)
	}
	return all
}

// Records returns what is in the file, or was before the damage.
func (s Sidecar) Records() map[string]string {
	all := s.Users()
	for _, r := range s.Foreign {
		all[string(r.Key)] = string(r.Value)
	}
	return all
}

// TestSamples holds samples against their sidecars. The format says what more it
// wants of sound ones.
func (c Codec[F, L]) TestSamples(t *testing.T, names []string, checkSound func(*testing.T, F, Sidecar)) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Samples.Sidecar(t, name)
			f, records, err := c.Agree(t, Samples.Read(t, name))
			switch s.Expect {
			case "ok", "ok-read":
				if err != nil {
					t.Fatal(err)
				}
				CheckRecords(t, f, s.Records())
				checkSound(t, f, s)
				c.agreeAgain(t, f, records)
			case "refuse":
				if kindOf(err) != Refusal {
					t.Errorf("got error %v, want a %s", err, Refusal)
				}
			case "damaged", "damaged-harmless":
				if err == nil {
					c.checkDamaged(t, f, s)
				} else if kindOf(err) != Damage && name != "bad-magic.db" { // which is of no format
					t.Errorf("got error %v, want a %s", err, Damage)
				}
			default:
				t.Fatalf("sidecar expects %q", s.Expect)
			}
		})
	}
}

func (c Codec[F, L]) checkDamaged(t *testing.T, f F, s Sidecar) {
	t.Helper()
	records, faults := f.Records()
	lost := CheckLeft(t, records, s.Records())
	t.Logf("%d of %d records lost, faults %v", lost, len(s.Records()), faults)
	if faults == nil && (lost > 0 || s.Expect == "damaged") {
		t.Errorf("%d records are missing, and no damage is told", lost)
	}
	if closer, _ := f.Verify(); closer == nil && (s.Expect == "damaged" || s.Libdb.Verify == "fails") {
		t.Errorf("Verify finds nothing; libdb's verifier: %q", s.Libdb.Verify)
	}
}

// TestCorruption breaks samples everywhere. Nothing may panic or take long, and the
// ways to read must agree; where checksums protect every page, no value may be
// wrong.
func (c Codec[F, L]) TestCorruption(t *testing.T, names ...string) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, s := Samples.Read(t, name), Samples.Sidecar(t, name)
			want := s.Records()
			r := rand.New(rand.NewPCG(3, 4))
			for range 300 {
				data, how := c.Corrupt(r, whole)
				start := time.Now()
				_, records, _ := c.Agree(t, data)
				if s.Checksummed {
					CheckLeft(t, records, want)
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
				if t.Failed() {
					t.Fatal(how)
				}
			}
		})
	}
}

// Corrupt returns a broken copy of a file, and what was done.
func (c Codec[F, L]) Corrupt(r *rand.Rand, whole []byte) ([]byte, string) {
	unit := 4096
	if f, err := c.Open(whole); err == nil {
		unit = c.Unit(f)
	}
	return corrupt(r, whole, unit, c.Head)
}
