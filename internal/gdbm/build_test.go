package gdbm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
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

func randomRecords(r *rand.Rand, n int) []dbm.Record {
	return append(dbmtest.Random(r, n, 511, 512, 513, 4095, 4096, 4097, 65536, 70001), dbmtest.EmptyKey)
}

func TestBuildIsReadBack(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		for _, n := range []int{0, 1, 300} {
			records := randomRecords(dbmtest.Seeded(), n)
			f := mustOpen(t, mustBuild(t, records, l))
			checkRecords(t, f, dbmtest.Map(t, records))
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
		theirs := dbmtest.Samples.Read(t, name)
		if !bytes.Equal(data, theirs) {
			t.Errorf("%s differs: %d bytes, %d of libgdbm", name, len(data), len(theirs))
		}
		dbmtest.CheckClean(t, mustOpen(t, data), map[string]string{})
	}
}

func TestBuildIsDeterministic(t *testing.T) {
	eachLayout(t, func(t *testing.T, l Layout) {
		records := randomRecords(dbmtest.Seeded(), 200)
		want := codec.TestDeterminism(t, records, l)
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
			codec.CheckBuild(t, test.records, test.layout, test.want)
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
		checkRecords(t, f, dbmtest.Map(t, colliding(17, bits)))
	}
	full := colliding(16, hashBits)
	checkRecords(t, mustOpen(t, mustBuild(t, full, l)), dbmtest.Map(t, full))
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
	f := mustOpen(t, mustBuild(t, dbmtest.Trace(), Layout{}))
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

// TestBuildDensity: keys of 33 bytes and values of 14 take 71 with their slots.
func TestBuildDensity(t *testing.T) {
	codec.TestDensity(t, Layout{}, 150, 200, 500, 1000, 3000, 10000, 20000)
}
