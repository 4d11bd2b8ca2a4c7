package verifier

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	check    = KindCheck
	password = KindPassword
	cram     = KindCRAMMD5
	digest   = KindDIGESTMD5
)

func TestKindsOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		kinds []Kind
		want  string
	}{
		{"none", nil, "nothing"},
		{"a check alone", []Kind{check}, "password check"},
		{"a password can be checked", []Kind{password}, "password check, password"},
		{"a hash cannot", []Kind{digest}, "DIGEST-MD5 hash"},
		{"order and repetition do not matter", []Kind{digest, cram, digest}, "CRAM-MD5 states, DIGEST-MD5 hash"},
		{"a kind that this version does not know", []Kind{31}, "kind 31"},
		{"a kind that no set can hold", []Kind{32, 255}, "nothing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := KindsOf(c.kinds...)
			if got := s.String(); got != c.want {
				t.Errorf("KindsOf(%v) = %s, want %s", c.kinds, got, c.want)
			}
			for _, k := range c.kinds {
				if k < 32 && !s.Has(k) {
					t.Errorf("KindsOf(%v) does not have %v", c.kinds, k)
				}
			}
			if got, want := s.Any(c.kinds), s != 0; got != want {
				t.Errorf("Any(%v) = %v, want %v", c.kinds, got, want)
			}
			var again Kinds
			for k := range s.All() {
				again |= KindsOf(k)
			}
			if again != s {
				t.Errorf("All yields %v of %v", again, s)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	n := 0
	for k := range AllKinds.All() {
		if name := k.String(); name == "" || name == (Kind(200)).String() {
			t.Errorf("kind %d has no name", k)
		}
		if k >= kindEnd {
			t.Errorf("AllKinds has %v", k)
		}
		n++
	}
	if n != int(kindEnd) {
		t.Errorf("AllKinds has %d kinds, want %d", n, kindEnd)
	}
	for range AllKinds.All() {
		break // a loop that ends early ends the iteration
	}
	if KindsOf(cram).Any([]Kind{password, digest}) {
		t.Error("CRAM-MD5 alone has a password or a DIGEST-MD5 hash")
	}
}

func TestMeasured(t *testing.T) {
	for _, c := range []struct {
		name  string
		users []Kinds
		want  Coverage
	}{
		{"nobody has nothing", nil, Coverage{Counts: map[Kinds]int{}}},
		{
			"one user",
			[]Kinds{KindsOf(password)},
			Coverage{Some: KindsOf(password), All: KindsOf(password), Users: 1, Counts: map[Kinds]int{KindsOf(password): 1}},
		},
		{
			"some is the union and all the intersection",
			[]Kinds{KindsOf(password, cram), KindsOf(cram, digest), KindsOf(cram)},
			Coverage{
				Some: KindsOf(password, cram, digest), All: KindsOf(cram), Users: 3,
				Counts: map[Kinds]int{KindsOf(password, cram): 1, KindsOf(cram, digest): 1, KindsOf(cram): 1},
			},
		},
		{
			"a user without secrets takes everything from all",
			[]Kinds{KindsOf(password), 0},
			Coverage{Some: KindsOf(password), Users: 2, Counts: map[Kinds]int{KindsOf(password): 1, 0: 1}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Measured(c.users, nil)); diff != "" {
				t.Errorf("Measured (-want +got):\n%s", diff)
			}
		})
	}
	if got := Measured(nil, []string{"a", "b"}).Realms; !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("realms are %q", got)
	}
}

func TestServing(t *testing.T) {
	measured := Measured([]Kinds{KindsOf(password), KindsOf(password), KindsOf(digest)}, nil)
	for _, c := range []struct {
		name     string
		coverage Coverage
		kinds    []Kind
		want     int
	}{
		{"nothing asked", measured, nil, 0},
		{"one kind", measured, []Kind{digest}, 1},
		{"either of two", measured, []Kind{digest, password}, 3},
		{"one of two is enough", Measured([]Kinds{KindsOf(password, digest), KindsOf(cram)}, nil), []Kind{digest, password}, 1},
		{"a kind that nobody has", measured, []Kind{cram}, 0},
		{"a store that declares", Declared(password), []Kind{password}, -1},
		{"a store without counts", Coverage{Users: 3}, []Kind{password}, -1},
		{"an empty store that counts", Measured(nil, nil), []Kind{password}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.coverage.Serving(c.kinds); got != c.want {
				t.Errorf("Serving(%v) = %d, want %d", c.kinds, got, c.want)
			}
		})
	}
}

func TestUnion(t *testing.T) {
	empty := Measured(nil, nil)
	passwords := Measured([]Kinds{KindsOf(password)}, []string{"a", "b"})
	hashes := Measured([]Kinds{KindsOf(digest, cram)}, []string{"b", "c"})
	both := KindsOf(password, digest, cram)
	for _, c := range []struct {
		name string
		c, d Coverage
		want Coverage
	}{
		{"two empty stores are one", empty, empty, Coverage{}},
		{"an empty store takes nothing from all", empty, passwords, Coverage{Some: KindsOf(password), All: KindsOf(password), Users: -1}},
		{"different kinds", passwords, hashes, Coverage{Some: both, Users: -1, Realms: []string{"a", "b", "c"}}},
		{"a kind in common", Declared(password, digest), hashes, Coverage{Some: both, All: KindsOf(digest), Users: -1}},
		{"checks and passwords", Declared(check), Declared(password), Coverage{Some: KindsOf(password), All: KindsOf(check), Users: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.c.Union(c.d)); diff != "" {
				t.Errorf("Union (-want +got):\n%s", diff)
			}
			if back := c.d.Union(c.c); back.Some != c.want.Some || back.All != c.want.All {
				t.Errorf("the other way round: some %v, all %v", back.Some, back.All)
			}
		})
	}
	// However a chain is nested, empty stores at its front take nothing from all.
	if all := empty.Union(empty).Union(passwords).All; all != KindsOf(password) {
		t.Errorf("two empty stores and one with passwords: all is %v", all)
	}
	if !cmp.Equal(passwords.Realms, []string{"a", "b"}) {
		t.Errorf("Union changed its receiver's realms to %q", passwords.Realms)
	}
}

type checkOnly struct{}

func (checkOnly) VerifyPassword(context.Context, Request, string) (Account, error) {
	return Account{}, ErrWrongPassword
}

func TestCoverageOf(t *testing.T) {
	callback := Passwords(func(context.Context, Request) (string, error) { return "", ErrNoUser })
	for _, c := range []struct {
		name      string
		v         Verifier
		some, all Kinds
	}{
		{"a verifier checks everybody", checkOnly{}, KindsOf(check), KindsOf(check)},
		{"a callback declares passwords", callback, KindsOf(password), KindsOf(password)},
		{"static", Static{"alice": "pencil"}, KindsOf(password), KindsOf(password)},
		{"static without users", Static{}, 0, 0},
		{"static with an empty password among others", Static{"alice": "", "bob": "x"}, KindsOf(password), KindsOf(password)},
		{"no links", Chain(), 0, 0},
		{"one link", Chain(Static{"alice": "pencil"}), KindsOf(password), KindsOf(password)},
		{"a verifier and a store", Chain(checkOnly{}, Static{"alice": "pencil"}), KindsOf(password), KindsOf(check)},
		{"empty stores and one with users", Chain(Static{}, Static{}, callback), KindsOf(password), KindsOf(password)},
		{"nested", Chain(Chain(Static{}, Static{}), Chain(callback)), KindsOf(password), KindsOf(password)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := CoverageOf(c.v)
			if got.Some != c.some || got.All != c.all {
				t.Errorf("some %v, all %v; want some %v, all %v", got.Some, got.All, c.some, c.all)
			}
			s, ok := SourceOf(c.v)
			if _, plain := c.v.(checkOnly); ok == plain {
				t.Errorf("SourceOf(%T) = %v, %v", c.v, s, ok)
			}
		})
	}
}

func TestErrorClasses(t *testing.T) {
	for _, c := range []struct {
		err               error
		refused, terminal bool
	}{
		{ErrNoUser, true, false},
		{ErrWrongPassword, true, false},
		{ErrNoSecret, true, false},
		{ErrDisabled, false, true},
		{ErrExpired, false, true},
		{ErrUnavailable, false, false},
		{errNoName, false, false},
		{context.Canceled, false, false},
		{nil, false, false},
	} {
		for _, err := range []error{c.err, wrapped(c.err)} {
			if got := Refused(err); got != c.refused {
				t.Errorf("Refused(%v) = %v", err, got)
			}
			if got := Terminal(err); got != c.terminal {
				t.Errorf("Terminal(%v) = %v", err, got)
			}
		}
	}
	if !errors.Is(errNoName, ErrUnavailable) {
		t.Error("a broken contract does not count as unavailable")
	}
	if !errors.Is(&TokenError{Status: "invalid_token"}, ErrToken) {
		t.Error("a TokenError is not ErrToken")
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return &wrapper{err}
}

type wrapper struct{ err error }

func (w *wrapper) Error() string { return "at a place: " + w.err.Error() }
func (w *wrapper) Unwrap() error { return w.err }
