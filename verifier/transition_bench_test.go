package verifier_test

import (
	"testing"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// BenchmarkTransition is a login by PLAIN of who is copied already, and without a
// transition.
func BenchmarkTransition(b *testing.B) {
	from := literal{"alice": alicesPassword}
	m, err := verifier.Transition(from, new(verifiertest.Memory), verifier.TransitionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	r := request("alice", "")
	for name, v := range map[string]verifier.Verifier{"with": m, "without": from} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.VerifyPassword(b.Context(), r, alicesPassword); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
