package passwdfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A table is what a file says. It is not changed once it is made.
type table struct {
	secret.Opaque
	users    map[string]*entry // by the name in the file
	decoy    stored.Value      // what an unknown user costs
	coverage verifier.Coverage
	faults   []error
}

// An entry is one user.
type entry struct {
	line     int
	user     string // without the realm
	realm    string // "" for a name of every realm
	value    stored.Value
	unusable error // why there is no value; nil if there is one
	extra    extra
}

// parse reads a whole file.
func parse(text []byte) (*table, error) {
	t := &table{users: make(map[string]*entry)}
	var all []*entry
	lines, err := follow.Lines(text)
	if err != nil {
		return nil, err
	}
	for number, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		e, err := t.add(number, line)
		if err != nil {
			t.faults = append(t.faults, fmt.Errorf("line %d: %w", number, err))
		}
		if e != nil {
			all = append(all, e)
		}
	}
	if len(all) == 0 {
		return nil, follow.ErrEmpty
	}
	t.measure(all)
	return t, nil
}

// add takes one line. It returns no entry if there is no name, or one that is there
// already.
func (t *table) add(number int, line string) (*entry, error) {
	name, rest, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return nil, errors.New("no colon")
	case name == "":
		return nil, errors.New("no user name")
	}
	if first := t.users[name]; first != nil {
		err := fmt.Errorf("user %.64q is in line %d already: programs disagree about which counts", name, first.line)
		first.value, first.unusable = stored.Value{}, err
		return nil, err
	}
	e := &entry{line: number}
	e.user, e.realm = cutRealm(name, "")
	t.users[name] = e
	if err := e.parse(rest); err != nil {
		e.value, e.unusable = stored.Value{}, err
		return e, fmt.Errorf("user %.64q: %w", name, err)
	}
	return e, nil
}

// cutRealm cuts a name at its last '@'. One without is of the given realm.
func cutRealm(name, realm string) (user, in string) {
	if i := strings.LastIndexByte(name, '@'); i > 0 {
		return name[:i], name[i+1:]
	}
	return name, realm
}

// fieldExtra is which field after the password the extra fields are, from 1: they are
// the last, and may hold colons.
const fieldExtra = 6

func (e *entry) parse(rest string) (err error) {
	password, rest := cutPassword(rest)
	fields := strings.SplitN(rest, ":", fieldExtra)
	if len(fields) == fieldExtra {
		if e.extra, err = parseExtra(fields[fieldExtra-1]); err != nil {
			return err
		}
	}
	if password == "" {
		return errors.New("the password is empty: nobody is let in by that")
	}
	e.value, err = stored.Parse(password)
	return err
}

// cutPassword cuts a line after its second field. A SCRAM record in the form of RFC
// 5803, SCRAM-SHA-256$COUNT:SALT$STOREDKEY:SERVERKEY, has two colons of its own.
func cutPassword(fields string) (password, rest string) {
	colons := 0
	if strings.HasPrefix(fields, "SCRAM-") {
		colons = 2
	}
	for i := range len(fields) {
		if fields[i] != ':' {
			continue
		}
		if colons == 0 {
			return fields[:i], fields[i+1:]
		}
		colons--
	}
	return fields, ""
}

// measure sets what follows from all users together.
func (t *table) measure(all []*entry) {
	var values []stored.Value
	var kinds []verifier.Kinds
	realms := make(map[string]bool)
	for _, e := range all {
		if e.unusable == nil {
			values = append(values, e.value)
		}
		if e.extra.disabled {
			continue
		}
		kinds = append(kinds, e.kinds())
		if e.realm != "" {
			realms[e.realm] = true
		}
	}
	t.decoy = stored.Commonest(slices.Values(values))
	t.coverage = verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
}

// kinds is what the user can log in with.
func (e *entry) kinds() verifier.Kinds {
	kinds := e.value.Kinds()
	if e.realm == "" {
		kinds &^= verifier.KindsOf(verifier.KindDIGESTMD5)
	}
	return kinds
}

// lookup finds a user: one of that realm, or one of every realm.
func (t *table) lookup(r verifier.Request) *entry {
	if r.Realm != "" {
		e := t.users[realm.Join(r.User, r.Realm)]
		if e != nil || strings.Contains(r.User, "@") {
			return e
		}
	}
	return t.users[r.User]
}
