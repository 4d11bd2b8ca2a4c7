package verifier_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	var nobody *verifiertest.Memory
	users := verifier.Static{"alice": "pencil"}
	for _, c := range []struct {
		name string
		v    verifier.Verifier
		want string // "" for nothing
	}{
		{"a store", users, ""},
		{"an empty map", verifier.Static(nil), ""},
		{"a chain", verifier.Chain(users, verifier.Cache(users, verifier.CacheOptions{})), ""},
		{"nil", nil, "verifier: nil"},
		{"a nil pointer", nobody, "a nil *verifiertest.Memory (was the error"},
		{"no callback", verifier.Passwords(nil), "a nil verifier.passwords"},
		{"a chain with a nil link", verifier.Chain(users, nil), "chain, part 2: verifier: nil"},
		{"a chain with a nil pointer", verifier.Chain(nobody, users), "chain, part 1: verifier: a nil *verifiertest.Memory"},
		{"a cache of nothing", verifier.Cache(nil, verifier.CacheOptions{}), "cache, part 1: verifier: nil"},
		{"a map of nothing", verifier.MapRealm(nobody, nil), "map of realms, part 1: verifier: a nil"},
		{"a chain of a cache of nothing", verifier.Chain(verifier.Cache(nil, verifier.CacheOptions{})), "chain, part 1: cache, part 1: verifier: nil"},
	} {
		err := verifier.Validate(c.v)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTransitionOfNothing(t *testing.T) {
	t.Parallel()
	var nobody *verifiertest.Memory
	store := verifiertest.NewMemory()
	for name, make := range map[string]func() (*verifier.Transitioning, error){
		"no verifier": func() (*verifier.Transitioning, error) {
			return verifier.Transition(nil, store, verifier.TransitionOptions{})
		},
		"no store": func() (*verifier.Transitioning, error) {
			return verifier.Transition(store, nil, verifier.TransitionOptions{})
		},
		"a pointer to none": func() (*verifier.Transitioning, error) {
			return verifier.Transition(store, nobody, verifier.TransitionOptions{})
		},
		"a chain with a nil": func() (*verifier.Transitioning, error) {
			return verifier.Transition(verifier.Chain(nil), store, verifier.TransitionOptions{})
		},
	} {
		if tr, err := make(); tr != nil || !errors.Is(err, verifier.ErrTransition) {
			t.Errorf("%s: %v", name, err)
		}
	}
	tr, err := verifier.Transition(store, store, verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := verifier.Validate(tr); err != nil {
		t.Error(err)
	}
	if _, err := tr.VerifyPassword(context.Background(), verifier.Request{User: "nobody"}, "pencil"); !errors.Is(err, verifier.ErrNoUser) {
		t.Error(err)
	}
}
