package lmdb

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/dbm"
)

// churned is the state after transaction t of peer.c's churn, whose comment tells
// the rules.
func churned(t uint64) map[string]string {
	const keys, stride = 64, 8
	state := map[string]string{"t": strconv.FormatUint(t, 10)}
	for i := range uint64(keys) {
		ago := (t + i) % stride
		if ago >= t {
			continue // not written yet
		}
		h := mix(i, t-ago)
		if h%4 == 0 {
			continue
		}
		size := h / 256 % 100
		if h/16%8 == 0 {
			size = h / 256 % 9000
		}
		value := make([]byte, size)
		for j := range value {
			value[j] = byte(h>>(j%8*8)) + byte(j/8)
		}
		state[fmt.Sprintf("key%02d", i)] = string(value)
	}
	return state
}

func mix(key, t uint64) uint64 {
	z := (key<<40 ^ t) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// TestBesideWriter reads a file again and again while liblmdb commits to it without
// a pause. What is settled must be sound and one of the states, never an older one
// than was read before.
//
//	go test ./internal/lmdb -run BesideWriter -v -model.rounds 10000
func TestBesideWriter(t *testing.T) {
	program := buildPeer(t)
	for _, how := range []string{plain, writeMap} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sasldb2")
			p := startPeer(t, program, path, 1<<20, how)
			p.do("churn 1 10")
			last := uint64(500 * *modelRounds)
			p.send("churn 11 %d", last)
			done := make(chan string, 1)
			go func() {
				line, err := p.reply()
				done <- fmt.Sprint(line, err)
			}()
			r := besideWriter{t: t, path: path, last: 10}
			for deadline := time.Now().Add(10 * time.Minute); ; {
				r.read()
				select {
				case line := <-done:
					if line != "ok<nil>" {
						t.Fatal(line)
					}
					if r.read(); r.last != last {
						t.Errorf("transaction %d was read last, of %d", r.last, last)
					}
					t.Logf("%+v", r.besideCounts)
					return
				default:
				}
				if t.Failed() || time.Now().After(deadline) {
					t.Fatal("stopped")
				}
			}
		})
	}
}

type besideWriter struct {
	t    *testing.T
	path string
	last uint64 // the transaction of the latest state that was read
	besideCounts
}

type besideCounts struct {
	states    int // settled
	unsettled int // of these the first two told before
	refused   int // by Open
	damaged   int
	torn      int // the metadata alone were read while they were written
}

// read reads the file once.
func (r *besideWriter) read() {
	file, err := os.Open(r.path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	data, err := io.ReadAll(file)
	if err != nil {
		r.t.Fatal(err)
	}
	head := make([]byte, 2*maxPageSize)
	n, err := file.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		r.t.Fatal(err)
	}
	f, err := Open(data)
	if err != nil {
		r.refused++
		return
	}
	got := map[string]string{}
	fault := f.Scan(func(key, value []byte) { got[string(key)] = string(value) })
	if !f.Settled(head[:n]) {
		r.unsettled++
		if fault != nil {
			r.damaged++
		}
		if now, err := Open(head[:n]); err == nil && now.transaction == f.transaction {
			r.torn++
		}
		return
	}
	r.states++
	r.check(got, fault)
}

func (r *besideWriter) check(got map[string]string, fault *dbm.DamageError) {
	if fault != nil {
		r.t.Fatalf("settled and damaged: %v", fault)
	}
	now, err := strconv.ParseUint(got["t"], 10, 64)
	if err != nil || now < r.last {
		r.t.Fatalf("the state is %q, before it was %d", got["t"], r.last)
	}
	if !maps.Equal(got, churned(now)) {
		r.t.Errorf("what was read is no state (%d)", now)
	}
	r.last = now
}
