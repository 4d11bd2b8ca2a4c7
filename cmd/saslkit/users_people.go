package main

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A person is a user of a sasldb.
type person struct {
	user, realm string
	disabled    bool
	kinds       verifier.Kinds
	copied      bool
	origin      verifier.Origin
	void        bool
}

// peopleIn lists the users of a sasldb, and which of them are copies that are void.
func peopleIn(ctx context.Context, path string, from verifier.Verifier) ([]person, error) {
	db, err := sasldb.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	defer db.Close()
	listing, err := sasldb.Read(path)
	if err != nil {
		return nil, fileError(err)
	}
	slices.SortFunc(listing.Records, compareRecords)
	users := slices.CompactFunc(listing.Records, func(a, b sasldb.Record) bool { return a.Authid == b.Authid && a.Realm == b.Realm })
	now, known := time.Now(), usersOf(from)
	var people []person
	for _, u := range users {
		p := person{user: u.Authid, realm: u.Realm}
		if err := p.look(ctx, db); err != nil {
			return nil, untried(err)
		}
		if p.copied {
			gone := known != nil && !known[realm.Join(p.user, p.realm)] && !known[p.user]
			p.void = gone || p.origin.Over(now) || p.origin.Made.IsZero() || p.changed(ctx, from)
		}
		people = append(people, p)
	}
	return people, nil
}

// look finds out what logins find.
func (p *person) look(ctx context.Context, db *sasldb.DB) error {
	r := verifier.Request{User: p.user, Realm: p.realm}
	for k := range verifier.AllKinds.All() {
		s, err := db.LookupSecret(ctx, r, k)
		switch {
		case !verifier.Answered(err):
			return err
		case s.Value == nil:
			continue
		}
		p.disabled = errors.Is(err, verifier.ErrDisabled)
		p.kinds |= verifier.KindsOf(k)
		if k.IsSCRAM() { // by which the store checks passwords too
			p.kinds |= verifier.KindsOf(verifier.KindCheck)
		}
		if k == verifier.KindOrigin {
			p.copied = true
			p.origin, _ = verifier.ParseOrigin(s.Value) // the zero Origin is void
		}
	}
	return nil
}

// changed reports whether the user has changed where the copy is from, as far as that
// can tell.
func (p *person) changed(ctx context.Context, from verifier.Verifier) bool {
	marked, ok := from.(interface {
		UserMark(context.Context, verifier.Request) (string, error)
	})
	if !ok || p.origin.Mark == "" {
		return false
	}
	mark, err := marked.UserMark(ctx, verifier.Request{User: p.user, Realm: p.realm})
	return err == nil && !p.origin.Marked(mark)
}

// A userLister is a verifier that can list who can log in; the realm is "" for those of
// every realm.
type userLister interface {
	Users() iter.Seq2[string, string]
}

// usersOf lists the users of a verifier, as user or user@realm; nil if it cannot.
func usersOf(v verifier.Verifier) map[string]bool {
	lister, ok := v.(userLister)
	if !ok {
		return nil
	}
	known := map[string]bool{}
	for user, in := range lister.Users() {
		known[joined(user, in)] = true
	}
	return known
}

func joined(user, in string) string {
	if in == "" {
		return user
	}
	return realm.Join(user, in)
}
