package main

import (
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pam"
)

// openPam opens the stack of a service. A program that was built without PAM says how to
// build it.
func openPam(service string) (verifier.Verifier, error) {
	s, err := pam.New(pam.Options{Service: service})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return s, nil
}

// openOldPam asks the service of each request. The original's processes, -n, are children
// here.
func openOldPam(s *oldSaslauthd) (verifier.Verifier, error) {
	const most = 1024
	v, err := pam.New(pam.Options{Parallel: min(s.numbers['n'], most)})
	if err != nil {
		return nil, err
	}
	sayAll(s.std, v.Faults())
	return s.cached(v, nil), nil
}
