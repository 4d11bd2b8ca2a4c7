package dbmtest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Seeded returns the same numbers each time.
func Seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// Bytes returns n random bytes.
func Bytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Users returns records like those of a mail site, one for each user: keys of 33
// bytes and values of 14.
func Users(n int) []dbm.Record {
	records := make([]dbm.Record, n)
	for i := range records {
		records[i] = dbm.Record{Key: fmt.Appendf(nil, "user%04d\x00example.com\x00userPassword", i), Value: fmt.Appendf(nil, "pw-%011d", i)}
	}
	return records
}

// Random returns records with different keys, n of them of users. The others are
// an empty value, keys that are the beginnings of others, and values of the sizes
// at which something changes in the format. No key has more than 32 bytes for up
// to 1000 users, and those that are not of users are ASCII.
func Random(r *rand.Rand, n int, sizes ...int) []dbm.Record {
	records := []dbm.Record{{Key: []byte("empty value"), Value: []byte{}}}
	for i := range 12 {
		records = append(records, dbm.Record{Key: []byte("prefixprefix")[:i+1], Value: Bytes(r, i)})
	}
	for _, size := range sizes {
		records = append(records, dbm.Record{Key: fmt.Appendf(nil, "s %06d", size), Value: Bytes(r, size)})
	}
	for i := range n {
		name, domain := []string{"user", "Jürgen", "иван"}[r.IntN(3)], []string{"ex.com", "ex.org", ""}[r.IntN(3)]
		key := fmt.Appendf(nil, "%s%d\x00%s\x00userPassword", name, i, domain)
		records = append(records, dbm.Record{Key: key, Value: Bytes(r, r.IntN(40))})
	}
	return records
}

// EmptyKey is a record that not every format may have.
var EmptyKey = dbm.Record{Key: []byte{}, Value: []byte("of the empty key")}

// Records returns the records of a map, in another order each time.
func Records(m map[string]string) (records []dbm.Record) {
	for key, value := range m {
		records = append(records, dbm.Record{Key: []byte(key), Value: []byte(value)})
	}
	return records
}

// cut makes records of what a fuzzer thought of: a length byte for the key and one
// for the value, in units that reach from nothing to beyond a page.
func cut(data []byte) (records []dbm.Record) {
	for len(data) >= 2 {
		k, v := int(data[0]), int(data[1])*5
		data = data[2:]
		k = min(k, len(data))
		v = min(v, len(data)-k)
		records = append(records, dbm.Record{Key: data[:k], Value: data[k : k+v]})
		data = data[k+v:]
	}
	return records
}

// ParseDump reads what db_dump and mdb_dump print: a header, then keys and values
// by turns, a blank and hexadecimal digits each.
func ParseDump(t testing.TB, dump string) map[string]string {
	t.Helper()
	_, body, ok := strings.Cut(dump, "HEADER=END\n")
	if !ok {
		t.Fatalf("no dump: %.200q", dump)
	}
	var fields [][]byte
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), " "); ok {
			fields = append(fields, Must(hex.DecodeString(text))(t))
		}
	}
	all := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		add(t, all, fields[i], fields[i+1])
	}
	return all
}

// corrupt returns a broken copy of a file, and what was done. The heads of units
// are hit more often than their share.
func corrupt(r *rand.Rand, whole []byte, unit, head int) ([]byte, string) {
	data := bytes.Clone(whole)
	page := r.IntN(len(data)/unit) * unit
	switch at := page + r.IntN(head); r.IntN(6) {
	case 0:
		n := r.IntN(len(data))
		return data[:n], fmt.Sprintf("cut at %d", n)
	case 1:
		n := r.IntN(len(data)/unit) * unit
		copy(data[page:page+unit], whole[n:])
		return data, fmt.Sprintf("bytes %d and on written to %d", n, page)
	case 2:
		clear(data[page : page+unit])
		return data, fmt.Sprintf("%d bytes at %d zeroed", unit, page)
	case 3:
		data[at] ^= 1 << r.IntN(8)
		return data, fmt.Sprintf("bit at %d flipped", at)
	case 4:
		data[at] = byte(r.Uint32())
		return data, fmt.Sprintf("byte %d replaced", at)
	}
	at := r.IntN(len(data))
	data[at] ^= 1 << r.IntN(8)
	return data, fmt.Sprintf("bit at %d flipped", at)
}
