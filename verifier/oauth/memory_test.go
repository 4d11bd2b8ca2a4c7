package oauth

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// TestRemember: a good token is not asked about twice, for as long as was said and as it
// is good; whatever else is.
func TestRemember(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	v := newIntrospection(t, IntrospectionOptions{URL: p.URL, Remember: time.Minute})
	now := noon
	v.now = func() time.Time { return now }
	for _, step := range []struct {
		what, token, answer string
		wait                time.Duration
		want                string
		asked               int64
	}{
		{"trouble", "t", `{}`, 0, "unavailable", 1},
		{"refused", "t", `{"active":false}`, 0, "invalid_token", 2},
		{"first", "t", `{"active":true,"username":"al"}`, 0, "al", 3},
		{"again, and revoked", "t", `{"active":false}`, time.Minute - 1, "al", 3},
		{"another", "u", `{"active":false}`, 0, "invalid_token", 4},
		{"forgotten", "t", `{"active":false}`, 1, "invalid_token", 5},
		{"refusals are not remembered", "t", fmt.Sprintf(`{"active":true,"username":"al","exp":%d}`, noon.Unix()+90), 0, "al", 6},
		{"until it expires", "t", `{"active":false}`, 30*time.Second - 1, "al", 6},
		{"expired", "t", `{"active":false}`, 1, "invalid_token", 7},
		{"good by the skew alone", "t", fmt.Sprintf(`{"active":true,"username":"al","exp":%d}`, noon.Unix()+90), 0, "al", 8},
		{"is not remembered", "t", `{"active":false}`, 0, "invalid_token", 9},
	} {
		now = now.Add(step.wait)
		p.say(step.answer)
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, step.token)
		check(t, step.what, a, err, step.want)
		if n := p.asked.Load(); n != step.asked {
			t.Fatalf("%s: asked %d times, want %d", step.what, n, step.asked)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := v.VerifyToken(ended, verifier.Request{}, "t"); !errors.Is(err, context.Canceled) || !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
}

// TestNoMemory: nothing is remembered unless that was said, and nothing for long.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	m := newMemory(0)
	m.keep(m.hash("t"), "al", noon, time.Time{})
	if _, ok := m.user(m.hash("t"), noon); ok || m.young != nil {
		t.Error("remembered")
	}
	for _, life := range []time.Duration{-1, time.Hour} {
		if m := newMemory(life); m.life < 0 || m.life > longestMemory {
			t.Errorf("%v is %v", life, m.life)
		}
	}
}

// TestMemoryIsBounded: the tokens that came last are there, and not too many others.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory(time.Minute)
	for i := range 5 * memories {
		m.keep(m.hash(fmt.Sprint(i)), fmt.Sprint("user ", i), noon, time.Time{})
	}
	if n := len(m.young) + len(m.old); n > 2*memories {
		t.Errorf("%d are remembered", n)
	}
	for i := 4*memories + 1; i < 5*memories; i++ {
		if user, ok := m.user(m.hash(fmt.Sprint(i)), noon); !ok || user != fmt.Sprint("user ", i) {
			t.Fatalf("%d: %q", i, user)
		}
	}
}
