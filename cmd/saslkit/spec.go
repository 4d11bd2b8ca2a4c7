package main

import (
	"strings"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
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
}

func openSasldb(path string) (verifier.Verifier, error) {
	db, err := sasldb.Open(path)
	if err != nil {
		return nil, fileError(err)
	}
	return db, nil
}

// openStore opens what a SPEC names.
func openStore(spec string) (verifier.Verifier, error) {
	kind, location, ok := strings.Cut(spec, ":")
	if !ok || location == "" {
		return nil, usage("SPEC %q is not kind:location (known: %s)", spec, knownSpecs())
	}
	for _, k := range storeKinds {
		if k.name == kind {
			return k.open(location)
		}
	}
	return nil, usage("SPEC %q: no kind %q (known: %s)", spec, kind, knownSpecs())
}

// openChain opens several, the first of which is asked first; nil for none.
func openChain(specs []string) (verifier.Verifier, error) {
	var links []verifier.Verifier
	for _, spec := range specs {
		v, err := openStore(spec)
		if err != nil {
			return nil, err
		}
		links = append(links, v)
	}
	switch len(links) {
	case 0:
		return nil, nil
	case 1:
		return links[0], nil
	}
	return verifier.Chain(links...), nil
}

// openSecrets opens a store that must hand out secrets; nil for "".
func openSecrets(spec string) (verifier.SecretSource, error) {
	if spec == "" {
		return nil, nil
	}
	v, err := openStore(spec)
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
