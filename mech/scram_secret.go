package mech

import (
	"context"
	"fmt"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// SCRAMSecret is the secret of one of the SCRAM kinds for a password, with which
// that SCRAM mechanism works, and PLAIN where the store checks passwords against keys, as
// sasldb's does. It prepares the password with SASLprep. The salt must be random, of 1 to
// 1,024 bytes; there are 1 to 10,000,000 iterations, and RFC 7677 section 4 asks
// for 4,096 at least. The error says which of these is out of bounds, or that the kind
// is not of SCRAM. [Secrets] makes salts of its own.
func SCRAMSecret(kind verifier.Kind, password string, salt []byte, iterations int) ([]byte, error) {
	h, ok := scram.ByName(kind.SCRAMName())
	if !ok {
		return nil, fmt.Errorf("mech: SCRAM secret: kind %q is not of SCRAM", kind)
	}
	r, err := scram.New(context.Background(), h, saslprep.Password(password), salt, iterations)
	if err != nil {
		return nil, fmt.Errorf("mech: SCRAM secret: %w", err)
	}
	return r.Pack(), nil
}
