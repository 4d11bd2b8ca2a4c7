package sasldb

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"
)

// fresh returns the view of the file as it is now. As a rule that takes one call of
// stat.
func (db *DB) fresh(ctx context.Context) (*view, error) {
	v := db.current.Load()
	if v == nil {
		return nil, db.closed()
	}
	if db.isRecent(v) {
		return v, nil
	}
	now, err := stampOf(db.path)
	if err != nil {
		return nil, err
	}
	if v.settled && now == v.stamp {
		if db.options.Recheck > 0 { // else nobody asks, and the time costs as much as the rest
			v.looked.Store(int64(db.age()))
		}
		return v, nil
	}
	return db.look(ctx)
}

// isRecent reports whether the options spare a look at the file.
func (db *DB) isRecent(v *view) bool {
	return db.options.Recheck > 0 && v.fault == nil && db.age()-time.Duration(v.looked.Load()) < db.options.Recheck
}

// look returns a look at the content that began after the call, so that it sees
// whatever was acknowledged before.
func (db *DB) look(ctx context.Context) (*view, error) {
	v, err := db.looks.Share(ctx, db.lookNow)
	if err != nil && err == ctx.Err() {
		return nil, fmt.Errorf("sasldb: %s: waiting for a look at the file: %w", db.path, err)
	}
	return v, err
}

// lookNow returns a view of the file as it is and makes it the current one.
func (db *DB) lookNow() (*view, error) {
	old := db.current.Load()
	if old == nil {
		return nil, db.closed()
	}
	v, err := db.compare(old)
	if v == nil && err == nil {
		v, err = db.load(old)
	}
	if err != nil || v == old {
		return v, err
	}
	db.current.Store(v)
	old.file.Close()
	return v, nil
}

// compare reads the file to see whether it holds what the view says. It returns a
// view with the stamp of now, or nil.
func (db *DB) compare(old *view) (*view, error) {
	age := db.age()
	s, err := openSource(db.path, db.clock)
	if err != nil {
		return nil, err
	}
	if old.settled && s.stamp == old.stamp { // somebody else was quicker
		s.Close()
		old.looked.Store(int64(age))
		return old, nil
	}
	same, err := db.same(s, old)
	if err != nil || !same {
		s.Close()
		return nil, err
	}
	v := &view{file: s.File, stamp: s.stamp, settled: s.settled, digest: old.digest, good: old.good, fault: old.fault, sound: old.sound, torn: old.torn, writable: s.mayChange()}
	v.looked.Store(int64(age))
	return v, nil
}

// same reports whether the file has the content that the view was made of. What
// changes while it is read has not.
func (db *DB) same(s *source, v *view) (bool, error) {
	if s.stamp.Size() != v.stamp.Size() {
		return false, nil
	}
	sum, err := s.digest(db.seed)
	if err == nil {
		err = s.still()
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return false, err
	}
	return err == nil && sum == v.digest, nil
}

// load makes a view of the file, which may say that it is damaged.
func (db *DB) load(old *view) (*view, error) {
	age := db.age()
	var v *view
	var data []byte
	s, err := whileTorn(db.path, db.clock, func(s *source, try int) (err error) {
		v = nil
		if data, err = s.read(); data == nil {
			return err
		}
		v = &view{digest: maphash.Bytes(db.seed, data)}
		if err == nil {
			v.good, err = indexOf(db.path, data)
		}
		if err == nil && old != nil && s.inPlaceOf(old) && try < tornTries {
			err = db.rest(s, v)
		}
		v.fault = err
		return err
	})
	if s == nil {
		return nil, err
	}
	if v == nil {
		s.Close()
		return nil, err
	}
	v.file, v.stamp, v.settled, v.writable = s.File, s.stamp, s.settled, s.mayChange()
	v.looked.Store(int64(age))
	if v.fault != nil && old != nil {
		v.good, v.torn = old.good, old.torn
		if old.fault == nil {
			v.torn = age - max(0, db.clock.now().Sub(s.stamp.Modified()))
		}
		v.sound = soundOf(db.path, data)
	}
	return v, nil
}

// restTime is for how long nobody should have written to a file that is changed in
// place: between two pages of one change it can look sound and lack users, those
// that move to a bucket that is not written yet. It is longer than the clock of
// file systems takes for a tick.
const restTime = 20 * time.Millisecond

// inPlaceOf reports whether the file may be one that the program writing to it has
// not finished with, rather than a new one in the place of the old.
func (s *source) inPlaceOf(old *view) bool {
	return s.format == BerkeleyDB && s.stamp.SameFile(old.stamp)
}

// rest waits for restTime and looks whether the content is still that of the view.
func (db *DB) rest(s *source, v *view) error {
	rest := restTime - db.clock.now().Sub(s.stamp.Modified())
	if rest <= 0 {
		return nil
	}
	db.clock.sleep(min(rest, restTime))
	v.stamp = s.stamp
	same, err := db.same(s, v)
	if err == nil && !same {
		err = s.changed()
	}
	return err
}

// indexOf makes the index of a file without any damage.
func indexOf(path string, data []byte) (*index, error) {
	f, _, err := open(path, data)
	if err != nil {
		return nil, err
	}
	ix, err := newIndex(f.Scan, len(data))
	if err != nil {
		return nil, pathError(path, err)
	}
	return ix, nil
}

// soundOf makes the index of what is sound in a damaged file, nil if that is
// nothing.
func soundOf(path string, data []byte) *index {
	f, _, err := open(path, data)
	if err != nil {
		return nil
	}
	records, _ := f.Records()
	ix, err := newIndex(scanOf(records), len(data))
	if err != nil {
		return nil
	}
	return ix
}
