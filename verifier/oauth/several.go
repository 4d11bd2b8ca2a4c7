package oauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Several is one verifier for the tokens of several issuers. Each of them is believed about
// every user: one who is to speak only for some needs a claim in which he cannot name others.
//
// A token that names its issuer, as a JWT does, is shown to the verifiers whose Checks have
// that Issuer, and to those without an Issuer if there is none of that name. So a provider
// is not shown what another has issued and could be used there. A token that names nobody is
// shown to one after the other until one says yes, or that its scope is not enough: two
// verifiers that ask about such tokens let either provider see those of the other.
//
// If nobody says yes and one could not say, the error matches [verifier.ErrUnavailable];
// else it is the refusal of the first who was asked. Several of none is nil. The verifiers
// remain the caller's to close.
func Several(all ...verifier.TokenVerifier) verifier.TokenVerifier {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &several{all: slices.Clone(all)}
}

type several struct {
	secret.Opaque
	all []verifier.TokenVerifier
}

// String names those that are asked.
func (s *several) String() string {
	var names []string
	for _, v := range s.all {
		name := fmt.Sprintf("%T", v)
		if t, ok := v.(fmt.Stringer); ok {
			name = t.String()
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// VerifyToken implements [verifier.TokenVerifier].
func (s *several) VerifyToken(ctx context.Context, r verifier.Request, token string) (verifier.Account, error) {
	var refusal, trouble error
	for _, v := range s.meant(token) {
		a, err := v.VerifyToken(ctx, r, token)
		var told *verifier.TokenError
		switch {
		case errors.Is(err, verifier.ErrUnavailable):
			trouble = err
		case !errors.As(err, &told) || told.Status == verifier.TokenInsufficient:
			return a, err
		case refusal == nil:
			refusal = err
		}
	}
	switch {
	case trouble != nil:
		return verifier.Account{}, trouble
	case refusal == nil:
		return verifier.Account{}, checksOf(s.all[0]).invalid("the token was issued by %.200q, about whom nobody is asked", issuerOf(token))
	}
	return verifier.Account{}, refusal
}

// meant are those who are shown the token.
func (s *several) meant(token string) []verifier.TokenVerifier {
	issuer := issuerOf(token)
	if issuer == "" {
		return s.all
	}
	of := func(issuer string) (some []verifier.TokenVerifier) {
		for _, v := range s.all {
			if checksOf(v).Issuer == issuer {
				some = append(some, v)
			}
		}
		return some
	}
	if some := of(issuer); some != nil {
		return some
	}
	return of("")
}

// checksOf are those of a verifier of this package; none of another's.
func checksOf(v verifier.TokenVerifier) *Checks {
	switch v := v.(type) {
	case *JWT:
		return &v.checks
	case *Introspection:
		return &v.checks
	}
	return new(Checks)
}

// issuerOf is whom a token names as its issuer, which nobody has proven; "" for a token
// that is no signed JWT, is too long for one, or names nobody.
func issuerOf(token string) string {
	if len(token) > maxToken {
		return ""
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	said, err := parseClaims(payload)
	if err != nil {
		return ""
	}
	return said.issuer
}
