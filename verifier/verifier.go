package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
)

// A Verifier checks passwords. Its methods may be called concurrently and obey
// the context's deadline.
type Verifier interface {
	// VerifyPassword reports whose password it is. The password is prepared
	// with SASLprep where that succeeds; one that this changes and that is
	// refused is asked about once more as it was typed, for hashes of what was
	// typed. It is never empty, holds no NUL and is at most 4,096 bytes of UTF-8
	// (1,024 unless the site raises it).
	//
	// For an unknown user, and for one without a usable secret, it does the
	// same work as for a wrong password. It tells ErrDisabled and ErrExpired
	// only after the right password. An Account without a User is never a
	// success, whatever the error says.
	VerifyPassword(ctx context.Context, r Request, password string) (Account, error)
}

// A SecretSource hands out what it stores, so that challenge-response mechanisms work. Its
// methods may be called concurrently.
type SecretSource interface {
	Verifier

	// Coverage says which kinds of secret the users have. It does no I/O and
	// is cheap enough to be called for every connection.
	Coverage() Coverage

	// LookupSecret returns the first secret of the requested kinds that the
	// user has, trying them in the given order, and the account it belongs
	// to. The caller owns the result.
	//
	// It returns an error matching ErrNoUser when the user does not exist and
	// ErrNoSecret when none of the kinds is held. Where a user's password is held
	// too, a store that others write to may keep SCRAM keys back, for it cannot
	// know whether they are those of the password. For a disabled or expired
	// account it returns the secret together with ErrDisabled or ErrExpired,
	// so that the mechanism can check the proof first: a stranger must not
	// learn which accounts are locked.
	LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error)
}

// A SecretStore can be written: one-time passwords that advance, transition to
// other kinds of secret, password changes.
type SecretStore interface {
	SecretSource

	// Update gives change the user's entry and stores what it returns, in one
	// commit that is durable when Update returns nil. If somebody else wrote
	// meanwhile, change runs again on the new entry, so it must not have side
	// effects. An error of change ends the update and is returned as it is.
	Update(ctx context.Context, r Request, change func(Entry) (Entry, error)) error
}

// An Entry is everything a store holds about one user, all kinds together, so
// that a new password leaves no old one alive under another kind.
type Entry struct {
	Exists   bool     // an entry that change returns without it deletes the user
	Disabled bool     // nobody logs in, and the secrets are kept
	Secrets  []Secret // at most one of each kind
}

// A Request says who asks for what. Names are prepared and already cut: a
// verifier never looks for an '@'.
type Request struct {
	User      string         // authentication identity, 1 to 255 bytes of UTF-8 (1,024 at most where the site raises it)
	Realm     string         // "" if the site has none
	Service   string         // "smtp", "imap", "pop3", "sieve": as in PAM and saslauthd
	Mechanism string         // registered name; "LOGIN" also for any other question about a name and a password, such as IMAP's and saslauthd's; "APOP"
	Remote    netip.AddrPort // of the client; the zero value if unknown
	Local     netip.AddrPort // of the server; the zero value if unknown
}

// An Account is who a request turned out to be: the canonical names, which may
// differ from those asked for (a directory that ignores case, an alias).
type Account struct {
	User       string              // empty is never a success
	Realm      string              // "" if the site has none
	Attributes map[string][]string // what else the store tells about the user; nil for nothing
}

// Errors that verifiers return, usually wrapped with the place.
var (
	// ErrNoUser: there is no such user in this realm.
	ErrNoUser = errors.New("verifier: no such user")
	// ErrNoSecret: the user exists but has no secret of a usable kind.
	ErrNoSecret = errors.New("verifier: user has no secret of a usable kind")
	// ErrWrongPassword: the user exists and this is not the password.
	ErrWrongPassword = errors.New("verifier: wrong password")
	// ErrDisabled: the credential is right, but the account is locked. A
	// Chain asks nobody else.
	ErrDisabled = errors.New("verifier: account is disabled")
	// ErrExpired: the credential is right, but the account or its password
	// has expired. A Chain asks nobody else.
	ErrExpired = errors.New("verifier: account or password has expired")
	// ErrUnavailable: the store could not answer. Never a refusal.
	ErrUnavailable = errors.New("verifier: store is unavailable")
)

// Refused reports whether err is a refusal that must look the same to the peer
// whichever it is: unknown user, wrong password, no usable secret, no good token. An
// error that is also ErrUnavailable is none: temporary trouble is never a refusal.
func Refused(err error) bool {
	if errors.Is(err, ErrUnavailable) {
		return false
	}
	return errors.Is(err, ErrNoUser) || errors.Is(err, ErrWrongPassword) || errors.Is(err, ErrNoSecret) || errors.Is(err, ErrToken)
}

// Terminal reports whether err ends a Chain: disabled and expired accounts must
// not come back to life in the next store.
func Terminal(err error) bool {
	return errors.Is(err, ErrDisabled) || errors.Is(err, ErrExpired)
}

// Answered reports whether a look-up that ended with err told something about the
// user: err is nil, a refusal or terminal. Otherwise the store is in trouble.
func Answered(err error) bool {
	return err == nil || Refused(err) || Terminal(err)
}

// Conclude joins the answer of a look-up, for which Answered holds, with the
// outcome of the comparison that was made with what it brought: the secret or, for
// a refusal, a decoy. Disabled and expired are told after a match only.
func Conclude(lookup error, match bool) error {
	switch {
	case lookup != nil && !Terminal(lookup):
		return lookup
	case !match:
		return ErrWrongPassword
	}
	return lookup
}

// Name says which store v is, for people. A verifier with a String method says
// it as the command line does, "sasldb:/etc/sasldb2"; another is called by its
// type.
func Name(v Verifier) string {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", v)
}

// checked enforces the contract of success on the result of any verifier.
func checked(a Account, err error) (Account, error) {
	if err != nil {
		return Account{}, err
	}
	if a.User == "" {
		return Account{}, errNoName
	}
	return a, nil
}

var (
	errNoName    = &ContractError{Rule: "success carries a user name"}
	errOtherKind = &ContractError{Rule: "a secret is of a kind that was asked for"}
)

// A ContractError says which rule of this package a verifier broke. It matches
// ErrUnavailable, so that the broken verifier lets nobody in and refuses nobody.
type ContractError struct{ Rule string }

// Error returns the rule.
func (e *ContractError) Error() string { return "verifier: contract broken: " + e.Rule }

// Unwrap makes the error match [ErrUnavailable].
func (e *ContractError) Unwrap() error { return ErrUnavailable }
