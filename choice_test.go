package saslkit_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

func filter(t testing.TB, text string) *saslkit.MechanismFilter {
	t.Helper()
	f, err := saslkit.ParseMechanismFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// bound is a channel with data of one type.
var bound = saslkit.Channel{Secure: true, Binding: func(typ string) ([]byte, bool) {
	return []byte("data"), typ == mech.BindingExporter
}}

func TestClientReasons(t *testing.T) {
	full := saslkit.Credentials{Username: "al", Password: "pw"}
	ours := []string{"DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"}
	for _, c := range []struct {
		name  string
		cfg   saslkit.ClientConfig
		want  string // the choice, or a part of why there is none
		class mech.Class
	}{
		{"filter", saslkit.ClientConfig{Credentials: full, Offered: ours, Channel: tls, MechanismFilter: filter(t, "!plain, static:rest")}, "LOGIN", 0},
		{"filter with a list", saslkit.ClientConfig{Credentials: full, Offered: ours, Mechanisms: []string{"PLAIN", "CRAM-MD5"}, Channel: tls, MechanismFilter: filter(t, "cram-md5")}, "CRAM-MD5", 0},
		{"filter without an offer", saslkit.ClientConfig{Credentials: full, Mechanisms: []string{"PLAIN"}, Channel: tls, MechanismFilter: filter(t, "login")}, "filtered out, no pattern fits: PLAIN", mech.MechanismUnavailable},
		{"filter that excludes all", saslkit.ClientConfig{Credentials: full, Offered: ours, Mechanisms: []string{"PLAIN", "LOGIN"}, Channel: tls, MechanismFilter: filter(t, "!static:x")}, `filtered out by "!static:x": PLAIN, LOGIN`, mech.MechanismUnavailable},
		{"only strangers", saslkit.ClientConfig{Credentials: full, Offered: []string{"SECURID", "openid20", "N\x1bT"}, Channel: tls}, "does not exist here: SECURID, OPENID20)", mech.MechanismUnavailable},
		{"token", saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Token: mech.FixedToken("t")}, Offered: []string{"PLAIN", "SCRAM-SHA-256", "XOAUTH2"}, Channel: tls}, "XOAUTH2", 0},
		{"token in the clear", saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Token: mech.FixedToken("t")}, Offered: []string{"OAUTHBEARER", "XOAUTH2"}}, "only under TLS: OAUTHBEARER, XOAUTH2", mech.EncryptionRequired},
		{"token without a name", saslkit.ClientConfig{Credentials: saslkit.Credentials{Token: mech.FixedToken("t")}, Offered: []string{"XOAUTH2"}, Channel: tls}, "needs a user name: XOAUTH2", mech.MechanismUnavailable},
		{"no token", saslkit.ClientConfig{Credentials: full, Offered: []string{"OAUTHBEARER", "LOGIN"}, Channel: tls}, "LOGIN", 0},
		{"in the clear", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN", "LOGIN", "KERBEROS_V4"}}, "only under TLS: PLAIN, LOGIN; ", mech.EncryptionRequired},
		{"NTLM in the clear", saslkit.ClientConfig{Credentials: full, Offered: []string{"NTLM"}, Mechanisms: []string{"NTLM"}}, "only under TLS: NTLM", mech.EncryptionRequired},
		{"NTLM in the clear, with another policy", saslkit.ClientConfig{Credentials: full, Offered: []string{"NTLM"}, Mechanisms: []string{"NTLM"}, Policy: mech.Policy{Clear: mech.NoPlaintext}}, "only under TLS: NTLM", mech.EncryptionRequired},
		{"NTLM in the clear, if nothing is asked for", saslkit.ClientConfig{Credentials: full, Offered: []string{"NTLM"}, Mechanisms: []string{"NTLM"}, Policy: mech.Policy{Clear: mech.AnyMechanism}}, "NTLM", 0},
		{"only by name", saslkit.ClientConfig{Credentials: full, Offered: []string{"CRAM-MD5"}, Channel: tls}, "used only if asked for by name: CRAM-MD5", mech.MechanismUnavailable},
		{"others were not asked for", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN"}, Mechanisms: []string{"LOGIN"}, Channel: tls}, "(not offered by the server: LOGIN; it offers PLAIN)", mech.MechanismUnavailable},
		{"an empty list is none, as strings.Fields makes it", saslkit.ClientConfig{Credentials: full, Offered: ours, Mechanisms: strings.Fields(""), Channel: tls}, "PLAIN", 0},
		{"nothing is offered", saslkit.ClientConfig{Credentials: full, Offered: []string{}, Channel: tls}, "(none is offered by the server)", mech.MechanismUnavailable},
		{"nothing was said", saslkit.ClientConfig{Credentials: full, Channel: tls}, "(neither Offered nor Mechanisms is set)", mech.MechanismUnavailable},
		{"TLS was forgotten", saslkit.ClientConfig{Credentials: full, Offered: []string{"PLAIN"}}, "(only under TLS: PLAIN; the channel is in the clear)", mech.EncryptionRequired},
		{"no password", saslkit.ClientConfig{Offered: []string{"PLAIN"}, Channel: tls}, "(needs a user name and a password: PLAIN)", mech.MechanismUnavailable},
		{"asked for what does not exist", saslkit.ClientConfig{Credentials: full, Mechanisms: []string{"PLAIN", "X\x1b"}, Channel: tls}, `no mechanism "X\x1b"`, mech.MechanismUnavailable},
		{"binding required", saslkit.ClientConfig{Credentials: full, Offered: ours, Mechanisms: []string{"PLAIN"}, Channel: bound, ChannelBinding: saslkit.BindRequired}, "channel binding is required: PLAIN", mech.TooWeak},
		{"mutual authentication", saslkit.ClientConfig{Credentials: full, Offered: ours, Mechanisms: []string{"PLAIN", "DIGEST-MD5"}, Channel: tls, Policy: mech.Policy{TLS: mech.MutualAuth}}, "DIGEST-MD5", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := saslkit.NewClient(c.cfg)
			if c.class == 0 {
				if err != nil || x.Mechanism() != c.want {
					t.Errorf("%v; want %s", err, c.want)
				}
			} else {
				wantClass(t, err, c.class)
				if got := mech.AsError(err).Detail(); !strings.Contains(got, c.want) {
					t.Errorf("%s; want %q in it", got, c.want)
				}
			}
			candidatesAgree(t, c.cfg)
		})
	}
}

// candidatesAgree holds the explanation against the choice, as decisionsAgree
// does at the server.
func candidatesAgree(t *testing.T, cfg saslkit.ClientConfig) {
	t.Helper()
	x, err := saslkit.NewClient(cfg)
	chosen, first := "", ""
	if err == nil {
		chosen = x.Mechanism()
	}
	seen := map[string]bool{}
	for _, c := range cfg.Candidates() {
		if c.Reason == "" || seen[c.Mechanism] {
			t.Errorf("%s: reason %q, seen before: %v", c.Mechanism, c.Reason, seen[c.Mechanism])
		}
		seen[c.Mechanism] = true
		if !c.Usable {
			continue
		}
		if first == "" {
			first = c.Mechanism
		}
		alone := cfg
		alone.Mechanisms = []string{c.Mechanism}
		if _, err := saslkit.NewClient(alone); err != nil {
			t.Errorf("%s can be used, but not alone: %v", c.Mechanism, err)
		}
	}
	known := !slices.ContainsFunc(cfg.Mechanisms, func(name string) bool { return mech.ByName(name) == nil })
	if known && chosen != first {
		t.Errorf("chosen is %q, and the first candidate that can be used is %q", chosen, first)
	}
	for _, m := range mech.All() {
		if !seen[m.Name] {
			t.Errorf("%s is not explained", m.Name)
		}
	}
}

// TestClientChoiceKeepsTheRules: over random configurations, what is chosen is
// offered, wanted, permitted by filter and policy, and bound if it must be.
func TestClientChoiceKeepsTheRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var names []string
	for _, m := range mech.All() {
		names = append(names, m.Name)
	}
	some := func() []string {
		if rng.IntN(4) == 0 {
			return nil
		}
		shuffled := slices.Clone(names)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		return shuffled[:rng.IntN(len(shuffled)+1)]
	}
	chosen := 0
	for range 2000 {
		cfg := saslkit.ClientConfig{
			Offered: some(), Mechanisms: some(), Policy: randomPolicy(rng),
			Channel:        []saslkit.Channel{clear, tls, proven, bound}[rng.IntN(4)],
			ChannelBinding: []saslkit.ChannelBinding{saslkit.BindIfPossible, saslkit.BindRequired, saslkit.BindNever}[rng.IntN(3)],
		}
		if rng.IntN(4) > 0 {
			cfg.Credentials = saslkit.Credentials{Username: "al", Password: "pw"}
		}
		if rng.IntN(3) == 0 {
			cfg.MechanismFilter = filter(t, strings.Join(some(), " "))
		}
		candidatesAgree(t, cfg)
		x, err := saslkit.NewClient(cfg)
		if err != nil {
			continue
		}
		chosen++
		m := mech.ByName(x.Mechanism())
		switch {
		case cfg.Offered != nil && !slices.Contains(cfg.Offered, m.Name),
			len(cfg.Mechanisms) > 0 && !slices.Contains(cfg.Mechanisms, m.Name),
			cfg.Offered == nil && len(cfg.Mechanisms) == 0,
			len(cfg.Mechanisms) == 0 && m.OnlyIfNamed,
			!cfg.MechanismFilter.Permits(m.Name),
			cfg.Policy.Missing(m, cfg.Channel.Secure) != 0,
			m.Binds && (cfg.Channel.Binding == nil || cfg.ChannelBinding == saslkit.BindNever),
			!m.Binds && cfg.ChannelBinding == saslkit.BindRequired:
			t.Fatalf("%s is chosen by %+v", m.Name, cfg)
		}
	}
	if chosen < 200 {
		t.Errorf("only %d configurations had a choice", chosen)
	}
}

// A mechanism that binds goes first where both ends can bind.
func TestClientBinds(t *testing.T) {
	offered := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"}
	for _, c := range []struct {
		name    string
		offered []string
		binding saslkit.ChannelBinding
		channel saslkit.Channel
		want    string
		class   mech.Class
	}{
		{"if possible", offered, saslkit.BindIfPossible, bound, "SCRAM-SHA-256-PLUS", 0},
		{"if possible, nothing to bind to", offered, saslkit.BindIfPossible, tls, "SCRAM-SHA-256", 0},
		{"if possible, not offered", offered[:2], saslkit.BindIfPossible, bound, "SCRAM-SHA-256", 0},
		{"if possible, in the clear", offered, saslkit.BindIfPossible, clear, "SCRAM-SHA-256", 0},
		{"required", offered, saslkit.BindRequired, bound, "SCRAM-SHA-256-PLUS", 0},
		{"required, nothing to bind to", offered, saslkit.BindRequired, tls, "", mech.TooWeak},
		{"required, not offered", offered[:2], saslkit.BindRequired, bound, "", mech.TooWeak},
		{"required, in the clear", offered, saslkit.BindRequired, clear, "", mech.EncryptionRequired},
		{"never", offered, saslkit.BindNever, bound, "SCRAM-SHA-256", 0},
	} {
		cfg := saslkit.ClientConfig{
			Credentials: saslkit.Credentials{Username: "al", Password: "pw"},
			Offered:     c.offered, Channel: c.channel, ChannelBinding: c.binding,
		}
		x, err := saslkit.NewClient(cfg)
		switch {
		case c.want == "":
			wantClass(t, err, c.class)
		case err != nil || x.Mechanism() != c.want:
			t.Errorf("%s: %v; want %s", c.name, err, c.want)
		}
		candidatesAgree(t, cfg)
	}
}
