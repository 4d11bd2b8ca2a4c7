package sasldb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/peers"
)

// The long run is
//
//	go test ./sasldb -run TestRevocation -histories 200 -timeout 1h
//
// and with the seed that a failing history tells, -histories 1 makes one like it.
var (
	histories   = flag.Int("histories", 4, "how many histories TestRevocation makes")
	historySeed = flag.Uint64("seed", 0, "of the first history of TestRevocation; 0 for any")
)

// TestRevocation has processes of ours and saslpasswd2 set, delete and disable
// users at random and log them in, while writers are killed or stand still, the
// lock is held, and the file is torn or replaced. What they saw must be
// linearizable: once a revocation is acknowledged no login succeeds with the old
// secret, and a valid secret is never refused.
func TestRevocation(t *testing.T) {
	t.Parallel()
	seed := *historySeed
	if seed == 0 {
		seed = rand.Uint64() >> 32
	}
	for i := range *histories {
		t.Run(fmt.Sprintf("seed %d", seed+uint64(i)), func(t *testing.T) {
			t.Parallel()
			newHistory(t, seed+uint64(i)).run()
		})
	}
}

const (
	historyActors  = 4
	historyTime    = 1500 * time.Millisecond
	historyFaults  = 8
	historyLongest = time.Minute // if the machine is so slow that nothing happens
)

// A history in the making.
type history struct {
	*testing.T
	seed   uint64
	random *rand.Rand // of the faults
	path   string
	cyrus  *cyrus // nil: the file is torn and replaced instead
	actors [historyActors]*actor
	all    sync.WaitGroup

	mu      sync.Mutex
	done    map[string][]action // by user
	logins  map[string]int      // by outcome
	ignored int                 // changes that failed
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{T: t, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), path: memoryFile(t), done: map[string][]action{}, logins: map[string]int{}}
	if _, ok := peers.Find("saslpasswd2"); ok && seed%2 == 0 {
		h.cyrus = newCyrus(t, h.path)
	}
	return h
}

func (h *history) run() {
	ctx, cancel := context.WithTimeout(h.Context(), historyLongest)
	defer cancel()
	h.all.Go(func() {
		pause(ctx, historyTime)
		for ctx.Err() == nil && !h.saysSomething() {
			pause(ctx, historyTime/20)
		}
		cancel()
	})
	for i := range h.actors {
		h.start(i, 0)
	}
	if h.cyrus != nil {
		h.all.Go(func() { h.runCyrus(ctx) })
	}
	for range historyFaults {
		if ctx.Err() != nil {
			break
		}
		h.fault()
		pause(ctx, upTo(h.random, 2*historyTime/historyFaults))
	}
	<-ctx.Done()
	for _, a := range h.actors {
		a.stop()
	}
	h.all.Wait()
	h.judge()
}

// saysSomething reports whether logins have both succeeded and failed.
func (h *history) saysSomething() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logins["ok"] > 0 && h.logins["refused"] > 0
}

// An actor is a child that acts.
type actor struct {
	*worker
	history *history
	user    string // of what it is doing now
	now     action
	busy    bool
}

func (h *history) start(i, generation int) {
	a := &actor{history: h, worker: startWorker(h.T, "act", h.path, fmt.Sprint(h.seed), fmt.Sprint(i+10*generation))}
	h.actors[i] = a
	h.all.Go(a.listen)
}

// listen takes down what the child says: before an action the moment, what, whom
// and the password, after it the moment and the outcome.
func (a *actor) listen() {
	for a.lines.Scan() {
		f := strings.Split(a.lines.Text(), "\t")
		at, err := strconv.ParseInt(f[0], 10, 64)
		switch {
		case err == nil && len(f) == 4:
			a.user, a.now, a.busy = f[2], action{verb: verb(f[1]), password: f[3], start: at}, true
		case err == nil && len(f) == 2 && a.busy:
			a.now.end, a.busy = at, false
			a.history.note(a.user, a.now, f[1])
		default:
			a.history.Errorf("an actor says %q", a.lines.Text())
		}
	}
	a.Wait()
	if a.busy && a.now.verb != logsIn { // killed, and now dead
		a.now.end, a.now.unsure = monotonic(), true
		a.history.note(a.user, a.now, "done")
	}
}

// note adds an action that has ended. What certainly did nothing is left out.
func (h *history) note(user string, a action, outcome string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.verb == logsIn {
		h.logins[outcome]++
	}
	switch outcome {
	case "done", "ok":
	case "unsure":
		a.unsure = true
	case "refused":
		a.verb = isRefused
	case "unavailable":
		return
	case "failed":
		h.ignored++
		return
	default:
		h.Errorf("seed %d: %s: %s", h.seed, a.verb, outcome)
	}
	h.done[user] = append(h.done[user], a)
}

// runCyrus runs saslpasswd2 again and again, one at a time.
func (h *history) runCyrus(ctx context.Context) {
	random := rand.New(rand.NewPCG(h.seed, 1))
	for ctx.Err() == nil {
		user, a := historyUser(random), action{verb: cyrusSets, password: historyPassword(random)}
		if random.IntN(3) == 0 {
			a.verb, a.password = cyrusDeletes, ""
		}
		program := h.cyrus.command(h.T, a.password, user)
		a.start = monotonic()
		err := program.Run()
		a.end = monotonic()
		var status *exec.ExitError
		if err != nil && !errors.As(err, &status) {
			h.Error(err)
		}
		a.unsure = err != nil
		h.note(user, a, "done")
		pause(ctx, upTo(random, 10*time.Millisecond))
	}
}

// fault does one of the things that go wrong.
func (h *history) fault() {
	i := h.random.IntN(historyActors)
	kinds := 3
	if h.cyrus == nil {
		kinds = 5
	}
	switch h.random.IntN(kinds) {
	case 0:
		h.actors[i].Process.Kill()
		h.start(i, 1+h.random.IntN(1<<20))
	case 1:
		h.standStill(h.actors[i])
	case 2:
		h.holdLock(func(*target) { time.Sleep(upTo(h.random, 200*time.Millisecond)) })
	case 3:
		h.holdLock(h.replace)
	case 4:
		h.tear()
	}
}

// standStill stops a process, mostly for a short time.
func (h *history) standStill(a *actor) {
	how := upTo(h.random, 300*time.Millisecond)
	if h.random.IntN(8) == 0 {
		how = time.Second + upTo(h.random, time.Second)
	}
	a.Process.Signal(unix.SIGSTOP)
	time.Sleep(how)
	a.Process.Signal(unix.SIGCONT)
}

func (h *history) holdLock(do func(*target)) {
	t, err := openTarget(h.Context(), h.path)
	if err != nil {
		h.Errorf("lock: %v", err)
		return
	}
	defer t.close()
	do(t)
}

// replace puts a copy in the place of the file.
func (h *history) replace(*target) {
	data, err := os.ReadFile(h.path)
	if err == nil {
		err = os.WriteFile(h.path+".copy", data, 0o600)
	}
	if err == nil {
		err = os.Rename(h.path+".copy", h.path)
	}
	if err != nil {
		h.Errorf("replace: %v", err)
	}
}

// tear writes nonsense into one page of the file, as a writer that dies may, and
// makes it good again after a while.
func (h *history) tear() {
	f, err := os.OpenFile(h.path, os.O_RDWR, 0)
	if err != nil {
		h.Errorf("tear: %v", err)
		return
	}
	defer f.Close()
	page, at := make([]byte, 4096), int64(4096*(1+h.random.IntN(2)))
	if _, err := f.ReadAt(page, at); err != nil {
		h.Errorf("tear: %v", err)
		return
	}
	torn := slices.Clone(page)
	for i := 0; i < len(torn); i += 2 {
		torn[i] ^= byte(h.random.Uint32())
	}
	_, err = f.WriteAt(torn, at)
	time.Sleep(upTo(h.random, 100*time.Millisecond))
	_, again := f.WriteAt(page, at)
	if err := errors.Join(err, again); err != nil {
		h.Errorf("tear: %v", err)
	}
}

// patience is how long saslpasswd2 may take for its change to be taken over if it
// is late; see lateWait.
const patience = lateWait / 2

// judge looks for a fault in the history of each user.
func (h *history) judge() {
	changes := h.changes()
	for user, history := range h.done {
		for i := range history {
			if a := &history[i]; a.byCyrus() {
				a.wait(changes)
			}
		}
		if a := firstFault(history); a != nil {
			h.Errorf("seed %d: user %s: %s cannot have gone so:\n%s", h.seed, user, a.verb, excerpt(history, a))
		}
	}
	if !h.saysSomething() {
		h.Errorf("seed %d: the history says nothing: %v", h.seed, h.logins)
	}
	h.Logf("seed %d: %d changes, %d failed; logins: %v; with saslpasswd2: %v", h.seed, len(changes), h.ignored, h.logins, h.cyrus != nil)
}

// changes returns those of all users by us.
func (h *history) changes() (all []action) {
	for _, history := range h.done {
		for _, a := range history {
			if a.verb != logsIn && a.verb != isRefused && !a.byCyrus() {
				all = append(all, a)
			}
		}
	}
	return all
}

// wait makes a change by saslpasswd2 end with the changes by us that went on when
// it ended: it may have got hold of a file that was just being replaced, and then
// it is ours to take its change over. If we died or it was too slow that is lost.
func (a *action) wait(changes []action) {
	end := a.end
	for _, c := range changes {
		if c.start <= end && c.end >= a.start {
			a.end = max(a.end, c.end)
			a.unsure = a.unsure || c.unsure || time.Duration(end-a.start) > patience
		}
	}
}

// excerpt prints what happened shortly before and during an action.
func excerpt(history []action, a *action) string {
	var near []action
	for _, b := range history {
		if b.start <= a.end && b.end >= a.start-int64(50*time.Millisecond) {
			near = append(near, b)
		}
	}
	slices.SortFunc(near, func(a, b action) int { return int(a.start - b.start) })
	var text strings.Builder
	for _, b := range near {
		fmt.Fprintf(&text, "%12d to %12d: %s %s", b.start-a.start, b.end-a.start, b.verb, b.password)
		if b.unsure {
			text.WriteString(" (unsure)")
		}
		text.WriteByte('\n')
	}
	return text.String()
}
