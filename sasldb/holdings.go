package sasldb

import (
	"bytes"
	"slices"

	"github.com/saslkit/saslkit/verifier"
)

// loginProperties are the names of all properties that logins look at.
var loginProperties = func() (names []string) {
	for _, p := range properties {
		names = append(names, p.name)
	}
	names = append(names, propertySCRAM, propertyOrigin)
	for _, m := range scramMechanisms {
		names = append(names, m.more)
	}
	return names
}()

// maxLoginProperties is room for them in an array, so that nothing is allocated.
const maxLoginProperties = 16

// holdings are the login properties of one user, as they are in the file.
type holdings struct {
	known    bool
	disabled bool                       // one property had disabledPrefix
	values   [maxLoginProperties][]byte // by place in loginProperties; nil: none
}

// add adds an entry. What was put aside when the user was disabled is older than
// what Cyrus's tools have set since.
func (h *holdings) add(e entry) {
	h.known = true
	h.disabled = h.disabled || e.mark.disabled()
	if i := e.mark.property(); i >= 0 && (h.values[i] == nil || !e.mark.disabled()) {
		h.values[i] = e.value
	}
}

// value returns a property.
func (h *holdings) value(name string) (value []byte, held bool) {
	value = h.values[slices.Index(loginProperties, name)]
	return value, value != nil
}

// secret returns the secret of a kind, if the user has one that serves logins. If
// there is a password SCRAM keys do not count: those of the password in force can
// be made of it, and these may be of another.
func (h *holdings) secret(kind verifier.Kind) (secret []byte, held bool) {
	for i := range properties {
		if p := &properties[i]; p.kind == kind && h.values[i] != nil {
			return p.decode(h.values[i])
		}
	}
	if kind == verifier.KindOrigin {
		return originOf(h.value)
	}
	if _, password := h.value(PropertyPassword); password || !kind.IsSCRAM() {
		return nil, false
	}
	eachSCRAM(h.value, func(k verifier.Kind, record []byte) {
		if k == kind {
			secret, held = unpackSCRAM(kind, record)
		}
	})
	return secret, held
}

// kinds returns the kinds of secret that serve logins, and that a password can be
// checked.
func (h *holdings) kinds() (kinds verifier.Kinds) {
	for k := range verifier.AllKinds.All() {
		if _, held := h.secret(k); held {
			kinds |= verifier.KindsOf(k)
		}
	}
	if kinds.Any(checkedBy) {
		kinds |= verifier.KindsOf(verifier.KindCheck)
	}
	return kinds
}

// lookup returns the first secret of these kinds, and an error as
// verifier.SecretSource has it. The caller owns the secret.
func (h *holdings) lookup(kinds []verifier.Kind) (verifier.Kind, []byte, error) {
	if !h.known {
		return 0, nil, verifier.ErrNoUser
	}
	for _, kind := range kinds {
		secret, held := h.secret(kind)
		if !held {
			continue
		}
		if h.disabled {
			return kind, bytes.Clone(secret), verifier.ErrDisabled
		}
		return kind, bytes.Clone(secret), nil
	}
	return 0, nil, verifier.ErrNoSecret
}
