package pam_test

import (
	"log"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pam"
)

func Example() {
	pam.Child() // the first thing in main

	smtp, err := pam.New(pam.Options{Service: "smtp"})
	if err != nil {
		log.Fatal(err) // without the build tag too
	}
	defer smtp.Close()
	for _, fault := range smtp.Faults() {
		log.Print(fault)
	}
	var _ verifier.Verifier = smtp // for saslkit.Authenticator
}
