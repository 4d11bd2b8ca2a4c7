package sasldb

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/saslkit/saslkit/internal/filestamp"
	"github.com/saslkit/saslkit/internal/lmdb"
)

// A source is a database file that is open for reading. What is read of it counts
// only if it is still after that: nobody wrote to it.
type source struct {
	*os.File
	path    string
	clock   clock
	stamp   filestamp.Stamp // of the open file, before anything was read
	settled bool            // the stamp was old enough then to tell one content from another
	format  Format
}

// openSource opens the file at path. Nobody's lock is awaited here.
func openSource(path string, c clock) (*source, error) {
	// Without O_NONBLOCK a FIFO would hold us until somebody writes to it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("sasldb: %w%s", err, cure(err))
	}
	s := &source{File: file, path: path, clock: c}
	if err := s.look(); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

// stampOf is called for every login.
func stampOf(path string) (filestamp.Stamp, error) {
	s, err := filestamp.Of(path)
	if err != nil {
		return s, fmt.Errorf("sasldb: %w%s", err, cure(err))
	}
	return s, nil
}

func cure(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return " (is the process in group sasl?)"
	}
	return ""
}

// mayRead refuses what cannot be a database.
func mayRead(info fs.FileInfo, path string) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("sasldb: %s: %w", path, ErrNoFile)
	case info.Size() > MaxFile:
		return fmt.Errorf("sasldb: %s has %d bytes, more than %d are not read: %w", path, info.Size(), int64(MaxFile), ErrFormat)
	}
	return nil
}

// look takes the stamp. The time comes first, for what counts is the age before
// anything is read.
func (s *source) look() error {
	now := s.clock.now()
	info, err := s.Stat()
	if err != nil {
		return fmt.Errorf("sasldb: %w", err)
	}
	if err := mayRead(info, s.path); err != nil {
		return err
	}
	s.stamp = filestamp.OfInfo(info)
	s.settled = s.stamp.Settled(now)
	return nil
}

// read returns the bytes of the file, even beside the error that it is not still.
func (s *source) read() (data []byte, err error) {
	err = s.hold(func() error {
		data = make([]byte, s.stamp.Size())
		if _, err := s.ReadAt(data, 0); err != nil {
			data = nil
			return s.cut(err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.format == LMDB {
		return data, s.stateOf(data)
	}
	return data, s.still()
}

// stateOf looks whether the data are one state of an LMDB file. Its writers leave
// the last state alone until the one after the next, so it does not matter that they
// write; that the file still has its name does.
func (s *source) stateOf(data []byte) error {
	f, err := lmdb.Open(data)
	if err != nil {
		return s.still() // if it is, others say what is wrong
	}
	head := make([]byte, f.HeadSize())
	if _, err := s.ReadAt(head, 0); err != nil {
		return s.cut(err)
	}
	now, err := stampOf(s.path)
	if err != nil {
		return err
	}
	if !f.Settled(head) || now != s.stamp && !now.SameFile(s.stamp) {
		return s.changed()
	}
	return nil
}

// digest returns the hash of the bytes of the file, reading them through a small
// buffer.
func (s *source) digest(seed maphash.Seed) (sum uint64, err error) {
	var h maphash.Hash
	h.SetSeed(seed)
	err = s.hold(func() error {
		b := make([]byte, min(s.stamp.Size(), 1<<16))
		for at := int64(0); at < s.stamp.Size(); at += int64(len(b)) {
			b = b[:min(int64(len(b)), s.stamp.Size()-at)]
			if _, err := s.ReadAt(b, at); err != nil {
				return s.cut(err)
			}
			h.Write(b)
		}
		return nil
	})
	return h.Sum64(), err
}

// cut tells a file that became shorter from one that cannot be read.
func (s *source) cut(err error) error {
	if err == io.EOF {
		return fmt.Errorf("sasldb: %s: cut short while it was read: %w", s.path, ErrDamaged)
	}
	return fmt.Errorf("sasldb: %w", err)
}

// still reports whether the file is what it was when it was opened. That another one
// has taken its name since, which shows in its stamp too, does not matter: it was the
// file then, whole.
func (s *source) still() error {
	info, err := s.Stat()
	if err != nil {
		return fmt.Errorf("sasldb: %w", err)
	}
	now := filestamp.OfInfo(info)
	if now == s.stamp || links(info) == 0 && now.Content() == s.stamp.Content() {
		return nil
	}
	return s.changed()
}

func (s *source) changed() error {
	return fmt.Errorf("sasldb: %s: changed while it was read: %w", s.path, ErrDamaged)
}

// mayChange reports whether the file can be changed, as far as can be told without
// doing it. The format is known once something was read.
func (s *source) mayChange() bool { return s.format != LMDB && mayAdd(s.path) }

// sniffSize is how much of a file tells its format.
const sniffSize = 32

// gdbmWait is how long a GDBM file may be locked by its writers, who hold the lock
// while they have the file open: Cyrus SASL for some milliseconds.
const gdbmWait = time.Second

// hold calls read while nobody writes, if the file is of a format whose library has
// a lock for that: GDBM's writers change a mapping of the file in place.
func (s *source) hold(read func() error) error {
	head := make([]byte, min(s.stamp.Size(), sniffSize))
	if _, err := s.ReadAt(head, 0); err != nil {
		return s.cut(err)
	}
	if s.format = formatOf(head); s.format != GDBM {
		return read()
	}
	ctx, cancel := context.WithTimeout(context.Background(), gdbmWait)
	defer cancel()
	if err := waitLock(ctx, s.File, s.path, shared); err != nil {
		return err
	}
	defer unlock(s.File) // closing does it too
	if err := s.look(); err != nil {
		return err
	}
	s.settled = s.settled && stampsMapped(s.File)
	return read()
}
