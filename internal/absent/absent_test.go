package absent

import (
	"io"
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	t.Parallel()
	var nobody *strings.Reader
	var unset func()
	for _, c := range []struct {
		name string
		v    any
		want bool
	}{
		{"nil", nil, true},
		{"a nil interface", io.Reader(nil), true},
		{"an interface with a nil pointer", io.Reader(nobody), true},
		{"a nil function", unset, true},
		{"a pointer", strings.NewReader(""), false},
		{"a nil map, which can be read", map[string]string(nil), false},
		{"a struct", struct{}{}, false},
	} {
		if got := Is(c.v); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
