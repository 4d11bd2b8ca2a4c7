package mech

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// TestSCRAMBindingMatrix: every GS2 flag with every type, offered or not, with equal
// data, other data or none, against what RFC 5802 section 6 says.
func TestSCRAMBindingMatrix(t *testing.T) {
	t.Parallel()
	cases, good := 0, 0
	for _, m := range []*Mechanism{SCRAMSHA256, SCRAMSHA256PLUS} {
		for _, flag := range []string{"n", "y", "p=tls-exporter", "p=tls-unique", "p=tls-server-end-point", "p=other"} {
			for _, has := range []string{"", BindingExporter, BindingUnique, BindingEndPoint} {
				for _, offered := range []bool{false, true} {
					for _, data := range []string{"equal", "other", "missing", "longer"} {
						cases++
						if checkBinding(t, m, flag, has, offered, data) {
							good++
						}
					}
				}
			}
		}
	}
	// Without -PLUS: n always, y where -PLUS is not offered, both with nothing but the
	// header. With it: the three types where the server has them and the data is equal.
	if want := 4*2*2 + 4*1*2 + 3*1*2*1; cases != 2*6*4*2*4 || good != want {
		t.Errorf("%d of %d cases log in, want %d", good, cases, want)
	}
}

// checkBinding talks to a server by hand, with a proof that is right for what is
// sent, so that nothing but the binding decides.
func checkBinding(t *testing.T, m *Mechanism, flag, has string, offered bool, data string) bool {
	t.Helper()
	site := &scramSite{held: keysOf(t, verifier.KindSCRAMSHA256), offers: offered}
	if has != "" {
		site.binding = map[string]string{has: "the channel's data"}
	}
	typ, bound := strings.CutPrefix(flag, "p=")
	want := ""
	switch {
	case bound && !m.Binds:
		want = "channel-binding-not-supported"
	case !bound && m.Binds:
		want = "malformed"
	case flag == "y" && offered:
		want = "server-does-support-channel-binding"
	case bound && typ != has:
		want = "unsupported-channel-binding-type"
	case bound && data != "equal", data == "other", data == "longer":
		want = "channel-bindings-dont-match"
	}

	s := m.NewServer(&ServerConfig{SCRAM: testDerivation(t), nonce: func() string { return "server" }}, site)
	o := s.Step(t.Context(), []byte(flag+",,n=al,r=client"))
	if o.State == More {
		sent := flag + ",,"
		switch {
		case data == "equal" && bound:
			sent += "the channel's data"
		case data == "other":
			sent += "another channel's"
		case data == "longer":
			sent += "the channel's data, and more"
		}
		withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(sent)) + ",r=clientserver"
		o = s.Step(t.Context(), finalFor(t, scram.SHA256, "n=al,r=client", string(o.Data), withoutProof))
	}
	got := ""
	switch {
	case o.State != Done:
		got = o.Err.Code
	case bound && o.Identity.Binding != typ, !bound && o.Identity.Binding != "":
		t.Errorf("%s, flag %s: bound to %q", m.Name, flag, o.Identity.Binding)
	}
	if got != want {
		t.Errorf("%s, flag %s, server has %q, offered %v, %s data: %q, want %q", m.Name, flag, has, offered, data, got, want)
	}
	return got == ""
}

// TestSCRAMClientFlag: what the client says about channel binding follows from the
// mechanism, its channel and what it saw (RFC 5802 section 6).
func TestSCRAMClientFlag(t *testing.T) {
	t.Parallel()
	all := map[string]string{BindingExporter: "exp", BindingUnique: "uni", BindingEndPoint: "end"}
	for _, c := range []struct {
		name    string
		m       *Mechanism
		channel map[string]string
		types   []string
		offered []string
		want    string
	}{
		{"no channel", SCRAMSHA1, nil, nil, []string{"SCRAM-SHA-1"}, "n"},
		{"a channel without data", SCRAMSHA1, map[string]string{"other": "x"}, nil, []string{"SCRAM-SHA-1"}, "n"},
		{"-PLUS not seen", SCRAMSHA1, all, nil, []string{"SCRAM-SHA-1"}, "y"},
		{"-PLUS of another hash seen", SCRAMSHA1, all, nil, []string{"SCRAM-SHA-1", "SCRAM-SHA-256-PLUS"}, "y"},
		{"-PLUS seen and not taken", SCRAMSHA1, all, nil, []string{"SCRAM-SHA-1", "scram-sha-1-plus"}, "n"},
		{"what is offered is not known", SCRAMSHA1, all, nil, nil, "n"},
		{"a list that is empty is known", SCRAMSHA1, all, nil, []string{}, "y"},
		{"exporter first", SCRAMSHA1PLUS, all, nil, nil, "p=tls-exporter"},
		{"then tls-unique", SCRAMSHA1PLUS, map[string]string{BindingUnique: "uni", BindingEndPoint: "end"}, nil, nil, "p=tls-unique"},
		{"then the end point", SCRAMSHA1PLUS, map[string]string{BindingEndPoint: "end"}, nil, nil, "p=tls-server-end-point"},
		{"the caller's order", SCRAMSHA1PLUS, all, []string{"none", BindingEndPoint, BindingExporter}, nil, "p=tls-server-end-point"},
		{"nothing to bind to", SCRAMSHA1PLUS, map[string]string{BindingExporter: ""}, nil, nil, ""},
		{"no channel at all", SCRAMSHA1PLUS, nil, nil, nil, ""},
	} {
		cfg := &ClientConfig{Credentials: Credentials{Username: "al", Password: "x"}, Offered: c.offered, BindingTypes: c.types}
		if c.channel != nil {
			cfg.Binding = (&scramSite{binding: c.channel}).Binding
		}
		first, err := c.m.NewClient(cfg).Start()
		got, _, _ := strings.Cut(string(first), ",")
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// spoil returns a message with one field wrong, in every way.
func spoil(message string) map[string]string {
	fields := strings.Split(message, ",")
	bad := map[string]string{"empty": "", "trailing comma": message + ",", "trailing NUL": message + "\x00", "trailing newline": message + "\r\n", "twice": message + "," + message}
	for i, f := range fields {
		if f == "" {
			continue // no authorization identity
		}
		without := slices.Concat(fields[:i], fields[i+1:])
		with := func(replaced ...string) string {
			return strings.Join(slices.Concat(fields[:i], replaced, fields[i+1:]), ",")
		}
		bad[fmt.Sprintf("without field %d", i)] = with()
		bad[fmt.Sprintf("field %d twice", i)] = with(f, f)
		bad[fmt.Sprintf("field %d over-long", i)] = with(f + strings.Repeat("A", 9000))
		bad[fmt.Sprintf("field %d with a byte more", i)] = with(f + "A")
		bad[fmt.Sprintf("field %d cut", i)] = with(f[:len(f)-1])
		bad[fmt.Sprintf("field %d empty", i)] = with(f[:min(2, len(f)-1)])
		bad[fmt.Sprintf("field %d in front", i)] = strings.Join(append([]string{f}, without...), ",")
		for j := range i {
			swapped := slices.Clone(fields)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			bad[fmt.Sprintf("fields %d and %d swapped", j, i)] = strings.Join(swapped, ",")
		}
	}
	for name, b := range bad {
		if b == message {
			delete(bad, name)
		}
	}
	return bad
}

// A fixed conversation is the same each time, so that one message of it can be
// replaced by another.
func fixed(t *testing.T, m *Mechanism, edit func(int, []byte) []byte) (Outcome, error) {
	t.Helper()
	site := &scramSite{held: keysOf(t, m.Secrets[0]), binding: map[string]string{BindingExporter: "data"}, offers: m.Binds}
	client := &ClientConfig{nonce: func() string { return "clientclient" }}
	if m.Binds {
		client.Binding, client.Offered = site.Binding, []string{m.Name}
	}
	return conversation(t, m, site, &ServerConfig{nonce: func() string { return "serverserver" }}, client, edit)
}

// messagesOf are the four messages of a good fixed conversation.
func messagesOf(t *testing.T, m *Mechanism) (messages [][]byte) {
	t.Helper()
	o, err := fixed(t, m, func(_ int, b []byte) []byte {
		messages = append(messages, b)
		return b
	})
	if o.State != Done || err != nil || len(messages) != 4 {
		t.Fatalf("%s: %d messages, %v, %v", m.Name, len(messages), o.Err, err)
	}
	return messages
}

// replaced runs a fixed conversation with another message in the place of one.
func replaced(t *testing.T, m *Mechanism, number int, by []byte) (Outcome, error) {
	t.Helper()
	return fixed(t, m, func(n int, b []byte) []byte {
		if n == number {
			return by
		}
		return b
	})
}

// TestSCRAMFields: every message with each field dropped, doubled, reordered,
// over-long, cut, or with something after it. Nobody is content with any, and the
// server tells by the class of its error that no bytes of its own were at fault.
func TestSCRAMFields(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, m := range []*Mechanism{SCRAMSHA1, SCRAMSHA256PLUS} {
		for number, message := range messagesOf(t, m) {
			for what, bad := range spoil(string(message)) {
				tried++
				o, err := replaced(t, m, number, []byte(bad))
				var e *Error
				if err == nil {
					t.Errorf("%s, message %d, %s: %q is taken", m.Name, number, what, bad)
				} else if !errors.As(err, &e) || e.Class == Unavailable || number%2 == 0 && o.State == Done {
					t.Errorf("%s, message %d, %s: state %d, %v", m.Name, number, what, o.State, err)
				}
			}
		}
	}
	if tried < 150 {
		t.Errorf("only %d messages were tried", tried)
	}
}

// TestSCRAMOtherMessages: every state is given every message of the other states, of
// either side and either form.
func TestSCRAMOtherMessages(t *testing.T) {
	t.Parallel()
	others := append(messagesOf(t, SCRAMSHA256), messagesOf(t, SCRAMSHA256PLUS)...)
	others = append(others, []byte{}, nil, []byte("e=other-error"), []byte("n"), []byte(","), []byte("="))
	for _, m := range []*Mechanism{SCRAMSHA256, SCRAMSHA256PLUS} {
		for state, own := range messagesOf(t, m) {
			for _, other := range others {
				if string(other) == string(own) {
					continue
				}
				if o, err := replaced(t, m, state, other); err == nil {
					t.Errorf("%s, message %d: %q is taken, state %d", m.Name, state, other, o.State)
				}
			}
		}
	}
}
