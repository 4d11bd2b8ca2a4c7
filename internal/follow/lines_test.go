package follow

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{"": nil, "\n": {""}, "a\n\nb\r\n": {"a", "", "b\r"}} {
		lines, err := Lines([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var got []string
		for number, line := range lines {
			if got = append(got, line); number != len(got) {
				t.Errorf("%q: line %d has the number %d", text, len(got), number)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: -want +got\n%s", text, diff)
		}
	}
	for text, place := range map[string]string{"a": "line 1:", "a\nb": "line 2:"} {
		if _, err := Lines([]byte(text)); !errors.Is(err, ErrTorn) || !strings.HasPrefix(err.Error(), place) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
