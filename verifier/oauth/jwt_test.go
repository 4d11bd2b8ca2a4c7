package oauth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/saslkit/saslkit/verifier"
)

var quiet = log.New(io.Discard, "", 0)

// A signer is an issuer's key.
type signer struct {
	id  string
	alg jose.SignatureAlgorithm
	key crypto.Signer
}

func newSigner(t testing.TB, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{id, jose.ES256, key}
}

// sign makes a token.
func (s signer) sign(t testing.TB, payload string) string {
	t.Helper()
	return signWith(t, s.alg, s.id, s.key, payload)
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, id string, key any, payload string) string {
	t.Helper()
	o := new(jose.SignerOptions)
	if id != "" {
		o.WithHeader("kid", id)
	}
	maker, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := maker.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// keysOf is the JWK set of some signers.
func keysOf(t testing.TB, signers ...signer) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.key.Public(), KeyID: s.id})
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func keyFileOf(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var forUs = Checks{Issuer: "https://id.example", Audiences: []string{"mail"}}

func newJWT(t testing.TB, keys string, c Checks, algorithms ...string) *JWT {
	t.Helper()
	v, err := NewJWT(JWTOptions{Checks: c, Keys: keys, Algorithms: algorithms})
	if err != nil {
		t.Fatal(err)
	}
	v.now = func() time.Time { return noon }
	t.Cleanup(func() { v.Close() })
	return v
}

// said is the payload of a good token, with other members behind.
func said(more string) string {
	return fmt.Sprintf(`{"iss":"https://id.example","aud":"mail","exp":%d,"sub":"al"%s}`, noon.Unix()+300, more)
}

func TestJWTClaims(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "1")
	keys := keyFileOf(t, keysOf(t, s))
	for _, c := range []struct {
		name    string
		checks  Checks
		payload string
		want    string
	}{
		{"good", forUs, said(""), "al"},
		{"fraction of a second", forUs, strings.Replace(said(""), ",\"sub\"", ".5,\"sub\"", 1), "al"},
		{"another issuer", forUs, strings.Replace(said(""), "id.example", "id.example.evil", 1), "invalid_token"},
		{"another audience", forUs, strings.Replace(said(""), `"mail"`, `"mail2"`, 1), "invalid_token"},
		{"does not expire", forUs, `{"iss":"https://id.example","aud":"mail","sub":"al"}`, "invalid_token"},
		{"expired", forUs, fmt.Sprintf(`{"iss":"https://id.example","aud":"mail","exp":%d,"sub":"al"}`, noon.Unix()-60), "invalid_token"},
		{"within the skew", forUs, fmt.Sprintf(`{"iss":"https://id.example","aud":"mail","exp":%d,"sub":"al"}`, noon.Unix()-59), "al"},
		{"negative date", forUs, `{"iss":"https://id.example","aud":"mail","exp":-1,"sub":"al"}`, "invalid_token"},
		{"not yet", forUs, said(fmt.Sprintf(`,"nbf":%d`, noon.Unix()+61)), "invalid_token"},
		{"no name", forUs, strings.Replace(said(""), `"sub"`, `"subject"`, 1), "invalid_token"},
		{"empty name", forUs, strings.Replace(said(""), `"al"`, `""`, 1), "invalid_token"},
		{"NUL in the name", forUs, strings.Replace(said(""), `"al"`, `"a\u0000l"`, 1), "invalid_token"},
		{"no object", forUs, `[]`, "invalid_token"},
		{"no JSON", forUs, `x`, "invalid_token"},
		{"too little", Checks{Issuer: forUs.Issuer, Audiences: forUs.Audiences, Scopes: []string{"mail"}}, said(""), "insufficient_scope"},
		{"enough", Checks{Issuer: forUs.Issuer, Audiences: forUs.Audiences, Scopes: []string{"mail"}}, said(`,"scp":"x mail"`), "al"},
		{"preferred name", Checks{Issuer: forUs.Issuer, Audiences: forUs.Audiences, UserClaim: "preferred_username"}, said(`,"preferred_username":"bo@example.com"`), "bo@example.com"},
	} {
		a, err := newJWT(t, keys, c.checks).VerifyToken(t.Context(), verifier.Request{}, s.sign(t, c.payload))
		check(t, c.name, a, err, c.want)
	}
}

// TestJWTForged: whatever is not signed by a key of the issuer, with an algorithm that
// was permitted, is refused.
func TestJWTForged(t *testing.T) {
	t.Parallel()
	encode := base64.RawURLEncoding.EncodeToString
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ec, stranger, strong := newSigner(t, "ec"), newSigner(t, "ec"), signer{"rsa", jose.RS256, rsaKey}
	public := keysOf(t, ec, strong)
	good := ec.sign(t, said(""))
	part := strings.Split(good, ".")
	symmetric := strings.TrimSuffix(public, "]}") + `,{"kty":"oct","kid":"oct","k":"` + encode([]byte("0123456789abcdef0123456789abcdef")) + `"}]}`
	v := newJWT(t, keyFileOf(t, symmetric), forUs)
	rsOnly := newJWT(t, keyFileOf(t, public), forUs, "RS256")
	for _, c := range []struct {
		name  string
		v     *JWT
		token string
		want  string
	}{
		{"good", v, good, "al"},
		{"good with RSA", v, strong.sign(t, said("")), "al"},
		{"algorithm that is not permitted", rsOnly, good, "invalid_token"},
		{"stranger's key with our id", v, stranger.sign(t, said("")), "invalid_token"},
		{"unknown id", v, signWith(t, jose.ES256, "x", ec.key, said("")), "invalid_token"},
		{"id that is a path", v, signWith(t, jose.ES256, "../../etc/passwd", ec.key, said("")), "invalid_token"},
		{"id that is a URL", v, signWith(t, jose.ES256, "https://evil.example/keys", ec.key, said("")), "invalid_token"},
		{"no id, and there are two keys", v, signWith(t, jose.ES256, "", ec.key, said("")), "invalid_token"},
		{"another key's id", v, signWith(t, jose.ES256, "rsa", ec.key, said("")), "invalid_token"},
		{"no signature", v, part[0] + "." + part[1] + ".", "invalid_token"},
		{"algorithm none", v, encode([]byte(`{"alg":"none"}`)) + "." + part[1] + ".", "invalid_token"},
		{"algorithm none with a signature", v, encode([]byte(`{"alg":"none","kid":"ec"}`)) + "." + part[1] + "." + part[2], "invalid_token"},
		{"HMAC with the public key", v, signWith(t, jose.HS256, "ec", []byte(public), said("")), "invalid_token"},
		{"HMAC with a symmetric key of the set", v, signWith(t, jose.HS256, "oct", []byte("0123456789abcdef0123456789abcdef"), said("")), "invalid_token"},
		{"other payload", v, part[0] + "." + encode([]byte(strings.Replace(said(""), `"al"`, `"bo"`, 1))) + "." + part[2], "invalid_token"},
		{"own key in the header", v, encode([]byte(`{"alg":"ES256","jwk":`+strings.TrimSuffix(strings.TrimPrefix(keysOf(t, stranger), `{"keys":[`), `]}`)+`}`)) + "." + part[1] + "." + part[2], "invalid_token"},
		{"critical header", v, encode([]byte(`{"alg":"ES256","kid":"ec","crit":["x"],"x":1}`)) + "." + part[1] + "." + part[2], "invalid_token"},
		{"two parts", v, part[0] + "." + part[1], "invalid_token"},
		{"JSON", v, `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`, "invalid_token"},
		{"no token", v, "", "invalid_token"},
		{"long", v, ec.sign(t, said(`,"x":"`+strings.Repeat("x", maxToken)+`"`)), "invalid_token"},
		{"opaque", v, "canary", "invalid_token"},
	} {
		a, err := c.v.VerifyToken(t.Context(), verifier.Request{}, c.token)
		check(t, c.name, a, err, c.want)
		if err != nil && c.token != "" && len(c.token) < 1000 && strings.Contains(err.Error(), c.token) {
			t.Errorf("%s: the token is told", c.name)
		}
	}
}

// TestOneKey: a token without an id is of the only key.
func TestOneKey(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "1"} {
		s := newSigner(t, id)
		v := newJWT(t, keyFileOf(t, keysOf(t, s)), forUs)
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, signWith(t, jose.ES256, "", s.key, said("")))
		check(t, "id "+id, a, err, "al")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	one, two := newSigner(t, "1"), newSigner(t, "2")
	path := keyFileOf(t, keysOf(t, one))
	v := newJWT(t, path, forUs)
	for _, step := range []struct{ text, one, two string }{
		{keysOf(t, one), "al", "invalid_token"},
		{keysOf(t, one, two), "al", "al"},
		{keysOf(t, two), "invalid_token", "al"},
		{"nonsense", "unavailable", "unavailable"},
		{keysOf(t, one), "al", "invalid_token"},
	} {
		if err := os.WriteFile(path+".new", []byte(step.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		for s, want := range map[signer]string{one: step.one, two: step.two} {
			a, err := v.VerifyToken(t.Context(), verifier.Request{}, s.sign(t, said("")))
			check(t, step.text[:8]+" "+s.id, a, err, want)
		}
	}
}

// TestKeyServer: keys are asked for when they are needed, at most once a minute, and are
// used for a day if nobody says what they are now.
func TestKeyServer(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	one, two := newSigner(t, "1"), newSigner(t, "2")
	p.say(keysOf(t, one))
	v := newJWT(t, p.URL, forUs)
	var mu sync.Mutex
	passed := time.Duration(0)
	v.source.(*keyServer).now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return noon.Add(passed)
	}
	wait := func(d time.Duration) { mu.Lock(); passed += d; mu.Unlock() }
	try := func(what string, s signer, want string, asked int64) {
		t.Helper()
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, s.sign(t, said("")))
		check(t, what, a, err, want)
		if n := p.asked.Load(); n != asked {
			t.Errorf("%s: asked %d times, want %d", what, n, asked)
		}
	}
	if p.asked.Load() != 0 {
		t.Error("asked before there was a token")
	}
	p.status.Store(500)
	try("trouble at first", one, "unavailable", 1)
	try("nobody asks again at once", one, "unavailable", 1)
	p.status.Store(200)
	wait(restAfterTrouble)
	try("first", one, "al", 2)
	try("known", one, "al", 2)
	try("unknown", two, "invalid_token", 2)
	p.say(keysOf(t, one, two))
	wait(restAfterKeys)
	try("new key", two, "al", 3)
	forged := signWith(t, jose.ES256, "3", two.key, strings.Replace(said(""), "id.example", "evil", 1))
	wait(restAfterKeys)
	if a, err := v.VerifyToken(t.Context(), verifier.Request{}, forged); true {
		check(t, "another issuer's", a, err, "invalid_token")
	}
	if n := p.asked.Load(); n != 3 {
		t.Errorf("asked for another issuer's key")
	}
	p.status.Store(500)
	wait(freshFor)
	try("old keys in trouble", one, "al", 4)
	try("unknown key in trouble", signer{"4", jose.ES256, one.key}, "unavailable", 4)
	wait(goodFor)
	try("after a day", one, "unavailable", 5)
	p.status.Store(200)
	p.say(keysOf(t, two))
	wait(restAfterTrouble)
	try("withdrawn", one, "invalid_token", 6)
}

// TestKeysAreAskedForOnce by all who wait, and who gives up does not spoil it.
func TestKeysAreAskedForOnce(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "1")
	keys, asked, answer := keysOf(t, s), make(chan bool, 100), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- true
		<-answer
		fmt.Fprint(w, keys)
	}))
	defer server.Close()
	v := newJWT(t, server.URL, forUs)
	token := s.sign(t, said(""))
	given, giveUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := v.VerifyToken(given, verifier.Request{}, token)
		gone <- err
	}()
	<-asked
	giveUp()
	if err := <-gone; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			a, err := v.VerifyToken(t.Context(), verifier.Request{}, token)
			check(t, "together", a, err, "al")
		})
	}
	close(answer)
	all.Wait()
	if len(asked) != 0 {
		t.Errorf("asked %d times more", len(asked))
	}
}

// TestCloseEnds a question that is under way.
func TestCloseEnds(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer server.Close()
	v := newJWT(t, server.URL, forUs)
	answer := make(chan error)
	go func() {
		_, err := v.VerifyToken(t.Context(), verifier.Request{}, newSigner(t, "1").sign(t, said("")))
		answer <- err
	}()
	<-asked
	v.Close()
	if err := <-answer; !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	weak := `{"kty":"RSA","kid":"weak","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(append([]byte{0x80}, make([]byte, 127)...)) + `"}`
	one := strings.TrimSuffix(strings.TrimPrefix(keysOf(t, newSigner(t, "1")), `{"keys":[`), `]}`)
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"one", `{"keys":[` + one + `]}`, nil},
		{"one of a kind that nobody knows", `{"keys":[{"kty":"new"},` + one + `]}`, nil},
		{"none", `{"keys":[]}`, errNoKeys},
		{"no list", `{}`, errKeySet},
		{"a key alone", one, errKeySet},
		{"for encryption", `{"keys":[` + strings.Replace(one, `{`, `{"use":"enc",`, 1) + `]}`, errNoKeys},
		{"symmetric", `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`, errNoKeys},
		{"short RSA", `{"keys":[` + weak + `]}`, errNoKeys},
		{"many", `{"keys":[` + strings.Repeat(one+",", maxKeys) + one + `]}`, errManyKeys},
	} {
		keys, err := parseKeys([]byte(c.text))
		if err != c.want || (keys == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestJWTOptions(t *testing.T) {
	t.Parallel()
	path := keyFileOf(t, keysOf(t, newSigner(t, "1")))
	for _, c := range []struct {
		name string
		o    JWTOptions
		want string
	}{
		{"file", JWTOptions{Checks: forUs, Keys: path}, ""},
		{"URL", JWTOptions{Checks: forUs, Keys: "https://id.example/keys"}, ""},
		{"in the clear", JWTOptions{Checks: forUs, Keys: "http://id.example/keys"}, "is not https"},
		{"no keys", JWTOptions{Checks: forUs}, "no such file"},
		{"no issuer", JWTOptions{Checks: Checks{Audiences: []string{"mail"}}, Keys: path}, "Issuer is missing"},
		{"no audience", JWTOptions{Checks: Checks{Issuer: "x"}, Keys: path}, "Audiences is missing"},
		{"empty audience", JWTOptions{Checks: Checks{Issuer: "x", Audiences: []string{""}}, Keys: path}, "Audiences is missing"},
		{"none", JWTOptions{Checks: forUs, Keys: path, Algorithms: []string{"none"}}, `no algorithm "none"`},
		{"HMAC", JWTOptions{Checks: forUs, Keys: path, Algorithms: []string{"RS256", "HS256"}}, `no algorithm "HS256"`},
		{"nonsense", JWTOptions{Checks: forUs, Keys: keyFileOf(t, "x")}, "no JSON object"},
	} {
		v, err := NewJWT(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || (v == nil) != (err != nil) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if v != nil {
			v.Close()
		}
	}
}
