package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/verifier"
)

// maxAttempts bounds how often an update begins again because somebody else was faster.
const maxAttempts = 100

var errOthers = errors.New("others change the same user all the time (or the directory does not know an attribute)")

// Update implements [verifier.SecretStore], for Attributes. It changes the values of
// PasswordAttribute and SCRAMAttribute, both together, in one modification that fails if
// they are not as change was told (RFC 4528): a server without assertions gives an error
// that matches [errors.ErrUnsupported]. What has no other kind, such as a hash, is in the
// entry as KindCheck with the text of the value: whoever changes something else passes it
// on.
//
// Entries of the directory are neither made nor deleted here, so a user without one is
// ErrNoUser and [errors.ErrUnsupported], and Entry.Exists says whether an entry holds
// anything. Nor can an account be disabled, or have kinds other than passwords, SCRAM
// keys and origins. After an error that matches [verifier.ErrUnavailable] the change may
// have been stored or not.
func (d *Directory) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	if d.o.Method != Attributes {
		return fmt.Errorf("ldap: only the method that reads attributes stores any: %w", errors.ErrUnsupported)
	}
	for range maxAttempts {
		again, err := d.attempt(ctx, r, change)
		if !again {
			return err
		}
	}
	return fmt.Errorf("ldap: update: %w: %w", verifier.ErrUnavailable, errOthers)
}

// attempt reads, changes and writes on one server.
func (d *Directory) attempt(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) (again bool, err error) {
	var raw *goldap.Entry
	var from *server
	err = each(ctx, d.servers, func(s *server) (err error) {
		_, raw, err = d.read(ctx, s, r)
		from = s
		return err
	})
	switch {
	case errors.Is(err, verifier.ErrNoUser):
		return false, fmt.Errorf("ldap: update: %w (the directory's own tools make entries: %w)", err, errors.ErrUnsupported)
	case err != nil:
		return false, fmt.Errorf("ldap: update: %w", err)
	}
	before := d.contents(raw)
	entry, err := before.entry()
	if err != nil {
		return false, err
	}
	if entry, err = change(entry); err != nil {
		return false, err
	}
	after, err := contentsOf(entry, before)
	if err != nil {
		return false, err
	}
	request, err := d.modification(raw.DN, before, after)
	if err != nil || len(request.Changes) == 0 {
		return false, err
	}
	err = each(ctx, []*server{from}, func(s *server) error {
		return s.service.ask(ctx, func(c *conn) error { return modified(c.Modify(request)) })
	})
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, errChanged):
		return true, nil
	case errors.Is(err, errAssertions):
		return false, fmt.Errorf("ldap: update: %w: %w", errAssertions, errors.ErrUnsupported)
	}
	return false, fmt.Errorf("ldap: update: %w", err)
}

const (
	errChanged    = answer("somebody else has changed the entry")
	errAssertions = answer("the server, or its database, knows no assertions (RFC 4528)")
)

// modified says what came of a modification.
func modified(err error) error {
	switch code, _, _ := codeOf(err); code {
	case goldap.LDAPResultAssertionFailed:
		return errChanged
	case goldap.LDAPResultUnavailableCriticalExtension:
		return errAssertions
	}
	return told(err)
}

// contents are the values of an entry that Update reads and writes.
type contents struct{ passwords, keys []string }

func (d *Directory) contents(raw *goldap.Entry) contents {
	return contents{raw.GetEqualFoldAttributeValues(d.o.PasswordAttribute), raw.GetEqualFoldAttributeValues(d.o.SCRAMAttribute)}
}

// updated are the kinds that are stored as themselves.
var updated = append(verifier.SCRAMKinds(), verifier.KindPassword)

// entry is what Update tells.
func (c contents) entry() (e verifier.Entry, err error) {
	for _, text := range c.passwords {
		v, _ := parsePassword(text)
		s, ok := v.Secret(updated...)
		if !ok {
			s = verifier.Secret{Kind: verifier.KindCheck, Value: []byte(text)}
		}
		e.Secrets = append(e.Secrets, s)
	}
	for _, text := range c.keys {
		if origin, ok := parseOrigin(text); ok {
			e.Secrets = append(e.Secrets, verifier.Secret{Kind: verifier.KindOrigin, Value: origin})
			continue
		}
		v, _ := parseKeys(text)
		s, ok := v.Secret(updated...)
		if !ok {
			return verifier.Entry{}, fmt.Errorf("ldap: update: there are values for SCRAM keys that are none: %w", errors.ErrUnsupported)
		}
		e.Secrets = append(e.Secrets, s)
	}
	e.Exists = len(e.Secrets) > 0
	return e, nil
}

// contentsOf is what an entry comes to. What it has of before stays as it was written.
func contentsOf(e verifier.Entry, before contents) (c contents, err error) {
	switch {
	case e.Disabled:
		return contents{}, fmt.Errorf("ldap: update: an account cannot be disabled here: %w", errors.ErrUnsupported)
	case !e.Exists:
		return contents{}, nil
	}
	for _, s := range e.Secrets {
		switch {
		case s.Kind == verifier.KindPassword:
			c.passwords = append(c.passwords, before.spelling(string(s.Value)))
		case s.Kind == verifier.KindCheck && slices.Contains(before.passwords, string(s.Value)):
			c.passwords = append(c.passwords, string(s.Value))
		case s.Kind == verifier.KindOrigin:
			c.keys = append(c.keys, formatOrigin(s.Value))
		case s.Kind.IsSCRAM():
			text, err := verifier.FormatSCRAM(s, verifier.SCRAMRecord)
			if err != nil {
				return contents{}, fmt.Errorf("ldap: update: %w", err)
			}
			c.keys = append(c.keys, text)
		default:
			return contents{}, fmt.Errorf("ldap: update: a directory has no place for kind %q: %w", s.Kind, errors.ErrUnsupported)
		}
	}
	return c, nil
}

// spelling is how a password is written: as it was, or as it is unless that looks like
// something else. OpenLDAP itself does not understand {CLEARTEXT}.
func (c contents) spelling(password string) string {
	for _, text := range append(c.passwords, password) {
		v, _ := parsePassword(text)
		if s, ok := v.Secret(verifier.KindPassword); ok && string(s.Value) == password {
			return text
		}
	}
	return "{CLEARTEXT}" + password
}

// assertion is the control's number (RFC 4528 section 3).
const assertion = "1.3.6.1.1.12"

// modification replaces what is different, if it is still as it was before.
func (d *Directory) modification(dn string, before, after contents) (*goldap.ModifyRequest, error) {
	request := goldap.NewModifyRequest(dn, nil)
	var unchanged strings.Builder
	for _, a := range []struct {
		name          string
		before, after []string
	}{{d.o.PasswordAttribute, before.passwords, after.passwords}, {d.o.SCRAMAttribute, before.keys, after.keys}} {
		if len(a.before) == 0 && len(a.after) == 0 {
			continue
		}
		if slices.Sort(a.after); !slices.Equal(slices.Sorted(slices.Values(a.before)), a.after) {
			request.Replace(a.name, slices.Compact(a.after))
		}
		if len(a.before) == 0 {
			unchanged.WriteString("(!(" + a.name + "=*))")
		}
		for _, value := range a.before {
			unchanged.WriteString("(" + a.name + "=")
			escape(&unchanged, value)
			unchanged.WriteByte(')')
		}
	}
	filter, err := goldap.CompileFilter("(&" + unchanged.String() + ")")
	if err != nil {
		return nil, fmt.Errorf("ldap: update: %w", err)
	}
	request.Controls = []goldap.Control{goldap.NewControlString(assertion, true, string(filter.Bytes()))}
	return request, nil
}
