//go:build unix

package sasldb

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"

	"github.com/saslkit/saslkit/internal/peers"
)

// besideTime is how long TestBeside goes on. The long run is
//
//	go test ./sasldb -run TestBeside -beside 10m -timeout 20m -v
var besideTime = flag.Duration("beside", 3*time.Second, "how long TestBeside goes on")

// TestBeside has two writers and four readers of ours at work on one file beside
// saslpasswd2 and programs that list the file with libdb. No change of ours fails
// or is lost, and no reader of ours misses a user who is there or sees a password
// that was never set or is not any more. What becomes of Cyrus SASL's own changes
// and scans is told in the log.
func TestBeside(t *testing.T) {
	t.Parallel()
	b := newBeside(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	for _, w := range b.writers {
		w.start(t, b.path)
		all.Go(func() { w.listen() })
	}
	for i := range 4 {
		r := &besideReader{beside: b, db: openDB(t, b.path), random: rand.New(rand.NewPCG(1, uint64(i))), seen: map[string]int{}}
		b.readers = append(b.readers, r)
		all.Go(func() { r.read(ctx) })
	}
	all.Go(func() { b.setAndDelete(ctx) })
	all.Go(func() { b.scan(ctx) })
	time.Sleep(*besideTime)
	for end := time.Now().Add(time.Minute); !b.happened() && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	cancel()
	for _, w := range b.writers {
		w.stop()
	}
	all.Wait()
	b.conclude()
}

type beside struct {
	*testing.T
	path    string
	cyrus   *cyrus
	writers []*besideWriter

	readers []*besideReader

	ran           atomic.Int64 // runs of saslpasswd2
	failed, lost  int          // of these
	scans, broken int          // runs of libdb's and Cyrus's listers
}

// happened reports whether anything was changed by everybody.
func (b *beside) happened() bool {
	for _, w := range b.writers {
		if w.done.Load() < 0 {
			return false
		}
	}
	return b.ran.Load() > 0
}

// stableUsers are there all the time.
const stableUsers = 40

func newBeside(t *testing.T) *beside {
	var records []Record
	for i := range stableUsers {
		records = append(records, user(fmt.Sprintf("stable%d", i), "r", fmt.Sprintf("pw%d", i)))
	}
	b := &beside{T: t, path: newFile(t, records...)}
	b.cyrus = newCyrus(t, b.path)
	for _, name := range []string{"a", "b"} {
		b.writers = append(b.writers, &besideWriter{ledger: newLedger(name)})
	}
	return b
}

// A besideWriter is a child that works, and what it has promised so far.
type besideWriter struct {
	*worker
	*ledger
	done atomic.Int64 // number of the last change that was promised, as far as we know
}

func (w *besideWriter) start(t *testing.T, path string) {
	w.done.Store(-1)
	w.worker = startWorker(t, "work", path, w.name, "0")
	if !w.lines.Scan() || w.lines.Text() != "ready" {
		t.Fatal("a writer does not begin")
	}
}

func (w *besideWriter) listen() {
	for w.lines.Scan() {
		w.note(w.lines.Text())
		if w.begun == nil {
			w.done.Store(int64(w.next - 1))
		}
	}
	w.Wait()
}

type besideReader struct {
	*beside
	db     *DB
	random *rand.Rand
	seen   map[string]int // the highest number of a change by each writer

	lookups, unavailable int
	since                time.Time     // there has been no answer; zero if there has
	longest              time.Duration // without an answer
}

func (r *besideReader) read(ctx context.Context) {
	defer r.db.Close()
	for ctx.Err() == nil && !r.Failed() {
		r.stable(r.random.IntN(stableUsers))
		r.last(r.writers[r.random.IntN(len(r.writers))])
	}
}

// answered counts, and reports whether there was an answer at all.
func (r *besideReader) answered(asked time.Time, err error) bool {
	r.lookups++
	available := !errors.Is(err, verifier.ErrUnavailable)
	if !available {
		r.unavailable++
		if r.since.IsZero() {
			r.since = asked
		}
	}
	if r.since.IsZero() {
		return true
	}
	lasts := time.Since(r.since)
	if lasts > time.Minute {
		r.Errorf("no answer for %v: %v", lasts, err)
	}
	r.longest = max(r.longest, lasts)
	if available {
		r.since = time.Time{}
	}
	return available
}

// stable logs a user in whom nobody touches.
func (r *besideReader) stable(i int) {
	asked := time.Now()
	_, err := r.db.VerifyPassword(r.Context(), request(fmt.Sprintf("stable%d", i), "r"), fmt.Sprintf("pw%d", i))
	if r.answered(asked, err) && err != nil {
		r.Errorf("a user who is there: %v", err)
	}
}

// last looks up the number of the last change of a writer.
func (r *besideReader) last(w *besideWriter) {
	promised, asked := w.done.Load(), time.Now()
	s, err := r.db.LookupSecret(r.Context(), request(w.name+"-last", "r"), verifier.KindPassword)
	if !r.answered(asked, err) || promised < 0 && err != nil {
		return
	}
	number, ok := strings.CutPrefix(string(s.Value), w.name+"-")
	n, notNumber := strconv.Atoi(number)
	switch {
	case err != nil:
		r.Errorf("after change %d of writer %s: %v", promised, w.name, err)
	case !ok || notNumber != nil:
		r.Errorf("a password that was never set: %q", s.Value)
	case n < int(promised):
		r.Errorf("the password of change %d after change %d of writer %s was promised", n, promised, w.name)
	}
	r.seen[w.name] = max(r.seen[w.name], n)
}

// setAndDelete runs saslpasswd2, one at a time, for users of its own.
func (b *beside) setAndDelete(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !b.Failed(); n++ {
		name, password := fmt.Sprintf("cyrus%d", rand.N(20)), fmt.Sprintf("cyrus-%d", n)
		key := name + "\x00" + cyrusRealm + "\x00userPassword"
		if _, there := b.now()[key]; there && n%3 == 0 {
			password = ""
		}
		b.ran.Add(1)
		if err := b.cyrus.command(b.T, password, name).Run(); err != nil {
			b.failed++
			continue
		}
		// If it was late we take its change over within a second or two.
		for end := time.Now().Add(10 * time.Second); b.now()[key] != password; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				b.lost++
				break
			}
		}
	}
}

// now returns the file's content.
func (b *beside) now() map[string]string {
	l, err := Read(b.path)
	if err != nil || l.Damage != nil {
		b.Errorf("after saslpasswd2: %v, %v", err, l.Damage)
	}
	values := map[string]string{}
	for _, r := range l.Records {
		key, _ := r.key()
		values[string(key)] = string(r.Value)
	}
	return values
}

// scan lists the file with other programs, which may fail as they read without any
// lock what saslpasswd2 writes in place.
func (b *beside) scan(ctx context.Context) {
	for ctx.Err() == nil {
		for _, argv := range [][]string{{"sasldblistusers2", "-f", b.path}, {"db5.3_dump", b.path}} {
			program, ok := peers.Find(argv[0])
			if !ok {
				continue
			}
			guard, cancel := context.WithTimeout(b.Context(), time.Minute)
			out, err := exec.CommandContext(guard, program, argv[1:]...).Output()
			cancel()
			b.scans++
			if err != nil || strings.Count(string(out), "stable") < stableUsers && argv[0] == "sasldblistusers2" {
				b.broken++
			}
		}
	}
}

func (b *beside) conclude() {
	now := contentOf(b.T, b.path).values
	for i := range stableUsers {
		if key := fmt.Sprintf("stable%d\x00r\x00userPassword", i); now[key] != fmt.Sprintf("pw%d", i) {
			b.Errorf("a user is lost: %q", key)
		}
	}
	changes := 0
	for _, w := range b.writers {
		changes += w.promised
		if w.complaint != "" {
			b.Errorf("writer %s: %s", w.name, w.complaint)
		}
		if w.begun != nil {
			b.Errorf("writer %s ends in the middle of a change", w.name)
		}
		if err := w.settle(now); err != nil {
			b.Error(err)
		}
	}
	lookups, unavailable, longest := 0, 0, time.Duration(0)
	for _, r := range b.readers {
		lookups, unavailable, longest = lookups+r.lookups, unavailable+r.unavailable, max(longest, r.longest)
		for _, w := range b.writers {
			if r.seen[w.name] >= w.next {
				b.Errorf("change %d of writer %s was seen before it was begun", r.seen[w.name], w.name)
			}
		}
	}
	b.Logf("%d changes of ours; %d look-ups, %d without an answer, for %v at most", changes, lookups, unavailable, longest)
	b.Logf("saslpasswd2 ran %d times, failed %d times, and %d of its changes are lost; %d of %d scans failed", b.ran.Load(), b.failed, b.lost, b.broken, b.scans)
	if !b.happened() {
		b.Error("nothing has happened")
	}
	if left := leftBeside(b.T, b.path); left != nil {
		b.Errorf("left in the folder: %q", left)
	}
}
