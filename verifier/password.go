package verifier

import (
	"context"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/secret"
)

// MatchPassword reports whether the presented password, prepared as
// Verifier.VerifyPassword says, is the stored one. The stored one is prepared
// too (RFC 4616 section 2), or compared as it is where preparation refuses it.
// An empty password matches nothing, on either side. Where they differ does not
// show in the time; that the stored one is not ASCII may.
func MatchPassword[S ~string | ~[]byte](presented string, stored S) bool {
	if presented == "" || len(stored) == 0 {
		return false
	}
	if !saslprep.IsPrintableASCII(stored) {
		return secret.Equal(presented, saslprep.Password(string(stored)))
	}
	return secret.Equal(presented, stored)
}

// VerifyStored is VerifyPassword for a SecretSource whose password checks are
// comparisons with KindPassword. It makes one look-up and one comparison,
// whoever asks. A secret of another kind is not taken for a password.
func VerifyStored(ctx context.Context, s SecretSource, r Request, password string) (Account, error) {
	held, err := s.LookupSecret(ctx, r, KindPassword)
	if !Answered(err) {
		return Account{}, err
	}
	if err != nil && !Terminal(err) {
		held = Decoy(KindPassword)
	}
	match := MatchPassword(password, held.Value)
	if held.Kind != KindPassword && len(held.Value) > 0 {
		return Account{}, errOtherKind
	}
	return checked(held.Account, Conclude(err, match))
}
