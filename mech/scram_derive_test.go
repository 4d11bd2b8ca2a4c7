package mech

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

func newDerivation(t *testing.T, key string, iterations int) *Derivation {
	t.Helper()
	d, err := NewDerivation([]byte(key), iterations)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDerivedSalt: the formula, with crypto/hmac, and that everything in it counts.
func TestDerivedSalt(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, key := range []string{"0123456789abcdef", "0123456789abcdeg", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("k", 1000)} {
		d := newDerivation(t, key, 0)
		for _, h := range scram.All() {
			for _, name := range [][2]string{{"al", ""}, {"al", "example.com"}, {"al", "example.org"}, {"bo", "example.com"}, {"", "al"}, {strings.Repeat("n", 1024), "r"}} {
				mac := hmac.New(sha256.New, []byte(key))
				fmt.Fprintf(mac, "scram\x00%s\x00%s\x00%s", h.Name(), name[0], name[1])
				got := d.salt(h, name[0], name[1])
				if !bytes.Equal(got[:], mac.Sum(nil)[:16]) {
					t.Errorf("key of %d bytes, %s, %.20q: salt %x", len(key), h.Name(), name, got)
				}
				if again := newDerivation(t, key, 5000).salt(h, name[0], name[1]); again != got {
					t.Errorf("another server with the key shows %x, not %x", again, got)
				}
				what := fmt.Sprintf("%.20q of %d bytes, %s, %.20q", key, len(key), h.Name(), name)
				if other, twice := seen[string(got[:])]; twice {
					t.Errorf("%s and %s have one salt", what, other)
				}
				seen[string(got[:])] = what
			}
		}
	}
	one, other := testDerivation(t), testDerivation(t)
	if one.salt(scram.SHA1, "al", "") == other.salt(scram.SHA1, "al", "") {
		t.Error("without a key two servers show one salt")
	}
}

func TestNewDerivationRefuses(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"short key":       second(NewDerivation(make([]byte, 15), 0)),
		"empty key":       second(NewDerivation([]byte{}, 0)),
		"few iterations":  second(NewDerivation(nil, 4095)),
		"negative":        second(NewDerivation(nil, -1)),
		"many iterations": second(NewDerivation(nil, 1_000_001)),
	} {
		if !errors.Is(err, ErrDerivation) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := newDerivation(t, "canary-canary-canary", 0)
	if shown := fmt.Sprintf("%v %+v %#v %x %s", d, d, d, d, d); strings.Contains(shown, "canary") || strings.Contains(shown, fmt.Sprintf("%x", "canary")) {
		t.Errorf("shown as %s", shown)
	}
}

func second[T any](_ T, err error) error { return err }

// firstOf returns what the server says first.
func firstOf(t *testing.T, m *Mechanism, d *Derivation, site *scramSite) scramServerFirst {
	t.Helper()
	flag := "n"
	if m.Binds {
		flag, site.binding = "p=tls-unique", map[string]string{BindingUnique: "data"}
	}
	s := m.NewServer(&ServerConfig{SCRAM: d, nonce: func() string { return "server" }}, site)
	o := s.Step(t.Context(), []byte(flag+",,n=al,r=client"))
	if o.State != More {
		t.Fatal(o.Err.Detail())
	}
	first, err := parseSCRAMServerFirst(o.Data)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// TestUnknownLooksLikePassword: what is shown for a user whose password is stored is
// what is shown for nobody, whatever the decoy is of, in both forms of the mechanism.
func TestUnknownLooksLikePassword(t *testing.T) {
	t.Parallel()
	d := newDerivation(t, "0123456789abcdef", 6000)
	password := verifier.Secret{Kind: verifier.KindPassword, Value: []byte("pencil"), Account: verifier.Account{User: "Al"}}
	for _, m := range []*Mechanism{SCRAMSHA256, SCRAMSHA256PLUS} {
		want := firstOf(t, m, d, &scramSite{held: password})
		if want.iterations != 6000 || len(want.salt) != derivedSalt {
			t.Errorf("%s shows %d iterations and %x", m.Name, want.iterations, want.salt)
		}
		for _, decoy := range []verifier.Kind{verifier.KindPassword, verifier.KindSCRAMSHA256} {
			for _, err := range []error{verifier.ErrNoUser, verifier.ErrNoSecret} {
				if got := firstOf(t, m, d, &scramSite{held: verifier.Decoy(decoy), lookup: err}); got.iterations != want.iterations || !bytes.Equal(got.salt, want.salt) {
					t.Errorf("%s, %v, decoy %v: %+v, want %+v", m.Name, err, decoy, got, want)
				}
			}
		}
	}
}

// A meter is a context that counts how often it is looked at: PBKDF2 does so three
// times for 4,096 iterations.
type meter struct {
	context.Context
	looks int
}

func (m *meter) Err() error {
	m.looks++
	return m.Context.Err()
}

const looksEach = (MinIterations-2)/1024 + 1

// derivations talks to a server with a password, and says how it ended and how many
// derivations the server made.
func derivations(t *testing.T, d *Derivation, site *scramSite, password string) (o Outcome, n int) {
	t.Helper()
	ctx := &meter{Context: t.Context()}
	s := SCRAMSHA256.NewServer(&ServerConfig{SCRAM: d}, site)
	c := SCRAMSHA256.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: password}, MinIterations: 1})
	response, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	o = s.Step(ctx, response)
	if ctx.looks > 0 {
		t.Error("keys are derived before the client answered")
	}
	if response, err = c.Next(o.Data); err != nil {
		t.Fatal(err)
	}
	o = s.Step(ctx, response)
	if ctx.looks%looksEach != 0 {
		t.Errorf("%d looks at the context", ctx.looks)
	}
	return o, ctx.looks / looksEach
}

// TestDerivationIsKept: a user costs a derivation once, and a failure always one,
// whether there is such a user or not.
func TestDerivationIsKept(t *testing.T) {
	t.Parallel()
	d := testDerivation(t)
	held := func(password string) *scramSite {
		return &scramSite{held: verifier.Secret{Kind: verifier.KindPassword, Value: []byte(password), Account: verifier.Account{User: "al"}}}
	}
	disabled := held("pencil")
	disabled.lookup = verifier.ErrDisabled
	for _, c := range []struct {
		what  string
		site  *scramSite
		typed string
		want  string // code; "" for success
		cost  int
	}{
		{"the wrong password at first", held("pencil"), "wrong", "invalid-proof", 1},
		{"the first login", held("pencil"), "pencil", "", 1},
		{"the second", held("pencil"), "pencil", "", 0},
		{"the wrong password when keys are kept", held("pencil"), "wrong", "invalid-proof", 1},
		{"and again", held("pencil"), "wrong", "invalid-proof", 1},
		{"nobody", &scramSite{held: verifier.Decoy(verifier.KindPassword), lookup: verifier.ErrNoUser}, "wrong", "invalid-proof", 1},
		{"nobody, with the password of the decoy", &scramSite{held: verifier.Decoy(verifier.KindPassword), lookup: verifier.ErrNoUser}, string(verifier.Decoy(verifier.KindPassword).Value), "invalid-proof", 1},
		{"nobody does not push the user out", held("pencil"), "pencil", "", 0},
		{"the old password after a change", held("changed"), "pencil", "invalid-proof", 1},
		{"the new one", held("changed"), "changed", "", 1},
		{"the new one again", held("changed"), "changed", "", 0},
		{"the old one once more", held("changed"), "pencil", "invalid-proof", 1},
		{"disabled, right password", disabled, "pencil", "disabled", 1},
		{"stored keys cost nothing", &scramSite{held: keysOf(t, verifier.KindSCRAMSHA256)}, "wrong", "invalid-proof", 0},
		{"nobody where most have keys", &scramSite{held: verifier.Decoy(verifier.KindSCRAMSHA256), lookup: verifier.ErrNoUser}, "wrong", "invalid-proof", 0},
	} {
		o, n := derivations(t, d, c.site, c.typed)
		got := ""
		if o.State != Done {
			got = o.Err.Code
		}
		if got != c.want || n != c.cost {
			t.Errorf("%s: %q with %d derivations, want %q with %d", c.what, got, n, c.want, c.cost)
		}
	}
}

// TestDerivedKeysAreBounded: those who have not logged in for longest go first.
func TestDerivedKeysAreBounded(t *testing.T) {
	t.Parallel()
	d := testDerivation(t)
	who := func(i int) derivedFor { return derivedFor{scram.SHA1, [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}} }
	var of [32]byte
	for i := range 10 * cachedKeys {
		d.keep(who(i), derivedKeys{of: of})
		if n := len(d.young) + len(d.old); n > 2*cachedKeys {
			t.Fatalf("%d entries", n)
		}
		if _, ok := d.kept(who(0), of); !ok {
			t.Fatalf("who logs in all the time is forgotten after %d others", i)
		}
	}
	if _, ok := d.kept(who(1), of); ok {
		t.Error("who did not come back is kept")
	}
	if _, ok := d.kept(who(10*cachedKeys-1), [32]byte{1}); ok {
		t.Error("keys of another password are found")
	}
}

// TestDerivationsAreLimited: as many at a time as there are processors, some more
// wait, and the others are told that there is trouble.
func TestDerivationsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDerivation(t, "0123456789abcdef", MaxIterations)
		places := runtime.GOMAXPROCS(0)
		room := places * queuedIterations / MaxIterations
		for range places {
			if err := d.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error, room)
		for range room {
			go func() { waiting <- d.enter(ctx) }()
		}
		synctest.Wait()
		if err := d.enter(t.Context()); len(waiting) != 0 || !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("one too many: %v; %d did not wait", err, len(waiting))
		}
		d.queue.Leave()
		if err := <-waiting; err != nil {
			t.Errorf("a place became free: %v", err)
		}
		cancel()
		for range room - 1 {
			if err := <-waiting; !errors.Is(err, context.Canceled) {
				t.Errorf("the connection ended: %v", err)
			}
		}
	})
}

// TestDerivationStops: when the connection ends, so does its PBKDF2, and the place is
// free again.
func TestDerivationStops(t *testing.T) {
	t.Parallel()
	d := newDerivation(t, "0123456789abcdef", MaxIterations)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	who := derivedFor{scram.SHA512, d.salt(scram.SHA512, "al", "")}
	match, key, err := d.verify(ctx, who, "pencil", make([]byte, 64), nil, true)
	if match || key != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %x, %v", match, key, err)
	}
	if e := AsError(err); e.Class != Cancelled {
		t.Errorf("class %v", e.Class)
	}
	for range runtime.GOMAXPROCS(0) { // all places are free
		if err := d.enter(ctx); err != nil {
			t.Errorf("a place is taken: %v", err)
		}
	}
}
