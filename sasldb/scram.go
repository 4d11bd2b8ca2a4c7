package sasldb

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// How SCRAM keys are kept. Cyrus SASL has one property for them, authPassword, and
// so the keys of one hash; those of the other hashes are in properties that it does
// not read:
//
//	authPassword           KEYS [" with userPassword"]
//	saslkit-SCRAM-SHA-512  KEYS " beside " COUNT ":" SALT [" with userPassword"]
//
// KEYS is the record of RFC 5803 that authPassword holds by itself when Cyrus
// writes it, COUNT:SALT that part of authPassword's record.
//
// Cyrus's tools change one property and leave the others, so keys may be those of
// an old password. They count only if nothing says so:
//   - there is no userPassword: if there is one it goes before, as with Cyrus;
//   - they were not written together with a userPassword, which has been deleted
//     since (saslpasswd2 -d leaves authPassword behind);
//   - they lie beside the very authPassword that they were written with.

const (
	propertySCRAM = "authPassword"
	morePrefix    = "saslkit-"
	besideMark    = " beside "
	withMark      = " with " + PropertyPassword
)

type scramMechanism struct {
	kind verifier.Kind
	name string
	more string // the property for its keys if authPassword has those of another
}

// scramMechanisms are the names in records, the one first that authPassword should
// have: most clients that know SCRAM know SHA-256.
var scramMechanisms = func() (all []scramMechanism) {
	for _, kind := range []verifier.Kind{
		verifier.KindSCRAMSHA256, verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA512,
		verifier.KindSCRAMSHA384, verifier.KindSCRAMSHA224, verifier.KindSCRAMSHA3512,
	} {
		name := kind.SCRAMName()
		all = append(all, scramMechanism{kind, name, morePrefix + name})
	}
	return all
}()

// A scramValue is a property's value taken apart.
type scramValue struct {
	kind   verifier.Kind
	keys   []byte // the record
	salt   []byte // COUNT:SALT of it
	beside []byte // COUNT:SALT of authPassword; nil in authPassword
	with   bool   // a userPassword
}

// parseSCRAM takes the value of authPassword or of one of ours apart. It looks at no
// more than it needs: the mechanism checks the record.
func parseSCRAM(value []byte) (v scramValue, ok bool) {
	value, v.with = bytes.CutSuffix(value, []byte(withMark))
	v.keys, v.beside, _ = bytes.Cut(value, []byte(besideMark))
	name, rest, _ := bytes.Cut(v.keys, []byte("$"))
	v.salt, _, ok = bytes.Cut(rest, []byte("$"))
	for _, m := range scramMechanisms {
		if ok && string(name) == m.name {
			v.kind = m.kind
			return v, true
		}
	}
	return scramValue{}, false
}

func (v scramValue) append(b []byte) []byte {
	b = append(b, v.keys...)
	if v.beside != nil {
		b = append(append(b, besideMark...), v.beside...)
	}
	if v.with {
		b = append(b, withMark...)
	}
	return b
}

// isSCRAM reports whether a property holds SCRAM keys.
func isSCRAM(property string) bool {
	return property == propertySCRAM || strings.HasPrefix(property, morePrefix+"SCRAM-")
}

// unpackSCRAM makes the secret of a record.
func unpackSCRAM(kind verifier.Kind, record []byte) (secret []byte, ok bool) {
	r, err := scram.Parse(record)
	if err != nil || r.Hash.Name() != kind.SCRAMName() {
		return nil, false
	}
	return r.Pack(), true
}

// scramKeys returns the keys among a user's properties, by kind. Those of another
// password than the one in force are left out, as far as that can be told; with a
// userPassword it cannot, and the keys are returned for who writes.
func scramKeys(values map[string][]byte) map[verifier.Kind][]byte {
	keys := map[verifier.Kind][]byte{}
	eachSCRAM(func(property string) (value []byte, held bool) {
		value, held = values[property]
		return value, held
	}, func(kind verifier.Kind, record []byte) { keys[kind] = record })
	return keys
}

// eachSCRAM does the same for any way to look up the properties.
func eachSCRAM(property func(name string) (value []byte, held bool), found func(verifier.Kind, []byte)) {
	_, password := property(PropertyPassword)
	value, _ := property(propertySCRAM)
	first, ok := parseSCRAM(value)
	if !ok || first.beside != nil || first.with && !password {
		return
	}
	found(first.kind, first.keys)
	for _, m := range scramMechanisms {
		value, _ := property(m.more)
		v, ok := parseSCRAM(value)
		if ok && v.kind == m.kind && v.kind != first.kind && bytes.Equal(v.beside, first.salt) && v.with == first.with {
			found(v.kind, v.keys)
		}
	}
}

// putSCRAM is the reverse: it adds the properties for keys to a user's others.
func putSCRAM(values map[string][]byte, keys map[verifier.Kind][]byte) error {
	_, password := values[PropertyPassword]
	var first *scramValue
	for _, m := range scramMechanisms {
		record, held := keys[m.kind]
		if !held {
			continue
		}
		v, ok := parseSCRAM(record)
		if !ok || v.kind != m.kind || v.with || v.beside != nil {
			return fmt.Errorf("sasldb: %d bytes are not %v", len(record), m.kind)
		}
		v.with = password
		name := propertySCRAM
		if first == nil {
			first = &v
		} else {
			name, v.beside = m.more, first.salt
		}
		values[name] = v.append(nil)
	}
	return nil
}
