package saslkit

import (
	"context"
	"errors"
	"fmt"
	"net/smtp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
)

// A fakeClient is a mechanism that shows what the test says.
type fakeClient struct {
	initial []byte
	finish  error
	shown   Assurance
}

func (f *fakeClient) Start() ([]byte, error)      { return f.initial, nil }
func (f *fakeClient) Next([]byte) ([]byte, error) { return []byte{}, nil }
func (f *fakeClient) Finish() error               { return f.finish }
func (f *fakeClient) Assurance() Assurance        { return f.shown }

// A mechanism that promises and does not deliver is caught at the end.
func TestFinishChecksWhatWasShown(t *testing.T) {
	t.Parallel()
	refusal := &Error{Class: mech.ServerRefused, Code: "x"}
	all := Assurance{ServerProven: true, Binding: mech.BindingExporter}
	for _, c := range []struct {
		name     string
		row      mech.Mechanism
		client   fakeClient
		required mech.Properties
		mustBind bool
		want     mech.Class
		code     string
	}{
		{name: "nothing promised, nothing asked", client: fakeClient{initial: []byte("x")}},
		{name: "more than was asked", client: fakeClient{initial: []byte("x"), shown: all}},
		{name: "an empty initial response was sent", client: fakeClient{initial: []byte{}}},
		{name: "yes before anything was sent", client: fakeClient{}, want: mech.ServerNotVerified, code: "too-early"},
		{name: "the mechanism's own refusal", client: fakeClient{initial: []byte("x"), finish: refusal, shown: all}, want: mech.ServerRefused, code: "x"},
		{name: "proof asked for and not shown", client: fakeClient{initial: []byte("x")}, required: mech.MutualAuth | mech.NoAnonymous, want: mech.ServerNotVerified, code: "bad-server"},
		{name: "proof promised and not shown", row: mech.Mechanism{Provides: mech.MutualAuth}, client: fakeClient{initial: []byte("x")}, want: mech.ServerNotVerified, code: "bad-server"},
		{name: "proof asked for and shown", client: fakeClient{initial: []byte("x"), shown: Assurance{ServerProven: true}}, required: mech.MutualAuth},
		{name: "binding asked for and not shown", client: fakeClient{initial: []byte("x"), shown: Assurance{ServerProven: true}}, mustBind: true, want: mech.TooWeak, code: "not-bound"},
		{name: "binding of another type", client: fakeClient{initial: []byte("x"), shown: Assurance{Binding: mech.BindingEndPoint}}, mustBind: true, want: mech.TooWeak, code: "not-bound"},
		{name: "binding asked for and shown", client: fakeClient{initial: []byte("x"), shown: all}, mustBind: true},
	} {
		x := &ClientExchange{
			row: &c.row, client: &c.client, required: c.required, mustBind: c.mustBind,
			cfg: mech.ClientConfig{BindingTypes: []string{mech.BindingExporter}},
		}
		if _, _, err := x.Start(); err != nil {
			t.Fatal(err)
		}
		if x.Assurance() != (Assurance{}) {
			t.Errorf("%s: %+v is shown before the end", c.name, x.Assurance())
		}
		err := x.Finish()
		if c.want == 0 {
			if err != nil || x.Assurance() != c.client.shown {
				t.Errorf("%s: %v, %+v", c.name, err, x.Assurance())
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Class != c.want || e.Code != c.code || x.Assurance() != (Assurance{}) {
			t.Errorf("%s: %v, %+v; want %v", c.name, err, x.Assurance(), c.want)
		}
	}
}

// What the library's own rows ask for at the end follows from the configuration.
func TestNewClientKeepsTheRequirements(t *testing.T) {
	t.Parallel()
	cfg := ClientConfig{
		Credentials: Credentials{Username: "al", Password: "pw"}, Mechanisms: []string{"DIGEST-MD5"},
		Policy: mech.Policy{Clear: mech.NoPlaintext, TLS: mech.MutualAuth}, Context: context.Background(),
		Offered: []string{"digest-md5", "x"}, Channel: boundChannel, MinIterations: 5000, MaxIterations: 6000,
	}
	x, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if x.required != mech.MutualAuth|mech.NoAnonymous || x.mustBind {
		t.Errorf("required %v, binding %v", x.required, x.mustBind)
	}
	if x.cfg.Binding == nil || x.cfg.Context != cfg.Context || x.cfg.MinIterations != 5000 || x.cfg.MaxIterations != 6000 {
		t.Errorf("passed on: %+v", x.cfg.Context)
	}
	if diff := cmp.Diff([]string{"DIGEST-MD5", "X"}, x.cfg.Offered); diff != "" {
		t.Error(diff)
	}
	cfg.ChannelBinding = BindNever
	if x, err = NewClient(cfg); err != nil || x.cfg.Binding != nil {
		t.Errorf("never: %v, a binding: %v", err, x.cfg.Binding != nil)
	}
}

// boundChannel has data of two types.
var boundChannel = Channel{Secure: true, Binding: func(typ string) ([]byte, bool) {
	return []byte(typ), typ == mech.BindingExporter || typ == mech.BindingEndPoint
}}

// Rules of channel binding, on rows as the table has them for SCRAM.
func TestAgainstBinding(t *testing.T) {
	t.Parallel()
	plus := &mech.Mechanism{Name: "X-PLUS", Binds: true, Provides: mech.NoAnonymous}
	plain := &mech.Mechanism{Name: "X", Provides: mech.NoAnonymous | mech.NoPlaintext}
	secure, clear := Channel{Secure: true}, Channel{}
	empty := Channel{Secure: true, Binding: func(string) ([]byte, bool) { return nil, true }}
	for _, c := range []struct {
		name    string
		row     *mech.Mechanism
		binding ChannelBinding
		channel Channel
		types   []string
		class   mech.Class
		reason  string
	}{
		{"if possible", plus, BindIfPossible, boundChannel, nil, 0, ""},
		{"if possible, in the clear", plus, BindIfPossible, clear, nil, mech.EncryptionRequired, "binds to TLS"},
		{"if possible, no data", plus, BindIfPossible, secure, nil, mech.MechanismUnavailable, "nothing to bind to"},
		{"if possible, empty data", plus, BindIfPossible, empty, nil, mech.MechanismUnavailable, "nothing to bind to"},
		{"a type that the channel has", plus, BindIfPossible, boundChannel, []string{"tls-unique", "tls-server-end-point"}, 0, ""},
		{"a type that it does not have", plus, BindIfPossible, boundChannel, []string{"tls-unique"}, mech.MechanismUnavailable, "nothing to bind to"},
		{"no types", plus, BindIfPossible, boundChannel, []string{}, mech.MechanismUnavailable, "nothing to bind to"},
		{"if possible, the other row", plain, BindIfPossible, boundChannel, nil, 0, ""},
		{"required", plus, BindRequired, boundChannel, nil, 0, ""},
		{"required, in the clear", plus, BindRequired, clear, nil, mech.EncryptionRequired, "binds to TLS"},
		{"required, no data", plus, BindRequired, secure, nil, mech.MechanismUnavailable, "nothing to bind to"},
		{"required, the other row", plain, BindRequired, boundChannel, nil, mech.TooWeak, "channel binding is required"},
		{"never", plus, BindNever, boundChannel, nil, mech.MechanismUnavailable, "not wanted"},
		{"never, the other row", plain, BindNever, boundChannel, nil, 0, ""},
	} {
		cfg := ClientConfig{
			Mechanisms: []string{"X", "X-PLUS"}, Policy: mech.Policy{Clear: mech.AnyMechanism},
			ChannelBinding: c.binding, Channel: c.channel, BindingTypes: c.types,
		}.complete()
		class, reason := cfg.against(c.row)
		if class != c.class || !strings.Contains(reason, c.reason) || (reason == "") != (class == 0) {
			t.Errorf("%s: %v, %q; want %v, %q", c.name, class, reason, c.class, c.reason)
		}
	}
}

// A server that offers endless nonsense does not make our sentences endless.
func TestNoChoiceIsBounded(t *testing.T) {
	t.Parallel()
	var offered []string
	for i := range 10_000 {
		offered = append(offered, fmt.Sprintf("X%d\x1b", i), fmt.Sprintf("X%d", i))
	}
	cfg := ClientConfig{Offered: offered, Channel: Channel{Secure: true}}
	_, err := NewClient(cfg)
	var e *Error
	if !errors.As(err, &e) || len(e.Detail()) > 2000 || strings.Contains(e.Detail(), "\x1b") || !strings.Contains(e.Detail(), "X23 and 40 more") {
		t.Errorf("%v", mech.AsError(err).Detail())
	}
	if n := len(cfg.Candidates()); n != len(mech.All())+maxOffered {
		t.Errorf("%d candidates", n)
	}
	if len(mech.All()) > maxListed {
		t.Errorf("a sentence has room for %d mechanisms, and there are %d", maxListed, len(mech.All()))
	}
}

// What a program prints that does not look inside: the cure is in it.
func TestClientErrorsSayWhy(t *testing.T) {
	t.Parallel()
	_, none := NewClient(ClientConfig{Credentials: Credentials{Username: "al", Password: "pw"}, Offered: []string{"PLAIN"}})
	_, _, host := SMTPAuth(ClientConfig{Host: "other.example"}).Start(&smtp.ServerInfo{Name: "mail.example", TLS: true})
	_, unknown := NewClient(ClientConfig{Mechanisms: []string{"SCRAM"}})
	early := (&ClientExchange{row: mech.PLAIN, client: &fakeClient{}}).Finish()
	for want, err := range map[string]error{
		"only under TLS: PLAIN": none,
		`the login is for "other.example" and the connection to "mail.example"`: host,
		`no mechanism "SCRAM"`:     unknown,
		"before anything was sent": early,
	} {
		var e *Error
		if err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, &e) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
