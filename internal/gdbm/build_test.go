package gdbm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// eachLayout runs a test with the layouts that Build can make.
func eachLayout(t *testing.T, test func(*testing.T, Layout)) {
	for _, size := range []uint32{512, 4096, 65536} {
		for variant := range Original + 1 {
			for width := range Offsets32 + 1 {
				for _, big := range []bool{false, true} {
					for _, chars := range []Chars{SignedChars, UnsignedChars} {
						l := Layout{size, variant, width, big, chars}
						t.Run(l.name(), func(t *testing.T) {
							t.Parallel()
							test(t, l)
						})
					}
				}
			}
		}
	}
}

func (l Layout) name() string {
	return fmt.Sprintf("%d-%s-%s-big=%v-%v", l.BlockSize, [...]string{"standard", "numsync", "original"}[l.Variant],
		[...]string{"64", "packed", "32"}[l.Width], l.BigEndian, l.Chars)
}

// randomRecords returns records with different keys. Among them are the empty key,
// the empty value, short keys, keys that are not ASCII, and values about the sizes
// at which something might change.
func randomRecords(r *rand.Rand, n int) []dbm.Record {
	records := []dbm.Record{{Key: []byte{}, Value: []byte("of the empty key")}, {Key: []byte("empty value"), Value: []byte{}}}
	for i := range 12 {
		records = append(records, dbm.Record{Key: []byte("prefixprefix")[:i+1], Value: randomBytes(r, i)})
	}
	for _, size := range []int{511, 512, 513, 4095, 4096, 4097, 65536, 70001} {
		records = append(records, dbm.Record{Key: fmt.Appendf(nil, "size %d", size), Value: randomBytes(r, size)})
	}
	for i := range n {
		name := []string{"user", "Jürgen", "иван"}[r.IntN(3)]
		key := fmt.Appendf(nil, "%s%d\x00%s\x00userPassword", name, i, []string{"example.com", "example.org", ""}[r.IntN(3)])
		records = append(records, dbm.Record{Key: key, Value: randomBytes(r, r.IntN(40))})
	}
	return records
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// userRecords are like those of a mail site, one for each user.
func userRecords(n int) []dbm.Record {
	records := make([]dbm.Record, n)
	for i := range records {
		records[i] = dbm.Record{Key: fmt.Appendf(nil, "user%04d\x00example.com\x00userPassword", i), Value: fmt.Appendf(nil, "pw-%011d", i)}
	}
	return records
}

func mustBuild(t testing.TB, records []dbm.Record, l Layout) []byte {
	t.Helper()
	data, err := Build(records, l)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustOpen(t testing.TB, data []byte) *File {
	t.Helper()
	f, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestBuildIsReadBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		for _, n := range []int{0, 1, 300} {
			records := randomRecords(seeded(), n)
			f := mustOpen(t, mustBuild(t, records, l))
			checkRecords(t, f, asMap(t, records))
			got := f.Layout()
			if n < 300 && got.Chars == UsualChars { // all ASCII
				got.Chars = l.Chars
			}
			if got != l {
				t.Errorf("layout %+v", got)
			}
			if _, warnings := f.Verify(); warnings != nil && l.Chars == usualChars(l.order()) {
				t.Error(warnings)
			}
		}
	})
}

// TestBuildEmpty: what libgdbm makes when it creates a file is the same byte for
// byte.
func TestBuildEmpty(t *testing.T) {
	for name, l := range map[string]Layout{"gdbm-empty.db": {}, "gdbm-numsync-empty.db": {Variant: Numsync}} {
		data := mustBuild(t, nil, l)
		theirs := readSample(t, name)
		if !bytes.Equal(data, theirs) {
			t.Errorf("%s differs: %d bytes, %d of libgdbm", name, len(data), len(theirs))
		}
		checkClean(t, mustOpen(t, data), map[string]string{})
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		records := randomRecords(seeded(), 200)
		before := slices.Clone(records)
		want := mustBuild(t, records, l)
		for i := range records {
			if !bytes.Equal(records[i].Key, before[i].Key) {
				t.Fatal("the order of the caller's records was changed")
			}
		}
		seeded().Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
		if !bytes.Equal(mustBuild(t, records, l), want) {
			t.Error("another order of records gives another file")
		}
		f := mustOpen(t, want)
		got, err := f.Rewrite(records)
		if err != nil {
			t.Fatal(err)
		}
		if l.Variant == Numsync {
			got = bytes.Clone(got)
			copy(got[f.headerSize()+4:], make([]byte, 4)) // the counter
		}
		if !bytes.Equal(got, want) {
			t.Error("Rewrite makes another file than Build")
		}
	})
}

func TestBuildRefuses(t *testing.T) {
	one := []dbm.Record{{Key: []byte("k"), Value: []byte("secret value")}}
	for _, test := range []struct {
		name    string
		records []dbm.Record
		layout  Layout
		want    string
	}{
		{"block size 768", one, Layout{BlockSize: 768}, "block size 768"},
		{"block size 256", one, Layout{BlockSize: 256}, "block size 256"},
		{"block size 512 MiB", one, Layout{BlockSize: 512 << 20}, "block size 536870912"},
		{"variant", one, Layout{Variant: 3}, "not known"},
		{"width", one, Layout{Width: 3}, "not known"},
		{"two records with one key", append(one, one...), Layout{}, "two records with one key"},
		{"17 keys with one hash", colliding(17, hashBits), Layout{BlockSize: 512, Chars: UnsignedChars}, "17 keys have hashes that begin with the same 21 of 31 bits, more than the 16"},
		{"17 keys with 21 bits", colliding(17, 21), Layout{BlockSize: 512, Chars: UnsignedChars}, "the same 21 of 31 bits"},
		{"167 keys with one hash", colliding(167, hashBits), Layout{Chars: UnsignedChars}, "more than the 166"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			data, err := Build(test.records, test.layout)
			if err == nil || data != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %d bytes and %v, want an error with %q", len(data), err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Error("the error tells the value")
			}
		})
	}
}

// keyWith returns a key of a given hash, another one for each n. Chars are
// unsigned. The hash is a sum of shifted bytes, scrambled in a way that can be
// undone: the bytes shifted by 0, 8, 16 and 23 bits are chosen last.
func keyWith(hash uint32, n int) []byte {
	const multiplier = 1103515243
	inverse := uint32(1)
	for range 5 { // each round doubles the number of right bits
		inverse *= 2 - multiplier*inverse
	}
	key := make([]byte, 20)
	key[1], key[2] = byte(n), byte(n>>8)
	sum := 0x238f13af*uint32(len(key)) + uint32(key[1])<<5 + uint32(key[2])<<10
	rest := (hash-12345)*inverse - sum
	key[0], key[16], key[8], key[19] = byte(rest), byte(rest>>8), byte(rest>>16), byte(rest>>24<<1)
	return key
}

// colliding returns records whose keys have hashes with the first bits in common.
func colliding(n int, bits uint32) (records []dbm.Record) {
	for i := range n {
		hash := uint32(0x2345678)
		if bits < hashBits {
			hash ^= uint32(i) % 2 << (hashBits - 1 - bits)
		}
		records = append(records, dbm.Record{Key: keyWith(hash, i), Value: []byte("v")})
	}
	return records
}

// TestBuildUnlucky: keys whose hashes are alike make the directory grow, not the
// number of buckets.
func TestBuildUnlucky(t *testing.T) {
	l := Layout{BlockSize: 512, Chars: UnsignedChars}
	for _, bits := range []uint32{0, 5, 6, 10, 15, 17} {
		f := mustOpen(t, mustBuild(t, colliding(17, bits), l))
		if want := max(6, bits+1); f.dirBits != want {
			t.Errorf("%d bits: the directory has %d, want %d", bits, f.dirBits, want)
		}
		c := newCollector(f)
		c.collect()
		if uint32(len(c.visited)) != bits+2 {
			t.Errorf("%d bits: %d buckets, want %d", bits, len(c.visited), bits+2)
		}
		checkRecords(t, f, asMap(t, colliding(17, bits)))
	}
	full := colliding(16, hashBits)
	checkRecords(t, mustOpen(t, mustBuild(t, full, l)), asMap(t, full))
}

// TestRewriteKeepsLargeDirectory: what libgdbm let grow beyond our limit can still
// be written, lest an administrator be unable to delete what made it grow.
func TestRewriteKeepsLargeDirectory(t *testing.T) {
	b, err := newBuilder(Layout{BlockSize: 512, Chars: UnsignedChars})
	if err != nil {
		t.Fatal(err)
	}
	b.maxDirSize *= 2
	records := colliding(17, 21)
	data, err := b.build(records)
	if err != nil {
		t.Fatal(err)
	}
	again, err := mustOpen(t, data).Rewrite(records[:17])
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%d bytes, %v", len(again), err)
	}
}

func TestHash(t *testing.T) {
	for i, hash := range []uint32{0, 1, 12345, 0x7fffffff, 0x40000000, 0x2345678} {
		if got := UnsignedChars.hashKey(keyWith(hash, i)); got != hash {
			t.Errorf("the key made for hash %#x has %#x", hash, got)
		}
	}
	for _, key := range []string{"", "a", "user", strings.Repeat("~", 100)} {
		if SignedChars.hashKey([]byte(key)) != UnsignedChars.hashKey([]byte(key)) {
			t.Errorf("%q is ASCII, yet chars matter", key)
		}
	}
	if SignedChars.hashKey([]byte("ö")) == UnsignedChars.hashKey([]byte("ö")) {
		t.Error("chars do not matter")
	}
}

// TestBuildLeavesNoTrace looks for bytes of one value everywhere but in its place.
func TestBuildLeavesNoTrace(t *testing.T) {
	records := append(userRecords(100), dbm.Record{Key: []byte("k"), Value: bytes.Repeat([]byte{0xEE}, 5000)})
	f := mustOpen(t, mustBuild(t, records, Layout{}))
	if n := bytes.Count(f.data, []byte{0xEE}); n != 5000 {
		t.Errorf("the byte is there %d times", n)
	}
	c := newCollector(f)
	c.collect()
	last := c.extents[len(c.extents)-1].to
	if n := len(bytes.Trim(f.data[last:], "\x00")); n != 0 {
		t.Errorf("%d bytes behind the last record are not zero", n)
	}
}

// TestBuildDensity keeps the files from growing: keys of 33 bytes and values of 14
// take 71 with their slots.
func TestBuildDensity(t *testing.T) {
	for _, n := range []int{200, 500, 1000, 3000, 10000, 20000} {
		data := mustBuild(t, userRecords(n), Layout{})
		perUser := float64(len(data)) / float64(n)
		t.Logf("%5d users: %d bytes, %.0f each", n, len(data), perUser)
		if perUser > 150 {
			t.Errorf("%d users take %.0f bytes each", n, perUser)
		}
	}
}
