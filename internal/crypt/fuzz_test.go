package crypt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// FuzzParse: whatever is stored, there is a hash within the limits or an error that
// does not show it.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		if v.password == "Pa5 ü;x" {
			f.Add(v.stored)
		}
	}
	for _, s := range settings {
		f.Add(s(newSource()) + "$" + digits43)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		h, err := Parse(stored)
		sound(t, stored, h, err)
		scheme, value, ok := SplitScheme(stored)
		if ok && "{"+scheme+"}"+value != stored {
			t.Fatalf("SplitScheme = %q, %q", scheme, value)
		}
	})
}

// FuzzParseScheme is the same for what directories and Dovecot write.
func FuzzParseScheme(f *testing.F) {
	for _, v := range vectors(f) {
		if scheme, value, ok := SplitScheme(v.stored); ok && v.password == "Pa5 ü;x" {
			f.Add(scheme, value)
		}
	}
	f.Fuzz(func(t *testing.T, scheme, value string) {
		h, err := ParseScheme(scheme, value)
		sound(t, value, h, err)
	})
}

// sound checks what Parse and ParseScheme made of a stored value.
func sound(t *testing.T, stored string, h *Hash, err error) {
	t.Helper()
	if err != nil {
		refuses(t, stored, h, err)
		return
	}
	c := h.Cost()
	if h.Scheme() == "" || c.Scheme != h.Scheme() || len(stored) > maxStored {
		t.Fatalf("scheme %q, cost %v, of %d bytes", h.Scheme(), c, len(stored))
	}
	if c.Rounds > 1<<24 || c.Block > maxScryptBlock || c.Lanes > maxScryptLanes || c.Memory > 256<<10 || c.Salt > maxStored || c.Size > 64 || c.Rounds < 0 || c.Salt < 0 {
		t.Fatalf("cost %v", c)
	}
	d := h.Decoy()
	if d.Cost() != c || d.Decoy().Cost() != c {
		t.Fatalf("a decoy costs %v, want %v", d.Cost(), c)
	}
	if !cheap(c) {
		return
	}
	const password = "Canary of a fuzzer"
	if h.Matches(password) || d.Matches(password) || d.Matches("") || h.Matches("") || h.Matches(strings.Repeat("x", maxPassword+1)) {
		t.Fatalf("a password matches %q", stored)
	}
}

func refuses(t *testing.T, stored string, h *Hash, err error) {
	t.Helper()
	var (
		syntax      *SyntaxError
		unsupported *UnsupportedError
		cost        *CostError
	)
	if h != nil || !errors.Is(err, ErrUnusable) || !errors.As(err, &syntax) && !errors.As(err, &unsupported) && !errors.As(err, &cost) {
		t.Fatalf("%v, %v", h, err)
	}
	text := err.Error()
	for i := range len(text) {
		if text[i] < ' ' || text[i] == 0x7f {
			t.Fatalf("an error with a control character: %q", text)
		}
	}
	// All that an error says is in the source as it stands, but for a short name from
	// the beginning of what is stored.
	var scheme, reason string
	switch {
	case syntax != nil:
		scheme, reason = syntax.Scheme, syntax.Reason
	case unsupported != nil:
		scheme, reason = unsupported.Scheme, unsupported.Reason
	default:
		scheme, reason = cost.Scheme, cost.Setting
	}
	if len(scheme) > maxQuoted+len("{}") || !strings.Contains(ownSource(), `"`+reason+`"`) {
		t.Fatalf("%q", text)
	}
	if cost != nil && cost.Value <= cost.Limit {
		t.Fatalf("%v", cost)
	}
}

// ownSource is the source of this package.
var ownSource = sync.OnceValue(func() string {
	var all strings.Builder
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if b, err := os.ReadFile(name); err == nil && !strings.HasSuffix(name, "_test.go") {
			all.Write(b)
		}
	}
	return all.String()
})

// cheap reports whether a check takes some hundred microseconds.
func cheap(c Cost) bool {
	switch c.Scheme {
	case "bcrypt":
		return false
	case "scrypt", "yescrypt":
		return c.Rounds*c.Block*c.Lanes <= 1<<9
	case "argon2id", "argon2i":
		return c.Memory*c.Rounds <= 1<<6
	}
	return c.Rounds <= 1000
}
