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
	for rule := range r.pairs {
		who := rule.who.String()
		if rule.who.group == "" {
			who = r.spelled(rule.who.user)
		}
		lines = append(lines, who+" "+r.spelled(rule.whom)+"\n")
	}
	for m := range r.members {
		lines = append(lines, "@"+m.group+" = "+r.spelled(m.user)+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// spelled is a name or pattern as Parse understands it: with its realm, unless that is the
// default one and does not go with the user, who is written from right to left.
func (r *Rules) spelled(id identity) string {
	full := id.String()
	if id.user != everyone && id.realm == r.options.Realm.Default && !r.prepared(full) {
		return id.user
	}
	return full
}
