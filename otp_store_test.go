package saslkit_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// TestOTPHeldByCyrus: while a login of Cyrus SASL holds the record nobody is let in
// here, at the challenge or at the answer, and it is no refusal.
func TestOTPHeldByCyrus(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		until int64
		want  mech.Class
	}{
		"for two minutes more": {now + 120, mech.Unavailable},
		"five minutes":         {now + 300, mech.Unavailable},
		"until a second ago":   {now - 1, 0},
		"for an hour":          {now + 3600, 0}, // no login of Cyrus SASL takes that long
		"until the year 9999":  {253402300799, 0},
	} {
		m := otpStore("al")
		setOTP(t, m, "al", otpRecord("al", 100, c.until))
		peer := peerOf(otpSite(m))
		x, err := peer.Start("OTP")
		if err != nil {
			t.Fatal(err)
		}
		if o := x.Step([]byte("\x00al")); c.want == 0 && o.State != saslkit.More || c.want != 0 && otpClass(o) != c.want {
			t.Errorf("%s: asked %q, %v", name, o.Data, o.Err)
		}
		peer.Close()
		setOTP(t, m, "al", otpRecord("al", 100, 0))
		begun := beginOTP(t, otpSite(m), "al")
		setOTP(t, m, "al", otpRecord("al", 100, c.until)) // meanwhile
		if class := otpClass(begun.Step([]byte(begun.answer(t, phrase("al"))))); class != c.want {
			t.Errorf("%s, after the challenge: %v, want %v", name, class, c.want)
		}
		if held := otpHeld(t, m, "al"); c.want != 0 && held != otpRecord("al", 100, c.until) || c.want == 0 && held != otpRecord("al", 99, 0) {
			t.Errorf("%s: stored %q", name, held)
		}
	}
}

// TestOTPOffered: only where the next state can be stored.
func TestOTPOffered(t *testing.T) {
	t.Parallel()
	m := otpStore("al")
	var readOnly verifier.SecretSource = struct{ verifier.SecretSource }{m}
	for _, c := range []struct {
		name  string
		store verifier.Verifier
		want  string
	}{
		{"a store", m, "all users can use it"},
		{"cached", verifier.Cache(m, verifier.CacheOptions{}), "all users can use it"},
		{"realms mapped", verifier.MapRealm(m, map[string]string{"a": testRealm}), "all users can use it"},
		{"one that is only read", readOnly, "cannot be written"},
		{"that in a wrapper", verifier.MapRealm(verifier.Chain(m), nil), "cannot be written"},
		{"a chain", verifier.Chain(m), "cannot be written"},
		{"no series", store(full("al")), "no user has a secret that serves it"},
		{"no users", verifiertest.NewMemory(), "the store has no users"},
	} {
		a := otpSite(c.store)
		offered := strings.HasPrefix(c.want, "all")
		got := a.Decisions(saslkit.Channel{})[0]
		if got.Mechanism != "OTP" || got.Offered != offered || !strings.Contains(got.Reason, c.want) || (a.Validate() == nil) != offered {
			t.Errorf("%s: %+v, %v", c.name, got, a.Validate())
		}
		a.Mechanisms = nil
		if slices.Contains(a.Advertised(saslkit.Channel{Secure: true}), "OTP") {
			t.Errorf("%s: offered and not named", c.name)
		}
	}
	if diff := cmp.Diff("noplaintext, forward_secrecy, noanonymous", mech.OTP.Provides.String()); diff != "" {
		t.Error(diff)
	}
}

// TestOTPFewLeft: the log warns while there is time for a new series.
func TestOTPFewLeft(t *testing.T) {
	t.Parallel()
	m := otpStore("al")
	var log bytes.Buffer
	a := otpSite(m)
	a.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for number, want := range map[int]string{12: "level=INFO msg=login result=ok", 11: "level=WARN msg=login result=ok", 2: "level=WARN msg=login result=ok"} {
		setOTP(t, m, "al", otpRecord("al", number, 0))
		log.Reset()
		x := beginOTP(t, a, "al")
		o := x.Step([]byte(x.answer(t, phrase("al"))))
		if o.State != saslkit.Done || o.OTPLeft != number-2 {
			t.Fatalf("%d: %+v, %v", number, o.Identity, o.Err)
		}
		if got := log.String(); !strings.Contains(got, want) || !strings.Contains(got, fmt.Sprintf(" otp_left=%d\n", number-2)) {
			t.Errorf("at number %d the log says %s, want %s", number, got, want)
		}
	}
}
