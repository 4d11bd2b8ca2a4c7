package mech

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// A scramSite is a backend with one user, and a channel with binding data.
type scramSite struct {
	nobody
	held    verifier.Secret
	lookup  error
	binding map[string]string // data by type
	offers  bool
}

func (s *scramSite) Offers(m *Mechanism) bool    { return m != nil && s.offers }
func (s *scramSite) Named() (user, realm string) { return "al", "example.com" }
func (s *scramSite) Binding(typ string) ([]byte, bool) {
	data, ok := s.binding[typ]
	return []byte(data), ok
}

func (s *scramSite) LookupSecret(context.Context, string, string, []verifier.Kind) (verifier.Secret, error) {
	return s.held, s.lookup
}

func keysOf(t testing.TB, kind verifier.Kind) verifier.Secret {
	t.Helper()
	value, err := SCRAMSecret(kind, "pencil", []byte("sixteen bytes of"), 1)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Secret{Kind: kind, Value: value, Account: verifier.Account{User: "al", Realm: "example.com"}}
}

// conversation lets two sides talk until one of them fails or both are content.
// Messages pass through edit, if there is one; the first has number 0.
func conversation(t testing.TB, m *Mechanism, site *scramSite, cfg *ServerConfig, client *ClientConfig, edit func(int, []byte) []byte) (Outcome, error) {
	t.Helper()
	if edit == nil {
		edit = func(_ int, b []byte) []byte { return b }
	}
	if cfg.SCRAM == nil {
		cfg.SCRAM = testDerivation(t)
	}
	client.Credentials = Credentials{Username: "al", Password: "pencil"}
	client.MinIterations = 1
	s, c := m.NewServer(cfg, site), m.NewClient(client)
	response, err := c.Start()
	if err != nil {
		return Outcome{State: Failed, Err: AsError(err)}, err
	}
	for n := 0; ; n += 2 {
		o := s.Step(t.Context(), edit(n, response))
		if o.State == Failed {
			return o, o.Err
		}
		response, err = c.Next(edit(n+1, o.Data))
		if o.State == Done || err != nil {
			return o, errors.Join(err, c.Finish())
		}
	}
}

// TestSCRAMBinds: both sides end with the type that they agree on; of data that are
// not equal nothing comes.
func TestSCRAMBinds(t *testing.T) {
	t.Parallel()
	for _, m := range table {
		if m.Plus == nil {
			continue
		}
		held := keysOf(t, m.Secrets[0])
		for _, theirs := range []string{"data", "other"} {
			site := &scramSite{held: held, binding: map[string]string{BindingUnique: "data"}, offers: true}
			cfg := &ClientConfig{Binding: (&scramSite{binding: map[string]string{BindingUnique: theirs}}).Binding}
			o, err := conversation(t, m.Plus, site, &ServerConfig{}, cfg, nil)
			if good := theirs == "data"; (o.State == Done && err == nil) != good {
				t.Errorf("%s with %s: %v, %v", m.Plus.Name, theirs, o.Err, err)
			} else if good && o.Identity.Binding != BindingUnique {
				t.Errorf("%s: bound to %q", m.Plus.Name, o.Identity.Binding)
			}
		}
	}
}

// TestSCRAMBindsToSomething: a channel that has a type but no data, at first or later,
// binds nothing.
func TestSCRAMBindsToSomething(t *testing.T) {
	t.Parallel()
	held := keysOf(t, verifier.KindSCRAMSHA256)
	talk := func(later map[string]string) Outcome {
		site := &scramSite{held: held, binding: map[string]string{BindingUnique: "data"}}
		s := SCRAMSHA256PLUS.NewServer(&ServerConfig{SCRAM: testDerivation(t), nonce: func() string { return "server" }}, site)
		if later[BindingExporter] == "at once" {
			site.binding = map[string]string{BindingUnique: ""}
		}
		o := s.Step(t.Context(), []byte("p=tls-unique,,n=al,r=client"))
		if o.State != More {
			return o
		}
		site.binding = later
		sent := "c=" + base64.StdEncoding.EncodeToString([]byte("p=tls-unique,,")) + ",r=clientserver"
		return s.Step(t.Context(), finalFor(t, scram.SHA256, "n=al,r=client", string(o.Data), sent))
	}
	for name, later := range map[string]map[string]string{
		"never":        {BindingExporter: "at once"},
		"no longer":    {},
		"empty now":    {BindingUnique: ""},
		"as at first":  {BindingUnique: "data"},
		"another type": {BindingEndPoint: "data"},
	} {
		if o := talk(later); o.State != Failed || o.Err.Class != BadCredentials {
			t.Errorf("%s: state %d, %v", name, o.State, o.Err)
		}
	}
}

// TestSCRAMReplay: a recorded exchange is of no use, since the server's nonce is new.
func TestSCRAMReplay(t *testing.T) {
	t.Parallel()
	site := &scramSite{held: keysOf(t, verifier.KindSCRAMSHA256)}
	var sent [][]byte
	o, err := conversation(t, SCRAMSHA256, site, &ServerConfig{}, &ClientConfig{}, func(_ int, b []byte) []byte { sent = append(sent, b); return b })
	if o.State != Done || err != nil {
		t.Fatal(o.Err, err)
	}
	s := SCRAMSHA256.NewServer(&ServerConfig{SCRAM: testDerivation(t)}, site)
	s.Step(t.Context(), sent[0])
	if o := s.Step(t.Context(), sent[2]); o.State != Failed || o.Err.Code != "nonce" {
		t.Errorf("state %d, %v", o.State, o.Err)
	}
}

// TestSCRAMBrokenSecret: what is no record of the kind is trouble of the store.
func TestSCRAMBrokenSecret(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]verifier.Secret{
		"garbage":      {Kind: verifier.KindSCRAMSHA256, Value: []byte("x")},
		"another hash": {Kind: verifier.KindSCRAMSHA256, Value: keysOf(t, verifier.KindSCRAMSHA1).Value},
		"another kind": {Kind: verifier.KindDIGESTMD5, Value: make([]byte, 16)},
		"no account":   {Kind: verifier.KindSCRAMSHA256, Value: keysOf(t, verifier.KindSCRAMSHA256).Value},
	} {
		o, err := conversation(t, SCRAMSHA256, &scramSite{held: held}, &ServerConfig{}, &ClientConfig{}, nil)
		if o.State != Failed || o.Err.Class != Unavailable {
			t.Errorf("%s: state %d, %v, %v", name, o.State, o.Err, err)
		}
	}
	s := SCRAMSHA256.NewServer(&ServerConfig{}, &scramSite{held: keysOf(t, verifier.KindSCRAMSHA256)})
	if o := s.Step(t.Context(), []byte("n,,n=al,r=x")); o.State != Failed || o.Err.Class != Unavailable {
		t.Errorf("without a Derivation: %v", o.Err)
	}
}

// TestSCRAMLongestNames: what the limits allow can be used, escaped byte by byte, and
// fits into what is taken before parsing.
func TestSCRAMLongestNames(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("=", maxNameLimit)
	site := &scramSite{held: keysOf(t, verifier.KindSCRAMSHA256), binding: map[string]string{BindingExporter: strings.Repeat("x", 512)}}
	c := SCRAMSHA256PLUS.NewClient(&ClientConfig{
		Credentials: Credentials{Username: name, Password: "pencil", Authzid: name}, Binding: site.Binding, MinIterations: 1,
		nonce: func() string { return strings.Repeat("n", maxSCRAMNonce) },
	})
	s := SCRAMSHA256PLUS.NewServer(&ServerConfig{SCRAM: testDerivation(t), Limits: Limits{Name: maxNameLimit}}, site)
	first, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	o := s.Step(t.Context(), first)
	if o.State != More {
		t.Fatal(o.Err.Detail())
	}
	final, err := c.Next(o.Data)
	if err != nil {
		t.Fatal(err)
	}
	if o = s.Step(t.Context(), final); o.State != Done {
		t.Fatal(o.Err.Detail())
	}
	if _, err = c.Next(o.Data); err != nil || c.Finish() != nil {
		t.Error(err)
	}
	if most := max(len(first), len(final)); most > maxSCRAMMessage {
		t.Errorf("a message of %d bytes, the limit is %d", most, maxSCRAMMessage)
	}
}

// TestSCRAMClientIterations: bounds hold before anything is computed, and the context
// ends what is.
func TestSCRAMClientIterations(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		count       string
		least, most int
		ctx         context.Context
		want        Class // 0: an answer
	}{
		{"4096", 0, 0, nil, 0},
		{"4095", 0, 0, nil, TooWeak},
		{"4095", 4095, 0, nil, 0},
		{"1000001", 0, 0, nil, Limit},
		{"1000001", 0, 1_000_001, ended, Cancelled},
		{"10000001", 0, 20_000_000, ended, Limit},
		{"99999999999999999999", 0, 0, nil, Limit},
		{"0", 0, 0, nil, Malformed},
	} {
		client := SCRAMSHA1.NewClient(&ClientConfig{
			Credentials: Credentials{Username: "al", Password: "pencil"}, MinIterations: c.least, MaxIterations: c.most,
			Context: c.ctx, nonce: func() string { return "n" },
		})
		if _, err := client.Start(); err != nil {
			t.Fatal(err)
		}
		answer, err := client.Next([]byte("r=n12345678,s=QUFBQQ==,i=" + c.count))
		var e *Error
		if errors.As(err, &e); c.want == 0 && err != nil || c.want != 0 && (e == nil || e.Class != c.want || answer != nil) {
			t.Errorf("%s between %d and %d: %v", c.count, c.least, c.most, err)
		}
	}
}

// TestSCRAMPreparedNames: names go out prepared and escaped; one that cannot be is
// refused before anything is sent.
func TestSCRAMPreparedNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a,b=c":        "n=a=2Cb=3Dc,",
		"I\u00adX":     "n=IX,",
		"\u2168":       "n=IX,",
		"j\u00f6rg":    "n=j\u00f6rg,",
		"\u00ad":       "",
		"a\u0007b":     "",
		"\u0627\u0031": "",
	} {
		c := SCRAMSHA1.NewClient(&ClientConfig{Credentials: Credentials{Username: name, Password: "x"}})
		first, err := c.Start()
		if want == "" && (err == nil || first != nil) || want != "" && (err != nil || !bytes.HasPrefix(first, []byte("n,,"+want))) {
			t.Errorf("%+q: %q, %v", name, first, err)
		}
	}
}

// TestSCRAMPassword: a password that SASLprep refuses is used as it came, by both
// sides and when keys are made.
func TestSCRAMPassword(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"pencil", "I\u00adX", "\u2168", "j\xf6rg", "bell\u0007", "\U0001f600", "\u0627\u0031"} {
		value, err := SCRAMSecret(verifier.KindSCRAMSHA1, password, []byte("salt"), 1)
		if err != nil {
			t.Fatal(err)
		}
		plain := verifier.Secret{Kind: verifier.KindPassword, Value: []byte(password), Account: verifier.Account{User: "al"}}
		for _, held := range []verifier.Secret{{Kind: verifier.KindSCRAMSHA1, Value: value, Account: plain.Account}, plain} {
			s := SCRAMSHA1.NewServer(&ServerConfig{SCRAM: testDerivation(t)}, &scramSite{held: held})
			c := SCRAMSHA1.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: password}, MinIterations: 1})
			first, err := c.Start()
			if err != nil {
				t.Fatal(err)
			}
			final, err := c.Next(s.Step(t.Context(), first).Data)
			if err != nil {
				t.Fatal(err)
			}
			if o := s.Step(t.Context(), final); o.State != Done {
				t.Errorf("%+q with %v: %v", password, held.Kind, o.Err)
			}
		}
	}
}

// finalFor is a client-final-message with a proof that is right for the password
// "pencil" and the messages.
func finalFor(t *testing.T, h scram.Hash, bare, challenge, withoutProof string) []byte {
	t.Helper()
	first, err := parseSCRAMServerFirst([]byte(challenge))
	if err != nil {
		t.Fatal(err)
	}
	salted, err := h.Salted(t.Context(), "pencil", first.salt, first.iterations)
	if err != nil {
		t.Fatal(err)
	}
	auth := bare + "," + challenge + "," + withoutProof
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(h.Proof(nil, salted, []byte(auth))))
}
