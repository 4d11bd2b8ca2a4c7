package mech

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

func TestSecretsOfPassword(t *testing.T) {
	t.Parallel()
	all := append([]verifier.Kind{verifier.KindPassword, verifier.KindCRAMMD5, verifier.KindDIGESTMD5, verifier.KindOTP, verifier.KindNTHash}, verifier.SCRAMKinds()...)
	secrets, err := Secrets("al", "example.com", "pen\u00adcil", append(all, verifier.KindPassword, verifier.KindCheck)...)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []verifier.Kind
	salts := map[string]bool{}
	for _, s := range secrets {
		kinds = append(kinds, s.Kind)
		if s.Account.User != "al" || s.Account.Realm != "example.com" {
			t.Errorf("%v is of %+v", s.Kind, s.Account)
		}
		want := map[verifier.Kind]string{
			verifier.KindPassword:  "pencil",
			verifier.KindCRAMMD5:   string(CRAMMD5Secret("pencil")),
			verifier.KindDIGESTMD5: string(DIGESTMD5Secret("al", "example.com", "pencil")),
			verifier.KindNTHash:    string(NTLMSecret("pencil")),
		}[s.Kind]
		if want != "" && string(s.Value) != want {
			t.Errorf("%v is %q, want %q", s.Kind, s.Value, want)
		}
		if !s.Kind.IsSCRAM() {
			continue
		}
		h, _ := scram.ByName(s.Kind.SCRAMName())
		r, err := scram.Unpack(h, s.Value)
		if err != nil || r.Iterations != 10000 || len(r.Salt) != 16 {
			t.Errorf("%v: %d iterations, salt of %d bytes, %v", s.Kind, r.Iterations, len(r.Salt), err)
		}
		salts[string(r.Salt)] = true
	}
	if diff := cmp.Diff(all, kinds); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(salts) != len(verifier.SCRAMKinds()) {
		t.Errorf("%d different salts", len(salts))
	}
}

func TestSCRAMSecretRefused(t *testing.T) {
	t.Parallel()
	salt := make([]byte, 16)
	for name, err := range map[string]error{
		"kind":       second(SCRAMSecret(verifier.KindOTP, "x", salt, 1)),
		"no salt":    second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", nil, 1)),
		"long salt":  second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", make([]byte, 1025), 1)),
		"iterations": second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", salt, 0)),
		"many":       second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", salt, 10_000_001)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestSCRAMKindsHaveRows: there is a mechanism for the keys of every hash.
func TestSCRAMKindsHaveRows(t *testing.T) {
	t.Parallel()
	for _, kind := range verifier.SCRAMKinds() {
		m := ByName(kind.SCRAMName())
		if m == nil || m.Plus == nil || m.Secrets[0] != kind || m.Plus.Secrets[0] != kind {
			t.Errorf("%v: %v", kind, m)
		}
	}
	if got := SCRAMKinds(); len(got) != 5 || slices.Contains(got, verifier.KindSCRAMSHA3512) {
		t.Errorf("keys to store: %v", got)
	}
}

func TestSecretIterations(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{0: 10_000, 4096: 4096, 65_536: 65_536, 4095: 0, -1: 0, 1_000_001: 0} {
		secrets, err := SecretOptions{Iterations: n}.Secrets("al", "", "pencil", verifier.KindSCRAMSHA1)
		if want == 0 {
			if !errors.Is(err, ErrIterations) || secrets != nil {
				t.Errorf("%d: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if r, err := scram.Unpack(scram.SHA1, secrets[0].Value); err != nil || r.Iterations != want {
			t.Errorf("%d: %d iterations, %v", n, r.Iterations, err)
		}
	}
}

func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxPasswordLimit)
	for _, c := range []struct {
		name, password string
		kinds          []verifier.Kind
		want           error
	}{
		{"empty", "", verifier.SCRAMKinds(), ErrEmptyPassword},
		{"empty once prepared", "\u00ad", verifier.SCRAMKinds(), ErrEmptyPassword},
		{"too long", long + "x", []verifier.Kind{verifier.KindPassword}, ErrLongPassword},
		{"too long once prepared", strings.Repeat("\ufdfa", maxPasswordLimit/4), []verifier.Kind{verifier.KindPassword}, ErrLongPassword},
		{"longest", long, []verifier.Kind{verifier.KindPassword}, nil},
		{"nothing that can be made", "pencil", []verifier.Kind{verifier.KindCheck}, ErrNoKinds},
		{"nothing asked", "pencil", nil, ErrNoKinds},
	} {
		s, err := Secrets("al", "", c.password, c.kinds...)
		if !errors.Is(err, c.want) || (err == nil) != (s != nil) {
			t.Errorf("%s: %d secrets, %v", c.name, len(s), err)
		}
	}
	for name, password := range map[string]string{"NUL": "a\x00b", "not UTF-8": "j\xf6rg", "unassigned in Unicode 3.2": "pen\U0001f600cil"} {
		_, err := Secrets("al", "", password, verifier.KindPassword)
		var refused *saslprep.Error
		if !errors.As(err, &refused) || strings.Contains(err.Error(), "cil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
