// Package manual writes the manual pages of saslkit from the command itself: what its
// help says of commands and options, and beside it what only a page has room for. The
// command that is shipped does not import it.
package manual

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A File is a page and its name, such as saslkit-serve.8.
type File struct {
	Name string
	Text string
}

// section is that of programs for administrators.
const section = "8"

// Pages returns the pages of a command, of each of its sub-commands, and of the old names
// under which it can be called. The date stands in them unless it is zero; equal commands
// and dates give equal pages.
func Pages(root *cobra.Command, date time.Time) []File {
	files := []File{commandPage(root, date)}
	for _, cmd := range documented(root) {
		files = append(files, commandPage(cmd, date))
	}
	for _, o := range oldNames() {
		files = append(files, o.page(date))
	}
	return files
}

// documented are the sub-commands that have a page; help explains itself.
func documented(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range root.Commands() {
		if cmd.IsAvailableCommand() {
			all = append(all, cmd)
		}
	}
	return all
}

// pageName is saslkit-serve for "saslkit serve".
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func commandPage(cmd *cobra.Command, date time.Time) File {
	p, name := &page{values: values(cmd)}, pageName(cmd)
	p.head(name, cmd.Short, date)
	p.section("SYNOPSIS")
	if cmd.HasParent() {
		p.fill("`" + cmd.Root().Name() + " " + cmd.Name() + "`" + strings.TrimPrefix(cmd.Use, cmd.Name()))
	} else {
		p.values["COMMAND"] = true
		p.fill("`" + cmd.Name() + "` COMMAND [options] [arguments]")
	}
	extra := extras()[cmd.Name()]
	p.section("DESCRIPTION")
	p.text(cmd.Long)
	if !cmd.HasParent() {
		p.section("COMMANDS")
		p.rows(subCommands(cmd))
	}
	p.section("OPTIONS")
	p.rows(options(cmd))
	for _, s := range extra.sections {
		p.section(s.title)
		p.text(s.text)
		p.rows(s.rows)
	}
	p.section(`"EXIT STATUS"`)
	p.rows(extra.exits)
	if extra.environment != nil {
		p.section("ENVIRONMENT")
		p.rows(extra.environment)
	}
	if extra.files != nil {
		p.section("FILES")
		p.rows(extra.files)
	}
	if cmd.Example != "" {
		p.section("EXAMPLES")
		p.examples(cmd.Example)
	}
	p.foot(name, extra.seeAlso)
	return File{name + "." + section, p.String()}
}

func (p *page) head(name, summary string, date time.Time) {
	day := ""
	if !date.IsZero() {
		day = date.UTC().Format(time.DateOnly)
	}
	// Nothing is hyphenated, also behind an example, where groff would begin again.
	fmt.Fprintf(p, ".TH %s %s \"%s\" saslkit \"Logins of mail sites\"\n.ad l\n.nh\n.nr HY 0\n", strings.ToUpper(code(name)), section, day)
	p.section("NAME")
	fmt.Fprintf(p, "%s \\- %s\n", code(name), prose(strings.ToLower(summary[:1])+summary[1:]))
}

// foot names other pages, in the order of the alphabet.
func (p *page) foot(name string, seeAlso []string) {
	p.section(`"SEE ALSO"`)
	if name != "saslkit" {
		seeAlso = append([]string{"saslkit(8)"}, seeAlso...)
	}
	p.fill(strings.Join(seeAlso, ", "))
}

// values are the words of a command that stand for a value.
func values(cmd *cobra.Command) map[string]bool {
	all := make(map[string]bool)
	for _, word := range valueWord.FindAllString(cmd.Use, -1) {
		all[word] = true
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if word, _ := pflag.UnquoteUsage(f); valueWord.MatchString(word) {
			all[word] = true
		}
	})
	return all
}

var valueWord = regexp.MustCompile(`\b[A-Z]{2,}\b`)

// options are the rows of a command's options.
func options(cmd *cobra.Command) []row {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	var all []row
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, meaning := pflag.UnquoteUsage(f)
		word := "--" + f.Name
		if f.Shorthand != "" {
			word = "-" + f.Shorthand + ", " + word
		}
		if value != "" {
			word += " " + value
		}
		switch f.Name {
		case "help":
			meaning = "print a short form of this page"
		case "version":
			meaning = "print the version"
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" && !strings.Contains(meaning, "default") {
			meaning += " (default `" + f.DefValue + "`)"
		}
		all = append(all, row{word, sentence(meaning)})
	})
	return all
}

// sentence makes one of what stands in the help of an option.
func sentence(text string) string {
	if next := text[1]; next != '.' && next != '(' && !strings.HasPrefix(text, "saslauthd") {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return strings.TrimSuffix(text, ".") + "."
}

func subCommands(root *cobra.Command) []row {
	var all []row
	for _, cmd := range documented(root) {
		all = append(all, row{pageName(cmd) + "(" + section + ")", sentence(cmd.Short)})
	}
	return all
}

// examples shows commands under the comments that say what they are for.
func (p *page) examples(text string) {
	var commands []string
	flush := func() {
		if commands != nil {
			p.literal(commands)
		}
		commands = nil
	}
	for i, line := range strings.Split(text, "\n") {
		comment, isComment := strings.CutPrefix(line, "  # ")
		if !isComment {
			commands = append(commands, line)
			continue
		}
		flush()
		if i > 0 {
			p.WriteString(".PP\n")
		}
		p.fill(sentence(comment))
	}
	flush()
}
