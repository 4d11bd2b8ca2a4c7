package daemon

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pwcheck"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

var pwcheckAnswers = []struct {
	name, request, want string
}{
	{"good", "alice\x00canary-A7\x00", "OK"},
	{"good, with spaces", "al ice\x00pass word-B8\x00", "OK"},
	{"wrong password", "alice\x00wrong\x00", refusalText},
	{"unknown user", "nobody\x00canary-A7\x00", refusalText},
	{"disabled", "off\x00canary-E2\x00", refusalText},
	{"expired", "old\x00canary-F3\x00", refusalText},
	{"no login", "\x00canary-A7\x00", refusalText},
	{"no password", "alice\x00\x00", refusalText},
	{"more behind the password", "alice\x00canary-A7\x00x", refusalText},
	{"two requests", "alice\x00canary-A7\x00alice\x00canary-A7\x00", refusalText},
	{"longest", "alice\x00" + strings.Repeat("p", 1015) + "\x00", refusalText},
	{"too long", "alice\x00" + strings.Repeat("p", 1016) + "\x00", "Request too big"},
	{"much too long", strings.Repeat("alice", 1000), "Request too big"},
}

func TestPwcheckAnswers(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, c := range pwcheckAnswers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := m.ask(t, c.request); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := m.askAndEnd(t, c.request); got != c.want {
				t.Errorf("from a client that has said all: %q, want %q", got, c.want)
			}
		})
	}
	for _, part := range []string{"", "alice", "alice\x00", "alice\x00canary-A7"} {
		if got := m.askAndEnd(t, part); got != "Error reading request" {
			t.Errorf("%q alone: %q", part, got)
		}
	}
}

// pwcheck itself takes the first part for the whole.
func TestPwcheckInParts(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	for _, parts := range [][]string{{"alice\x00", "canary-A7\x00"}, strings.SplitAfter("alice\x00canary-A7\x00", "")} {
		c := m.dial(t)
		for _, part := range parts {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
		}
		if got := remaining(t, c); got != "OK" {
			t.Errorf("%d parts: %q", len(parts), got)
		}
	}
}

func TestPwcheckTrouble(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	handler := Pwcheck{
		Current: NewCurrent(muxSite(verifyFunc(func(context.Context, verifier.Request, string) (verifier.Account, error) {
			return verifier.Account{}, verifier.ErrUnavailable
		}))),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}
	hurried := handler
	hurried.times.ofRequest = 20 * time.Millisecond
	m, h := startMux(t, &handler), startMux(t, &hurried)
	if got := m.ask(t, "alice\x00canary-A7\x00"); got != "" {
		t.Errorf("a store in trouble: %q", got)
	}
	for _, sent := range []string{"alice\x00canary-A7", ""} {
		if got := h.ask(t, sent); got != "" {
			t.Errorf("%q: %q", sent, got)
		}
	}
	m.stop()
	h.stop()
	if text := log.String(); strings.Count(text, "a request that ends after") != 2 || strings.Contains(text, "canary") {
		t.Errorf("the log:\n%s", text)
	}
}

func TestPwcheckRequest(t *testing.T) {
	t.Parallel()
	store, all := recording()
	site := muxSite(store)
	site.Realm = realm.Policy{Default: "mail.example", Others: []string{"other.example"}}
	m := startMux(t, &Pwcheck{Current: NewCurrent(site), Service: "imap"})
	for login, want := range map[string]string{
		"al": "OK", "al@other.example": "OK", "al@evil.example": refusalText,
	} {
		if got := m.ask(t, login+"\x00secret\x00"); got != want {
			t.Errorf("%s: %q, want %q", login, got, want)
		}
	}
	for _, a := range all() {
		if a.Request.User != "al" || a.Request.Service != "imap" || a.Password != "secret" || a.Request.Remote.IsValid() {
			t.Errorf("the store was asked %+v", a)
		}
	}
}

func TestPwcheckContract(t *testing.T) {
	t.Parallel()
	m := startMux(t, &Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...)))})
	v, err := pwcheck.New(pwcheck.Options{Socket: m.socket})
	if err != nil {
		t.Fatal(err)
	}
	if err := verifiertest.TestVerifier(v, muxUsers[:4]...); err != nil {
		t.Error(err)
	}
}

// Who says nothing holds up nobody, and nothing is left of him. It is not parallel: it
// counts goroutines and descriptors.
func TestPwcheckSilent(t *testing.T) {
	check := muxLeaks(t)
	m := startMux(t, &Pwcheck{Current: NewCurrent(muxSite(verifiertest.NewMemory(muxUsers...))), times: connTimes{ofStop: time.Millisecond}})
	var silent []net.Conn
	for range 100 {
		c := m.dial(t)
		io.WriteString(c, "alice\x00")
		silent = append(silent, c)
	}
	asktest.Until(t, "all are served", func() bool { return m.server.Conns() == len(silent) })
	if got := m.ask(t, "alice\x00canary-A7\x00"); got != "OK" {
		t.Errorf("%q", got)
	}
	m.stop()
	for _, c := range silent {
		c.Close()
	}
	check()
}
