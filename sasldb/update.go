package sasldb

import (
	"bytes"
	"context"
	"maps"
	"strings"

	"github.com/saslkit/saslkit/verifier"
)

// Update changes what the file at path holds of one user, as
// [verifier.SecretStore] has it, in one commit. See [Tx.Update] for what becomes
// of the user's records, and [Edit] for the errors.
func Update(ctx context.Context, path string, o WriteOptions, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	return Edit(ctx, path, o, func(tx *Tx) error { return tx.Update(r, change) })
}

// Update changes what is held of one user. All kinds of secret are replaced
// together: if change returns other secrets than it was given, whatever else could
// let the user in with an old password goes, also what this package knows no kind
// for (an SRP verifier, the salted hash of Cyrus SASL 1.5). Properties that are no
// secrets stay as long as the user exists. A login by OTP, which goes one step down the
// user's series, is no new password: then everything else stays.
//
// The secrets of a disabled user are kept under names that Cyrus SASL does not
// read.
func (tx *Tx) Update(r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	before := keyringOf(tx.User(r.User, r.Realm))
	account := verifier.Account{User: r.User, Realm: r.Realm}
	after, err := change(before.entry(account))
	if err != nil {
		return err
	}
	if !after.Exists {
		tx.DeleteUser(r.User, r.Realm)
		return nil
	}
	secrets := before.secrets
	switch given := before.entry(account).Secrets; {
	case sameSecrets(after.Secrets, given):
	case isNextOTP(given, after.Secrets):
		secrets = maps.Clone(secrets)
		secrets[propertyOTP] = byKind(after.Secrets)[verifier.KindOTP]
	default:
		if secrets, err = propertiesFor(after.Secrets); err != nil {
			return err
		}
	}
	return tx.replaceSecrets(r, before, keyring{disabled: after.Disabled, secrets: secrets})
}

// replaceSecrets exchanges the secrets of a user, or their names.
func (tx *Tx) replaceSecrets(r verifier.Request, before, after keyring) error {
	// Everything is checked before anything is changed.
	var records []Record
	for name, value := range after.stored() {
		record := Record{Authid: r.User, Realm: r.Realm, Property: name, Value: value}
		if _, err := record.check(); err != nil {
			return err
		}
		records = append(records, record)
	}
	for name := range before.names {
		tx.Delete(r.User, r.Realm, name)
	}
	for _, record := range records {
		if err := tx.Set(record); err != nil {
			return err
		}
	}
	return nil
}

// A keyring is what a user has by way of secrets, whatever the names they are kept
// under.
type keyring struct {
	exists   bool
	disabled bool
	secrets  map[string][]byte   // by property
	names    map[string]struct{} // under which they were found
}

// keyringOf sorts the records of one user. A secret that Cyrus SASL has given to a
// disabled user is newer than the one of the same property that was put aside.
func keyringOf(records []Record) keyring {
	k := keyring{exists: len(records) > 0, secrets: map[string][]byte{}, names: map[string]struct{}{}}
	for _, r := range records {
		property, aside := cutDisabled(r.Property)
		if !aside && !isSecret(property) {
			continue
		}
		k.names[r.Property] = struct{}{}
		k.disabled = k.disabled || aside
		if _, newer := k.secrets[property]; property != "" && !(aside && newer) {
			k.secrets[property] = r.Value
		}
	}
	return k
}

// entry shows the keyring to a caller, who may change it as he likes.
func (k keyring) entry(account verifier.Account) verifier.Entry {
	return verifier.Entry{Exists: k.exists, Disabled: k.disabled, Secrets: secretsFrom(k.secrets, account)}
}

// stored gives the properties the names under which they are kept. Of a disabled
// user without secrets an empty property remains, to tell.
func (k keyring) stored() map[string][]byte {
	if !k.disabled {
		return k.secrets
	}
	aside := map[string][]byte{}
	for name, value := range k.secrets {
		aside[disabledPrefix+name] = value
	}
	if len(aside) == 0 {
		aside[disabledPrefix] = nil
	}
	return aside
}

// isSecret reports whether a property can let its user in, with this package or
// with Cyrus SASL.
func isSecret(property string) bool {
	return property == PropertyPassword || isSCRAM(property) || property == propertyOrigin || strings.HasPrefix(property, "cmusaslsecret")
}

// sameSecrets reports whether two lists hold the same, in any order.
func sameSecrets(a, b []verifier.Secret) bool {
	return len(a) == len(b) && maps.EqualFunc(byKind(a), byKind(b), bytes.Equal)
}

// isNextOTP reports whether only the state of a series is another one, and the series
// is the same: hash and seed are.
func isNextOTP(before, after []verifier.Secret) bool {
	a, b := byKind(before), byKind(after)
	if a[verifier.KindOTP] == nil || b[verifier.KindOTP] == nil {
		return false
	}
	was, is := bytes.Split(a[verifier.KindOTP], []byte{'\t'}), bytes.Split(b[verifier.KindOTP], []byte{'\t'})
	delete(a, verifier.KindOTP)
	delete(b, verifier.KindOTP)
	return maps.EqualFunc(a, b, bytes.Equal) && len(was) == 5 && len(is) == 5 &&
		bytes.Equal(was[0], is[0]) && bytes.Equal(was[2], is[2])
}

func byKind(secrets []verifier.Secret) map[verifier.Kind][]byte {
	m := make(map[verifier.Kind][]byte, len(secrets))
	for _, s := range secrets {
		m[s.Kind] = s.Value
	}
	return m
}
