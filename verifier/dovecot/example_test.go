package dovecot_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
)

// Passwords are checked by what answers at a socket of Dovecot's: here a daemon of our
// own, which speaks the same protocol.
func Example() {
	folder, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "auth-saslkit")
	defer serve(socket)()

	users, err := dovecot.New(dovecot.Options{Socket: socket})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	alice := verifier.Request{User: "alice", Realm: "example.org", Service: "smtp"}
	account, err := users.VerifyPassword(ctx, alice, "pencil")
	fmt.Println(account.User, account.Realm, err)
	_, err = users.VerifyPassword(ctx, alice, "crayon")
	fmt.Println(errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// alice example.org <nil>
	// true
}

// serve runs a daemon of our own; the function that it returns ends it.
func serve(path string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := daemon.Listen(ctx, daemon.Socket{Path: path})
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
	return func() {
		cancel()
		if err := <-ended; err != nil {
			log.Print(err)
		}
	}
}
