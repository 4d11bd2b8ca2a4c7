package verifier_test

import (
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// BenchmarkLogin is a PLAIN login from a sasldb of a thousand users, alone, with a
// Throttle that knows a million others, and with a Cache.
func BenchmarkLogin(b *testing.B) {
	const users, tracked, domain = 1000, 1_000_000, "example.com"
	user := func(i int) string { return "user" + strconv.Itoa(1000+i) }
	remote := func(i int) netip.AddrPort {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], 10<<24+uint32(i))
		return netip.AddrPortFrom(netip.AddrFrom4(four), 40000)
	}
	var records []sasldb.Record
	for i := range users {
		records = append(records, sasldb.Record{Authid: user(i), Realm: domain, Property: sasldb.PropertyPassword, Value: []byte(alicesPassword)})
	}
	path := filepath.Join(b.TempDir(), "sasldb2")
	if err := sasldb.Create(path, records); err != nil {
		b.Fatal(err)
	}
	db, err := sasldb.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	throttle, err := verifier.NewThrottle(verifier.ThrottleOptions{Entries: tracked})
	if err != nil {
		b.Fatal(err)
	}
	for i := range tracked {
		done, err := throttle.Admit(b.Context(), verifier.Request{User: user(i), Realm: domain, Remote: remote(i)})
		if err != nil {
			b.Fatal(err)
		}
		done(nil)
	}
	cached := verifier.Cache(db, verifier.CacheOptions{Life: time.Hour})
	for _, c := range []struct {
		name string
		auth *saslkit.Authenticator
	}{
		{"alone", &saslkit.Authenticator{Verifier: db}},
		{"guard", &saslkit.Authenticator{Verifier: db, Guard: throttle}},
		{"cache", &saslkit.Authenticator{Verifier: cached}},
		{"guard and cache", &saslkit.Authenticator{Verifier: cached, Guard: throttle}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var channel saslkit.Channel
			cfg := saslkit.PeerConfig{Service: "smtp", Realm: realm.Policy{Default: domain}, Channel: func() saslkit.Channel { return channel }}
			responses := make([][]byte, users)
			for i := range responses {
				responses[i] = []byte("\x00" + user(i) + "\x00" + alicesPassword)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				n := i * 7919 % users
				channel = saslkit.Channel{Secure: true, Remote: remote(n)}
				peer := c.auth.NewPeer(cfg)
				x, err := peer.Start("PLAIN")
				if err != nil {
					b.Fatal(err)
				}
				if _, done, err := x.Next(responses[n]); !done || err != nil {
					b.Fatal(err)
				}
				peer.Close()
			}
		})
	}
}
