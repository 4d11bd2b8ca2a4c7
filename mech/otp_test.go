package mech

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/verifier"
)

func TestOTPSecret(t *testing.T) {
	t.Parallel()
	for _, record := range []string{ // of saslpasswd2 2.1.28
		"pw-alice: md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000",
		"correct horse: md5\t0499\tvm3147\t76610b441f8b29fe\t00000000000000000000",
	} {
		phrase, text, _ := strings.Cut(record, ": ")
		r, err := parseOTPRecord([]byte(text))
		if err != nil || r.used != r.hash.Compute(r.seed, phrase, r.number) || string(r.append(nil)) != text {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	form := regexp.MustCompile("^md5\t0499\t([a-z]{2}[0-9]{4})\t([0-9a-f]{16})\t0{20}$")
	seeds := map[string]bool{}
	for range 100 {
		parts := form.FindStringSubmatch(string(OTPSecret("pen\u00adcil"))) // not prepared
		if parts == nil || parts[2] != otp.MD5.Compute(parts[1], "pen\u00adcil", 499).Hex() || strings.HasSuffix(parts[1], "0000") {
			t.Fatalf("record is %q", parts)
		}
		seeds[parts[1]] = true
	}
	if len(seeds) < 90 {
		t.Errorf("%d different seeds of 100", len(seeds))
	}
}

// TestOTPSecretBy: series by every hash that there is.
func TestOTPSecretBy(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"md4", "md5", "sha1", "SHA1"} {
		text, err := OTPSecretBy(name, "pencil")
		r, parsed := parseOTPRecord(text)
		if err != nil || parsed != nil || r.hash.Name() != strings.ToLower(name) || r.used != r.hash.Compute(r.seed, "pencil", firstOTP) {
			t.Errorf("%s: %q, %v, %v", name, text, err, parsed)
		}
	}
	for _, name := range []string{"", "sha256"} {
		if text, err := OTPSecretBy(name, "pencil"); err == nil || text != nil {
			t.Errorf("%q: %q", name, text)
		}
	}
}

// TestSecretsTakesPhraseAsItIs: generators do not prepare it, so neither is it here.
func TestSecretsTakesPhraseAsItIs(t *testing.T) {
	t.Parallel()
	const phrase = "pen\u00adcil and \uff30aper"
	secrets, err := Secrets("al", "example.com", phrase, verifier.KindPassword, verifier.KindOTP)
	if err != nil || len(secrets) != 2 || string(secrets[0].Value) != "pencil and Paper" {
		t.Fatalf("%d secrets, %v", len(secrets), err)
	}
	if r, err := parseOTPRecord(secrets[1].Value); err != nil || r.used != r.hash.Compute(r.seed, phrase, r.number) {
		t.Errorf("the series is of another phrase (%v)", err)
	}
}

func TestNotAnOTPRecord(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":           "",
		"four fields":     "md5\t0499\tvm3333\t2b2b2ef89c2e8954",
		"six fields":      "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t0\t0",
		"hash":            "md9\t0499\tvm3333\t2b2b2ef89c2e8954\t0",
		"number":          "md5\t10499\tvm3333\t2b2b2ef89c2e8954\t0",
		"negative number": "md5\t-499\tvm3333\t2b2b2ef89c2e8954\t0",
		"no number":       "md5\t\tvm3333\t2b2b2ef89c2e8954\t0",
		"seed":            "md5\t0499\tvm-333\t2b2b2ef89c2e8954\t0",
		"password":        "md5\t0499\tvm3333\t2b2b2ef89c2e895\t0",
		"time":            "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t",
		"negative time":   "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t-0000000000000000001",
		"large time":      "md5\t0499\tvm3333\t2b2b2ef89c2e8954\t99999999999999999999",
		"binary form":     "md5\x00\x00\x00\x01\xf3vm3333\x00\x2b\x2b\x2e\xf8\x9c\x2e\x89\x54\x00\x00\x00\x00",
	} {
		if r, err := parseOTPRecord([]byte(text)); err == nil || r != (otpRecord{}) {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

// TestOTPDecoy: a name has one series at a time, on all servers with the key, and it
// falls as that of somebody who logs in now and then.
func TestOTPDecoy(t *testing.T) {
	t.Parallel()
	d, err := NewDerivation([]byte("a key of more than 16 bytes"), 0)
	if err != nil {
		t.Fatal(err)
	}
	same, err := NewDerivation([]byte("a key of more than 16 bytes"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	seeds := map[string]int{}
	for i := range 200 {
		user := fmt.Sprint("user", i)
		r := d.otpDecoy(user, "example.com", start)
		if r != same.otpDecoy(user, "example.com", start) || r != d.otpDecoy(user, "example.com", start.Add(time.Second)) && r.number != d.otpDecoy(user, "example.com", start.Add(time.Second)).number+1 {
			t.Errorf("%s has several series", user)
		}
		if r.seed == d.otpDecoy(user, "example.org", start).seed {
			seeds["of another realm too"]++
		}
		seeds[r.seed]++
		if _, err := parseOTPChallenge(r.challenge().append(nil)); err != nil {
			t.Errorf("%q: %v", r.challenge().append(nil), err)
		}
	}
	if len(seeds) < 190 || seeds["of another realm too"] > 1 {
		t.Errorf("%d seeds for 200 users", len(seeds))
	}
	steps, renewals := 0, 0
	before := d.otpDecoy("al", "", start)
	for now := start; now.Before(start.AddDate(20, 0, 0)); now = now.Add(time.Hour) {
		r := d.otpDecoy("al", "", now)
		switch {
		case r == before:
		case r.seed == before.seed && r.number == before.number-1:
			steps++
		case r.seed != before.seed && r.number == firstOTP && before.number == leastOTP:
			renewals++
		default:
			t.Fatalf("at %v: %+v follows on %+v", now, r, before)
		}
		if r.usable() != nil || r.isHeld(now) != nil {
			t.Fatalf("at %v: %+v", now, r)
		}
		before = r
	}
	if steps < 1000 || steps > 22_000 || renewals == 0 {
		t.Errorf("%d steps and %d new series in 20 years", steps, renewals)
	}
}

// TestOTPClientPhrases: a phrase has 10 to 63 characters, whatever their bytes.
func TestOTPClientPhrases(t *testing.T) {
	t.Parallel()
	for phrase, want := range map[string]bool{
		"":                           false,
		"nine char":                  false,
		"ten chars.":                 true,
		strings.Repeat("x", 63):      true,
		strings.Repeat("x", 64):      false,
		strings.Repeat("\u00e9", 9):  false,
		strings.Repeat("\u00e9", 63): true,
		"ten ch\x00rs.":              false,
	} {
		c := OTP.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: phrase}})
		if first, err := c.Start(); (err == nil) != want || want && string(first) != "\x00al" {
			t.Errorf("%q: %q, %v", phrase, first, err)
		}
	}
}
