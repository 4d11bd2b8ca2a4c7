package saslkit

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/saslkit/saslkit/realm"
)

// A Result is who logged in.
type Result struct {
	User       string // canonical name, never empty
	Realm      string // "" if the site has none
	Authzid    string // whom the client acts as: User, or another with his realm whom an Authorizer allowed
	Mechanism  string
	Attributes map[string][]string // what the store tells about the user; not to be changed
	Anonymous  bool
	Trace      string // ANONYMOUS: what the client said of itself; not to be trusted
	Binding    string // type of the channel binding that both sides agree on; "" for none
	Layer      string // the security layer, such as "auth-int" or "auth-conf with rc4"; "" for none
	Strength   int    // of the layer: see mech.Layers
}

// Name is the user with his realm, "user@realm", as logs and mail headers want
// it.
func (r Result) Name() string { return realm.Join(r.User, r.Realm) }

// An Event is one login that ended, for Authenticator.Observer. It holds no
// secret. Names are as the client sent them and not to be trusted unless Err is
// nil.
type Event struct {
	Service, Mechanism string
	User, Realm        string
	Authzid            string
	Remote             netip.AddrPort
	Secure             bool
	Duration           time.Duration
	Err                *Error // nil: logged in
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
		slog.String("mech", e.Mechanism),
		slog.String("service", e.Service),
		slog.Bool("tls", e.Secure),
	}
	if e.Remote.IsValid() {
		attrs = append(attrs, slog.String("remote", e.Remote.Addr().Unmap().String()))
	}
	if e.Authzid != "" {
		attrs = append(attrs, slog.String("authzid", cut(e.Authzid)))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("reason", e.Err.Detail()))
	}
	return attrs
}
