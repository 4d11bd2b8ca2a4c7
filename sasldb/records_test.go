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
	list := []edit{{key: []byte("b\x00x")}, {key: []byte("a\x00x")}, {key: []byte("a\x00")}, {key: []byte("a")}, {key: []byte("ab")}, {key: []byte("a\x00x"), gone: true}}
	if got := newEdits(list).withPrefix([]byte("a\x00")); len(got) != 2 || !got[1].gone {
		t.Errorf("got %d edits", len(got))
	}
	l := listOf(map[string]string{"a": "", "a\x00x": "", "a\x00": "", "b\x00": ""})
	if got := l.withPrefix([]byte("a\x00")); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}
