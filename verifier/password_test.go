package verifier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/saslprep"
)

func TestMatchPassword(t *testing.T) {
	for _, c := range []struct {
		name              string
		presented, stored string
		want              bool
	}{
		{"same", "pencil", "pencil", true},
		{"case", "Pencil", "pencil", false},
		{"prefix", "penci", "pencil", false},
		{"longer", "pencill", "pencil", false},
		{"NUL at the end", "pencil\x00", "pencil", false},
		{"both empty", "", "", false},
		{"presented empty", "", "pencil", false},
		{"stored empty", "pencil", "", false},
		{"stored prepares to empty", "", "\u00ad", false},
		{"stored prepares to empty, raw", "\u00ad", "\u00ad", false},
		{"not ASCII", "grün", "grün", true},
		{"not ASCII, composed when presented", "gr\u00fcn", "gru\u0308n", true},
		{"stored is not prepared: NFKC", "IX", "\u2168", true},
		{"stored is not prepared: soft hyphen", "pencil", "pen\u00adcil", true},
		{"stored is not prepared: no-break space", "a b", "a\u00a0b", true},
		{"presented is compared as it is", "\u2168", "\u2168", false},
		{"case folding is not done", "GRÜN", "grün", false},
		{"raw where preparation refuses: control", "pen\tcil", "pen\tcil", true},
		{"raw where preparation refuses: other", "pencil", "pen\tcil", false},
		{"raw where preparation refuses: direction", "\u06271", "\u06271", true},
		{"raw where preparation refuses: not UTF-8", "pen\xffcil", "pen\xffcil", true},
		{"raw is not normalised", "IX\t", "\u2168\t", false},
		{"unassigned in Unicode 3.2", "\U0001f600!", "\U0001f600!", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := MatchPassword(c.presented, c.stored); got != c.want {
				t.Errorf("MatchPassword(%+q, %+q) = %v", c.presented, c.stored, got)
			}
			if got := MatchPassword(c.presented, []byte(c.stored)); got != c.want {
				t.Errorf("MatchPassword(%+q, bytes %+q) = %v", c.presented, c.stored, got)
			}
		})
	}
}

func FuzzMatchPassword(f *testing.F) {
	f.Add("pencil", "pencil")
	f.Add("IX", "\u2168")
	f.Add("", "\u00ad")
	f.Fuzz(func(t *testing.T, presented, stored string) {
		got := MatchPassword(presented, stored)
		want := presented != "" && stored != "" && presented == saslprep.Password(stored)
		if got != want {
			t.Errorf("MatchPassword(%+q, %+q) = %v", presented, stored, got)
		}
	})
}

// lookups is a SecretSource with one answer, which counts how often it is given.
type lookups struct {
	Verifier
	secret Secret
	err    error
	asked  int
}

func (l *lookups) Coverage() Coverage { return Declared(KindPassword) }

func (l *lookups) LookupSecret(context.Context, Request, ...Kind) (Secret, error) {
	l.asked++
	return l.secret, l.err
}

func TestVerifyStored(t *testing.T) {
	alice := Account{User: "Alice", Realm: "example.org"}
	pencil := Secret{Kind: KindPassword, Value: []byte("pencil"), Account: alice}
	for _, c := range []struct {
		name     string
		secret   Secret
		err      error
		password string
		want     error
	}{
		{"right", pencil, nil, "pencil", nil},
		{"wrong", pencil, nil, "pencils", ErrWrongPassword},
		{"unknown", Secret{}, ErrNoUser, "pencil", ErrNoUser},
		{"unknown, with the decoyPassword's password", Secret{}, ErrNoUser, decoyPassword, ErrNoUser},
		{"unknown, wrapped", Secret{}, wrapped(ErrNoUser), decoyPassword, ErrNoUser},
		{"no secret", Secret{}, ErrNoSecret, decoyPassword, ErrNoSecret},
		{"a refusal that comes with a secret", pencil, ErrNoUser, "pencil", ErrNoUser},
		{"disabled, right", pencil, ErrDisabled, "pencil", ErrDisabled},
		{"disabled, wrong", pencil, ErrDisabled, "pencils", ErrWrongPassword},
		{"expired, right", pencil, wrapped(ErrExpired), "pencil", ErrExpired},
		{"expired, wrong", pencil, wrapped(ErrExpired), "pencils", ErrWrongPassword},
		{"disabled, secret withheld", Secret{}, ErrDisabled, "pencil", ErrWrongPassword},
		{"disabled, secret withheld, decoy", Secret{}, ErrDisabled, decoyPassword, ErrWrongPassword},
		{"unavailable", pencil, ErrUnavailable, "pencil", ErrUnavailable},
		{"cancelled", Secret{}, context.Canceled, "pencil", context.Canceled},
		{"empty secret", Secret{Kind: KindPassword, Account: alice}, nil, "", ErrWrongPassword},
		{"nothing at all", Secret{}, nil, "", ErrWrongPassword},
		{"a hash is not a password", Secret{Kind: KindDIGESTMD5, Value: []byte("0123456789abcdef"), Account: alice}, nil, "0123456789abcdef", ErrUnavailable},
		{"account without a name", Secret{Kind: KindPassword, Value: []byte("pencil")}, nil, "pencil", ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &lookups{secret: c.secret, err: c.err}
			got, err := VerifyStored(t.Context(), l, Request{User: "alice"}, c.password)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if want := alice.User; (got.User == want) != (c.want == nil) || err != nil && got.User != "" {
				t.Errorf("account %q with error %v", got.User, err)
			}
			if l.asked != 1 {
				t.Errorf("%d look-ups, want 1", l.asked)
			}
		})
	}
}

func TestPasswords(t *testing.T) {
	asked := 0
	v := Passwords(func(_ context.Context, r Request) (string, error) {
		asked++
		switch r.User {
		case "alice":
			return "pencil", nil
		case "empty":
			return "", nil
		case "locked":
			return "pencil", ErrDisabled
		case "locked without a password":
			return "", ErrDisabled
		case "late":
			return "pencil", context.DeadlineExceeded
		}
		return "pencil", wrapped(ErrNoUser) // what comes with a refusal does not count
	})
	for _, c := range []struct {
		user, password string
		verify, lookup error
	}{
		{"alice", "pencil", nil, nil},
		{"alice", "pencils", ErrWrongPassword, nil},
		{"alice", "", ErrWrongPassword, nil},
		{"empty", "", ErrNoSecret, ErrNoSecret},
		{"empty", "pencil", ErrNoSecret, ErrNoSecret},
		{"empty", decoyPassword, ErrNoSecret, ErrNoSecret},
		{"locked", "pencil", ErrDisabled, ErrDisabled},
		{"locked", "pencils", ErrWrongPassword, ErrDisabled},
		{"locked without a password", "pencil", ErrNoSecret, ErrNoSecret},
		{"late", "pencil", context.DeadlineExceeded, context.DeadlineExceeded},
		{"nobody", "pencil", ErrNoUser, ErrNoUser},
		{"", "pencil", ErrNoUser, ErrNoUser},
	} {
		r := Request{User: c.user, Realm: "example.org"}
		asked = 0
		a, err := v.VerifyPassword(t.Context(), r, c.password)
		if !errors.Is(err, c.verify) || (err == nil) != (a.User == c.user && a.Realm == r.Realm) {
			t.Errorf("VerifyPassword(%q, %q) = %q, %v; want %v", c.user, c.password, a.User, err, c.verify)
		}
		s, err := v.LookupSecret(t.Context(), r, KindCRAMMD5, KindPassword)
		if !errors.Is(err, c.lookup) || (err == nil || Terminal(err)) != (string(s.Value) == "pencil") {
			t.Errorf("LookupSecret(%q) = %d bytes, %v; want %v", c.user, len(s.Value), err, c.lookup)
		}
		if asked != 2 {
			t.Errorf("%q: the callback was asked %d times for two calls", c.user, asked)
		}
	}
	for _, kinds := range [][]Kind{nil, {KindCheck}, {KindCRAMMD5, KindDIGESTMD5}} {
		if s, err := v.LookupSecret(t.Context(), Request{User: "alice"}, kinds...); !errors.Is(err, ErrNoSecret) || s.Value != nil {
			t.Errorf("LookupSecret(%v) = %d bytes, %v", kinds, len(s.Value), err)
		}
	}
}

func TestStatic(t *testing.T) {
	v := Static{"alice": "pencil", "bob@example.org": "crayon", "carol": "chalk", "carol@example.org": "", "dave@a@b": "ink"}
	for _, c := range []struct {
		name              string
		user, realm, pass string
		want              error
	}{
		{"without a realm", "alice", "", "pencil", nil},
		{"in every realm", "alice", "example.net", "pencil", nil},
		{"in its realm", "bob", "example.org", "crayon", nil},
		{"in another realm", "bob", "example.net", "crayon", ErrNoUser},
		{"outside its realm", "bob", "", "crayon", ErrNoUser},
		{"a site without realms: the address is the name", "bob@example.org", "", "crayon", nil},
		{"its realm twice", "bob@example.org", "example.org", "crayon", ErrNoUser},
		{"its realm from within another", "bob@example.org", "example.net", "crayon", ErrNoUser},
		{"a realm with an at sign", "dave", "a@b", "ink", nil},
		{"a user with an at sign", "dave@a", "b", "ink", nil},
		{"a realm can take a user away", "carol", "example.org", "chalk", ErrNoUser},
		{"from that realm only", "carol", "example.net", "chalk", nil},
		{"empty password", "carol", "example.org", "", ErrNoUser},
		{"no name", "", "", "pencil", ErrNoUser},
		{"unknown, decoy", "nobody", "", decoyPassword, ErrNoUser},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Request{User: c.user, Realm: c.realm}
			a, err := v.VerifyPassword(t.Context(), r, c.pass)
			if !errors.Is(err, c.want) || (err == nil) != (a.User == c.user && c.want == nil) {
				t.Errorf("VerifyPassword = %q, %v; want %v", a.User, err, c.want)
			}
			s, err := v.LookupSecret(t.Context(), r, KindPassword)
			if !errors.Is(err, c.want) || (err == nil) != (string(s.Value) == c.pass && s.Account.User == c.user) {
				t.Errorf("LookupSecret = %d bytes, %v; want %v", len(s.Value), err, c.want)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	static := Static{"alice": "pencil"}
	callback := Passwords(func(context.Context, Request) (string, error) { return "pencil", nil })
	for _, v := range []SecretSource{static, callback, Chain(static, callback)} {
		a, err := v.VerifyPassword(ctx, Request{User: "alice"}, "pencil")
		if !errors.Is(err, context.Canceled) || Refused(err) || a.User != "" {
			t.Errorf("%T: VerifyPassword = %q, %v", v, a.User, err)
		}
		s, err := v.LookupSecret(ctx, Request{User: "alice"}, KindPassword)
		if !errors.Is(err, context.Canceled) || Refused(err) || s.Value != nil {
			t.Errorf("%T: LookupSecret = %d bytes, %v", v, len(s.Value), err)
		}
	}
}

func TestRedaction(t *testing.T) {
	const canary = "canary-password"
	secret := Secret{Kind: KindPassword, Value: []byte(canary), Account: Account{User: "alice"}}
	static := Static{"alice": canary}
	entry := Entry{Exists: true, Secrets: []Secret{secret}}
	for _, x := range []any{
		secret, &secret, []Secret{secret}, map[string]Secret{"x": secret}, entry, &entry,
		static, &static, []Verifier{static}, struct{ V Verifier }{static},
		Chain(static), Chain(Chain(static)), struct{ V Verifier }{Chain(static)},
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o", "%b", "%c", "%U", "%e", "%g", "%t"} {
			fmt.Fprintf(&out, verb+"\n", x)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "x", x)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "x", x)
		if err := json.NewEncoder(&out).Encode(x); err != nil {
			t.Errorf("%T: %v", x, err)
		}
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary), fmt.Sprint([]byte(canary)), "Y2FuYXJ5", "0x63, 0x61"} {
			if strings.Contains(out.String(), form) {
				t.Errorf("%T shows %q:\n%s", x, form, out.String())
			}
		}
		if !strings.Contains(out.String(), "REDACTED") {
			t.Errorf("%T does not say REDACTED:\n%s", x, out.String())
		}
	}
}
