package mech

import (
	"context"
	"runtime"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

// copying hands out keys as a store does: the caller owns them.
type copying struct{ scramSite }

func (c *copying) LookupSecret(context.Context, string, string, []verifier.Kind) (verifier.Secret, error) {
	held := c.held
	held.Value = append([]byte(nil), held.Value...)
	return held, nil
}

// recorded is a site and the client's two messages to it.
func recorded(t testing.TB) (cfg *ServerConfig, site *copying, first, final []byte) {
	t.Helper()
	cfg = &ServerConfig{SCRAM: testDerivation(t), nonce: func() string { return "0123456789abcdef0123456789abcdef" }}
	site = &copying{scramSite{held: keysOf(t, verifier.KindSCRAMSHA256)}}
	c := SCRAMSHA256.NewClient(&ClientConfig{Credentials: Credentials{Username: "user000001", Password: "pencil"}, MinIterations: 1})
	first, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	o := SCRAMSHA256.NewServer(cfg, site).Step(t.Context(), first)
	if final, err = c.Next(o.Data); err != nil {
		t.Fatal(err)
	}
	return cfg, site, first, final
}

// TestSCRAMCosts: what a login with stored keys allocates, the store's copy among it,
// and what is held of one that waits for the client.
func TestSCRAMCosts(t *testing.T) {
	cfg, site, first, final := recorded(t)
	if n := testing.AllocsPerRun(100, func() {
		s := SCRAMSHA256.NewServer(cfg, site)
		s.Step(t.Context(), first)
		if o := s.Step(t.Context(), final); o.State != Done {
			t.Fatal(o.Err)
		}
	}); n > 7 {
		t.Errorf("a login allocates %v times, want 7", n)
	}

	const waiting = 10_000
	servers := make([]Server, waiting)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range servers {
		servers[i] = SCRAMSHA256.NewServer(cfg, site)
		servers[i].Step(t.Context(), first)
	}
	if held := int64(heap()-before) / waiting; held > 600 {
		t.Errorf("%d bytes are held, want 600 at most", held)
	} else {
		t.Logf("%d bytes are held", held)
	}
	runtime.KeepAlive(servers)
}

// BenchmarkSCRAMServer is the mechanism alone, from stored keys.
func BenchmarkSCRAMServer(b *testing.B) {
	cfg, site, first, final := recorded(b)
	b.ReportAllocs()
	for b.Loop() {
		s := SCRAMSHA256.NewServer(cfg, site)
		s.Step(b.Context(), first)
		if o := s.Step(b.Context(), final); o.State != Done {
			b.Fatal(o.Err)
		}
	}
}
