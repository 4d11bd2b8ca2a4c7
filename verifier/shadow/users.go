package shadow

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/saslkit/saslkit/verifier"
)

// UserMark is for [verifier.TransitionOptions]: it changes when the line of the user
// does, and when he expires, but not when the others' lines do, nor with a restart. Of
// an unknown user it says only that.
func (db *DB) UserMark(ctx context.Context, r verifier.Request) (string, error) {
	t, err := db.file.Now(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", verifier.ErrUnavailable, trouble(err))
	}
	e, ok := t.users[r.User]
	switch {
	case !ok:
		return "unknown", nil
	case e.aging.expired(db.today()) != nil:
		return "expired", nil
	}
	return hex.EncodeToString(e.sum[:]), nil
}

// Users yields the names of those who can log in, as the file was last read: with a
// hash, neither locked nor expired. They are of every realm, which is "".
func (db *DB) Users() iter.Seq2[string, string] {
	t, today := db.file.Last(), db.today()
	return func(yield func(user, realm string) bool) {
		for name := range t.users {
			if _, err := t.lookup(name, today); err == nil && !yield(name, "") {
				return
			}
		}
	}
}
