package pam_test

import (
	"log"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pam"
)

// A main function whose first line makes children of the same program possible. The
// service is the file /etc/pam.d/smtp. PAM's own pauses after failures are switched off,
// so there is a guard.
func Example() {
	pam.Child() // does not return in a child

	users, err := pam.New(pam.Options{Service: "smtp"})
	if err != nil {
		log.Fatal(err) // without the build tag too
	}
	defer users.Close()
	for _, fault := range users.Faults() {
		log.Print(fault)
	}
	guard, err := verifier.NewThrottle(verifier.ThrottleOptions{})
	if err != nil {
		log.Fatal(err)
	}
	auth := &saslkit.Authenticator{Verifier: users, Guard: guard} // PLAIN and LOGIN, under TLS
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
}
