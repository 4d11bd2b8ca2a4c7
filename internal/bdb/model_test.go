package bdb

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
)

var (
	modelOps  = flag.Int("model.ops", 3000, "operations of TestModel, over all layouts")
	modelSeed = flag.Uint64("model.seed", 1, "seed of TestModel")
)

// TestModel lets our writer and libdb change one file by turns, growing it from
// nothing and emptying it again, in every layout. After each turn both must find
// what a map holds, key by key and as a list, and both verifiers must be content.
//
//	go test ./internal/bdb -run Model -v -model.ops 220000
//
// What our writer made must depend on nothing but the content, whoever wrote the
// file before, and hold no value that was replaced or deleted.
func TestModel(t *testing.T) {
	program := buildLibdbProgram(t)
	layouts := []Layout{{7, 4096, true, false}, {8, 512, false, true}}
	for _, size := range []uint32{512, 1024, 4096, 16384, 65536} {
		for _, bigEndian := range []bool{false, true} {
			layouts = append(layouts, Layout{9, size, bigEndian, false}, Layout{9, size, bigEndian, true})
		}
	}
	var done atomic.Int64
	t.Run("layouts", func(t *testing.T) {
		for i, l := range layouts {
			t.Run(l.name(), func(t *testing.T) {
				t.Parallel()
				m := newModel(t, program, l, rand.New(rand.NewPCG(*modelSeed, uint64(i))))
				m.longKeys = i%3 == 1
				m.play((*modelOps + len(layouts) - 1) / len(layouts))
				done.Add(int64(m.ops))
			})
		}
	})
	t.Logf("%d operations in %d layouts", done.Load(), len(layouts))
}

// A model is a file and what should be in it.
type model struct {
	t        *testing.T
	r        *rand.Rand
	libdb    libdb
	layout   Layout
	longKeys bool // libdb may make keys longer than a quarter of a page

	want  map[string]string
	keys  []string // of want, in an order that the seed determines
	place map[string]int
	old   []string // values that the next file of ours must not hold
	peak  int      // the most keys at the end of a turn
	ops   int
	turns int
}

func newModel(t *testing.T, program string, l Layout, r *rand.Rand) *model {
	path := filepath.Join(t.TempDir(), "sasldb2")
	return &model{t: t, r: r, libdb: libdb{program, path, l}, layout: l, want: map[string]string{}, place: map[string]int{}}
}

// play does n operations by turns, more puts than deletes at first and then the
// other way round. What is left libdb deletes alone, so that its table shrinks.
func (m *model) play(n int) {
	ours := m.layout.Version < 9 || m.r.IntN(2) == 0 // who makes the file; libdb makes version 9
	for m.ops < n {
		turn := m.changes(1+m.r.IntN(max(n/16, 1)), m.ops < n*6/10, !ours)
		if ours {
			m.byUs(turn)
		} else {
			m.byLibdb(turn)
		}
		ours = !ours
	}
	m.t.Logf("%d records at most, %d left for libdb to delete", m.peak, len(m.keys))
	for rest := len(m.keys); len(m.keys) > 0; {
		var turn []change
		for range min(len(m.keys), max(rest/8, 1)) {
			turn = append(turn, m.delete(m.anyKey()))
		}
		m.byLibdb(turn)
	}
	m.byUs(nil)
}

// A change is one operation, already done to the model.
type change struct {
	key, value  string
	del, absent bool // absent: the key to delete is not there
}

// changes does n random operations to the model.
func (m *model) changes(n int, grow, long bool) []change {
	all := make([]change, n)
	for i := range all {
		dice := m.r.IntN(10)
		switch {
		case dice == 0:
			all[i] = m.put(m.anyKey(), m.randomValue())
		case (dice == 1) == grow:
			all[i] = m.delete(m.anyKey())
		default:
			all[i] = m.put(m.randomKey(long && m.longKeys), m.randomValue())
		}
	}
	return all
}

func (m *model) put(key, value string) change {
	m.forget(key)
	if _, ok := m.want[key]; !ok {
		m.place[key] = len(m.keys)
		m.keys = append(m.keys, key)
	}
	m.want[key] = value
	m.ops++
	return change{key: key, value: value}
}

func (m *model) delete(key string) change {
	m.forget(key)
	m.ops++
	at, ok := m.place[key]
	if !ok {
		return change{key: key, del: true, absent: true}
	}
	last := m.keys[len(m.keys)-1]
	m.keys[at], m.place[last] = last, at
	m.keys = m.keys[:len(m.keys)-1]
	delete(m.place, key)
	delete(m.want, key)
	return change{key: key, del: true}
}

// forget notes a value that nobody else has. A few are enough for one turn.
func (m *model) forget(key string) {
	if v := m.want[key]; len(v) >= 12 && len(m.old) < 50 {
		m.old = append(m.old, v)
	}
}

// anyKey returns a key that is there, or one of no file if there is none.
func (m *model) anyKey() string {
	if len(m.keys) == 0 {
		return "nobody\x00\x00userPassword"
	}
	return m.keys[m.r.IntN(len(m.keys))]
}

// randomKey returns a key, of a quarter of a page at most unless long is set.
//
// Where there are long keys no other key is the beginning of one, the empty key
// included: libdb then misses the long one when both are on a page of its making
// (see compareKeys), and there is nothing to compare with.
func (m *model) randomKey(long bool) string {
	n, quarter := m.r.IntN(1<<20), int(m.layout.PageSize)/4
	domain := []string{"example.com", "example.org", ""}[n%3]
	switch m.r.IntN(24) {
	case 0:
		return fmt.Sprintf("jürgen-%d.żółć\x00пример.рф\x00userPassword", n)
	case 1:
		return []string{"\x00\x00userPassword", "\x00" + domain + "\x00userPassword", "a\x00\x00", "\x00\x00", "\x00"}[n%5]
	case 2:
		if m.longKeys {
			return "a"
		}
		return ""
	case 3: // beginnings of one another
		return strings.Repeat("p", 1+n%min(quarter, 300))
	case 4, 5:
		return padded(fmt.Sprintf("%d\x00", n%50), 'q', quarter-n%3)
	case 6:
		if long {
			return padded("\xff", 'l', quarter+1+n%[]int{3, 60, 2 * quarter, 9 * quarter}[n%4])
		}
	case 7:
		return fmt.Sprintf("user%d\x00%s\x00cmusaslsecretOTP", n, domain)
	}
	return fmt.Sprintf("user%d\x00%s\x00userPassword", n, domain)
}

func padded(s string, with byte, size int) string {
	return s + strings.Repeat(string(rune(with)), max(size-len(s), 0))
}

func (m *model) randomValue() string {
	page, n := int(m.layout.PageSize), m.r.IntN(1<<20)
	size := n % 40
	switch m.r.IntN(40) {
	case 0, 1, 2: // from here on off-page
		size = page/4 - 2 + n%5
	case 3: // how much an overflow page holds, with checksums and without
		size = (1+n%3)*page - 32 + n%7
	case 4:
		size = n % (3 * page)
	}
	return string(dbmtest.Bytes(m.r, size))
}

func (m *model) byUs(turn []change) {
	content := map[string]string{}
	if data, err := os.ReadFile(m.libdb.path); err == nil {
		records, _ := mustOpen(m.t, data).Records()
		content = dbmtest.Map(m.t, records)
	}
	for _, c := range turn {
		if c.del {
			delete(content, c.key)
		} else {
			content[c.key] = c.value
		}
	}
	data := m.rewrite(content)
	for _, old := range m.old {
		if bytes.Contains(data, []byte(old)) {
			m.t.Fatalf("turn %d: a value of %d bytes that was replaced or deleted is in the new file", m.turns, len(old))
		}
	}
	m.old = nil
	if err := os.WriteFile(m.libdb.path, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.check(turn, nil)
}

// rewrite makes the file with this content from the one that is there, and from
// nothing, which must give the same. The order of a map is another each time.
func (m *model) rewrite(content map[string]string) []byte {
	fresh := mustBuild(m.t, dbmtest.Records(content), Options{m.layout, KeepLongKeys})
	data, err := os.ReadFile(m.libdb.path)
	if err != nil {
		return fresh
	}
	again, err := mustOpen(m.t, data).Rewrite(dbmtest.Records(content))
	if err != nil {
		m.t.Fatal(err)
	}
	if !bytes.Equal(again, fresh) {
		m.t.Fatalf("turn %d: the new file depends on the history of the old one", m.turns)
	}
	return fresh
}

func (m *model) byLibdb(turn []change) {
	m.check(turn, turn)
}

// check lets libdb make some changes, and compares what it and we find afterwards
// with the model. Among the keys looked up are those of the turn, so some that are
// gone.
func (m *model) check(turn, changes []change) {
	m.turns++
	m.peak = max(m.peak, len(m.keys))
	keys := slices.Clone(m.keys)
	for _, c := range turn {
		keys = append(keys, c.key)
	}
	m.askLibdb(changes, keys)
	data, err := os.ReadFile(m.libdb.path)
	if err != nil {
		m.t.Fatal(err)
	}
	f := mustOpen(m.t, data)
	if got := f.Info().Layout; got != m.layout {
		m.t.Fatalf("turn %d: layout is now %+v", m.turns, got)
	}
	if faults, warnings := f.Verify(); faults != nil || warnings != nil {
		m.t.Fatalf("turn %d: Verify finds faults %v and warnings %v", m.turns, faults, warnings)
	}
	records, damage := f.Records()
	if damage != nil {
		m.t.Fatalf("turn %d: Records meets %v", m.turns, damage)
	}
	m.compare("Records", dbmtest.Map(m.t, records))
	scanned, fault := dbmtest.Scan(m.t, f)
	if fault != nil {
		m.t.Fatalf("turn %d: Scan meets %v", m.turns, fault)
	}
	m.compare("Scan", scanned)
}

func (m *model) compare(who string, got map[string]string) {
	m.t.Helper()
	if maps.Equal(got, m.want) {
		return
	}
	for key, want := range m.want {
		if value, ok := got[key]; !ok || value != want {
			m.t.Errorf("key %.60q of %d bytes: found %v, value has %d bytes, want %d", key, len(key), ok, len(value), len(want))
			break
		}
	}
	m.t.Fatalf("turn %d: %s finds %d records, want %d, or they differ", m.turns, who, len(got), len(m.want))
}
