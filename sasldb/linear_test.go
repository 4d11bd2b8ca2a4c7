package sasldb

import (
	"cmp"
	"slices"
	"testing"
)

// A history of what was done to one user is linearizable if each action can be
// given one moment between its start and its end, such that one after the other
// they make sense. This is Wing and Gong's search in the form of Lowe's
// just-in-time linearization: nothing is ordered before an end makes it necessary.

// An action on a user, as far as one can know from outside.
type action struct {
	verb       verb
	password   string
	start, end int64 // nanoseconds of one clock
	unsure     bool  // it may have happened or not
}

type verb string

const (
	sets    verb = "set"
	deletes verb = "delete"
	// disables keeps whoever does not exist from nothing.
	disables verb = "disable"
	// Cyrus SASL does not know of the disabled, so what it does to one leaves him so.
	cyrusSets    verb = "saslpasswd2 -c"
	cyrusDeletes verb = "saslpasswd2 -d"
	logsIn       verb = "login"
	isRefused    verb = "refused login"
)

// A standing is what a user can be in. The zero value is that of a stranger.
type standing struct {
	password string
	disabled bool
}

// after returns how the user stands after an action, and whether the action could
// have gone so.
func (s standing) after(a action) (standing, bool) {
	in := !s.disabled && s.password != "" && s.password == a.password
	switch a.verb {
	case sets:
		return standing{a.password, false}, true
	case deletes:
		return standing{}, true
	case disables:
		return standing{s.password, s != standing{}}, true
	case cyrusSets:
		return standing{a.password, s.disabled}, true
	case cyrusDeletes:
		return standing{"", s.disabled}, true
	case logsIn:
		return s, in
	default:
		return s, !in
	}
}

// byCyrus actions have their moments in the order of their starts: only one goes on
// at a time, though it may count later.
func (a action) byCyrus() bool { return a.verb == cyrusSets || a.verb == cyrusDeletes }

// A world is what may be the case: how the user stands, and which of the actions
// that have not ended have had their moment: those by us by bits, and how many of
// those by Cyrus SASL.
type world struct {
	standing
	had   uint64
	cyrus int
}

// A judgement goes through a history in the order of time and keeps all worlds that
// are possible.
type judgement struct {
	worlds map[world]bool
	open   [64]*action // by us
	cyrus  []*action   // that have started
}

// firstFault returns the first action that cannot have gone so, nil if the history
// is linearizable.
func firstFault(history []action) *action {
	type event struct {
		at     int64
		ends   bool
		action *action
	}
	var events []event
	for i := range history {
		a := &history[i]
		events = append(events, event{a.start, false, a}, event{a.end, true, a})
	}
	slices.SortStableFunc(events, func(a, b event) int {
		if a.at == b.at && a.ends != b.ends { // at one moment means together
			return map[bool]int{false: -1, true: 1}[a.ends]
		}
		return cmp.Compare(a.at, b.at)
	})
	s := judgement{worlds: map[world]bool{{}: true}}
	for _, e := range events {
		if !e.ends {
			s.starts(e.action)
		} else if s.spread(); !s.ends(e.action) {
			return e.action
		}
	}
	return nil
}

func (s *judgement) starts(a *action) {
	if a.byCyrus() {
		s.cyrus = append(s.cyrus, a)
	} else {
		s.open[slices.Index(s.open[:], nil)] = a
	}
}

// ends leaves out the worlds in which an action has not had its moment, and reports
// whether there are others.
func (s *judgement) ends(a *action) bool {
	left := map[world]bool{}
	slot, turn := slices.Index(s.open[:], a), slices.Index(s.cyrus, a)
	for w := range s.worlds {
		if a.byCyrus() {
			if w.cyrus > turn {
				left[w] = true
			}
		} else if w.had&(1<<slot) != 0 || a.unsure {
			w.had &^= 1 << slot
			left[w] = true
		}
	}
	if !a.byCyrus() {
		s.open[slot] = nil
	}
	s.worlds = left
	return len(left) > 0
}

// spread adds all the worlds in which actions that go on have had their moment.
func (s *judgement) spread() {
	var todo []world
	for w := range s.worlds {
		todo = append(todo, w)
	}
	add := func(w world, possible bool) {
		if possible && !s.worlds[w] {
			s.worlds[w] = true
			todo = append(todo, w)
		}
	}
	for len(todo) > 0 {
		w := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for slot, a := range s.open {
			if a != nil && w.had&(1<<slot) == 0 {
				next, possible := w.after(*a)
				add(world{next, w.had | 1<<slot, w.cyrus}, possible)
			}
		}
		if w.cyrus < len(s.cyrus) {
			a := s.cyrus[w.cyrus]
			next, possible := w.after(*a)
			add(world{next, w.had, w.cyrus + 1}, possible)
			add(world{w.standing, w.had, w.cyrus + 1}, a.unsure) // it never had one
		}
	}
}

func TestFirstFault(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		history []action
		fault   int // index; -1: none
	}{
		{"nothing", nil, -1},
		{"a stranger logs in", []action{{logsIn, "a", 1, 2, false}}, 0},
		{"a stranger is refused", []action{{isRefused, "a", 1, 2, false}}, -1},
		{"set and log in", []action{{sets, "a", 1, 2, false}, {logsIn, "a", 3, 4, false}}, -1},
		{"set and refused", []action{{sets, "a", 1, 2, false}, {isRefused, "a", 3, 4, false}}, 1},
		{"while it is set either way", []action{{sets, "a", 1, 9, false}, {isRefused, "a", 2, 3, false}, {logsIn, "a", 4, 5, false}}, -1},
		{"but not back", []action{{sets, "a", 1, 9, false}, {logsIn, "a", 2, 3, false}, {isRefused, "a", 4, 5, false}}, 2},
		{"an old password", []action{{sets, "a", 1, 2, false}, {sets, "b", 3, 4, false}, {logsIn, "a", 5, 6, false}}, 2},
		{"an old password meanwhile", []action{{sets, "a", 1, 2, false}, {sets, "b", 3, 6, false}, {logsIn, "a", 5, 7, false}}, -1},
		{"deleted", []action{{sets, "a", 1, 2, false}, {deletes, "", 3, 4, false}, {logsIn, "a", 5, 6, false}}, 2},
		{"disabled", []action{{sets, "a", 1, 2, false}, {disables, "", 3, 4, false}, {logsIn, "a", 5, 6, false}}, 2},
		{"disabled for Cyrus SASL too", []action{{sets, "a", 1, 2, false}, {disables, "", 3, 4, false}, {cyrusSets, "b", 5, 6, false}, {logsIn, "b", 7, 8, false}}, 3},
		{"disabled before", []action{{disables, "", 1, 2, false}, {cyrusSets, "b", 5, 6, false}, {logsIn, "b", 7, 8, false}}, -1},
		{"unsure, and it was", []action{{sets, "a", 1, 2, true}, {logsIn, "a", 3, 4, false}}, -1},
		{"unsure, and it was not", []action{{sets, "a", 1, 2, true}, {isRefused, "a", 3, 4, false}}, -1},
		{"unsure, but decided", []action{{sets, "a", 1, 2, true}, {isRefused, "a", 3, 4, false}, {logsIn, "a", 5, 6, false}}, 2},
		{"Cyrus SASL late", []action{{sets, "a", 1, 2, false}, {cyrusSets, "b", 3, 9, false}, {logsIn, "a", 5, 6, false}, {logsIn, "b", 7, 8, false}}, -1},
		{"Cyrus SASL in order", []action{{cyrusSets, "a", 1, 9, false}, {cyrusSets, "b", 2, 9, false}, {logsIn, "b", 4, 5, false}, {logsIn, "a", 6, 7, false}}, 3},
		{"Cyrus SASL unsure", []action{{cyrusSets, "a", 1, 2, true}, {cyrusSets, "b", 3, 4, true}, {logsIn, "b", 5, 6, false}, {isRefused, "a", 7, 8, false}}, -1},
		{"two orders", []action{{sets, "a", 1, 9, false}, {sets, "b", 2, 8, false}, {logsIn, "b", 10, 11, false}, {logsIn, "b", 12, 13, false}}, -1},
		{"two orders, but one", []action{{sets, "a", 1, 9, false}, {sets, "b", 2, 8, false}, {logsIn, "b", 10, 11, false}, {logsIn, "a", 12, 13, false}}, 3},
	} {
		got := -1
		if a := firstFault(test.history); a != nil {
			got = slices.IndexFunc(test.history, func(b action) bool { return b == *a })
		}
		if got != test.fault {
			t.Errorf("%s: fault is action %d, want %d", test.name, got, test.fault)
		}
	}
}
