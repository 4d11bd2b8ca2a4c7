package sasldb

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit/internal/filestamp"
	"github.com/saslkit/saslkit/internal/secret"
)

// A view is what a look at the file came to. Nothing of it changes but looked.
type view struct {
	secret.Opaque
	// file is what was read. While it is open its number cannot be given to
	// another file, so that another one has another stamp.
	file    *os.File
	stamp   filestamp.Stamp
	settled bool   // the stamp tells this content from others, see filestamp.SettleTime
	digest  uint64 // of the content, with the seed of the DB

	// writable says that the folder allows of changes, as far as can be told without
	// making one.
	writable bool

	good   *index       // the file when it was last read whole
	looked atomic.Int64 // age of the DB at the last look that led to this view

	// For a file that is damaged just now: what is wrong with it, and what can
	// be read of it, nil for nothing.
	fault error
	sound *index
	torn  time.Duration // age of the DB when it became so: when it was last written to
}

// lastGoodLife is how long logins are answered from the last good content while the
// file is damaged. Revocation wins over availability: who was changed or deleted
// before the file was damaged must not get in for long, whatever else is wrong.
const lastGoodLife = 5 * time.Second

// serves reports why the view cannot answer for a user, nil if it can. While the
// file is damaged it can for lastGoodLife, and only for users of whom the file still
// shows just what was known before: of the others something may have been revoked
// before somebody else left the file torn. Nobody is unknown then, for the record
// may be where the damage is.
func (v *view) serves(name []byte, age func() time.Duration) error {
	switch {
	case v.fault == nil:
		return nil
	case v.sound == nil:
		return v.fault
	case age()-v.torn > lastGoodLife:
		return fmt.Errorf("%w (for more than %v)", v.fault, lastGoodLife)
	case !v.good.agrees(v.sound, name):
		return fmt.Errorf("%w (what is left of the user is not what it was)", v.fault)
	}
	return nil
}
