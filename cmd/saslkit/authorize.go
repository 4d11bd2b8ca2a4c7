package main

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/acting"
)

// rules sets up who may act as whom, as --authorize says. The stores that can look users
// up tell whom nobody may act as.
func (o *siteOptions) rules(realms realm.Policy, a *saslkit.Authenticator) error {
	if o.authorize == "" {
		return nil
	}
	path, known := strings.CutSuffix(o.authorize, ",exists")
	rules, err := acting.Load(path, acting.Options{Realm: realms, Prepare: a.Names.Prepare})
	if err != nil {
		return rulesError(err)
	}
	a.Authorizer = rules
	var sources []verifier.Verifier
	for _, v := range stores(a) {
		if s, ok := verifier.SourceOf(v); ok {
			sources = append(sources, s)
		}
	}
	if len(sources) > 0 {
		a.Authorizer = &acting.Accounts{Rules: rules, Store: verifier.Chain(sources...), Known: known}
	} else if known {
		return usage("--authorize %s: no store can tell who exists (a sasldb, a passwdfile or sql can)", o.authorize)
	}
	return nil
}

// rulesError gives an error of the file its code.
func rulesError(err error) error {
	var system *fs.PathError
	if errors.As(err, &system) {
		return untried(err)
	}
	return &exitError{exitUsage, err}
}

// actingAs is the last word of check for who acts as somebody else.
func actingAs(r saslkit.Result) string {
	if r.Authzid == r.User || r.Authzid == r.Name() {
		return ""
	}
	return " authzid=" + field(r.Authzid)
}
