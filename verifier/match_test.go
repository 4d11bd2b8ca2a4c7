package verifier_test

import (
	"context"
	"errors"
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// TestSecretMatches makes every kind of secret of a password and checks passwords
// against it.
func TestSecretMatches(t *testing.T) {
	t.Parallel()
	r := verifier.Request{User: "renée", Realm: "mail.example"}
	for _, password := range []string{"pencil", "Pa5 ü;x", "п€ncil"} {
		secrets, err := mech.SecretOptions{Iterations: mech.MinIterations}.Secrets(r.User, r.Realm, password,
			append(verifier.SCRAMKinds(), verifier.KindPassword, verifier.KindCRAMMD5, verifier.KindDIGESTMD5, verifier.KindNTHash)...)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, verifier.Secret{Kind: verifier.KindDIGESTMD5, Value: mech.DIGESTMD5Secret(r.User, r.Realm, password)})
		for _, s := range secrets {
			for presented, want := range map[string]bool{password: true, password + "x": false, password[1:]: false, "": false, "PENCIL": false, password + "\x00": false} {
				if got, err := s.Matches(t.Context(), r, presented); got != want || err != nil {
					t.Errorf("%v of %q: %q: %v, %v", s.Kind, password, presented, got, err)
				}
			}
		}
	}
}

// TestDIGESTMD5MatchesItsUser: the hash is of the names too.
func TestDIGESTMD5MatchesItsUser(t *testing.T) {
	t.Parallel()
	s := verifier.Secret{Kind: verifier.KindDIGESTMD5, Value: mech.DIGESTMD5Secret("al", "r", "pencil")}
	for r, want := range map[verifier.Request]bool{
		{User: "al", Realm: "r"}: true, {User: "al", Realm: "s"}: false, {User: "bo", Realm: "r"}: false, {User: "al"}: false,
	} {
		if got, err := s.Matches(t.Context(), r, "pencil"); got != want || err != nil {
			t.Errorf("%+v: %v, %v", r, got, err)
		}
	}
}

func TestSecretMatchesNothing(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	keys, err := mech.SCRAMSecret(verifier.KindSCRAMSHA256, "pencil", []byte("salt"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		secret verifier.Secret
		err    error
	}{
		{"check only", t.Context(), verifier.Secret{Kind: verifier.KindCheck, Value: []byte("pencil")}, nil},
		{"OTP", t.Context(), verifier.Decoy(verifier.KindOTP), nil},
		{"no value", t.Context(), verifier.Secret{Kind: verifier.KindCRAMMD5}, nil},
		{"no keys", t.Context(), verifier.Secret{Kind: verifier.KindSCRAMSHA1, Value: []byte("x")}, verifier.ErrUnavailable},
		{"context over", over, verifier.Secret{Kind: verifier.KindSCRAMSHA256, Value: keys}, verifier.ErrUnavailable},
	} {
		if got, err := tt.secret.Matches(tt.ctx, verifier.Request{User: "al"}, "pencil"); got || !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
}
