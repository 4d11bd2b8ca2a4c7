package saslkit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// otpStore is a store of people with a series each.
func otpStore(names ...string) *verifiertest.Memory {
	var people []person
	for _, name := range names {
		people = append(people, person{name, kinds(verifier.KindPassword, verifier.KindOTP)})
	}
	return store(people...)
}

func otpSite(v verifier.Verifier) *saslkit.Authenticator {
	return &saslkit.Authenticator{Verifier: v, Mechanisms: []string{"OTP"}, Policy: anything, DecoyKey: saslkit.Key("a key of more than 16 bytes")}
}

// otpHeld is what a store has of a user.
func otpHeld(t testing.TB, s verifier.SecretSource, name string) string {
	t.Helper()
	held, err := s.LookupSecret(context.Background(), verifier.Request{User: name, Realm: testRealm}, verifier.KindOTP)
	if err != nil && !verifier.Terminal(err) {
		t.Fatal(err)
	}
	return string(held.Value)
}

// setOTP replaces it.
func setOTP(t testing.TB, s verifier.SecretStore, name, record string) {
	t.Helper()
	err := s.Update(context.Background(), verifier.Request{User: name, Realm: testRealm}, func(e verifier.Entry) (verifier.Entry, error) {
		e.Secrets = slices.DeleteFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == verifier.KindOTP })
		e.Secrets = append(e.Secrets, verifier.Secret{Kind: verifier.KindOTP, Value: []byte(record)})
		return e, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// otpRecord is a record at a number of the series of seed ke1234.
func otpRecord(name string, number int, held int64) string {
	return fmt.Sprintf("md5\t%04d\tke1234\t%s\t%020d", number, otp.MD5.Compute("ke1234", phrase(name), number).Hex(), held)
}

// otpBegun is a login that was asked for a password.
type otpBegun struct {
	*saslkit.Exchange
	challenge string
}

func beginOTP(t testing.TB, a *saslkit.Authenticator, name string) otpBegun {
	t.Helper()
	peer := peerOf(a)
	t.Cleanup(func() { peer.Close() })
	x, err := peer.Start("OTP")
	if err != nil {
		t.Fatal(err)
	}
	o := x.Step([]byte("\x00" + name))
	if o.State != saslkit.More {
		t.Fatalf("%s is not asked: %v (%s)", name, o.Err, o.Err.Detail())
	}
	return otpBegun{x, string(o.Data)}
}

// answer is that of who knows the phrase.
func (b otpBegun) answer(t testing.TB, phrase string) string {
	t.Helper()
	var number int
	var seed string
	if _, err := fmt.Sscanf(b.challenge, "otp-md5 %d %s ext", &number, &seed); err != nil {
		t.Fatalf("challenge %q: %v", b.challenge, err)
	}
	return "hex:" + otp.MD5.Compute(seed, phrase, number).Hex()
}

// otpClass is what a login ends with; 0: well.
func otpClass(o saslkit.Outcome) mech.Class {
	if o.State == saslkit.Done {
		return 0
	}
	return o.Err.Class
}

// TestOTPSeries: each login takes the next password of the series, and what went over
// the wire before opens nothing, on a server that knows nothing but the store.
func TestOTPSeries(t *testing.T) {
	t.Parallel()
	m := otpStore("al")
	var old []string
	for number := 498; number > 488; number-- {
		x := beginOTP(t, otpSite(m), "al")
		answer := x.answer(t, phrase("al"))
		if want := fmt.Sprintf("otp-md5 %d ", number); !strings.HasPrefix(x.challenge, want) {
			t.Errorf("challenge %q, want %q", x.challenge, want)
		}
		if o := x.Step([]byte(answer)); o.State != saslkit.Done || o.Identity.Account.User != "al" {
			t.Fatalf("number %d: %v", number, o.Err)
		}
		if held := otpHeld(t, m, "al"); !strings.HasPrefix(held, fmt.Sprintf("md5\t%04d\t", number)) || !strings.Contains(held, "\t"+answer[len("hex:"):]+"\t") {
			t.Errorf("after number %d: %q", number, held)
		}
		old = append(old, answer)
		for _, replay := range old {
			before := otpHeld(t, m, "al")
			if class := otpClass(beginOTP(t, otpSite(m), "al").Step([]byte(replay))); class != mech.BadCredentials || otpHeld(t, m, "al") != before {
				t.Errorf("%q again after number %d: %v", replay, number, class)
			}
		}
	}
}

// TestOTPOnce: of many logins with one password one gets in, and strangers who begin
// logins and leave them keep nobody out.
func TestOTPOnce(t *testing.T) {
	t.Parallel()
	m := otpStore("al")
	a := otpSite(m)
	var begun []otpBegun
	for range 100 {
		beginOTP(t, a, "al") // a stranger's
		begun = append(begun, beginOTP(t, a, "al"))
	}
	var in, refused atomic.Int32
	var all sync.WaitGroup
	for _, x := range begun {
		answer := []byte(x.answer(t, phrase("al")))
		all.Go(func() {
			switch o := x.Step(answer); {
			case o.State == saslkit.Done:
				in.Add(1)
			case o.Err.Class == mech.BadCredentials:
				refused.Add(1)
			default:
				t.Error(o.Err.Detail())
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || refused.Load() != 99 {
		t.Errorf("%d got in, %d were refused", in.Load(), refused.Load())
	}
	x := beginOTP(t, a, "al")
	if o := x.Step([]byte(x.answer(t, phrase("al")))); o.State != saslkit.Done {
		t.Errorf("the next login: %v", o.Err)
	}
}

// failing is a store that cannot be written to any more.
type failing struct{ *verifiertest.Memory }

func (failing) Update(context.Context, verifier.Request, func(verifier.Entry) (verifier.Entry, error)) error {
	return errors.New("disk full")
}

// TestOTPNotStored: nobody is let in whose password would be good again.
func TestOTPNotStored(t *testing.T) {
	t.Parallel()
	x := beginOTP(t, otpSite(failing{otpStore("al")}), "al")
	if class := otpClass(x.Step([]byte(x.answer(t, phrase("al"))))); class != mech.Unavailable {
		t.Errorf("%v", class)
	}
}

// TestOTPRenewal has RFC 2243's new series: good ones, and bad ones, for which the
// password is used all the same (section 4.3).
func TestOTPRenewal(t *testing.T) {
	t.Parallel()
	after := otp.MD5.Compute("ke1234", phrase("al"), 99)
	renewed := otp.SHA1.Compute("zz0001", "another phrase", 499)
	used := otpRecord("al", 99, 0)
	for _, c := range []struct {
		name, answer string
		want         mech.Class
		held         string
	}{
		{"in hex", "init-hex:" + after.Hex() + ":sha1 499 zz0001:" + renewed.Hex(), 0, "sha1\t0499\tzz0001\t" + renewed.Hex() + "\t00000000000000000000"},
		{"in words", "init-word:" + after.Words() + ":sha1 499 zz0001:" + renewed.Words(), 0, "sha1\t0499\tzz0001\t" + renewed.Hex() + "\t00000000000000000000"},
		{"with blanks and capitals", " INIT-Hex :" + strings.ToUpper(after.Hex()) + " : SHA1  499\tzz0001 : " + renewed.Hex(), 0, "sha1\t0499\tzz0001\t" + renewed.Hex() + "\t00000000000000000000"},
		{"nothing new", "init-hex:" + after.Hex(), mech.Malformed, used},
		{"the same seed", "init-hex:" + after.Hex() + ":md5 499 KE1234:" + renewed.Hex(), mech.Malformed, used},
		{"unknown hash", "init-hex:" + after.Hex() + ":md9 499 zz0001:" + renewed.Hex(), mech.Malformed, used},
		{"number 1", "init-hex:" + after.Hex() + ":md5 1 zz0001:" + renewed.Hex(), mech.Malformed, used},
		{"number 10000", "init-hex:" + after.Hex() + ":md5 10000 zz0001:" + renewed.Hex(), mech.Malformed, used},
		{"bad seed", "init-hex:" + after.Hex() + ":md5 499 zz-001:" + renewed.Hex(), mech.Malformed, used},
		{"15 digits", "init-hex:" + after.Hex() + ":md5 499 zz0001:" + renewed.Hex()[1:], mech.Malformed, used},
		{"words in hex", "init-hex:" + after.Hex() + ":sha1 499 zz0001:" + renewed.Words(), mech.Malformed, used},
		{"something behind", "init-hex:" + after.Hex() + ":md5 499 zz0001:" + renewed.Hex() + ":", mech.Malformed, used},
		{"wrong password", "init-hex:" + renewed.Hex() + ":sha1 499 zz0001:" + renewed.Hex(), mech.BadCredentials, otpRecord("al", 100, 0)},
		{"no password", "init-hex::sha1 499 zz0001:" + renewed.Hex(), mech.Malformed, otpRecord("al", 100, 0)},
	} {
		m := otpStore("al")
		setOTP(t, m, "al", otpRecord("al", 100, 0))
		if class := otpClass(beginOTP(t, otpSite(m), "al").Step([]byte(c.answer))); class != c.want || otpHeld(t, m, "al") != c.held {
			t.Errorf("%s: %v, stored %q; want %v, %q", c.name, class, otpHeld(t, m, "al"), c.want, c.held)
		}
	}
}

// TestOTPLocked: who is disabled or expired is told so after the right password, which
// is used up.
func TestOTPLocked(t *testing.T) {
	t.Parallel()
	for want, u := range map[mech.Class]verifiertest.User{
		mech.Disabled: {Name: "al", Realm: testRealm, Disabled: true},
		mech.Expired:  {Name: "al", Realm: testRealm, Expired: true},
	} {
		m := otpStore("bob")
		m.Add(u, verifier.Secret{Kind: verifier.KindOTP, Value: []byte(otpRecord("al", 100, 0))})
		if class := otpClass(beginOTP(t, otpSite(m), "al").Step([]byte("hex:0000000000000000"))); class != mech.BadCredentials {
			t.Errorf("%v, wrong password: %v", want, class)
		}
		x := beginOTP(t, otpSite(m), "al")
		answer := x.answer(t, phrase("al"))
		if class := otpClass(x.Step([]byte(answer))); class != want || otpHeld(t, m, "al") != otpRecord("al", 99, 0) {
			t.Errorf("%v: stored %q", class, otpHeld(t, m, "al"))
		}
	}
}

// TestOTPDisabledMeanwhile: the answer comes too late.
func TestOTPDisabledMeanwhile(t *testing.T) {
	t.Parallel()
	m := otpStore("al")
	setOTP(t, m, "al", otpRecord("al", 100, 0))
	x := beginOTP(t, otpSite(m), "al")
	err := m.Update(t.Context(), verifier.Request{User: "al", Realm: testRealm}, func(e verifier.Entry) (verifier.Entry, error) {
		e.Disabled = true
		return e, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if class := otpClass(x.Step([]byte(x.answer(t, phrase("al"))))); class != mech.Disabled || otpHeld(t, m, "al") != otpRecord("al", 99, 0) {
		t.Errorf("%v, stored %q", class, otpHeld(t, m, "al"))
	}
}

// TestOTPStrangers: whoever is asked for, the steps, the work, the bytes and the reply
// are the same, and the challenge stays so.
func TestOTPStrangers(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^otp-md5 [1-9][0-9]{0,2} [a-z]{2}[0-9]{4} ext$`)
	for _, c := range []struct{ name, reason string }{
		{"al", "wrong password"},
		{"nobody", "no such user"},
		{"noseries", "no secret of a usable kind"},
		{"usedup", "used up"},
		{"broken", "OTP record: byte"},
		{"al@elsewhere.example", "realm"},
	} {
		m := otpStore("al", "usedup", "broken")
		m.Add(verifiertest.User{Name: "noseries", Realm: testRealm, Password: "a password"})
		setOTP(t, m, "usedup", otpRecord("usedup", 1, 0))
		setOTP(t, m, "broken", "md5 499")
		m.Lookups.Store(0)
		m.Updates.Store(0)
		var log bytes.Buffer
		a := otpSite(m)
		a.Logger = slog.New(slog.NewTextHandler(&log, nil))
		x := beginOTP(t, a, c.name)
		o := x.Step([]byte("hex:0123456789abcdef"))
		if !form.MatchString(x.challenge) || otpClass(o) != mech.BadCredentials || o.Data != nil {
			t.Errorf("%s: %q, %v", c.name, x.challenge, o.Err)
		}
		if m.Lookups.Load() != 1 || m.Checks.Load() != 0 || m.Updates.Load() != 0 {
			t.Errorf("%s: %d look-ups, %d checks, %d updates", c.name, m.Lookups.Load(), m.Checks.Load(), m.Updates.Load())
		}
		if again := beginOTP(t, otpSite(m), c.name).challenge; again != x.challenge {
			t.Errorf("%s: asked for %q and then %q", c.name, x.challenge, again)
		}
		if !strings.Contains(log.String(), c.reason) {
			t.Errorf("%s: the log says %s", c.name, log.String())
		}
	}
}
