package shadow

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A table is what a file says. It is not changed once it is made.
type table struct {
	secret.Opaque
	users  map[string]entry
	decoy  stored.Value // what an unknown user costs
	faults []error
}

// An entry is one user.
type entry struct {
	value    stored.Value
	unusable error // why there is no value; nil if there is one
	locked   bool
	aging    aging
	sum      [sha256.Size]byte // of the line
}

// parse reads a whole file.
func parse(text []byte) (*table, error) {
	t := &table{users: make(map[string]entry)}
	var values []stored.Value
	lines, err := follow.Lines(text)
	if err != nil {
		return nil, err
	}
	for number, line := range lines {
		if line == "" || strings.ContainsRune("#+-", rune(line[0])) {
			continue
		}
		v, err := t.add(line)
		if err != nil {
			t.faults = append(t.faults, fmt.Errorf("line %d: %w", number, err))
		} else if v.Kinds() != 0 {
			values = append(values, v)
		}
	}
	if len(t.users) == 0 {
		return nil, follow.ErrEmpty
	}
	t.decoy = stored.Commonest(slices.Values(values))
	return t, nil
}

// The number of fields tells what a file is.
const (
	shadowFields = 9 // name, hash, last change, minimum, maximum, warning, inactivity, end, reserved
	passwdFields = 7 // name, hash, uid, gid, comment, home, shell
)

// add takes one line and returns the value in it. A line without a name is a fault of
// the file; any other that makes no sense is one of its user, who cannot log in.
func (t *table) add(line string) (stored.Value, error) {
	fields := strings.Split(line, ":")
	name := fields[0]
	if _, ok := t.users[name]; ok || name == "" {
		if ok {
			return stored.Value{}, fmt.Errorf("user %.64q is in the file already: the first line counts", name)
		}
		return stored.Value{}, errors.New("no user name")
	}
	e, err := parseEntry(fields)
	if err != nil {
		e = entry{unusable: err}
		err = fmt.Errorf("user %.64q: %w", name, err)
	}
	e.sum = sha256.Sum256([]byte(line))
	t.users[name] = e
	return e.value, err
}

func parseEntry(fields []string) (e entry, err error) {
	switch len(fields) {
	case shadowFields:
		e.aging, err = parseAging(fields)
	case passwdFields:
		e.aging = noAging
	default:
		err = fmt.Errorf("%d fields, want %d of shadow or %d of passwd", len(fields), shadowFields, passwdFields)
	}
	if err == nil {
		err = e.setHash(fields[1])
	}
	if err != nil {
		return entry{}, err
	}
	return e, nil
}

// setHash reads the second field. What stands for "no password works" is not a fault:
// most of a system's users have it.
func (e *entry) setHash(field string) (err error) {
	hash := strings.TrimLeft(field, "!")
	e.locked = hash != field
	switch {
	case hash == "" && !e.locked:
		e.unusable = errors.New("the password is empty: nobody is let in by that")
	case hash == "" || hash[0] == '*':
		e.unusable = errors.New("no password works for this user")
	case hash == "x":
		e.unusable = errors.New("the hash is in another file (shadow)")
	default:
		e.value, err = stored.Parse(hash)
		if err == nil && e.value.Kinds() != verifier.KindsOf(verifier.KindCheck) {
			err = fmt.Errorf("%s is not a hash", e.value.Scheme())
		}
	}
	return err
}

// An aging is what the dates of a line allow. All are days since 1970; -1 is no limit.
type aging struct{ changed, maximum, end int }

var noAging = aging{-1, -1, -1}

// The fields of a shadow line that matter, counted from 0.
const (
	fieldChanged = 2
	fieldMaximum = 4
	fieldEnd     = 7
)

func parseAging(fields []string) (a aging, err error) {
	for _, f := range []struct {
		value *int
		field int
		name  string
	}{{&a.changed, fieldChanged, "last change"}, {&a.maximum, fieldMaximum, "maximum age"}, {&a.end, fieldEnd, "end of the account"}} {
		if *f.value, err = parseDays(fields[f.field]); err != nil {
			return aging{}, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return a, nil
}

func parseDays(field string) (int, error) {
	if field == "" || field == "-1" {
		return -1, nil
	}
	days, err := strconv.ParseUint(field, 10, 31)
	if err != nil {
		return 0, errors.New("not a number of days")
	}
	return int(days), nil
}

// expired says why the dates let nobody in on that day, nil if they do. A change in
// the future is nothing: the clock was wrong when it was made, or is now.
func (a aging) expired(today int) error {
	switch {
	case a.end >= 0 && today >= a.end:
		return fmt.Errorf("%w: the account ended on day %d, this is day %d", verifier.ErrExpired, a.end, today)
	case a.changed == 0:
		return fmt.Errorf("%w: the password must be changed first", verifier.ErrExpired)
	case a.changed > 0 && a.maximum >= 0 && today-a.changed > a.maximum:
		return fmt.Errorf("%w: the password is older than %d days", verifier.ErrExpired, a.maximum)
	}
	return nil
}
