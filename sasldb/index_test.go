//go:build unix

package sasldb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/bdb"
	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/verifier"
)

func mustIndex(t testing.TB, records ...Record) *index {
	t.Helper()
	var list []dbm.Record
	room := 0
	for _, r := range records {
		key, err := r.key()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, dbm.Record{Key: key, Value: r.Value})
		room += len(key) + len(r.Value) + 10
	}
	ix, err := newIndex(scanOf(list), room)
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

// find looks a user up as a login does.
func (ix *index) find(user, realm string, kinds ...verifier.Kind) (verifier.Kind, string, error) {
	var u holdings
	ix.user(appendName(nil, user, realm), &u)
	kind, value, err := u.lookup(kinds)
	return kind, string(value), err
}

func TestIndexFindsEverybody(t *testing.T) {
	t.Parallel()
	var records []Record
	for i := range 5000 {
		records = append(records, user(fmt.Sprint("user", i), fmt.Sprint("realm", i%7), fmt.Sprint("pw", i)))
	}
	ix := mustIndex(t, records...)
	for i, r := range records {
		if _, pw, err := ix.find(r.Authid, r.Realm, verifier.KindPassword); err != nil || pw != fmt.Sprint("pw", i) {
			t.Fatalf("%v: %v", r, err)
		}
	}
	// The boundary between user and realm counts.
	for _, name := range [][2]string{{"user0", "realm1"}, {"user0realm0", ""}, {"", "user0"}, {"user0\x00realm0", ""}, {"", "user0\x00realm0"}, {"user", "0realm0"}, {"", ""}} {
		if _, _, err := ix.find(name[0], name[1], verifier.KindPassword); !errors.Is(err, verifier.ErrNoUser) {
			t.Errorf("%q: %v", name, err)
		}
	}
	empty := mustIndex(t)
	if _, _, err := empty.find("user0", "realm0", verifier.KindPassword); !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("in an empty index: %v", err)
	}
}

func property_(name, property, value string) Record {
	return Record{Authid: name, Realm: "r", Property: property, Value: []byte(value)}
}

func TestLookupOfKinds(t *testing.T) {
	t.Parallel()
	const otp = "md5\t0499\tve0001\t0123456789abcdef\t00000000000000000000"
	ix := mustIndex(t,
		user("both", "r", "pw"), property_("both", propertyDIGESTMD5, "0123456789abcdef"),
		property_("other", "mailQuota", "1"), property_("other", "colour", "red"),
		property_("empty", PropertyPassword, ""),
		property_("otp", propertyOTP, otp), property_("broken", propertyOTP, "md5 499"),
		property_("scram", propertySCRAM, sha1Keys),
		user("mixed", "r", "pw"), property_("mixed", propertySCRAM, sha1Keys),
		property_("shut", disabledPrefix+PropertyPassword, "pw"),
		property_("marked", disabledPrefix, ""), property_("marked", disabledPrefix+"colour", "red"),
		user("reset", "r", "new"), property_("reset", disabledPrefix+PropertyPassword, "old"),
		property_("shutscram", disabledPrefix+propertySCRAM, sha1Keys))
	password, digest, scram := verifier.KindPassword, verifier.KindDIGESTMD5, verifier.KindSCRAMSHA1
	for _, c := range []struct {
		name  string
		kinds []verifier.Kind
		kind  verifier.Kind
		value string
		err   error
	}{
		{"both", []verifier.Kind{password, digest}, password, "pw", nil},
		{"both", []verifier.Kind{digest, password}, digest, "0123456789abcdef", nil},
		{"both", []verifier.Kind{verifier.KindCRAMMD5, digest}, digest, "0123456789abcdef", nil},
		{"both", []verifier.Kind{verifier.KindCheck, 200}, 0, "", verifier.ErrNoSecret},
		{"both", nil, 0, "", verifier.ErrNoSecret},
		{"other", []verifier.Kind{password}, 0, "", verifier.ErrNoSecret},
		{"empty", []verifier.Kind{password}, 0, "", verifier.ErrNoSecret},
		{"otp", []verifier.Kind{verifier.KindOTP}, verifier.KindOTP, otp, nil},
		{"broken", []verifier.Kind{verifier.KindOTP}, 0, "", verifier.ErrNoSecret},
		{"scram", []verifier.Kind{password, scram}, scram, packed(sha1Keys), nil},
		{"mixed", []verifier.Kind{scram}, 0, "", verifier.ErrNoSecret},
		{"shut", []verifier.Kind{password}, password, "pw", verifier.ErrDisabled},
		{"shut", []verifier.Kind{digest}, 0, "", verifier.ErrNoSecret},
		{"marked", []verifier.Kind{password}, 0, "", verifier.ErrNoSecret},
		{"reset", []verifier.Kind{password}, password, "new", verifier.ErrDisabled},
		{"shutscram", []verifier.Kind{scram}, scram, packed(sha1Keys), verifier.ErrDisabled},
	} {
		kind, value, err := ix.find(c.name, "r", c.kinds...)
		if kind != c.kind || value != c.value || !errors.Is(err, c.err) {
			t.Errorf("%s %v: %v, %d bytes, %v; want %v, %v", c.name, c.kinds, kind, len(value), err, c.kind, c.err)
		}
	}
	want := verifier.Coverage{
		Some:  verifier.KindsOf(password, digest, scram, verifier.KindOTP),
		Users: 7, Realms: []string{"r"},
		Counts: map[verifier.Kinds]int{
			verifier.KindsOf(password, digest): 1, verifier.KindsOf(password): 1, verifier.KindsOf(scram, verifier.KindCheck): 1, verifier.KindsOf(verifier.KindOTP): 1, 0: 3,
		},
	}
	if diff := cmp.Diff(want, ix.coverage); diff != "" {
		t.Errorf("coverage of those who are not disabled (-want +got):\n%s", diff)
	}
}

func TestAllIsWhatEverybodyHas(t *testing.T) {
	t.Parallel()
	c := mustIndex(t, user("al", "r", "pw"), property_("al", "colour", "red"), user("bo", "s", "pw"),
		Record{Authid: "", Realm: "nobody", Property: PropertyPassword, Value: []byte("pw")},
		property_("shut", disabledPrefix, "")).coverage
	want := verifier.KindsOf(verifier.KindPassword)
	if c.All != want || c.Some != want || c.Users != 2 || cmp.Diff([]string{"r", "s"}, c.Realms) != "" {
		t.Errorf("%+v", c)
	}
}

// TestAgreement: a user is the same in two files only if both say the same.
func TestAgreement(t *testing.T) {
	t.Parallel()
	password, digest := user("al", "r", "0123456789abcdef"), property_("al", propertyDIGESTMD5, "0123456789abcdef")
	aside, colour := property_("al", disabledPrefix+PropertyPassword, "0123456789abcdef"), property_("al", "colour", "red")
	other := user("bo", "r", "0123456789abcdef")
	for _, c := range []struct {
		name string
		a, b []Record
		want bool
	}{
		{"the same", []Record{password, digest, other}, []Record{digest, password}, true},
		{"another unknown property", []Record{password, colour}, []Record{password, property_("al", "quota", "1")}, true},
		{"another value", []Record{password}, []Record{user("al", "r", "0123456789abcdeF")}, false},
		{"another property", []Record{password}, []Record{digest}, false},
		{"one is lost", []Record{password, digest}, []Record{password}, false},
		{"one has come", []Record{password}, []Record{password, digest}, false},
		{"disabled", []Record{password}, []Record{aside}, false},
		{"disabled and set again", []Record{password}, []Record{password, aside}, false},
		{"lost", []Record{password}, []Record{other}, false},
		{"has come", []Record{other}, []Record{password}, false},
		{"unknown to both", []Record{other}, []Record{other}, false},
	} {
		a, b := mustIndex(t, c.a...), mustIndex(t, c.b...)
		if got := a.agrees(b, appendName(nil, "al", "r")); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestManyPropertiesOfOneUser: one name with any number of properties is not a long
// way to go for every look-up.
func TestManyPropertiesOfOneUser(t *testing.T) {
	t.Parallel()
	var records []Record
	for i := range 100_000 {
		name := fmt.Sprint("property", i)
		if i%2 == 0 {
			name = disabledPrefix + name
		}
		records = append(records, property_("al", name, "x"))
	}
	ix := mustIndex(t, records...)
	n := 0
	name := appendName(nil, "al", "r")
	for _, rest, ok := find(name, ix.bucketOf(name)); ok; _, rest, ok = find(name, rest) {
		n++
	}
	if n != 2 {
		t.Errorf("%d entries, want that he exists and is disabled", n)
	}
}

func TestPropertiesFitTheirMarks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range loginProperties {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	if len(loginProperties) > maxLoginProperties || maxLoginProperties >= int(markDisabled) {
		t.Errorf("%d login properties, room for %d", len(loginProperties), maxLoginProperties)
	}
}

// TestOverlap: a file that seems to hold more than its size is damaged.
func TestOverlap(t *testing.T) {
	t.Parallel()
	big := make([]byte, 1000)
	for i := range big {
		big[i] = 'x'
	}
	var records []dbm.Record
	for i := range 10 {
		records = append(records, dbm.Record{Key: fmt.Appendf(nil, "u%d\x00r\x00userPassword", i), Value: big})
	}
	if ix, err := newIndex(scanOf(records), 1500); err != errOverlap || ix != nil {
		t.Errorf("got %v", err)
	}
}

// siteFile writes a file of n users with passwords like those of a mail site.
func siteFile(t testing.TB, n int) (path string, size int64) {
	t.Helper()
	records := make([]dbm.Record, n)
	for i := range records {
		records[i] = dbm.Record{Key: fmt.Appendf(nil, "user%07d\x00example.com\x00userPassword", i), Value: fmt.Appendf(nil, "pw-%011d", i)}
	}
	data, err := bdb.Build(records, bdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path = t.TempDir() + "/sasldb2"
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, int64(len(data))
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryOfAnOpenDB does not run beside others, whose memory it would count.
func TestMemoryOfAnOpenDB(t *testing.T) {
	path, size := siteFile(t, 100_000)
	before := liveHeap()
	db := openDB(t, path)
	held := liveHeap() - before
	t.Logf("%d bytes for a file of %d: %.2f", held, size, float64(held)/float64(size))
	if held > size*3/4 {
		t.Errorf("%d bytes are held for a file of %d", held, size)
	}
	runtime.KeepAlive(db)
}

// TestMemoryOfHostileFiles: what a small file says does not make us take much.
func TestMemoryOfHostileFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad-*.db")
	if err != nil || len(paths) < 10 {
		t.Fatal(len(paths), err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if db, err := Open(path); err == nil {
			db.Close()
		}
		runtime.ReadMemStats(&after)
		if taken := int64(after.TotalAlloc - before.TotalAlloc); taken > 16<<20+info.Size() {
			t.Errorf("%s: %d bytes were allocated for %d", path, taken, info.Size())
		}
	}
}

// TestLookupAllocations: the path for the system call, and what is returned; keys are
// decoded, packed and copied.
func TestLookupAllocations(t *testing.T) {
	path := newFile(t, user("al", "r", "one"), property_("scram", propertySCRAM, sha1Keys))
	db, c := openClocked(t, path, Options{})
	c.advance(time.Minute)
	for name, want := range map[string]float64{"al": 2, "scram": 4, "nobody": 1, strings.Repeat("long", 20): 1} {
		kinds := []verifier.Kind{verifier.KindSCRAMSHA1, verifier.KindPassword}
		r := request(name, "r")
		if got := testing.AllocsPerRun(100, func() { db.LookupSecret(t.Context(), r, kinds...) }); got > want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
}

func benchmarkSizes(b *testing.B, run func(b *testing.B, n int)) {
	for _, size := range []struct {
		name string
		n    int
	}{{"1k", 1000}, {"100k", 100_000}, {"1M", 1_000_000}} {
		b.Run(size.name, func(b *testing.B) {
			if testing.Short() && size.n > 100_000 {
				b.Skip("takes a gigabyte")
			}
			run(b, size.n)
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		path, _ := siteFile(b, n)
		db, c := openClocked(b, path, Options{})
		c.advance(time.Minute)
		names := make([]string, 1<<16)
		for i := range names {
			names[i] = fmt.Sprintf("user%07d", rand.IntN(n))
		}
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			i++
			if _, err := db.LookupSecret(b.Context(), request(names[i%len(names)], "example.com"), verifier.KindPassword); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkYoungLookup is a login while the stamp of the file is young.
func BenchmarkYoungLookup(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		path, size := siteFile(b, n)
		c := new(testClock)
		c.advance(-time.Hour) // so that it stays young
		db, err := newDB(path, Options{}, c.clock())
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := db.LookupSecret(b.Context(), request("user0000001", "example.com"), verifier.KindPassword); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	benchmarkSizes(b, func(b *testing.B, n int) {
		path, size := siteFile(b, n)
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			db, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			db.Close()
		}
	})
}
