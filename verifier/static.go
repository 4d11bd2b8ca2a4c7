package verifier

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/realm"
)

// Static is a store of passwords in memory: user to password. A key of the form
// "user@realm" is for that realm only; one without a realm is for every realm
// that the server's policy serves. An entry with an empty password lets nobody
// in. A Static must not be changed once it is in use. It prints as REDACTED.
type Static map[string]string

var _ SecretSource = Static(nil)

// Coverage implements SecretSource: every user has a password.
func (s Static) Coverage() Coverage {
	if len(s) == 0 {
		return Coverage{}
	}
	return Declared(KindPassword)
}

// password returns "" if there is no such user. A user of one realm is not
// reached from another: with a realm in the request only a key without '@' is
// for every realm.
func (s Static) password(r *Request) string {
	if r.Realm != "" {
		p, ok := s[realm.Join(r.User, r.Realm)]
		if ok || strings.Contains(r.User, "@") {
			return p
		}
	}
	return s[r.User]
}

// VerifyPassword implements Verifier.
func (s Static) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	if err := ctx.Err(); err != nil {
		return Account{}, err
	}
	var lookup error
	stored := s.password(&r) // not by VerifyStored, which would copy it
	if stored == "" {
		stored, lookup = decoyPassword, ErrNoUser
	}
	match := MatchPassword(password, stored)
	return checked(Account{User: r.User, Realm: r.Realm}, Conclude(lookup, match))
}

// LookupSecret implements SecretSource.
func (s Static) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	if err := ctx.Err(); err != nil {
		return Secret{}, err
	}
	stored := s.password(&r)
	if stored == "" {
		return Secret{}, ErrNoUser
	}
	if !slices.Contains(kinds, KindPassword) {
		return Secret{}, ErrNoSecret
	}
	return Secret{Kind: KindPassword, Value: []byte(stored), Account: Account{User: r.User, Realm: r.Realm}}, nil
}

// Format implements [fmt.Formatter].
func (s Static) Format(f fmt.State, _ rune) { io.WriteString(f, secret.Redacted) }

// LogValue implements [slog.LogValuer].
func (s Static) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }

// MarshalText keeps encoders from writing the passwords.
func (s Static) MarshalText() ([]byte, error) { return []byte(secret.Redacted), nil }
