package main

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
)

// TestPasswdOTP: a series is made, serves logins until the next password, and is
// changed by each.
func TestPasswdOTP(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	check := func(phrase string) ran {
		return runCommand(t, phrase+"\n", "check", "--verifier", "sasldb:"+db, "--mech", "OTP", "--password-stdin", "bob@mail.example")
	}
	passwd := func(phrase string, more ...string) ran {
		return runCommand(t, phrase+"\n", append([]string{"passwd", "-f", db, "--password-stdin", "bob@mail.example"}, more...)...)
	}
	for _, phrase := range []string{"too short", strings.Repeat("x", 64)} {
		if got := passwd(phrase, "--otp"); got.code != 2 || !strings.Contains(got.stderr, "10 to 63 characters") {
			t.Errorf("%q: %+v", phrase, got)
		}
	}
	if got := check("a pass phrase"); got.code != 1 || got.out != "no reason=no-secret\n" {
		t.Errorf("without a series: %+v", got)
	}
	if got := passwd("a pass phrase", "--otp"); got.code != 0 || !strings.Contains(got.out, "OTP series") {
		t.Fatalf("%+v", got)
	}
	for want := 498; want > 496; want-- {
		if got := check("a pass phrase"); got.code != 0 || got.out != "ok user=bob realm=mail.example mech=OTP\n" {
			t.Fatalf("%+v", got)
		}
		if value := propertyOf(t, db, "bob", "cmusaslsecretOTP"); !strings.HasPrefix(value, "md5\t0"+string(rune('0'+want/100))) {
			t.Errorf("record is %q, want number %d", value, want)
		}
	}
	if got := check("another phrase"); got.code != 1 || got.out != "no reason=wrong-password\n" {
		t.Errorf("wrong phrase: %+v", got)
	}
	if got := passwd("another phrase"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	if got := check("a pass phrase"); got.code != 1 {
		t.Errorf("the old phrase: %+v", got)
	}
	if got := check("another phrase"); got.code != 0 {
		t.Errorf("the new phrase: %+v", got)
	}
	if got := passwd("a third phrase", "--otp", "--no-plain"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	wantHeld(t, db, map[string][]string{"alice@mail.example": {"userPassword=wonderland"}, "bob@mail.example": {"cmusaslsecretOTP"}, "carol@mail.example": {"cmusaslsecretOTP"}})
	if got := check("a third phrase"); got.code != 0 {
		t.Errorf("without a password: %+v", got)
	}
}

// TestPasswdOTPHash: a series has the hash that is chosen, and the next one the same.
func TestPasswdOTPHash(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	passwd := func(args ...string) []string {
		return append([]string{"passwd", "-f", db, "--password-stdin", "bob@mail.example"}, args...)
	}
	before := held(t, db)
	checkAll(t, []commandCase{
		{name: "unknown", stdin: "a pass phrase\n", args: passwd("--otp", "--otp-hash", "sha256"), code: 2, err: []string{`--otp-hash "sha256" is not md5 or sha1`}},
		{name: "md4, with which Cyrus crashes", stdin: "a pass phrase\n", args: passwd("--otp", "--otp-hash", "md4"), code: 2, err: []string{`"md4" is not md5 or sha1`}},
		{name: "of no series", stdin: "a pass phrase\n", args: passwd("--otp-hash", "sha1"), code: 2, err: []string{"--otp-hash needs --otp"}},
		{name: "of all", args: []string{"passwd", "-f", db, "--all", "--scram", "--otp-hash", "sha1"}, code: 2, err: []string{"--all and --otp-hash exclude each other"}},
	})
	wantHeld(t, db, before)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--otp"}, "md5"}, {[]string{"--otp", "--otp-hash", "sha1"}, "sha1"}, {nil, "sha1"}, {[]string{"--otp"}, "sha1"}, {[]string{"--otp", "--otp-hash", "md5"}, "md5"}, {nil, "md5"},
	} {
		mustRun(t, "a pass phrase\n", passwd(c.args...)...)
		if hash, _, _ := strings.Cut(propertyOf(t, db, "bob", "cmusaslsecretOTP"), "\t"); hash != c.want {
			t.Errorf("%q: series of %s, want %s", c.args, hash, c.want)
		}
		mustRun(t, "a pass phrase\n", "check", "--verifier", "sasldb:"+db, "--mech", "OTP", "--password-stdin", "bob@mail.example")
	}
}

func propertyOf(t *testing.T, db, user, property string) string {
	t.Helper()
	listing, err := sasldb.Read(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range listing.Records {
		if r.Authid == user && r.Property == property {
			return string(r.Value)
		}
	}
	return ""
}

// TestLoginOTP: the pass phrase logs in, twice with two passwords, and is not shown.
func TestLoginOTP(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for range 2 {
		got := runCommand(t, l.password+"\n", "login", "--insecure", "--trace", "--mech", "OTP", "--password-stdin", "smtp://"+l.address, l.user)
		if got.code != 0 || got.out != "ok mech=OTP\n" || !strings.Contains(got.stderr, "otp-md5 49") || !strings.Contains(got.stderr, "hex:<hidden>") {
			t.Errorf("%+v", got)
		}
	}
	got := runCommand(t, l.password+"x\n", "login", "--insecure", "--mech", "OTP", "--password-stdin", "smtp://"+l.address, l.user)
	if got.code != 1 || got.out != "no reason=refused mech=OTP\n" {
		t.Errorf("wrong phrase: %+v", got)
	}
}
