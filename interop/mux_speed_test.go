//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
)

// BenchmarkMux asks our mux and a real saslauthd with 16 processes, both over a sasldb, by
// a C client that does what libsasl2 does (testdata/saslauthd_client.c) over 16
// connections at once, in turn. Of the times none is asserted. Units:
//
//	logins/s, c-logins/s   medians of the rounds, ours and saslauthd's
//	of-c                   ours in relation to it: more than 1 is faster
//	cpu-µs, c-cpu-µs       processor time of the daemon for each login, user and system
//
//	go test ./interop -run '^$' -bench Mux -benchtime 20x
func BenchmarkMux(b *testing.B) {
	const connections, batch = 16, 4000
	record := sasldb.Record{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)}
	original := startSaslauthd(b, nil, []sasldb.Record{record}, "-a", "sasldb", "-n", strconv.Itoa(connections))
	db, err := sasldb.Open(original.etc("sasldb2"))
	if err != nil {
		b.Fatal(err)
	}
	m := startMux(b, db, realm.Policy{Default: labRealm})
	ours, theirs := startSaslauthdClient(b, m.socket(), connections), startSaslauthdClient(b, original.socket(), connections)
	pid := original.cmd.Process.Pid
	var ourTimes, theirTimes timings
	var ourCPU, theirCPU float64 // seconds
	for b.Loop() {
		before := ownCPU(b)
		ourTimes.add(ours.ask(b, batch))
		ourCPU += ownCPU(b) - before
		before = groupCPU(b, pid)
		theirTimes.add(theirs.ask(b, batch))
		theirCPU += groupCPU(b, pid) - before
	}
	n := float64(b.N * batch)
	b.ReportMetric(0, "ns/op") // of a round, which says nothing
	b.ReportMetric(1e9/ourTimes.median(), "logins/s")
	b.ReportMetric(1e9/theirTimes.median(), "c-logins/s")
	b.ReportMetric(theirTimes.median()/ourTimes.median(), "of-c")
	b.ReportMetric(1e6*ourCPU/n, "cpu-µs")
	b.ReportMetric(1e6*theirCPU/n, "c-cpu-µs")
}

// ownCPU is the processor time of this process, in seconds.
func ownCPU(b *testing.B) float64 {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9
}

// groupCPU is that of all processes of a group, to a hundredth of a second for each.
func groupCPU(b *testing.B, group int) float64 {
	b.Helper()
	const ticks = 100 // of the kernel's clock in a second
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	sum := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// Behind the name, which may hold anything: state, parent, group, …
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 13 || fields[2] != strconv.Itoa(group) {
			continue
		}
		for _, f := range fields[11:13] { // user and system
			n, _ := strconv.Atoi(f)
			sum += n
		}
	}
	return float64(sum) / ticks
}
