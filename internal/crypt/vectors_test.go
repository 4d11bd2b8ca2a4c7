package crypt

import (
	"bufio"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

// A vector is a line of testdata/vectors.tsv, which testdata/vectors.py makes: a hash
// that a foreign program made. The versions were mkpasswd 5.5.17, libxcrypt 4.4.33,
// Dovecot 2.3.19, htpasswd 2.4.71, OpenSSL 3.0.22 and Python 3.11.
type vector struct {
	tool, scheme, password, stored string
}

// refused is the scheme of vectors that are not to be parsed.
const refused = "-"

func vectors(t testing.TB) (all []vector) {
	t.Helper()
	f, err := os.Open("testdata/vectors.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 4 {
			t.Fatalf("testdata/vectors.tsv: %d fields", len(fields))
		}
		password, err := strconv.Unquote(fields[2])
		if err != nil {
			t.Fatalf("testdata/vectors.tsv: %s: %v", fields[2], err)
		}
		all = append(all, vector{fields[0], fields[1], password, fields[3]})
	}
	if len(all) < 580 {
		t.Fatalf("testdata/vectors.tsv: %d lines", len(all))
	}
	return all
}

// matchable reports whether the hash of a password can match at all.
func (v vector) matchable() bool { return v.scheme != "bcrypt" || len(v.password) <= maxBcryptPassword }

// TestVectors: what others hashed matches, and nothing that is nearly the same.
func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.scheme == refused {
			continue
		}
		h, err := Parse(v.stored)
		if err != nil {
			t.Errorf("%s: %q: %v", v.tool, v.password, err)
			continue
		}
		if h.Scheme() != v.scheme || h.Cost().Scheme != v.scheme {
			t.Errorf("%s: %s, want %s", v.tool, h.Scheme(), v.scheme)
		}
		if got := h.Matches(v.password); got != v.matchable() {
			t.Errorf("%s: Matches(%q) = %v for %s", v.tool, v.password, got, v.stored)
		}
	}
}

// TestVectorsOfOthers: the schemes that are somebody else's to check are refused by
// name.
func TestVectorsOfOthers(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.scheme != refused {
			continue
		}
		var unsupported *UnsupportedError
		if h, err := Parse(v.stored); h != nil || !errors.As(err, &unsupported) || !errors.Is(err, ErrUnusable) || unsupported.Scheme == "" {
			t.Errorf("%s: %v, %v", v.tool, h, err)
		}
	}
}

// almost are passwords that are nearly "Pa5 ü;x", which has eight bytes.
var almost = map[string]string{
	"empty":            "",
	"other case":       "pA5 ü;x",
	"one less":         "Pa5 ü;",
	"another first":    "Qa5 ü;x",
	"another last":     "Pa5 ü;y",
	"composed":         "Pa5 u\u0308;x",
	"NUL at the end":   "Pa5 ü;x\x00",
	"NUL and more":     "Pa5 ü;x\x00more",
	"only a NUL":       "\x00",
	"Latin-1":          "Pa5 \xfc;x",
	"the seven before": "Pa5 ü;\x00",
	"all too long":     "Pa5 ü;x" + strings.Repeat("x", 1<<20),
}

// more are passwords that begin like it, so that they match with descrypt.
var more = map[string]string{
	"one more": "Pa5 ü;xy",
	"repeated": strings.Repeat("Pa5 ü;x", 60),
	"blank":    "Pa5 ü;x ",
	"newline":  "Pa5 ü;x\n",
}

// TestWrongPasswords: for each scheme what is nearly the password, and a decoy, which
// costs the same.
func TestWrongPasswords(t *testing.T) {
	t.Parallel()
	last := make(map[string]vector) // of each scheme; the last are the cheapest
	for _, v := range vectors(t) {
		if v.password == "Pa5 ü;x" && v.scheme != refused {
			last[v.scheme] = v
		}
	}
	for _, v := range last {
		h, err := Parse(v.stored)
		if err != nil {
			t.Fatal(err)
		}
		d := h.Decoy()
		if d.Cost() != h.Cost() || d.Scheme() != h.Scheme() {
			t.Errorf("%s: the decoy costs %v, want %v", v.tool, d.Cost(), h.Cost())
		}
		if d.Matches(v.password) {
			t.Errorf("%s: the decoy matches", v.tool)
		}
		for name, wrong := range almost {
			if h.Matches(wrong) {
				t.Errorf("%s: %s: matches %s", v.tool, name, v.stored)
			}
		}
		for name, longer := range more {
			if h.Matches(longer) != (v.scheme == "descrypt") {
				t.Errorf("%s: %s: Matches = %v for %s", v.tool, name, h.Matches(longer), v.stored)
			}
		}
	}
}
