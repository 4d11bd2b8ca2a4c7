package shadow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// MaxFile is the size in bytes above which a file is not read: a line has some 150, so
// that is for hundreds of thousands of users.
const MaxFile = 64 << 20

// A DB is a shadow file that answers logins. Its methods may be called concurrently.
// It holds no descriptor open. It prints as REDACTED but for its String.
type DB struct {
	secret.Opaque
	file    *follow.File[*table]
	checker *stored.Checker
	now     func() time.Time
}

var _ verifier.Verifier = (*DB)(nil)

// Open reads the file at path and returns a DB that follows it. The error matches
// [fs.ErrNotExist] and [fs.ErrPermission] where these are the reason; a file without users
// is refused as well.
func Open(path string) (*DB, error) { return OpenWith(path, stored.Options{}) }

// OpenWith is Open with options for how hashes are computed.
func OpenWith(path string, o stored.Options) (*DB, error) {
	file, err := follow.Open(path, MaxFile, parse)
	if err != nil {
		return nil, trouble(err)
	}
	return &DB{file: file, checker: stored.NewChecker(o), now: time.Now}, nil
}

func trouble(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("shadow: %w (is the process in group shadow?)", err)
	}
	return fmt.Errorf("shadow: %w", err)
}

// String returns "shadow:" and the path, as the command line has it.
func (db *DB) String() string { return "shadow:" + db.file.Path() }

// Faults lists what is wrong with lines of the file, for a warning at start: each names
// the line, and the user who cannot log in for it. That no password works for a user
// is no fault.
func (db *DB) Faults() []error {
	var all []error
	for _, err := range db.file.Last().faults {
		all = append(all, fmt.Errorf("shadow: %s: %w", db.file.Path(), err))
	}
	return all
}

// Mark is for [verifier.CacheOptions]: it changes when the file does, and at midnight,
// when somebody may expire. With it a Cache may live longer than seconds, and spare
// the hash of who logs in again and again.
func (db *DB) Mark(ctx context.Context, _ verifier.Request) (string, error) {
	version, err := db.file.Version(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", verifier.ErrUnavailable, trouble(err))
	}
	return fmt.Sprint(version, " on day ", db.today()), nil
}

func (db *DB) today() int { return int(db.now().Unix() / 86400) }

// VerifyPassword implements [verifier.Verifier]. Whoever asks for whom, one hash is
// computed: for a user who is not there, or has none, one that costs what most users'
// cost.
func (db *DB) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	t, err := db.file.Now(ctx)
	if err != nil {
		return verifier.Account{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, trouble(err))
	}
	value, lookup := t.lookup(r.User, db.today())
	match, err := db.checker.Matches(ctx, value, r, password)
	if err == nil {
		err = verifier.Conclude(lookup, match)
	}
	if err != nil {
		return verifier.Account{}, fmt.Errorf("shadow: %w", err)
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

// lookup returns the value to compute with, and what is to be said of the user.
func (t *table) lookup(user string, today int) (stored.Value, error) {
	e, ok := t.users[user]
	switch {
	case !ok:
		return t.decoy, verifier.ErrNoUser
	case e.unusable != nil:
		return t.decoy, fmt.Errorf("%w: %w", verifier.ErrNoSecret, e.unusable)
	case e.locked:
		return e.value, verifier.ErrDisabled
	}
	return e.value, e.aging.expired(today)
}
