package verifier

import (
	"context"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
)

// MatchPassword reports whether the presented password, prepared as
// [Verifier.VerifyPassword] says, is the stored one. The stored one is prepared
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

// Matches reports whether s was made of a password, prepared as
// [Verifier.VerifyPassword] says: the password itself, or what is kept in its place for
// CRAM-MD5, DIGEST-MD5, NTLM and SCRAM. A DIGEST-MD5 hash is of the user and realm of r as
// well. SCRAM keys cost as many iterations as they were made with, which end with the
// context: a caller limits how many are computed at a time. What can only be checked,
// and an OTP series, match nothing.
//
// The errors match ErrUnavailable: the context has ended, or the value has not the
// form of its kind.
func (s Secret) Matches(ctx context.Context, r Request, password string) (bool, error) {
	switch {
	case password == "", strings.IndexByte(password, 0) >= 0: // HMAC pads its key with NUL
		return false, nil
	case s.Kind == KindPassword:
		return MatchPassword(password, s.Value), nil
	case s.Kind == KindCRAMMD5:
		return secret.Equal(md5secret.CRAMMD5(password), s.Value), nil
	case s.Kind == KindDIGESTMD5:
		return s.matchesDIGESTMD5(r, password), nil
	case s.Kind == KindNTHash:
		hash, ok := ntlm.Hash(password)
		return secret.Equal(hash, s.Value) && ok, nil
	case s.Kind.IsSCRAM():
		return s.matchesSCRAM(ctx, password)
	}
	return false, nil
}

// matchesDIGESTMD5 tries both encodings in use: RFC 2831 wants ISO 8859-1 where it
// suffices, and Dovecot hashes UTF-8.
func (s Secret) matchesDIGESTMD5(r Request, password string) bool {
	whole := md5secret.DIGESTMD5(r.User, r.Realm, password)
	user, _ := md5secret.Latin1(r.User)
	realm, _ := md5secret.Latin1(r.Realm)
	password, _ = md5secret.Latin1(password)
	latin := md5secret.DIGESTMD5(user, realm, password)
	first, second := secret.Equal(whole[:], s.Value), secret.Equal(latin[:], s.Value)
	return first || second
}

func (s Secret) matchesSCRAM(ctx context.Context, password string) (bool, error) {
	held, err := scram.Unpack(s.Kind.scramHash(), s.Value)
	if err != nil {
		return false, fmt.Errorf("verifier: %w: %w", ErrUnavailable, err)
	}
	made, err := scram.New(ctx, held.Hash, password, held.Salt, held.Iterations)
	if err != nil {
		return false, fmt.Errorf("verifier: %w: %w", ErrUnavailable, err)
	}
	return secret.Equal(made.StoredKey, held.StoredKey), nil
}
