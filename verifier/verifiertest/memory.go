package verifiertest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Memory is a store in memory: users in realms, all kinds of secrets, disabled
// and expired accounts. Names and realms are compared byte by byte. The zero
// Memory is an empty store. It may be used concurrently, must not be copied, and
// prints as REDACTED.
//
// The counters count calls, whatever their answer, so that a test can compare
// the work done for an unknown user with that for a wrong password. They may be
// read and reset at any time.
type Memory struct {
	secret.Opaque

	Checks  atomic.Int64 // calls of VerifyPassword
	Lookups atomic.Int64 // calls of LookupSecret, except by VerifyPassword
	Updates atomic.Int64 // calls of Update

	mu       sync.Mutex
	users    map[name]*record
	coverage *verifier.Coverage // nil after a change
}

var _ verifier.SecretStore = (*Memory)(nil)

type name struct{ user, realm string }

// A record is never changed once it is in the store, only replaced: its address
// tells Update whether somebody else wrote.
type record struct {
	disabled, expired bool
	secrets           []verifier.Secret
}

// NewMemory returns a store of these users.
func NewMemory(users ...User) *Memory {
	m := new(Memory)
	for _, u := range users {
		m.Add(u)
	}
	return m
}

// Add adds a user or replaces one. He has KindPassword if u has a password, and
// the other secrets. A secret of KindCheck holds a password that VerifyPassword
// compares with and that is never handed out. The store keeps copies.
func (m *Memory) Add(u User, others ...verifier.Secret) {
	r := &record{disabled: u.Disabled, expired: u.Expired}
	if u.Password != "" {
		r.secrets = append(r.secrets, verifier.Secret{Kind: verifier.KindPassword, Value: []byte(u.Password)})
	}
	n := name{u.Name, u.Realm}
	r.secrets = copies(append(r.secrets, others...), n)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(n, r)
}

// Remove removes a user, if he is there.
func (m *Memory) Remove(user, realm string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(name{user, realm}, nil)
}

func (m *Memory) put(n name, r *record) {
	if m.users == nil {
		m.users = make(map[name]*record)
	}
	m.users[n] = r
	if r == nil {
		delete(m.users, n)
	}
	m.coverage = nil
}

func (m *Memory) get(r verifier.Request) *record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users[name{r.User, r.Realm}]
}

// copies returns the secrets with values of their own and the account of n.
func copies(secrets []verifier.Secret, n name) []verifier.Secret {
	c := slices.Clone(secrets)
	for i := range c {
		c[i].Value = bytes.Clone(c[i].Value)
		c[i].Account = verifier.Account{User: n.user, Realm: n.realm}
	}
	return c
}

// Coverage implements [verifier.SecretSource]: measured over the users that are
// neither disabled nor expired.
func (m *Memory) Coverage() verifier.Coverage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.coverage == nil {
		c := measure(m.users)
		m.coverage = &c
	}
	return *m.coverage
}

func measure(users map[name]*record) verifier.Coverage {
	var kinds []verifier.Kinds
	realms := make(map[string]bool)
	for n, r := range users {
		if r.disabled || r.expired {
			continue
		}
		var held []verifier.Kind
		for _, s := range r.secrets {
			held = append(held, s.Kind)
		}
		kinds = append(kinds, verifier.KindsOf(held...))
		if n.realm != "" {
			realms[n.realm] = true
		}
	}
	c := verifier.Measured(kinds, slices.Sorted(maps.Keys(realms)))
	c.Stores = c.Some
	return c
}

// VerifyPassword implements [verifier.Verifier].
func (m *Memory) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	m.Checks.Add(1)
	return verifier.VerifyStored(ctx, checks{m}, r, password)
}

// LookupSecret implements [verifier.SecretSource].
func (m *Memory) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	m.Lookups.Add(1)
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k verifier.Kind) bool { return k == verifier.KindCheck })
	return m.find(ctx, r, kinds)
}

func (m *Memory) find(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
	if err := ctx.Err(); err != nil {
		return verifier.Secret{}, err
	}
	user := m.get(r)
	if user == nil {
		return verifier.Secret{}, verifier.ErrNoUser
	}
	for _, k := range kinds {
		i := slices.IndexFunc(user.secrets, func(s verifier.Secret) bool { return s.Kind == k && len(s.Value) > 0 })
		if i >= 0 {
			return copies(user.secrets[i:i+1], name{r.User, r.Realm})[0], user.state()
		}
	}
	return verifier.Secret{}, verifier.ErrNoSecret
}

func (r *record) state() error {
	switch {
	case r.disabled:
		return verifier.ErrDisabled
	case r.expired:
		return verifier.ErrExpired
	}
	return nil
}

// checks is Memory as VerifyPassword sees it: what can only be checked counts
// as a password.
type checks struct{ *Memory }

func (c checks) LookupSecret(ctx context.Context, r verifier.Request, _ ...verifier.Kind) (verifier.Secret, error) {
	s, err := c.find(ctx, r, []verifier.Kind{verifier.KindPassword, verifier.KindCheck})
	if err == nil || verifier.Terminal(err) {
		s.Kind = verifier.KindPassword
	}
	return s, err
}

// Update implements [verifier.SecretStore]. An expired account stays so until it
// is added anew.
func (m *Memory) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	m.Updates.Add(1)
	n := name{r.User, r.Realm}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		old := m.get(r)
		var e verifier.Entry
		if old != nil {
			e = verifier.Entry{Exists: true, Disabled: old.disabled, Secrets: copies(old.secrets, n)}
		}
		e, err := change(e)
		if err != nil {
			return err
		}
		var next *record
		if e.Exists {
			next = &record{disabled: e.Disabled, expired: old != nil && old.expired, secrets: copies(e.Secrets, n)}
		}
		if m.swap(n, old, next) {
			return nil
		}
	}
}

// swap puts next in the place of old unless somebody else has written.
func (m *Memory) swap(n name, old, next *record) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users[n] != old {
		return false
	}
	m.put(n, next)
	return true
}
