package mech

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/verifier"
)

// sameNTLM compares what counts in a message. Flags and layout differ between programs,
// and so does the LM response, which nobody needs beside the other.
func sameNTLM(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if len(got) < 12 || !bytes.Equal(got[:12], want[:12]) {
		t.Fatalf("%s begins with %q, want %q", what, got[:min(12, len(got))], want[:12])
	}
	var a, b any
	switch want[8] {
	case 1:
		a, b = essentialNegotiate(t, got), essentialNegotiate(t, want)
	case 2:
		a, b = essentialChallenge(t, got), essentialChallenge(t, want)
	case 3:
		a, b = essentialAuthenticate(t, got), essentialAuthenticate(t, want)
	}
	if diff := cmp.Diff(b, a); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func essentialNegotiate(t *testing.T, b []byte) ntlm.Flags {
	m, err := ntlm.ParseNegotiate(b)
	if err != nil {
		t.Fatal(err)
	}
	return m.Flags & (ntlm.Unicode | ntlm.NTLM)
}

func essentialChallenge(t *testing.T, b []byte) ntlm.Challenge {
	m, err := ntlm.ParseChallenge(b)
	if err != nil {
		t.Fatal(err)
	}
	m.Flags &= ntlm.Unicode
	return m
}

func essentialAuthenticate(t *testing.T, b []byte) ntlm.Authenticate {
	m, err := ntlm.ParseAuthenticate(b)
	if err != nil {
		t.Fatal(err)
	}
	return ntlm.Authenticate{User: m.User, Domain: m.Domain, Workstation: m.Workstation, NT: m.NT}
}

// ntlmStore is a backend with one user, and with realms.
type ntlmStore struct {
	nobody
	user, realm string // in which he is; "" for the default
	held        verifier.Secret
	realms      []string
}

func (b ntlmStore) Realms() []string { return b.realms }

func (b ntlmStore) LookupSecret(_ context.Context, name, realm string, _ []verifier.Kind) (verifier.Secret, error) {
	if len(b.realms) > 0 && realm == b.realms[0] {
		realm = ""
	}
	if name != b.user || realm != b.realm {
		return verifier.Decoy(b.held.Kind), verifier.ErrNoUser
	}
	s := b.held
	s.Account = verifier.Account{User: name, Realm: realm}
	return s, nil
}

func ntlmPassword(password string) verifier.Secret {
	return verifier.Secret{Kind: verifier.KindPassword, Value: []byte(password)}
}

// An ntlmTalk is a server that waits for the last message.
type ntlmTalk struct {
	server               Server
	negotiate, challenge []byte
	offer                ntlm.Challenge
}

func newNTLMTalk(t testing.TB, cfg *ServerConfig, b Backend) *ntlmTalk {
	t.Helper()
	s := NTLM.NewServer(cfg, b)
	x := &ntlmTalk{server: s, negotiate: ntlm.Negotiate{Flags: ntlmFlags}.Append(nil)}
	o := s.Step(t.Context(), x.negotiate)
	if o.State != More {
		t.Fatal(o.Err)
	}
	x.challenge = o.Data
	var err error
	if x.offer, err = ntlm.ParseChallenge(o.Data); err != nil {
		t.Fatal(err)
	}
	return x
}

// answer is what a client of version 2 sends.
func (x *ntlmTalk) answer(user, domain, password string, adapt func(*ntlm.Authenticate)) []byte {
	hash, _ := ntlm.Hash(password)
	r := ntlm.NewResponse(ntlm.NewKey(hash, user, domain), x.offer.Nonce, ntlm.Nonce{1}, 1, x.offer.Info)
	m := ntlm.Authenticate{Flags: ntlm.Unicode | ntlm.NTLM, User: user, Domain: domain, NT: r.Append(nil)}
	if adapt != nil {
		adapt(&m)
	}
	return m.Append(nil)
}

func (x *ntlmTalk) signed(password string, adapt func(*ntlm.Authenticate)) []byte {
	hash, _ := ntlm.Hash(password)
	key := ntlm.NewKey(hash, "al", "")
	r := ntlm.NewResponse(key, x.offer.Nonce, ntlm.Nonce{1}, 1, x.offer.Info.WithMIC())
	m := ntlm.Authenticate{Flags: ntlm.Unicode, User: "al", NT: r.Append(nil)}
	if adapt != nil {
		adapt(&m)
		return m.Append(nil)
	}
	return m.AppendSigned(nil, key, r.Proof, x.negotiate, x.challenge)
}

// TestNTLMServer sends last messages to servers.
func TestNTLMServer(t *testing.T) {
	t.Parallel()
	al := ntlmStore{user: "al", held: ntlmPassword("secret"), realms: []string{"example.com", "example.org"}}
	hashed := al
	hashed.held = verifier.Secret{Kind: verifier.KindNTHash, Value: NTLMSecret("secret")}
	there := al
	there.realm = "example.org"
	long := strings.Repeat("n", 256)
	v1 := func(m *ntlm.Authenticate) { m.NT = make([]byte, 24) }
	for _, c := range []struct {
		name  string
		store ntlmStore
		say   func(x *ntlmTalk) []byte
		want  Class // 0: success
	}{
		{"no domain", al, func(x *ntlmTalk) []byte { return x.answer("al", "", "secret", nil) }, 0},
		{"NT hash", hashed, func(x *ntlmTalk) []byte { return x.answer("al", "", "secret", nil) }, 0},
		{"the target as domain", al, func(x *ntlmTalk) []byte { return x.answer("al", "example.com", "secret", nil) }, 0},
		{"the target in capitals", al, func(x *ntlmTalk) []byte { return x.answer("al", "EXAMPLE.COM", "secret", nil) }, 0},
		{"a workgroup", al, func(x *ntlmTalk) []byte { return x.answer("al", "WORKGROUP", "secret", nil) }, 0},
		{"another realm as domain", there, func(x *ntlmTalk) []byte { return x.answer("al", "example.org", "secret", nil) }, 0},
		{"another realm in capitals", there, func(x *ntlmTalk) []byte { return x.answer("al", "Example.ORG", "secret", nil) }, 0},
		{"another realm not named", there, func(x *ntlmTalk) []byte { return x.answer("al", "", "secret", nil) }, BadCredentials},
		{"not of the realm that is named", al, func(x *ntlmTalk) []byte { return x.answer("al", "example.org", "secret", nil) }, BadCredentials},
		{"a domain that is not under the proof", al, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.Domain = "WORKGROUP" })
		}, 0},
		{"a realm that is not under the proof", there, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.Domain = "example.org" })
		}, BadCredentials},
		{"wrong password", al, func(x *ntlmTalk) []byte { return x.answer("al", "", "Secret", nil) }, BadCredentials},
		{"wrong password, NT hash", hashed, func(x *ntlmTalk) []byte { return x.answer("al", "", "Secret", nil) }, BadCredentials},
		{"nobody", al, func(x *ntlmTalk) []byte { return x.answer("bo", "", "secret", nil) }, BadCredentials},
		{"the decoy's password", al, func(x *ntlmTalk) []byte {
			return x.answer("bo", "", string(verifier.Decoy(verifier.KindPassword).Value), nil)
		}, BadCredentials},
		{"case of the name", al, func(x *ntlmTalk) []byte { return x.answer("AL", "", "secret", nil) }, BadCredentials},
		{"name that is not the one under the proof", al, func(x *ntlmTalk) []byte {
			return x.answer("bo", "", "secret", func(m *ntlm.Authenticate) { m.User = "al" })
		}, BadCredentials},
		{"LM response of anything", al, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.LM = []byte("x") })
		}, 0},
		{"anonymous", al, func(x *ntlmTalk) []byte { return x.answer("", "", "secret", nil) }, Malformed},
		{"anonymous, version 1", al, func(x *ntlmTalk) []byte { return x.answer("", "", "secret", v1) }, Malformed},
		{"anonymous as Windows does it", al, func(x *ntlmTalk) []byte {
			return ntlm.Authenticate{Flags: ntlm.Unicode, LM: []byte{0}}.Append(nil)
		}, Malformed},
		{"name with NUL", al, func(x *ntlmTalk) []byte { return x.answer("al\x00", "", "secret", nil) }, Malformed},
		{"name that SASLprep refuses", al, func(x *ntlmTalk) []byte { return x.answer("al\x07", "", "secret", nil) }, Malformed},
		{"long name", al, func(x *ntlmTalk) []byte { return x.answer(long, "", "secret", nil) }, Limit},
		{"long name, version 1", al, func(x *ntlmTalk) []byte { return x.answer(long, "", "secret", v1) }, Limit},
		{"long domain", al, func(x *ntlmTalk) []byte { return x.answer("al", long, "secret", nil) }, Limit},
		{"long message", al, func(x *ntlmTalk) []byte { return make([]byte, 65536) }, Limit},
		{"no NT response", al, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.NT, m.LM = nil, make([]byte, 24) })
		}, Malformed},
		{"not Unicode", al, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.Flags = ntlm.OEM })
		}, Malformed},
		{"the first message again", al, func(x *ntlmTalk) []byte { return x.negotiate }, Malformed},
		{"the challenge itself", al, func(x *ntlmTalk) []byte { return x.challenge }, Malformed},
		{"nothing", al, func(*ntlmTalk) []byte { return []byte{} }, Malformed},
		{"version 1", al, func(x *ntlmTalk) []byte { return x.answer("al", "", "secret", v1) }, BadCredentials},

		{"integrity code", al, func(x *ntlmTalk) []byte { return x.signed("secret", nil) }, 0},
		{"integrity code of another password", al, func(x *ntlmTalk) []byte { return x.signed("Secret", nil) }, BadCredentials},
		{"integrity code left out", al, func(x *ntlmTalk) []byte { return x.signed("secret", func(*ntlm.Authenticate) {}) }, BadCredentials},
		{"integrity code of zeros", al, func(x *ntlmTalk) []byte {
			return x.signed("secret", func(m *ntlm.Authenticate) { m.MIC = new([16]byte) })
		}, BadCredentials},
		{"integrity code that nobody speaks of", al, func(x *ntlmTalk) []byte {
			return x.answer("al", "", "secret", func(m *ntlm.Authenticate) { m.MIC = new([16]byte) })
		}, 0},
		{"integrity code over another challenge", al, func(x *ntlmTalk) []byte { x.challenge[20] ^= 0x80; return x.signed("secret", nil) }, BadCredentials},
		{"integrity code over another first message", al, func(x *ntlmTalk) []byte { x.negotiate[13] ^= 0x80; return x.signed("secret", nil) }, BadCredentials},
		{"flags that the integrity code covers", al, func(x *ntlmTalk) []byte { b := x.signed("secret", nil); b[62] ^= 1; return b }, BadCredentials},

		{"password that is empty", ntlmStore{user: "al", held: ntlmPassword("")}, func(x *ntlmTalk) []byte { return x.answer("al", "", "", nil) }, BadCredentials},
		{"password that is not UTF-8", ntlmStore{user: "al", held: ntlmPassword("\xe9")}, func(x *ntlmTalk) []byte { return x.answer("al", "", "\ufffd", nil) }, BadCredentials},
		{"NT hash of the empty password", ntlmStore{user: "al", held: verifier.Secret{Kind: verifier.KindNTHash, Value: []byte("\x31\xd6\xcf\xe0\xd1\x6a\xe9\x31\xb7\x3c\x59\xd7\xe0\xc0\x89\xc0")}},
			func(x *ntlmTalk) []byte { return x.answer("al", "", "", nil) }, BadCredentials},
		{"NT hash of another length", ntlmStore{user: "al", held: verifier.Secret{Kind: verifier.KindNTHash, Value: []byte("short")}},
			func(x *ntlmTalk) []byte { return x.answer("al", "", "secret", nil) }, Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newNTLMTalk(t, &ServerConfig{HostNames: []string{"mail.example.com"}}, c.store)
			o := x.server.Step(t.Context(), c.say(x))
			switch {
			case c.want == 0 && (o.State != Done || o.Identity.Account.User != "al" || o.Identity.Account.Realm != c.store.realm || o.Identity.Authzid != "al"):
				t.Errorf("state %d, %v (%s)", o.State, o.Identity, o.Err.Detail())
			case c.want != 0 && (o.State != Failed || o.Err.Class != c.want):
				t.Errorf("state %d, %v, want %v", o.State, o.Err, c.want)
			}
		})
	}
}

// TestNTLMVersion1 is for the sites that have named it: the answer, and the answer with a
// challenge of the client's own. An LM response is never looked at.
func TestNTLMVersion1(t *testing.T) {
	t.Parallel()
	al := ntlmStore{user: "al", held: ntlmPassword("secret")}
	hash, _ := ntlm.Hash("secret")
	own := append([]byte("12345678"), make([]byte, 16)...)
	for _, c := range []struct {
		name  string
		adapt func(x *ntlmTalk, m *ntlm.Authenticate)
		ok    bool
	}{
		{"version 1", func(x *ntlmTalk, m *ntlm.Authenticate) { m.NT = ntlm.ResponseV1(hash, x.offer.Nonce) }, true},
		{"NTLM2 session", func(x *ntlmTalk, m *ntlm.Authenticate) {
			both, _ := ntlm.SessionChallenge(x.offer.Nonce, own)
			m.Flags, m.LM, m.NT = m.Flags|ntlm.ExtendedSecurity, own, ntlm.ResponseV1(hash, both)
		}, true},
		{"NTLM2 session that was not said", func(x *ntlmTalk, m *ntlm.Authenticate) {
			both, _ := ntlm.SessionChallenge(x.offer.Nonce, own)
			m.LM, m.NT = own, ntlm.ResponseV1(hash, both)
		}, false},
		{"another challenge", func(_ *ntlmTalk, m *ntlm.Authenticate) { m.NT = ntlm.ResponseV1(hash, ntlm.Nonce{}) }, false},
		{"zeros", func(_ *ntlmTalk, m *ntlm.Authenticate) { m.NT = make([]byte, 24) }, false},
		{"LM response alone", func(x *ntlmTalk, m *ntlm.Authenticate) { m.LM, m.NT = ntlm.ResponseV1(hash, x.offer.Nonce), nil }, false},
		{"version 2", func(*ntlmTalk, *ntlm.Authenticate) {}, true},
	} {
		x := newNTLMTalk(t, &ServerConfig{AllowNTLMv1: true}, al)
		o := x.server.Step(t.Context(), x.answer("al", "", "secret", func(m *ntlm.Authenticate) { c.adapt(x, m) }))
		if (o.State == Done) != c.ok {
			t.Errorf("%s: state %d, %v", c.name, o.State, o.Err)
		}
	}
}

// TestNTLMReplay: an exchange that was recorded lets nobody in, and no two challenges
// are the same.
func TestNTLMReplay(t *testing.T) {
	t.Parallel()
	al := ntlmStore{user: "al", held: ntlmPassword("secret")}
	x := newNTLMTalk(t, &ServerConfig{}, al)
	recorded := x.signed("secret", nil)
	seen := map[ntlm.Nonce]bool{x.offer.Nonce: true}
	if o := x.server.Step(t.Context(), recorded); o.State != Done {
		t.Fatal(o.Err)
	}
	if o := x.server.Step(t.Context(), recorded); !errors.Is(o.Err, ErrExchangeOver) {
		t.Errorf("again: %v", o.Err)
	}
	for range 1000 {
		again := newNTLMTalk(t, &ServerConfig{}, al)
		if seen[again.offer.Nonce] {
			t.Fatal("a challenge came twice")
		}
		seen[again.offer.Nonce] = true
		if o := again.server.Step(t.Context(), recorded); o.State != Failed || o.Err.Class != BadCredentials {
			t.Fatalf("state %d, %v", o.State, o.Err)
		}
	}
}

// TestNTLMDecoyIsComputedWith: the work of an unknown user is done before he is refused.
func TestNTLMDecoyIsComputedWith(t *testing.T) {
	t.Parallel()
	for backend, want := range map[Backend]Class{brokenDecoy{}: Unavailable, nobody{}: BadCredentials} {
		x := newNTLMTalk(t, &ServerConfig{}, backend)
		if o := x.server.Step(t.Context(), x.answer("al", "", "decoy password", nil)); o.State != Failed || o.Err.Class != want {
			t.Errorf("%T: %v, want %v", backend, o.Err, want)
		}
	}
}

// TestNTLMFirstMessage: what is longer than any real one is not kept, and one in another
// encoding is answered.
func TestNTLMFirstMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message []byte
		want    Class
	}{
		"empty":     {[]byte{}, Malformed},
		"long":      {ntlm.Negotiate{Domain: make([]byte, maxNTLMNegotiate)}.Append(nil), Limit},
		"OEM":       {ntlm.Negotiate{Flags: ntlm.OEM}.Append(nil), 0},
		"no flags":  {ntlm.Negotiate{}.Append(nil), 0},
		"all flags": {ntlm.Negotiate{Flags: 0xffffffff}.Append(nil), 0},
	} {
		o := NTLM.NewServer(&ServerConfig{}, nobody{}).Step(t.Context(), c.message)
		if o.Err != nil && o.Err.Class != c.want || c.want == 0 && o.State != More {
			t.Errorf("%s: %d, %v", name, o.State, o.Err)
			continue
		}
		if c.want != 0 {
			continue
		}
		offer, err := ntlm.ParseChallenge(o.Data)
		if wrong := ntlm.Flags(0x70000000 | 0x30); err != nil || offer.Flags&wrong != 0 || offer.Flags&ntlm.Unicode == 0 {
			t.Errorf("%s: %x offers signing or sealing, or no Unicode: %v", name, offer.Flags, err)
		}
	}
}

// TestNTLMClient: version 2 whatever the server says, with an integrity code and without
// an LM response if the server tells the time.
func TestNTLMClient(t *testing.T) {
	t.Parallel()
	timed := ntlm.NewInfo("D", "C", "c.d", 77)
	untimed := ntlm.Info("\x02\x00\x02\x00D\x00\x00\x00\x00\x00")
	for _, c := range []struct {
		name  string
		offer ntlm.Challenge
		mic   bool
	}{
		{"with the time", ntlm.Challenge{Flags: ntlm.Unicode | ntlm.HasTargetInfo, Info: timed}, true},
		{"without the time", ntlm.Challenge{Flags: ntlm.Unicode | ntlm.HasTargetInfo, Info: untimed}, false},
		{"of old", ntlm.Challenge{Flags: ntlm.Unicode}, false},
		{"that would like version 1", ntlm.Challenge{Flags: ntlm.Unicode | ntlm.NTLM | 0x80}, false},
	} {
		cl := NTLM.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: "secret", Realm: "CORP"}})
		if _, err := cl.Start(); err != nil {
			t.Fatal(err)
		}
		b, err := cl.Next(c.offer.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		m, err := ntlm.ParseAuthenticate(b)
		if err != nil || m.User != "al" || m.Domain != "CORP" || m.Workstation != "" || (m.MIC != nil) != c.mic {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
		r, err := ntlm.ParseResponse(m.NT)
		if err != nil || r.HasMIC() != c.mic || !bytes.Contains(m.NT, c.offer.Info[:max(0, len(c.offer.Info)-4)]) {
			t.Errorf("%s: response %x, %v", c.name, m.NT, err)
		}
		if none := bytes.Equal(m.LM, make([]byte, 24)); none != c.mic {
			t.Errorf("%s: LM response %x", c.name, m.LM)
		}
		if err := cl.Finish(); err != nil || cl.Assurance().ServerProven {
			t.Errorf("%s: %v, %+v", c.name, err, cl.Assurance())
		}
	}
}

func TestNTLMClientRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Credentials{
		"no user":             {Password: "x"},
		"no password":         {Username: "al"},
		"authzid":             {Username: "al", Password: "x", Authzid: "bo"},
		"NUL in the domain":   {Username: "al", Password: "x", Realm: "a\x00"},
		"long user":           {Username: strings.Repeat("a", maxNameLimit+1), Password: "x"},
		"long domain":         {Username: "al", Password: "x", Realm: strings.Repeat("a", maxNameLimit+1)},
		"password in Latin 1": {Username: "al", Password: "\xe9"},
		"user in Latin 1":     {Username: "\xe9", Password: "x"},
		"domain in Latin 1":   {Username: "al", Password: "x", Realm: "\xe9"},
	} {
		if b, err := NTLM.NewClient(&ClientConfig{Credentials: c}).Start(); err == nil || b != nil {
			t.Errorf("%s: %q", name, b)
		}
	}
	for name, challenge := range map[string][]byte{
		"nothing": {}, "text": []byte("ntlm supported"), "not Unicode": ntlm.Challenge{Flags: ntlm.OEM}.Append(nil),
	} {
		cl := NTLM.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: "secret"}})
		if b, err := cl.Next(challenge); err == nil {
			t.Errorf("%s: answers %q", name, b)
		}
	}
}

// ntlmAnswers are last messages to begin with: right for the challenge of FuzzServer, but
// for the password.
func ntlmAnswers(t testing.TB) [][]byte {
	x := newNTLMTalk(t, &ServerConfig{nonce: func() string { return "n" }}, nobody{})
	return [][]byte{
		x.answer("al", "", "secret", nil), x.answer("al", "example.com", "secret", nil), x.signed("secret", nil),
		x.answer("al", "", "", func(m *ntlm.Authenticate) { m.NT = make([]byte, 24) }),
	}
}
