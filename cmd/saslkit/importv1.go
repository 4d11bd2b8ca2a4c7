package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/sasldb"
)

// A database of Cyrus SASL 1.5 has the same form of key, authid NUL realm NUL
// mechanism, and values of its own:
//
//	PLAIN-APOP   16 bytes of salt, NUL, the password
//	PLAIN        16 bytes of salt, NUL, MD5 over salt, "sasldb" and password
//	CRAM-MD5     two HMAC states
//	DIGEST-MD5   MD5(user ":" realm ":" password)
//
// Cyrus SASL 2 takes all but the first as they are, as cmusaslsecretPLAIN and so
// on. A record without an authid says only that a mechanism has users. Version 1.4
// had no realm in the key: such records are no user's here.

const (
	v1Password = "PLAIN-APOP"
	v1Salt     = 16 + 1 // bytes, with the NUL
	v2Prefix   = "cmusaslsecret"
)

// readV1 reads such a database and turns its records into those of version 2.
func readV1(std *stdio, path string) ([]incoming, error) {
	listing, err := sasldb.Read(path)
	switch {
	case err != nil:
		return nil, fileError(err)
	case len(listing.Damage) > 0:
		return nil, &exitError{exitDamaged, errors.Join(append(listing.Damage, errors.New("import: nothing was imported"))...)}
	}
	var records []incoming
	short := 0
	for _, r := range listing.Records {
		switch {
		case r.Property == sasldb.PropertyPassword || strings.HasPrefix(r.Property, v2Prefix):
			return nil, usage("import: %s has the property %s: it is of version 2 already (convert changes its format)", path, r.Property)
		case r.Authid == "":
			continue
		case r.Property == v1Password && len(r.Value) <= v1Salt:
			short++
			continue
		}
		records = append(records, incoming{Record: asV2(r)})
	}
	if listing.Foreign > 0 {
		std.say("%s: %d records are left out: their key is not name NUL realm NUL mechanism (version 1.4 had no realm: set those passwords anew)", path, listing.Foreign)
	}
	if short > 0 {
		std.say("%s: %d records of %s are left out: they hold no password", path, short, v1Password)
	}
	return records, nil
}

func asV2(r sasldb.Record) sasldb.Record {
	if r.Property == v1Password {
		r.Property, r.Value = sasldb.PropertyPassword, r.Value[v1Salt:]
	} else {
		r.Property = fmt.Sprint(v2Prefix, r.Property)
	}
	return r
}
