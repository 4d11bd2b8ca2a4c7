package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A witness writes down what happens.
type witness struct{ events recording }

func (w *witness) note(who string, lines ...string) {
	w.events = append(w.events, event{who, strings.Join(lines, "; ")})
}

// answer notes what a store answered.
func (w *witness) answer(what string, err error) {
	if err != nil {
		what = strings.TrimPrefix(err.Error(), "verifier: ")
	}
	w.note(answers, what)
}

// A store is the sample's, and tells a witness what it is asked.
type store struct {
	*verifiertest.Memory
	*witness
}

var _ verifier.SecretStore = store{}

// newStore makes a store in which alice has a password and all that serves a mechanism.
func newStore(w *witness, m *mech.Mechanism) (store, error) {
	kinds := append(slices.Clone(m.Secrets), verifier.KindPassword)
	made, err := mech.Secrets(sampleUser, sampleRealm, samplePassword, kinds...)
	if err != nil {
		return store{}, err
	}
	held := verifiertest.NewMemory()
	held.Add(verifiertest.User{Name: sampleUser, Realm: sampleRealm}, made...)
	return store{held, w}, nil
}

func whom(r verifier.Request) string { return realm.Join(r.User, r.Realm) }

func account(a verifier.Account) string { return "account " + realm.Join(a.User, a.Realm) }

// VerifyPassword implements verifier.Verifier.
func (s store) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	s.note(asks, "VerifyPassword", whom(r), "password: "+password)
	a, err := s.Memory.VerifyPassword(ctx, r, password)
	s.answer(account(a), err)
	return a, err
}

// LookupSecret implements verifier.SecretSource.
func (s store) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	question := []string{"LookupSecret", whom(r)}
	for i, k := range kinds {
		choice := fmt.Sprintf("choice %d: %s", i+1, k)
		if len(kinds) == 1 {
			choice = k.String()
		}
		question = append(question, choice)
	}
	s.note(asks, question...)
	held, err := s.Memory.LookupSecret(ctx, r, kinds...)
	s.answer(held.Kind.String(), err)
	return held, err
}

// Update implements verifier.SecretStore.
func (s store) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	change = s.watched(r, change)
	err := s.Memory.Update(ctx, r, change)
	s.answer("stored", err)
	return err
}

// watched notes what a change makes of the series of one-time passwords.
func (s store) watched(r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) func(verifier.Entry) (verifier.Entry, error) {
	return func(e verifier.Entry) (verifier.Entry, error) {
		before := series(e)
		after, err := change(e)
		s.note(asks, "Update", whom(r), fmt.Sprintf("OTP series: number %s becomes %s", before, series(after)))
		return after, err
	}
}

// series is the number of the password that was used last.
func series(e verifier.Entry) string {
	for _, s := range e.Secrets {
		if s.Kind == verifier.KindOTP {
			return strings.TrimLeft(strings.Split(string(s.Value), "\t")[1], "0")
		}
	}
	return "none"
}

// An issuer knows one token.
type issuer struct{ *witness }

var _ verifier.TokenVerifier = issuer{}

// VerifyToken implements verifier.TokenVerifier.
func (i issuer) VerifyToken(_ context.Context, r verifier.Request, token string) (verifier.Account, error) {
	i.note(asks, "VerifyToken", whom(r), "token: "+token)
	if token != sampleToken {
		err := &verifier.TokenError{Status: verifier.TokenInvalid, Scope: "mail", Configuration: "https://id.example.com/oidc"}
		i.answer("", err)
		return verifier.Account{}, err
	}
	a := verifier.Account{User: sampleUser, Realm: sampleRealm}
	i.answer(account(a), nil)
	return a, nil
}
