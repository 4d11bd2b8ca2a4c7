package mech

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/otp"
)

// otpNames is the client's first message: whom to act as, and who he is.
type otpNames struct{ authzid, authcid string }

// parseOTPNames reads [authzid] NUL authcid (RFC 2444 section 4). Whether the names
// are UTF-8 is checked with the names.
func parseOTPNames(b []byte) (otpNames, error) {
	const message = "OTP names"
	authzid, authcid, found := bytes.Cut(b, []byte{0})
	switch {
	case !found:
		return otpNames{}, &SyntaxError{Message: message, Offset: len(b), Reason: "expected NUL after the authorization identity"}
	case bytes.IndexByte(authcid, 0) >= 0:
		return otpNames{}, &SyntaxError{Message: message, Offset: len(authzid) + 1, Reason: "NUL in the authentication identity"}
	}
	return otpNames{string(authzid), string(authcid)}, nil
}

func (m otpNames) append(b []byte) []byte {
	return append(append(append(b, m.authzid...), 0), m.authcid...)
}

// An otpChallenge asks for one password of a series.
type otpChallenge struct {
	hash   otp.Hash
	number int
	seed   string
}

var (
	otpBlank  = cursor.SetOf(func(b byte) bool { return b == ' ' || b == '\t' })
	otpWord   = cursor.SetOf(func(b byte) bool { return b > ' ' && b < 0x7f })
	otpNumber = cursor.SetOf(func(b byte) bool { return '0' <= b && b <= '9' })
)

// parseOTPChallenge reads "otp-" hash, number, seed and "ext", which may be followed by
// the names of what else the server understands (RFC 2243 section 2.1). Without "ext"
// it understands none of the forms of an answer that OTP has (RFC 2444 section 3).
func parseOTPChallenge(b []byte) (otpChallenge, error) {
	c := cursor.New(b)
	for _, letter := range []byte("otp-") {
		c.Expect(letter, "expected otp-")
	}
	m := parseOTPSeries(&c)
	takeOTPBlank(&c)
	extensions, _, _ := strings.Cut(c.While(otpWord), ",")
	if extensions != "ext" {
		c.Fail("expected ext")
	}
	c.While(otpBlank)
	if err := c.Err("OTP challenge"); err != nil {
		return otpChallenge{}, err
	}
	return m, nil
}

// parseOTPSeries reads a hash, a number of 1 to 9,999 and a seed.
func parseOTPSeries(c *cursor.Cursor) (m otpChallenge) {
	var known bool
	if m.hash, known = otp.ByName(c.While(otpWord)); !known {
		c.Fail("expected md4, md5 or sha1")
	}
	takeOTPBlank(c)
	digits := c.While(otpNumber)
	if m.number, _ = strconv.Atoi(digits); len(digits) > 4 || m.number < 1 {
		c.Fail("expected a number of 1 to 9999")
	}
	takeOTPBlank(c)
	if m.seed = c.While(otpWord); !otp.IsSeed(m.seed) {
		c.Fail("expected a seed of 1 to 16 letters and digits")
	}
	return m
}

func takeOTPBlank(c *cursor.Cursor) {
	if c.While(otpBlank) == "" {
		c.Fail("expected a space")
	}
}

func (m otpChallenge) append(b []byte) []byte {
	return fmt.Appendf(b, "otp-%s %d %s ext", m.hash.Name(), m.number, m.seed)
}

// An OTPForm is how a client writes a one-time password.
type OTPForm uint8

const (
	OTPHex   OTPForm = iota // 16 hex digits
	OTPWords                // six English words
)

var otpForms = [...]string{OTPHex: "hex", OTPWords: "word"}

func (f OTPForm) parse(h otp.Hash, text string) (otp.Password, bool) {
	if f == OTPWords {
		return h.ParseWords(text)
	}
	return otp.ParseHex(text)
}

func (f OTPForm) format(p otp.Password) string {
	if f == OTPWords {
		return p.Words()
	}
	return p.Hex()
}

// An otpAnswer is the client's answer to a challenge: a one-time password and, if it
// begins with "init-", a new series. That is read apart, for the password has been
// used even if the rest is no good (RFC 2243 section 4.3, item 3 for servers).
type otpAnswer struct {
	form     OTPForm
	password otp.Password
	renews   bool
	renewal  string // hash, number, seed, and a colon before the first password
}

// parseOTPAnswer reads an answer of RFC 2243, of which the names may be in any case. An
// answer without such a name, as RFC 2289 has it, is none of this mechanism (RFC 2444
// section 4). The words of other dictionaries depend on the hash.
func parseOTPAnswer(b []byte, h otp.Hash) (otpAnswer, error) {
	fault := func(offset int, reason string) (otpAnswer, error) {
		return otpAnswer{}, &SyntaxError{Message: "OTP answer", Offset: offset, Reason: reason}
	}
	name, rest, found := strings.Cut(string(b), ":")
	if !found {
		return fault(len(b), "expected the form of the password and a colon")
	}
	start := len(name) + 1
	var m otpAnswer
	name = strings.ToLower(strings.Trim(name, " \t"))
	if name, m.renews = strings.CutPrefix(name, "init-"); m.renews {
		rest, m.renewal, _ = strings.Cut(rest, ":")
	}
	switch name {
	case otpForms[OTPHex]:
	case otpForms[OTPWords]:
		m.form = OTPWords
	default:
		return fault(0, "expected hex, word, init-hex or init-word")
	}
	var ok bool
	if m.password, ok = m.form.parse(h, rest); !ok {
		return fault(start, "expected 16 hex digits, or six words with the right checksum")
	}
	return m, nil
}

func (m otpAnswer) append(b []byte) []byte {
	if m.renews {
		b = append(b, "init-"...)
	}
	b = append(append(append(b, otpForms[m.form]...), ':'), m.form.format(m.password)...)
	if m.renews {
		b = append(append(b, ':'), m.renewal...)
	}
	return b
}

var errOTPSameSeed = errors.New("mech: OTP: the new series has the seed of the old one")

// parseOTPRenewal reads the new series of an answer: the record that is to be kept,
// whose password counts as used (RFC 2243 section 4.2).
func parseOTPRenewal(text string, form OTPForm) (otpRecord, error) {
	const message = "OTP renewal"
	series, password, _ := strings.Cut(text, ":")
	c := cursor.New([]byte(series))
	c.While(otpBlank)
	m := parseOTPSeries(&c)
	c.While(otpBlank)
	if m.number < leastOTP {
		c.Fail("expected a number above 1")
	}
	if err := c.Err(message); err != nil {
		return otpRecord{}, err
	}
	p, ok := form.parse(m.hash, password)
	if !ok {
		return otpRecord{}, &SyntaxError{Message: message, Offset: len(series), Reason: "expected a colon and a password in the form of the first"}
	}
	return otpRecord{hash: m.hash, number: m.number, seed: m.seed, used: p}, nil
}

func (r otpRecord) appendRenewal(b []byte, form OTPForm) []byte {
	return fmt.Appendf(b, "%s %d %s:%s", r.hash.Name(), r.number, r.seed, form.format(r.used))
}
