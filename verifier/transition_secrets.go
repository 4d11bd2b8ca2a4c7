package verifier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
)

// The counts of iterations of SCRAM keys that are stored: RFC 7677 asks for 4,096, and
// clients give up somewhere above.
const (
	leastIterations = 4096
	copyIterations  = 10_000
	mostIterations  = 1_000_000
	copySalt        = 16 // bytes
)

// errUnmade: there is a password that nothing can be made of, which a verifier may
// accept for all that.
var errUnmade = errors.New("verifier: transition: nothing is left of the password when it is prepared")

// makeable reports whether a secret of the kind can be made of a password alone.
func (k Kind) makeable() bool {
	return k == KindPassword || k == KindCRAMMD5 || k == KindDIGESTMD5 || k.IsSCRAM()
}

// secretsOf makes secrets of a password that has been checked, of makeable kinds. It
// was perhaps typed in a form that SASLprep changes, and other clients will not send
// it so.
func secretsOf(ctx context.Context, r Request, password string, kinds []Kind, iterations int) ([]Secret, error) {
	password = saslprep.Password(password)
	if password == "" {
		return nil, errUnmade
	}
	var made []Secret
	for _, k := range kinds {
		value, err := k.made(ctx, r, password, iterations)
		if err != nil {
			return nil, err
		}
		made = append(made, Secret{Kind: k, Value: value, Account: Account{User: r.User, Realm: r.Realm}})
	}
	return made, nil
}

func (k Kind) made(ctx context.Context, r Request, password string, iterations int) ([]byte, error) {
	switch k {
	case KindPassword:
		return []byte(password), nil
	case KindCRAMMD5:
		return md5secret.CRAMMD5(password), nil
	case KindDIGESTMD5:
		// RFC 2831 section 2.1.2.1: in ISO 8859-1 what fits into it.
		user, _ := md5secret.Latin1(r.User)
		realm, _ := md5secret.Latin1(r.Realm)
		password, _ = md5secret.Latin1(password)
		hash := md5secret.DIGESTMD5(user, realm, password)
		return hash[:], nil
	}
	salt := make([]byte, copySalt)
	rand.Read(salt)
	keys, err := scram.New(ctx, k.scramHash(), password, salt, iterations)
	if err != nil {
		return nil, fmt.Errorf("verifier: %w: %w", ErrUnavailable, err)
	}
	return keys.Pack(), nil
}
