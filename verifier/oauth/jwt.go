package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/saslkit/saslkit/verifier"
)

// JWTOptions say whose signatures are believed, and which tokens are good here.
type JWTOptions struct {
	// Checks must have an Issuer and an audience.
	Checks
	// Keys is where the issuer's public keys are, a JWK set (RFC 7517): a file, which is
	// read again when it changes, or an https URL (http on a loopback address). What a URL
	// returned is used for 15 minutes, and for 24 hours while nobody answers; it is
	// asked sooner for a key that is new.
	Keys string
	// Algorithms are those that are believed. Nil: RS256, PS256, ES256 and EdDSA with
	// their longer relatives. Never one with a shared secret, nor none.
	Algorithms []string
	// TLS is for https; nil: the authorities of the system.
	TLS *tls.Config
}

// signatures are the algorithms that there are (RFC 7518 section 3.1, RFC 8037): those
// with a public key.
var signatures = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// JWT checks tokens that are signed (RFC 7519, RFC 9068), without asking anybody about
// them: one that was revoked is good until it expires. Tokens have at most 16 KiB. It may
// be used concurrently.
type JWT struct {
	checks     Checks
	algorithms []jose.SignatureAlgorithm
	source     keySource
	where      string
	now        func() time.Time
}

var _ verifier.TokenVerifier = (*JWT)(nil)

// NewJWT checks the options. A file with keys must be there; a URL is asked when the
// first token comes. The error says which option is missing or not understood.
func NewJWT(o JWTOptions) (*JWT, error) {
	v := &JWT{checks: o.Checks, algorithms: signatures, where: o.Keys, now: time.Now}
	switch {
	case o.Issuer == "":
		return nil, errors.New("oauth: jwt: Issuer is missing")
	case len(o.Audiences) == 0 || slices.Contains(o.Audiences, ""):
		return nil, errors.New("oauth: jwt: Audiences is missing, or one of them is empty: tokens for other services would be good here")
	}
	if o.Algorithms != nil {
		v.algorithms = nil
		for _, name := range o.Algorithms {
			a := jose.SignatureAlgorithm(name)
			if !slices.Contains(signatures, a) {
				return nil, fmt.Errorf("oauth: jwt: no algorithm %q (known: %s)", name, knownSignatures())
			}
			v.algorithms = append(v.algorithms, a)
		}
	}
	var err error
	if v.source, err = newSource(o); err != nil {
		return nil, err
	}
	return v, nil
}

func newSource(o JWTOptions) (keySource, error) {
	if !strings.Contains(o.Keys, "://") {
		f, err := openKeyFile(o.Keys)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	e, err := newEndpoint("jwt: keys", o.Keys, o.TLS)
	if err != nil {
		return nil, err
	}
	return newKeyServer(e), nil
}

func knownSignatures() string {
	var names []string
	for _, a := range signatures {
		names = append(names, string(a))
	}
	return strings.Join(names, " ")
}

// String says where the keys are.
func (v *JWT) String() string { return "jwt:" + v.where }

// Close ends a question for keys that is under way.
func (v *JWT) Close() error {
	v.source.close()
	return nil
}

// VerifyToken implements [verifier.TokenVerifier]. A refusal is a *[verifier.TokenError]
// with the scopes and the configuration of the [Checks]; that there are no keys to check
// the signature with matches [verifier.ErrUnavailable].
func (v *JWT) VerifyToken(ctx context.Context, _ verifier.Request, token string) (verifier.Account, error) {
	if err := v.checks.sized(token); err != nil {
		return verifier.Account{}, err
	}
	signed, err := jose.ParseSignedCompact(token, v.algorithms)
	if err != nil { // whose text may repeat the token
		return verifier.Account{}, v.checks.invalid("no JWT with a signature of a permitted algorithm")
	}
	payload, err := v.payload(ctx, signed)
	if err != nil {
		return verifier.Account{}, err
	}
	said, err := v.good(payload)
	if err != nil {
		return verifier.Account{}, err
	}
	return v.checks.account(&said, "sub")
}

// good says what a token says that is for us and for now. It must say when it expires.
func (v *JWT) good(payload []byte) (claims, error) {
	said, err := parseClaims(payload)
	switch {
	case err != nil:
		return claims{}, v.checks.invalid("the token: %v", err)
	case said.expires.IsZero():
		return claims{}, v.checks.invalid("the token does not expire")
	}
	if err := v.checks.fits(&said, v.now()); err != nil {
		return claims{}, err
	}
	return said, nil
}

// payload returns what the token says if its signature is right. If its key is not known,
// and it looks like one of ours, the issuer may have a new one.
func (v *JWT) payload(ctx context.Context, signed *jose.JSONWebSignature) ([]byte, error) {
	keys, err := v.source.keys(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := keys.payload(signed)
	if errors.Is(err, errNoKey) {
		if _, err := v.good(signed.UnsafePayloadWithoutVerification()); err != nil {
			return nil, err
		}
		if keys, err = v.source.renewed(ctx); err != nil {
			return nil, err
		}
		payload, err = keys.payload(signed)
	}
	if err != nil {
		return nil, v.checks.invalid("the token: %v", err)
	}
	return payload, nil
}
