package pages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBlocks(t *testing.T) {
	t.Parallel()
	p := Parse("sample.md", "# Page\n\n    an indented\n      block\n\nText.\n\n```sh\nsaslkit mechs\n\n    more\n```\n\n"+
		"<!-- one line -->\n<!-- sh\ntouch x\n-->\n\n- an item\n\n  ```go\n  x := 1\n  ```\n\n    of the item\n\n~~~\nof no language\n")
	want := []Block{
		{3, "", false, "an indented\n  block\n"},
		{9, "sh", false, "saslkit mechs\n\n    more\n"},
		{16, "sh", true, "touch x\n"},
		{22, "go", false, "  x := 1\n"},
		{28, "", false, "of no language\n"},
	}
	if diff := cmp.Diff(want, p.Blocks()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
