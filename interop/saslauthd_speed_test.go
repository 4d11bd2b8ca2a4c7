//go:build linux

package interop

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// BenchmarkSaslauthd asks one real saslauthd with 16 processes over 16 connections at
// once, through our client and through one in C that does what libsasl does
// (testdata/saslauthd_client.c), in turn. Of the times none is asserted. Units:
//
//	logins/s, c-logins/s   medians of the rounds, ours and that of the C client
//	of-c                   ours in relation to it: more than 1 is faster
//
//	go test ./interop -run '^$' -bench Saslauthd -benchtime 20x
func BenchmarkSaslauthd(b *testing.B) {
	const connections, batch = 16, 4000
	account := unixAccount{name: labUser, password: labPassword}
	record := sasldb.Record{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)}
	for _, backend := range []string{"sasldb", "shadow"} {
		b.Run(backend, func(b *testing.B) {
			s := startSaslauthd(b, []unixAccount{account}, []sasldb.Record{record}, "-a", backend, "-n", strconv.Itoa(connections))
			c := startSaslauthdClient(b, s.socket(), connections)
			v := s.client(b)
			var ours, theirs timings
			for b.Loop() {
				theirs.add(c.ask(b, batch))
				ours.add(askSaslauthd(b, v, connections, batch))
			}
			b.ReportMetric(0, "ns/op") // of a round, which says nothing
			b.ReportMetric(1e9/ours.median(), "logins/s")
			b.ReportMetric(1e9/theirs.median(), "c-logins/s")
			b.ReportMetric(theirs.median()/ours.median(), "of-c")
		})
	}
}

// askSaslauthd asks n times in all and returns the nanoseconds for each.
func askSaslauthd(b *testing.B, v *saslauthd.Client, connections, n int) float64 {
	r := verifier.Request{User: labUser, Realm: labRealm, Service: "smtp"}
	start := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for range n / connections {
				if _, err := v.VerifyPassword(b.Context(), r, labPassword); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return nanoseconds(start, n)
}

// A saslauthdClient is the C client.
type saslauthdClient struct {
	in  io.Writer
	out *bufio.Reader
}

func startSaslauthdClient(b *testing.B, socket string, threads int) *saslauthdClient {
	b.Helper()
	program := peers.Compile(b, filepath.Join("testdata", "saslauthd_client.c"), peers.Library{Header: "pthread.h", Link: "pthread", DebianPackage: "libc6-dev"})
	in, out := peers.Start(b, program, socket, strconv.Itoa(threads), labUser, labPassword, "smtp", labRealm)
	return &saslauthdClient{in, out}
}

// ask has it ask n times in all and returns the nanoseconds for each.
func (c *saslauthdClient) ask(b *testing.B, n int) float64 {
	b.Helper()
	fmt.Fprintln(c.in, "ask", n)
	line, err := c.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	each, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil {
		b.Fatal(err)
	}
	return each
}
