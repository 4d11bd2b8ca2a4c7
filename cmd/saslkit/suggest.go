package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// suggestedFor are words that people try and that are no command: of other programs, and
// what a command is about.
var suggestedFor = map[string][]string{
	"check":  {"auth", "testsaslauthd"},
	"login":  {"connect", "test"},
	"passwd": {"password", "pasword", "add", "adduser", "useradd", "delete", "remove", "saslpasswd2"},
	"serve":  {"daemon", "run", "saslauthd", "server", "start"},
	"users":  {"list", "ls", "sasldblistusers2", "show", "dump"},
	"verify": {"db_verify", "fsck"},
	"mechs":  {"mechanisms", "pluginviewer", "mech"},
}

// noOption is the error for an option that does not exist, with the one that was meant if
// that is to be seen.
func noOption(cmd *cobra.Command, name string) error {
	nearest, least := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d < least || least == 3 && len(name) > 2 && strings.HasPrefix(f.Name, name) {
			nearest, least = f.Name, min(d, 2)
		}
	})
	if nearest != "" {
		return usage("%s: unknown option --%s: did you mean --%s?", cmd.Name(), name, nearest)
	}
	return usage("%s: unknown option --%s (%q lists them)", cmd.Name(), name, cmd.CommandPath()+" --help")
}

// distance counts the letters that must be put in, taken out, replaced or swapped with
// their neighbour to make b of a; beyond 2 it says 3.
func distance(a, b string) int {
	const far = 3
	if len(a)-len(b) >= far || len(b)-len(a) >= far || len(a) > 100 {
		return far
	}
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			replaced := last[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return min(far, last[len(b)])
}
