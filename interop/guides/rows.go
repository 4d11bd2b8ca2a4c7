package guides

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// troubles is the heading of the tables whose rows are executed: in the first cell what is
// logged or printed, in the second what to do.
const troubles = "## When it does not work"

// curedBy is the line of a row's comment that divides what breaks from what mends.
const curedBy = "# cured by"

// A Row is what a row of such a table says, and its comment.
type Row struct {
	Says []string // the code in its first cell, in the notation of logs
	Cure string   // commands, of which the last is to show that it works again
}

// A table is the rows that no comment has told how to execute.
type table struct {
	begun bool // we are below the heading
	lines int  // of the table that is read: two are its head
	rows  []tableRow
}

type tableRow struct {
	line int
	cell string // the first
}

// add takes a line of a table. The head of one is its first two lines.
func (t *table) add(number int, line string) {
	if t.lines++; t.lines > 2 {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), " | ")
		t.rows = append(t.rows, tableRow{number, strings.TrimSpace(cell)})
	}
}

// end is an error if a row is left.
func (t *table) end() error {
	if len(t.rows) > 0 {
		return fmt.Errorf("line %d: nothing would execute the row %s", t.rows[0].line, t.rows[0].cell)
	}
	*t = table{}
	return nil
}

// next reads the comment of the first row that is left. A comment that says why a row is
// not executed makes an empty step.
func (t *table) next(mark string, comment []string) (Step, error) {
	words, executed := strings.CutPrefix(mark, "<!-- row: ")
	if !executed {
		var unexecuted bool
		if words, unexecuted = strings.CutPrefix(mark, "<!-- row unexecuted: "); !unexecuted {
			return Step{}, errors.New("a row is “row: WORDS OF ITS FIRST CELL”, or “row unexecuted: WORDS”")
		}
	}
	if len(t.rows) == 0 || words == "" || !strings.Contains(t.rows[0].cell, words) {
		return Step{}, fmt.Errorf("%q is not in the next row", words)
	}
	row := t.rows[0]
	t.rows = t.rows[1:]
	if !executed {
		if strings.TrimSpace(joined(comment)) == "" {
			return Step{}, errors.New("no reason why the row is not executed")
		}
		return Step{}, nil
	}
	cure := slices.Index(comment, curedBy)
	if cure < 1 || cure == len(comment)-1 {
		return Step{}, fmt.Errorf("the row wants commands, the line %q, and commands", curedBy)
	}
	return Step{Kind: Trouble, Text: joined(comment[:cure]), Row: Row{codeIn(row.cell), joined(comment[cure+1:])}}, nil
}

// codeIn is the code in a line of text.
func codeIn(text string) (code []string) {
	for i, piece := range strings.Split(text, "`") {
		if i%2 == 1 {
			code = append(code, piece)
		}
	}
	return code
}

// Unsaid is the first of the row's messages of which text has no line, or "".
func (r Row) Unsaid(text string) string {
	for _, message := range r.Says {
		if Unlogged(text, message) != "" {
			return message
		}
	}
	return ""
}
