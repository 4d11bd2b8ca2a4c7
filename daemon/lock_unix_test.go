//go:build linux || openbsd || darwin || freebsd || netbsd

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/peers"
)

// TestListenAtOnce: of many that start at the same time one wins, over a stale socket or
// none, and its socket works.
func TestListenAtOnce(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		folder := shortFolder(t)
		path := filepath.Join(folder, "auth")
		if round%2 == 1 {
			leaveStale(t, path)
		}
		listeners, errs := listenAtOnce(t.Context(), path, 8)
		for _, err := range errs {
			if !strings.Contains(err.Error(), "another process listens there") {
				t.Error(err)
			}
		}
		if len(listeners) != 1 {
			t.Fatalf("%d of 8 won: %v", len(listeners), errs)
		}
		if diff := cmp.Diff([]string{"auth"}, namesIn(t, folder)); diff != "" {
			t.Errorf("in the folder, -want +got:\n%s", diff)
		}
		listeners[0].Close()
	}
}

func listenAtOnce(ctx context.Context, path string, n int) (listeners []net.Listener, errs []error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			l, err := Listen(ctx, Socket{Path: path})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, err)
			} else {
				listeners = append(listeners, l)
			}
		})
	}
	all.Wait()
	return listeners, errs
}

// TestListenNeighbours: several sockets in one folder do not disturb each other.
func TestListenNeighbours(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			l, err := Listen(t.Context(), Socket{Path: filepath.Join(folder, fmt.Sprintf("auth%d", i))})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { l.Close() })
		})
	}
	all.Wait()
	if names := namesIn(t, folder); len(names) != 8 {
		t.Errorf("in the folder: %q", names)
	}
}

// TestListenLocked: somebody who keeps the lock is waited for, no longer than the context
// lasts.
func TestListenLocked(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	stage, err := newStaging(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	defer stage.parent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Listen(ctx, Socket{Path: filepath.Join(folder, "auth")}); !errors.Is(err, errStagingBusy) {
		t.Errorf("while somebody has the lock: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		l, err := Listen(t.Context(), Socket{Path: filepath.Join(folder, "auth")})
		if err == nil {
			err = l.Close()
		}
		done <- err
	}()
	stage.close()
	if err := <-done; err != nil {
		t.Errorf("after it was given up: %v", err)
	}
}

// TestListenStagingInTheWay: what is there under the name of the private folder is not
// trusted.
func TestListenStagingInTheWay(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(path string) error{
		"file":        func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"symlink":     func(path string) error { return os.Symlink("/", path) },
		"open folder": func(path string) error { return errors.Join(os.Mkdir(path, 0o755), os.Chmod(path, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := shortFolder(t)
			path := filepath.Join(folder, stagingName)
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := Listen(ctx, Socket{Path: filepath.Join(folder, "auth")})
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{stagingName}, namesIn(t, folder)); diff != "" {
				t.Errorf("in the folder, -want +got:\n%s", diff)
			}
		})
	}
}

// TestStagingSwapped: a socket that is not where it was made is not given rights.
func TestStagingSwapped(t *testing.T) {
	t.Parallel()
	stage := mustStage(t, shortFolder(t))
	for name, prepare := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"a file":  func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		if err := prepare(stage.path()); err != nil {
			t.Fatal(err)
		}
		if _, err := stage.furnish(Socket{}, -1, -1); err == nil || !strings.Contains(err.Error(), "was replaced meanwhile") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStaleUntold: a socket that may not be connected to is not taken for stale.
func TestStaleUntold(t *testing.T) {
	t.Parallel()
	stage := mustStage(t, shortFolder(t))
	path := filepath.Join(stage.folder, "auth")
	leaveStale(t, path)
	if err := errors.Join(os.Chmod(path, 0), os.Chmod(stage.folder, 0o755)); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" && os.Geteuid() == 0 {
		peers.Missing(t, "a user other than root, for a socket that may not be connected to")
	}
	nobody.Do(func() {
		stale, err := stage.stale(t.Context(), "auth", path)
		if stale || err == nil || !strings.Contains(err.Error(), "whether it is in use cannot be told") {
			t.Errorf("stale: %v, %v", stale, err)
		}
	})
}

func mustStage(t *testing.T, folder string) *staging {
	t.Helper()
	stage, err := newStaging(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stage.close()
		stage.parent.Close()
	})
	return stage
}
