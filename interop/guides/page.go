package guides

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Page is a guide, as far as it is executed.
type Page struct {
	Machines []Situation
	Steps    []Step
}

// A Situation is what one machine begins with.
type Situation struct {
	Packages []string // of Debian
	Setup    string   // commands
}

// A Step is one block of code, one row of trouble, or a boot.
type Step struct {
	Line   int // of its first line of code in the page
	Kind   Kind
	File   string // of Write and Add: an absolute path
	Text   string // the code
	Opened string // the language that the block names
	On     int    // the machine, 0 is the first
	Row    Row    // of Trouble
}

// A Kind says what is done with a block.
type Kind uint8

// The kinds of blocks.
const (
	Run     Kind = iota // commands
	Output              // what they printed
	Log                 // what the journal has
	Reboot              // the machine boots anew
	Trouble             // a row of a table: commands that bring it about, and more in Row
	Write               // a file
	Add                 // to the end of a file
)

// Parse reads a page. An error names the line.
func Parse(text string) (*Page, error) {
	p := new(Page)
	on := 0
	var open table
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		first := i
		switch line := lines[i]; {
		case strings.HasPrefix(line, "## "):
			if err := open.end(); err != nil {
				return nil, err
			}
			open.begun = line == troubles
		case open.begun && strings.HasPrefix(line, "|"):
			open.add(first+1, line)
		case strings.HasPrefix(line, "<!-- row"):
			end := until(lines, i, "-->")
			if end < 0 {
				return nil, fmt.Errorf("line %d: the row has no end", first+1)
			}
			row, err := open.next(line, lines[i+1:end])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", first+1, err)
			}
			if row.Kind == Trouble {
				row.Line, row.On = first+2, on
				p.Steps = append(p.Steps, row)
			}
			i = end
		case line == "<!-- reboot -->":
			p.Steps = append(p.Steps, Step{Line: first + 1, Kind: Reboot, On: on})
		case strings.HasPrefix(line, "```"):
			end := until(lines, i, "```")
			if end < 0 {
				return nil, fmt.Errorf("line %d: the block has no end", first+1)
			}
			step, err := step(strings.TrimPrefix(line, "```"), lines[i+1:end])
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", first+1, err)
			}
			step.Line, step.On = first+2, on
			p.Steps = append(p.Steps, step)
			i = end
		case strings.HasPrefix(line, "<!-- machine:"):
			end := until(lines, i, "-->")
			if end < 0 {
				return nil, fmt.Errorf("line %d: the machine has no end", first+1)
			}
			packages := strings.Fields(strings.TrimPrefix(line, "<!-- machine:"))
			on = len(p.Machines)
			p.Machines = append(p.Machines, Situation{packages, joined(lines[i+1 : end])})
			i = end
		case strings.HasPrefix(line, "<!-- machine "):
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(line, "<!-- machine "), " -->"))
			if err != nil || n < 1 || n > len(p.Machines) {
				return nil, fmt.Errorf("line %d: not the number of a machine above", first+1)
			}
			on = n - 1
		case strings.HasPrefix(line, "    ") && strings.TrimSpace(lines[max(0, i-1)]) == "":
			return nil, fmt.Errorf("line %d: an indented block, which nothing would execute", first+1)
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			return nil, fmt.Errorf("line %d: a block that does not begin the line", first+1)
		}
	}
	if p.Machines == nil {
		return nil, fmt.Errorf("the page has no machine")
	}
	if err := open.end(); err != nil {
		return nil, err
	}
	return p, nil
}

// until is the first line after i that begins with mark, or -1.
func until(lines []string, i int, mark string) int {
	for j := i + 1; j < len(lines); j++ {
		if strings.HasPrefix(lines[j], mark) {
			return j
		}
	}
	return -1
}

func joined(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// step reads a block.
func step(language string, code []string) (Step, error) {
	s := Step{Text: joined(code), Opened: language}
	if s.Text == "" {
		return Step{}, fmt.Errorf("the block is empty")
	}
	switch language {
	case "sh":
		return s, nil
	case "output":
		s.Kind = Output
		return s, nil
	case "log":
		s.Kind = Log
		return s, nil
	}
	file, added := strings.CutSuffix(uncommented(code[0]), " (added)")
	if !strings.HasPrefix(file, "/") || strings.ContainsAny(file, " \t") || language == "" {
		return Step{}, fmt.Errorf("nothing would execute a block of %q that does not begin with the path of a file", language)
	}
	s.Kind, s.File = Write, file
	if added {
		s.Kind = Add
	}
	return s, nil
}

// uncommented is a line without what makes it a comment.
func uncommented(line string) string {
	for _, mark := range []string{"# ", "// ", "-- ", "; ", "dnl "} {
		if text, ok := strings.CutPrefix(line, mark); ok {
			return text
		}
	}
	return ""
}

// Missing is the first line of want that is not in text, in the notation of pages: the
// lines in this order, each anywhere in a line, … for anything. It is empty if all are.
func Missing(text, want string) string {
	lines := strings.Split(text, "\n")
	for _, line := range strings.Split(strings.TrimSpace(want), "\n") {
		for ; ; lines = lines[1:] {
			if len(lines) == 0 {
				return line
			}
			if matches(lines[0], line) {
				lines = lines[1:]
				break
			}
		}
	}
	return ""
}

// Unlogged is the first line of want for which text has no line of its own, in the notation
// of pages but in any order: lines of two programs arrive in the journal in none.
func Unlogged(text, want string) string {
	lines := strings.Split(text, "\n")
	for line := range strings.SplitSeq(strings.TrimSpace(want), "\n") {
		i := slices.IndexFunc(lines, func(l string) bool { return matches(l, line) })
		if i < 0 {
			return line
		}
		lines = slices.Delete(lines, i, i+1)
	}
	return ""
}

// matches looks for the pieces of a pattern in a line, one behind the other.
func matches(line, pattern string) bool {
	for piece := range strings.SplitSeq(pattern, "…") {
		_, after, found := strings.Cut(line, strings.TrimSpace(piece))
		if !found {
			return false
		}
		line = after
	}
	return true
}
