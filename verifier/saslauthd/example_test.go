package saslauthd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
)

// Both ends of the socket, in one program; a site has one of them already.
func Example() {
	folder, err := os.MkdirTemp("", "mux")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "mux")
	defer serve(socket)()

	users, err := saslauthd.New(saslauthd.Options{Socket: socket})
	if err != nil {
		log.Fatal(err)
	}
	alice := verifier.Request{User: "alice", Service: "smtp"}
	account, err := users.VerifyPassword(context.Background(), alice, "pencil")
	fmt.Println(account.User, err)
	_, err = users.VerifyPassword(context.Background(), alice, "crayon")
	fmt.Println(errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// alice <nil>
	// true
}

// A daemon that is away is trouble, and no refusal: nobody is told that his password is
// wrong.
func ExampleClient_VerifyPassword() {
	users, err := saslauthd.New(saslauthd.Options{Socket: "/nonexistent/mux"})
	if err != nil {
		log.Fatal(err)
	}
	_, err = users.VerifyPassword(context.Background(), verifier.Request{User: "alice"}, "pencil")
	fmt.Println(verifier.Refused(err), errors.Is(err, verifier.ErrUnavailable))
	// Output: false true
}

// serve runs a daemon of our own; the function that it returns ends it.
func serve(path string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := daemon.Listen(ctx, daemon.Socket{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	site := &daemon.Site{Auth: &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}}}
	server := &daemon.Server{Handler: &daemon.Saslauthd{Current: daemon.NewCurrent(site)}}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, listener) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			log.Print(err)
		}
	}
}
