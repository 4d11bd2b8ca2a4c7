package ldap

import (
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/verifier"
)

// codeOf is the result code of an answer that was no success.
func codeOf(err error) (code uint16, diagnostic string, ok bool) {
	var answer *goldap.Error
	if !errors.As(err, &answer) || answer.ResultCode >= goldap.ErrorNetwork {
		return 0, "", false
	}
	if answer.Err != nil {
		diagnostic = answer.Err.Error()
	}
	return answer.ResultCode, diagnostic, true
}

// An answer is what a server has said and what is neither yes nor no. It is worded for the
// log.
type answer string

func (a answer) Error() string { return string(a) }

// isAnswer reports whether a server has said something, whatever it was.
func isAnswer(err error) bool {
	return verifier.Answered(err) || errors.As(err, new(answer)) && !errors.Is(err, errSilent)
}

// told words an answer, with the cure if there is one. Some answers are as good as none.
// What is no answer is returned as it is.
func told(err error) error {
	code, diagnostic, ok := codeOf(err)
	if !ok {
		return err
	}
	text := fmt.Sprintf("result %d: %s", code, strings.ToLower(goldap.LDAPResultCodeMap[code]))
	if diagnostic != "" {
		text += fmt.Sprintf(", %.200q", diagnostic)
	}
	if cure := cures[code]; cure != "" {
		text += " (" + cure + ")"
	}
	if code == goldap.LDAPResultBusy || code == goldap.LDAPResultUnavailable {
		return silent(answer(text))
	}
	return answer(text)
}

var cures = map[uint16]string{
	goldap.LDAPResultConfidentialityRequired:  "use StartTLS or ldaps://",
	goldap.LDAPResultStrongAuthRequired:       "use StartTLS or ldaps://",
	goldap.LDAPResultReferral:                 "ask that server instead: referrals are not followed",
	goldap.LDAPResultInsufficientAccessRights: "give the service account the right to do this",
	goldap.LDAPResultInvalidCredentials:       "are DN and password right?",
	goldap.LDAPResultNoSuchObject:             "does the base exist, and may the service account see it?",
	goldap.LDAPResultSizeLimitExceeded:        "several entries match: the filter must find one",
}

// isNowhere reports whether a DN does not exist or can be none: that is a matter of the
// name that somebody logs in with if it is a part of the DN.
func isNowhere(code uint16) bool {
	return code == goldap.LDAPResultNoSuchObject || code == goldap.LDAPResultInvalidDNSyntax
}

// Errors of draft-behera-ldap-password-policy-10 section 6.2.
const (
	policyExpired = 0
	policyLocked  = 1
)

// bound says what a bind as a user has told. controls are of the answer.
func bound(err error, controls []goldap.Control) error {
	code, diagnostic, ok := codeOf(err)
	if !ok {
		return err // none, or no answer
	}
	if isNowhere(code) {
		return verifier.ErrNoUser
	}
	policy := int8(-1)
	for _, c := range controls {
		if p, ok := c.(*goldap.ControlBeheraPasswordPolicy); ok {
			policy = p.Error
		}
	}
	switch code {
	case goldap.LDAPResultInvalidCredentials, goldap.LDAPResultConstraintViolation:
		switch {
		case policy == policyExpired:
			return fmt.Errorf("%w: the password", verifier.ErrExpired)
		case policy == policyLocked:
			return fmt.Errorf("%w: the account is locked, which the server says to any password", verifier.ErrWrongPassword)
		case code == goldap.LDAPResultConstraintViolation:
			return told(err)
		}
		return ofActiveDirectory(diagnostic)
	case goldap.LDAPResultInappropriateAuthentication:
		return fmt.Errorf("%w: the entry has no password", verifier.ErrNoSecret)
	}
	return told(err)
}

// ofActiveDirectory reads why Active Directory refuses a bind, which it says in the middle
// of text: "80090308: LdapErr: DSID-0C09042F, comment: AcceptSecurityContext error, data
// 533, v2580". By Microsoft's list all codes of the second and third group come after the
// right password alone.
func ofActiveDirectory(diagnostic string) error {
	_, code, found := strings.Cut(diagnostic, "AcceptSecurityContext error, data ")
	code, _, _ = strings.Cut(code, ",")
	if !found {
		return verifier.ErrWrongPassword
	}
	switch code {
	case "525":
		return verifier.ErrNoUser
	case "775":
		return fmt.Errorf("%w: the account is locked out, which the server says to any password", verifier.ErrWrongPassword)
	case "530", "531", "533":
		return fmt.Errorf("%w: Active Directory's reason %s", verifier.ErrDisabled, code)
	case "532", "701", "773":
		return fmt.Errorf("%w: Active Directory's reason %s", verifier.ErrExpired, code)
	}
	return verifier.ErrWrongPassword
}
