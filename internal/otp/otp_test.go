package otp

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

const vectors = "../../mech/testdata/vectors/"

type series struct {
	ID, Alg, Seed, Passphrase, Hex, Words string
	Seq                                   int
	Display                               string `json:"hex_display"`
}

func load(t testing.TB, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(vectors + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func computed(t testing.TB) (list []series) {
	var file struct{ Vectors []series }
	load(t, "otp.json", &file)
	for _, v := range file.Vectors {
		if v.Words != "" {
			list = append(list, v)
		}
	}
	if len(list) < 27 {
		t.Fatalf("%d vectors", len(list))
	}
	return list
}

// TestSeries has the vectors of RFC 2289 appendix C, and what Cyrus SASL computed.
func TestSeries(t *testing.T) {
	t.Parallel()
	for _, v := range computed(t) {
		t.Run(v.ID, func(t *testing.T) {
			h, ok := ByName(v.Alg)
			if !ok || h.Name() != v.Alg {
				t.Fatalf("hash %q is %v", v.Alg, h)
			}
			p := h.Compute(v.Seed, v.Passphrase, v.Seq)
			if p.Hex() != v.Hex || p.Words() != v.Words {
				t.Errorf("%s, %s; want %s, %s", p.Hex(), p.Words(), v.Hex, v.Words)
			}
			for _, text := range []string{v.Hex, v.Display, strings.ToUpper(v.Hex), "\t" + v.Display + " "} {
				if again, ok := ParseHex(text); !ok || again != p {
					t.Errorf("%q is read as %x", text, again)
				}
			}
			for _, text := range []string{v.Words, strings.ToLower(v.Words), " " + strings.ReplaceAll(v.Words, " ", " \t ")} {
				if again, ok := h.ParseWords(text); !ok || again != p {
					t.Errorf("%q is read as %x", text, again)
				}
			}
		})
	}
}

// TestDictionary compares it word by word with the vectors' copy.
func TestDictionary(t *testing.T) {
	t.Parallel()
	var file struct{ Words []string }
	load(t, "otp-words.json", &file)
	if len(file.Words) != 1<<wordBits || !slices.Equal(words, file.Words) {
		t.Errorf("%d words, which are not the %d of RFC 2289", len(words), len(file.Words))
	}
	for i, w := range words {
		if n, ok := find(w); !ok || n != i {
			t.Errorf("%s is number %d, want %d", w, n, i)
		}
	}
}

func TestNotAPassword(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":            "",
		"15 digits":        "01654806a5ef763",
		"17 digits":        "01654806a5ef76340",
		"not hex":          "gggggggggggggggg",
		"a colon":          "01654806:a5ef7634",
		"another blank":    "01654806\na5ef7634",
		"a sign":           "-1654806a5ef7634",
		"bytes over ASCII": "0165480\u00a05ef763",
	} {
		if p, ok := ParseHex(text); ok || p != (Password{}) {
			t.Errorf("%s: read as hex %x", name, p)
		}
	}
	for name, text := range map[string]string{
		"empty":               "",
		"five words":          "OSLO IBIS WEE HIGH RED",
		"seven words":         "OSLO IBIS WEE HIGH RED WALK A",
		"wrong checksum":      "ALL MY AM ALVA WARD ABE",
		"of two dictionaries": "OSLO IBIS WEE HIGH RED ZZZZ",
		"a digit":             "0SLO IBIS WEE HIGH RED WALK",
		"no blanks":           "OSLOIBISWEEHIGHREDWALK",
		"another blank":       "OSLO\u00a0IBIS WEE HIGH RED WALK",
		"a long word":         strings.Repeat("A", maxWord+1) + " QQ QQ QQ QQ QQ",
	} {
		if p, ok := SHA1.ParseWords(text); ok || p != (Password{}) {
			t.Errorf("%s: read as words %x", name, p)
		}
	}
	if _, ok := ByName("md9"); ok {
		t.Error("md9 is a hash")
	}
}

// TestOtherDictionary writes passwords with words that hash to their numbers.
func TestOtherDictionary(t *testing.T) {
	t.Parallel()
	for h := MD4; h <= SHA1; h++ {
		other := make([]string, 1<<wordBits)
		missing := len(other)
		for i := 0; missing > 0; i++ {
			w := "Q" + letters(i)
			if _, standard := find(w); standard {
				continue
			}
			if n := h.number(w); other[n] == "" {
				other[n] = w
				missing--
			}
		}
		p := h.Compute("ke1234", "This is a test.", 99)
		list := strings.Fields(p.Words())
		for i, w := range list {
			n, _ := find(w)
			list[i] = other[n]
		}
		text := strings.Join(list, " ")
		if got, ok := h.ParseWords(strings.ToLower(text)); !ok || got != p {
			t.Errorf("%s: %q is read as %x, want %x", h.Name(), text, got, p)
		}
		list[2] = strings.Fields(p.Words())[2]
		if _, ok := h.ParseWords(strings.Join(list, " ")); ok {
			t.Errorf("%s: words of two dictionaries are read", h.Name())
		}
	}
}

func letters(n int) (s string) {
	for ; n > 0 || s == ""; n /= 26 {
		s += string(rune('A' + n%26))
	}
	return s
}

func TestIsSeed(t *testing.T) {
	t.Parallel()
	for seed, want := range map[string]bool{
		"a": true, "ke1234": true, "TeSt": true, "0123456789abcdef": true,
		"": false, "0123456789abcdefg": false, "ke-12": false, "ke 1": false, "k\u00e9": false, "a\x00": false,
	} {
		if IsSeed(seed) != want {
			t.Errorf("%q: %v", seed, !want)
		}
	}
}

// FuzzHex: what is read is written and read as the same.
func FuzzHex(f *testing.F) {
	for _, v := range computed(f) {
		f.Add(v.Display)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := ParseHex(text)
		if again, ok2 := ParseHex(p.Hex()); ok && (!ok2 || again != p) || !ok && p != (Password{}) {
			t.Fatalf("%q is %x, %v, and then %x", text, p, ok, again)
		}
	})
}

// FuzzWords: what is read is written in words of the standard dictionary, and read as
// the same.
func FuzzWords(f *testing.F) {
	for i, v := range computed(f) {
		f.Add(uint8(i), v.Words)
	}
	f.Add(uint8(0), "ABE ACE ADA ADD BAD A")
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		h := MD4 + Hash(which%3)
		p, ok := h.ParseWords(text)
		if again, ok2 := h.ParseWords(p.Words()); ok && (!ok2 || again != p) || !ok && p != (Password{}) {
			t.Fatalf("%q is %x, %v, and then %x", text, p, ok, again)
		}
	})
}

func BenchmarkCompute(b *testing.B) {
	for range b.N {
		MD5.Compute("ke1234", "This is a test.", 499)
	}
}
