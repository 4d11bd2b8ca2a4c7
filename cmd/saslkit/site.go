package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/oauth"
)

// siteOptions describe a site's logins on the command line, in the words of
// Cyrus SASL and Postfix.
type siteOptions struct {
	confFile  string
	verifiers []string
	secrets   string
	tokens    []string
	mechList  string
	clear     string
	tls       string
	realm     string
	service   string
	authorize string
	moving    transitionOptions
}

func (o *siteOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.confFile, "conf", "", "the `FILE` of a Cyrus SASL application, such as /etc/postfix/sasl/smtpd.conf; smtpd alone searches it")
	f.StringArrayVar(&o.verifiers, "verifier", nil, "where credentials are, a `SPEC` ("+knownSpecs()+"); several are asked in turn")
	f.StringVar(&o.secrets, "secrets", "", "another `SPEC` for the challenge-response mechanisms")
	f.StringArrayVar(&o.tokens, "tokens", nil, "who says whose a bearer token is, a `SPEC` ("+knownTokenSpecs()+"); again for another issuer")
	f.StringVar(&o.mechList, "mech-list", "", "the `MECHANISMS` to offer, in this order")
	f.StringVar(&o.clear, "security-options", "noanonymous,noplaintext", "what a mechanism must be in the clear, a `LIST`")
	f.StringVar(&o.tls, "tls-security-options", "noanonymous", "what a mechanism must be under TLS, a `LIST`")
	f.StringVarP(&o.realm, "realm", "r", "", "the `REALM` of a name without one (default: the store's, if it has only one, the host's name, if it has several, else none)")
	f.StringVar(&o.authorize, "authorize", "", "the `FILE` of rules that say who may act as whom; with ,exists only as users whom the stores know")
	o.moving.register(f)
	f.StringVarP(&o.service, "service", "s", "smtp", "the `SERVICE`: smtp, imap, pop3, sieve")
}

// authenticator builds what the options say. Whether that makes sense is for
// Validate.
func (o *siteOptions) authenticator(open *opener) (*saslkit.Authenticator, error) {
	stores := len(o.verifiers) > 0 || o.secrets != ""
	moving := o.moving != transitionOptions{}
	switch {
	case o.confFile != "" && (stores || o.mechList != "" || moving):
		return nil, usage("--conf says what --verifier, --secrets, --mech-list and --transition would: give the one or the others")
	case o.confFile == "" && !stores && len(o.tokens) == 0:
		return nil, usage("--conf or --verifier is missing (SPEC: %s)", knownSpecs())
	}
	a := &saslkit.Authenticator{Mechanisms: splitList(o.mechList)}
	var err error
	if a.Policy.Clear, err = mech.ParseProperties(o.clear); err != nil {
		return nil, usage("--security-options: %w", err)
	}
	if a.Policy.TLS, err = mech.ParseProperties(o.tls); err != nil {
		return nil, usage("--tls-security-options: %w", err)
	}
	tokens, err := open.tokens(o.tokens)
	if err != nil {
		return nil, err
	}
	a.Tokens = oauth.Several(tokens...)
	if o.confFile != "" {
		return a, o.conf(open, a)
	}
	if !moving {
		if a.Verifier, err = open.chain(o.verifiers); err != nil {
			return nil, err
		}
	}
	// An interface that holds a nil one is not nil.
	source, err := open.secrets(o.secrets)
	if err != nil {
		return nil, err
	}
	if source != nil {
		a.Secrets = source
	}
	if moving {
		return a, o.openTransition(open, a)
	}
	return a, nil
}

// validate is a's own check, as an error of the configuration.
func validate(a *saslkit.Authenticator) error {
	if err := a.Validate(); err != nil {
		return &exitError{exitUsage, err}
	}
	return nil
}

// realms settles the realm of names without one, and says which was taken if
// nobody named it.
func (o *siteOptions) realms(std *stdio, named bool, a *saslkit.Authenticator) (realm.Policy, error) {
	if named {
		return realm.Policy{Default: o.realm}, nil
	}
	switch held := realmsOf(a); {
	case len(held) == 0 && moves(a):
		// Copies are stored under it, where Cyrus's tools and ours look for them.
	case len(held) == 0, len(held) == 1 && held[0] == "":
		std.say("realm: none, as in the store (name one with -r)")
		return realm.Policy{}, nil
	case len(held) == 1:
		std.say("realm: %s, the only one in the store", held[0])
		return realm.Policy{Default: held[0]}, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return realm.Policy{}, untried(fmt.Errorf("the host's name, which is the realm: %w (name one with -r)", err))
	}
	std.say("realm: %s, the name of this host (name another with -r)", host)
	return realm.Policy{Default: host}, nil
}

// realmsOf lists the realms that the stores hold, as far as they can tell.
func realmsOf(a *saslkit.Authenticator) []string {
	var held []string
	for _, v := range stores(a) {
		for _, r := range verifier.CoverageOf(v).Realms {
			if !slices.Contains(held, r) {
				held = append(held, r)
			}
		}
	}
	return held
}

func stores(a *saslkit.Authenticator) []verifier.Verifier {
	var all []verifier.Verifier
	if a.Verifier != nil {
		all = append(all, a.Verifier)
	}
	if a.Secrets != nil {
		all = append(all, a.Secrets)
	}
	return all
}

// splitList reads names separated by spaces or commas.
func splitList(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' })
}
