package pages

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = "# A page\n" +
	"\n" +
	"See [one](one.md), [`two`](two.md#anchor) and `[no](no.md)`, [three,\nwrapped](three.md).\n" +
	"\n" +
	"    # no heading, [no link](no.md)\n" +
	"\n" +
	"## The application's file\n" +
	"```sh\n## no heading\n[no](no.md)\n```\n" +
	"## Again\n## Again\n## `MECH`-PLUS, 454 & 535\n" +
	"<!-- [no](no.md)\n# none -->\n" +
	"- an item\n\n    with [a link](item.md)\n\n" +
	"<a id=\"mine\"></a>\n" +
	"[![picture](picture.svg)](framed.md)\n" +
	"\n" +
	"## Table\n" +
	"| a | b |\n| --- | --- |\n| `x`, ``y`z`` | 1 \\| 2 |\n| | [t](table.md) |\n" +
	"\n" +
	"### Under it\n| a | b |\n| --- | --- |\n| not | here |\n" +
	"[ref]: reference.md\n"

func TestPage(t *testing.T) {
	t.Parallel()
	p := Parse("sample.md", sample)
	anchors := []string{"a-page", "again", "again-1", "mech-plus-454--535", "mine", "table", "the-applications-file", "under-it"}
	if diff := cmp.Diff(anchors, slices.Sorted(maps.Keys(p.Anchors()))); diff != "" {
		t.Errorf("anchors: -want +got:\n%s", diff)
	}
	links := []string{"one.md", "two.md#anchor", "three.md", "item.md", "picture.svg", "framed.md", "table.md", "reference.md"}
	if diff := cmp.Diff(links, p.Links()); diff != "" {
		t.Errorf("links: -want +got:\n%s", diff)
	}
	rows := []Row{{28, []string{"`x`, ``y`z``", "1 | 2"}}, {29, []string{"", "[t](table.md)"}}}
	if diff := cmp.Diff(rows, p.Rows("Table")); diff != "" {
		t.Errorf("rows: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"x", "y`z"}, Code(rows[0].Cells[0])); diff != "" {
		t.Errorf("code: -want +got:\n%s", diff)
	}
}
