package daemon

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// BenchmarkDovecot logs in over the socket with up to 64 logins under way on each
// connection. Time and allocations are those of both ends: the client of PLAIN does next
// to nothing, that of SCRAM the arithmetic of a client that keeps its salted password,
// that of DIGEST-MD5 is ours.
func BenchmarkDovecot(b *testing.B) {
	salt := []byte("sixteen bytes of")
	value, err := mech.SCRAMSecret(verifier.KindSCRAMSHA256, "secret", salt, 4096)
	if err != nil {
		b.Fatal(err)
	}
	salted, err := scram.SHA256.Salted(context.Background(), "secret", salt, 4096)
	if err != nil {
		b.Fatal(err)
	}
	store := aliceStore()
	store.Add(verifiertest.User{Name: "stored", Realm: "example.org"}, verifier.Secret{Kind: verifier.KindSCRAMSHA256, Value: value})
	for _, c := range []struct {
		name, start string
		answer      func(b *testing.B, state any, challenge []byte) (next any, response []byte)
	}{
		{"PLAIN", "PLAIN service=smtp nologin rip=192.0.2.1 resp=" + plainMessage("alice", "secret"), nil},
		{"DIGEST-MD5", "DIGEST-MD5 service=smtp nologin rip=192.0.2.1", answerDigest},
		{"SCRAM-SHA-256-stored", "SCRAM-SHA-256 service=smtp nologin rip=192.0.2.1 resp=" + encoded("n,,n=stored,r=client"), func(_ *testing.B, state any, challenge []byte) (any, []byte) {
			if state != nil {
				return state, []byte{}
			}
			nonce, _, _ := strings.Cut(string(challenge), ",")
			final := "c=biws," + nonce
			proof := scram.SHA256.Proof(nil, salted, []byte("n=stored,r=client,"+string(challenge)+","+final))
			return true, []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof))
		}},
	} {
		for _, conns := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", c.name, conns), func(b *testing.B) {
				r := serveAuth(b, permissive(store))
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var clients sync.WaitGroup
				b.ResetTimer()
				for range conns {
					clients.Go(func() { benchmarkConn(b, r.socket, &left, tabs.Replace(c.start), c.answer) })
				}
				clients.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "logins/s")
			})
		}
	}
}

func answerDigest(b *testing.B, state any, challenge []byte) (any, []byte) {
	x, _ := state.(*saslkit.ClientExchange)
	if x == nil {
		x, _ = newExchange(b, "DIGEST-MD5", "alice", "secret")
	}
	response, err := x.Next(challenge)
	if err != nil {
		b.Error(err)
	}
	return x, response
}

// benchmarkConn logs in until none are left.
func benchmarkConn(b *testing.B, socket string, left *atomic.Int64, start string, answer func(*testing.B, any, []byte) (any, []byte)) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		b.Error(err)
		return
	}
	defer c.Close()
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	next := 0
	begin := func() (ok bool) {
		if ok = left.Add(-1) >= 0; ok {
			next++
			fmt.Fprintf(out, "AUTH\t%d\t%s\n", next, start)
		}
		return ok
	}
	states := make(map[int]any)
	underWay := 0
	for underWay < 64 && begin() {
		underWay++
	}
	for underWay > 0 {
		if in.Buffered() == 0 {
			out.Flush()
		}
		line, err := in.ReadString('\n')
		if err != nil {
			b.Error(err)
			return
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch fields[0] {
		case "OK":
			if !begin() {
				underWay--
			}
		case "FAIL":
			b.Errorf("not logged in: %q", line)
			return
		case "CONT":
			id, _ := strconv.Atoi(fields[1])
			challenge, _ := base64.StdEncoding.DecodeString(fields[2])
			var response []byte
			states[id], response = answer(b, states[id], challenge)
			fmt.Fprintf(out, "CONT\t%d\t%s\n", id, base64.StdEncoding.EncodeToString(response))
		}
	}
}
