package dbmtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A recorder is a test that notes what it is told in place of failing.
type recorder struct {
	testing.TB
	told strings.Builder
}

func (r *recorder) Helper()                           {}
func (r *recorder) Error(args ...any)                 { fmt.Fprintln(&r.told, args...) }
func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(&r.told, format+"\n", args...) }

// A liar is a file that says of itself what the test wants.
type liar struct {
	records, scanned             []dbm.Record
	seen, found, faults, warning []*dbm.DamageError // by Records, Scan and Verify
}

func (l *liar) Records() ([]dbm.Record, []*dbm.DamageError)        { return l.records, l.seen }
func (l *liar) Verify() (faults, warnings []*dbm.DamageError)      { return l.faults, l.warning }
func (l *liar) Rewrite(records []dbm.Record) (b []byte, err error) { return nil, nil }

func (l *liar) Scan(visit func(key, value []byte)) *dbm.DamageError {
	for _, r := range l.scanned {
		visit(r.Key, r.Value)
	}
	if l.found != nil {
		return l.found[0]
	}
	return nil
}

var (
	one    = []dbm.Record{{Key: []byte("k"), Value: []byte("v")}}
	other  = []dbm.Record{{Key: []byte("k"), Value: []byte("w")}}
	twice  = append(one, one...)
	damage = []*dbm.DamageError{{Reason: "here"}}
)

// TestAgree: whatever rule is broken, it is told.
func TestAgree(t *testing.T) {
	sound := &liar{records: one, scanned: one}
	for _, test := range []struct {
		name string
		file *liar
		err  error
		want string
	}{
		{"sound", sound, nil, ""},
		{"damaged", &liar{records: one, seen: damage, found: damage, faults: damage}, nil, ""},
		{"refused", nil, &dbm.FormatError{}, ""},
		{"a record is not scanned", &liar{records: one}, nil, "Scan gives 0 records, Records 1"},
		{"another value is scanned", &liar{records: one, scanned: other}, nil, "or they differ"},
		{"a key twice", &liar{records: twice, scanned: one}, nil, `key "k" twice`},
		{"a key twice in Scan", &liar{records: one, scanned: twice}, nil, `key "k" twice`},
		{"Scan is silent", &liar{seen: damage, faults: damage}, nil, "Scan says <nil>"},
		{"Records is silent", &liar{found: damage, faults: damage}, nil, "Records []"},
		{"Verify is silent", &liar{seen: damage, found: damage}, nil, "Records tells of 1 faults, Verify of 0"},
		{"a file with an error", sound, damage[0], "a file together with"},
		{"an error of no kind", nil, errors.New("broken"), "is of no kind"},
		{"data written to", nil, &dbm.FormatError{Reason: "write"}, "the data were changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Codec[*liar, int]{
				Open: func(data []byte) (*liar, error) {
					if test.err != nil && strings.Contains(test.err.Error(), "write") {
						data[0]++
					}
					return test.file, test.err
				},
				Check: func(testing.TB, *liar, []dbm.Record) {},
			}
			r := &recorder{TB: t}
			c.Agree(r, []byte("data"))
			r.check(t, test.want)
		})
	}
}

func (r *recorder) check(t *testing.T, want string) {
	t.Helper()
	if got := r.told.String(); (got == "") != (want == "") || !strings.Contains(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestChecks(t *testing.T) {
	for _, test := range []struct {
		name  string
		check func(testing.TB)
		want  string
	}{
		{"clean", func(t testing.TB) { CheckClean(t, &liar{records: one, scanned: one}, Map(t, one)) }, ""},
		{"warned", func(t testing.TB) { CheckClean(t, &liar{records: one, scanned: one, warning: damage}, Map(t, one)) }, "warnings"},
		{"faulty", func(t testing.TB) { CheckRecords(t, &liar{records: one, scanned: one, faults: damage}, Map(t, one)) }, "here"},
		{"another value", func(t testing.TB) { CheckRecords(t, &liar{records: other, scanned: one}, Map(t, one)) }, "Records gives"},
		{"another value scanned", func(t testing.TB) { CheckRecords(t, &liar{records: one, scanned: other}, Map(t, one)) }, "Scan gives"},
		{"left", func(t testing.TB) { CheckLeft(t, nil, Map(t, one)) }, ""},
		{"left but wrong", func(t testing.TB) { CheckLeft(t, other, Map(t, one)) }, "not what the file held"},
		{"found", func(t testing.TB) { CheckFound(t, "fault", damage, "here") }, ""},
		{"found elsewhere", func(t testing.TB) { CheckFound(t, "fault", damage, "there") }, `want "there"`},
		{"found in vain", func(t testing.TB) { CheckFound(t, "fault", damage, "") }, `want ""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{TB: t}
			test.check(r)
			r.check(t, test.want)
		})
	}
}

// TestCorrupt: a broken copy is one, and the whole stays as it was.
func TestCorrupt(t *testing.T) {
	r := Seeded()
	whole := Bytes(r, 4096)
	before := bytes.Clone(whole)
	same := 0
	for range 200 {
		if data, _ := corrupt(r, whole, 512, 64); bytes.Equal(data, whole) {
			same++ // a unit written to itself
		}
	}
	if same > 20 || !bytes.Equal(whole, before) {
		t.Errorf("%d of 200 copies are whole", same)
	}
}
