package sasldb

import (
	"bytes"

	"github.com/saslkit/saslkit/verifier"
)

// Where a user was copied from is kept in a property that Cyrus SASL does not read,
// since its tools leave it when they change a secret:
//
//	saslkit-origin   TEXT " beside " [COUNT ":" SALT] [" with userPassword"]
//
// COUNT:SALT is that part of the authPassword with which it was written, if there was
// one. The user is a copy only if he still has that very authPassword, or still none, and
// a userPassword if he had one: to whom saslpasswd2 has given or taken one, he is the
// file's own. A userPassword that saslpasswd2 replaces by another remains a copy, which
// the next one may replace in turn: it could be told apart by a hash of it only, and
// that would help who guesses.
const propertyOrigin = morePrefix + "origin"

// originOf returns the origin among a user's properties, if it counts.
func originOf(property func(name string) (value []byte, held bool)) (text []byte, ok bool) {
	value, ok := property(propertyOrigin)
	if !ok {
		return nil, false
	}
	text, with := bytes.CutSuffix(value, []byte(withMark))
	end := bytes.LastIndex(text, []byte(besideMark)) // the text may name a file that is called so
	if end < 0 {
		return nil, false
	}
	_, password := property(PropertyPassword)
	if end == 0 || with != password || !bytes.Equal(text[end+len(besideMark):], saltOf(property)) {
		return nil, false
	}
	return text[:end], true
}

// putOrigin is the reverse: it adds the property to a user's others, which are complete.
func putOrigin(values map[string][]byte, text []byte) {
	property := func(name string) (value []byte, held bool) {
		value, held = values[name]
		return value, held
	}
	value := append(bytes.Clone(text), besideMark...)
	value = append(value, saltOf(property)...)
	if _, password := property(PropertyPassword); password {
		value = append(value, withMark...)
	}
	values[propertyOrigin] = value
}

// saltOf returns COUNT:SALT of authPassword, nothing if there is none.
func saltOf(property func(name string) (value []byte, held bool)) []byte {
	value, held := property(propertySCRAM)
	if !held {
		return nil
	}
	v, ok := parseSCRAM(value)
	if !ok {
		return []byte("?") // no salt is that, so it was not written with an origin
	}
	return v.salt
}

// originSecret is the secret that it is.
func originSecret(values map[string][]byte, account verifier.Account) (s verifier.Secret, ok bool) {
	text, ok := originOf(func(name string) (value []byte, held bool) {
		value, held = values[name]
		return value, held
	})
	return verifier.Secret{Kind: verifier.KindOrigin, Value: bytes.Clone(text), Account: account}, ok
}
