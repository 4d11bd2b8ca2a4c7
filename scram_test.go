package saslkit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// saltShown is what a server's first SCRAM message tells, without the nonce.
func saltShown(t *testing.T, a *saslkit.Authenticator, mechanism, user string) string {
	t.Helper()
	peer := peerOf(a)
	defer peer.Close()
	x, err := peer.Start(mechanism)
	if err != nil {
		t.Fatal(err)
	}
	o := x.Step([]byte("n,,n=" + user + ",r=client"))
	_, rest, ok := strings.Cut(string(o.Data), ",")
	if !ok {
		t.Fatalf("%s, %s: %q, %v", mechanism, user, o.Data, o.Err)
	}
	return rest
}

// TestSaltsTellNothing: with a DecoyKey all servers of a site show a name the same
// salt, after a restart and before and after there is such a user; each name, realm
// and hash has its own.
func TestSaltsTellNothing(t *testing.T) {
	t.Parallel()
	key := saslkit.Key("sixteen bytes of a key")
	before := &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: []string{"SCRAM-SHA-256", "SCRAM-SHA-1"}, DecoyKey: key}
	after := &saslkit.Authenticator{Verifier: store(full("al"), full("bo")), Mechanisms: before.Mechanisms, DecoyKey: key}
	seen := map[string]string{}
	for _, mechanism := range before.Mechanisms {
		for _, user := range []string{"al", "bo", "nobody", "al@example.org"} {
			salt := saltShown(t, before, mechanism, user)
			for _, a := range []*saslkit.Authenticator{before, after} {
				if again := saltShown(t, a, mechanism, user); again != salt {
					t.Errorf("%s, %s: %q and then %q", mechanism, user, salt, again)
				}
			}
			if !strings.HasSuffix(salt, ",i=4096") || len(salt) != len("s=,i=4096")+24 {
				t.Errorf("%s, %s: %q", mechanism, user, salt)
			}
			if other, twice := seen[salt]; twice {
				t.Errorf("%s of %s has the salt of %s", mechanism, user, other)
			}
			seen[salt] = user
		}
		if full := saltShown(t, before, mechanism, "al@example.com"); full != saltShown(t, before, mechanism, "al") {
			t.Errorf("%s: with and without the realm there are two salts", mechanism)
		}
	}
	again := &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: before.Mechanisms}
	if saltShown(t, again, "SCRAM-SHA-1", "xx") == saltShown(t, &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: before.Mechanisms}, "SCRAM-SHA-1", "xx") {
		t.Error("without a DecoyKey two servers show one salt")
	}
}

// TestStoredSaltIsShown: who has keys shows what is stored with them.
func TestStoredSaltIsShown(t *testing.T) {
	t.Parallel()
	keys := person{"keys", kinds(verifier.KindSCRAMSHA256)}
	a := &saslkit.Authenticator{Verifier: store(keys, full("al")), Mechanisms: []string{"SCRAM-SHA-256"}, DerivedIterations: 10_000}
	if got := saltShown(t, a, "SCRAM-SHA-256", "keys"); got != "s=c2l4dGVlbiBieXRlcyBvZg==,i=4096" {
		t.Errorf("stored keys show %q", got)
	}
	if got := saltShown(t, a, "SCRAM-SHA-256", "al"); !strings.HasSuffix(got, ",i=10000") {
		t.Errorf("a password shows %q", got)
	}
	for _, d := range a.Decisions(clear) {
		if want := "tell who has stored keys"; d.Mechanism == "SCRAM-SHA-256" && !strings.Contains(d.Reason, want) {
			t.Errorf("the reason %q does not say that they %s", d.Reason, want)
		}
	}
}

// TestKeyIsHidden: a DecoyKey shows nowhere.
func TestKeyIsHidden(t *testing.T) {
	t.Parallel()
	a := &saslkit.Authenticator{Verifier: verifiertest.NewMemory(), DecoyKey: saslkit.Key("canary-canary-canary")}
	a.NewPeer(saslkit.PeerConfig{})
	var out strings.Builder
	show(&out, a, a.DecoyKey, &a.DecoyKey)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", a, "key", a.DecoyKey)
	encoded, _ := json.Marshal(a.DecoyKey)
	all := out.String() + log.String() + string(encoded)
	for _, form := range []string{"canary", fmt.Sprintf("%x", "canary"), "Y2FuYXJ5", "99 97 110"} {
		if strings.Contains(all, form) {
			t.Errorf("the key shows as %q", form)
		}
	}
	if !strings.Contains(all, "REDACTED") {
		t.Error("nothing was printed")
	}
}

// TestNoDowngrade: a client that could have bound and did not see -PLUS is told that
// the server had offered it; where it was not offered, all is well.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{nil, {"SCRAM-SHA-256"}, {"PLAIN", "scram-sha-256"}} { // the names stand for -PLUS too
		a := &saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: list}
		for _, channel := range []saslkit.Channel{bindable, tls} {
			peer := a.NewPeer(saslkit.PeerConfig{Channel: func() saslkit.Channel { return channel }})
			x, err := peer.Start("SCRAM-SHA-256")
			if err != nil {
				t.Fatal(err)
			}
			o := x.Step([]byte("y,,n=al,r=client"))
			if bound := channel.Binding != nil; (o.State == saslkit.Failed) != bound || bound && (o.Err.Class != mech.BadCredentials || o.Err.Code != "server-does-support-channel-binding") {
				t.Errorf("mech_list %q, bindable %v: state %d, %v", list, bound, o.State, o.Err)
			}
		}
	}
}
