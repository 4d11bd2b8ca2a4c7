//go:build linux

package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func byContents(o *ldap.Options) { o.Method = ldap.Attributes }

// written are the values of an entry, as slapd's file has them after it has ended.
func (d *directory) written(t testing.TB, user string, attributes ...string) []string {
	t.Helper()
	v := d.verifier(t, byContents)
	var all []string
	err := v.Update(t.Context(), askFor(user), func(e verifier.Entry) (verifier.Entry, error) {
		for _, s := range e.Secrets {
			value := ""
			if s.Kind == verifier.KindPassword || s.Kind == verifier.KindCheck {
				value = " " + string(s.Value)
			}
			all = append(all, s.Kind.String()+value)
		}
		return e, errors.New("only looking")
	})
	if err == nil || err.Error() != "only looking" {
		t.Error(err)
	}
	slices.Sort(all)
	return all
}

func ldapSecret(t testing.TB, k verifier.Kind, password string) verifier.Secret {
	t.Helper()
	if k == verifier.KindPassword {
		return verifier.Secret{Kind: k, Value: []byte(password)}
	}
	value, err := mech.SCRAMSecret(k, password, []byte("saltsaltsalt1234"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Secret{Kind: k, Value: value}
}

func TestLDAPUpdate(t *testing.T) {
	t.Parallel()
	hash := hashed("{SSHA}", "canary-hash")
	d := startDirectory(t, directoryPlan{global: "moduleload back_mdb", backend: "mdb", entries: []ldapItem{person("alice", "canary-alice", hash), person("empty"), person("count", "0")}})
	v := d.verifier(t, byContents)
	put := func(user string, secrets ...verifier.Secret) error {
		return v.Update(t.Context(), askFor(user), func(e verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Secrets: secrets}, nil
		})
	}
	check := func(user, password string, want error) {
		t.Helper()
		if _, err := v.VerifyPassword(t.Context(), askFor(user), password); want == nil && err != nil || !errors.Is(err, want) {
			t.Errorf("%s by %s: %v, want %v", user, password, err, want)
		}
	}
	is := func(user string, want ...string) {
		t.Helper()
		if got := d.written(t, user); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", user, got, want)
		}
	}
	is("alice", "password canary-alice", "password check "+hash)
	is("empty")

	// Keys for who has nothing, and a password in their place.
	if err := put("empty", ldapSecret(t, verifier.KindSCRAMSHA256, "canary-1"), ldapSecret(t, verifier.KindSCRAMSHA1, "canary-1")); err != nil {
		t.Error(err)
	}
	is("empty", "SCRAM-SHA-1 keys", "SCRAM-SHA-256 keys")
	check("empty", "canary-1", nil)
	if err := put("empty", ldapSecret(t, verifier.KindPassword, "{SSHA}canary-2")); err != nil {
		t.Error(err)
	}
	is("empty", "password {SSHA}canary-2")
	check("empty", "{SSHA}canary-2", nil)
	check("empty", "canary-1", verifier.ErrWrongPassword)
	if err := v.Update(t.Context(), askFor("empty"), func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil }); err != nil {
		t.Error(err)
	}
	check("empty", "{SSHA}canary-2", verifier.ErrNoUser)
	is("empty")

	// A hash is passed on, or gone.
	keep := func(e verifier.Entry) (verifier.Entry, error) {
		e.Secrets = slices.DeleteFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == verifier.KindPassword })
		return e, nil
	}
	if err := v.Update(t.Context(), askFor("alice"), keep); err != nil {
		t.Error(err)
	}
	is("alice", "password check "+hash)
	check("alice", "canary-alice", verifier.ErrWrongPassword)
	check("alice", "canary-hash", nil)

	ldif := startDirectory(t, directoryPlan{entries: []ldapItem{person("alice", hash)}}) // whose database has no assertions
	err := ldif.verifier(t, byContents).Update(t.Context(), askFor("alice"), func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil })
	if !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}

	// What cannot be stored changes nothing.
	for name, change := range map[string]func(verifier.Entry) (verifier.Entry, error){
		"disabled": func(e verifier.Entry) (verifier.Entry, error) { e.Disabled = true; return e, nil },
		"OTP": func(e verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Secrets: []verifier.Secret{verifier.Decoy(verifier.KindOTP)}}, nil
		},
		"a new hash": func(e verifier.Entry) (verifier.Entry, error) {
			return verifier.Entry{Exists: true, Secrets: []verifier.Secret{{Kind: verifier.KindCheck, Value: []byte("{SSHA}x")}}}, nil
		},
	} {
		if err := v.Update(t.Context(), askFor("alice"), change); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	is("alice", "password check "+hash)
	if err := put("nobody-here"); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, verifier.ErrNoUser) {
		t.Errorf("an entry that is not there: %v", err)
	}
	if err := d.verifier(t, nil).Update(t.Context(), askFor("alice"), keep); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("another method: %v", err)
	}

	// No update is lost, from several connections.
	const writers, rounds = 6, 5
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range rounds {
				err := v.Update(t.Context(), askFor("count"), func(e verifier.Entry) (verifier.Entry, error) {
					var n int
					if len(e.Secrets) != 1 {
						return e, fmt.Errorf("%d secrets", len(e.Secrets))
					}
					fmt.Sscan(string(e.Secrets[0].Value), &n)
					e.Secrets[0].Value = fmt.Append(nil, n+1)
					return e, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	is("count", fmt.Sprint("password ", writers*rounds))
}

// Who logs in by a password gets SCRAM keys in his entry.
func TestLDAPTransition(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, directoryPlan{global: "moduleload back_mdb", backend: "mdb", entries: []ldapItem{person("alice"), person("own", "canary-own")}})
	from := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "canary-alice"}, verifiertest.User{Name: "own", Password: "canary-old"})
	v, err := verifier.Transition(from, d.verifier(t, byContents), verifier.TransitionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for user, password := range map[string]string{"alice": "canary-alice", "own": "canary-old"} {
		v.VerifyPassword(t.Context(), askFor(user), password)
	}
	asktest.Until(t, "alice has keys", func() bool {
		s, err := v.LookupSecret(t.Context(), askFor("alice"), verifier.KindSCRAMSHA256)
		match, _ := s.Matches(t.Context(), askFor("alice"), "canary-alice")
		return err == nil && match
	})
	if got := d.written(t, "alice"); !slices.Equal(got, []string{"SCRAM-SHA-1 keys", "SCRAM-SHA-256 keys", "origin of a copy"}) {
		t.Errorf("alice has %q", got)
	}
	if got := strings.Join(d.written(t, "own"), ""); got != "password canary-own" {
		t.Errorf("who has a password of his own has %q", got)
	}
}
