package saslkit_test

import (
	"bytes"
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

const testRealm = "example.com"

// The SCRAM mechanisms that are on by themselves.
const (
	scrams = "SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1"
	plus   = "SCRAM-SHA-512-PLUS SCRAM-SHA-384-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-224-PLUS SCRAM-SHA-1-PLUS"
)

var (
	anything = mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism}
	clear    = saslkit.Channel{}
	tls      = saslkit.Channel{Secure: true}
	proven   = saslkit.Channel{Secure: true, External: "al"}
	bindable = saslkit.Channel{Secure: true, Binding: func(string) ([]byte, bool) { return []byte("binding data"), true }}
	empty    = saslkit.Channel{Secure: true, Binding: func(string) ([]byte, bool) { return nil, false }}
	// withSecrets are those that take a user name and a password, of each kind one.
	withSecrets = []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}
	everyone    = []string{"EXTERNAL", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "ANONYMOUS"}
)

// A person is a user with the forms in which the store has the password.
type person struct {
	name  string
	kinds []verifier.Kind
}

func password(name string) string { return "pw-" + name }

// phrase is what OTP wants, of 10 characters or more.
func phrase(name string) string { return "pass phrase of " + name }

// store makes a store of people.
func store(people ...person) *verifiertest.Memory {
	m := verifiertest.NewMemory()
	for _, p := range people {
		u := verifiertest.User{Name: p.name, Realm: testRealm}
		var others []verifier.Secret
		for _, k := range p.kinds {
			switch k {
			case verifier.KindPassword:
				u.Password = password(p.name)
			case verifier.KindCheck:
				others = append(others, verifier.Secret{Kind: k, Value: []byte(password(p.name))})
			case verifier.KindCRAMMD5:
				others = append(others, verifier.Secret{Kind: k, Value: mech.CRAMMD5Secret(password(p.name))})
			case verifier.KindOTP:
				others = append(others, verifier.Secret{Kind: k, Value: mech.OTPSecret(phrase(p.name))})
			case verifier.KindSCRAMSHA256:
				keys, err := mech.SCRAMSecret(k, password(p.name), []byte("sixteen bytes of"), 4096)
				if err != nil {
					panic(err)
				}
				others = append(others, verifier.Secret{Kind: k, Value: keys})
			case verifier.KindDIGESTMD5:
				others = append(others, verifier.Secret{Kind: k, Value: mech.DIGESTMD5Secret(p.name, testRealm, password(p.name))})
			}
		}
		m.Add(u, others...)
	}
	return m
}

// checker hides everything but the password check of a store.
func checker(people ...person) verifier.Verifier {
	return struct{ verifier.Verifier }{store(people...)}
}

func full(name string) person { return person{name, []verifier.Kind{verifier.KindPassword}} }

func kinds(k ...verifier.Kind) []verifier.Kind { return k }

func TestAdvertised(t *testing.T) {
	cram := person{"cram", kinds(verifier.KindCRAMMD5)}
	otp := person{"otp", nil} // has nothing that serves
	keys := person{"keys", kinds(verifier.KindSCRAMSHA256)}
	for _, c := range []struct {
		name     string
		auth     *saslkit.Authenticator
		channel  saslkit.Channel
		want     string
		validate string // part of the error; "" for none
	}{
		{"zero policy, clear text", &saslkit.Authenticator{Verifier: store(full("al"))}, clear, scrams, ""},
		{"zero policy, TLS", &saslkit.Authenticator{Verifier: store(full("al"))}, tls, scrams + " PLAIN LOGIN", ""},
		{"zero policy with every mechanism named, clear text", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: everyone[:5]}, clear, "DIGEST-MD5 CRAM-MD5", ""},
		{"zero policy never offers ANONYMOUS", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: everyone}, tls, "DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", "names ANONYMOUS, but the policy under TLS asks for noanonymous"},
		{"EXTERNAL with a certificate", &saslkit.Authenticator{Verifier: store(full("al"))}, proven, "EXTERNAL " + scrams + " PLAIN LOGIN", ""},
		{"EXTERNAL needs no store", &saslkit.Authenticator{Mechanisms: []string{"EXTERNAL"}}, proven, "EXTERNAL", ""},
		{"mech_list orders", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"login", "PLAIN", "Login", "cram-md5"}}, tls, "LOGIN PLAIN CRAM-MD5", ""},
		{"anything goes", &saslkit.Authenticator{Verifier: store(full("al")), Policy: anything, Mechanisms: everyone}, clear, "DIGEST-MD5 CRAM-MD5 PLAIN LOGIN ANONYMOUS", ""},
		{"anything goes, but nobody named the weak ones", &saslkit.Authenticator{Verifier: store(full("al")), Policy: anything}, clear, scrams + " PLAIN LOGIN", ""},
		{"noplaintext everywhere", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"CRAM-MD5", "PLAIN"}, Policy: mech.Policy{TLS: mech.NoPlaintext}}, tls, "CRAM-MD5", "names PLAIN, but the policy under TLS asks for noplaintext"},
		{"mutual_auth", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"CRAM-MD5", "DIGEST-MD5"}, Policy: mech.Policy{Clear: mech.MutualAuth}}, clear, "DIGEST-MD5", ""},

		{"passwords can only be checked", &saslkit.Authenticator{Verifier: checker(full("al"))}, tls, "PLAIN LOGIN", ""},
		{"the classic mistake", &saslkit.Authenticator{Verifier: checker(full("al")), Mechanisms: []string{"PLAIN", "DIGEST-MD5"}}, tls, "PLAIN", "names DIGEST-MD5, but struct { verifier.Verifier } can only check passwords and no store holds secrets"},
		{"two slots, as with pwcheck_method and auxprop", &saslkit.Authenticator{Verifier: checker(full("al")), Secrets: store(full("al")), Mechanisms: everyone[:5]}, tls, "DIGEST-MD5 CRAM-MD5 PLAIN LOGIN", ""},
		{"secrets alone check passwords too", &saslkit.Authenticator{Secrets: store(full("al"))}, tls, scrams + " PLAIN LOGIN", ""},
		{"one user of two can, and it was named", &saslkit.Authenticator{Verifier: store(cram, otp), Mechanisms: []string{"CRAM-MD5"}}, tls, "CRAM-MD5", ""},
		{"nobody can, and it was named", &saslkit.Authenticator{Verifier: store(cram, otp), Mechanisms: []string{"CRAM-MD5", "DIGEST-MD5"}}, tls, "CRAM-MD5", "names DIGEST-MD5, but no user has a secret that serves it; the store holds: CRAM-MD5 states"},
		{"one user without a password leaves PLAIN to the others", &saslkit.Authenticator{Verifier: store(full("al"), otp)}, tls, "PLAIN LOGIN", ""},
		{"an empty store serves nobody", &saslkit.Authenticator{Verifier: store()}, tls, "", "no mechanism can be offered on any channel: *verifiertest.Memory has no users"},
		{"an empty store, named", &saslkit.Authenticator{Verifier: store(), Mechanisms: []string{"PLAIN"}}, tls, "", "names PLAIN, but the store has no users"},
		{"chain of a check and secrets", &saslkit.Authenticator{Verifier: verifier.Chain(checker(full("al")), store(cram)), Mechanisms: everyone[:5]}, tls, "CRAM-MD5 PLAIN LOGIN", "names DIGEST-MD5"},
		{"chain that only checks", &saslkit.Authenticator{Verifier: verifier.Chain(checker(full("al")), checker(full("bo"))), Mechanisms: []string{"PLAIN", "CRAM-MD5"}}, tls, "PLAIN", "names CRAM-MD5, but no user has a secret that serves it; the store holds: password check"},
		{"a channel that can be bound", &saslkit.Authenticator{Verifier: store(full("al"))}, bindable, plus + " " + scrams + " PLAIN LOGIN", ""},
		{"a channel that has a way to bind and nothing to bind to", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA-1"}}, empty, "SCRAM-SHA-1", ""},
		{"a name stands for -PLUS too, which goes before", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"PLAIN", "scram-sha-1", "SCRAM-SHA-1-PLUS"}}, bindable, "PLAIN SCRAM-SHA-1-PLUS SCRAM-SHA-1", ""},
		{"-PLUS alone", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA-1-PLUS"}}, bindable, "SCRAM-SHA-1-PLUS", ""},
		{"-PLUS alone, and nothing to bind to", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA-1-PLUS"}}, tls, "", ""},
		{"SHA-3 is offered by name", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA3-512"}}, bindable, "SCRAM-SHA3-512-PLUS SCRAM-SHA3-512", ""},
		{"stored keys serve their own hash", &saslkit.Authenticator{Verifier: store(keys)}, tls, "SCRAM-SHA-256", ""},
		{"some have keys, some a password", &saslkit.Authenticator{Verifier: store(keys, full("al"))}, tls, "SCRAM-SHA-256 PLAIN LOGIN", ""},
		{"keys of another hash", &saslkit.Authenticator{Verifier: store(keys), Mechanisms: []string{"SCRAM-SHA-1"}}, tls, "", "names SCRAM-SHA-1, but no user has a secret that serves it; the store holds: SCRAM-SHA-256 keys"},
		{"noactive leaves SCRAM", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA-1", "DIGEST-MD5"}, Policy: mech.Policy{Clear: mech.NoActive}}, clear, "SCRAM-SHA-1", ""},
		{"a short DecoyKey", &saslkit.Authenticator{Verifier: checker(full("al")), DecoyKey: []byte("short")}, tls, "PLAIN LOGIN", "DecoyKey or DerivedIterations: mech: SCRAM derivation: a decoy key of 5 bytes, want 16 or more"},
		{"few iterations", &saslkit.Authenticator{Verifier: checker(full("al")), DerivedIterations: 4095}, tls, "PLAIN LOGIN", "4095 iterations, want 4096 to 1000000"},
		{"nothing configured", &saslkit.Authenticator{}, tls, "", "no verifier is configured"},
		{"a mechanism that does not exist", &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"PLAIN", "KERBEROS_V4"}}, tls, "PLAIN", `names "KERBEROS_V4", which does not exist here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(c.auth.Advertised(c.channel), " ")
			if got != c.want {
				t.Errorf("advertised %q, want %q", got, c.want)
			}
			switch err := c.auth.Validate(); {
			case c.validate == "" && err != nil:
				t.Errorf("Validate: %v", err)
			case c.validate != "" && (err == nil || !strings.Contains(err.Error(), c.validate)):
				t.Errorf("Validate: %v, want %q", err, c.validate)
			}
			decisionsAgree(t, c.auth, c.channel)
		})
	}
}

// decisionsAgree holds the explanation against what is advertised and against
// what Start does: the three must be one.
func decisionsAgree(t *testing.T, a *saslkit.Authenticator, ch saslkit.Channel) {
	t.Helper()
	advertised := a.Advertised(ch)
	peer := a.NewPeer(saslkit.PeerConfig{Channel: func() saslkit.Channel { return ch }})
	defer peer.Close()
	seen := map[string]bool{}
	for _, d := range a.Decisions(ch) {
		if d.Offered != slices.Contains(advertised, d.Mechanism) {
			t.Errorf("%s: decision %v, advertised %v", d.Mechanism, d.Offered, advertised)
		}
		if d.Reason == "" {
			t.Errorf("%s: no reason", d.Mechanism)
		}
		if seen[d.Mechanism] {
			t.Errorf("%s is explained twice", d.Mechanism)
		}
		seen[d.Mechanism] = true
		if _, err := peer.Start(d.Mechanism); (err == nil) != d.Offered {
			t.Errorf("Start(%s): %v, offered %v", d.Mechanism, err, d.Offered)
		}
	}
	if len(seen) != len(mech.All()) {
		t.Errorf("%d mechanisms explained, want %d", len(seen), len(mech.All()))
	}
}

// TestAdvertisedCanSucceed is the promise of the library: over random stores,
// policies, channels and lists, every advertised mechanism logs in a user who
// has what it needs, and there is such a user.
func TestAdvertisedCanSucceed(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	logins := 0
	for range 400 {
		people := randomPeople(rng)
		m := store(people...)
		a := &saslkit.Authenticator{Verifier: m, Policy: randomPolicy(rng)}
		if _, ok := servable(mech.PLAIN, people); ok && rng.IntN(4) == 0 {
			a.Verifier, a.Secrets = struct{ verifier.Verifier }{m}, m
		}
		if rng.IntN(3) > 0 {
			list := append(slices.Clone(everyone), "SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "SCRAM-SHA3-512")
			rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			a.Mechanisms = list[:1+rng.IntN(len(list))]
		}
		ch := []saslkit.Channel{clear, tls, proven, bindable}[rng.IntN(4)]
		for _, name := range a.Advertised(ch) {
			who, ok := servable(mech.ByName(name), people)
			if !ok {
				t.Fatalf("%s is advertised, but serves none of %v", name, people)
			}
			r, err := saslkittest.Client{
				Mechanism: name, Channel: ch, Realm: realm.Policy{Default: testRealm},
				Credentials: saslkit.Credentials{Username: who, Password: password(who)},
			}.Login(a)
			if err != nil {
				t.Fatalf("%s is advertised, but %s of %v cannot log in: %v", name, who, people, err)
			}
			if r.User != who && name != "ANONYMOUS" && name != "EXTERNAL" {
				t.Fatalf("%s: %s logged in as %s", name, who, r.User)
			}
			logins++
		}
		decisionsAgree(t, a, ch)
	}
	if logins < 300 {
		t.Errorf("only %d logins were tried", logins)
	}
}

func randomPeople(rng *rand.Rand) []person {
	var people []person
	for i := range rng.IntN(4) {
		p := person{name: string(rune('a' + i))}
		for _, k := range kinds(verifier.KindPassword, verifier.KindCRAMMD5, verifier.KindDIGESTMD5, verifier.KindSCRAMSHA256, verifier.KindCheck) {
			if rng.IntN(3) == 0 && !(k == verifier.KindCheck && slices.Contains(p.kinds, verifier.KindPassword)) {
				p.kinds = append(p.kinds, k)
			}
		}
		people = append(people, p)
	}
	return people
}

func randomPolicy(rng *rand.Rand) mech.Policy {
	one := func() mech.Properties {
		return []mech.Properties{0, mech.AnyMechanism, mech.NoAnonymous, mech.NoPlaintext, mech.MutualAuth, mech.NoAnonymous | mech.NoPlaintext | mech.NoDictionary}[rng.IntN(6)]
	}
	return mech.Policy{Clear: one(), TLS: one()}
}

// servable finds somebody whom the mechanism can serve.
func servable(m *mech.Mechanism, people []person) (string, bool) {
	if m.Need == mech.NeedNothing || m.Need == mech.NeedExternal {
		return "al", true
	}
	for _, p := range people {
		if verifier.KindsOf(p.kinds...).Any(m.Secrets) {
			return p.name, true
		}
	}
	return "", false
}

func TestValidateWarns(t *testing.T) {
	var log bytes.Buffer
	a := &saslkit.Authenticator{
		Verifier:   store(full("al"), full("bo"), person{"cy", nil}),
		Mechanisms: []string{"CRAM-MD5"},
		Logger:     slog.New(slog.NewTextHandler(&log, nil)),
	}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	if want := "CRAM-MD5 serves 2 of 3 users"; !strings.Contains(log.String(), want) {
		t.Errorf("log is %q, want %q in it", log.String(), want)
	}
}

// TestRealms: one realm unless the policy lists more, and DIGEST-MD5 offers what
// is served, in order.
func TestRealms(t *testing.T) {
	m := verifiertest.NewMemory(
		verifiertest.User{Name: "al", Realm: "example.com", Password: "one"},
		verifiertest.User{Name: "al", Realm: "example.org", Password: "two"},
		verifiertest.User{Name: "al", Realm: "hidden.example", Password: "three"})
	a := &saslkit.Authenticator{Verifier: m, Mechanisms: withSecrets, Policy: anything}
	policy := realm.Policy{Default: "example.com", Others: []string{"example.org"}}
	for _, c := range []struct {
		user, realm, password string
		want                  string // "" for refused
	}{
		{"al", "", "one", "al@example.com"},
		{"al", "", "two", ""},
		{"al@example.com", "", "one", "al@example.com"},
		{"al@example.org", "", "two", "al@example.org"},
		{"al@example.org", "", "one", ""},
		{"al@hidden.example", "", "three", ""},
		{"al@b@example.com", "", "one", ""},
		{"al@", "", "one", ""},
	} {
		for _, name := range a.Mechanisms {
			r, err := saslkittest.Client{
				Mechanism: name, Realm: policy,
				Credentials: saslkit.Credentials{Username: c.user, Password: c.password, Realm: c.realm},
			}.Login(a)
			got := ""
			if err == nil {
				got = r.Name()
			}
			if got != c.want {
				t.Errorf("%s %s/%s: %q (%v), want %q", name, c.user, c.password, got, err, c.want)
			}
		}
	}
	// DIGEST-MD5's realm directive reaches the second realm with a bare name.
	r, err := saslkittest.Client{
		Mechanism: "DIGEST-MD5", Realm: policy,
		Credentials: saslkit.Credentials{Username: "al", Password: "two", Realm: "example.org"},
	}.Login(a)
	if err != nil || r.Name() != "al@example.org" {
		t.Errorf("realm directive: %+v, %v", r, err)
	}
}

func TestAuthorizer(t *testing.T) {
	a := &saslkit.Authenticator{
		Verifier: store(full("al"), full("bo")), Policy: anything, Mechanisms: []string{"PLAIN", "DIGEST-MD5", "EXTERNAL"},
		Authorizer: authorizer(func(account verifier.Account, user, realmName string) error {
			if account.User == "al" && user == "shared" {
				return nil
			}
			return verifier.ErrNotPermitted
		}),
	}
	for _, c := range []struct{ user, authzid, want string }{
		{"al", "", "al"},
		{"al", "al", "al"},
		{"al", "al@example.com", "al"},
		{"al@example.com", "al", "al"},
		{"al", "shared", "shared@example.com"},
		{"al", "shared@example.com", "shared@example.com"},
		{"al", "root", ""},
		{"al", "AL", ""},
		{"al", "al@other.example", ""},
		{"bo", "shared", ""},
	} {
		for _, name := range []string{"PLAIN", "DIGEST-MD5"} {
			r, err := saslkittest.Client{
				Mechanism: name, Realm: realm.Policy{Default: testRealm},
				Credentials: saslkit.Credentials{Username: c.user, Password: password(c.user[:2]), Authzid: c.authzid},
			}.Login(a)
			if r.Authzid != c.want {
				t.Errorf("%s %s as %q: %+v, %v; want %q", name, c.user, c.authzid, r, err, c.want)
			}
			if c.want == "" {
				wantClass(t, err, mech.NotPermitted)
			}
		}
	}
	r, err := saslkittest.Client{Mechanism: "EXTERNAL", Channel: proven, Credentials: saslkit.Credentials{Authzid: "shared"}}.Login(a)
	if err != nil || r.User != "al" || r.Authzid != "shared" {
		t.Errorf("EXTERNAL: %+v, %v", r, err)
	}
}

type authorizer func(verifier.Account, string, string) error

func (f authorizer) Authorize(_ context.Context, a verifier.Account, user, realmName string) error {
	return f(a, user, realmName)
}

func TestPropertiesAgreeWithCyrus(t *testing.T) {
	// What sasl_server_listmech of Cyrus SASL 2.1.28 leaves of these mechanisms
	// under each option alone, in the clear.
	for option, want := range map[string]string{
		"":                         "SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN ANONYMOUS",
		"noanonymous":              "SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN",
		"noanonymous, noplaintext": "SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5",
		"noactive":                 "SCRAM-SHA-1",
		"nodictionary":             "",
		"forward_secrecy":          "",
		"mutual_auth":              "SCRAM-SHA-1 DIGEST-MD5",
		"pass_credentials":         "PLAIN LOGIN",
	} {
		required, err := mech.ParseProperties(option)
		if err != nil {
			t.Fatal(err)
		}
		a := &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: append([]string{"SCRAM-SHA-1"}, everyone...), Policy: mech.Policy{Clear: required}}
		if diff := cmp.Diff(want, strings.Join(a.Advertised(clear), " ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", option, diff)
		}
	}
}

// What a constructor returned with an error that was overlooked is told at start.
func TestValidateMissing(t *testing.T) {
	t.Parallel()
	var nobody *verifiertest.Memory
	var guard *verifier.Throttle
	for _, c := range []struct {
		auth *saslkit.Authenticator
		want string
	}{
		{&saslkit.Authenticator{Verifier: nobody}, "saslkit: Verifier: verifier: a nil *verifiertest.Memory"},
		{&saslkit.Authenticator{Verifier: store(full("al")), Secrets: nobody}, "saslkit: Secrets: verifier: a nil *verifiertest.Memory"},
		{&saslkit.Authenticator{Verifier: verifier.Chain(store(full("al")), nil)}, "saslkit: Verifier: chain, part 2: verifier: nil"},
		{&saslkit.Authenticator{Verifier: store(full("al")), Guard: guard}, "saslkit: Guard: a nil *verifier.Throttle"},
	} {
		if err := c.auth.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// One line for one name of the mech_list: -PLUS comes with it.
func TestValidateSaysItOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	a := &saslkit.Authenticator{
		Verifier: checker(full("al")), Mechanisms: []string{"SCRAM-SHA-256"},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	if err := a.Validate(); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "names SCRAM-SHA-256, but") {
		t.Errorf("got %v", err)
	}
	a.Verifier = store(full("al"), person{"otp", nil})
	if err := a.Validate(); err != nil || strings.Count(log.String(), "serves 1 of 2") != 1 {
		t.Errorf("%v, %q", err, &log)
	}
}
