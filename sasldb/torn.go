package sasldb

import (
	"errors"
	"time"

	"github.com/saslkit/saslkit/internal/filestamp"
)

// A clock is the time, and how to wait for it to pass.
type clock struct {
	now   func() time.Time
	sleep func(time.Duration)
}

var wallClock = clock{time.Now, time.Sleep}

// A file that a libdb writer is changing in place looks damaged for as long as that
// takes, a few hundred microseconds for a new user.
const (
	tornTries = 4
	tornPause = 5 * time.Millisecond
)

// whileTorn opens the file at path and calls look with it and the number of the
// try; again after a pause if what look finds is damage and the file was being
// written to, which its stamp tells. It returns the last source, which the caller
// closes, and look's last error, or no source if it cannot be opened.
func whileTorn(path string, c clock, look func(s *source, try int) error) (*source, error) {
	var before filestamp.Stamp
	for try := 1; ; try++ {
		s, err := openSource(path, c)
		if err != nil {
			return nil, err
		}
		err = look(s, try)
		damaged := errors.Is(err, ErrDamaged) && !s.settled && (try == 1 || s.stamp != before)
		if !damaged || try == tornTries {
			return s, err
		}
		before = s.stamp
		s.Close()
		c.sleep(tornPause)
	}
}
