package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

// noon is when these tests take place.
var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// A provider answers every question with the same.
type provider struct {
	*httptest.Server
	status atomic.Int64
	answer atomic.Value
	asked  atomic.Int64
	last   atomic.Pointer[http.Request]
}

func (p *provider) say(answer string) { p.answer.Store(answer) }

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	r.ParseForm()
	p.last.Store(r)
	w.WriteHeader(int(p.status.Load()))
	fmt.Fprint(w, p.answer.Load())
}

func startProvider(t testing.TB) *provider {
	t.Helper()
	p := new(provider)
	p.status.Store(http.StatusOK)
	p.say("{}")
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func newIntrospection(t testing.TB, o IntrospectionOptions) *Introspection {
	t.Helper()
	v, err := NewIntrospection(o)
	if err != nil {
		t.Fatal(err)
	}
	v.now = func() time.Time { return noon }
	t.Cleanup(func() { v.Close() })
	return v
}

// check holds a verdict against what it should be: a user, "unavailable", or a status.
func check(t *testing.T, what string, a verifier.Account, err error, want string) {
	t.Helper()
	got := a.User
	var refusal *verifier.TokenError
	switch {
	case errors.Is(err, verifier.ErrUnavailable):
		got = "unavailable"
	case errors.As(err, &refusal):
		got = refusal.Status
	case err != nil:
		t.Errorf("%s: neither a refusal nor trouble: %v", what, err)
	}
	if got != want || err != nil && a.User != "" {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
	if err != nil && strings.Contains(err.Error(), "canary") {
		t.Errorf("%s: the token is told: %v", what, err)
	}
}

func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	now := noon.Unix()
	wanted := Checks{Issuer: "https://id.example", Audiences: []string{"mail"}, Scopes: []string{"imap", "smtp"}}
	good := `"active":true,"iss":"https://id.example","aud":["web","mail"],"scope":"imap other smtp"`
	for _, c := range []struct {
		name   string
		checks Checks
		status int
		answer string
		want   string
	}{
		{"active", Checks{}, 200, `{"active":true,"username":"al"}`, "al"},
		{"not active", Checks{}, 200, `{"active":false,"username":"al"}`, "invalid_token"},
		{"does not say", Checks{}, 200, `{"username":"al"}`, "unavailable"},
		{"says null", Checks{}, 200, `{"active":null,"username":"al"}`, "unavailable"},
		{"says it in a text", Checks{}, 200, `{"active":"true","username":"al"}`, "unavailable"},
		{"no JSON", Checks{}, 200, `active`, "unavailable"},
		{"nothing", Checks{}, 200, ``, "unavailable"},
		{"a list", Checks{}, 200, `[true]`, "unavailable"},
		{"cut short", Checks{}, 200, `{"active":true,"username":"al"`, "unavailable"},
		{"two objects", Checks{}, 200, `{"active":true,"username":"al"}{"active":false}`, "unavailable"},
		{"too long", Checks{}, 200, `{"active":true,"username":"al"` + strings.Repeat(" ", maxAnswer) + `}`, "unavailable"},
		{"we are not let in", Checks{}, 401, `{"active":true,"username":"al"}`, "unavailable"},
		{"server error", Checks{}, 500, `{"active":false}`, "unavailable"},
		{"too many requests", Checks{}, 429, `{"active":false}`, "unavailable"},
		{"no content", Checks{}, 204, ``, "unavailable"},
		{"no name", Checks{}, 200, `{"active":true,"sub":"al"}`, "invalid_token"},
		{"name is a number", Checks{}, 200, `{"active":true,"username":17}`, "invalid_token"},
		{"name with a line end", Checks{}, 200, `{"active":true,"username":"a\nl"}`, "invalid_token"},
		{"long name", Checks{}, 200, `{"active":true,"username":"` + strings.Repeat("a", maxName+1) + `"}`, "invalid_token"},
		{"another claim", Checks{UserClaim: "sub"}, 200, `{"active":true,"sub":"al","username":"bo"}`, "al"},
		{"email", Checks{UserClaim: "email"}, 200, `{"active":true,"email":"al@example.com"}`, "al@example.com"},
		{"verified email", Checks{UserClaim: "email"}, 200, `{"active":true,"email":"al@example.com","email_verified":true}`, "al@example.com"},
		{"email that is not verified", Checks{UserClaim: "email"}, 200, `{"active":true,"email":"al@example.com","email_verified":false}`, "invalid_token"},
		{"email that may be verified", Checks{UserClaim: "email"}, 200, `{"active":true,"email":"al@example.com","email_verified":1}`, "invalid_token"},
		{"expired", Checks{}, 200, fmt.Sprintf(`{"active":true,"username":"al","exp":%d}`, now-60), "invalid_token"},
		{"expired by our clock", Checks{}, 200, fmt.Sprintf(`{"active":true,"username":"al","exp":%d}`, now-59), "al"},
		{"early by our clock", Checks{}, 200, fmt.Sprintf(`{"active":true,"username":"al","nbf":%d}`, now+60), "al"},
		{"early", Checks{}, 200, fmt.Sprintf(`{"active":true,"username":"al","nbf":%d}`, now+61), "invalid_token"},
		{"a strange date", Checks{}, 200, `{"active":true,"username":"al","exp":1e300}`, "unavailable"},
		{"a date in a text", Checks{}, 200, `{"active":true,"username":"al","exp":"17"}`, "unavailable"},
		{"all is checked", wanted, 200, `{` + good + `,"username":"al"}`, "al"},
		{"another issuer", wanted, 200, strings.Replace(`{`+good+`,"username":"al"}`, "id.example", "id2.example", 1), "invalid_token"},
		{"for others", wanted, 200, strings.Replace(`{`+good+`,"username":"al"}`, `"mail"`, `"mails"`, 1), "invalid_token"},
		{"one audience", wanted, 200, strings.Replace(`{`+good+`,"username":"al"}`, `["web","mail"]`, `"mail"`, 1), "al"},
		{"no audience", wanted, 200, `{"active":true,"iss":"https://id.example","username":"al","scope":"imap smtp"}`, "invalid_token"},
		{"for less", wanted, 200, strings.Replace(`{`+good+`,"username":"al"}`, ` smtp`, ` smtps`, 1), "insufficient_scope"},
		{"Microsoft's scopes", Checks{Scopes: []string{"imap"}}, 200, `{"active":true,"username":"al","scp":["smtp","imap"]}`, "al"},
	} {
		p.status.Store(int64(c.status))
		p.say(c.answer)
		v := newIntrospection(t, IntrospectionOptions{URL: p.URL, Checks: c.checks})
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, "canary")
		check(t, c.name, a, err, c.want)
	}
}

func TestIntrospectionAsks(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.say(`{"active":true,"username":"al"}`)
	for _, c := range []struct {
		o    IntrospectionOptions
		want string
	}{
		{IntrospectionOptions{}, ""},
		{IntrospectionOptions{ClientID: "a:b", ClientSecret: "c d"}, "Basic YSUzQWI6Yytk"}, // a%3Ab:c+d
		{IntrospectionOptions{Bearer: "t"}, "Bearer t"},
	} {
		c.o.URL = p.URL + "/introspect?x=y"
		v := newIntrospection(t, c.o)
		if _, err := v.VerifyToken(t.Context(), verifier.Request{}, "a+/=b"); err != nil {
			t.Fatal(err)
		}
		r := p.last.Load()
		if r.Method != "POST" || r.URL.Path != "/introspect" || r.PostForm.Get("token") != "a+/=b" || r.Header.Get("Authorization") != c.want {
			t.Errorf("%s %s %v %v; want authorization %q", r.Method, r.URL, r.PostForm, r.Header, c.want)
		}
	}
}

// TestNoQuestion: without a token, and with one that is none, nobody is asked.
func TestNoQuestion(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	v := newIntrospection(t, IntrospectionOptions{URL: p.URL, Checks: Checks{Scopes: []string{"imap", "smtp"}, Configuration: "https://id.example"}})
	for _, token := range []string{"", strings.Repeat("x", maxToken+1)} {
		_, err := v.VerifyToken(t.Context(), verifier.Request{}, token)
		var refusal *verifier.TokenError
		if !errors.As(err, &refusal) || *refusal != (verifier.TokenError{Status: "invalid_token", Scope: "imap smtp", Configuration: "https://id.example"}) {
			t.Errorf("%v", err)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// TestBreaker: a server that does not answer is asked a few times, and then not.
func TestBreaker(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.status.Store(500)
	v := newIntrospection(t, IntrospectionOptions{URL: p.URL})
	for range 100 {
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, "t")
		check(t, "trouble", a, err, "unavailable")
	}
	if n := p.asked.Load(); n < 5 || n > 20 {
		t.Errorf("asked %d times", n)
	}
}

// TestContextEnds: whoever gives up is answered at once, and that opens no breaker.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	asked, end := make(chan bool, 100), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- true
		<-end
	}))
	defer s.Close()
	defer close(end)
	v := newIntrospection(t, IntrospectionOptions{URL: s.URL})
	for range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		a, err := v.VerifyToken(ctx, verifier.Request{}, "t")
		check(t, "given up", a, err, "unavailable")
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// TestTimeout: a server that does not answer in time is trouble.
func TestTimeout(t *testing.T) {
	t.Parallel()
	end := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
	defer s.Close()
	defer close(end)
	v := newIntrospection(t, IntrospectionOptions{URL: s.URL, Timeout: time.Millisecond})
	a, err := v.VerifyToken(t.Context(), verifier.Request{}, "t")
	check(t, "slow", a, err, "unavailable")
}

// TestRedirection: a token goes to the server that was configured and to no other.
func TestRedirection(t *testing.T) {
	t.Parallel()
	other := startProvider(t)
	other.say(`{"active":true,"username":"al"}`)
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	v := newIntrospection(t, IntrospectionOptions{URL: s.URL})
	a, err := v.VerifyToken(t.Context(), verifier.Request{}, "t")
	check(t, "redirected", a, err, "unavailable")
	if n := other.asked.Load(); n != 0 {
		t.Error("the token went elsewhere")
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	p := new(provider)
	p.status.Store(200)
	p.say(`{"active":true,"username":"al"}`)
	s := httptest.NewUnstartedServer(p)
	s.Config.ErrorLog = quiet
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for want, config := range map[string]*tls.Config{"unavailable": nil, "al": {RootCAs: pool}} {
		v := newIntrospection(t, IntrospectionOptions{URL: s.URL, TLS: config})
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, "t")
		check(t, "TLS", a, err, want)
	}
}

func TestIntrospectionOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o    IntrospectionOptions
		want string // in the error; "": there is none
	}{
		{IntrospectionOptions{URL: "https://id.example/introspect"}, ""},
		{IntrospectionOptions{URL: "http://127.0.0.1:8080/"}, ""},
		{IntrospectionOptions{URL: "http://[::1]/"}, ""},
		{IntrospectionOptions{URL: "http://localhost/"}, ""},
		{IntrospectionOptions{URL: "http://id.example/"}, "is not https"},
		{IntrospectionOptions{URL: "http://127.0.0.1.example/"}, "is not https"},
		{IntrospectionOptions{URL: "ftp://127.0.0.1/"}, "is not https"},
		{IntrospectionOptions{URL: "/introspect"}, "no URL"},
		{IntrospectionOptions{URL: ""}, "no URL"},
		{IntrospectionOptions{URL: "https://al:canary@id.example/"}, "user name"},
		{IntrospectionOptions{URL: "https://id.example/", ClientSecret: "canary"}, "without ClientID"},
		{IntrospectionOptions{URL: "https://id.example/", ClientID: "x", Bearer: "canary"}, "exclude"},
	} {
		v, err := NewIntrospection(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || (v == nil) != (err != nil) {
			t.Errorf("%s: %v, want %q", c.o.URL, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("a secret is told: %v", err)
		}
		if text := fmt.Sprintf("%v %+v %#v", c.o, c.o, c.o); strings.Contains(text, "canary") {
			t.Errorf("options print as %s", text)
		}
	}
}
