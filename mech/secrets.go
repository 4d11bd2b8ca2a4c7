package mech

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/verifier"
)

// NewIterations is the count of new SCRAM keys where none is given: what Cyrus's own
// clients take (at most 65,536), RFC 7677 asks for (at least 4,096) and a client computes
// in a few milliseconds.
const NewIterations = 10_000

const newSaltSize = 16 // bytes

// SCRAMKinds returns the kinds of SCRAM keys to store for a user: those of the
// mechanisms that are offered without being named.
func SCRAMKinds() []verifier.Kind {
	return slices.DeleteFunc(verifier.SCRAMKinds(), func(k verifier.Kind) bool {
		return ByName(k.SCRAMName()).OnlyIfNamed
	})
}

// Errors of [Secrets]. That SASLprep refuses the password is an error that says
// where and why.
var (
	// ErrEmptyPassword: nothing is left of the password once it is prepared.
	ErrEmptyPassword = errors.New("mech: password is empty")
	// ErrLongPassword: the password has more bytes than a server can take.
	ErrLongPassword = fmt.Errorf("mech: password has more than %d bytes", maxPasswordLimit)
	// ErrNoKinds: no secret of the kinds can be made from a password.
	ErrNoKinds = errors.New("mech: no secret of these kinds can be made from a password")
)

// Secrets makes the secrets of a user from a new password, one of each kind, for
// the [verifier.Entry] that a [verifier.SecretStore] stores:
//
//	e.Exists = true
//	e.Secrets, err = mech.Secrets(user, realm, password, kinds...)
//
// They replace all that the user had, so that no old password stays alive under
// another kind. Kinds that cannot be made from a password are left out for the
// same reason.
//
// The password is prepared with SASLprep as one to be stored (RFC 4013 with RFC
// 3454 section 7). User and realm are prepared already. Each call makes new salts
// and seeds; it takes some ten milliseconds for each SCRAM kind. The caller owns the
// result.
func Secrets(user, realm, password string, kinds ...verifier.Kind) ([]verifier.Secret, error) {
	return SecretOptions{}.Secrets(user, realm, password, kinds...)
}

// SecretOptions say how secrets are made. The zero value is what Secrets does.
type SecretOptions struct {
	// Iterations is the count of SCRAM keys: 4,096 to 1,000,000, or 0 for 10,000.
	// Our own clients take no other.
	Iterations int
	// OTPHash is that of new series of one-time passwords: "md4", "md5" or "sha1", as
	// for [OTPSecretBy]; "" is md5.
	OTPHash string
}

// Validate says what is out of bounds. That of Iterations matches [ErrIterations].
func (o SecretOptions) Validate() error {
	if o.Iterations != 0 && (o.Iterations < MinIterations || o.Iterations > MaxIterations) {
		return ErrIterations
	}
	_, err := o.otpHash()
	return err
}

func (o SecretOptions) otpHash() (otp.Hash, error) {
	if o.OTPHash == "" {
		return otp.MD5, nil
	}
	return otpHashNamed(o.OTPHash)
}

// ErrIterations: there are too few iterations, or more than clients compute.
var ErrIterations = fmt.Errorf("mech: SCRAM keys have %d to %d iterations", MinIterations, MaxIterations)

// Secrets is the function [Secrets] with options. The error can be that of Validate too.
func (o SecretOptions) Secrets(user, realm, password string, kinds ...verifier.Kind) ([]verifier.Secret, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Iterations == 0 {
		o.Iterations = NewIterations
	}
	phrase := password // what OTP computes with is not prepared
	password, err := newPassword(password)
	if err != nil {
		return nil, err
	}
	var secrets []verifier.Secret
	for _, kind := range kinds {
		if slices.ContainsFunc(secrets, func(s verifier.Secret) bool { return s.Kind == kind }) {
			continue
		}
		from := password
		if kind == verifier.KindOTP {
			from = phrase
		}
		value, err := o.newSecret(kind, user, realm, from)
		if err != nil {
			return nil, err
		}
		if value != nil {
			secrets = append(secrets, verifier.Secret{Kind: kind, Value: value, Account: verifier.Account{User: user, Realm: realm}})
		}
	}
	if secrets == nil {
		return nil, ErrNoKinds
	}
	return secrets, nil
}

// newPassword checks and prepares a password that is to be stored.
func newPassword(password string) (string, error) {
	if len(password) > maxPasswordLimit {
		return "", ErrLongPassword
	}
	prepared, err := saslprep.Stored(password)
	switch {
	case err != nil:
		return "", fmt.Errorf("mech: password: %w", err)
	case prepared == "":
		return "", ErrEmptyPassword
	case len(prepared) > maxPasswordLimit: // preparing can make it longer
		return "", ErrLongPassword
	}
	return prepared, nil
}

// newSecret returns nil for a kind that cannot be made.
func (o SecretOptions) newSecret(kind verifier.Kind, user, realm, password string) ([]byte, error) {
	switch kind {
	case verifier.KindPassword:
		return []byte(password), nil
	case verifier.KindCRAMMD5:
		return CRAMMD5Secret(password), nil
	case verifier.KindDIGESTMD5:
		return DIGESTMD5Secret(user, realm, password), nil
	case verifier.KindOTP:
		hash, err := o.otpHash()
		if err != nil {
			return nil, err
		}
		return newOTPSeries(hash, password), nil
	case verifier.KindNTHash:
		return NTLMSecret(password), nil
	}
	if !kind.IsSCRAM() {
		return nil, nil
	}
	salt := make([]byte, newSaltSize)
	rand.Read(salt)
	return SCRAMSecret(kind, password, salt, o.Iterations)
}
