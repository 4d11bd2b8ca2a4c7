package verifier

import (
	"context"
)

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
