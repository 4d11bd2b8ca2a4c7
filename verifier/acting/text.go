package acting

import (
	"slices"
	"strings"
)

// String returns the rules as a file that means the same: a line for each pair, and for
// each user in a group, sorted.
func (r *Rules) String() string {
	if r == nil {
		return ""
	}
	var lines []string
	for id, g := range r.users {
		lines = g.appendLines(lines, id.String())
	}
	for name, g := range r.groups {
		for id := range g.members {
			lines = append(lines, "@"+name+" = "+id.String()+"\n")
		}
		lines = g.grant.appendLines(lines, "@"+name)
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func (g *grant) appendLines(lines []string, who string) []string {
	if g.all > 0 {
		lines = append(lines, who+" *\n")
	}
	for name := range g.realms {
		lines = append(lines, who+" *@"+name+"\n")
	}
	for id := range g.names {
		lines = append(lines, who+" "+id.String()+"\n")
	}
	return lines
}
