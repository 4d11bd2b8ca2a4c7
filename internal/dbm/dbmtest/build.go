package dbmtest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// TestDeterminism: equal records give equal bytes in whatever order they come, and
// stay in the caller's. It returns the file.
func (c Codec[F, L]) TestDeterminism(t *testing.T, records []dbm.Record, l L) []byte {
	t.Helper()
	before := slices.Clone(records)
	data := Must(c.Build(records, l))(t)
	for i := range records {
		if !bytes.Equal(records[i].Key, before[i].Key) {
			t.Fatal("the order of the caller's records was changed")
		}
	}
	Seeded().Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	if !bytes.Equal(Must(c.Build(records, l))(t), data) {
		t.Error("another order of records gives another file")
	}
	return data
}

// TestDensity keeps files from growing: a user, see Users, may take this many bytes.
func (c Codec[F, L]) TestDensity(t *testing.T, l L, limit float64, users ...int) {
	t.Helper()
	for _, n := range users {
		data := Must(c.Build(Users(n), l))(t)
		perUser := float64(len(data)) / float64(n)
		t.Logf("%5d users: %d bytes, %.0f each", n, len(data), perUser)
		if perUser > limit {
			t.Errorf("%d users take %.0f bytes each", n, perUser)
		}
	}
}

// Trace returns users and a large value of one byte that nothing else consists of,
// to look for elsewhere.
func Trace() []dbm.Record {
	return append(Users(100), dbm.Record{Key: []byte("k"), Value: bytes.Repeat([]byte{0xEE}, 5000)})
}

// maxFuzzFile keeps a single round short, in bytes.
const maxFuzzFile = 64 << 10

// FuzzOpen is the body of a fuzz target. Seeds that are too large to be changed in
// many places are left out.
func (c Codec[F, L]) FuzzOpen(f *testing.F, seeds ...[]byte) {
	for _, data := range append(seeds, []byte{}) {
		if len(data) <= maxFuzzFile {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxFuzzFile {
			return
		}
		if f, records, err := c.Agree(t, data); err == nil {
			c.agreeAgain(t, f, records)
		}
	})
}

// FuzzBuild is the body of a fuzz target: what Build takes is read back, what it
// must refuse it refuses. The layout is chosen by a byte.
func (c Codec[F, L]) FuzzBuild(f *testing.F, layout func(choice byte) L) {
	f.Add([]byte("\x03\x02abcde\x00\x00\x01\x01xy"), byte(0))
	f.Add([]byte("\x03\x02abcde\x01\x01xyz!"), byte(0))
	f.Add(bytes.Repeat([]byte("\x40\x41"), 300), byte(0xff))
	f.Add(bytes.Repeat([]byte("\x10\x11"), 300), byte(0xff))
	f.Add(bytes.Repeat([]byte("\xc8\x00k"), 500), byte(0x55))
	f.Add(bytes.Repeat([]byte("\x03\x00k"), 500), byte(0x55))
	f.Add(bytes.Repeat([]byte("\x20\x00k"), 500), byte(0x05))
	f.Fuzz(func(t *testing.T, data []byte, choice byte) {
		l, records := layout(choice), cut(data)
		want := map[string]string{}
		refused := false
		for _, r := range records {
			want[string(r.Key)] = string(r.Value)
			refused = refused || c.Refuses != nil && c.Refuses(r.Key, l)
		}
		refused = refused || len(want) < len(records)
		file, err := c.Build(records, l)
		if (err != nil) != refused || (file == nil) != refused {
			t.Fatalf("%d records, %d keys, to be refused: %v; %d bytes, %v", len(records), len(want), refused, len(file), err)
		}
		if !refused {
			c.CheckMade(t, Must(c.Open(file))(t), want)
		}
	})
}
