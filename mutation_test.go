package saslkit_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/mech"
)

// Somebody sits between our client and our server and edits what they say. The
// server must not let in, and the client must not believe, unless what counts in
// every message arrived as it was sent. Every row of the mechanism table is tried,
// with every kind of secret that serves it. A long run is
//
//	go test . -run TestMutatedExchanges -mutations 1000000 -timeout 2h
//
// and what failed is played again with -mutations-replay and what the failure says.
var (
	mutations       = flag.Int("mutations", 4000, "edited exchanges of each mechanism")
	mutationsSeed   = flag.Uint64("mutations-seed", 1, "seed of the edits")
	mutationsReplay = flag.String("mutations-replay", "", "mechanism:script, to play one exchange")
)

func TestMutatedExchanges(t *testing.T) {
	t.Parallel()
	if name, script, ok := strings.Cut(*mutationsReplay, ":"); ok {
		b, err := hex.DecodeString(script)
		if err != nil {
			t.Fatal(err)
		}
		c := contestOf(mech.ByName(name), b)
		c.play()
		t.Logf("%v\n%v", c, c.faults)
		return
	}
	for _, m := range mech.All() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			r := mutate(m, *mutations, func(*contest) {})
			for _, failure := range r.failures {
				t.Error(failure)
			}
			t.Logf("%d exchanges, %d of them edited, of which %d were let in and %d ended well on both sides; %v each",
				r.played, r.touched, r.in, r.well, r.each)
		})
	}
}

// A report is what came of many contests.
type report struct {
	played, touched, in, well int
	each                      time.Duration
	failures                  []string
}

// mutate plays n contests of a mechanism, each made by a random script and then
// changed by adapt. It stops after a few failures.
func mutate(m *mech.Mechanism, n int, adapt func(*contest)) (r report) {
	rng := rand.New(rand.NewPCG(*mutationsSeed, 0))
	started := time.Now()
	for ; r.played < n && len(r.failures) < 3; r.played++ {
		script := randomScript(rng)
		c := contestOf(m, script)
		adapt(c)
		c.play()
		if c.touched {
			r.touched++
			if c.over() {
				r.in++
				if c.finish == nil {
					r.well++
				}
			}
		}
		if c.faults != nil {
			r.failures = append(r.failures, fmt.Sprintf("-mutations-replay %s:%x (number %d of seed %d)\n%v\n  %s",
				m.Name, script, r.played, *mutationsSeed, c, strings.Join(c.faults, "\n  ")))
		}
	}
	r.each = time.Since(started) / time.Duration(max(r.played, 1))
	return r
}

// randomScript has one edit mostly, sometimes none and sometimes more.
func randomScript(rng *rand.Rand) []byte {
	n := max(1, rng.IntN(5)-1)
	if rng.IntN(32) == 0 {
		n = 0
	}
	script := make([]byte, setupSize+n*editSize)
	for i := range script {
		script[i] = byte(rng.Uint32())
	}
	return script
}

// FuzzMutatedExchange is TestMutatedExchanges with scripts of the fuzzer's.
func FuzzMutatedExchange(f *testing.F) {
	for i := range mech.All() {
		f.Add(byte(i), []byte{0, 1})
		f.Add(byte(i), []byte{1, 2, 1, byte(opXor), 0, 9, 0, 1})
		f.Add(byte(i), []byte{4, 3, 0, byte(opInsert), 0, 4, 0, 8, 2, byte(opDrop), 0, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, mechanism byte, script []byte) {
		all := mech.All()
		c := contestOf(all[int(mechanism)%len(all)], script)
		c.play()
		if c.faults != nil {
			t.Fatalf("%v\n  %s", c, strings.Join(c.faults, "\n  "))
		}
	})
}
