package mech

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// What a server keeps for OTP, in Cyrus's text form: the fields hash, sequence
// number, seed, one-time password in hex, and until when a login holds the series
// (Unix time), separated by tabs.
//
//	md5	0499	vm3333	2b2b2ef89c2e8954	00000000000000000000
//
// The next login must present the password before this one in the series, number
// 498 (RFC 2289 section 7).

// An otpRecord is what a server keeps. The password was used last.
type otpRecord struct {
	hash   otp.Hash
	number int // of the password that was used last
	seed   string
	used   otp.Password
	held   uint64 // Unix time until which a login of Cyrus SASL holds the series; 0: none
}

const (
	// firstOTP is the number of the one-time password that a new series begins at, as
	// saslpasswd2 has it: good for 498 logins. Four digits is what the record has room
	// for.
	firstOTP = 499
	// leastOTP is the last number after which there is another password: number 0 is
	// not asked for (RFC 2243 section 4.3).
	leastOTP = 2
	// maxOTPHold bounds how long a login can hold a series: Cyrus SASL means five
	// minutes by it, and a time that is further away is a mistake.
	maxOTPHold = 6 * time.Minute
)

// OTPSecret is the secret of kind [verifier.KindOTP] for a pass phrase: a new series of
// one-time passwords, by MD5 and with a seed of its own, good for 498 logins. The phrase
// is taken as it is, for generators do not prepare it. They may refuse one that has not
// 10 to 63 characters (RFC 2289 section 6.0), and our client does.
func OTPSecret(phrase string) []byte { return newOTPSeries(otp.MD5, phrase) }

// OTPSecretBy is [OTPSecret] by another hash, "md4", "md5" or "sha1" as Cyrus's otp_mda has
// them; any other is an error. All three are cut to 64 bits, and generators know them. Cyrus SASL
// crashes with MD4 if it was built with OpenSSL 3 (2.1.28).
func OTPSecretBy(hash, phrase string) ([]byte, error) {
	h, err := otpHashNamed(hash)
	if err != nil {
		return nil, err
	}
	return newOTPSeries(h, phrase), nil
}

func otpHashNamed(name string) (otp.Hash, error) {
	h, known := otp.ByName(name)
	if !known {
		return 0, fmt.Errorf("mech: one-time passwords have no hash %.20q (known: md4, md5, sha1)", name)
	}
	return h, nil
}

func newOTPSeries(hash otp.Hash, phrase string) []byte {
	r := otpRecord{hash: hash, number: firstOTP}
	var random [8]byte
	rand.Read(random[:])
	r.seed = newOTPSeed(random)
	r.used = r.hash.Compute(r.seed, phrase, r.number)
	return r.append(nil)
}

// newOTPSeed is two letters and four digits from 0001, the form that Cyrus gives
// its seeds. It need not be secret, only another one than before (RFC 2289 section
// 6.0), so that a password which is set again does not start the same series.
func newOTPSeed(random [8]byte) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	n := binary.BigEndian.Uint32(random[:])
	return fmt.Sprintf("%c%c%04d", letters[random[4]%26], letters[random[5]%26], n%9999+1)
}

var otpField = cursor.SetOf(func(b byte) bool { return b > ' ' && b < 0x7f })

// parseOTPRecord reads what is kept.
func parseOTPRecord(b []byte) (otpRecord, error) {
	c := cursor.New(b)
	var r otpRecord
	var known, isHex bool
	if r.hash, known = otp.ByName(c.While(otpField)); !known {
		c.Fail("expected md4, md5 or sha1")
	}
	tab := func() { c.Expect('\t', "expected a tab") }
	tab()
	digits := c.While(otpNumber)
	if r.number, _ = strconv.Atoi(digits); digits == "" || len(digits) > 4 {
		c.Fail("expected a number of at most four digits")
	}
	tab()
	if r.seed = c.While(otpField); !otp.IsSeed(r.seed) {
		c.Fail("expected a seed of 1 to 16 letters and digits")
	}
	tab()
	if r.used, isHex = otp.ParseHex(c.While(otpField)); !isHex {
		c.Fail("expected 16 hex digits")
	}
	tab()
	until, err := strconv.ParseUint(c.While(otpNumber), 10, 64)
	if r.held = until; err != nil {
		c.Fail("expected a Unix time")
	}
	if err := c.Err("OTP record"); err != nil {
		return otpRecord{}, err
	}
	return r, nil
}

func (r otpRecord) append(b []byte) []byte {
	return fmt.Appendf(b, "%s\t%04d\t%s\t%s\t%020d", r.hash.Name(), r.number, r.seed, r.used.Hex(), r.held)
}

// challenge asks for the next password.
func (r otpRecord) challenge() otpChallenge { return otpChallenge{r.hash, r.number - 1, r.seed} }

// usable says why there is no next password, nil if there is one.
func (r otpRecord) usable() error {
	if r.number < leastOTP {
		return fmt.Errorf("mech: the series of one-time passwords is used up: %w", verifier.ErrNoSecret)
	}
	return nil
}

// errOTPHeld: see otp.go.
var errOTPHeld = fmt.Errorf("mech: a login with Cyrus SASL holds the series of one-time passwords: %w", verifier.ErrUnavailable)

// isHeld says whether another program's login has begun and not ended.
func (r otpRecord) isHeld(now time.Time) error {
	t := uint64(max(0, now.Unix()))
	if r.held > t && r.held-t <= uint64(maxOTPHold/time.Second) {
		return errOTPHeld
	}
	return nil
}

// otpDecoy is the series of a user who has none, in which the number falls by one every
// few hours or days, until there is a new one. A user and a time have one on all
// servers that share the key. Most series that there are have MD5, which is what
// Cyrus SASL and we make if nobody says otherwise.
//
// Seed and pace come from HMAC-SHA-256(DecoyKey, "otp" NUL user NUL realm NUL count),
// where the count is that of the series, and of none for the pace.
func (d *Derivation) otpDecoy(user, realm string, now time.Time) otpRecord {
	pace := d.otpDecoySum(user, realm, 0)
	hours := 8 + uint64(pace[0])%160 // from a login to the next
	age := uint64(max(0, now.Unix())) + uint64(binary.BigEndian.Uint32(pace[1:]))
	steps := age / (hours * 3600)
	const logins = firstOTP - 1 // of a series
	return otpRecord{hash: otp.MD5, number: firstOTP - int(steps%logins), seed: newOTPSeed(d.otpDecoySum(user, realm, 1+steps/logins))}
}

func (d *Derivation) otpDecoySum(user, realm string, count uint64) [8]byte {
	text := make([]byte, 0, 128)
	for _, part := range [...]string{"otp", user, realm} {
		text = append(append(text, part...), 0)
	}
	sum := scram.SHA256.MAC(nil, d.decoyKey, strconv.AppendUint(text, count, 10))
	return [8]byte(sum)
}

// otpSeries returns the series to ask about: the user's, or a decoy. The error is why
// it is a decoy, for which verifier.Refused holds, or terminal.
func (s *otpServer) otpSeries(ctx context.Context, name string) (otpRecord, verifier.Account, error) {
	held, lookup := s.LookupSecret(ctx, name, "", s.row.Secrets)
	if !verifier.Answered(lookup) {
		return otpRecord{}, verifier.Account{}, lookup
	}
	r, err := parseOTPRecord(held.Value) // of a decoy too: the same work
	if err != nil {
		err = fmt.Errorf("%w: %w", verifier.ErrNoSecret, err)
	} else {
		err = r.usable()
	}
	user, realm := s.Named()
	decoy := s.SCRAM.otpDecoy(user, realm, time.Now())
	switch {
	case verifier.Refused(lookup):
		return decoy, verifier.Account{}, lookup
	case err != nil:
		return decoy, verifier.Account{}, err
	}
	return r, held.Account, lookup
}
