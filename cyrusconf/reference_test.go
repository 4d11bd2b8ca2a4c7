package cyrusconf

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/pages"
)

// reference is docs/reference/options.md.
const reference = "../docs/reference/options.md"

// TestReference: the page has every key that a file can have, once, and no other; and the
// word "own" for saslkit's.
func TestReference(t *testing.T) {
	t.Parallel()
	page, err := pages.Read(reference)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		heading string
		table   []key
	}{
		{"The application's file", applicationKeys},
		{"saslauthd.conf", saslauthdKeys},
	} {
		var listed []string
		for _, row := range page.Rows(tt.heading) {
			for _, name := range pages.Code(row.Cells[0]) {
				listed = append(listed, name)
				k := lookup(tt.table, name)
				if k != nil && (k.from == byUs) != (row.Cells[1] == "**own**") {
					t.Errorf("%s:%d: %s is %s", reference, row.Line, name, row.Cells[1])
				}
			}
		}
		want := namesOf(tt.table)
		slices.Sort(want)
		slices.Sort(listed)
		if diff := cmp.Diff(want, listed); diff != "" {
			t.Errorf("%s, %s: -keys +listed:\n%s", reference, tt.heading, diff)
		}
	}
}
