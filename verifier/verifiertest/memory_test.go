package verifiertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

func TestMemoryCoverage(t *testing.T) {
	const (
		password = verifier.KindPassword
		digest   = verifier.KindDIGESTMD5
	)
	var m Memory
	steps := []struct {
		name string
		do   func()
		want verifier.Coverage
	}{
		{"empty", func() {}, verifier.Measured(nil, nil)},
		{"one user", func() { m.Add(alice) }, verifier.Measured([]verifier.Kinds{verifier.KindsOf(password)}, []string{"example.org"})},
		{
			"another kind in another realm",
			func() { m.Add(User{Name: "carol", Realm: "example.net"}, hashes(carol)[1]) },
			verifier.Measured([]verifier.Kinds{verifier.KindsOf(password), verifier.KindsOf(digest)}, []string{"example.net", "example.org"}),
		},
		{
			"locked accounts do not count",
			func() { m.Add(dave); m.Add(erin) },
			verifier.Measured([]verifier.Kinds{verifier.KindsOf(password), verifier.KindsOf(digest)}, []string{"example.net", "example.org"}),
		},
		{"removed", func() { m.Remove("carol", "example.net") }, verifier.Measured([]verifier.Kinds{verifier.KindsOf(password)}, []string{"example.org"})},
		{
			"updated",
			func() {
				err := m.Update(context.Background(), alice.request(), func(e verifier.Entry) (verifier.Entry, error) {
					e.Disabled = true
					return e, nil
				})
				if err != nil {
					t.Error(err)
				}
			},
			verifier.Measured(nil, nil),
		},
	}
	for _, s := range steps {
		s.do()
		s.want.Stores = s.want.Some
		if diff := cmp.Diff(s.want, m.Coverage()); diff != "" {
			t.Errorf("%s: coverage (-want +got):\n%s", s.name, diff)
		}
	}
}

// The same calls, whoever asks: what the counters are for.
func TestMemoryCounters(t *testing.T) {
	m := NewMemory(alice, dave, frank)
	for _, u := range []User{alice, dave, frank, {Name: "nobody"}} {
		m.Checks.Store(0)
		m.Lookups.Store(0)
		m.VerifyPassword(t.Context(), u.request(), "wrong")
		m.LookupSecret(t.Context(), u.request(), verifier.KindCRAMMD5)
		m.LookupSecret(t.Context(), u.request(), verifier.KindPassword)
		if c, l := m.Checks.Load(), m.Lookups.Load(); c != 1 || l != 2 {
			t.Errorf("%v: %d checks and %d look-ups, want 1 and 2", u, c, l)
		}
	}
	failed := errors.New("failed")
	m.Update(t.Context(), alice.request(), func(e verifier.Entry) (verifier.Entry, error) { return e, failed })
	if n := m.Updates.Load(); n != 1 {
		t.Errorf("%d updates, want 1", n)
	}
}

// An update that somebody else overtakes is made again on the new entry.
func TestMemoryUpdateRunsAgain(t *testing.T) {
	m := NewMemory(alice)
	var seen []string
	err := m.Update(t.Context(), alice.request(), func(e verifier.Entry) (verifier.Entry, error) {
		seen = append(seen, string(e.Secrets[0].Value))
		if len(seen) == 1 {
			m.Add(User{Name: alice.Name, Realm: alice.Realm, Password: "second"})
		}
		e.Secrets[0].Value = append(e.Secrets[0].Value, '!')
		return e, nil
	})
	if want := []string{alice.Password, "second"}; err != nil || !cmp.Equal(seen, want) {
		t.Errorf("change saw %q, %v; want %q", seen, err, want)
	}
	if _, err := m.VerifyPassword(t.Context(), alice.request(), "second!"); err != nil {
		t.Error(err)
	}
}

func TestMemoryExpiredStaysSo(t *testing.T) {
	m := NewMemory(erin)
	err := m.Update(t.Context(), erin.request(), func(e verifier.Entry) (verifier.Entry, error) { return e, nil })
	if err != nil {
		t.Error(err)
	}
	if _, err := m.VerifyPassword(t.Context(), erin.request(), erin.Password); !errors.Is(err, verifier.ErrExpired) {
		t.Errorf("after an update: %v", err)
	}
}

func TestDoublesAreRedacted(t *testing.T) {
	m := full()
	f := &Faulty{Verifier: verifier.Chain(m)}
	for _, x := range []any{m, f, []any{m, f}, struct{ M, F any }{m, f}} {
		var out bytes.Buffer
		fmt.Fprintf(&out, "%v %+v %#v %s %x %q %d", x, x, x, x, x, x, x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "x", x)
		if err := json.NewEncoder(&out).Encode(x); err != nil {
			t.Error(err)
		}
		for _, u := range everyone {
			for _, form := range []string{u.Password, fmt.Sprintf("%x", u.Password), strings.Trim(fmt.Sprint([]byte(u.Password)), "[]")} {
				if strings.Contains(out.String(), form) {
					t.Errorf("%T shows %q:\n%s", x, form, out.String())
				}
			}
		}
	}
}

func TestMemoryConcurrently(t *testing.T) {
	var m Memory
	var all sync.WaitGroup
	for g := range 8 {
		u := User{Name: fmt.Sprint("user", g), Password: fmt.Sprint("password", g)}
		all.Go(func() {
			for range 50 {
				m.Add(u)
				if _, err := m.VerifyPassword(t.Context(), u.request(), u.Password); err != nil {
					t.Errorf("%v: %v", u, err)
				}
				m.Coverage()
				m.Remove(u.Name, u.Realm)
			}
		})
	}
	all.Wait()
	if c := m.Coverage(); c.Users != 0 || m.Checks.Load() != 400 {
		t.Errorf("%d users, %d checks; want 0 and 400", c.Users, m.Checks.Load())
	}
}
