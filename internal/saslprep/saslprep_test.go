package saslprep

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"
)

// prepared is what a vector wants: nil is a refusal.
type prepared struct {
	UTF8Hex string `json:"utf8_hex"`
}

type vector struct {
	ID     string    `json:"id"`
	Why    string    `json:"why"`
	In     string    `json:"in_utf8_hex"`
	Stored *prepared `json:"stored"`
	Query  *prepared `json:"query"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/saslprep.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Count   int      `json:"count"`
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) != file.Count || file.Count == 0 {
		t.Fatalf("%d vectors, the file says %d", len(file.Vectors), file.Count)
	}
	return file.Vectors
}

func unhex(t *testing.T, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			t.Log(v.Why)
			in := unhex(t, v.In)
			checkVector(t, "Query", Query, in, v.Query)
			checkVector(t, "Stored", Stored, in, v.Stored)
		})
	}
}

func checkVector(t *testing.T, name string, prep func(string) (string, error), in string, want *prepared) {
	t.Helper()
	got, err := prep(in)
	if want == nil {
		var e *Error
		if !errors.As(err, &e) || got != "" {
			t.Errorf(`%s(%+q) = %+q, %v; want "" and an *Error`, name, in, got, err)
		}
		return
	}
	if w := unhex(t, want.UTF8Hex); err != nil || got != w {
		t.Errorf("%s(%+q) = %+q, %v; want %+q", name, in, got, err, w)
	}
}

// sallallahou is the decomposition of U+FDFA, the longest there is.
const sallallahou = "\u0635\u0644\u0649 \u0627\u0644\u0644\u0647 \u0639\u0644\u064a\u0647 \u0648\u0633\u0644\u0645"

// What the vectors leave out, and the places where a library's NFKC or tables
// would be wrong.
func TestQuery(t *testing.T) {
	t.Parallel()
	marks := strings.Repeat("\u0301", 40)
	tests := []struct{ name, in, want string }{
		{"U+1806 is in B.1", "a\u1806b", "ab"},
		{"B.1 goes before composition", "e\u200d\u0301", "\u00e9"},
		{"more than 30 marks", "a" + marks + "\u0323", "\u1ea1" + marks},
		{"U+F951, corrected in 3.2", "\uf951", "\u964b"},
		{"U+2F868, corrected in 4.0", "\U0002f868", "\U0002136a"},
		{"U+2F874, corrected in 4.0", "\U0002f874", "\u5f33"},
		{"U+2F91F, corrected in 4.0", "\U0002f91f", "\u43ab"},
		{"U+2F95F, corrected in 4.0", "\U0002f95f", "\u7aae"},
		{"U+2F9BF, corrected in 4.0", "\U0002f9bf", "\u4d57"},
		{"unassigned stays apart", "\u1b05\u1b35", "\u1b05\u1b35"},
		{"unassigned is not decomposed", "\u1b06\U0001f100", "\u1b06\U0001f100"},
		{"unassigned mark holds its place", "a\u0301\u1dc4\u0323", "\u00e1\u1dc4\u0323"},
		{"composition excluded", "\u0958", "\u0915\u093c"},
		{"Corrigendum 5", "\u0b47\u0300\u0b3e", "\u0b47\u0300\u0b3e"},
		{"Hangul, three letters", "\u1112\u1161\u11ab", "\ud55c"},
		{"Hangul, syllable and letter", "\ud558\u11ab", "\ud55c"},
		{"longest decomposition", "\ufdfa", sallallahou},
	}
	for _, tt := range tests {
		if got, err := Query(tt.in); got != tt.want || err != nil {
			t.Errorf("%s: Query(%+q) = %+q, %v; want %+q", tt.name, tt.in, got, err, tt.want)
		}
	}
}

// An offset counts bytes of the string given, whatever was mapped or expanded
// before it.
func TestErrorOffset(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		in     string
		offset int
		reason string // a part of it
	}{
		{"not UTF-8", "ab\xff", 2, "UTF-8"},
		{"surrogate", "ab\xed\xa0\x80", 2, "UTF-8"},
		{"overlong", "\xc0\x80", 0, "UTF-8"},
		{"control", "pass\x07word", 4, "C.2.1"},
		{"after dropped", "\u00ad\u00ad\x7f", 4, "C.2.1"},
		{"after expanded", "\ufb01\u0080", 3, "C.2.2"},
		{"private use", "\ue000", 0, "C.3"},
		{"non-character", "a\ufdd0", 1, "C.4"},
		{"replacement character", "\ufffd", 0, "C.6"},
		{"ideographic description", "a\u2ff0", 1, "C.7"},
		{"right-to-left mark", "a\u200f", 1, "C.8"},
		{"tag", "a\U000e0001", 1, "C.9"},
		{"mixed directions", "\u0627a\u0628", 2, "D.2"},
		{"mixed by decomposition", "\u0627\u2168\u0628", 2, "D.2"},
		{"begins otherwise", "1\u0627", 0, "begins"},
		{"ends otherwise", "\u0627\u00ad1", 4, "ends"},
		{"unassigned", "e\u0301\u0221", 3, "A.1"},
	}
	for _, tt := range tests {
		got, err := Stored(tt.in)
		var e *Error
		if !errors.As(err, &e) || got != "" {
			t.Errorf(`%s: Stored gives %+q, %v; want "" and an *Error`, tt.name, got, err)
			continue
		}
		if e.Offset != tt.offset || !strings.Contains(e.Reason, tt.reason) {
			t.Errorf("%s: got %v; want byte %d and %q", tt.name, e, tt.offset, tt.reason)
		}
	}
}

func TestErrorKeepsTheSecret(t *testing.T) {
	t.Parallel()
	_, err := Query("hunter2\u2028")
	if got, want := err.Error(), "saslprep: byte 7: control character (table C.2.2)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASCII(t *testing.T) {
	t.Parallel()
	for b := range byte(0x80) {
		s := "a" + string(rune(b))
		got, err := Query(s)
		if b < ' ' || b > '~' {
			if err == nil || got != "" {
				t.Errorf("Query accepts ASCII %#02x", b)
			}
		} else if got != s || err != nil {
			t.Errorf("Query(%q) = %q, %v", s, got, err)
		}
	}
}

func TestASCIIDoesNotAllocate(t *testing.T) { // not parallel: AllocsPerRun
	const s = "correct horse battery staple ~!"
	n := testing.AllocsPerRun(100, func() {
		query, _ := Query(s)
		stored, _ := Stored(s)
		if query != s || stored != s || Trace(s) != nil {
			t.Error("printable ASCII is changed")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// The figures of the package comment, for the character that grows most and for
// one that is taken apart and put together again.
func TestGrowth(t *testing.T) { // not parallel: counts memory
	const n = 1000
	for _, c := range []string{"\ufdfa", "\u00e4", "\u1f82", "\ube44"} {
		in := strings.Repeat(c, n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := Query(in)
		runtime.ReadMemStats(&after)
		if err != nil || len(out) > 11*len(in) {
			t.Errorf("%d bytes of %+q become %d, %v; want at most 11 for one", len(in), c, len(out), err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 2500*n {
			t.Errorf("%d bytes allocated for %d times %+q, want at most 2500 each", got, n, c)
		}
	}
}

// checkProperties are the rules that hold for every string.
func checkProperties(t *testing.T, s string) {
	t.Helper()
	query, err := Query(s)
	var e *Error
	if err != nil {
		if !errors.As(err, &e) || query != "" || e.Offset < 0 || e.Offset >= len(s) {
			t.Fatalf("Query(%+q) = %+q, %#v", s, query, err)
		}
	} else {
		if !utf8.ValidString(query) {
			t.Fatalf("Query(%+q) = %+q: not valid UTF-8", s, query)
		}
		if len(query) > 11*len(s) {
			t.Fatalf("Query(%+q) has %d bytes, more than 11 for one", s, len(query))
		}
		if again, err := Query(query); again != query || err != nil {
			t.Fatalf("Query(%+q) = %+q, prepared again %+q, %v", s, query, again, err)
		}
	}
	stored, storedErr := Stored(s)
	if storedErr == nil && (err != nil || stored != query) {
		t.Fatalf("Stored(%+q) = %+q, but Query gives %+q, %v", s, stored, query, err)
	}
	if storedErr != nil && stored != "" {
		t.Fatalf("Stored(%+q) = %+q with error %v", s, stored, storedErr)
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	for s := range referenceStrings(20000) {
		checkProperties(t, s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, random.IntN(12))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		checkProperties(t, string(b))
		checkProperties(t, strings.ToValidUTF8(string(b), string(rune(random.IntN(0x3000)))))
	}
}

func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "user", "I\u00adX", "\u2168", "\x07", "\u06271", "a\u200bb", "\ufdfa", "\xed\xa0\x80",
		"\u1112\u1161\u11ab", "\U0002f868", "\u1b05\u1b35", "a" + strings.Repeat("\u0301", 40) + "\u0323"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkProperties(t, s) })
}

func benchmarkQuery(b *testing.B, s string) {
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		if _, err := Query(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQueryASCII(b *testing.B)    { benchmarkQuery(b, "correct horse battery staple") }
func BenchmarkQueryLatin(b *testing.B)    { benchmarkQuery(b, "p\u00e4ssw\u00f6rd") }
func BenchmarkQueryCyrillic(b *testing.B) { benchmarkQuery(b, "\u043f\u0430\u0440\u043e\u043b\u044c") }
func BenchmarkQueryHangul(b *testing.B)   { benchmarkQuery(b, "\ube44\ubc00\ubc88\ud638") }
func BenchmarkQueryMarks(b *testing.B)    { benchmarkQuery(b, strings.Repeat("a\u0301\u0323", 300)) }

// BenchmarkQueryWorst is a kilobyte of marks in the wrong order, after one
// starter: the most sorting, and a composite looked for at each.
func BenchmarkQueryWorst(b *testing.B) {
	benchmarkQuery(b, "a"+strings.Repeat("\u0301\u0323", 256))
}
