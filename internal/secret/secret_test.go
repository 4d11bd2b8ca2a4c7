package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		presented, expected string
		want                bool
	}{
		{"", "", true},
		{"a", "", false},
		{"", "a", false},
		{"secret", "secret", true},
		{"secret", "Secret", false},
		{"secret", "secreT", false},
		{"secret", "secre", false},
		{"secre", "secret", false},
		{"secrettt", "secret", false}, // the last byte again and again
		{strings.Repeat("x", 5000), strings.Repeat("x", 5000), true},
	} {
		if got := Equal(c.presented, c.expected); got != c.want {
			t.Errorf("Equal(%q, %q) = %v, want %v", c.presented, c.expected, got, c.want)
		}
		if got := Equal([]byte(c.presented), c.expected); got != c.want {
			t.Errorf("Equal(bytes %q, %q) = %v, want %v", c.presented, c.expected, got, c.want)
		}
	}
}

func FuzzEqual(f *testing.F) {
	f.Add([]byte("a"), []byte("b"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if Equal(a, b) != bytes.Equal(a, b) {
			t.Fatalf("Equal(%q, %q) = %v", a, b, Equal(a, b))
		}
	})
}

func TestOpaque(t *testing.T) {
	type holder struct {
		Opaque
		password string
	}
	h := holder{password: "canary"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "h", h, "p", &h)
	js, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d|%v %+v|%s|%s", h, h, h, h, h, h, h, &h, []any{&h}, log.String(), js)
	if strings.Contains(all, "canary") || strings.Contains(all, fmt.Sprintf("%x", "canary")) {
		t.Errorf("the secret shows in %s", all)
	}
}
