package sasldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// MaxValue is the longest value in bytes that Tx.Set takes: Cyrus SASL cannot read
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
)

// Edit changes the file at path in one durable commit, see the package comment for
// what is promised. It calls change with a Tx to read and write through, and
// commits if change returns nil; its error is returned as it is and nothing is
// changed. change may run again on newer content, and must then decide anew. It
// must not keep the Tx.
//
// The errors are those of Read, ErrBusy, ErrNotWritable, and those of the operating
// system. If an error matches ErrInPlace the change is in the file nevertheless.
func Edit(ctx context.Context, path string, o WriteOptions, change func(*Tx) error) error {
	return commit(ctx, path, o, func(base recordList) ([]edit, error) {
		tx := &Tx{base: base, edits: map[string]edit{}}
		if err := change(tx); err != nil {
			return nil, err
		}
		return tx.changes(), nil
	})
}

// A Tx is the content of a file with the changes made so far. It is not for
// concurrent use.
type Tx struct {
	base  recordList
	edits map[string]edit
}

// User returns the records of a user in the order of their properties, none for
// an unknown one. The values are only to be read.
func (tx *Tx) User(authid, realm string) []Record {
	prefix := []byte(authid + "\x00" + realm + "\x00")
	list := tx.base.withPrefix(prefix)
	if len(tx.edits) > 0 {
		list = list.patch(tx.editsOf(prefix))
	}
	var records []Record
	for _, r := range list {
		if authid, realm, property, ok := parseKey(r.Key); ok {
			records = append(records, Record{authid, realm, property, r.Value})
		}
	}
	return records
}

// editsOf returns the edits of keys that begin so, in order.
func (tx *Tx) editsOf(prefix []byte) []edit {
	var edits []edit
	for key, e := range tx.edits {
		if strings.HasPrefix(key, string(prefix)) {
			edits = append(edits, e)
		}
	}
	return sortEdits(edits)
}

func sortEdits(edits []edit) []edit {
	slices.SortFunc(edits, func(a, b edit) int { return bytes.Compare(a.key, b.key) })
	return edits
}

// Set adds the record or changes its value. It keeps the value, which must not be
// changed after.
func (tx *Tx) Set(r Record) error {
	if err := r.check(); err != nil {
		return err
	}
	key, err := r.key()
	if err == nil {
		tx.put(edit{key: key, value: r.Value})
	}
	return err
}

// check finds out whether a record can be stored.
func (r Record) check() error {
	if len(r.Value) > MaxValue {
		return fmt.Errorf("sasldb: record %s: value of %d bytes, Cyrus SASL reads %d", r, len(r.Value), MaxValue)
	}
	_, err := r.key()
	return err
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

func (tx *Tx) put(e edit) { tx.edits[string(e.key)] = e }

// changes returns what is to be done to the base, in order.
func (tx *Tx) changes() []edit {
	edits := make([]edit, 0, len(tx.edits))
	for _, e := range tx.edits {
		if !tx.base.holds(e) {
			edits = append(edits, e)
		}
	}
	return sortEdits(edits)
}
