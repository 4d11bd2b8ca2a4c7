package passwdfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// MaxFile is the size in bytes above which a file is not read: a line has some 100, so
// that is for millions of users.
const MaxFile = 256 << 20

// A DB is a passwd-file that answers logins. Its methods may be called concurrently.
// It holds no descriptor open. It prints as REDACTED but for its String.
type DB struct {
	secret.Opaque
	file    *follow.File[*table]
	checker *stored.Checker
}

var _ verifier.SecretSource = (*DB)(nil)

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
	return &DB{file: file, checker: stored.NewChecker(o)}, nil
}

func trouble(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("passwdfile: %w (may the process's user or group read it?)", err)
	}
	return fmt.Errorf("passwdfile: %w", err)
}

// String returns "passwdfile:" and the path, as the command line has it.
func (db *DB) String() string { return "passwdfile:" + db.file.Path() }

// Faults lists what is wrong with lines of the file, for a warning at start: each names
// the line, and the user who cannot log in for it.
func (db *DB) Faults() []error {
	var all []error
	for _, err := range db.file.Last().faults {
		all = append(all, fmt.Errorf("passwdfile: %s: %w", db.file.Path(), err))
	}
	return all
}

// Mark is for [verifier.CacheOptions]: it changes when the file does. With it a Cache
// may live longer than seconds, and spare the hash of who logs in again and again.
func (db *DB) Mark(ctx context.Context, _ verifier.Request) (string, error) {
	version, err := db.file.Version(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", verifier.ErrUnavailable, trouble(err))
	}
	return fmt.Sprint(version), nil
}

// Coverage implements [verifier.SecretSource]. It is that of the file when it was last
// read, and does no I/O.
func (db *DB) Coverage() verifier.Coverage { return db.file.Last().coverage }

// VerifyPassword implements [verifier.Verifier]. Whoever asks for whom, one check is
// computed: for a user who is not there, or has nothing usable, one that costs what
// most users' cost.
func (db *DB) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	t, err := db.now(ctx)
	if err != nil {
		return verifier.Account{}, err
	}
	e, lookup := t.answer(r)
	value, as := t.decoy, r
	if lookup == nil || verifier.Terminal(lookup) {
		value, as.User, as.Realm = e.value, e.user, e.realm
	}
	match, err := db.checker.Matches(ctx, value, as, password)
	if err == nil {
		err = verifier.Conclude(lookup, match)
	}
	if err != nil {
		return verifier.Account{}, fmt.Errorf("passwdfile: %w", err)
	}
	return e.account(r), nil
}

// LookupSecret implements [verifier.SecretSource].
func (db *DB) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	t, err := db.now(ctx)
	if err != nil {
		return verifier.Secret{}, err
	}
	e, lookup := t.answer(r)
	if lookup != nil && !verifier.Terminal(lookup) {
		return verifier.Secret{}, fmt.Errorf("passwdfile: %w", lookup)
	}
	s, ok := e.value.Secret(kinds...)
	if !ok || s.Kind == verifier.KindDIGESTMD5 && (e.realm == "" || e.realm != r.Realm) {
		return verifier.Secret{}, fmt.Errorf("passwdfile: %w", verifier.ErrNoSecret)
	}
	s.Account = e.account(r)
	return s, lookup
}

func (db *DB) now(ctx context.Context) (*table, error) {
	t, err := db.file.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", verifier.ErrUnavailable, trouble(err))
	}
	return t, nil
}

var errElsewhere = fmt.Errorf("%w: not from this address (allow_nets)", verifier.ErrNoSecret)

// answer finds the user and says what is to be said of him, as a look-up does.
func (t *table) answer(r verifier.Request) (*entry, error) {
	e := t.lookup(r)
	switch {
	case e == nil:
		return nil, verifier.ErrNoUser
	case e.unusable != nil:
		return e, fmt.Errorf("%w: %w", verifier.ErrNoSecret, e.unusable)
	case !e.extra.allows(r.Remote.Addr()):
		return e, errElsewhere
	case e.extra.disabled:
		return e, verifier.ErrDisabled
	}
	return e, nil
}

// account is whom a login is of: of the realm that was asked for, unless the file says
// otherwise.
func (e *entry) account(r verifier.Request) verifier.Account {
	if e.extra.user == "" {
		return verifier.Account{User: r.User, Realm: r.Realm}
	}
	user, realm := cutRealm(e.extra.user, r.Realm)
	return verifier.Account{User: user, Realm: realm}
}
