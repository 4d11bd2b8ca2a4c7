//go:build unix

package sasldb

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// kills is how many writers TestKill kills. The long run is
//
//	go test ./sasldb -run 'TestKill$' -kills 10000 -timeout 1h
var kills = flag.Int("kills", 200, "how many writers TestKill kills")

// TestKill kills writers at any time, two at once on one file. What they had been
// promised is there, what they were about to do is done or not, and nothing else
// has happened.
func TestKill(t *testing.T) {
	t.Parallel()
	formats := []Format{BerkeleyDB, GDBM}
	for _, format := range formats {
		t.Run(format.String(), func(t *testing.T) {
			t.Parallel()
			killWriters(t, format, *kills/len(formats))
		})
	}
}

func killWriters(t *testing.T, format Format, kills int) {
	path := filepath.Join(memoryFolder(t), "sasldb2")
	mustEdit(t, path, WriteOptions{Create: true, Format: format}, func(tx *Tx) error { return tx.Set(user("stable", "r", "pw")) })
	ledgers := []*ledger{newLedger("a"), newLedger("b")}
	promised := 0
	for round := range kills / len(ledgers) {
		var all sync.WaitGroup
		for _, l := range ledgers {
			w := startWorker(t, "work", path, l.name, strconv.Itoa(l.next))
			all.Go(func() { killLater(w, l) })
		}
		all.Wait()
		now := contentOf(t, path)
		if now.values["stable\x00r\x00userPassword"] != "pw" {
			t.Fatalf("round %d: the stable user is lost", round)
		}
		for _, l := range ledgers {
			if l.complaint != "" {
				t.Fatalf("round %d: writer %s: %s", round, l.name, l.complaint)
			}
			if err := l.settle(now.values); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if left := leftBeside(t, path); len(left) > 2 {
			t.Errorf("round %d: left in the folder: %q", round, left)
		}
	}
	for _, l := range ledgers {
		promised += l.promised
	}
	t.Logf("%d writers killed, %d changes promised", kills, promised)
	mustEdit(t, path, WriteOptions{}, addNewcomer)
	if left := leftBeside(t, path); left != nil {
		t.Errorf("left in the folder by the next change: %q", left)
	}
}

// killLater lets a writer begin, and kills it within 20 ms.
func killLater(w *worker, l *ledger) {
	if !w.lines.Scan() || w.lines.Text() != "ready" {
		l.complaint = "does not begin"
	}
	timer := time.AfterFunc(rand.N(20*time.Millisecond), func() { w.Process.Kill() })
	defer timer.Stop()
	for w.lines.Scan() {
		l.note(w.lines.Text())
	}
	w.Process.Kill() // it ended by itself, or will not write any more
	w.Wait()
}

// A ledger is what one writer has promised about its users, who are those whose
// names begin with its own.
type ledger struct {
	name      string
	next      int // number of the next change
	promised  int
	users     map[string]string // passwords by key
	begun     *step             // and not promised
	complaint string
}

func newLedger(name string) *ledger { return &ledger{name: name, users: map[string]string{}} }

// note takes down what the writer says: "begin" and the number of a change before
// it, "done" after it, anything else is a complaint.
func (l *ledger) note(line string) {
	word, number, _ := strings.Cut(line, " ")
	n, err := strconv.Atoi(number)
	switch {
	case word == "begin" && err == nil:
		s := stepOf(l.name, n)
		l.begun, l.next = &s, n+1
	case word == "done" && l.begun != nil:
		l.begun.apply(l.users)
		l.begun = nil
		l.promised++
	default:
		l.complaint += line + "\n"
	}
}

// settle compares the ledger with the file, and takes over what became of the
// change that was not promised.
func (l *ledger) settle(file map[string]string) error {
	now := map[string]string{}
	for key, password := range file {
		if strings.HasPrefix(key, l.name+"-") {
			now[key] = password
		}
	}
	promised := content{values: l.users}
	if l.begun != nil && !promised.equal(content{values: now}) {
		l.begun.apply(l.users)
	}
	l.begun = nil
	if !promised.equal(content{values: now}) {
		return fmt.Errorf("writer %s after %d changes: %s", l.name, l.promised, promised.difference(content{values: now}))
	}
	return nil
}

// A step is a change by a writer, which follows from its number.
type step struct {
	writer, number string
	users          []string
	password       string // "" deletes
}

// ledgerUsers is how many users a writer has: few enough that most are changed
// again, enough to make the table grow and shrink.
const ledgerUsers = 100

func stepOf(writer string, n int) step {
	random := rand.New(rand.NewPCG(uint64(n), uint64(len(writer))))
	s := step{writer: writer, number: fmt.Sprintf("%s-%d", writer, n)}
	s.password = s.number
	if random.IntN(3) == 0 {
		s.password = ""
	}
	first, count := random.IntN(ledgerUsers), 1
	if random.IntN(10) == 0 {
		count = ledgerUsers / 2
	}
	for i := range count {
		s.users = append(s.users, fmt.Sprintf("%s-%02d", writer, (first+i)%ledgerUsers))
	}
	return s
}

// apply does to users by key what edit does to a file. Both set the password of one
// more user, who is never deleted, to tell the number of the step.
func (s step) apply(users map[string]string) {
	users[s.writer+"-last\x00r\x00userPassword"] = s.number
	for _, name := range s.users {
		key := name + "\x00r\x00userPassword"
		if s.password == "" {
			delete(users, key)
		} else {
			users[key] = s.password
		}
	}
}

func (s step) edit(tx *Tx) error {
	if err := tx.Set(user(s.writer+"-last", "r", s.number)); err != nil {
		return err
	}
	for _, name := range s.users {
		if s.password == "" {
			tx.DeleteUser(name, "r")
		} else if err := tx.Set(user(name, "r", s.password)); err != nil {
			return err
		}
	}
	return nil
}

// work is the child that changes the file at a path, as the writer of a name,
// beginning with the step of a number.
func work(args []string) {
	path, name := args[0], args[1]
	n, err := strconv.Atoi(args[2])
	if err != nil {
		fail("work: %v", err)
	}
	fmt.Println("ready")
	untilTold(func() bool {
		fmt.Printf("begin %d\n", n)
		if err := Edit(context.Background(), path, WriteOptions{Wait: time.Minute}, stepOf(name, n).edit); err != nil {
			fmt.Printf("change %d: %v\n", n, err)
			os.Exit(1)
		}
		fmt.Printf("done %d\n", n)
		n++
		return true
	})
}
