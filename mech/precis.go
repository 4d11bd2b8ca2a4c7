package mech

import (
	"errors"
	"fmt"

	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/bidi"

	"github.com/saslkit/saslkit/internal/saslprep"
)

// A NameProfile is how names are prepared before they are compared or looked up.
// The zero value is SASLprep, which is what the mechanisms' RFCs ask for.
//
// The profiles of RFC 8265 are for sites that make new accounts and want the
// stricter rules of today, or "Alice" and "alice" to be one user. They take one
// word: a space is refused, and most symbols are. Both turn wide letters into
// usual ones and normalise with NFC. What follows an '@' is prepared with the
// rest, so under UsernameCaseMapped a realm is spelled in lower case where it is
// configured.
//
// A profile is chosen once, before the first account: names that are stored were
// prepared with it, or are not found. DIGEST-MD5's stored hash holds the name, so
// it matches only if the client sends the name as it was stored; a stored password
// serves every spelling.
//
// Passwords are always prepared with SASLprep. Under another profile the keys of
// SCRAM that are stored would not be those that clients compute.
type NameProfile uint8

const (
	// SASLprep is RFC 4013, query form: code points that Unicode 3.2 had not
	// assigned are kept. It does not touch the case of letters.
	SASLprep NameProfile = iota
	// UsernameCaseMapped is RFC 8265 section 3.3: letters are in lower case.
	UsernameCaseMapped
	// UsernameCasePreserved is RFC 8265 section 3.4: letters keep their case.
	UsernameCasePreserved
)

var profileNames = [...]string{"SASLprep", "UsernameCaseMapped", "UsernameCasePreserved"}

// String returns the profile's name in its RFC.
func (p NameProfile) String() string {
	if int(p) < len(profileNames) {
		return profileNames[p]
	}
	return fmt.Sprintf("profile %d", uint8(p))
}

// Prepare prepares a name as the servers prepare what a client sends. Who makes an
// account or sets a password uses it too, so that the name is found again. The
// result is not empty, does not change when prepared again, and has at most 1,024
// bytes; a server takes no more than its Limits allow.
func (p NameProfile) Prepare(name string) (string, error) {
	if len(name) > maxNameLimit {
		return "", errLongName
	}
	prepared, err := p.enforce(name)
	switch {
	case err != nil:
		return "", fmt.Errorf("mech: name: %w", err)
	case prepared == "":
		return "", errEmptyName
	case len(prepared) > maxNameLimit: // preparing can make it longer
		return "", errLongName
	}
	return prepared, nil
}

func (p NameProfile) enforce(name string) (string, error) {
	switch p {
	case SASLprep:
		return saslprep.Query(name)
	case UsernameCaseMapped:
		return precisName(caseMapped, name)
	case UsernameCasePreserved:
		return precisName(casePreserved, name)
	}
	return "", errors.New("unknown " + p.String())
}

// The rules of RFC 8265 sections 3.3.2 and 3.4.2, but for the one on direction.
// Letters and their cases are those of x/text's version of Unicode; what it had
// not assigned is refused. A final sigma is lowered as any sigma is.
var (
	caseMapped    = precis.NewIdentifier(precis.FoldWidth, precis.LowerCase())
	casePreserved = precis.NewIdentifier(precis.FoldWidth)
)

// precisName applies the rule on direction only to names that have letters
// written from right to left, as RFC 8265 says. x/text's own profiles apply it to
// everything beyond ASCII, and so refuse "1é".
func precisName(profile *precis.Profile, name string) (string, error) {
	prepared, err := profile.String(name)
	if err != nil {
		return "", err
	}
	if bidirule.DirectionString(prepared) == bidi.RightToLeft && !bidirule.ValidString(prepared) {
		return "", bidirule.ErrInvalid
	}
	return prepared, nil
}
