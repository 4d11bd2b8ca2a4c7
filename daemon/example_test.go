package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
)

// Dovecot's protocol on a unix socket, as Postfix asks it with smtpd_sasl_type = dovecot.
// The client here is the library's own.
func ExampleServer() {
	folder, err := os.MkdirTemp("", "daemon")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()

	listener, err := daemon.Listen(ctx, daemon.Socket{Path: filepath.Join(folder, "auth"), Mode: 0o660})
	if err != nil {
		log.Fatal(err)
	}
	site := &daemon.Site{
		Auth:  &saslkit.Authenticator{Verifier: verifier.Static{"alice@example.org": "pencil"}},
		Realm: realm.Policy{Default: "example.org"},
	}
	server := &daemon.Server{Handler: &daemon.Dovecot{Current: daemon.NewCurrent(site)}}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()

	client, err := dovecot.New(dovecot.Options{Socket: filepath.Join(folder, "auth")})
	if err != nil {
		log.Fatal(err)
	}
	account, err := client.VerifyPassword(ctx, verifier.Request{User: "alice", Realm: "example.org", Service: "smtp"}, "pencil")
	fmt.Println(account.User, account.Realm, err)
	client.Close()

	stop() // as SIGTERM does
	fmt.Println(<-ended)
	// Output:
	// alice example.org <nil>
	// <nil>
}

// A new configuration: a login that has begun ends with the one that it began with.
func ExampleCurrent() {
	current := daemon.NewCurrent(&daemon.Site{
		Auth: &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}, Mechanisms: []string{"PLAIN"}},
	})
	fmt.Println(current.Site().Announced())
	current.Set(&daemon.Site{ // SIGHUP: the files were read again
		Auth: &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}, Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}},
	})
	fmt.Println(current.Site().Announced()) // to new connections: see Server.Recycle
	// Output:
	// [PLAIN]
	// [SCRAM-SHA-256 PLAIN]
}

// What Prometheus is told: how many logins ended how, by service and mechanism.
func ExampleMetrics() {
	metrics := daemon.NewMetrics()
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}, Observer: metrics.Observe}
	for _, password := range []string{"pencil", "crayon"} {
		saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", password)
	}

	answer := httptest.NewRecorder()
	metrics.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil)) // daemon.ServeMetrics, in life
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "saslkit_logins_total{") && !strings.HasSuffix(lines.Text(), " 0") {
			fmt.Println(lines.Text())
		}
	}
	// Output:
	// saslkit_logins_total{service="smtp",mech="PLAIN",result="ok"} 1
	// saslkit_logins_total{service="smtp",mech="PLAIN",result="bad_credentials"} 1
}

// The words of the command line for a socket.
func ExampleParseSocket() {
	for _, text := range []string{
		"/var/spool/postfix/private/auth,mode=0660,group=postfix",
		"inet:127.0.0.1:12345",
		"systemd:auth-postfix",
		"private/auth",
	} {
		socket, err := daemon.ParseSocket(text)
		fmt.Printf("%q %q %q %v\n", socket.Path, socket.Address, socket.Name, err)
	}
	// Output:
	// "/var/spool/postfix/private/auth" "" "" <nil>
	// "" "127.0.0.1:12345" "" <nil>
	// "" "" "auth-postfix" <nil>
	// "" "" "" daemon: socket "private/auth": the path is relative (write it from / on, or inet:HOST:PORT for TCP)
}
