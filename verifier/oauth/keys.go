package oauth

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeySet bounds a set of keys, in bytes; maxKeys how many of it are looked at.
	maxKeySet = 256 << 10
	maxKeys   = 64
	minRSA    = 2048 // bits
)

// A keySet is the keys of an issuer, by their ids. An id is a text to be compared and
// nothing else: neither a path nor a URL.
type keySet map[string][]jose.JSONWebKey

var (
	errKeySet   = errors.New(`no JSON object with "keys"`)
	errNoKeys   = errors.New("no public key to check signatures with (symmetric keys are not used)")
	errManyKeys = fmt.Errorf("more than %d keys", maxKeys)
)

// parseKeys reads a JWK set (RFC 7517 section 5). Keys of a kind that we do not know, for
// another use, or that are not public are passed over.
func parseKeys(b []byte) (keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	switch {
	case json.Unmarshal(b, &set) != nil || set.Keys == nil:
		return nil, errKeySet
	case len(set.Keys) > maxKeys:
		return nil, errManyKeys
	}
	keys := keySet{}
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && usable(&k) {
			keys[k.KeyID] = append(keys[k.KeyID], k)
		}
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

func usable(k *jose.JSONWebKey) bool {
	if key, ok := k.Key.(*rsa.PublicKey); ok && key.N.BitLen() < minRSA {
		return false
	}
	return k.IsPublic() && k.Valid() && (k.Use == "" || k.Use == "sig")
}

// candidates are the keys that a token may be signed with. One that names no key may be
// signed with the only one there is.
func (s keySet) candidates(id string) []jose.JSONWebKey {
	if keys, ok := s[id]; ok || id != "" || len(s) != 1 {
		return keys
	}
	for _, keys := range s {
		return keys
	}
	return nil
}

var (
	errNoKey     = errors.New("no key of the issuer has the id of the token's")
	errSignature = errors.New("the signature is not right")
)

// payload returns what the token says, once its signature is found to be right.
func (s keySet) payload(token *jose.JSONWebSignature) ([]byte, error) {
	header := token.Signatures[0].Header
	keys := s.candidates(header.KeyID)
	if len(keys) == 0 {
		return nil, errNoKey
	}
	for _, k := range keys {
		if k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := token.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}
