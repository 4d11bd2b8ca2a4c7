//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A movedSite is Postfix whose users move from a real saslauthd with PAM to a sasldb.
type movedSite struct {
	*authSite
	peer   *saslauthdPeer
	file   string
	db     *sasldb.DB
	events chan verifier.TransitionEvent
}

func newMovedSite(t *testing.T, accounts []unixAccount) *movedSite {
	t.Helper()
	s := &movedSite{
		peer: startSaslauthd(t, accounts, nil, "-a", "pam"), file: filepath.Join(t.TempDir(), "sasldb2"),
		events: make(chan verifier.TransitionEvent, 100),
	}
	if err := sasldb.Create(s.file, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.db, err = sasldb.Open(s.file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	// Before SCRAM is named somebody must have it, and Postfix asks once for the list.
	auth := s.auth(t, verifier.TransitionOptions{})
	r := verifier.Request{User: accounts[1].name, Realm: labRealm, Service: "smtp"}
	if _, err := auth.Verifier.VerifyPassword(t.Context(), r, accounts[1].password); err != nil {
		t.Fatal(err)
	}
	s.copied(t, r.User, verifier.CopyStored)
	if _, err := auth.Secrets.LookupSecret(t.Context(), r, verifier.KindSCRAMSHA256); err != nil {
		t.Fatal(err)
	}
	s.authSite = newAuthSite(t, auth, nil)
	return s
}

func (s *movedSite) auth(t *testing.T, o verifier.TransitionOptions) *saslkit.Authenticator {
	t.Helper()
	o.Observer = func(e verifier.TransitionEvent) { s.events <- e }
	m, err := verifier.Transition(s.peer.client(t), s.db, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &saslkit.Authenticator{Verifier: m, Secrets: m, Mechanisms: []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-1"}, Policy: labPolicy}
}

// serve serves another configuration from now on.
func (s *movedSite) serve(auth *saslkit.Authenticator) {
	s.daemon.handler.Current.Set(&daemon.Site{Auth: auth, Realm: realm.Policy{Default: labRealm}})
}

// copied waits for what became of a copy.
func (s *movedSite) copied(t *testing.T, user string, want verifier.TransitionChange) {
	t.Helper()
	select {
	case e := <-s.events:
		if e.Err != nil || e.Change != want || e.User != user || e.Realm != labRealm {
			t.Errorf("event %+v, want %v", e, want)
		}
	case <-time.After(patience):
		t.Fatal("nothing is copied")
	}
}

// TestTransitionPostfix: a login by PLAIN that PAM accepts makes the next one possible by
// SCRAM, for gsasl over Postfix and for libsasl2 that reads the file beside us.
func TestTransitionPostfix(t *testing.T) {
	t.Parallel()
	s := newMovedSite(t, []unixAccount{{name: labUser, password: "first"}, {name: "bob", password: "bob's"}})
	gsasl := mailClient{name: "gsasl", command: gsaslSMTP}
	in := func(mechanism, password string) {
		t.Helper()
		if out, err := gsasl.run(t, s.lab, mechanism, labUser, password, inClear); err != nil {
			t.Fatalf("%s: %v\n%s\n%s", mechanism, err, out, s.logged())
		}
	}
	refused := func(mechanism, password string, code int) {
		t.Helper()
		if got := smtpCode(t, authOn(t, s.lab, mechanism, labUser, password)); got != code {
			t.Errorf("%s: %d, want %d\n%s", mechanism, got, code, s.logged())
		}
	}
	refused("SCRAM-SHA-256", "first", 535)
	in("PLAIN", "first")
	s.copied(t, labUser, verifier.CopyStored)
	for _, mechanism := range gnuSCRAM {
		in(mechanism, "first")
	}
	libsasl2 := newLibsasl2Server(t, s.file)
	fromCyrus := func(password string) error {
		return login{mechanism: "SCRAM-SHA-256", user: labUser, password: password}.into(t, libsasl2.server("SCRAM-SHA-256", noBinding))
	}
	if err := fromCyrus("first"); err != nil {
		t.Errorf("libsasl2 beside us: %v", err)
	}
	if listed := cyrusLists(t, s.file, labUser+"@"+labRealm); !slices.Equal(listed, []string{"authPassword", "saslkit-SCRAM-SHA-1", "saslkit-origin"}) {
		t.Errorf("sasldblistusers2 lists %q", listed)
	}

	// The password changes where we do not see it: the old one works by SCRAM until
	// somebody logs in with the new one, or the life of the copy ends.
	s.peer.writeAccounts(t, []unixAccount{{name: labUser, password: "second"}})
	refused("PLAIN", "first", 535)
	in("SCRAM-SHA-256", "first")
	in("PLAIN", "second")
	s.copied(t, labUser, verifier.CopyStored)
	in("SCRAM-SHA-256", "second")
	refused("SCRAM-SHA-256", "first", 535)
	if err := fromCyrus("second"); err != nil {
		t.Errorf("libsasl2 beside us: %v", err)
	}
	s.serve(s.auth(t, verifier.TransitionOptions{Life: time.Nanosecond}))
	for _, password := range []string{"first", "second", "third"} {
		refused("SCRAM-SHA-256", password, 454) // who knows which is right?
	}
	refused("SCRAM-SHA-256", "second", 454)

	// A locked account loses its copy with the first login by PLAIN; PAM tells.
	s.serve(s.auth(t, verifier.TransitionOptions{}))
	in("SCRAM-SHA-256", "second")
	s.peer.writeAccounts(t, []unixAccount{{name: labUser, password: "second", aging: "19000:0:99999:7::10000:"}})
	refused("PLAIN", "second", 535)
	s.copied(t, labUser, verifier.CopyRemoved)
	refused("SCRAM-SHA-256", "second", 535)
	if err := fromCyrus("second"); err == nil {
		t.Error("libsasl2 beside us lets in who is locked")
	}

	// In the end the store is alone.
	s.peer.writeAccounts(t, []unixAccount{{name: labUser, password: "last"}})
	in("PLAIN", "last")
	s.copied(t, labUser, verifier.CopyStored)
	s.serve(&saslkit.Authenticator{Verifier: s.db, Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}, Policy: labPolicy})
	in("SCRAM-SHA-256", "last")
}

// TestTransitionThousand: a thousand users log in for the first time at once. Nobody is
// refused or waits for a copy, and all are copied.
func TestTransitionThousand(t *testing.T) {
	t.Parallel()
	const users = 1000
	file := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(file, nil); err != nil {
		t.Fatal(err)
	}
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	from := passwordsOf(func(user string) string { return "password of " + user })
	var stored, failed atomic.Int64
	done := make(chan struct{})
	m, err := verifier.Transition(from, db, verifier.TransitionOptions{
		Kinds: []verifier.Kind{verifier.KindCRAMMD5}, // keys of SCRAM would take two processors 6 s
		Observer: func(e verifier.TransitionEvent) {
			if e.Err != nil {
				t.Errorf("%s: %v", e.User, e.Err)
				failed.Add(1)
			} else {
				stored.Add(1)
			}
			if stored.Load()+failed.Load() == users {
				close(done)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	began := time.Now()
	var all sync.WaitGroup
	for n := range users {
		all.Go(func() {
			r := verifier.Request{User: fmt.Sprint("user", n), Realm: labRealm}
			if a, err := m.VerifyPassword(t.Context(), r, "password of "+r.User); err != nil || a.User != r.User {
				t.Errorf("%s: %v", r.User, err)
			}
		})
	}
	all.Wait()
	answered := time.Since(began)
	select {
	case <-done:
	case <-time.After(3 * time.Minute):
		t.Fatalf("%d of %d are copied", stored.Load(), users)
	}
	t.Logf("%d logins answered in %v, copied in %v", users, answered, time.Since(began))
	for _, n := range []int{0, users / 2, users - 1} {
		r := verifier.Request{User: fmt.Sprint("user", n), Realm: labRealm}
		held, err := m.LookupSecret(t.Context(), r, verifier.KindCRAMMD5)
		if match, _ := held.Matches(t.Context(), r, "password of "+r.User); err != nil || !match {
			t.Errorf("%s: %v, match %v", r.User, err, match)
		}
	}
	if c := db.Coverage(); c.Users != users || c.Serving([]verifier.Kind{verifier.KindCRAMMD5}) != users {
		t.Errorf("coverage of %d users: %v", c.Users, c.Some)
	}
}

// passwordsOf only checks passwords.
type passwordsOf func(user string) string

func (p passwordsOf) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	switch {
	case ctx.Err() != nil:
		return verifier.Account{}, errors.Join(verifier.ErrUnavailable, ctx.Err())
	case strings.Compare(password, p(r.User)) != 0:
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}
