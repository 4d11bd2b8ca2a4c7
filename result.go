package saslkit

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// A Result is who logged in.
type Result struct {
	User       string              // canonical name, never empty
	Realm      string              // "" if the site has none
	Authzid    string              // whom the client acts as: User, or another with his realm whom an Authorizer allowed
	Mechanism  string              // as registered; "LOGIN" for a command too, and "APOP"
	Attributes map[string][]string // what the store tells about the user; not to be changed
	Anonymous  bool                // by ANONYMOUS: the user is nobody
	Trace      string              // ANONYMOUS: what the client said of itself; not to be trusted
	Binding    string              // type of the channel binding that both sides agree on; "" for none
	OTPLeft    int                 // OTP: for how many logins more the series is good
	Layer      string              // the security layer, such as "auth-int" or "auth-conf with rc4"; "" for none
	Strength   int                 // of the layer: see mech.Layers
}

// Name is the user with his realm, "user@realm", as logs and mail headers want
// it.
func (r Result) Name() string { return realm.Join(r.User, r.Realm) }

// An Event is one login that ended, for [Authenticator.Observer]. It holds no
// secret. Names are as the client sent them and not to be trusted unless Err is
// nil.
type Event struct {
	Service, Mechanism string         // "" for a mechanism that does not exist here
	Protocol           string         // see [PeerConfig]: if set, neither Mechanism nor Secure is known
	User, Realm        string         // as far as they are known
	Authzid            string         // whom he acts as, if that is another
	Remote             netip.AddrPort // the client's
	Secure             bool           // see [Channel]
	Duration           time.Duration  // from the start of the exchange; 0 if it was turned away
	OTPLeft            int            // see [Result]
	Err                *Error         // nil: logged in
}

// loggedName bounds a name in the log, in bytes.
const loggedName = 128

func cut(name string) string {
	if len(name) > loggedName {
		return name[:loggedName] + "…"
	}
	return name
}

func (e Event) attrs() []slog.Attr {
	result := "ok"
	if e.Err != nil {
		result = "fail"
	}
	attrs := []slog.Attr{
		slog.String("result", result),
		slog.String("user", cut(e.User)),
		slog.String("realm", cut(e.Realm)),
	}
	if e.Protocol != "" {
		attrs = append(attrs, slog.String("protocol", e.Protocol), slog.String("service", e.Service))
	} else {
		attrs = append(attrs, slog.String("mech", e.Mechanism), slog.String("service", e.Service), slog.Bool("tls", e.Secure))
	}
	if e.Remote.IsValid() {
		attrs = append(attrs, slog.String("remote", e.Remote.Addr().Unmap().String()))
	}
	if e.Authzid != "" {
		attrs = append(attrs, slog.String("authzid", cut(e.Authzid)))
	}
	if e.countsOTP() {
		attrs = append(attrs, slog.Int("otp_left", e.OTPLeft))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("reason", e.Err.Detail()))
	}
	return attrs
}

// fewOTP is for how few logins a series is good when the log warns (RFC 2243 section
// 4.3).
const fewOTP = 10

func (e Event) countsOTP() bool { return e.Err == nil && e.Mechanism == mech.OTP.Name }

// level is that of the record in the log: trouble of ours, something to do, or neither.
func (e Event) level() slog.Level {
	switch {
	case e.Err != nil && e.Err.Class == mech.Unavailable:
		return slog.LevelError
	case e.countsOTP() && e.OTPLeft < fewOTP:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
