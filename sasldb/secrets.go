package sasldb

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/saslkit/saslkit/verifier"
)

// secretsFrom returns the secrets that properties are, as copies. Properties that
// are none, or not of the form, are left out.
func secretsFrom(values map[string][]byte, account verifier.Account) (secrets []verifier.Secret) {
	for _, p := range properties {
		value, ok := values[p.name]
		if !ok {
			continue
		}
		if s, ok := p.decode(value); ok {
			secrets = append(secrets, verifier.Secret{Kind: p.kind, Value: bytes.Clone(s), Account: account})
		}
	}
	keys := scramKeys(values)
	for _, kind := range slices.Sorted(maps.Keys(keys)) {
		if value, ok := unpackSCRAM(kind, keys[kind]); ok {
			secrets = append(secrets, verifier.Secret{Kind: kind, Value: value, Account: account})
		}
	}
	if origin, ok := originSecret(values, account); ok {
		secrets = append(secrets, origin)
	}
	return secrets
}

// propertiesFor is the reverse. The error names a kind that cannot be kept.
func propertiesFor(secrets []verifier.Secret) (map[string][]byte, error) {
	values := map[string][]byte{}
	keys := map[verifier.Kind][]byte{}
	var origin []byte
	for _, s := range secrets {
		if s.Kind == verifier.KindOrigin {
			origin = s.Value
			continue
		}
		if s.Kind.IsSCRAM() {
			record, err := verifier.FormatSCRAM(s, verifier.SCRAMRecord)
			if err != nil {
				return nil, fmt.Errorf("sasldb: %w", err)
			}
			keys[s.Kind] = []byte(record)
			continue
		}
		name, value, err := recordOf(s)
		if err != nil {
			return nil, err
		}
		values[name] = bytes.Clone(value)
	}
	if err := putSCRAM(values, keys); err != nil {
		return nil, err
	}
	if origin != nil {
		putOrigin(values, origin)
	}
	return values, nil
}
