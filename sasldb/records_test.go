package sasldb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/dbm"
)

func listOf(m map[string]string) (l recordList) {
	for key, value := range m { // in any order
		l = append(l, dbm.Record{Key: []byte(key), Value: []byte(value)})
	}
	return l
}

func mapOf(t *testing.T, l recordList) map[string]string {
	m := map[string]string{}
	for _, r := range l {
		if _, twice := m[string(r.Key)]; twice {
			t.Errorf("key %q is there twice", r.Key)
		}
		m[string(r.Key)] = string(r.Value)
	}
	return m
}

// TestRecordLists holds lists and edits against maps.
func TestRecordLists(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	key := func() string { return fmt.Sprint("k", r.IntN(40)) }
	for range 300 {
		before := map[string]string{}
		for range r.IntN(30) {
			before[key()] = fmt.Sprint(r.IntN(3))
		}
		after := maps.Clone(before)
		var list []edit
		for range r.IntN(30) {
			if k := key(); r.IntN(3) == 0 {
				list = append(list, edit{key: []byte(k), gone: true})
				delete(after, k)
			} else {
				v := fmt.Sprint(r.IntN(3))
				list = append(list, edit{key: []byte(k), value: []byte(v)})
				after[k] = v
			}
		}
		es := newEdits(list)
		patched := listOf(before).patch(es)
		if diff := cmp.Diff(after, mapOf(t, patched)); diff != "" {
			t.Fatalf("patched (-want +got):\n%s", diff)
		}
		needed := listOf(before).lacking(es)
		if diff := cmp.Diff(after, mapOf(t, listOf(before).patch(needed))); diff != "" {
			t.Fatalf("patched with what is lacking (-want +got):\n%s", diff)
		}
		changes := diff(listOf(before), listOf(after))
		if len(changes) != len(needed) {
			t.Fatalf("%d changes, %d were lacking", len(changes), len(needed))
		}
		if diff := cmp.Diff(after, mapOf(t, listOf(before).patch(changes))); diff != "" {
			t.Fatalf("patched with the difference (-want +got):\n%s", diff)
		}
		if left := diff(listOf(after), patched); left != nil {
			t.Fatalf("%d differences are left", len(left))
		}
	}
}

func TestWithPrefix(t *testing.T) {
	t.Parallel()
	l := listOf(map[string]string{"a": "", "a\x00x": "", "a\x00": "", "b\x00": ""})
	if got := l.withPrefix([]byte("a\x00")); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// TestTxOfManyUsers holds a Tx against a map, while users are looked at and changed in any
// order.
func TestTxOfManyUsers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	record := func(name, property string) Record { return Record{Authid: name, Realm: "r", Property: property} }
	for round := range 60 {
		want := map[string]int{} // properties by user
		tx := &Tx{base: recordList{{Key: []byte("foreign")}, {Key: []byte("a\x00b\x00c\x00d")}}}
		for i := range r.IntN(30) {
			name := fmt.Sprint("base", i)
			want[name] = 1
			tx.base = append(tx.base, dbm.Record{Key: []byte(name + "\x00r\x00userPassword")})
		}
		for range r.IntN(3 * manyAsks) {
			name := fmt.Sprint([]string{"base", "new"}[r.IntN(2)], r.IntN(30))
			switch r.IntN(4) {
			case 0:
				tx.DeleteUser(name, "r")
				delete(want, name)
			case 1:
				if err := tx.Set(record(name, PropertyPassword)); err != nil {
					t.Fatal(err)
				}
				want[name] = max(1, want[name])
			case 2:
				if err := tx.Set(record(name, "mailQuota")); err != nil {
					t.Fatal(err)
				}
				want[name] = 2
				tx.Set(record(name, PropertyPassword))
			case 3:
				if got := len(tx.User(name, "r")); got != want[name] {
					t.Fatalf("round %d: %s has %d records, want %d", round, name, got, want[name])
				}
			}
		}
		got := map[string]int{}
		for name, realm := range tx.Users() {
			if _, twice := got[name]; twice || realm != "r" {
				t.Errorf("round %d: %s twice, or of realm %q", round, name, realm)
			}
			got[name] = len(tx.User(name, realm))
			tx.DeleteUser(name, realm) // meanwhile
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: -want +got:\n%s", round, diff)
		}
		for name := range tx.Users() {
			t.Errorf("round %d: %s is left", round, name)
		}
	}
}
