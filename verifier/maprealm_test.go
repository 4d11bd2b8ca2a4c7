package verifier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

var oldNames = map[string]string{"example.com": "old.example.com", "imap.example.com": "old.example.com", "same": "same", "none": ""}

func digest(fill byte) verifier.Secret {
	return verifier.Secret{Kind: verifier.KindDIGESTMD5, Value: bytes.Repeat([]byte{fill}, 16)}
}

func cramStates() verifier.Secret {
	return verifier.Secret{Kind: verifier.KindCRAMMD5, Value: bytes.Repeat([]byte{7}, 32)}
}

func TestMapRealmKeepsTheContract(t *testing.T) {
	t.Parallel()
	for asked, stored := range map[string]string{
		"example.com": "old.example.com", "imap.example.com": "old.example.com",
		"same": "same", "none": "", "another": "another", "": "",
	} {
		m := new(verifiertest.Memory)
		for i, u := range testUsers(stored) {
			m.Add(u, digest(byte(i+1)), verifier.Secret{Kind: verifier.KindCRAMMD5, Value: bytes.Repeat([]byte{byte(i + 1)}, 32)})
		}
		for name, v := range map[string]verifier.Verifier{
			"store":    verifier.MapRealm(m, oldNames),
			"verifier": verifier.MapRealm(passwordOnly{m}, oldNames),
			"cached":   verifier.MapRealm(verifier.Cache(m, verifier.CacheOptions{}), oldNames),
		} {
			if err := verifiertest.TestVerifier(v, testUsers(asked)...); err != nil {
				t.Errorf("%q, %s: %v", asked, name, err)
			}
		}
	}
}

func TestMapRealmAccounts(t *testing.T) {
	t.Parallel()
	m := verifiertest.NewMemory(testUsers("old.example.com")...)
	m.Add(verifiertest.User{Name: "alice", Realm: "another", Password: bobsPassword})
	v := verifier.MapRealm(m, oldNames)
	for _, realm := range []string{"example.com", "imap.example.com", "old.example.com"} {
		verify(t, v, request("alice", realm), alicesPassword, nil)
		s, err := v.LookupSecret(t.Context(), request("alice", realm), verifier.KindPassword)
		if err != nil || s.Account.User != "alice" || s.Account.Realm != realm || string(s.Value) != alicesPassword {
			t.Errorf("secret in %q: account %+v, %v", realm, s.Account, err)
		}
	}
	verify(t, v, request("alice", "another"), bobsPassword, nil)
	verify(t, v, request("alice", "another"), alicesPassword, verifier.ErrWrongPassword)
	verify(t, v, request("alice", "EXAMPLE.COM"), alicesPassword, verifier.ErrNoUser)

	elsewhere := verifier.MapRealm(verifierFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
		return verifier.Account{User: "root", Realm: "third"}, nil
	}), oldNames)
	a, err := elsewhere.VerifyPassword(t.Context(), request("alice", "example.com"), alicesPassword)
	if err != nil || a.Realm != "third" {
		t.Errorf("an alias to a third realm: %+v, %v", a, err)
	}
	nobody := verifier.MapRealm(verifierFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
		return verifier.Account{}, nil
	}), map[string]string{"example.com": ""})
	if a, err := nobody.VerifyPassword(t.Context(), request("alice", "example.com"), alicesPassword); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("success without a name: %+v, %v", a, err)
	}
}

func TestMapRealmCoverage(t *testing.T) {
	t.Parallel()
	m := new(verifiertest.Memory)
	for _, realm := range []string{"old.example.com", "another", "same"} {
		for i, u := range testUsers(realm) {
			m.Add(u, digest(byte(i)))
		}
	}
	got := verifier.MapRealm(m, oldNames).Coverage()
	want := m.Coverage()
	want.All &^= verifier.KindsOf(verifier.KindDIGESTMD5)
	want.Counts = nil
	want.Realms = []string{"another", "old.example.com", "same", "example.com", "imap.example.com"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	swapped := verifier.MapRealm(m, map[string]string{"same": "another", "another": "same"})
	if diff := cmp.Diff([]string{"old.example.com", "another", "same"}, swapped.Coverage().Realms); diff != "" {
		t.Errorf("swapped (-want +got)\n%s", diff)
	}
	for _, realms := range []map[string]string{nil, {}, {"same": "same"}} {
		if diff := cmp.Diff(m.Coverage(), verifier.MapRealm(m, realms).Coverage()); diff != "" {
			t.Errorf("%v (-want +got)\n%s", realms, diff)
		}
	}
	plain := verifier.MapRealm(passwordOnly{m}, oldNames)
	if diff := cmp.Diff(verifier.Declared(verifier.KindCheck), plain.Coverage()); diff != "" {
		t.Errorf("of what can only check (-want +got)\n%s", diff)
	}
}

// A hash over the store's realm is not handed out in another, nor taken.
func TestMapRealmDIGESTMD5(t *testing.T) {
	t.Parallel()
	m := new(verifiertest.Memory)
	m.Add(verifiertest.User{Name: "alice", Realm: "old.example.com"}, digest(1), cramStates())
	v := verifier.MapRealm(m, oldNames)
	for realm, want := range map[string]verifier.Kind{"example.com": verifier.KindCRAMMD5, "old.example.com": verifier.KindDIGESTMD5} {
		kinds := []verifier.Kind{verifier.KindDIGESTMD5, verifier.KindCRAMMD5}
		s, err := v.LookupSecret(t.Context(), request("alice", realm), kinds...)
		if err != nil || s.Kind != want {
			t.Errorf("%q: %v, %v, want %v", realm, s.Kind, err, want)
		}
		if !slices.Equal(kinds, []verifier.Kind{verifier.KindDIGESTMD5, verifier.KindCRAMMD5}) {
			t.Errorf("%q: the caller's kinds were changed", realm)
		}
	}
	if _, err := v.LookupSecret(t.Context(), request("alice", "example.com"), verifier.KindDIGESTMD5); !errors.Is(err, verifier.ErrNoSecret) {
		t.Errorf("the hash alone: %v", err)
	}

	var unasked verifiertest.Memory
	unasked.Add(verifiertest.User{Name: "alice", Realm: "old.example.com"}, digest(1))
	if s, err := verifier.MapRealm(handsOutAll{&unasked}, oldNames).LookupSecret(t.Context(), request("alice", "example.com"), verifier.KindCRAMMD5); !errors.Is(err, verifier.ErrUnavailable) || s.Value != nil {
		t.Errorf("a hash that was not asked for: %v", err)
	}

	put := func(realm string, change func([]verifier.Secret) []verifier.Secret) error {
		return v.Update(t.Context(), request("alice", realm), func(e verifier.Entry) (verifier.Entry, error) {
			for _, s := range e.Secrets {
				if s.Account.Realm != realm {
					t.Errorf("Update in %q shows an account of %q", realm, s.Account.Realm)
				}
			}
			e.Secrets = change(e.Secrets)
			return e, nil
		})
	}
	for _, c := range []struct {
		name, realm string
		change      func([]verifier.Secret) []verifier.Secret
		refused     bool
		left        int
	}{
		{"a new hash", "example.com", func([]verifier.Secret) []verifier.Secret { return []verifier.Secret{digest(9)} }, true, 2},
		{"the old one, changed in place", "example.com", func(all []verifier.Secret) []verifier.Secret { all[0].Value[0]++; return all }, true, 2},
		{"the old one stays", "example.com", func(all []verifier.Secret) []verifier.Secret { return all[:1] }, false, 1},
		{"a new one in the store's realm", "old.example.com", func([]verifier.Secret) []verifier.Secret { return []verifier.Secret{digest(9)} }, false, 1},
		{"another kind", "example.com", func([]verifier.Secret) []verifier.Secret { return []verifier.Secret{cramStates()} }, false, 1},
	} {
		if err := put(c.realm, c.change); errors.Is(err, errors.ErrUnsupported) != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := put("old.example.com", func(all []verifier.Secret) []verifier.Secret {
			if len(all) != c.left {
				t.Errorf("%s: there are %d secrets, want %d", c.name, len(all), c.left)
			}
			return all
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestMapRealmKeepsItsMapAndName(t *testing.T) {
	t.Parallel()
	realms := map[string]string{"example.com": "old.example.com"}
	v := verifier.MapRealm(verifier.Static{"alice@old.example.com": alicesPassword}, realms)
	delete(realms, "example.com")
	verify(t, v, request("alice", "example.com"), alicesPassword, nil)
	if got := verifier.Name(v); got != "verifier.Static with realms mapped" {
		t.Errorf("name %q", got)
	}
	if got := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(got, alicesPassword) || got != "REDACTED REDACTED REDACTED" {
		t.Errorf("prints as %q", got)
	}
}

// handsOutAll breaks the contract: it hands out hashes that nobody asked for.
type handsOutAll struct{ *verifiertest.Memory }

func (h handsOutAll) LookupSecret(ctx context.Context, r verifier.Request, _ ...verifier.Kind) (verifier.Secret, error) {
	return h.Memory.LookupSecret(ctx, r, verifier.KindDIGESTMD5)
}
