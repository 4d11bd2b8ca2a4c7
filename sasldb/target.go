package sasldb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A target is the place of a database file: a folder that is held open, so that
// everything happens in the same one, and a name in it. The target's lock keeps
// other writers of this package away.
type target struct {
	path string // as it was given, for errors
	dir  *os.Root
	name string
	lock *os.File
}

// lockPause is how long to wait between tries to lock: a commit takes milliseconds.
const lockPause = 2 * time.Millisecond

// openTarget follows symbolic links, opens the folder and takes the lock. The
// caller must close the target.
func openTarget(ctx context.Context, path string) (*target, error) {
	for {
		t, err := resolve(path)
		if err != nil {
			return nil, err
		}
		if err := t.takeLock(ctx); err != nil {
			t.dir.Close()
			return nil, err
		}
		again, err := resolve(path) // a link may have been turned meanwhile
		if err == nil {
			same := t.sameAs(again)
			again.dir.Close()
			if same {
				t.sweep()
				return t, nil
			}
		}
		t.close()
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, busy(path, err)
		}
	}
}

// resolve finds the real folder and name of path. The file need not exist, but a
// link that leads nowhere is an error: what is to be made there is not clear.
func resolve(path string) (*target, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, dangling := os.Readlink(path); dangling == nil {
			return nil, fmt.Errorf("sasldb: %s: symbolic link to nothing: %w", path, err)
		}
		var folder string
		folder, err = filepath.EvalSymlinks(filepath.Dir(path))
		real = filepath.Join(folder, filepath.Base(path))
	}
	if err != nil {
		return nil, fmt.Errorf("sasldb: %w%s", err, cure(err))
	}
	dir, err := os.OpenRoot(filepath.Dir(real))
	if err != nil {
		return nil, fmt.Errorf("sasldb: %w%s", err, cure(err))
	}
	return &target{path: path, dir: dir, name: filepath.Base(real)}, nil
}

func (t *target) sameAs(u *target) bool {
	a, err := t.dir.Stat(".")
	if err != nil {
		return false
	}
	b, err := u.dir.Stat(".")
	return err == nil && os.SameFile(a, b) && t.name == u.name
}

// takeLock makes and locks the lock file, which lies beside the database for as
// long as somebody holds or awaits it. Whoever lets go of it removes it, so a lock
// counts only if it is still that of the file with the name.
func (t *target) takeLock(ctx context.Context) error {
	for {
		f, err := t.openLock()
		if err != nil {
			return t.trouble(err)
		}
		if err := waitLock(ctx, f, t.path, exclusive); err != nil {
			f.Close()
			return err
		}
		if t.isNow(f, t.lockName()) {
			t.lock = f
			return nil
		}
		f.Close()
	}
}

func (t *target) lockName() string { return t.name + ".lock" }

// openLock makes the lock file or opens the one that is there. Only one that we made
// is given away: another may be a name that somebody gave to another file.
func (t *target) openLock() (*os.File, error) {
	for {
		f, err := t.dir.OpenFile(t.lockName(), os.O_RDWR|os.O_CREATE|os.O_EXCL|openSafely, 0o600)
		if err == nil {
			t.share(f)
			return f, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = t.dir.OpenFile(t.lockName(), os.O_RDWR|openSafely, 0)
		if !errors.Is(err, fs.ErrNotExist) { // else it was removed just now
			return f, err
		}
	}
}

// waitLock takes the lock, or returns an error that matches ErrBusy.
func waitLock(ctx context.Context, f *os.File, path string, how lockMode) error {
	for {
		held, err := tryLock(f, how)
		if err != nil {
			return fmt.Errorf("sasldb: %s: lock: %w", path, err)
		}
		if held {
			return nil
		}
		if err := pause(ctx, lockPause); err != nil {
			return busy(path, err)
		}
	}
}

// isNow reports whether f is the file that the name stands for.
func (t *target) isNow(f *os.File, name string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := t.dir.Lstat(name)
	return err == nil && os.SameFile(mine, now)
}

// share gives the lock file to the owner of the database, so that it does not keep
// them out if we die before removing it.
func (t *target) share(lock *os.File) {
	info, err := t.dir.Stat(t.name)
	if err != nil {
		return
	}
	if os.Geteuid() == 0 {
		_ = copyOwner(lock, info)
	}
	_ = lock.Chmod(info.Mode()&0o660 | 0o600)
}

func (t *target) close() {
	// Removed while it is locked: who waits for it sees that and makes a new one.
	if t.isNow(t.lock, t.lockName()) {
		t.dir.Remove(t.lockName())
	}
	t.lock.Close()
	t.dir.Close()
}

// Temporary files are named so that they can be told from everything else, and
// not like libdb's own, "__db.NAME".
func (t *target) temporaryPrefix() string { return "." + t.name + ".saslkit-" }

// temporary makes and locks a new file that nobody else can read.
func (t *target) temporary() (*os.File, string, error) {
	random := make([]byte, 8)
	rand.Read(random)
	name := t.temporaryPrefix() + hex.EncodeToString(random)
	f, err := t.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openSafely, 0o600)
	if err != nil {
		return nil, "", t.trouble(err)
	}
	if _, err := tryLock(f, exclusive); err != nil {
		f.Close()
		t.dir.Remove(name)
		return nil, "", t.trouble(err)
	}
	return f, name, nil
}

// sweep removes what writers that died have left. Writers that live hold the lock
// of the target, and that of their temporary file.
func (t *target) sweep() {
	folder, err := t.dir.Open(".")
	if err != nil {
		return
	}
	defer folder.Close()
	for {
		names, err := folder.Readdirnames(256)
		for _, name := range names {
			if strings.HasPrefix(name, t.temporaryPrefix()) {
				t.sweepOne(name)
			}
		}
		if err != nil {
			return
		}
	}
}

func (t *target) sweepOne(name string) {
	f, err := t.dir.OpenFile(name, os.O_RDONLY|openSafely, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || !t.isOurs(info) {
		return
	}
	if held, err := tryLock(f, exclusive); err == nil && held && t.isNow(f, name) {
		t.dir.Remove(name)
	}
}

// isOurs tells a temporary file from one that a stranger has given such a name: it
// is ours, or had been given to the owner of the database already.
func (t *target) isOurs(temporary fs.FileInfo) bool {
	if isMine(temporary) {
		return true
	}
	database, err := t.dir.Stat(t.name)
	return err == nil && sameOwner(temporary, database)
}

// linkNew is renameNew for where there is no such call: the two names are there
// together for a moment.
func (t *target) linkNew(from, to string) error {
	if err := t.dir.Link(from, to); err != nil {
		return err
	}
	return t.dir.Remove(from)
}

// sync makes names in the folder durable.
func (t *target) sync() error {
	folder, err := t.dir.Open(".")
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// pause waits, unless the context is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func busy(path string, cause error) error {
	return fmt.Errorf("sasldb: %s: %w (%w)", path, ErrBusy, cause)
}

// trouble explains an error of the operating system on the way to a new file.
func (t *target) trouble(err error) error {
	cure := ""
	switch {
	case errors.Is(err, syscall.EBUSY):
		cure = "the file is a mount of its own, so no new file can take its place: mount the folder that it lies in instead"
	case errors.Is(err, syscall.EROFS):
		cure = "the file system is read-only"
	case errors.Is(err, fs.ErrPermission):
		cure = "a safe change makes a new file in " + t.dir.Name() + ": run as the owner of the folder, or keep the database in a folder of its own (sasldb_path)"
	default:
		return fmt.Errorf("sasldb: %s: %w", t.path, err)
	}
	return fmt.Errorf("sasldb: %s: %w: %w (%s)", t.path, ErrNotWritable, err, cure)
}
