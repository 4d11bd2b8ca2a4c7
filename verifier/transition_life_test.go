package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestTransitionLife: a password that was changed behind our back works for a day. Then
// it is no refusal, for the one who asks may have the new one.
func TestTransitionLife(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		m.login("bob", bobsPassword, nil)
		m.from.Remove("bob", "")
		time.Sleep(24*time.Hour - 1)
		m.serves("alice", alicesPassword, nil)
		m.serves("bob", bobsPassword, nil)
		time.Sleep(time.Nanosecond)
		m.serves("alice", alicesPassword, verifier.ErrUnavailable)
		m.serves("bob", bobsPassword, verifier.ErrUnavailable)
		m.login("bob", bobsPassword, verifier.ErrNoUser)
		m.login("alice", bobsPassword, verifier.ErrWrongPassword)
		m.serves("alice", alicesPassword, verifier.ErrUnavailable)
		m.login("alice", alicesPassword, nil)
		m.serves("alice", alicesPassword, nil)
		m.serves("bob", bobsPassword, verifier.ErrUnavailable)
	})
}

// Who logs in by PLAIN keeps his copy alive, for two writes in a life at most.
func TestTransitionRenews(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{Life: 10 * time.Hour}, func(t *testing.T, m *move) {
		for range 10 * 24 {
			m.login("alice", alicesPassword, nil)
			m.serves("alice", alicesPassword, nil)
			time.Sleep(time.Hour)
		}
		if n := m.to.Updates.Load(); n != 48 {
			t.Errorf("%d updates in 24 lives of 10 hours with a login each hour, want 2 a life", n)
		}
	})
}

// A life that is made shorter counts for the copies that are there.
func TestTransitionShorterLife(t *testing.T) {
	t.Parallel()
	bubble(t, verifier.TransitionOptions{Life: 30 * 24 * time.Hour}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		shorter, err := verifier.Transition(passwordOnly{m.from}, m.to, verifier.TransitionOptions{Life: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, shorter)
		serves(t, shorter, "alice", alicesPassword, nil)
		time.Sleep(time.Hour)
		serves(t, shorter, "alice", alicesPassword, verifier.ErrUnavailable)
		m.serves("alice", alicesPassword, nil)
	})
}

// marks are the versions of users.
type marks struct {
	sync.Map
	err atomic.Pointer[error]
}

func (m *marks) of(_ context.Context, r verifier.Request) (string, error) {
	if err := m.err.Load(); err != nil {
		return "", *err
	}
	v, _ := m.Load(r.User)
	return fmt.Sprint(v), nil
}

func TestTransitionMark(t *testing.T) {
	t.Parallel()
	var versions marks
	bubble(t, verifier.TransitionOptions{Mark: versions.of}, func(t *testing.T, m *move) {
		m.login("alice", alicesPassword, nil)
		m.login("bob", bobsPassword, nil)
		time.Sleep(10 * 365 * 24 * time.Hour)
		m.serves("alice", alicesPassword, nil)

		m.from.Add(verifiertest.User{Name: "alice", Password: "another"})
		versions.Store("alice", 2)
		m.serves("alice", alicesPassword, verifier.ErrUnavailable)
		m.serves("bob", bobsPassword, nil)
		m.login("alice", "another", nil)
		m.serves("alice", "another", nil)

		trouble := errors.New("no file")
		versions.err.Store(&trouble)
		m.serves("alice", "another", verifier.ErrUnavailable)
		m.serves("nobody", "another", verifier.ErrNoUser)
		m.from.Add(verifiertest.User{Name: "dora", Password: "dora's"})
		m.login("dora", "dora's", nil) // no failure of the login, and no copy
		versions.err.Store(nil)
		m.serves("dora", "dora's", verifier.ErrNoUser)

		// Without the mark nobody can tell any more, but for a day.
		unmarked, err := verifier.Transition(passwordOnly{m.from}, m.to, verifier.TransitionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, unmarked)
		serves(t, unmarked, "alice", "another", nil)
		serves(t, unmarked, "bob", bobsPassword, verifier.ErrUnavailable)
		// And one that was made without it cannot be compared.
		verify(t, unmarked, request("bob", ""), bobsPassword, nil)
		synctest.Wait()
		serves(t, unmarked, "bob", bobsPassword, nil)
		m.serves("bob", bobsPassword, verifier.ErrUnavailable)
		m.login("bob", bobsPassword, nil)
		m.serves("bob", bobsPassword, nil)
	})
}

// changing is a verifier whose users change between the mark and the answer.
type changing struct {
	verifier.Verifier
	change func()
}

func (c changing) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	a, err := c.Verifier.VerifyPassword(ctx, r, password)
	c.change()
	return a, err
}

func TestTransitionMarkIsOfBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var versions marks
		to := new(verifiertest.Memory)
		from := changing{verifiertest.NewMemory(testUsers("")...), func() { versions.Store("alice", "new") }}
		m, err := verifier.Transition(from, to, verifier.TransitionOptions{Mark: versions.of})
		if err != nil {
			t.Fatal(err)
		}
		verify(t, m, request("alice", ""), alicesPassword, nil)
		shut(t, m)
		serves(t, m, "alice", alicesPassword, verifier.ErrUnavailable)
	})
}
