//go:build linux || openbsd || darwin || freebsd || netbsd

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// A unixListener removes its socket when it is closed.
type unixListener struct {
	net.Listener
	path   string
	parent *os.File // the folder
	made   inode    // the socket
	close  func() error
}

// listenPath makes a socket in a private folder and moves it to its place. All that is
// done with rights happens relative to the descriptor of that folder: the socket's own
// folder may be somebody else's, like Postfix's, who could swap names in it. Binding alone
// goes by path; who swaps folders then gets a socket of no use elsewhere, and no daemon.
//
// A price is that lists of sockets (ss, lsof) show the name under which it was made.
func listenPath(ctx context.Context, s Socket) (net.Listener, error) {
	uid, gid, err := s.owners()
	if err != nil {
		return nil, err
	}
	stage, err := newStaging(ctx, filepath.Dir(s.Path))
	if err != nil {
		return nil, err
	}
	l, err := stage.listen(ctx, s, uid, gid)
	stage.close()
	if err != nil {
		stage.parent.Close()
		return nil, err
	}
	return l, nil
}

func (s *staging) listen(ctx context.Context, socket Socket, uid, gid int) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "unix", s.path())
	if err != nil {
		return nil, folderError(s.folder, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	u := &unixListener{Listener: l, path: socket.Path, parent: s.parent}
	u.close = sync.OnceValue(u.remove)
	if u.made, err = s.furnish(socket, uid, gid); err == nil {
		err = s.place(ctx, filepath.Base(socket.Path), socket.Path)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return u, nil
}

// furnish gives the socket its mode and owners, in this order: afterwards it may be
// somebody else's.
func (s *staging) furnish(socket Socket, uid, gid int) (inode, error) {
	dir := int(s.dir.Fd())
	st, err := statAt(dir, stagedName)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return inode{}, fmt.Errorf("folder %s was replaced meanwhile", s.folder)
	}
	if err := unix.Fchmodat(dir, stagedName, uint32(socket.mode()), 0); err != nil {
		return inode{}, fmt.Errorf("mode %04o: %w", socket.mode(), err)
	}
	if uid < 0 && gid < 0 {
		return inodeOf(st), nil
	}
	switch err := unix.Fchownat(dir, stagedName, uid, gid, unix.AT_SYMLINK_NOFOLLOW); {
	case err == unix.EPERM && uid >= 0 && uid != os.Geteuid():
		return inode{}, fmt.Errorf("owner %s: %w (only root can give it to somebody else: start as root, or leave owner out)", socket.Owner, err)
	case err == unix.EPERM && gid >= 0:
		return inode{}, fmt.Errorf("group %s: %w (make user %d a member of it)", socket.Group, err, os.Geteuid())
	case err != nil:
		return inode{}, fmt.Errorf("owner %d and group %d: %w", uid, gid, err)
	}
	return inodeOf(st), nil
}

// placeTries bounds how often somebody else may come and go meanwhile.
const placeTries = 10

// place moves the socket to its name, where nothing may be, or a socket that nobody
// listens on. A link does not replace what appears there at this moment; a rename, which
// replaces, has no moment without a socket.
func (s *staging) place(ctx context.Context, name, path string) error {
	dir, parent := int(s.dir.Fd()), int(s.parent.Fd())
	for range placeTries {
		stale, err := s.stale(ctx, name, path)
		if err != nil {
			return err
		}
		if !stale {
			err = unix.Linkat(dir, stagedName, parent, name, 0)
		}
		if err == unix.EEXIST {
			continue
		}
		if stale || err != nil { // there are file systems without links
			err = unix.Renameat(dir, stagedName, parent, name)
		}
		if err != nil {
			return folderError(s.folder, err)
		}
		return nil
	}
	return errors.New("other processes come and go there")
}

// stale reports whether the name is that of a socket which nobody listens on, false if
// there is nothing. Whatever else is there is an error. The BSDs refuse connections also
// to a socket with too many that wait; there, an overloaded daemon looks like none.
func (s *staging) stale(ctx context.Context, name, path string) (bool, error) {
	st, err := statAt(int(s.parent.Fd()), name)
	switch {
	case err == unix.ENOENT:
		return false, nil
	case err != nil:
		return false, err
	case st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		return false, fmt.Errorf("there is %s, not a socket, and it stays (remove it, or choose another path)", kindOf(uint32(st.Mode)))
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		defer c.Close()
		return false, fmt.Errorf("another process listens there (%v; stop it first)", credentialsOf(c))
	case errors.Is(err, unix.ECONNREFUSED):
		return true, nil
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPROTOTYPE):
		return false, errors.New("another process uses that socket (stop it first)")
	}
	return false, fmt.Errorf("there is a socket, and whether it is in use cannot be told: %w (remove it, if it is not)", err)
}

func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFLNK:
		return "a symlink"
	}
	return "a device or pipe"
}

// Addr is where the socket is.
func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close ends listening and removes the socket.
func (l *unixListener) Close() error { return l.close() }

// remove removes the socket, if it still is this one, while it is in use: so no other
// process takes it for stale between the look and the removal.
func (l *unixListener) remove() error {
	name := filepath.Base(l.path)
	st, err := statAt(int(l.parent.Fd()), name)
	if err == nil && inodeOf(st) == l.made {
		err = unix.Unlinkat(int(l.parent.Fd()), name, 0)
	}
	if err == unix.ENOENT {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("daemon: socket %s is left behind: %w", l.path, err)
	}
	return errors.Join(err, l.Listener.Close(), l.parent.Close())
}
