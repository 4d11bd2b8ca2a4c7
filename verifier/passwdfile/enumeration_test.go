package passwdfile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// BenchmarkEnumeration looks for a user in the time of failures: what a wrong password
// of a user and what an unknown user take, by turns at random, for the schemes that are
// so fast that anything beside the hash would show. It reports the medians, their
// difference and Welch's t. TestWork counts what should make them equal.
//
//	go test ./verifier/passwdfile -run '^$' -bench Enumeration -benchtime 20000x
func BenchmarkEnumeration(b *testing.B) {
	for _, s := range []struct{ name, value string }{
		{"PLAIN", "{PLAIN}secret"},
		{"SHA", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="},
		{"SSHA", "{SSHA}Gt07KNZGZyZMoyS1/HRVGvTVfS4wMTIzNDU2Nw=="},
		{"CRAM-MD5", secretOf(b, verifier.KindCRAMMD5, "", "", "secret")},
		{"md5crypt", apr1},
	} {
		b.Run(s.name, func(b *testing.B) {
			lines := make([]string, 1000)
			for i := range lines {
				lines[i] = fmt.Sprintf("user%d:%s", i, s.value)
			}
			db := newDB(b, stored.Options{}, lines...)
			settle()
			var taken [2][]float64
			for b.Loop() {
				unknown := rand.N(2)
				user := fmt.Sprintf("%s%d", [2]string{"user", "nobo"}[unknown], rand.N(len(lines)))
				r := verifier.Request{User: user, Realm: home, Service: "smtp"}
				begun := time.Now()
				_, err := db.VerifyPassword(b.Context(), r, "wrong")
				taken[unknown] = append(taken[unknown], float64(time.Since(begun)))
				if !verifier.Refused(err) {
					b.Fatal(err)
				}
			}
			if len(taken[0]) < 2 || len(taken[1]) < 2 {
				return
			}
			wrong, unknown := median(taken[0]), median(taken[1])
			b.ReportMetric(wrong, "wrong-ns")
			b.ReportMetric(unknown, "unknown-ns")
			b.ReportMetric(unknown-wrong, "difference-ns")
			b.ReportMetric(welch(taken[1], taken[0]), "t")
		})
	}
}

// settle waits until a new file is not read again for each login.
func settle() { time.Sleep(2100 * time.Millisecond) }

func median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	return s[len(s)/2]
}

// welch is Welch's t of two samples.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

func moments(all []float64) (mean, variance float64) {
	for _, x := range all {
		mean += x / float64(len(all))
	}
	for _, x := range all {
		variance += (x - mean) * (x - mean) / float64(len(all)-1)
	}
	return mean, variance
}
