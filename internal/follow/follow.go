// Package follow keeps what a text file says and reads it again when it changes, for
// stores that are files which other programs edit: /etc/shadow, passwd-files.
//
// What is served is always what the file says now, as far as its stamp tells (one
// stat for a login; reading and comparing while the stamp is younger than two
// seconds). A file that cannot be read, or says nonsense, is an error from then on
// and until it is mended: nobody is served from memory what may have been revoked.
// Editors that write in place are given a moment to finish.
package follow

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/saslkit/saslkit/internal/filestamp"
	"github.com/saslkit/saslkit/internal/looks"
)

// A File is followed. Its methods may be called concurrently. It holds no descriptor
// open.
type File[V any] struct {
	path  string
	max   int64
	parse func(text []byte) (V, error)
	seed  maphash.Seed
	clock clock

	current atomic.Pointer[view[V]]
	looks   *looks.Group[V]
}

type clock struct {
	now   func() time.Time
	sleep func(time.Duration)
}

// A view is what the file said when it was last read without an error.
type view[V any] struct {
	value   V
	stamp   filestamp.Stamp
	settled bool
	digest  uint64 // of the content
	version uint64 // of the value, from 1
}

// Open reads the file at path, of at most max bytes. What parse makes of the text is
// shared by all callers and must not be changed; it may keep the text. As long as the
// content is the same so is the value. The errors are *fs.PathError, those of parse,
// or of what is no regular file or too long; all name the path.
func Open[V any](path string, max int64, parse func(text []byte) (V, error)) (*File[V], error) {
	return open(path, max, parse, clock{time.Now, time.Sleep})
}

func open[V any](path string, max int64, parse func(text []byte) (V, error), c clock) (*File[V], error) {
	f := &File[V]{path: path, max: max, parse: parse, seed: maphash.MakeSeed(), clock: c, looks: looks.New[V]()}
	if _, err := f.look(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path is where the file is.
func (f *File[V]) Path() string { return f.path }

// Last returns what the file said when it was last read without an error. It does no
// I/O.
func (f *File[V]) Last() V { return f.current.Load().value }

// Now returns what the file says. It may wait for another caller's reading, within
// the context.
func (f *File[V]) Now(ctx context.Context) (V, error) {
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	v := f.current.Load()
	if v.settled {
		now, err := filestamp.Of(f.path)
		if err != nil {
			return none, err
		}
		if now == v.stamp {
			return v.value, nil
		}
	}
	return f.looks.Share(ctx, f.look)
}

// Version is Now, but for a number that grows with every change of the content. What is
// asked of the file afterwards is of that version or a later one.
func (f *File[V]) Version(ctx context.Context) (uint64, error) {
	if _, err := f.Now(ctx); err != nil {
		return 0, err
	}
	return f.current.Load().version, nil
}

// An editor that writes in place leaves the file torn for as long as that takes.
const (
	tornTries = 4
	tornPause = 5 * time.Millisecond
	// restTime is for how long nobody should have written to a file that is changed
	// in place: what has been written of it so far may look whole. It is longer than
	// the clock of file systems takes for a tick.
	restTime = 20 * time.Millisecond
)

// look reads the file and makes what it says the current view.
func (f *File[V]) look() (V, error) {
	var none V
	old := f.current.Load()
	for try := 1; ; try++ {
		v, err := f.read(old)
		if err == nil {
			f.current.Store(v)
			return v.value, nil
		}
		if v == nil || v.settled || try == tornTries {
			return none, err
		}
		f.clock.sleep(tornPause)
	}
}

// read reads the file once. With an error it returns a view without a value if the
// file could be read but makes no sense, which may be because somebody is writing.
func (f *File[V]) read(old *view[V]) (*view[V], error) {
	file, err := OpenRegular(f.path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	v := new(view[V])
	if err := f.stamp(file, v); err != nil {
		return nil, err
	}
	if old != nil && v.stamp.SameFile(old.stamp) && v.stamp != old.stamp {
		if err := f.rest(file, v); err != nil {
			return nil, err
		}
	}
	text, err := f.text(file, v)
	if err != nil {
		return v, err
	}
	v.digest = maphash.Bytes(f.seed, text)
	if old != nil && v.digest == old.digest {
		v.value, v.version = old.value, old.version
		return v, nil
	}
	v.version = 1
	if old != nil {
		v.version = old.version + 1
	}
	if v.value, err = f.parse(text); err != nil {
		return v, fmt.Errorf("%s: %w", f.path, err)
	}
	return v, nil
}

// OpenRegular opens what is a regular file, for its caller to close. Without O_NONBLOCK a FIFO would hold us
// until somebody writes to it.
func OpenRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", path)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// stamp takes the stamp of the open file. The time comes first, for what counts is
// the age before anything is read.
func (f *File[V]) stamp(file *os.File, v *view[V]) error {
	now := f.clock.now()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	v.stamp = filestamp.OfInfo(info)
	v.settled = v.stamp.Settled(now)
	if size := v.stamp.Size(); size > f.max {
		return fmt.Errorf("%s has %d bytes, more than %d are not read", f.path, size, f.max)
	}
	return nil
}

// rest waits until nobody has written for restTime, or as long as a look may take.
func (f *File[V]) rest(file *os.File, v *view[V]) error {
	for range tornTries {
		left := restTime - f.clock.now().Sub(v.stamp.Modified())
		if left <= 0 {
			break
		}
		f.clock.sleep(min(left, restTime))
		if err := f.stamp(file, v); err != nil {
			return err
		}
	}
	return nil
}

// text reads the whole file, which must not change meanwhile.
func (f *File[V]) text(file *os.File, v *view[V]) ([]byte, error) {
	var text bytes.Buffer
	text.Grow(int(v.stamp.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(file, v.stamp.Size()+1)); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if int64(text.Len()) != v.stamp.Size() || filestamp.OfInfo(info).Content() != v.stamp.Content() {
		return nil, fmt.Errorf("%s: changed while it was read", f.path)
	}
	return text.Bytes(), nil
}
