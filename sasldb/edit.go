package sasldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// MaxValue is the longest value in bytes that [Tx.Set] takes: Cyrus SASL cannot read
// more.
const MaxValue = 8191

// WriteOptions say how a file is changed. The zero value changes an existing file.
type WriteOptions struct {
	// Create makes a new file of the given Format and Mode if there is none.
	// Without it that is an error that matches fs.ErrNotExist.
	Create bool
	Format Format
	// Mode is that of a new file, whatever the umask; 0 means 0600. An existing
	// file keeps its mode, owner, access control list and security label.
	Mode fs.FileMode

	// Wait is how long to wait for other writers, 0 means 10 s. The context may
	// end it sooner. Then the error matches ErrBusy.
	Wait time.Duration
}

// defaultWait is WriteOptions.Wait: saslpasswd2 is done in a millisecond, and
// whoever waits at a terminal gives up about then.
const defaultWait = 10 * time.Second

var (
	// ErrBusy: another writer did not let go of the file in time.
	ErrBusy = errors.New("sasldb: file is in use by another writer")
	// ErrNotWritable: the file, or the place where it is, does not allow of safe
	// changes. The text names the cure.
	ErrNotWritable = errors.New("sasldb: file cannot be changed safely")
	// ErrRecord: a record cannot be kept: NUL in a name, a key or value that is too
	// long for the format, or for Cyrus SASL.
	ErrRecord = errors.New("sasldb: record cannot be stored")
)

// Edit changes the file at path in one durable commit, see the package comment for
// what is promised. It calls change with a Tx to read and write through, and
// commits if change returns nil; its error is returned as it is and nothing is
// changed. change may run again on newer content, and must then decide anew. It
// must not keep the Tx.
//
// The errors are those of [Read], [ErrBusy], [ErrNotWritable], [ErrRecord], and those of
// the operating system. If an error matches [ErrInPlace] the change is in the file
// nevertheless.
func Edit(ctx context.Context, path string, o WriteOptions, change func(*Tx) error) error {
	return commit(ctx, path, o, func(base recordList) (edits, error) {
		tx := &Tx{base: base}
		if err := change(tx); err != nil {
			return nil, err
		}
		return base.lacking(newEdits(tx.list)), nil
	})
}

// A Tx is the content of a file with the changes made so far. It is not for
// concurrent use.
type Tx struct {
	base recordList
	list []edit // as they were made
	asks int    // for users
	// byUser is the base by authid NUL realm NUL, made when it is worth it.
	byUser map[string]recordList
	// edited are the first of the list, a number of sorted, in the same way.
	edited map[string][]edit
	sorted int
}

// manyAsks is the number of users from which on it is quicker to sort the base by
// user than to go through it for each.
const manyAsks = 32

// User returns the records of a user in the order of their properties, none for
// an unknown one. The values are only to be read.
func (tx *Tx) User(authid, realm string) []Record {
	user := authid + "\x00" + realm + "\x00"
	tx.sortEdits()
	edits := newEdits(tx.edited[user])
	if edits != nil {
		tx.edited[user] = edits
	}
	var records []Record
	for _, r := range tx.ofUser(user).patch(edits) {
		if authid, realm, property, ok := parseKey(r.Key); ok {
			records = append(records, Record{authid, realm, property, r.Value})
		}
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Property, b.Property) })
	return records
}

// ofUser returns what the base has of a user.
func (tx *Tx) ofUser(user string) recordList {
	if tx.asks++; tx.asks < manyAsks && tx.byUser == nil {
		return tx.base.withPrefix([]byte(user))
	}
	tx.sortBase()
	return tx.byUser[user]
}

func (tx *Tx) sortBase() {
	if tx.byUser != nil {
		return
	}
	tx.byUser = make(map[string]recordList)
	for _, r := range tx.base {
		if user, ok := userOfKey(r.Key); ok {
			tx.byUser[user] = append(tx.byUser[user], r)
		}
	}
}

// sortEdits sorts those made since it was last called, so that it costs no more to change
// many users one after the other.
func (tx *Tx) sortEdits() {
	if tx.edited == nil {
		tx.edited = make(map[string][]edit)
	}
	for _, e := range tx.list[tx.sorted:] {
		if user, ok := userOfKey(e.key); ok {
			tx.edited[user] = append(tx.edited[user], e)
		}
	}
	tx.sorted = len(tx.list)
}

// userOfKey is authid NUL realm NUL; false means that the record is foreign.
func userOfKey(key []byte) (string, bool) {
	_, _, property, ok := cutKey(key)
	return string(key[:len(key)-len(property)]), ok
}

// Users returns authid and realm of all who have records, in no order. The users may be
// changed meanwhile: who is made by then does not come any more.
func (tx *Tx) Users() iter.Seq2[string, string] {
	return func(yield func(authid, realm string) bool) {
		tx.sortBase()
		tx.sortEdits()
		users := slices.Collect(maps.Keys(tx.byUser))
		for user := range tx.edited {
			if tx.byUser[user] == nil {
				users = append(users, user)
			}
		}
		for _, user := range users {
			authid, realm, _, _ := parseKey([]byte(user))
			if len(tx.User(authid, realm)) > 0 && !yield(authid, realm) {
				return
			}
		}
	}
}

// Grow makes room for n changes to come. It need not be called.
func (tx *Tx) Grow(n int) { tx.list = slices.Grow(tx.list, n) }

// Set adds the record or changes its value, of at most [MaxValue] bytes. It keeps the
// value, which must not be changed after. The error matches [ErrRecord].
func (tx *Tx) Set(r Record) error {
	key, err := r.check()
	if err == nil {
		tx.put(edit{key: key, value: r.Value})
	}
	return err
}

// check finds out whether a record can be stored, and returns its key.
func (r Record) check() ([]byte, error) {
	if len(r.Value) > MaxValue {
		return nil, fmt.Errorf("%w: %s: value of %d bytes, Cyrus SASL reads %d", ErrRecord, r, len(r.Value), MaxValue)
	}
	return r.key()
}

// Delete takes a record away; it need not exist.
func (tx *Tx) Delete(authid, realm, property string) {
	if key, err := (Record{Authid: authid, Realm: realm, Property: property}).key(); err == nil {
		tx.put(edit{key: key, gone: true})
	}
}

// DeleteUser takes all records of a user away, whatever their property, and says
// whether there were any.
func (tx *Tx) DeleteUser(authid, realm string) bool {
	records := tx.User(authid, realm)
	for _, r := range records {
		tx.Delete(r.Authid, r.Realm, r.Property)
	}
	return len(records) > 0
}

func (tx *Tx) put(e edit) { tx.list = append(tx.list, e) }
