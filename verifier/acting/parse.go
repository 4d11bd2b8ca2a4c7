package acting

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/realm"
)

// What a file of rules may be, in bytes.
const (
	MaxFile = 1 << 20
	MaxLine = 4096 // with no end of line
)

// A SyntaxError says where a file is wrong, and how to mend it.
type SyntaxError struct {
	File   string
	Line   int // from 1
	Reason string
}

// Error returns "acting: FILE:LINE: reason".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("acting: %s:%d: %s", e.File, e.Line, e.Reason)
}

// Parse reads rules. The name is that of the file, for errors: a *[SyntaxError], or that
// of the reader. With an error there are no rules.
func Parse(name string, from io.Reader, o Options) (*Rules, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("acting: %s: %w", name, err)
	case len(text) > MaxFile:
		return nil, fmt.Errorf("acting: %s: over %d bytes (put users into groups)", name, MaxFile)
	}
	p := parser{Rules: &Rules{options: o, pairs: map[pair]int{}, members: map[member]int{}}}
	for line := range strings.Lines(string(text)) {
		p.line++
		if err := p.rule(line); err != nil {
			return nil, &SyntaxError{name, p.line, err.Error()}
		}
	}
	if line, err := p.finish(); err != nil {
		return nil, &SyntaxError{name, line, err.Error()}
	}
	return p.Rules, nil
}

// A parser makes rules, line by line.
type parser struct {
	*Rules
	line int
}

// rule reads a line.
func (p *parser) rule(line string) error {
	words, err := cutWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	who, rest := words[0], words[1:]
	if name, ok := strings.CutPrefix(who, "@"); ok {
		return p.groupRule(name, rest)
	}
	if strings.HasPrefix(who, "*") {
		return fmt.Errorf("%.200q cannot act (who acts is a user or a @group)", who)
	}
	id, err := p.identity(who)
	if err != nil {
		return err
	}
	return p.add(actor{user: id}, rest)
}

// groupRule reads "@group = USER...", or as whom a group acts.
func (p *parser) groupRule(name string, rest []string) error {
	if err := checkGroup(name); err != nil {
		return err
	}
	if len(rest) == 0 || rest[0] != "=" {
		return p.add(actor{group: name}, rest)
	}
	if len(rest) == 1 {
		return fmt.Errorf("nobody is in @%s (write users after the =, or remove the line)", name)
	}
	for _, word := range rest[1:] {
		if strings.HasPrefix(word, "@") {
			return fmt.Errorf("%.200q in @%s: a group has users in it (list them)", word, name)
		}
		id, err := p.identity(word)
		if err != nil {
			return err
		}
		if line := note(p.members, member{name, id}, p.line); line > 0 {
			return fmt.Errorf("%.200q is in @%s already, by line %d (remove one)", word, name, line)
		}
	}
	return nil
}

// add lets somebody act as those of the words.
func (p *parser) add(who actor, words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("%.200q may act as nobody (write as whom, or remove the line)", who.String())
	}
	for _, word := range words {
		whom, err := p.target(word)
		if err != nil {
			return err
		}
		if line := note(p.pairs, pair{who, whom}, p.line); line > 0 {
			return fmt.Errorf("%.200q may act as %.200q already, by line %d (remove one)", who.String(), word, line)
		}
	}
	return nil
}

// target reads as whom somebody acts.
func (p *parser) target(word string) (identity, error) {
	switch {
	case word == everyone:
		return identity{everyone, ""}, nil
	case strings.HasPrefix(word, "@"):
		return identity{}, fmt.Errorf("nobody acts as a group: %.200q (list its users)", word)
	case strings.HasPrefix(word, everyone+"@"):
		name, err := p.realm(word[2:])
		if err != nil {
			return identity{}, err
		}
		return identity{everyone, name}, nil
	}
	return p.identity(word)
}

// note puts a line into a map, unless there is one already: then it returns that.
func note[K comparable](m map[K]int, key K, line int) (before int) {
	if before = m[key]; before == 0 {
		m[key] = line
	}
	return before
}

// finish settles what needs all lines.
func (p *parser) finish() (line int, err error) {
	p.memberOf, p.masters = map[identity][]string{}, map[identity]bool{}
	groups := make(map[string][]identity)
	for m := range p.members {
		p.memberOf[m.user] = append(p.memberOf[m.user], m.group)
		groups[m.group] = append(groups[m.group], m.user)
	}
	for rule, at := range p.pairs {
		users := []identity{rule.who.user}
		if name := rule.who.group; name != "" {
			if users = groups[name]; users == nil && (err == nil || at < line) {
				line, err = at, fmt.Errorf("there is no group @%s (say who is in it: @%s = USER...)", name, name)
			}
		}
		if rule.whom.user != everyone {
			continue
		}
		for _, id := range users {
			p.masters[id.folded()] = true
		}
	}
	return line, err
}

// cutWords checks the characters of a line and cuts it, without its comment.
func cutWords(line string) ([]string, error) {
	text, ended := strings.CutSuffix(line, "\n")
	text = strings.TrimSuffix(text, "\r")
	switch {
	case len(text) > MaxLine:
		return nil, fmt.Errorf("over %d bytes (a user or group may have several lines)", MaxLine)
	case !utf8.ValidString(text):
		return nil, errors.New("not UTF-8")
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return nil, errors.New("a control character (separate by spaces or tabs)")
	case !ended:
		return nil, errors.New("the line has no end, so it may not be all of it (end it with a newline)")
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\t' })
	if i := slices.IndexFunc(words, func(w string) bool { return w[0] == '#' }); i >= 0 {
		words = words[:i]
	}
	return words, nil
}

// special are the characters that no name in a file has.
const special = "*#\" \t"

// identity reads the name of a user.
func (p *parser) identity(word string) (identity, error) {
	if err := checkName(word); err != nil {
		return identity{}, err
	}
	name, err := p.options.prepare(word)
	if err == nil {
		err = checkName(name) // a wide '*' has become one
	}
	if err != nil {
		return identity{}, fmt.Errorf("%.200q cannot be a name: %w", word, err)
	}
	user, in, err := p.options.Realm.Split(name)
	if err != nil && !errors.Is(err, realm.ErrUnknown) {
		return identity{}, fmt.Errorf("%.200q cannot be a name: %w", word, err)
	}
	id := p.options.place(user, in)
	if !id.whole() || strings.HasSuffix(name, "@") {
		return identity{}, fmt.Errorf("%.200q has half a name only (write user@realm)", word)
	}
	return id, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a name is empty")
	case name == "=":
		return errors.New("'=' stands after a @group only")
	case strings.ContainsRune(name, '*'):
		return fmt.Errorf("%.200q: '*' stands alone or in *@realm (as whom somebody acts)", name)
	case strings.ContainsAny(name, special):
		return fmt.Errorf("%.200q: '#', '\"' and spaces cannot be in a name (a comment begins after a space)", name)
	case strings.HasPrefix(name, "@"):
		return fmt.Errorf("%.200q: a name does not begin with '@'", name)
	}
	return nil
}

// realm reads that of a pattern.
func (p *parser) realm(word string) (string, error) {
	name, err := p.options.prepare(word)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.200q cannot be a realm: %w", word, err)
	case name == "":
		return "", errors.New("*@ without a realm (write * for everybody)")
	case strings.ContainsAny(name, special), strings.Contains(name, "@") && p.options.Realm.Rule != realm.CyrusFirstAt:
		return "", fmt.Errorf("%.200q is no realm (write *@realm, or *)", word)
	}
	return name, nil
}

// maxGroup is the longest name of a group, in bytes.
const maxGroup = 64

func checkGroup(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	if name == "" || len(name) > maxGroup || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("%.200q: the name of a group is 1 to %d of a-z A-Z 0-9 . _ - (everybody in a realm is *@realm, and spaces go around =)", "@"+name, maxGroup)
	}
	return nil
}
