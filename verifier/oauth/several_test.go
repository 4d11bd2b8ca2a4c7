package oauth

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

// Who is asked about a token, and what the answers come to.
func TestSeveral(t *testing.T) {
	t.Parallel()
	one, two := newSigner(t, "1"), newSigner(t, "1")
	ofTwo := Checks{Issuer: "https://two.example", Audiences: []string{"mail"}}
	first := newJWT(t, keyFileOf(t, keysOf(t, one)), forUs)
	second := newJWT(t, keyFileOf(t, keysOf(t, two)), ofTwo)
	open, named := startProvider(t), startProvider(t)
	opaque := newIntrospection(t, IntrospectionOptions{URL: open.URL})
	bound := newIntrospection(t, IntrospectionOptions{URL: named.URL, Checks: Checks{Issuer: "https://three.example", Scopes: []string{"mail"}}})
	yes, no := `{"active":true,"username":"bo"}`, `{"active":false}`
	of := func(issuer string) string { return strings.Replace(said(""), "https://id.example", issuer, 1) }
	for _, c := range []struct {
		name                  string
		token                 string
		open, named           string // what the providers say; "": trouble
		want                  string
		askedOpen, askedNamed int64 // how many questions each gets
	}{
		{"of the first", one.sign(t, said("")), yes, yes, "al", 0, 0},
		{"of the second", two.sign(t, of("https://two.example")), yes, yes, "al", 0, 0},
		{"of the first, by the second's key", two.sign(t, said("")), yes, yes, "invalid_token", 0, 0},
		{"of the first, expired", one.sign(t, `{"iss":"https://id.example","aud":"mail","exp":1,"sub":"al"}`), yes, yes, "invalid_token", 0, 0},
		{"of the third", one.sign(t, of("https://three.example")), yes, `{"active":true,"iss":"https://three.example","username":"cy","scope":"mail"}`, "cy", 0, 1},
		{"of a stranger", one.sign(t, of("https://evil.example")), no, yes, "invalid_token", 1, 0},
		{"opaque, known to the first who is asked", "canary", yes, yes, "bo", 1, 0},
		{"opaque, known to the last", "canary", no, `{"active":true,"iss":"https://three.example","username":"cy","scope":"mail"}`, "cy", 1, 1},
		{"opaque, good for too little", "canary", no, `{"active":true,"iss":"https://three.example","username":"cy"}`, "insufficient_scope", 1, 1},
		{"opaque, unknown", "canary", no, no, "invalid_token", 1, 1},
		{"opaque, with trouble before a yes", "canary", "", `{"active":true,"iss":"https://three.example","username":"cy","scope":"mail"}`, "cy", 1, 1},
		{"opaque, with trouble and a no", "canary", "", no, "unavailable", 1, 1},
		{"none", "", yes, yes, "invalid_token", 0, 0},
	} {
		v := Several(first, second, opaque, bound)
		for p, answer := range map[*provider]string{open: c.open, named: c.named} {
			p.asked.Store(0)
			p.status.Store(http.StatusOK)
			if answer == "" {
				p.status.Store(http.StatusInternalServerError)
			}
			p.say(answer)
		}
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, c.token)
		check(t, c.name, a, err, c.want)
		if open.asked.Load() != c.askedOpen || named.asked.Load() != c.askedNamed {
			t.Errorf("%s: %d and %d questions, want %d and %d", c.name, open.asked.Load(), named.asked.Load(), c.askedOpen, c.askedNamed)
		}
	}
	closed := Several(first, second)
	a, err := closed.VerifyToken(t.Context(), verifier.Request{}, one.sign(t, of("https://evil.example")))
	check(t, "of a stranger, about whom nobody is asked", a, err, "invalid_token")
	if want := `issued by "https://evil.example"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v does not say %s", err, want)
	}
	if text := Several(first, tokenFunc(nil)).(fmt.Stringer).String(); text != first.String()+", oauth.tokenFunc" {
		t.Error(text)
	}
}

type tokenFunc func(token string) (verifier.Account, error)

func (f tokenFunc) VerifyToken(_ context.Context, _ verifier.Request, token string) (verifier.Account, error) {
	return f(token)
}

// Verifiers of other packages count as those without an Issuer; what they say beside yes
// and no stands.
func TestSeveralOfOthers(t *testing.T) {
	t.Parallel()
	static := verifier.StaticTokens{"canary": "al"}
	disabled := tokenFunc(func(string) (verifier.Account, error) { return verifier.Account{}, verifier.ErrDisabled })
	if a, err := Several(static, disabled).VerifyToken(t.Context(), verifier.Request{}, "canary"); err != nil || a.User != "al" {
		t.Error(a, err)
	}
	if _, err := Several(disabled, static).VerifyToken(t.Context(), verifier.Request{}, "canary"); err != verifier.ErrDisabled {
		t.Error(err)
	}
	if Several() != nil {
		t.Error("several of none")
	}
	if v, ok := Several(static).(verifier.StaticTokens); !ok || len(v) != 1 {
		t.Error("several of one")
	}
}

// FuzzIssuer: what names an issuer is in three parts, the second an object, and a token made
// of an issuer names him.
func FuzzIssuer(f *testing.F) {
	f.Add("https://id.example")
	f.Add("a.eyJpc3MiOiJ4In0.b")
	f.Add("a.eyJpc3MiOjF9.b")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		if issuerOf(s) != "" {
			part := strings.Split(s, ".")[1]
			if text, err := base64.RawURLEncoding.DecodeString(part); err != nil || !strings.HasPrefix(strings.TrimSpace(string(text)), "{") || strings.Count(s, ".") != 2 {
				t.Fatalf("%q names %q", s, issuerOf(s))
			}
		}
		if strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' || r == 0xfffd }) || len(s) > 1000 {
			return
		}
		token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+s+`"}`)) + ".e30"
		if got := issuerOf(token); got != s {
			t.Fatalf("%q, want %q", got, s)
		}
	})
}
