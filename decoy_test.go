package saslkit

import (
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// TestDecoyIsOfTheCommonestKind: what is computed for an unknown user is what is
// computed for most users, and every kind that a mechanism can ask for has one.
func TestDecoyIsOfTheCommonestKind(t *testing.T) {
	password, cram := verifier.KindsOf(verifier.KindPassword), verifier.KindsOf(verifier.KindCRAMMD5)
	for _, c := range []struct {
		name  string
		users []verifier.Kinds
		want  verifier.Kind
	}{
		{"passwords only", []verifier.Kinds{password, password}, verifier.KindPassword},
		{"states only", []verifier.Kinds{cram}, verifier.KindCRAMMD5},
		{"more passwords", []verifier.Kinds{cram, password, password}, verifier.KindPassword},
		{"more states", []verifier.Kinds{cram, cram, password}, verifier.KindCRAMMD5},
		{"nobody", nil, verifier.KindCRAMMD5},
	} {
		if got := decoy(verifier.Measured(c.users, nil), mech.CRAMMD5.Secrets); got.Kind != c.want || len(got.Value) == 0 {
			t.Errorf("%s: a decoy of kind %v, want %v", c.name, got.Kind, c.want)
		}
	}
	if got := decoy(verifier.Declared(verifier.KindPassword), mech.CRAMMD5.Secrets); got.Kind != verifier.KindPassword {
		t.Errorf("a store that cannot count: %v", got.Kind)
	}
	for _, m := range mech.All() {
		for _, kind := range m.Secrets {
			if m.Need == mech.NeedSecret && len(verifier.Decoy(kind).Value) == 0 {
				t.Errorf("%s can ask for %v, which has no decoy", m.Name, kind)
			}
		}
	}
}
