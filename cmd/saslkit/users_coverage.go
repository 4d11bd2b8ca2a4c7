package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A coverageQuery is what users --coverage asks.
type coverageQuery struct {
	path, secrets, verifier string
	asJSON, deleteVoid      bool
}

// A coverageReport says who can use which mechanism, and what is missing before the
// verifier that users come from can be left. It is what --json prints.
type coverageReport struct {
	Store      string          `json:"store"`
	Users      int             `json:"users"` // enabled; -1 if nobody can count
	Disabled   int             `json:"disabled"`
	Mechanisms []mechanismUse  `json:"mechanisms"`
	Copies     []copiesFrom    `json:"copies,omitempty"`
	Deleted    int             `json:"deleted,omitempty"`
	From       *verifiersUsers `json:"verifier,omitempty"`
	Ready      []string        `json:"ready"` // mechanisms that serve everybody
	Verdict    string          `json:"verdict"`
}

type mechanismUse struct {
	Mechanism string `json:"mechanism"`
	Users     int    `json:"users"` // -1 if nobody can count
}

// copiesFrom are the copies from one verifier.
type copiesFrom struct {
	Source string `json:"source"`
	Copies int    `json:"copies"`
	Void   int    `json:"void"`
	Soon   int    `json:"void_within_a_week"`
}

type verifiersUsers struct {
	Name    string   `json:"name"`
	Users   int      `json:"users"`             // -1 if it cannot list them
	Missing []string `json:"missing,omitempty"` // who have no good copy
}

// soon is how long before its end a copy is told of.
const soon = 7 * 24 * time.Hour

func (q *coverageQuery) run(ctx context.Context, std *stdio) error {
	open := &opener{std: std}
	defer open.close()
	var from verifier.Verifier
	var err error
	if q.verifier != "" {
		if from, err = open.store(q.verifier); err != nil {
			return err
		}
	}
	if path, ok := strings.CutPrefix(q.secrets, "sasldb:"); ok {
		q.path = path
	} else if q.secrets != "" {
		return q.countOnly(open, std)
	}
	r := coverageReport{Store: "sasldb:" + q.path}
	people, err := peopleIn(ctx, q.path, from)
	if err != nil {
		return err
	}
	if q.deleteVoid {
		if people, err = r.deleteVoid(ctx, q.path, people); err != nil {
			return err
		}
	}
	r.count(people)
	r.compare(people, from)
	return r.print(std, q.asJSON)
}

// countOnly reports what the store itself counts, where its users cannot be listed.
func (q *coverageQuery) countOnly(open *opener, std *stdio) error {
	if q.deleteVoid {
		return usage("users: --delete-void needs a sasldb")
	}
	v, err := open.store(q.secrets)
	if err != nil {
		return err
	}
	c := verifier.CoverageOf(v)
	r := coverageReport{Store: q.secrets, Users: c.Users, Ready: []string{}, Verdict: q.secrets + " cannot list its users, so nobody can tell who has a copy"}
	for _, m := range secretMechanisms() {
		r.Mechanisms = append(r.Mechanisms, mechanismUse{m.name, c.Serving(m.kinds)})
		if m.isSCRAM() && c.ServesAll(m.kinds) {
			r.Ready = append(r.Ready, m.name)
		}
	}
	return r.print(std, q.asJSON)
}

// A family is mechanisms that are served by the same kinds of secret.
type family struct {
	name  string
	kinds []verifier.Kind
}

func (f family) isSCRAM() bool { return strings.HasPrefix(f.name, "SCRAM-") }

// secretMechanisms are those for which it matters what a store holds.
func secretMechanisms() []family {
	all := []family{{"PLAIN, LOGIN", mech.PLAIN.Secrets}}
	for _, m := range mech.All() {
		if m.Need == mech.NeedSecret && !m.Binds {
			all = append(all, family{m.Name, m.Secrets})
		}
	}
	slices.SortFunc(all[1:], func(a, b family) int { return strings.Compare(a.name, b.name) })
	return all
}

// deleteVoid deletes the void copies in one commit, and returns who is left. Whoever is
// no such copy any more stays.
func (r *coverageReport) deleteVoid(ctx context.Context, path string, people []person) ([]person, error) {
	isVoid := func(p person) bool { return p.void && !p.disabled }
	err := sasldb.Edit(ctx, path, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
		r.Deleted = 0
		for _, p := range people {
			if !isVoid(p) {
				continue
			}
			err := tx.Update(verifier.Request{User: p.user, Realm: p.realm}, func(e verifier.Entry) (verifier.Entry, error) {
				same := slices.ContainsFunc(e.Secrets, func(s verifier.Secret) bool {
					o, _ := verifier.ParseOrigin(s.Value)
					return s.Kind == verifier.KindOrigin && o == p.origin
				})
				if !same {
					return e, nil
				}
				r.Deleted++
				return verifier.Entry{}, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, changeError(err)
	}
	return slices.DeleteFunc(people, isVoid), nil
}

// count counts who is in the store.
func (r *coverageReport) count(people []person) {
	sources := map[string]*copiesFrom{}
	for _, p := range people {
		if p.disabled {
			r.Disabled++
		} else {
			r.Users++
		}
		if !p.copied {
			continue
		}
		source := cmp.Or(p.origin.Source, "?") // of a version that is not known here
		c := sources[source]
		if c == nil {
			c = &copiesFrom{Source: source}
			sources[source] = c
		}
		c.Copies++
		switch {
		case p.void:
			c.Void++
		case p.origin.Over(time.Now().Add(soon)):
			c.Soon++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		r.Copies = append(r.Copies, *sources[name])
	}
	for _, m := range secretMechanisms() {
		use := mechanismUse{Mechanism: m.name}
		for _, p := range people {
			if !p.disabled && p.kinds.Any(m.kinds) {
				use.Users++
			}
		}
		r.Mechanisms = append(r.Mechanisms, use)
	}
}

// compare finds the mechanisms that serve everybody, and who lacks what.
func (r *coverageReport) compare(people []person, from verifier.Verifier) {
	r.Ready = []string{}
	known := usersOf(from)
	if from != nil {
		r.From = &verifiersUsers{Name: verifier.Name(from), Users: -1}
	}
	scram := slices.DeleteFunc(secretMechanisms(), func(m family) bool { return !m.isSCRAM() })
	for _, m := range scram {
		if r.Users > 0 && !slices.ContainsFunc(people, func(p person) bool { return !p.disabled && (p.void || !p.kinds.Any(m.kinds)) }) {
			r.Ready = append(r.Ready, m.name)
		}
	}
	if known != nil {
		r.From.Users = len(known)
		served := map[string]bool{}
		for _, p := range people {
			if !p.void && slices.ContainsFunc(scram, func(m family) bool { return p.kinds.Any(m.kinds) }) {
				served[p.user], served[realm.Join(p.user, p.realm)] = true, true
			}
		}
		maps.DeleteFunc(known, func(name string, _ bool) bool { return served[name] })
		if r.From.Missing = slices.Sorted(maps.Keys(known)); len(known) > 0 {
			r.Ready = []string{}
		}
	}
	r.Verdict = r.verdict()
}

func (r *coverageReport) verdict() string {
	void := 0
	for _, c := range r.Copies {
		void += c.Void
	}
	list := strings.Join(r.Ready, " ")
	switch {
	case r.From != nil && len(r.From.Missing) > 0:
		return fmt.Sprintf("not yet: %d of %d users of %s have no good copy", len(r.From.Missing), r.From.Users, r.From.Name)
	case void > 0:
		return fmt.Sprintf("not yet: %d copies are void (a login by PLAIN renews them, --delete-void deletes them)", void)
	case len(r.Ready) == 0:
		return "not yet: no mechanism of SCRAM serves every user of " + r.Store
	case r.From == nil:
		return fmt.Sprintf("mech_list can name %s: all %d users of %s have it (who has no copy yet is told with --verifier)", list, r.Users, r.Store)
	case r.From.Users < 0:
		return fmt.Sprintf("mech_list can name %s if %s has no more users than the %d here: it cannot list them", list, r.From.Name, r.Users)
	}
	return fmt.Sprintf("mech_list can name %s: all %d users of %s have it", list, r.From.Users, r.From.Name)
}

// ready reports whether the answer is yes.
func (r *coverageReport) ready() bool {
	return len(r.Ready) > 0 && !strings.HasPrefix(r.Verdict, "not yet")
}

// print prints the report; that the answer is no is the exit code.
func (r *coverageReport) print(std *stdio, asJSON bool) error {
	if asJSON {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		std.out.Write(printableJSON(line))
		std.out.WriteByte('\n')
	} else {
		r.write(std)
	}
	if !r.ready() {
		return &exitError{code: exitNo}
	}
	return nil
}

// mostNames is how many of those without a copy are named.
const mostNames = 20

func (r *coverageReport) write(std *stdio) {
	if r.Deleted > 0 {
		fmt.Fprintf(std.out, "deleted\t%d void copies\n", r.Deleted)
	}
	fmt.Fprintf(std.out, "%s\t%s users, %d disabled\n", quoted(r.Store), number(r.Users), r.Disabled)
	for _, m := range r.Mechanisms {
		fmt.Fprintf(std.out, "%s\t%s\n", m.Mechanism, number(m.Users))
	}
	for _, c := range r.Copies {
		fmt.Fprintf(std.out, "copies from %s\t%d, void %d, void within a week %d\n", quoted(c.Source), c.Copies, c.Void, c.Soon)
	}
	if r.From != nil {
		fmt.Fprintf(std.out, "%s\t%s users\n", quoted(r.From.Name), number(r.From.Users))
		for i, name := range r.From.Missing {
			if i == mostNames {
				fmt.Fprintf(std.out, "no good copy\t… and %d more\n", len(r.From.Missing)-i)
				break
			}
			fmt.Fprintf(std.out, "no good copy\t%s\n", quoted(name))
		}
	}
	fmt.Fprintln(std.out, shown(r.Verdict))
}

// number is one, or ? for what nobody can count.
func number(n int) string {
	if n < 0 {
		return "?"
	}
	return fmt.Sprint(n)
}
