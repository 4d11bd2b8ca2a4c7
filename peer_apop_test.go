package saslkit_test

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

func apopSite(v verifier.Verifier) *saslkit.Authenticator {
	return &saslkit.Authenticator{Verifier: v, Mechanisms: []string{"PLAIN", "APOP"}}
}

// apop logs in with a password and returns the class of the error, 0 for none.
func apop(t *testing.T, p *saslkit.Peer, user, password string) mech.Class {
	t.Helper()
	command, err := mech.APOPCommand("+OK "+p.APOPTimestamp(), saslkit.Credentials{Username: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(command)
	if err := p.APOP(words[1], words[2]); err != nil {
		return mech.AsError(err).Class
	}
	return 0
}

func TestAPOP(t *testing.T) {
	t.Parallel()
	a := apopSite(store(full("al"), full("bob")))
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	peer := peerOf(a)
	defer peer.Close()
	timestamp := peer.APOPTimestamp()
	if timestamp == "" || timestamp != peer.APOPTimestamp() || timestamp == peerOf(a).APOPTimestamp() {
		t.Errorf("timestamp %q", timestamp)
	}
	if slices.Contains(peer.AuthMechanisms(), "APOP") {
		t.Error("it is advertised as a mechanism")
	}
	if class := apop(t, peer, "al", "wrong"); class != mech.BadCredentials {
		t.Errorf("wrong password: %v", class)
	}
	if _, ok := peer.Result(); ok {
		t.Error("logged in")
	}
	if class := apop(t, peer, "al", password("al")); class != 0 {
		t.Errorf("%v", class)
	}
	want := saslkit.Result{User: "al", Realm: testRealm, Authzid: "al", Mechanism: "APOP"}
	if got, ok := peer.Result(); !ok || cmp.Diff(want, got) != "" {
		t.Errorf("%+v", got)
	}
	for _, digest := range []string{"", "c4c9334bac560ecc979e58001b3e22f", "C4C9334BAC560ECC979E58001B3E22FB", strings.Repeat("0", 4000)} {
		if err := peer.APOP("al", digest); mech.AsError(err).Class != mech.Malformed && mech.AsError(err).Class != mech.Limit {
			t.Errorf("digest %.40q: %v", digest, err)
		}
	}
}

// TestAPOPStrangers: whoever is asked for, the reply and the work are the same.
func TestAPOPStrangers(t *testing.T) {
	t.Parallel()
	for name, reason := range map[string]string{"al": "wrong password", "nobody": "no such user", "keys": "no secret", "di": "wrong password"} {
		m := store(full("al"), person{"keys", kinds(verifier.KindSCRAMSHA256)})
		m.Add(verifiertest.User{Name: "di", Realm: testRealm, Password: password("di"), Disabled: true})
		var log bytes.Buffer
		a := apopSite(m)
		a.Logger = slog.New(slog.NewTextHandler(&log, nil))
		peer := peerOf(a)
		if class := apop(t, peer, name, "wrong"); class != mech.BadCredentials || m.Lookups.Load() != 1 || m.Checks.Load() != 0 {
			t.Errorf("%s: %v, %d look-ups", name, class, m.Lookups.Load())
		}
		if !strings.Contains(log.String(), reason) || !strings.Contains(log.String(), "mech=APOP") {
			t.Errorf("%s: %s", name, log.String())
		}
		if class := apop(t, peer, "di", password("di")); class != mech.Disabled {
			t.Errorf("disabled: %v", class)
		}
	}
}

// TestAPOPOffered: only if named, to whose passwords are stored, and where the policy
// permits what it is.
func TestAPOPOffered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		auth  *saslkit.Authenticator
		valid bool
	}{
		"not named":             {&saslkit.Authenticator{Verifier: store(full("al"))}, true},
		"nobody has a password": {apopSite(store(person{"al", kinds(verifier.KindSCRAMSHA256)})), false},
		"too weak": {&saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"PLAIN", "APOP"}, Policy: mech.Policy{
			Clear: mech.NoDictionary, TLS: mech.NoActive}}, false},
	} {
		peer := peerOf(c.auth)
		if timestamp := peer.APOPTimestamp(); timestamp != "" {
			t.Errorf("%s: %q", name, timestamp)
		}
		if err := peer.APOP("al", strings.Repeat("0", 32)); err == nil || mech.AsError(err).Class == mech.BadCredentials {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.auth.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
	peer := peerOf(apopSite(store(full("al"))))
	if err := peer.APOP("al", strings.Repeat("0", 32)); mech.AsError(err).Class != mech.MechanismUnavailable {
		t.Errorf("without a greeting: %v", err)
	}
	if err := (&saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"APOP"}}).Validate(); err != nil {
		t.Errorf("APOP alone: %v", err)
	}
}
