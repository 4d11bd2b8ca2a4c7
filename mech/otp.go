package mech

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/otp"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// OTP, RFC 2444 over RFC 2289 and 2243. The server asks for one password of a series,
// and each is good for one login. Whoever listens, or reads what the server keeps,
// learns only those that are used up, but he can try pass phrases on them.
//
// It is for terminals and programs that are not trusted with the pass phrase: the user
// has a list on paper, or a calculator. It does not authenticate the server, and an
// active attacker takes over the login.
//
// A login changes what is stored, so it is offered only where that is possible. The
// next state is stored, if the one that the challenge was made of is still there,
// before success is said: of two logins with one password one gets in.
//
// Between challenge and answer nothing is locked: a stranger who begins logins would
// keep the user out. The race of RFC 2289 section 9.0, which RFC 2444 section 6 wants
// protection from, is that of somebody who listens while a password is typed into a
// terminal and is quicker with the last letter. Here it comes in one message; who has
// part of it needs a challenge for each guess, which a Guard counts; and if he has all
// of it, and holds it back, no lock would help.
//
// Cyrus SASL does lock, in the record, for five minutes at most. When a login of its
// ends it writes what the record was at its beginning, or the next state of that, and
// whatever was stored meanwhile is lost: a used password would be good again. So while
// the record is locked nobody is let in here, "temporarily".

// OTP asks for one-time passwords of a series (RFC 2444). Servers need a
// [verifier.SecretStore], for a login uses one up; [OTPSecret] begins a series. It does not
// prove the server. It is offered only by name.
var OTP = &Mechanism{
	Name:        "OTP",
	Provides:    NoPlaintext | ForwardSecrecy | NoAnonymous,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindOTP},
	Stores:      true,
	OnlyIfNamed: true,
	MaxResponse: maxNameLimit + 1 + maxNameLimit, // the names; an answer is shorter
	server:      newOTPServer,
	client:      newOTPClient,
}

type otpServer struct {
	server[otpServer]
	name, authzid string
	account       verifier.Account
	lookup        error
	series        otpRecord
}

func newOTPServer(base serverBase) Server {
	s := new(otpServer)
	s.begin(s, base, (*otpServer).awaitNames)
	return s
}

var errNoOTP = &Error{Class: MechanismUnavailable, Code: "mechanism-unavailable", Err: errors.New("mech: OTP needs ServerConfig.SCRAM")}

// awaitNames asks everybody for a password. Those who have none are refused afterwards.
func (s *otpServer) awaitNames(ctx context.Context, response []byte) ([]byte, state[otpServer], error) {
	if s.SCRAM == nil {
		return nil, nil, errNoOTP
	}
	m, err := parseOTPNames(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	if s.authzid, err = s.prepareAuthzid(m.authzid); err != nil {
		return nil, nil, err
	}
	if s.name, err = s.prepareName(m.authcid); err != nil {
		return nil, nil, err
	}
	s.series, s.account, s.lookup = s.otpSeries(ctx, s.name)
	if !verifier.Answered(s.lookup) {
		return nil, nil, s.lookup
	}
	if err := s.series.isHeld(time.Now()); err != nil {
		return nil, nil, err
	}
	return s.series.challenge().append(nil), (*otpServer).awaitAnswer, nil
}

// awaitAnswer takes the password that is right out of use, whatever else speaks against
// the login: it has been shown.
func (s *otpServer) awaitAnswer(ctx context.Context, response []byte) ([]byte, state[otpServer], error) {
	m, err := parseOTPAnswer(response, s.series.hash)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	before := s.series.hash.Before(m.password)
	match := secret.Equal(before[:], s.series.used[:])
	verdict := verifier.Conclude(s.lookup, match)
	if verdict != nil && !(match && verifier.Terminal(verdict)) {
		return nil, nil, verdict
	}
	next, renewal := s.series.after(m)
	if err := s.ReplaceSecret(ctx, verifier.KindOTP, s.series.replacedBy(next)); err != nil {
		return nil, nil, err
	}
	switch {
	case verdict != nil:
		return nil, nil, verdict
	case renewal != nil:
		return nil, nil, malformed("malformed", renewal)
	}
	s.otpLeft = int32(next.number - 1)
	return nil, nil, s.finish(ctx, s.account, s.name, s.authzid)
}

// after is the state after a password that was right, and why the new series of the
// answer is not it.
func (r otpRecord) after(m otpAnswer) (otpRecord, error) {
	r.number, r.used, r.held = r.number-1, m.password, 0
	if !m.renews {
		return r, nil
	}
	renewed, err := parseOTPRenewal(m.renewal, m.form)
	switch {
	case err != nil:
		return r, err
	case otp.SameSeed(renewed.seed, r.seed): // RFC 2289 section 6.0
		return r, errOTPSameSeed
	}
	return renewed, nil
}

var errOTPUsed = fmt.Errorf("mech: another login has used the one-time password: %w", verifier.ErrWrongPassword)

// replacedBy stores the next state in the place of r and of nothing else.
func (r otpRecord) replacedBy(next otpRecord) func(stored []byte) ([]byte, error) {
	return func(stored []byte) ([]byte, error) {
		now, err := parseOTPRecord(stored)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", verifier.ErrNoSecret, err)
		}
		if err := now.isHeld(time.Now()); err != nil {
			return nil, err
		}
		if now.held = r.held; now != r {
			return nil, errOTPUsed
		}
		return next.append(nil), nil
	}
}

type otpClient struct{ client }

func newOTPClient(base client) Client {
	c := &otpClient{base}
	c.await = c.awaitChallenge
	return c
}

// Bounds of a pass phrase, in characters (RFC 2289 section 6.0).
const (
	MinOTPPhrase = 10
	MaxOTPPhrase = 63
)

func (c *otpClient) Start() ([]byte, error) {
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(c.Password); n < MinOTPPhrase || n > MaxOTPPhrase {
		return nil, malformed("malformed", fmt.Errorf("mech: an OTP pass phrase has %d to %d characters", MinOTPPhrase, MaxOTPPhrase))
	}
	m := otpNames{authcid: c.Username}
	if c.Authzid != c.Username {
		m.authzid = c.Authzid
	}
	return m.append(nil), nil
}

// awaitChallenge computes the password that the server asks for. The phrase is not
// prepared: no generator does it.
func (c *otpClient) awaitChallenge(challenge []byte) ([]byte, clientState, error) {
	m, err := parseOTPChallenge(challenge)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	form := OTPHex
	if c.OTPForm == OTPWords {
		form = OTPWords
	}
	return otpAnswer{form: form, password: m.hash.Compute(m.seed, c.Password, m.number)}.append(nil), nil, nil
}
