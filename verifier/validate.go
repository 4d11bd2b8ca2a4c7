package verifier

import (
	"errors"
	"fmt"

	"github.com/saslkit/saslkit/internal/absent"
)

// Validate says what is missing in how v was put together: it is nil or a nil pointer,
// as when the error of what should have made it was overlooked, or a wrapper of such a
// one. It asks no store. Authenticator.Validate of package saslkit calls it.
func Validate(v Verifier) error {
	switch {
	case v == nil:
		return errNilVerifier
	case absent.Is(v):
		return fmt.Errorf("verifier: a nil %T (was the error of what makes it overlooked?)", v)
	}
	w, ok := v.(composed)
	if !ok {
		return nil
	}
	var faults []error
	for i, part := range w.parts() {
		if err := Validate(part); err != nil {
			faults = append(faults, fmt.Errorf("%s, part %d: %w", w.kind(), i+1, err))
		}
	}
	return errors.Join(faults...)
}

var errNilVerifier = errors.New("verifier: nil")

// A composed verifier is one of this package that is made of others.
type composed interface {
	kind() string // for people; the names of the parts may not be asked for
	parts() []Verifier
}

func (c *chain) kind() string              { return "chain" }
func (c *chain) parts() []Verifier         { return c.links }
func (c *Cached) kind() string             { return "cache" }
func (c *Cached) parts() []Verifier        { return []Verifier{c.v} }
func (m *mappedRealm) kind() string        { return "map of realms" }
func (m *mappedRealm) parts() []Verifier   { return []Verifier{m.v} }
func (t *Transitioning) kind() string      { return "transition" }
func (t *Transitioning) parts() []Verifier { return []Verifier{t.from, t.to} }
