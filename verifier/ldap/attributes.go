package ldap

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A holding is what an entry has to check passwords with.
type holding struct {
	secret.Opaque
	values   []stored.Value
	origin   []byte // of what a verifier.Transition has copied; nil: none
	unusable error  // of what cannot be used, why
}

// maxValues bounds the hashes that a login computes for a user with several passwords.
const maxValues = 4

var errManyValues = fmt.Errorf("more than %d values", maxValues)

// holds reads the passwords of an entry and, if there is none, its SCRAM keys: whoever
// changes the one seldom changes the other, and a password that was replaced must not live
// on in keys.
func (d *Directory) holds(raw *goldap.Entry) (h holding) {
	if d.o.Method != Attributes {
		return holding{}
	}
	for _, text := range raw.GetEqualFoldAttributeValues(d.o.PasswordAttribute) {
		h.add(parsePassword(text))
	}
	withPassword := len(h.values) > 0
	for _, text := range raw.GetEqualFoldAttributeValues(d.o.SCRAMAttribute) {
		if origin, ok := parseOrigin(text); ok {
			h.origin = origin
		} else if !withPassword {
			h.add(parseKeys(text))
		}
	}
	if len(h.values) > maxValues {
		return holding{unusable: errManyValues}
	}
	return h
}

func (h *holding) add(v stored.Value, err error) {
	if err != nil {
		h.unusable = err
		return
	}
	h.values = append(h.values, v)
}

// parsePassword reads userPassword (RFC 2307 section 5.3): what has no {SCHEME} is a
// password in the clear.
func parsePassword(text string) (stored.Value, error) { return stored.ParseAs("CLEARTEXT", text) }

// parseKeys reads authPassword, of which the schemes of SCRAM are understood. Blanks may
// stand around its signs (RFC 3112 section 2.2).
func parseKeys(text string) (stored.Value, error) {
	text = strings.ReplaceAll(text, " ", "")
	if !strings.HasPrefix(text, "SCRAM-") {
		return stored.Value{}, fmt.Errorf("%w: no scheme of SCRAM", stored.ErrUnusable)
	}
	return stored.Parse(text)
}

// originScheme is ours, for the origin of copies in the form of RFC 3112.
const originScheme = "SASLKIT-ORIGIN$1$"

func parseOrigin(text string) (origin []byte, ok bool) {
	encoded, ok := strings.CutPrefix(text, originScheme)
	if !ok {
		return nil, false
	}
	origin, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(origin) == 0 || formatOrigin(origin) != text {
		return nil, false
	}
	return origin, true
}

func formatOrigin(origin []byte) string {
	return originScheme + base64.StdEncoding.EncodeToString(origin)
}

// match checks a password with what the entry holds; for nobody it computes what the check
// of users cost lately.
func (d *Directory) match(ctx context.Context, e entry, r verifier.Request, password string) error {
	values := e.held.values
	if len(values) == 0 {
		values = []stored.Value{d.recent.decoy()}
	} else {
		d.recent.add(values[0])
	}
	found := false
	for _, v := range values { // all of them, whichever it is
		match, err := d.checker.Matches(ctx, v, r, password)
		if err != nil {
			return err
		}
		found = found || match
	}
	switch {
	case len(e.held.values) == 0:
		return e.held.none()
	case !found:
		return verifier.ErrWrongPassword
	}
	return nil
}

// none says why there is nothing to check with. An entry that holds nothing is nobody's, as
// Update has it, so that a verifier.Transition may write to it.
func (h holding) none() error {
	if h.unusable != nil {
		return fmt.Errorf("%w: %w", verifier.ErrNoSecret, h.unusable)
	}
	return fmt.Errorf("%w: the entry holds no password", verifier.ErrNoUser)
}

// kinds is what the user can log in with.
func (h holding) kinds() (all verifier.Kinds) {
	for _, v := range h.values {
		all |= v.Kinds()
	}
	if h.origin != nil {
		all |= verifier.KindsOf(verifier.KindOrigin)
	}
	return all
}

// LookupSecret implements [verifier.SecretSource]. With other methods than Attributes
// nobody has a secret. A DIGEST-MD5 hash is of a realm that the entry does not tell, and
// not handed out.
func (d *Directory) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	if d.o.Method != Attributes {
		return verifier.Secret{}, fmt.Errorf("ldap: %w: only the method that reads attributes hands any out", verifier.ErrNoSecret)
	}
	var s verifier.Secret
	err := each(ctx, d.servers, func(on *server) error {
		e, err := d.find(ctx, on, r)
		if err != nil {
			return err
		}
		var ok bool
		if s, ok = e.held.secret(kinds); !ok {
			if len(e.held.values) > 0 {
				return verifier.ErrNoSecret
			}
			return e.held.none()
		}
		s.Account = e.account
		return on.service.ask(ctx, d.member(r, e.dn))
	})
	switch {
	case err == nil:
		return s, nil
	case verifier.Terminal(err):
		return s, fmt.Errorf("ldap: %w", err)
	}
	return verifier.Secret{}, fmt.Errorf("ldap: %w", err)
}

// secret is the first of the kinds that is held. SCRAM keys of a user whose password is
// held too may be those of another password.
func (h holding) secret(kinds []verifier.Kind) (verifier.Secret, bool) {
	clear := h.kinds().Has(verifier.KindPassword)
	for _, k := range kinds {
		switch {
		case k == verifier.KindOrigin && h.origin != nil:
			return verifier.Secret{Kind: k, Value: slices.Clone(h.origin)}, true
		case k == verifier.KindDIGESTMD5, clear && k.IsSCRAM():
			continue
		}
		for _, v := range h.values {
			if s, ok := v.Secret(k); ok {
				return s, true
			}
		}
	}
	return verifier.Secret{}, false
}

// recent remembers of some users what a check of them costs.
type recent struct {
	mu     sync.Mutex
	next   int
	values [32]stored.Value
	n      int
}

func (r *recent) add(v stored.Value) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values[r.next] = v.Decoy()
	r.next = (r.next + 1) % len(r.values)
	r.n = min(r.n+1, len(r.values))
}

// decoy costs what most of them do.
func (r *recent) decoy() stored.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	return stored.Commonest(slices.Values(r.values[:r.n]))
}
