package verifier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/saslkit/saslkit/internal/secret"
)

// MapRealm asks v for users of one realm in another: the keys are realms as they are
// served, the values those of the store. A server that was renamed, or serves
// "imap.example.com" and "example.com" as one, so keeps its sasldb.
//
//	verifier.MapRealm(db, map[string]string{"example.com": "old.example.com"})
//
// A realm that is not in the map passes unchanged, since it is the realm policy
// which says what is served, and most realms of a site have their own name in its
// store. So a value can be reached under its own name too where the policy serves it.
// Realms are compared byte by byte; "" is one like others.
//
// Accounts come back with the realm that was asked for. If v says that the user belongs
// to a third realm, as with an alias, that stands.
//
// The hashes of KindDIGESTMD5 are made with the store's realm, so they are of no use
// in another: in a realm that is renamed they are not handed out, and Update does not
// take new ones.
func MapRealm(v Verifier, realms map[string]string) SecretStore {
	m := &mappedRealm{v: v, to: maps.Clone(realms)}
	maps.DeleteFunc(m.to, func(from, to string) bool { return from == to })
	return m
}

type mappedRealm struct {
	secret.Opaque // fmt would print what is wrapped without asking it
	v             Verifier
	to            map[string]string // without those that stay what they are
}

var errForeignHash = fmt.Errorf("verifier: %v of a realm that has another name in the store: %w", KindDIGESTMD5, errors.ErrUnsupported)

// String names what is wrapped.
func (m *mappedRealm) String() string { return Name(m.v) + " with realms mapped" }

// store is the realm in v, and whether it has another name there.
func (m *mappedRealm) store(realm string) (string, bool) {
	to, ok := m.to[realm]
	if !ok {
		return realm, false
	}
	return to, true
}

// asked puts the realm that was asked for in the place of the store's.
func (a Account) asked(store, asked string) Account {
	if a.Realm == store {
		a.Realm = asked
	}
	return a
}

// Coverage implements SecretSource: that of v, but not everybody has a DIGEST-MD5 hash
// any more, and who does is not counted. Its realms are those under which users can
// be asked for.
func (m *mappedRealm) Coverage() Coverage {
	c := CoverageOf(m.v)
	if c.Some.Has(KindDIGESTMD5) && len(m.to) > 0 {
		c.All &^= 1 << KindDIGESTMD5
		c.Counts = nil
	}
	if c.Realms == nil {
		return c
	}
	var realms []string
	for _, r := range c.Realms {
		if _, renamed := m.to[r]; !renamed {
			realms = append(realms, r)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(m.to)) {
		if slices.Contains(c.Realms, m.to[from]) {
			realms = append(realms, from)
		}
	}
	c.Realms = realms
	return c
}

// VerifyPassword implements Verifier.
func (m *mappedRealm) VerifyPassword(ctx context.Context, r Request, password string) (Account, error) {
	asked := r.Realm
	r.Realm, _ = m.store(asked)
	a, err := checked(m.v.VerifyPassword(ctx, r, password))
	if err != nil {
		return Account{}, err
	}
	return a.asked(r.Realm, asked), nil
}

// LookupSecret implements SecretSource.
func (m *mappedRealm) LookupSecret(ctx context.Context, r Request, kinds ...Kind) (Secret, error) {
	asked := r.Realm
	store, renamed := m.store(asked)
	if r.Realm = store; renamed {
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return k == KindDIGESTMD5 })
	}
	held, err := lookup(ctx, m.v, r, kinds)
	if renamed && held.Kind == KindDIGESTMD5 {
		return Secret{}, errOtherKind
	}
	if held.Account.User != "" {
		held.Account = held.Account.asked(store, asked)
	}
	return held, err
}

// Update implements SecretStore. Hashes that were there may stay. If v is no
// SecretStore the error matches [errors.ErrUnsupported].
func (m *mappedRealm) Update(ctx context.Context, r Request, change func(Entry) (Entry, error)) error {
	asked := r.Realm
	store, renamed := m.store(asked)
	if !renamed {
		return update(ctx, m.v, r, change)
	}
	r.Realm = store
	return update(ctx, m.v, r, func(e Entry) (Entry, error) {
		var hashes [][]byte
		for i := range e.Secrets {
			s := &e.Secrets[i]
			s.Account = s.Account.asked(store, asked)
			if s.Kind == KindDIGESTMD5 {
				hashes = append(hashes, bytes.Clone(s.Value))
			}
		}
		e, err := change(e)
		if err != nil {
			return Entry{}, err
		}
		e.Secrets = slices.Clone(e.Secrets)
		for i := range e.Secrets {
			s := &e.Secrets[i]
			s.Account = s.Account.asked(asked, store)
			if s.Kind == KindDIGESTMD5 && !slices.ContainsFunc(hashes, func(h []byte) bool { return secret.Equal(s.Value, h) }) {
				return Entry{}, errForeignHash
			}
		}
		return e, nil
	})
}
