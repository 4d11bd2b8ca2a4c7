package verifier

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/realm"
)

// Static is a store of passwords in memory: user to password. A key of the form
// "user@realm" is for that realm only; one without a realm is for every realm
// that the server's policy serves. It must not be changed once it is in use. It
// prints as REDACTED.
type Static map[string]string

var _ SecretSource = Static(nil)

// Coverage implements SecretSource: a password for everybody who has one that
// is not empty.
func (s Static) Coverage() Coverage {
	if len(s) == 0 {
		return Coverage{}
	}
	return Coverage{Some: passwordKinds, All: passwordKinds, Users: len(s)}
}

var passwordKinds = KindsOf(KindPassword)

func (s Static) password(r Request) (string, bool) {
	if r.Realm != "" {
		if p, ok := s[realm.Join(r.User, r.Realm)]; ok {
			return p, true
		}
	}
	p, ok := s[r.User]
	return p, ok
}

// VerifyPassword implements Verifier.
func (s Static) VerifyPassword(_ context.Context, r Request, password string) (Account, error) {
	stored, ok := s.password(r)
	if !ok {
		stored = decoy
	}
	match := MatchPassword(password, stored)
	switch {
	case !ok:
		return Account{}, ErrNoUser
	case !match:
		return Account{}, ErrWrongPassword
	}
	return checked(Account{User: r.User, Realm: r.Realm}, nil)
}

// LookupSecret implements SecretSource.
func (s Static) LookupSecret(_ context.Context, r Request, kinds ...Kind) (Secret, error) {
	stored, ok := s.password(r)
	if !ok {
		return Secret{}, ErrNoUser
	}
	if stored == "" || !slices.Contains(kinds, KindPassword) {
		return Secret{}, ErrNoSecret
	}
	return Secret{Kind: KindPassword, Value: []byte(stored), Account: Account{User: r.User, Realm: r.Realm}}, nil
}

// Format implements fmt.Formatter.
func (s Static) Format(f fmt.State, _ rune) { io.WriteString(f, secret.Redacted) }

// LogValue implements slog.LogValuer.
func (s Static) LogValue() slog.Value { return slog.StringValue(secret.Redacted) }
