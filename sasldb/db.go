package sasldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// A DB is a sasldb file that answers logins. It follows the file: what another
// program changed counts from the next login on. Its methods may be called
// concurrently.
type DB struct {
	path    string
	current atomic.Pointer[view]
	reload  sync.Mutex
}

var _ verifier.SecretSource = (*DB)(nil)

// A view is the content of the file at one time. It is not changed.
type view struct {
	secret.Opaque
	stamp    stamp
	settled  bool // the stamp was old enough when the file was read
	data     []byte
	users    map[userKey]entry
	coverage verifier.Coverage
}

type userKey struct{ user, realm string }

// An entry holds the secrets of one user, at most one of each kind. It is empty
// for a user who has only properties that serve no login.
type entry []verifier.Secret

// Open reads the file at path and returns a DB that follows it. The errors are
// those of Read; a file with any damage is refused, since the user who is
// missing might be the one who logs in.
func Open(path string) (*DB, error) {
	db := &DB{path: path}
	if _, err := db.refresh(); err != nil {
		return nil, err
	}
	return db, nil
}

// String returns "sasldb:" and the path, as the command line has it.
func (db *DB) String() string { return "sasldb:" + db.path }

// Coverage implements verifier.SecretSource. It is that of the file as it was
// when it was last read, and does no I/O.
func (db *DB) Coverage() verifier.Coverage { return db.current.Load().coverage }

// VerifyPassword implements verifier.Verifier: a comparison with userPassword.
func (db *DB) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	return verifier.VerifyStored(ctx, db, r, password)
}

// LookupSecret implements verifier.SecretSource.
func (db *DB) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	if err := ctx.Err(); err != nil {
		return verifier.Secret{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	v, err := db.fresh()
	if err != nil {
		return verifier.Secret{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	held, ok := v.users[userKey{r.User, r.Realm}]
	if !ok {
		return verifier.Secret{}, verifier.ErrNoUser
	}
	for _, kind := range kinds {
		for _, s := range held {
			if s.Kind == kind {
				s.Value = bytes.Clone(s.Value)
				return s, nil
			}
		}
	}
	return verifier.Secret{}, verifier.ErrNoSecret
}

// fresh returns the view if the file still has its stamp, else a new one.
func (db *DB) fresh() (*view, error) {
	v := db.current.Load()
	now, err := stampOf(db.path)
	if err != nil {
		return nil, err
	}
	if v.settled && now == v.stamp {
		return v, nil
	}
	return db.refresh()
}

const (
	// settleTime is the age from which a stamp tells one content from another:
	// two seconds is the coarsest time stamp of a file system in use (FAT's).
	settleTime = 2 * time.Second
	// A file that a libdb writer is changing in place looks damaged for as long
	// as that takes, a few hundred microseconds for a new user.
	tornTries = 4
	tornPause = 5 * time.Millisecond
)

// refresh reads the file, a few times if it is being written to.
func (db *DB) refresh() (*view, error) {
	db.reload.Lock()
	defer db.reload.Unlock()
	for try := 1; ; try++ {
		v, err := db.read()
		if err == nil {
			db.current.Store(v)
			return v, nil
		}
		if !errors.Is(err, ErrDamaged) || try == tornTries {
			return nil, err
		}
		time.Sleep(tornPause)
	}
}

func (db *DB) read() (*view, error) {
	before, err := stampOf(db.path)
	if err != nil {
		return nil, err
	}
	old := db.current.Load()
	if old != nil && old.settled && old.stamp == before {
		return old, nil // somebody else was quicker
	}
	data, err := readFile(db.path)
	if err != nil {
		return nil, err
	}
	after, err := stampOf(db.path)
	switch {
	case err != nil:
		return nil, err
	case after != before:
		return nil, fmt.Errorf("sasldb: %s: changed while it was read: %w", db.path, ErrDamaged)
	}
	settled := time.Since(after.modified()) > settleTime
	if old != nil && bytes.Equal(old.data, data) {
		same := *old
		same.stamp, same.settled = after, settled
		return &same, nil
	}
	v, err := newView(db.path, data)
	if err != nil {
		return nil, err
	}
	v.stamp, v.settled = after, settled
	return v, nil
}

func newView(path string, data []byte) (*view, error) {
	l, err := parse(path, data)
	if err != nil {
		return nil, err
	}
	if len(l.Damage) > 0 {
		return nil, errors.Join(l.Damage...)
	}
	v := &view{data: data, users: make(map[userKey]entry, len(l.Records))}
	for _, r := range l.Records {
		if r.Authid == "" {
			continue // nobody can log in with an empty name
		}
		key := userKey{r.Authid, r.Realm}
		held := v.users[key]
		if kind, value, ok := secretOf(r.Property, r.Value); ok {
			held = append(held, verifier.Secret{Kind: kind, Value: value, Account: verifier.Account{User: key.user, Realm: key.realm}})
		}
		v.users[key] = held
	}
	v.coverage = measure(v.users)
	return v, nil
}

func measure(users map[userKey]entry) verifier.Coverage {
	kinds := make([]verifier.Kinds, 0, len(users))
	realms := make(map[string]bool)
	for key, held := range users {
		var has verifier.Kinds
		for _, s := range held {
			has |= verifier.KindsOf(s.Kind)
		}
		kinds = append(kinds, has)
		realms[key.realm] = true
	}
	return verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
}
