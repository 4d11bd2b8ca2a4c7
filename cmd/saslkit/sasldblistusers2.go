package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/sasldb"
)

const sasldblistusers2Usage = `usage: sasldblistusers2 [-v] [[-f] sasldb]
	-f sasldb	the database file
	-v		print the version`

// runSasldblistusers2 is sasldblistusers2 as Cyrus SASL has it, but for two things:
// it does not loop for ever on a record that is no user's, and it fails if the
// listing did.
func runSasldblistusers2(_ context.Context, std *stdio, args []string) int {
	var path string
	var printVersion bool
	operands, err := getopt(args, "vf:", func(letter byte, value string) {
		if letter == 'v' {
			printVersion = true
		} else {
			path = value
		}
	})
	switch {
	case err != nil:
		std.say("%v", err)
		return std.oldUsage(sasldblistusers2Usage)
	case printVersion:
		std.say("%s", version())
		return exitDone
	case len(operands) > 1 || len(operands) == 1 && path != "":
		return std.oldUsage(sasldblistusers2Usage)
	case len(operands) == 1:
		path = operands[0]
	}
	if path == "" {
		conf, err := oldConf("sasldblistusers") // without the 2
		if err != nil {
			std.say("error when parsing configuration file: %v", err)
			return oldFailed
		}
		path = sasldbPath(conf)
	}
	if err := listRecords(std, path); err != nil {
		std.say("%v\nlistusers failed", err)
		return oldFailed
	}
	return exitDone
}

func listRecords(std *stdio, path string) error {
	listing, err := sasldb.Read(path)
	if err != nil {
		return err
	}
	for _, r := range listing.Records {
		// With an '@' also where there is no realm.
		fmt.Fprintf(std.out, "%s: %s\n", quoted(r.Authid+"@"+r.Realm), quoted(r.Property))
	}
	if listing.Foreign > 0 {
		std.say("%s: %d records are no user's and not listed (their key is not name NUL realm NUL property)", path, listing.Foreign)
	}
	return errors.Join(listing.Damage...)
}
