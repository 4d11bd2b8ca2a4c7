package main

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
	"github.com/saslkit/saslkit/verifier/passwdfile"
	"github.com/saslkit/saslkit/verifier/pwcheck"
	"github.com/saslkit/saslkit/verifier/saslauthd"
	"github.com/saslkit/saslkit/verifier/shadow"
)

// A storeKind is a kind of SPEC, "kind:location".
type storeKind struct {
	name     string
	location string // what the location is, for help
	open     func(location string) (verifier.Verifier, error)
}

// storeKinds are all kinds, in the order in which help lists them.
var storeKinds = []storeKind{
	{"sasldb", "FILE", openSasldb},
	{"shadow", "FILE", openShadow},
	{"passwdfile", "FILE", openPasswdfile},
	{"saslauthd", "DIR", func(dir string) (verifier.Verifier, error) { return openSaslauthd(filepath.Join(dir, "mux")) }},
	{"pwcheck", "DIR", func(dir string) (verifier.Verifier, error) { return openPwcheck(filepath.Join(dir, "pwcheck")) }},
	{"dovecot", "SOCKET", openDovecot},
	{"sql", "FILE", openSQL},
	{"pam", "SERVICE", openPam},
	{"ldap", "FILE", openLDAP},
}

func openSasldb(path string) (verifier.Verifier, error) {
	db, err := sasldb.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	return db, nil
}

func openShadow(path string) (verifier.Verifier, error) {
	db, err := shadow.Open(path)
	if err != nil {
		return nil, textFileError(err)
	}
	return db, nil
}

func openPasswdfile(path string) (verifier.Verifier, error) {
	db, err := passwdfile.Open(path)
	if err != nil {
		return nil, textFileError(err)
	}
	return db, nil
}

// textFileError gives an error of reading a text file its code: what the system refuses
// could not be tried, what makes no sense is damaged.
func textFileError(err error) error {
	var system *fs.PathError
	if errors.As(err, &system) {
		return untried(err)
	}
	return &exitError{exitDamaged, err}
}

func openSaslauthd(socket string) (verifier.Verifier, error) {
	c, err := saslauthd.New(saslauthd.Options{Socket: socket})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return c, nil
}

func openPwcheck(socket string) (verifier.Verifier, error) {
	c, err := pwcheck.New(pwcheck.Options{Socket: socket})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return c, nil
}

func openDovecot(socket string) (verifier.Verifier, error) {
	c, err := dovecot.New(dovecot.Options{Socket: socket})
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return c, nil
}

// An opener opens stores and remembers those that are to be closed.
type opener struct {
	std    *stdio
	closed []io.Closer
}

// store opens what a SPEC names, and tells what is wrong with parts of it.
func (o *opener) store(spec string) (verifier.Verifier, error) {
	kind, location, ok := strings.Cut(spec, ":")
	if !ok || location == "" {
		return nil, usage("SPEC %q is not kind:location (known: %s)", spec, knownSpecs())
	}
	for _, k := range storeKinds {
		if k.name == kind {
			v, err := k.open(location)
			if store, ok := v.(interface{ Faults() []error }); ok {
				sayAll(o.std, store.Faults())
			}
			if c, ok := v.(io.Closer); ok {
				o.closed = append(o.closed, c)
			}
			return v, err
		}
	}
	return nil, usage("SPEC %q: no kind %q (known: %s)", spec, kind, knownSpecs())
}

// sayAll tells errors that are no reason to stop.
func sayAll[E error](std *stdio, all []E) {
	const most = 20
	for i, err := range all {
		if i == most {
			std.say("… and %d more", len(all)-most)
			return
		}
		std.say("warning: %v", err)
	}
}

// close lets go of all stores, when no login needs them any more.
func (o *opener) close() {
	for _, c := range o.closed {
		c.Close()
	}
}

// chain opens several, the first of which is asked first; nil for none.
func (o *opener) chain(specs []string) (verifier.Verifier, error) {
	var links []verifier.Verifier
	for _, spec := range specs {
		v, err := o.store(spec)
		if err != nil {
			return nil, err
		}
		links = append(links, v)
	}
	return chained(links), nil
}

// chained is one verifier for several; nil for none.
func chained(links []verifier.Verifier) verifier.Verifier {
	switch len(links) {
	case 0:
		return nil
	case 1:
		return links[0]
	}
	return verifier.Chain(links...)
}

// secrets opens a store that must hand out secrets; nil for "".
func (o *opener) secrets(spec string) (verifier.SecretSource, error) {
	if spec == "" {
		return nil, nil
	}
	v, err := o.store(spec)
	if err != nil {
		return nil, err
	}
	source, ok := verifier.SourceOf(v)
	if !ok {
		return nil, usage("--secrets %s: it can check passwords but holds no secrets", spec)
	}
	return source, nil
}

func knownSpecs() string {
	var all []string
	for _, k := range storeKinds {
		all = append(all, k.name+":"+k.location)
	}
	return strings.Join(all, " ")
}
