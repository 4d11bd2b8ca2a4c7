package saslkit_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// loginByToken sends one message and returns who logged in. A refusal that is told in
// JSON is acknowledged.
func loginByToken(a *saslkit.Authenticator, mechanism, message string) (saslkit.Result, error) {
	peer := a.NewPeer(saslkit.PeerConfig{
		Service: "imap", Realm: realm.Policy{Default: testRealm, Others: []string{"example.org"}},
		Channel: func() saslkit.Channel { return tls },
	})
	defer peer.Close()
	x, err := peer.Start(mechanism)
	if err != nil {
		return saslkit.Result{}, err
	}
	o := x.Step([]byte(message))
	if o.State == saslkit.More {
		o = x.Step([]byte("\x01"))
	}
	if o.State != saslkit.Done {
		return saslkit.Result{}, o.Err
	}
	r, _ := peer.Result()
	return r, nil
}

// What a token says of its user is prepared and cut as if the client had sent it.
func TestTokenNames(t *testing.T) {
	t.Parallel()
	tokens := verifier.StaticTokens{
		"bare": "al", "whole": "al@example.com", "other": "al@example.org", "elsewhere": "al@evil.example",
		"wide": "al\uff20example.com", "soft": "a\u00adl", "two": "al@example.com@example.com", "control": "a\x07l",
		"long": strings.Repeat("x", 2000),
	}
	a := &saslkit.Authenticator{Tokens: tokens, Authorizer: authorizer(mayBeShared)}
	for _, c := range []struct {
		name, token string // the name as the client sends it; "" for none
		want        string // user, realm and whom he acts as; "" if he is not let in
		class       mech.Class
	}{
		{"", "bare", "al example.com al", 0},
		{"al", "bare", "al example.com al", 0},
		{"al@example.com", "bare", "al example.com al", 0},
		{"al", "whole", "al example.com al", 0},
		{"", "other", "al example.org al", 0},
		{"al@example.org", "other", "al example.org al", 0},
		{"al", "other", "", mech.NotPermitted},
		{"al@example.org", "whole", "", mech.NotPermitted},
		{"bo", "bare", "", mech.NotPermitted},
		{"shared", "bare", "al example.com shared@example.com", 0},
		{"al@evil.example", "bare", "", mech.NotPermitted},
		{"", "elsewhere", "", mech.BadCredentials},
		{"al@evil.example", "elsewhere", "", mech.BadCredentials},
		{"", "wide", "al example.com al", 0},
		{"", "soft", "al example.com al", 0},
		{"", "two", "", mech.BadCredentials},
		{"", "control", "", mech.BadCredentials},
		{"", "long", "", mech.BadCredentials},
		{"al", "nobodys", "", mech.BadCredentials},
		{"", "", "", mech.BadCredentials}, // discovery
	} {
		auth, gs2 := "Bearer "+c.token, ""
		if c.token == "" {
			auth = ""
		}
		if c.name != "" {
			gs2 = "a=" + c.name
		}
		r, err := loginByToken(a, "OAUTHBEARER", "n,"+gs2+",\x01auth="+auth+"\x01\x01")
		if c.want != "" {
			if got := fmt.Sprintf("%s %s %s", r.User, r.Realm, r.Authzid); err != nil || got != c.want {
				t.Errorf("%q with the token %q: %q, %v; want %q", c.name, c.token, got, err, c.want)
			}
			continue
		}
		wantClass(t, err, c.class)
	}
}

// The guard knows who gives no name by his token, so that he is held up for himself
// alone; and what is not a try is not counted.
func TestTokenGuard(t *testing.T) {
	t.Parallel()
	var guard countingGuard
	var log bytes.Buffer
	a := &saslkit.Authenticator{
		Tokens: verifier.StaticTokens{"good": "al", "canary": "bo"}, Guard: &guard,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	const nameless = "n,,\x01auth=Bearer %s\x01\x01"
	for _, c := range []struct {
		mechanism, message string
		user               string // as the guard knows it; "" if it is not asked
		in                 bool
	}{
		{"OAUTHBEARER", "n,,\x01auth=\x01\x01", "", false},
		{"OAUTHBEARER", "n,,\x01auth=Bearer \x01\x01", "", false},
		{"OAUTHBEARER", fmt.Sprintf(nameless, "good"), "token good", true},
		{"OAUTHBEARER", fmt.Sprintf(nameless, "bad"), "token bad", false},
		{"XOAUTH2", "user=al\x01auth=Bearer bad\x01\x01", "al", false},
		{"XOAUTH2", "user=al\x01auth=Bearer canary\x01\x01", "al", false},
		{"XOAUTH2", "user=al\x01auth=Bearer good\x01\x01", "al", true},
	} {
		guard = countingGuard{}
		log.Reset()
		_, err := loginByToken(a, c.mechanism, c.message)
		want := countingGuard{}
		if c.user != "" {
			want.admitted = 1
			if want.failed = 1; c.in {
				want.failed, want.refunded = 0, 1
			}
		}
		if token, nameless := strings.CutPrefix(c.user, "token "); nameless {
			c.user = fmt.Sprintf("token %x", sha256.Sum256([]byte(token)))[:len("token ")+16]
		}
		if guard.last.User != c.user || guard.admitted != want.admitted || guard.failed != want.failed || guard.refunded != want.refunded || (err == nil) != c.in {
			t.Errorf("%q: %v, guard %+v, want the user %q", c.message, err, guard, c.user)
		}
		if text := log.String(); strings.Contains(text, "token ") && !strings.Contains(text, "token refused") || strings.Contains(text, "canary") || c.in && !strings.Contains(text, "user=al ") {
			t.Errorf("%q: logged %s", c.message, text)
		}
	}
	guard = countingGuard{refuse: verifier.ErrThrottled}
	_, err := loginByToken(a, "OAUTHBEARER", fmt.Sprintf(nameless, "good"))
	if wantClass(t, err, mech.Unavailable); !errors.Is(err, verifier.ErrThrottled) {
		t.Error(err)
	}
}

// Where nobody checks tokens the mechanisms are not offered, and in the clear neither.
func TestTokensAreOffered(t *testing.T) {
	t.Parallel()
	passwords := store(full("al"))
	for _, c := range []struct {
		auth *saslkit.Authenticator
		ch   saslkit.Channel
		want bool
	}{
		{&saslkit.Authenticator{Verifier: passwords}, tls, false},
		{&saslkit.Authenticator{Verifier: passwords, Tokens: verifier.StaticTokens{}}, tls, true},
		{&saslkit.Authenticator{Tokens: verifier.StaticTokens{}}, tls, true},
		{&saslkit.Authenticator{Tokens: verifier.StaticTokens{}}, clear, false},
	} {
		names := strings.Join(c.auth.Advertised(c.ch), " ")
		if got := strings.Contains(names, "OAUTHBEARER XOAUTH2"); got != c.want {
			t.Errorf("offered are %q, want tokens %v", names, c.want)
		}
	}
}
