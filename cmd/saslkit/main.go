//go:build !man

// Command saslkit looks after the logins of a mail site: it lists, verifies,
// changes and converts sasldb files, says which mechanisms a configuration can offer and why, tries
// logins in process and against live servers, and has a lab server of its own.
//
// "saslkit help" lists the commands. What scripts may rely on is the form of
// the results on standard output and the exit codes (exit.go); everything else
// goes to standard error.
//
// Called by the name of a tool of Cyrus SASL, saslpasswd2, sasldblistusers2, saslauthd or
// testsaslauthd, it takes that tool's options and gives its output and exit codes (old.go).
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/saslkit/saslkit/verifier/pam"
)

func main() {
	pam.Child() // does not return in a process that asks PAM
	// A reader that went away is then an error of the write, and a command can
	// still remove its temporary folder.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(runAs(context.Background(), os.Args[0], os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
