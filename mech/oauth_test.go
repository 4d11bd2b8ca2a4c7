package mech

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

// tokenSite answers every token with the same.
type tokenSite struct {
	nobody
	account verifier.Account
	err     error
	asked   []string
}

func (b *tokenSite) VerifyToken(_ context.Context, name, token string) (verifier.Account, error) {
	b.asked = append(b.asked, name+" "+token)
	return b.account, b.err
}

func TestTokenVerdicts(t *testing.T) {
	t.Parallel()
	const message, scoped = "n,,\x01auth=Bearer t\x01\x01", "user=al\x01auth=Bearer t\x01\x01"
	told := &verifier.TokenError{Status: verifier.TokenInsufficient, Scope: "mail", Configuration: "https://id.example"}
	for _, c := range []struct {
		name    string
		m       *Mechanism
		message string
		err     error
		refusal string // "": the exchange ends at once
		class   Class
		code    string
	}{
		{"what the client may know", OAUTHBEARER, message, told, `{"status":"insufficient_scope","scope":"mail","openid-configuration":"https://id.example"}`, BadCredentials, "auth-failed"},
		{"in numbers", XOAUTH2, scoped, told, `{"status":"403","schemes":"bearer","scope":"mail","openid-configuration":"https://id.example"}`, BadCredentials, "auth-failed"},
		{"no status", OAUTHBEARER, message, &verifier.TokenError{}, `{"status":"invalid_token"}`, BadCredentials, "auth-failed"},
		{"another refusal", XOAUTH2, scoped, verifier.ErrNoUser, `{"status":"401","schemes":"bearer"}`, BadCredentials, "auth-failed"},
		{"trouble is no refusal", OAUTHBEARER, message, verifier.ErrUnavailable, "", Unavailable, "unavailable"},
		{"nor is trouble with a refusal", OAUTHBEARER, message, errors.Join(verifier.ErrUnavailable, told), "", Unavailable, "unavailable"},
		{"what nobody knows", XOAUTH2, scoped, errors.New("?"), "", Unavailable, "unavailable"},
		{"disabled", OAUTHBEARER, message, verifier.ErrDisabled, "", Disabled, "disabled"},
		{"throttled", OAUTHBEARER, message, verifier.ErrThrottled, "", Unavailable, "throttled"},
		{"somebody else's", XOAUTH2, scoped, nil, "", NotPermitted, "authz-denied"},
		{"discovery", OAUTHBEARER, "n,,\x01auth=\x01\x01", told, `{"status":"insufficient_scope","scope":"mail","openid-configuration":"https://id.example"}`, BadCredentials, "auth-failed"},
		{"discovery is no login", OAUTHBEARER, "n,,\x01auth=\x01\x01", nil, "", Unavailable, "unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &tokenSite{err: c.err, account: verifier.Account{User: "bo"}}
			s := c.m.NewServer(&ServerConfig{}, b)
			o := s.Step(t.Context(), []byte(c.message))
			if c.refusal != "" {
				if diff := cmp.Diff(c.refusal, string(o.Data)); diff != "" || o.State != More {
					t.Fatalf("state %d\n%s", o.State, diff)
				}
				o = s.Step(t.Context(), []byte(c.message)) // a second token
			}
			if o.State != Failed || o.Err.Class != c.class || o.Err.Code != c.code || o.Data != nil {
				t.Errorf("state %d, %v (%s), data %q; want %v (%s)", o.State, o.Err, o.Err.Detail(), o.Data, c.class, c.code)
			}
			if c.err != nil && !errors.Is(o.Err, c.err) && !errors.Is(o.Err, verifier.ErrNoUser) {
				t.Errorf("%v is not told", c.err)
			}
			if len(b.asked) != 1 {
				t.Errorf("asked about %q", b.asked)
			}
		})
	}
}

func TestTokenClientSends(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		m    *Mechanism
		cfg  ClientConfig
		want string // "": it refuses
	}{
		{"all", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "a=b,c", Token: FixedToken("t")}, Host: "h", Port: 143}, "n,a=a=3Db=2Cc,\x01host=h\x01port=143\x01auth=Bearer t\x01\x01"},
		{"nothing", OAUTHBEARER, ClientConfig{Credentials: Credentials{Token: FixedToken("t")}}, "n,,\x01auth=Bearer t\x01\x01"},
		{"authzid", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al", Authzid: "shared", Token: FixedToken("t")}}, "n,a=shared,\x01auth=Bearer t\x01\x01"},
		{"authzid", XOAUTH2, ClientConfig{Credentials: Credentials{Username: "al", Authzid: "shared", Token: FixedToken("t")}, Host: "h"}, "user=shared\x01auth=Bearer t\x01\x01"},
		{"no name", XOAUTH2, ClientConfig{Credentials: Credentials{Token: FixedToken("t")}}, ""},
		{"no token", XOAUTH2, ClientConfig{Credentials: Credentials{Username: "al", Password: "pw"}}, ""},
		{"empty token", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al", Token: FixedToken("")}}, ""},
		{"line end in the token", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al", Token: FixedToken("t\r\n")}}, ""},
		{"0x01 in the token", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al", Token: FixedToken("t\x01x=y")}}, ""},
		{"0x01 in the host", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al", Token: FixedToken("t")}, Host: "h\x01x=y"}, ""},
		{"0x01 in the name", XOAUTH2, ClientConfig{Credentials: Credentials{Username: "al\x01auth=Bearer x\x01", Token: FixedToken("t")}}, ""},
		{"0x01 in the name", OAUTHBEARER, ClientConfig{Credentials: Credentials{Username: "al\x01auth=Bearer x", Token: FixedToken("t")}}, ""},
		{"line end in the name", XOAUTH2, ClientConfig{Credentials: Credentials{Username: "al\n", Token: FixedToken("t")}}, ""},
		{"port out of range", OAUTHBEARER, ClientConfig{Credentials: Credentials{Token: FixedToken("t")}, Port: 70000}, ""},
	} {
		got, err := c.m.NewClient(&c.cfg).Start()
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s, %s: %q, %v; want %q", c.m.Name, c.name, got, err, c.want)
		}
		if err != nil && strings.Contains(AsError(err).Detail(), "\x01") {
			t.Errorf("%s, %s: %s", c.m.Name, c.name, AsError(err).Detail())
		}
	}
}

// TestTokenSource: it is asked once, within the context, and its error is the client's.
func TestTokenSource(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx, asked := context.WithValue(t.Context(), key{}, "mine"), 0
	expired := errors.New("the refresh token has expired")
	cfg := &ClientConfig{Context: ctx, Credentials: Credentials{Username: "al", Token: func(ctx context.Context) (string, error) {
		asked++
		if ctx.Value(key{}) != "mine" {
			t.Error("another context")
		}
		return "", expired
	}}}
	if _, err := XOAUTH2.NewClient(cfg).Start(); !errors.Is(err, expired) || AsError(err).Class != Unavailable || asked != 1 {
		t.Errorf("%v after %d calls", err, asked)
	}
}

// TestTokenClientRefused: the client answers, and then does not believe a success.
func TestTokenClientRefused(t *testing.T) {
	t.Parallel()
	for m, answer := range map[*Mechanism][]byte{OAUTHBEARER: {1}, XOAUTH2: {}} {
		c := m.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Token: FixedToken("t")}})
		if _, err := c.Start(); err != nil {
			t.Fatal(err)
		}
		got, err := c.Next([]byte(`{"status":"invalid_token","scope":"mail","more":[1]}`))
		if got == nil || !bytes.Equal(got, answer) || err != nil {
			t.Errorf("%s answers %q, %v", m.Name, got, err)
		}
		var refusal *verifier.TokenError
		if err := c.Finish(); AsError(err).Class != ServerRefused || !errors.As(err, &refusal) || *refusal != (verifier.TokenError{Status: "invalid_token", Scope: "mail"}) {
			t.Errorf("%s: Finish says %v, %+v", m.Name, err, refusal)
		}
		if _, err := c.Next([]byte(`{"status":"invalid_token"}`)); !errors.Is(err, ErrExchangeOver) {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
}
