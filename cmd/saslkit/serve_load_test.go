package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
)

var (
	loadTime = flag.Duration("load.time", 4*time.Second, "for how long TestServeLoad logs in")
	loadRate = flag.Int("load.rate", 200, "how many times a second")
)

// A process is a serve that runs.
type process struct {
	*exec.Cmd
	stderr *syncBuffer
}

// serveProcess starts one and waits until it is ready.
func serveProcess(t *testing.T, args ...string) *process {
	t.Helper()
	cmd, _ := command(t, append([]string{"serve"}, args...)...)
	p := &process{cmd, new(syncBuffer)}
	cmd.Stderr = p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	until(t, p.stderr, "ready\n")
	return p
}

// resident is the memory of a process, in KiB; 0 where the system does not tell.
func (p *process) resident() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	n, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return n
}

// TestServeLoad: logins at a steady rate, while the daemon reloads every second and the
// backend it asks is killed twice. Every request is answered; nobody gets in by a wrong
// password, and nobody is refused with the right one, though it may have to be tried
// again while the backend is away. The daemon's memory does not grow with the logins.
//
//	go test ./cmd/saslkit -run ServeLoad -v -load.time 60s -load.rate 1000
func TestServeLoad(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	backendDir := filepath.Join(dir, "backend")
	if err := os.Mkdir(backendDir, 0o700); err != nil {
		t.Fatal(err)
	}
	users := textFile(t, "users", "alice:{PLAIN}secret", "bob:"+md5Hash)
	startBackend := func() *process {
		return serveProcess(t, "--verifier", "passwdfile:"+users, "--mux", backendDir, "--limit", "off")
	}
	backend := startBackend()
	front := serveProcess(t, "--verifier", "saslauthd:"+backendDir, "--auth", dir+"/auth", "--limit", "off")

	ctx, cancel := context.WithTimeout(t.Context(), *loadTime)
	defer cancel()
	var turns atomic.Int64 // of the backend's coming and going: odd while it is away
	var all, unavailable atomic.Int64
	var workers sync.WaitGroup
	const clients = 8
	for i := range clients {
		workers.Go(func() {
			c, err := dovecot.New(dovecot.Options{Socket: dir + "/auth"})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			tick := time.NewTicker(time.Second * clients / time.Duration(*loadRate))
			defer tick.Stop()
			for n := i; ; n++ {
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
				user, password := []string{"alice", "bob", "nobody"}[n%3], []string{"secret", "wrong"}[n/3%2]
				right := user != "nobody" && password == "secret"
				before := turns.Load()
				err := ask(c, user, password)
				there := before%2 == 0 && turns.Load() == before
				all.Add(1)
				switch {
				case errors.Is(err, verifier.ErrUnavailable):
					if unavailable.Add(1); there {
						t.Errorf("%s: with the backend there: %v", user, err)
					}
				case (err == nil) != right:
					t.Errorf("%s with %s: %v", user, password, err)
				}
			}
		})
	}
	workers.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				front.Process.Signal(syscall.SIGHUP)
			case <-ctx.Done():
				return
			}
		}
	})
	var early int
	for kills := range 2 {
		wait(ctx, *loadTime/4)
		if kills == 0 {
			early = front.resident()
		}
		turns.Add(1)
		backend.Process.Kill()
		backend.Wait()
		wait(ctx, *loadTime/20)
		backend = startBackend()
		turns.Add(1)
	}
	workers.Wait()
	late := front.resident()
	t.Logf("%d logins, %d while the backend was away; memory %d KiB after the first quarter, %d at the end", all.Load(), unavailable.Load(), early, late)
	if late > 2*early+20<<10 {
		t.Errorf("memory grew from %d to %d KiB", early, late)
	}
	until(t, front.stderr, "msg=reload result=ok")
	if strings.Contains(front.stderr.String(), "result=failed") {
		t.Error("it did not reload")
	}
	front.Process.Signal(syscall.SIGTERM)
	if err := front.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
