package dbmtest

import (
	"maps"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// Map fails the test on a key that comes twice.
func Map(t testing.TB, records []dbm.Record) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, r := range records {
		add(t, m, r.Key, r.Value)
	}
	return m
}

// Scan returns what Scan visits. It fails the test on a key that comes twice.
func Scan(t testing.TB, f dbm.File) (map[string]string, *dbm.DamageError) {
	t.Helper()
	m := map[string]string{}
	fault := f.Scan(func(key, value []byte) { add(t, m, key, value) })
	return m, fault
}

func add(t testing.TB, m map[string]string, key, value []byte) {
	t.Helper()
	if _, ok := m[string(key)]; ok {
		t.Errorf("key %.60q twice", key)
	}
	m[string(key)] = string(value)
}

// CheckRecords wants exactly these records and no fault.
func CheckRecords(t testing.TB, f dbm.File, want map[string]string) {
	t.Helper()
	records, faults := f.Records()
	if got := Map(t, records); !maps.Equal(got, want) {
		t.Errorf("Records gives %d records, want %d, or they differ", len(got), len(want))
	}
	closer, _ := f.Verify()
	for _, e := range append(faults, closer...) {
		t.Error(e)
	}
	if got, fault := Scan(t, f); fault != nil || !maps.Equal(got, want) {
		t.Errorf("Scan gives %d records, want %d, or they differ; %v", len(got), len(want), fault)
	}
}

// CheckClean does not want warnings either.
func CheckClean(t testing.TB, f dbm.File, want map[string]string) {
	t.Helper()
	CheckRecords(t, f, want)
	if _, warnings := f.Verify(); warnings != nil {
		t.Errorf("warnings: %v", warnings)
	}
}

// CheckLeft wants no record that was not there before the damage, and returns how
// many are lost.
func CheckLeft(t testing.TB, records []dbm.Record, before map[string]string) (lost int) {
	t.Helper()
	for _, r := range records {
		if v, ok := before[string(r.Key)]; !ok || v != string(r.Value) {
			t.Errorf("record %.30q is not what the file held", r.Key)
		}
	}
	return len(before) - len(records)
}

// CheckFound wants one among several findings, none at all if it is empty.
func CheckFound(t testing.TB, what string, got []*dbm.DamageError, want string) {
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

// CheckOpen wants Open to fail with an error of this kind and with these words.
func (c Codec[F, L]) CheckOpen(t testing.TB, data []byte, kind Kind, want string) {
	t.Helper()
	_, _, err := c.Agree(t, data)
	if err == nil || kindOf(err) != kind || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want a %s with %q", err, kind, want)
	}
}

// CheckBuild wants Build to fail with these words, and not to tell any value:
// those of the records have the word "secret".
func (c Codec[F, L]) CheckBuild(t testing.TB, records []dbm.Record, l L, want string) {
	t.Helper()
	data, err := c.Build(records, l)
	if err == nil || data != nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %d bytes and %v, want an error with %q", len(data), err, want)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Error("the error tells the value")
	}
}
