package pwcheck_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pwcheck"
)

// A daemon of the site's own, of which all that is known is its socket.
func Example() {
	folder, err := os.MkdirTemp("", "pwcheck")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	socket := filepath.Join(folder, "pwcheck")
	daemon, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	defer daemon.Close()
	go answer(daemon)

	users, err := pwcheck.New(pwcheck.Options{Socket: socket})
	if err != nil {
		log.Fatal(err)
	}
	alice := verifier.Request{User: "alice", Realm: "example.com", Service: "smtp"}
	account, err := users.VerifyPassword(context.Background(), alice, "pencil")
	fmt.Println(account.User, err)
	_, err = users.VerifyPassword(context.Background(), alice, "crayon")
	fmt.Println(errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// alice <nil>
	// true
}

// answer is what such a daemon does: login NUL password NUL comes, and a word goes.
func answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		request := make([]byte, len("alice@example.com\x00pencil\x00"))
		io.ReadFull(conn, request)
		reply := "Incorrect password"
		if string(request) == "alice@example.com\x00pencil\x00" {
			reply = "OK"
		}
		io.WriteString(conn, reply)
		conn.Close()
	}
}
