package oauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/oauth"
)

// Tokens that say everything themselves: a mail server needs the issuer's public keys,
// and two names.
func ExampleJWT() {
	folder, err := os.MkdirTemp("", "jwt")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	keys := filepath.Join(folder, "keys.json")
	sign := newIssuer(keys)

	tokens, err := oauth.NewJWT(oauth.JWTOptions{
		Keys: keys, // or the jwks_uri of the provider
		Checks: oauth.Checks{
			Issuer:    "https://sso.example.com/",
			Audiences: []string{"mail.example.com"},
			Scopes:    []string{"mail"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()
	auth := &saslkit.Authenticator{Tokens: tokens}

	token := map[string]any{
		"iss": "https://sso.example.com/", "aud": "mail.example.com", "sub": "alice",
		"scope": "mail", "exp": time.Now().Add(time.Hour).Unix(),
	}
	login := func(what string) {
		result, err := saslkittest.Client{
			Mechanism:   "OAUTHBEARER",
			Credentials: saslkit.Credentials{Token: mech.FixedToken(sign(token))},
			Channel:     saslkit.Channel{Secure: true},
			Realm:       realm.Policy{Default: "example.com"},
		}.Login(auth)
		fmt.Printf("%s: %q, refused %t\n", what, result.Name(), verifier.Refused(err))
	}
	login("hers")
	token["aud"] = "chat.example.com"
	login("for another service")
	// Output:
	// hers: "alice@example.com", refused false
	// for another service: "", refused true
}

// Tokens of any kind: the authorization server is asked about each.
func ExampleIntrospection() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client, secret, _ := r.BasicAuth(); client != "mail" || secret != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := map[string]any{"active": false}
		if r.FormValue("token") == "2YotnFZFEjr1zCsicMWpAA" {
			answer = map[string]any{"active": true, "username": "alice", "scope": "mail chat"}
		}
		json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()

	tokens, err := oauth.NewIntrospection(oauth.IntrospectionOptions{
		URL:      server.URL, // of a real one, https
		ClientID: "mail", ClientSecret: "s3cret",
		Checks: oauth.Checks{Scopes: []string{"mail"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tokens.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	account, err := tokens.VerifyToken(ctx, verifier.Request{}, "2YotnFZFEjr1zCsicMWpAA")
	fmt.Println(account.User, err)
	_, err = tokens.VerifyToken(ctx, verifier.Request{}, "SlAV32hkKG")
	var refusal *verifier.TokenError
	fmt.Println(errors.As(err, &refusal), refusal.Status, refusal.Scope) // which the client learns

	server.Close()
	_, err = tokens.VerifyToken(ctx, verifier.Request{}, "2YotnFZFEjr1zCsicMWpAA")
	fmt.Println("away:", errors.Is(err, verifier.ErrUnavailable))
	// Output:
	// alice <nil>
	// true invalid_token mail
	// away: true
}

// newIssuer stands for the provider: it publishes a key and signs tokens with it.
func newIssuer(keys string) (sign func(claims any) string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1"}}})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(keys, set, 0o644); err != nil {
		log.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, new(jose.SignerOptions).WithHeader("kid", "1"))
	if err != nil {
		log.Fatal(err)
	}
	return func(claims any) string {
		payload, err := json.Marshal(claims)
		if err != nil {
			log.Fatal(err)
		}
		signed, err := signer.Sign(payload)
		if err != nil {
			log.Fatal(err)
		}
		text, err := signed.CompactSerialize()
		if err != nil {
			log.Fatal(err)
		}
		return text
	}
}
