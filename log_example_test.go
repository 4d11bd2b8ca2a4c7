package saslkit_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

// One record for each login: who, how, from where, and why not. There is no password in
// it, and no hash or token either.
func ExampleAuthenticator_auditLog() {
	auth := &saslkit.Authenticator{
		Verifier: verifier.Static{"alice": "pencil"},
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey { // so that this example is always the same
					return slog.Attr{}
				}
				return a
			},
		})),
	}
	channel := saslkit.Channel{Secure: true, Remote: netip.MustParseAddrPort("192.0.2.7:41000")}
	saslkittest.Login(auth, channel, "SCRAM-SHA-256", "alice", "pencil")
	saslkittest.Login(auth, channel, "PLAIN", "alice", "crayon")
	saslkittest.Login(auth, channel, "PLAIN", "root", "toor")
	channel.Secure = false
	saslkittest.Login(auth, channel, "PLAIN", "alice", "pencil")
	// Output:
	// level=INFO msg=login result=ok user=alice realm="" mech=SCRAM-SHA-256 service=smtp tls=true remote=192.0.2.7
	// level=INFO msg=login result=fail user=alice realm="" mech=PLAIN service=smtp tls=true remote=192.0.2.7 reason="bad-credentials: verifier: wrong password"
	// level=INFO msg=login result=fail user=root realm="" mech=PLAIN service=smtp tls=true remote=192.0.2.7 reason="bad-credentials: verifier: no such user"
	// level=INFO msg=login result=fail user="" realm="" mech=PLAIN service=smtp tls=false remote=192.0.2.7 reason="mechanism-unavailable: saslkit: PLAIN: the policy in the clear asks for noplaintext: only under TLS"
}

// The same as data, for metrics: package daemon has a whole set of them.
func ExampleEvent() {
	failures := map[mech.Class]int{}
	auth := &saslkit.Authenticator{
		Verifier: verifier.Static{"alice": "pencil"},
		Observer: func(e saslkit.Event) { // concurrently in a server: count under a lock
			if e.Err != nil {
				failures[e.Err.Class]++
			}
			if e.Duration > time.Minute {
				fmt.Println(e.Mechanism, "takes long")
			}
		},
	}
	for _, password := range []string{"pencil", "crayon", "eraser"} {
		saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", password)
	}
	fmt.Println(failures)
	// Output: map[authentication failed:2]
}
