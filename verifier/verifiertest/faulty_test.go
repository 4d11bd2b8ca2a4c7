package verifiertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

// ask makes the three calls that a Faulty counts, and returns what went wrong.
func ask(ctx context.Context, f *Faulty) (verify, lookup, update error) {
	try := func(call func() error) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = p.(error)
			}
		}()
		return call()
	}
	verify = try(func() error {
		a, err := f.VerifyPassword(ctx, alice.request(), alice.Password)
		if err == nil && a.User == "" {
			return errEmpty
		}
		return err
	})
	lookup = try(func() error {
		s, err := f.LookupSecret(ctx, alice.request(), verifier.KindPassword)
		if err == nil && (s.Value == nil || s.Account.User == "") {
			return errEmpty
		}
		return err
	})
	update = try(func() error {
		changed := errEmpty
		err := f.Update(ctx, alice.request(), func(e verifier.Entry) (verifier.Entry, error) {
			changed = nil
			return e, nil
		})
		return errors.Join(err, changed)
	})
	return verify, lookup, update
}

func TestFaulty(t *testing.T) {
	mine := errors.New("disk on fire")
	for _, c := range []struct {
		name  string
		fault Fault
		nth   int64
		want  [3]error
	}{
		{"no fault", Fault{}, 0, [3]error{}},
		{"every call fails", Fault{Err: mine}, 0, [3]error{mine, mine, mine}},
		{"the first", Fault{Err: mine}, 1, [3]error{mine, nil, nil}},
		{"the second", Fault{Err: mine}, 2, [3]error{nil, mine, nil}},
		{"the third", Fault{Err: mine}, 3, [3]error{nil, nil, mine}},
		{"one that does not come", Fault{Err: mine}, 4, [3]error{}},
		{"a refusal", Fault{Err: verifier.ErrNoUser}, 2, [3]error{nil, verifier.ErrNoUser, nil}},
		{"panics", Fault{Panic: mine}, 0, [3]error{mine, mine, mine}},
		{"nothing, with success", Fault{Empty: true}, 0, [3]error{errEmpty, errEmpty, errEmpty}},
		{"a delay that passes", Fault{Delay: time.Microsecond}, 0, [3]error{}},
		{"a delay, then an error", Fault{Delay: time.Microsecond, Err: mine}, 3, [3]error{nil, nil, mine}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &Faulty{Verifier: full(), Fault: c.fault, Nth: c.nth}
			var got [3]error
			got[0], got[1], got[2] = ask(t.Context(), f)
			for i, err := range got {
				if !errors.Is(err, c.want[i]) {
					t.Errorf("call %d: %v, want %v", i+1, err, c.want[i])
				}
			}
			if n := f.Calls.Load(); n != 3 {
				t.Errorf("counted %d calls, want 3", n)
			}
		})
	}
}

func TestFaultyDelayEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	verify, lookup, update := ask(ctx, &Faulty{Verifier: full(), Fault: Fault{Delay: time.Hour}})
	for _, err := range []error{verify, lookup, update} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
}

func TestFaultyKeepsWhatItWraps(t *testing.T) {
	m := full()
	f := &Faulty{Verifier: m, Fault: Fault{Err: verifier.ErrUnavailable}}
	if diff := cmp.Diff(m.Coverage(), verifier.CoverageOf(f)); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	plain := &Faulty{Verifier: struct{ verifier.Verifier }{m}}
	if diff := cmp.Diff(verifier.Declared(verifier.KindCheck), plain.Coverage()); diff != "" {
		t.Errorf("coverage of a mere verifier (-want +got):\n%s", diff)
	}
	verify, lookup, update := ask(t.Context(), plain)
	if verify != nil || !errors.Is(lookup, verifier.ErrNoSecret) || !errors.Is(update, errors.ErrUnsupported) {
		t.Errorf("a mere verifier: %v, %v, %v", verify, lookup, update)
	}
}

// A chain must survive each of these with the right answer of another link.
func TestFaultyInChain(t *testing.T) {
	for _, fault := range []Fault{{Err: errors.New("reset")}, {Empty: true}, {Err: verifier.ErrNoUser}} {
		c := verifier.Chain(&Faulty{Verifier: full(), Fault: fault}, NewMemory(alice))
		if a, err := c.VerifyPassword(t.Context(), alice.request(), alice.Password); err != nil || a.User != alice.Name {
			t.Errorf("%+v: VerifyPassword = %q, %v", fault, a.User, err)
		}
		if s, err := c.LookupSecret(t.Context(), alice.request(), verifier.KindPassword); err != nil || string(s.Value) != alice.Password {
			t.Errorf("%+v: LookupSecret = %v, %v", fault, s.Kind, err)
		}
	}
}
