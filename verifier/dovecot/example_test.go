package dovecot_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
)

func Example() {
	users, err := dovecot.New(dovecot.Options{Socket: "/run/dovecot/auth-saslkit"})
	if err != nil {
		log.Fatal(err)
	}
	defer users.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	account, err := users.VerifyPassword(ctx, verifier.Request{User: "alice", Realm: "example.org", Service: "smtp"}, "pencil")
	if err != nil {
		log.Print(err) // as errors.Is finds out: refused, disabled, or Dovecot does not answer
		return
	}
	fmt.Println(account.User)
}
