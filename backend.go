package saslkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// backend is the Exchange as its mechanism's server sees it.
type backend Exchange

var _ mech.Backend = (*backend)(nil)

// resolve cuts a name and remembers it for the log. A name that the realm policy
// refuses is looked up all the same and then refused, so that it costs what any
// unknown user costs.
func (b *backend) resolve(name, realmName string) error {
	user, r, err := b.peer.policy.Split(name)
	if err != nil && user == "" {
		user, r = name, b.peer.policy.Default
	}
	if realmName != "" && !strings.Contains(name, "@") {
		r = realmName
		if !b.peer.policy.Serves(r) {
			err = realm.ErrUnknown
		}
	}
	b.user, b.realm = user, r
	if err != nil {
		return fmt.Errorf("%w: %w", verifier.ErrNoUser, err)
	}
	return nil
}

func (b *backend) request() verifier.Request {
	return verifier.Request{
		User: b.user, Realm: b.realm, Service: b.peer.server.Service, Mechanism: b.row.Name,
		Remote: b.channel.Remote, Local: b.channel.Local,
	}
}

// admit asks the guard, once for an exchange.
func (b *backend) admit(ctx context.Context) error {
	if b.peer.auth.Guard == nil || b.refund != nil {
		return nil
	}
	done, err := b.peer.auth.Guard.Admit(ctx, b.request())
	if err != nil {
		return err
	}
	b.refund = done
	return nil
}

// VerifyPassword implements mech.Backend.
func (b *backend) VerifyPassword(ctx context.Context, name, password string) (verifier.Account, error) {
	policy := b.resolve(name, "")
	if err := b.admit(ctx); err != nil {
		return verifier.Account{}, err
	}
	store := b.peer.auth.passwords()
	account, err := store.VerifyPassword(ctx, b.request(), password)
	switch {
	case !verifier.Answered(err):
		return verifier.Account{}, err
	case policy != nil:
		return verifier.Account{}, policy
	}
	return account, b.strangeRealm(store, err)
}

// LookupSecret implements mech.Backend.
func (b *backend) LookupSecret(ctx context.Context, name, realmName string, kinds []verifier.Kind) (verifier.Secret, error) {
	policy := b.resolve(name, realmName)
	if err := b.admit(ctx); err != nil {
		return verifier.Secret{}, err
	}
	source := b.peer.auth.secrets()
	held, err := source.LookupSecret(ctx, b.request(), kinds...)
	switch {
	case !verifier.Answered(err):
		return verifier.Secret{}, err
	case policy != nil:
		err = policy
	case err == nil && held.Account.User == "":
		return verifier.Secret{}, &verifier.ContractError{Rule: "a secret carries its account"}
	}
	if verifier.Refused(err) {
		held = decoy(source.Coverage(), kinds)
	}
	return held, b.strangeRealm(source, err)
}

// strangeRealm adds to "no such user", for the log, that the store knows nobody in the
// realm: the site's realm policy is then not that of its store.
func (b *backend) strangeRealm(store verifier.Verifier, err error) error {
	if !errors.Is(err, verifier.ErrNoUser) {
		return err
	}
	realms := verifier.CoverageOf(store).Realms
	if len(realms) == 0 || slices.Contains(realms, b.realm) || errors.Is(err, realm.ErrUnknown) || errors.Is(err, realm.ErrAmbiguous) {
		return err
	}
	const most = 5
	more := ""
	if len(realms) > most {
		realms, more = realms[:most], " and others"
	}
	return fmt.Errorf("%w (the store has nobody in the realm %q, but in %q%s)", err, b.realm, realms, more)
}

// VerifyToken implements mech.Backend. That the client names somebody else, or a realm
// that is not served, is for Authorize to refuse, who comes next.
func (b *backend) VerifyToken(ctx context.Context, name, token string) (verifier.Account, error) {
	if name != "" {
		b.resolve(name, "")
	}
	if token != "" { // without one there is nothing to guess
		if err := b.admitToken(ctx, token); err != nil {
			return verifier.Account{}, err
		}
	}
	account, err := b.peer.auth.Tokens.VerifyToken(ctx, b.request(), token)
	if err != nil {
		return verifier.Account{}, err
	}
	return b.tokenAccount(account)
}

// admitToken asks the guard. Who gives no name must not be held up by everybody else
// who gives none: the digest of his token stands for it.
func (b *backend) admitToken(ctx context.Context, token string) error {
	if b.user != "" {
		return b.admit(ctx)
	}
	digest := sha256.Sum256([]byte(token))
	b.user = "token " + hex.EncodeToString(digest[:8])
	defer func() { b.user = "" }()
	return b.admit(ctx)
}

// tokenAccount prepares and cuts the name that a token carries, as if the client had
// sent it.
func (b *backend) tokenAccount(a verifier.Account) (verifier.Account, error) {
	if a.User == "" {
		return verifier.Account{}, &verifier.ContractError{Rule: "success carries a user name"}
	}
	if a.Realm == "" {
		prepared, err := b.peer.auth.Names.Prepare(a.User)
		user, r := "", ""
		if err == nil {
			user, r, err = b.peer.policy.Split(prepared)
		}
		if err != nil {
			return verifier.Account{}, fmt.Errorf("saslkit: the token is of %.200q: %w: %w", a.User, verifier.ErrNoUser, err)
		}
		a.User, a.Realm = user, r
	}
	if b.user == "" {
		b.user, b.realm = a.User, a.Realm
	}
	return a, nil
}

// ReplaceSecret implements mech.Backend.
func (b *backend) ReplaceSecret(ctx context.Context, kind verifier.Kind, change func(stored []byte) ([]byte, error)) error {
	store, ok := verifier.StoreOf(b.peer.auth.secrets())
	if !ok {
		return fmt.Errorf("saslkit: %s cannot be written: %w", verifier.Name(b.peer.auth.secrets()), verifier.ErrUnavailable)
	}
	disabled := false
	err := store.Update(ctx, b.request(), func(e verifier.Entry) (verifier.Entry, error) {
		disabled = e.Disabled
		i := slices.IndexFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == kind })
		if i < 0 {
			return e, verifier.ErrNoSecret
		}
		value, err := change(e.Secrets[i].Value)
		if err != nil {
			return e, err
		}
		e.Secrets = slices.Clone(e.Secrets)
		e.Secrets[i].Value = value
		return e, nil
	})
	if err == nil && disabled {
		return verifier.ErrDisabled
	}
	return err
}

// decoy is a secret that nobody has, of the kind that most users have, so that
// an unknown user costs what a wrong password costs.
func decoy(c verifier.Coverage, kinds []verifier.Kind) verifier.Secret {
	commonest := kinds[0]
	for _, k := range kinds {
		if c.Serving([]verifier.Kind{k}) > c.Serving([]verifier.Kind{commonest}) || !c.Some.Has(commonest) && c.Some.Has(k) {
			commonest = k
		}
	}
	return verifier.Decoy(commonest)
}

// Authorize implements mech.Backend.
func (b *backend) Authorize(ctx context.Context, a verifier.Account, authzid string) (string, error) {
	user, r, err := b.peer.policy.Split(authzid)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", verifier.ErrNotPermitted, err)
	case user == a.User && r == a.Realm:
		return a.User, nil
	case b.peer.auth.Authorizer == nil:
		return "", verifier.ErrNotPermitted
	}
	if err := b.peer.auth.Authorizer.Authorize(ctx, a, user, r); err != nil {
		return "", err
	}
	return realm.Join(user, r), nil
}

// Realms implements mech.Backend.
func (b *backend) Realms() []string { return b.peer.policy.Realms() }

// Binding implements mech.Backend.
func (b *backend) Binding(typ string) ([]byte, bool) {
	if b.channel.Binding == nil {
		return nil, false
	}
	return b.channel.Binding(typ)
}

// Offers implements mech.Backend.
func (b *backend) Offers(m *mech.Mechanism) bool {
	return m != nil && b.peer.auth.decide(m, &b.channel) == factOffered
}

// Named implements mech.Backend.
func (b *backend) Named() (user, realm string) { return b.user, b.realm }

// External implements mech.Backend.
func (b *backend) External() string { return b.channel.External }
