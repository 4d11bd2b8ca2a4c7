package sasldb

import (
	"context"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/looks"
	"github.com/saslkit/saslkit/internal/queue"
	"github.com/saslkit/saslkit/verifier"
)

// A DB is a sasldb file that answers logins. It follows the file: what another
// program changed counts from the next login on. Its methods may be called
// concurrently. It keeps the file open, for reading, until it is closed or no
// longer reachable.
type DB struct {
	path    string
	options Options
	clock   clock
	born    time.Time    // the beginning of times that are counted in nanoseconds
	seed    maphash.Seed // of digests

	current atomic.Pointer[view] // nil once the DB is closed
	looks   *looks.Group[*view]  // at the content

	updates group
	checks  *queue.Queue // of passwords by SCRAM keys
}

var _ verifier.SecretStore = (*DB)(nil)

// Options say how a DB follows its file. The zero value is safe and what Open has.
type Options struct {
	// Recheck spares looks at the file: for so long after one the next logins
	// are answered without, and whatever was revoked in the file meanwhile
	// still counts for them. Zero looks at every login, for less than a
	// microsecond; 5 seconds are the most. They are part of the five that the
	// last good content of a damaged file is used for.
	Recheck time.Duration
}

// maxRecheck is the longest that a revocation may be overlooked.
const maxRecheck = 5 * time.Second

// Open reads the file at path and returns a DB that follows it. The errors are
// those of Read; a file with any damage is refused, since the user who is
// missing might be the one who logs in.
func Open(path string) (*DB, error) { return OpenWith(path, Options{}) }

// OpenWith is Open with options. It refuses options that are out of range.
func OpenWith(path string, o Options) (*DB, error) {
	if o.Recheck < 0 || o.Recheck > maxRecheck {
		return nil, fmt.Errorf("sasldb: Recheck is %v, expected 0 to %v", o.Recheck, maxRecheck)
	}
	return newDB(path, o, wallClock)
}

func newDB(path string, o Options, c clock) (*DB, error) {
	db := &DB{path: path, options: o, clock: c, born: c.now(), seed: maphash.MakeSeed(), looks: looks.New[*view]()}
	processors := runtime.GOMAXPROCS(0)
	db.checks = queue.New(processors, int64(queuedChecks*processors))
	v, err := db.load(nil)
	if err != nil {
		return nil, err
	}
	if v.fault != nil {
		v.file.Close()
		return nil, v.fault
	}
	db.current.Store(v)
	return db, nil
}

// Close lets go of the file. Logins are then answered [verifier.ErrUnavailable], and
// closing again is an error that matches [os.ErrClosed].
func (db *DB) Close() error {
	defer db.looks.Hold()()
	v := db.current.Swap(nil)
	if v == nil {
		return db.closed()
	}
	return v.file.Close()
}

func (db *DB) closed() error { return fmt.Errorf("sasldb: %s: %w", db.path, os.ErrClosed) }

// String returns "sasldb:" and the path, as the command line has it.
func (db *DB) String() string { return "sasldb:" + db.path }

// GoString is [DB.String]: what is inside is being changed and holds secrets.
func (db *DB) GoString() string { return db.String() }

// Coverage implements [verifier.SecretSource]. It is that of the file as it was
// when it was last read whole, and does no I/O. Whether a login can change secrets is
// as it was then too: a process that gives up the right to write notices at the login.
// What Update changes is seen once somebody logs in.
func (db *DB) Coverage() (c verifier.Coverage) {
	if v := db.current.Load(); v != nil {
		c = v.good.coverage
		if v.writable {
			c.Stores = c.Some
		}
	}
	return c
}

// LookupSecret implements [verifier.SecretSource]. Names are compared byte by byte, and the
// account is who was asked for. What is wrong with the file matches
// [verifier.ErrUnavailable].
func (db *DB) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	if err := ctx.Err(); err != nil {
		return verifier.Secret{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	var room [128]byte // enough for most names
	name := appendName(room[:0], r.User, r.Realm)
	if v := db.current.Load(); v != nil {
		v.good.fetch(name) // while the kernel looks at the file
	}
	v, err := db.fresh(ctx)
	if err != nil {
		return verifier.Secret{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	if err := v.serves(name, db.age); err != nil {
		return verifier.Secret{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	var u holdings
	v.good.user(name, &u)
	kind, value, err := u.lookup(kinds)
	if value == nil {
		return verifier.Secret{}, err
	}
	return verifier.Secret{Kind: kind, Value: value, Account: verifier.Account{User: r.User, Realm: r.Realm}}, err
}

// Update implements [verifier.SecretStore], see [Tx.Update] for what becomes of the
// user's records. Updates that come while another is being committed share the next
// commit. The errors are those of [Edit]; those of the file match
// [verifier.ErrUnavailable] too, and that of change is returned as it is.
func (db *DB) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	err := db.updates.update(ctx, db.path, r, change)
	if db.options.Recheck > 0 {
		// What is revoked is so from now on, at least in this process.
		if _, stale := db.look(context.WithoutCancel(ctx)); stale != nil && err == nil {
			err = fmt.Errorf("%w: %w: %w", verifier.ErrUnavailable, ErrInPlace, stale)
		}
	}
	return err
}

// age is the time since the DB was made, which no change of the wall clock touches.
func (db *DB) age() time.Duration { return db.clock.now().Sub(db.born) }
