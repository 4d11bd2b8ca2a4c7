package saslkit

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/mech"
)

// A MechanismFilter is a list of patterns that says which mechanisms a client may
// use, as Postfix's smtp_sasl_mechanism_filter does. The first pattern that fits
// decides; what no pattern fits is excluded, so the zero filter excludes
// everything. A nil filter permits everything. It is not changed after it was
// made, and may be used concurrently.
type MechanismFilter struct {
	patterns []filterPattern
}

// A filterPattern is one pattern with its negations worked out.
type filterPattern struct {
	text    string // as it was written, for people
	name    string // of one mechanism; "" for all
	exclude bool
}

// ParseMechanismFilter reads a filter as it stands in Postfix's main.cf:
//
//	plain, login                 these two
//	!gssapi, !login, static:all  all but these
//	/etc/postfix/smtp_mechs      the patterns in a file
//
// Patterns are separated by commas and white space, and case does not matter. A
// "!" turns the meaning of a pattern round, and that of all patterns of a file.
// Files are read now and not again. A text that is empty or blank is no filter:
// nil, which permits everything.
//
// Where Postfix would go on with a warning, or with a pattern that can never fit,
// this is an error, since the mechanism that somebody meant to exclude would be
// used. Lookup tables other than static:all are errors too.
func ParseMechanismFilter(text string) (*MechanismFilter, error) {
	p := filterParser{read: readFilterFile}
	return p.parse(text)
}

// Permits reports whether a mechanism may be used. The case of its name does not matter, and
// a nil filter permits everything.
func (f *MechanismFilter) Permits(mechanism string) bool {
	if f == nil {
		return true
	}
	p, found := f.first(mechanism)
	return found && !p.exclude
}

// first returns the pattern that decides.
func (f *MechanismFilter) first(mechanism string) (filterPattern, bool) {
	for _, p := range f.patterns {
		if p.name == "" || mech.SameName(p.name, mechanism) {
			return p, true
		}
	}
	return filterPattern{}, false
}

// explain says why a mechanism is excluded.
func (f *MechanismFilter) explain(mechanism string) string {
	if p, found := f.first(mechanism); found {
		return "filtered out by " + p.text
	}
	return "filtered out, no pattern fits"
}

// Bounds of a filter, for mistakes such as a file that names itself.
const (
	maxFilterPatterns = 1000 // files count as patterns
	maxFilterDepth    = 8    // files within files
	maxFilterFile     = 64 << 10
)

// A filterParser collects patterns.
type filterParser struct {
	read     func(path string) (string, error) // tests have files in memory
	patterns []filterPattern
	budget   int
}

// A filterPlace is where patterns stand.
type filterPlace struct {
	path    string // "" outside of files
	depth   int    // of files within files
	exclude bool   // each pattern is turned round
}

func (p *filterParser) parse(text string) (*MechanismFilter, error) {
	if strings.Trim(text, " \t\r\n") == "" {
		return nil, nil
	}
	p.budget = maxFilterPatterns
	if err := p.list(text, filterPlace{}); err != nil {
		return nil, fmt.Errorf("saslkit: mechanism filter: %w", err)
	}
	return &MechanismFilter{p.patterns}, nil
}

// list reads the patterns of a line, or of the whole text outside of files.
func (p *filterParser) list(text string, at filterPlace) error {
	for word := range strings.FieldsFuncSeq(text, isFilterBlank) {
		if p.budget--; p.budget < 0 {
			return fmt.Errorf("more than %d patterns", maxFilterPatterns)
		}
		if err := p.pattern(word, at); err != nil {
			return err
		}
	}
	return nil
}

// isFilterBlank knows the separators of Postfix's lists.
func isFilterBlank(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }

func (p *filterParser) pattern(word string, at filterPlace) error {
	pattern := strings.TrimLeft(word, "!")
	made := filterPattern{text: strconv.Quote(word), exclude: at.exclude != ((len(word)-len(pattern))%2 == 1)}
	if at.path != "" {
		made.text += " in " + at.path
	}
	switch {
	case pattern == "":
		return fmt.Errorf("no pattern after %q (a space must not stand there)", word)
	case pattern[0] == '/':
		return p.file(filterPlace{pattern, at.depth + 1, made.exclude})
	case pattern[0] == '#':
		return errors.New("a comment stands after something else (it needs a line of its own)")
	case strings.HasPrefix(pattern, "static:") && pattern != "static:":
		p.patterns = append(p.patterns, made)
		return nil
	case strings.Contains(pattern, ":"):
		return fmt.Errorf("no lookup tables but static:all (write the names of %q into a file, and its path /file/name here)", pattern)
	case !isMechanismName(pattern):
		return fmt.Errorf("%q cannot be the name of a mechanism", pattern)
	}
	made.name = pattern
	p.patterns = append(p.patterns, made)
	return nil
}

// file reads the patterns of a file, in the format that Postfix has for lists since
// 3.8: blank lines and those whose first text is # are nothing, and a line that
// begins with white space goes on from the one before.
func (p *filterParser) file(at filterPlace) error {
	if at.depth > maxFilterDepth {
		return fmt.Errorf("%s: files within files, more than %d deep", at.path, maxFilterDepth)
	}
	content, err := p.read(at.path)
	if err != nil {
		return err
	}
	begun := false
	for line := range strings.Lines(content) {
		switch text := strings.TrimLeft(line, " \t\v\f\r\n"); {
		case text == "" || text[0] == '#':
			continue
		case !begun && text != line:
			// Postfix takes it until 3.7, and since then warns and ignores the line.
			return fmt.Errorf("%s: white space before the first pattern", at.path)
		}
		begun = true
		if err := p.list(line, at); err != nil {
			return fmt.Errorf("%s: %w", at.path, err)
		}
	}
	return nil
}

func readFilterFile(path string) (string, error) {
	file, err := follow.OpenRegular(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFilterFile+1))
	if err != nil {
		return "", err
	}
	if len(content) > maxFilterFile {
		return "", fmt.Errorf("%s: longer than %d bytes", path, maxFilterFile)
	}
	return string(content), nil
}
