package interop

import (
	"encoding/binary"
	"net/netip"
	"net/smtp"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// BenchmarkGuard measures what a guard and a cache add to a PLAIN login from a sasldb:
// sessions of SMTP over loopback, from connect to QUIT, by turns with a server that has
// neither and one with a Throttle that knows a million others and a Cache. It reports
// the medians and what is added. The server's address is not exempt here.
//
//	go test ./interop -run '^$' -bench Guard -benchtime 5000x
func BenchmarkGuard(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sasldb2")
	if err := sasldb.Create(path, []sasldb.Record{{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)}}); err != nil {
		b.Fatal(err)
	}
	db, err := sasldb.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	guard := fullThrottle(b)
	var addrs [2]string
	for i, auth := range []*saslkit.Authenticator{
		{Verifier: db, Policy: labPolicy},
		{Verifier: verifier.Cache(db, verifier.CacheOptions{}), Guard: guard, Policy: labPolicy},
	} {
		addrs[i] = smtpLab(b, setup{auth: auth}).addr
	}
	var taken [2][]time.Duration
	for b.Loop() {
		for i, addr := range addrs {
			begun := time.Now()
			session(b, addr)
			taken[i] = append(taken[i], time.Since(begun))
		}
	}
	var median [2]float64
	for i := range taken {
		slices.Sort(taken[i])
		median[i] = float64(taken[i][len(taken[i])/2]) / 1e3
	}
	b.ReportMetric(median[0], "alone-us")
	b.ReportMetric(median[1], "guarded-us")
	b.ReportMetric(100*(median[1]/median[0]-1), "added-%")
}

// fullThrottle knows a million logins of others.
func fullThrottle(b *testing.B) *verifier.Throttle {
	b.Helper()
	const tracked = 1_000_000
	guard, err := verifier.NewThrottle(verifier.ThrottleOptions{Entries: tracked, Exempt: []netip.Prefix{}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range tracked {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], 10<<24+uint32(i))
		done, err := guard.Admit(b.Context(), verifier.Request{User: "user" + strconv.Itoa(i), Remote: netip.AddrPortFrom(netip.AddrFrom4(four), 40000)})
		if err != nil {
			b.Fatal(err)
		}
		done(nil)
	}
	return guard
}

func session(b *testing.B, addr string) {
	c, err := smtp.Dial(addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(smtp.PlainAuth("", labUser, labPassword, "127.0.0.1")); err != nil {
		b.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		b.Fatal(err)
	}
}
