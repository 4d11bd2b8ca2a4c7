package sql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A row is what a statement returned: its columns, and the values of the one row there
// may be.
type row struct {
	columns []string
	values  []any
	found   bool
}

// A record is what the database holds of one user.
type record struct {
	secret.Opaque
	account  verifier.Account
	holdings []holding
	disabled bool
	expired  bool
	locks    string // the name of the column that says disabled; "" for none
}

// exists reports whether the user is there: something that lets him in is held. A NULL
// is nobody's.
func (rec *record) exists() bool {
	return slices.ContainsFunc(rec.holdings, func(h holding) bool { return h.text != "" && h.err != errDeleted })
}

// fromRow reads a row by the names of its columns. A single column that has none of
// those names is the password.
func (db *DB) fromRow(r verifier.Request, w row, now time.Time) (*record, error) {
	rec := &record{account: verifier.Account{User: r.User, Realm: r.Realm}}
	seen := map[string]bool{}
	for i, name := range w.columns {
		lower := lowerASCII(name)
		if seen[lower] {
			return nil, fmt.Errorf("two columns are named %.40q (name them apart with AS)", name)
		}
		seen[lower] = true
		c := secretColumn(name)
		if c == nil && len(w.columns) == 1 {
			c = &secretColumns[0]
		}
		var value any
		if w.found {
			value = w.values[i]
		}
		if c != nil {
			rec.holdings = append(rec.holdings, holding{column: c, name: name, found: w.found, text: textOf(value)})
			continue
		}
		if lower == "disabled" {
			rec.locks = name
		}
		if !w.found {
			continue
		}
		if err := rec.fact(lower, name, value, now); err != nil {
			return nil, err
		}
	}
	if rec.holdings == nil {
		return nil, fmt.Errorf("none of the columns %.200q holds a secret (name one AS password)", w.columns)
	}
	rec.read(db.scheme)
	return rec, nil
}

// read makes sense of what is held. The password comes first: it is the one in force. If
// it was deleted so is the user, with keys that whoever deleted him did not know of.
func (rec *record) read(scheme string) {
	deleted := false
	for i := range rec.holdings {
		h := &rec.holdings[i]
		h.read(scheme)
		deleted = deleted || h.column.isPassword() && h.err == errDeleted
	}
	for i := range rec.holdings {
		if deleted {
			rec.holdings[i].value, rec.holdings[i].err = stored.Value{}, errDeleted
		}
	}
	slices.SortStableFunc(rec.holdings, func(a, b holding) int {
		switch {
		case a.column.isPassword() == b.column.isPassword():
			return 0
		case a.column.isPassword():
			return -1
		}
		return 1
	})
}

// fact takes note of a column that holds no secret.
func (rec *record) fact(lower, name string, value any, now time.Time) (err error) {
	switch lower {
	case "user", "username":
		if rec.account.User = textOf(value); rec.account.User == "" || !isName(rec.account.User) {
			return fmt.Errorf("column %.40q holds no name", name)
		}
	case "realm":
		if rec.account.Realm = textOf(value); !isName(rec.account.Realm) {
			return fmt.Errorf("column %.40q holds no name", name)
		}
	case "disabled":
		if rec.disabled, err = boolOf(value); err != nil {
			return fmt.Errorf("column %.40q: %w", name, err)
		}
	case "expires":
		at, never, err := timeOf(value)
		if err != nil {
			return fmt.Errorf("column %.40q: %w", name, err)
		}
		rec.expired = !never && !now.Before(at)
	default:
		if value == nil {
			return nil
		}
		if rec.account.Attributes == nil {
			rec.account.Attributes = map[string][]string{}
		}
		rec.account.Attributes[name] = []string{textOf(value)}
	}
	return nil
}

// textOf is a value as text; "" for NULL.
func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(value)
}

// boolOf reads what databases have for a boolean. NULL is no.
func boolOf(value any) (bool, error) {
	if b, ok := value.([]byte); ok && len(b) == 1 && b[0] < 2 {
		return b[0] == 1, nil // MySQL's BIT
	}
	switch strings.ToLower(textOf(value)) {
	case "", "0", "f", "false", "n", "no":
		return false, nil
	case "1", "t", "true", "y", "yes":
		return true, nil
	}
	return false, fmt.Errorf("neither a boolean nor 0 or 1")
}

// timeLayouts are the forms in which databases write times, in UTC if nothing is said.
var timeLayouts = []string{"2006-01-02 15:04:05.999999999", "2006-01-02", time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00"}

// timeOf reads a time, or seconds since 1970. NULL is never.
func timeOf(value any) (at time.Time, never bool, err error) {
	if t, ok := value.(time.Time); ok {
		return t, false, nil
	}
	text := textOf(value)
	if text == "" {
		return time.Time{}, true, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), false, nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, false, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("neither a time nor seconds since 1970")
}

// state is what is to be said of a user whose secret matches, or why there is none.
func (rec *record) state() error {
	switch {
	case !rec.exists():
		return verifier.ErrNoUser
	case rec.disabled:
		return verifier.ErrDisabled
	case rec.expired:
		return verifier.ErrExpired
	}
	return nil
}

// checked is the value that a password is compared with: the password or its hash, and
// without one what other mechanisms keep.
func (rec *record) checked() (stored.Value, error) {
	var unusable error
	for _, h := range rec.holdings {
		switch {
		case h.kinds().Has(verifier.KindCheck):
			return h.value, nil
		case h.err != nil && unusable == nil:
			unusable = fmt.Errorf("%w: column %.40q: %w", verifier.ErrNoSecret, h.name, h.err)
		}
	}
	if unusable == nil {
		unusable = verifier.ErrNoSecret
	}
	return stored.Value{}, unusable
}

// kinds is what the user can log in with. Beside a password SCRAM keys do not count:
// those of the password in force can be made of it, and these may be of another, as
// other programs change the one and leave the others.
func (rec *record) kinds() (kinds verifier.Kinds) {
	for _, h := range rec.holdings {
		kinds |= h.kinds()
	}
	if kinds.Has(verifier.KindPassword) {
		kinds &^= verifier.KindsOf(verifier.SCRAMKinds()...)
	}
	return kinds
}

// lookup finds the first secret of these kinds.
func (rec *record) lookup(kinds []verifier.Kind) (verifier.Secret, bool) {
	held := rec.kinds()
	for _, k := range kinds {
		if k == verifier.KindCheck || !held.Has(k) {
			continue
		}
		for _, h := range rec.holdings {
			if s, ok := h.secret(k); ok {
				s.Account = rec.account
				return s, true
			}
		}
	}
	return verifier.Secret{}, false
}

// entry is the record as who changes it sees it.
func (rec *record) entry() verifier.Entry {
	e := verifier.Entry{Exists: rec.exists(), Disabled: rec.disabled}
	for k := range verifier.AllKinds.All() {
		for _, h := range rec.holdings {
			if s, ok := h.secret(k); ok {
				s.Account = rec.account
				e.Secrets = append(e.Secrets, s)
				break
			}
		}
	}
	return e
}
