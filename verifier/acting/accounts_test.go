package acting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A checker only checks passwords.
type checker struct{ verifier.Verifier }

func TestAccounts(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory(
		verifiertest.User{Name: "alice", Realm: "example.com", Password: "secret"},
		verifiertest.User{Name: "bob", Realm: "example.com", Password: "secret"},
		verifiertest.User{Name: "locked", Realm: "example.com", Password: "secret", Disabled: true},
		verifiertest.User{Name: "old", Realm: "example.com", Password: "secret", Expired: true},
		verifiertest.User{Name: "bare", Realm: "example.com"}, // without a secret
	)
	rules := parse(t, home, "alice sales locked", "root *")
	for _, tt := range []struct {
		name, who, whom string
		want, known     error // without and with Known
	}{
		{"an account", "root", "bob", nil, nil},
		{"an account without a secret", "root", "bare", nil, nil},
		{"no account", "root", "bbo", nil, verifier.ErrNotPermitted},
		{"no account, by name", "alice", "sales", nil, verifier.ErrNotPermitted},
		{"disabled", "root", "locked", verifier.ErrNotPermitted, verifier.ErrNotPermitted},
		{"disabled, by name", "alice", "locked", verifier.ErrNotPermitted, verifier.ErrNotPermitted},
		{"expired", "root", "old", verifier.ErrNotPermitted, verifier.ErrNotPermitted},
		{"no rule", "alice", "bob", verifier.ErrNotPermitted, verifier.ErrNotPermitted},
	} {
		for _, known := range []bool{false, true} {
			want := tt.want
			if known {
				want = tt.known
			}
			c := &Accounts{Rules: rules, Store: verifier.Chain(checker{store}, store), Known: known}
			err := c.Authorize(t.Context(), verifier.Account{User: tt.who, Realm: "example.com"}, tt.whom, "example.com")
			if !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("%s: %v, want %v", tt.name, err, want)
			}
			// It is not the user who logs in that is disabled or unknown.
			if err != nil && mech.AsError(err).Class != mech.NotPermitted {
				t.Errorf("%s: class %v", tt.name, mech.AsError(err).Class)
			}
		}
	}
}

// A binder has nobody's secret, whoever it is asked for.
type binder struct{ verifier.SecretSource }

func (binder) LookupSecret(context.Context, verifier.Request, ...verifier.Kind) (verifier.Secret, error) {
	return verifier.Secret{}, fmt.Errorf("binder: %w", verifier.ErrNoSecret)
}

// A store that says of everybody that he has no secret does not know who exists.
func TestAccountsIndistinct(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory(
		verifiertest.User{Name: "bob", Realm: "example.com", Password: "secret"},
		verifiertest.User{Name: "bare", Realm: "example.com"},
	)
	rules := parse(t, home, "root *")
	for _, tt := range []struct {
		name  string
		store verifier.SecretSource
		whom  string
		want  bool // with Known; without, everybody is allowed
	}{
		{"alone", binder{store}, "bob", false},
		{"in a chain, with a secret elsewhere", verifier.Chain(binder{store}, store), "bob", true},
		{"in a chain, without one", verifier.Chain(store, binder{store}), "bare", false},
		{"in a chain, unknown", verifier.Chain(store, binder{store}), "bbo", false},
	} {
		for _, known := range []bool{false, true} {
			c := &Accounts{Rules: rules, Store: tt.store, Known: known}
			err := c.Authorize(t.Context(), verifier.Account{User: "root", Realm: "example.com"}, tt.whom, "example.com")
			if want := tt.want || !known; (err == nil) != want || err != nil && mech.AsError(err).Class != mech.NotPermitted {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}

// Trouble is no refusal, and without a rule nobody is asked.
func TestAccountsTrouble(t *testing.T) {
	t.Parallel()
	rules := parse(t, home, "root *")
	root := verifier.Account{User: "root", Realm: "example.com"}
	for _, trouble := range []error{verifier.ErrUnavailable, context.DeadlineExceeded, errors.New("disk on fire"), fmt.Errorf("%w: %w", verifier.ErrUnavailable, verifier.ErrNoUser)} {
		asked := 0
		c := &Accounts{Rules: rules, Known: true, Store: verifier.Passwords(func(context.Context, verifier.Request) (string, error) {
			asked++
			return "", trouble
		})}
		if err := c.Authorize(t.Context(), root, "bob", "example.com"); !errors.Is(err, verifier.ErrUnavailable) || mech.AsError(err).Class != mech.Unavailable {
			t.Errorf("%v: %v", trouble, err)
		}
		before := asked
		if err := c.Authorize(t.Context(), verifier.Account{User: "eve", Realm: "example.com"}, "bob", "example.com"); !errors.Is(err, verifier.ErrNotPermitted) || asked != before {
			t.Errorf("without a rule: %v, asked %d times", err, asked-before)
		}
	}
}

// What is asked is about whom to act as, by names that are cut.
func TestAccountsRequest(t *testing.T) {
	t.Parallel()
	var got []verifier.Request
	c := &Accounts{Rules: parse(t, home, "root *"), Store: verifier.Passwords(func(_ context.Context, r verifier.Request) (string, error) {
		got = append(got, r)
		return "secret-canary", nil
	})}
	if err := c.Authorize(t.Context(), verifier.Account{User: "root", Realm: "example.com"}, "bob", "example.org"); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != (verifier.Request{User: "bob", Realm: "example.org"}) {
		t.Errorf("%+v", got)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, *c); strings.Contains(text, "canary") || !strings.Contains(text, "REDACTED") {
		t.Error(text)
	}
}
