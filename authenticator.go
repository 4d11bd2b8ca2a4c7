package saslkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/absent"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// An Authenticator is the configuration of logins: where credentials are, what
// is permitted, what is logged. It is shared by connections, services and
// tenants, and must not be changed while it is in use. The zero Policy is safe.
// Call [Authenticator.Validate] at start. It prints as REDACTED, for it keeps keys.
type Authenticator struct {
	secret.Opaque

	// Verifier checks the passwords of PLAIN and LOGIN: Cyrus's pwcheck_method.
	// Nil: Secrets does.
	Verifier verifier.Verifier
	// Secrets serves the challenge-response mechanisms: Cyrus's auxprop. Nil:
	// the Verifier does, if it is a SecretSource.
	Secrets verifier.SecretSource
	// Tokens serves the mechanisms with bearer tokens; nil for none.
	Tokens verifier.TokenVerifier
	// GSS is for Kerberos mechanisms, of which this version has none; nil.
	GSS verifier.GSSAcceptor
	// Authorizer decides who may act as somebody else; nil: nobody.
	Authorizer verifier.Authorizer
	// Guard throttles guessing; nil: unlimited.
	Guard verifier.Guard

	// Mechanisms is the site's mech_list: these alone, in this order. Nil or empty: every
	// mechanism that can serve all users, strongest first, but not those that
	// must be asked for by name (ANONYMOUS, CRAM-MD5, DIGEST-MD5, NTLM, OTP). APOP, which
	// is a command of POP3, can be named too: see [Peer.APOP].
	Mechanisms []string
	// Policy says which properties a mechanism must have, in the clear and
	// under TLS.
	Policy mech.Policy
	// Layers are the security layers that may be negotiated in the clear, by hosts that
	// put them on with [Exchange.Layer]: minimum_layer and maximum_layer of Cyrus SASL.
	// Mechanisms that cannot have one of Layers.Min are offered under TLS only. The
	// zero value: none.
	Layers mech.Layers
	// NonceLife lets a client of DIGEST-MD5 log in again with the nonce of a login for
	// so long, which saves it a message: Cyrus's reauth_timeout. 0: never; at most 24
	// hours. MaxNonces bounds how many are remembered: 0 means 1,000.
	NonceLife time.Duration
	MaxNonces int
	// Limits bound names and passwords.
	Limits mech.Limits
	// Names is how names are prepared; zero: SASLprep. Accounts were made with
	// the same, by its method Prepare.
	Names mech.NameProfile
	// DecoyKey is a secret of 16 bytes or more from which SCRAM makes the salts of
	// users whose keys are not stored and of names that nobody has, and OTP what it
	// asks of those who have no series. It should be the same on all servers of a site
	// and after a restart, or these change and what is stored does not, which tells who
	// exists. Nil: one is made up.
	DecoyKey Key
	// DerivedIterations is the count that goes with these salts: 4,096 to 1,000,000;
	// 0 means 4,096. A site most of whose users have stored keys sets it to the
	// count of those, 10,000 if they are ours.
	DerivedIterations int
	// AnonymousUser is who used ANONYMOUS; "" means "anonymous".
	AnonymousUser string
	// AllowNTLMv1 lets clients of NTLM answer with version 1, from which a listener
	// has the NT hash within a day. For the oldest of clients, and under TLS.
	AllowNTLMv1 bool

	// Logger gets one record for each login that ended or was turned away; nil:
	// none.
	Logger *slog.Logger
	// Observer gets the same as data, for metrics; nil: none. It is called on
	// the connection's goroutine, so concurrently, and the login waits for it.
	Observer func(Event)

	derivation     *mech.Derivation
	derivationOnce sync.Once
	nonces         *mech.Nonces
	noncesOnce     sync.Once
	unmappedOnce   sync.Once
}

// warnUnmapped says once that a host of go-sasl gets errors that it does not know.
func (a *Authenticator) warnUnmapped(ctx context.Context) {
	if a.Logger == nil {
		return
	}
	a.unmappedOnce.Do(func() {
		a.Logger.WarnContext(ctx, "saslkit: PeerConfig.MapError is not set: go-smtp answers every failure with 454, go-imap with SERVERBUG")
	})
}

// usedNonces is what all connections share for DIGEST-MD5; nil if that is off, or
// configured wrongly.
func (a *Authenticator) usedNonces() *mech.Nonces {
	a.noncesOnce.Do(func() { a.nonces, _ = mech.NewNonces(a.NonceLife, a.MaxNonces) })
	return a.nonces
}

// scram is what all connections share for SCRAM; nil, which makes it unavailable, if
// it is configured wrongly.
func (a *Authenticator) scram() *mech.Derivation {
	a.derivationOnce.Do(func() { a.derivation, _ = mech.NewDerivation(a.DecoyKey, a.DerivedIterations) })
	return a.derivation
}

// passwords is the slot that checks passwords.
func (a *Authenticator) passwords() verifier.Verifier {
	if a.Verifier == nil && a.Secrets != nil {
		return a.Secrets
	}
	return a.Verifier
}

// secrets is the slot that hands out secrets; nil if there is none.
func (a *Authenticator) secrets() verifier.SecretSource {
	if a.Secrets != nil {
		return a.Secrets
	}
	s, _ := verifier.SourceOf(a.Verifier)
	return s
}

// named reports whether the site has a mech_list and whether m is on it. SCRAM-SHA-1
// names SCRAM-SHA-1-PLUS as well, as with Cyrus: the same secrets, and safer.
func (a *Authenticator) named(m *mech.Mechanism) (list, named bool) {
	if len(a.Mechanisms) == 0 {
		return false, false
	}
	return true, mech.Listed(a.Mechanisms, m.Name) || m.Binds && mech.Listed(a.Mechanisms, m.WithoutBinding())
}

// offerable returns the rows to decide about, in the order to advertise.
func (a *Authenticator) offerable() []*mech.Mechanism {
	if len(a.Mechanisms) == 0 {
		return mech.All()
	}
	rows := make([]*mech.Mechanism, 0, len(a.Mechanisms))
	for _, name := range a.Mechanisms {
		m := mech.ByName(name)
		if m != nil && m.Plus != nil && !slices.Contains(rows, m.Plus) {
			rows = append(rows, m.Plus)
		}
		if m != nil && !slices.Contains(rows, m) {
			rows = append(rows, m)
		}
	}
	return rows
}

// Advertised lists the mechanisms to offer on such a channel, in order; nil if there are
// none. Every one of them can succeed for a user that the coverage promises. The caller
// owns the slice.
func (a *Authenticator) Advertised(ch Channel) []string {
	var names []string
	for _, m := range a.offerable() {
		if a.decide(m, &ch) == factOffered {
			names = append(names, m.Name)
		}
	}
	return names
}

// Validate says what contradicts itself in the configuration: a mechanism that
// is named and unknown, that no store can serve, or that the policy forbids
// everywhere; nothing that could be offered at all; a field that holds a nil pointer, or
// a verifier made of one ([verifier.Validate]). The error names everything that
// was found, each with its reason, on a line of its own. What is merely unwise is logged
// as a warning.
func (a *Authenticator) Validate() error {
	if err := a.missing(); err != nil {
		return err // nothing else can be asked
	}
	var faults []error
	if _, err := mech.NewDerivation(a.DecoyKey, a.DerivedIterations); err != nil {
		faults = append(faults, fmt.Errorf("saslkit: DecoyKey or DerivedIterations: %w", err))
	}
	if err := a.Layers.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("saslkit: Layers: %w", err))
	}
	if _, err := mech.NewNonces(a.NonceLife, a.MaxNonces); err != nil && a.NonceLife != 0 {
		faults = append(faults, fmt.Errorf("saslkit: NonceLife or MaxNonces: %w", err))
	}
	if a.passwords() == nil && a.Tokens == nil && a.GSS == nil && len(a.Mechanisms) == 0 {
		return errors.New("saslkit: no verifier is configured")
	}
	for _, name := range a.Mechanisms {
		if mech.ByName(name) == nil && !mech.SameName(name, mech.APOP.Name) {
			faults = append(faults, fmt.Errorf("saslkit: mech_list names %q, which does not exist here (known: %s)", name, knownNames()))
		}
	}
	offered := 0
	rows := a.offerable()
	if _, named := a.named(mech.APOP); named {
		rows = append(rows, mech.APOP)
	}
	for _, m := range rows {
		fault, ok := a.validate(m)
		if fault != nil {
			faults = append(faults, fault)
		}
		if ok {
			offered++
		}
	}
	if offered == 0 && len(faults) == 0 {
		faults = append(faults, fmt.Errorf("saslkit: no mechanism can be offered on any channel: %s", a.slots()))
	}
	return errors.Join(faults...)
}

// missing says which fields are set to nothing. Those that are nil are not set.
func (a *Authenticator) missing() error {
	var faults []error
	for _, f := range []struct {
		name string
		v    verifier.Verifier
	}{{"Verifier", a.Verifier}, {"Secrets", a.Secrets}} {
		if f.v == nil {
			continue
		}
		if err := verifier.Validate(f.v); err != nil {
			faults = append(faults, fmt.Errorf("saslkit: %s: %w", f.name, err))
		}
	}
	for _, f := range []struct {
		name string
		v    any
	}{{"Tokens", a.Tokens}, {"GSS", a.GSS}, {"Authorizer", a.Authorizer}, {"Guard", a.Guard}} {
		if f.v != nil && absent.Is(f.v) {
			faults = append(faults, fmt.Errorf("saslkit: %s: a nil %T (was the error of what makes it overlooked?)", f.name, f.v))
		}
	}
	return errors.Join(faults...)
}

// validate looks at one row on the best channel there could be.
func (a *Authenticator) validate(m *mech.Mechanism) (fault error, ok bool) {
	best := Channel{Secure: true, External: "somebody", bindable: someBinding}
	decisive := a.decide(m, &best)
	ok = decisive == factOffered || a.decide(m, &Channel{External: "somebody"}) == factOffered
	_, named := a.named(m)
	switch {
	case !named && m.Need == mech.NeedExternal:
		return nil, false // it depends on the client's certificate: nothing to rely on
	case named && !mech.Listed(a.Mechanisms, m.Name):
		return nil, ok // a -PLUS that nobody wrote: what is to be said the other row says
	case named && !ok:
		return fmt.Errorf("saslkit: mech_list names %s, but %s", m.Name, a.explain(m, &best, decisive)), false
	case ok && a.Logger != nil && m.Secrets != nil:
		if c, _ := a.coverage(m); !c.ServesAll(m.Secrets) {
			a.Logger.Warn("saslkit: " + m.Name + " " + partly(m, c))
		}
	}
	return nil, ok
}

func knownNames() string {
	var names []string
	for _, m := range mech.All() {
		names = append(names, m.Name)
	}
	return strings.Join(names, " ")
}
