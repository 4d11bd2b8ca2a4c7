package verifier

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
)

// BenchmarkThrottle is Admit and done of one login. "tracked1M" is in a table of a
// million pairs that logged in, each asked for in its turn, which is the worst for
// the processor's caches; "stranger" has no history, so address and user count.
func BenchmarkThrottle(b *testing.B) {
	login := func(b *testing.B, t *Throttle, r Request, outcome error) {
		done, err := t.Admit(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		done(outcome)
	}
	b.Run("exempt", func(b *testing.B) {
		t := newTestThrottle(b, ThrottleOptions{})
		r := Request{User: "user000001", Realm: "example.com", Remote: netip.MustParseAddrPort("127.0.0.1:40000")}
		b.ReportAllocs()
		for b.Loop() {
			login(b, t, r, nil)
		}
	})
	const users = 1_000_000
	t := newTestThrottle(b, ThrottleOptions{Entries: users})
	requests := make([]Request, users)
	for i := range requests {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], 10<<24+uint32(i))
		requests[i] = Request{
			User: "user" + strconv.Itoa(1_000_000+i), Realm: "example.com", Service: "smtp",
			Remote: netip.AddrPortFrom(netip.AddrFrom4(four), 40000),
		}
		login(b, t, requests[i], nil)
	}
	b.Run("tracked1M", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			login(b, t, requests[i%users], nil)
		}
	})
	b.Run("tracked1M-again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			login(b, t, requests[4711], nil)
		}
	})
	b.Run("stranger", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			login(b, t, requests[i%users], ErrUnavailable)
			r := requests[i%users]
			r.Realm = "example.org"
			login(b, t, r, ErrUnavailable)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		var next atomic.Int64
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for i := int(next.Add(users / 8)); p.Next(); i++ {
				login(b, t, requests[i%users], nil)
			}
		})
	})
}

func newTestThrottle(t testing.TB, o ThrottleOptions) *Throttle {
	t.Helper()
	throttle, err := NewThrottle(o)
	if err != nil {
		t.Fatal(err)
	}
	return throttle
}
