package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/oauth"
)

// A tokenKind is a kind of SPEC of --tokens, "kind:FILE".
type tokenKind struct {
	name string
	keys []string // what its file may set beside tokenKeys
	open func(tokenFile) (verifier.TokenVerifier, error)
}

// tokenKinds are all kinds, in the order in which help lists them.
var tokenKinds = []tokenKind{
	{"introspect", []string{"introspection_url", "client_id", "client_secret", "bearer_token", "timeout", "remember"}, openIntrospection},
	{"jwt", []string{"keys", "algorithms"}, openJWT},
}

// tokenKeys are what every file may set. Where Dovecot's files of the kind
// dovecot-oauth2.conf.ext have a word for it, it is theirs.
var tokenKeys = []string{"username_attribute", "issuer", "audience", "scope", "openid_configuration_url", "tls_ca_cert_file"}

// secretTokenKeys make a file one that others must not read.
var secretTokenKeys = []string{"client_secret", "bearer_token"}

func knownTokenSpecs() string {
	var all []string
	for _, k := range tokenKinds {
		all = append(all, k.name+":FILE")
	}
	return strings.Join(all, " ")
}

// tokens opens what the SPECs of --tokens name.
func (o *opener) tokens(specs []string) (all []verifier.TokenVerifier, err error) {
	for _, spec := range specs {
		v, err := o.token(spec)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (o *opener) token(spec string) (verifier.TokenVerifier, error) {
	kind, path, ok := strings.Cut(spec, ":")
	if !ok || path == "" {
		return nil, usage("--tokens %q is not kind:FILE (known: %s)", spec, knownTokenSpecs())
	}
	for _, k := range tokenKinds {
		if k.name != kind {
			continue
		}
		f, err := loadTokenFile(path, slices.Concat(k.keys, tokenKeys))
		if err != nil {
			return nil, err
		}
		v, err := k.open(f)
		if err != nil {
			return nil, tokenFileError(fmt.Errorf("%s: %w", path, err))
		}
		if c, ok := v.(io.Closer); ok {
			o.closed = append(o.closed, c)
		}
		return v, nil
	}
	return nil, usage("--tokens %q: no kind %q (known: %s)", spec, kind, knownTokenSpecs())
}

// tokenFileError gives an error its code: a file that the file names may be unreadable.
func tokenFileError(err error) error {
	var system *fs.PathError
	if errors.As(err, &system) {
		return untried(err)
	}
	return &exitError{exitUsage, err}
}

// A tokenFile is what a file sets. Its values may be secret.
type tokenFile struct {
	path   string
	values map[string]string
}

// loadTokenFile reads a file of lines "key: value". A key that nobody knows, or that
// stands twice, is an error: a check that is misspelt must not be one that is not made.
func loadTokenFile(path string, known []string) (tokenFile, error) {
	f, err := cyrusconf.LoadFile(path)
	if err != nil {
		return tokenFile{}, confError(err)
	}
	t := tokenFile{path, map[string]string{}}
	for _, s := range f.Settings {
		_, twice := t.values[s.Key]
		switch {
		case !slices.Contains(known, s.Key):
			return tokenFile{}, usage("%s: line %d: no key %q (known: %s)", path, s.Line, s.Key, strings.Join(known, " "))
		case twice:
			return tokenFile{}, usage("%s: line %d: %s is set twice", path, s.Line, s.Key)
		case slices.Contains(secretTokenKeys, s.Key) && f.Mode.Perm()&0o007 != 0:
			return tokenFile{}, usage("%s: holds %s and can be read by everybody (chmod o= %s)", path, s.Key, path)
		}
		t.values[s.Key] = s.Value
	}
	return t, nil
}

// words are those of a list.
func (t *tokenFile) words(key string) []string { return strings.Fields(t.values[key]) }

// seconds is a time from 1 s on, 0 if the key is not set.
func (t *tokenFile) seconds(key string, most uint64) (time.Duration, error) {
	text, ok := t.values[key]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || n > most {
		return 0, fmt.Errorf("%s: %q is not 1 to %d seconds", key, text, most)
	}
	return time.Duration(n) * time.Second, nil
}

func (t *tokenFile) checks() oauth.Checks {
	return oauth.Checks{
		UserClaim: t.values["username_attribute"], Issuer: t.values["issuer"],
		Audiences: t.words("audience"), Scopes: t.words("scope"),
		Configuration: t.values["openid_configuration_url"],
	}
}

// authorities are those that the file names; nil for the system's.
func (t *tokenFile) authorities() (*tls.Config, error) {
	name, ok := t.values["tls_ca_cert_file"]
	if !ok {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("tls_ca_cert_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls_ca_cert_file: %s holds no certificate", name)
	}
	return &tls.Config{RootCAs: pool}, nil
}

func openIntrospection(t tokenFile) (verifier.TokenVerifier, error) {
	config, err := t.authorities()
	if err != nil {
		return nil, err
	}
	o := oauth.IntrospectionOptions{
		Checks: t.checks(), URL: t.values["introspection_url"], TLS: config,
		ClientID: t.values["client_id"], ClientSecret: t.values["client_secret"], Bearer: t.values["bearer_token"],
	}
	if o.Timeout, err = t.seconds("timeout", 5); err != nil {
		return nil, err
	}
	if o.Remember, err = t.seconds("remember", 300); err != nil {
		return nil, err
	}
	return oauth.NewIntrospection(o)
}

func openJWT(t tokenFile) (verifier.TokenVerifier, error) {
	config, err := t.authorities()
	if err != nil {
		return nil, err
	}
	o := oauth.JWTOptions{Checks: t.checks(), Keys: t.values["keys"], TLS: config}
	if _, ok := t.values["algorithms"]; ok {
		o.Algorithms = t.words("algorithms")
	}
	if o.Keys == "" {
		return nil, errors.New("keys is missing: a file with the issuer's JWK set, or its https URL")
	}
	return oauth.NewJWT(o)
}
