package verifier

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// An outcome is one answer that a link of a chain can give.
type outcome struct {
	name    string
	account Account
	err     error
	class   class
}

// A class is what the doc comment of Chain distinguishes.
type class int

const (
	yes    class = iota // ends the chain with success
	locked              // ends the chain with this error
	wrong               // goes on; of the refusals, the highest is returned
	lacks
	unknown
	broken // goes on; then nobody's refusal counts
)

var errBackend = errors.New("connection reset")

var outcomes = []outcome{
	{"yes", Account{User: "alice"}, nil, yes},
	{"disabled", Account{}, ErrDisabled, locked},
	{"expired, wrapped", Account{}, wrapped(ErrExpired), locked},
	{"wrong", Account{}, ErrWrongPassword, wrong},
	{"wrong, wrapped", Account{User: "alice"}, wrapped(ErrWrongPassword), wrong},
	{"no secret", Account{}, ErrNoSecret, lacks},
	{"unknown", Account{}, ErrNoUser, unknown},
	{"unavailable", Account{}, wrapped(ErrUnavailable), broken},
	{"another error", Account{User: "alice"}, errBackend, broken},
	{"timed out", Account{}, context.DeadlineExceeded, broken},
	{"yes without a name", Account{}, nil, broken},
}

// A link is a SecretSource that always gives the same outcome, and counts.
type link struct {
	outcome
	asked *atomic.Int64
}

func (l link) VerifyPassword(context.Context, Request, string) (Account, error) {
	l.asked.Add(1)
	return l.account, l.err
}

func (l link) Coverage() Coverage { return Declared(KindPassword) }

func (l link) LookupSecret(context.Context, Request, ...Kind) (Secret, error) {
	l.asked.Add(1)
	if l.err != nil && !Terminal(l.err) {
		return Secret{}, l.err
	}
	account := l.account
	if l.err != nil {
		account.User = "alice"
	}
	return Secret{Kind: KindPassword, Value: []byte("pencil"), Account: account}, l.err
}

// verdict reads the doc comment of Chain as sets: who ends it, who is broken,
// who refuses. It is written apart from the code that it checks.
func verdict(links []outcome) (want class, asked int, err error) {
	seen := map[class]bool{}
	for i, o := range links {
		seen[o.class] = true
		if o.class == yes || o.class == locked {
			return o.class, i + 1, o.err
		}
	}
	if seen[broken] {
		return broken, len(links), ErrUnavailable
	}
	if seen[wrong] {
		return wrong, len(links), ErrWrongPassword
	}
	if seen[lacks] {
		return lacks, len(links), ErrNoSecret
	}
	return unknown, len(links), ErrNoUser
}

func TestChainRules(t *testing.T) {
	for n := range 4 {
		sequences(n, func(links []outcome) {
			var asked atomic.Int64
			var names []string
			var vs []Verifier
			for _, o := range links {
				names = append(names, o.name)
				vs = append(vs, link{o, &asked})
			}
			want, calls, err := verdict(links)
			name := "[" + strings.Join(names, "; ") + "]"
			c := Chain(vs...)

			a, got := c.VerifyPassword(t.Context(), Request{User: "alice"}, "pencil")
			if (a.User == "alice") != (want == yes) || a.User != "" && got != nil {
				t.Errorf("%s: account %q with error %v", name, a.User, got)
			}
			checkVerdict(t, name, got, want, err)
			if asked.Swap(0) != int64(calls) {
				t.Errorf("%s: asked other than the first %d links", name, calls)
			}

			s, got := c.LookupSecret(t.Context(), Request{User: "alice"}, KindPassword)
			if (len(s.Value) > 0) != (want == yes || want == locked) {
				t.Errorf("%s: secret of %d bytes with error %v", name, len(s.Value), got)
			}
			checkVerdict(t, name, got, want, err)
			if asked.Load() != int64(calls) {
				t.Errorf("%s: looked up other than in the first %d links", name, calls)
			}
		})
	}
}

func checkVerdict(t *testing.T, name string, got error, want class, err error) {
	t.Helper()
	if !errors.Is(got, err) {
		t.Errorf("%s: error %v, want %v", name, got, err)
	}
	if Refused(got) != (want == wrong || want == lacks || want == unknown) || Terminal(got) != (want == locked) {
		t.Errorf("%s: %v: refused %v, terminal %v", name, got, Refused(got), Terminal(got))
	}
}

// sequences calls f with every sequence of n outcomes.
func sequences(n int, f func([]outcome)) {
	var extend func([]outcome)
	extend = func(s []outcome) {
		if len(s) == n {
			f(s)
			return
		}
		for _, o := range outcomes {
			extend(append(s[:len(s):len(s)], o))
		}
	}
	extend(nil)
}

func TestChainNamesBrokenLinks(t *testing.T) {
	c := Chain(checkOnly{}, link{outcome{err: errBackend}, new(atomic.Int64)}, Static{})
	_, err := c.VerifyPassword(t.Context(), Request{User: "alice"}, "pencil")
	if !errors.Is(err, errBackend) || !strings.Contains(err.Error(), "link 2 of 3") {
		t.Errorf("VerifyPassword: %v", err)
	}
	// A link without secrets counts too: the number is that of the configuration.
	_, err = c.LookupSecret(t.Context(), Request{User: "alice"}, KindPassword)
	if !errors.Is(err, errBackend) || !strings.Contains(err.Error(), "link 2 of 3") {
		t.Errorf("LookupSecret: %v", err)
	}
}

func TestChainPassesOverLinksWithoutSecrets(t *testing.T) {
	s, err := Chain(checkOnly{}, Static{"alice": "pencil"}).LookupSecret(t.Context(), Request{User: "alice"}, KindPassword)
	if err != nil || string(s.Value) != "pencil" {
		t.Errorf("got %d bytes, %v", len(s.Value), err)
	}
	_, err = Chain(checkOnly{}).LookupSecret(t.Context(), Request{User: "alice"}, KindPassword)
	if !errors.Is(err, ErrNoUser) {
		t.Errorf("a chain without sources: %v", err)
	}
}

func TestChainKeepsItsLinks(t *testing.T) {
	links := []Verifier{Static{"alice": "pencil"}}
	c := Chain(links...)
	links[0] = Static{}
	if _, err := c.VerifyPassword(t.Context(), Request{User: "alice"}, "pencil"); err != nil {
		t.Errorf("the caller's slice is still in use: %v", err)
	}
}

// The same links are asked for an unknown name and for a wrong password.
func TestChainEqualWork(t *testing.T) {
	var record []string
	store := func(name string, users map[string]string) Verifier {
		return Passwords(func(_ context.Context, r Request) (string, error) {
			record = append(record, name)
			if p, ok := users[r.User]; ok {
				return p, nil
			}
			return "", ErrNoUser
		})
	}
	c := Chain(
		store("first", map[string]string{"alice": "pencil", "carol": ""}),
		store("second", map[string]string{"bob": "crayon"}),
	)
	for _, user := range []string{"alice", "bob", "carol", "nobody"} {
		record = nil
		_, err := c.VerifyPassword(t.Context(), Request{User: user}, "wrong")
		if got := fmt.Sprint(record); got != "[first second]" || !Refused(err) {
			t.Errorf("%s: asked %v, %v", user, got, err)
		}
	}
}
