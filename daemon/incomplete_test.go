package daemon

import (
	"context"
	"net"
	"testing"

	"github.com/saslkit/saslkit"
)

// What was forgotten is an error of Serve, and not of every connection.
func TestServeIncomplete(t *testing.T) {
	t.Parallel()
	var nobody *Dovecot
	for want, h := range map[string]Handler{
		"daemon: Server.Handler is not set":                               nil,
		"daemon: Dovecot.Current is not set":                              &Dovecot{},
		"daemon: Saslauthd.Current has no site (NewCurrent gives it one)": &Saslauthd{Current: new(Current)},
		"daemon: Pwcheck.Current has no site (NewCurrent gives it one)":   &Pwcheck{Current: NewCurrent(nil)},
		"daemon: Site.Auth is not set":                                    &Dovecot{Current: NewCurrent(&Site{})},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := (&Server{Handler: h}).Serve(t.Context(), l); err == nil || err.Error() != want {
			t.Errorf("got %v, want %q", err, want)
		}
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s: it still listens", want)
		}
	}
	if err := (&Server{Handler: nobody}).incomplete(); err == nil {
		t.Error("a nil pointer is a handler")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	whole := &Pwcheck{Current: NewCurrent(&Site{Auth: &saslkit.Authenticator{}})}
	if err := (&Server{Handler: whole}).Serve(ctx, l); err != nil {
		t.Error(err)
	}
	if err := NewMetrics().Gauge("things", "Things.", nil); err == nil {
		t.Error("a gauge without a function")
	}
}
