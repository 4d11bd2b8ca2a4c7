package saslauthd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// meaning says what a reason with which saslauthd says no stands for, or nil if it is
// not one of its own. They are those of 2.1.28 and of the development tree after it.
//
// Measured with the former: shadow and PAM look at the password before they look
// whether somebody has expired, so who is told that knows it. A password that must be
// changed at once is good to shadow, and to PAM as bad as an expired one. Locked in
// /etc/shadow, with a "!", is to both a wrong password.
func meaning(reason string) error {
	switch reason {
	case "", // sasldb, ldap
		"Incorrect password", // shadow, getpwent
		"PAM auth error":
		return verifier.ErrWrongPassword
	case "Invalid username", // shadow, getpwent
		"Invalid shadow username": // shadow: in passwd alone
		return verifier.ErrNoUser
	case "Account expired", "Password expired": // shadow
		return verifier.ErrExpired
	case "PAM acct error": // expired, to be changed, not at this hour, not for this service
		return verifier.ErrDisabled
	case "internal mechanism failure",
		"NULL response from mechanism",
		"PAM start error",
		"Insufficient permission to access NIS authentication database (saslauthd)", // shadow
		"setpwdb() internal failure (saslauthd)",
		"saslauthd internal error",         // kerberos5
		"krb5_verify_init_creds failed",    // no keytab, or a false KDC
		"[ALERT] saslauthd internal error", // rimap, httpform, to the end
		"[ALERT] No address given",
		"[ALERT] Couldn't contact remote authentication server",
		"[ALERT] error synchronizing with remote authentication server",
		"[ALERT] The remote authentication server is currently unavailable",
		"[ALERT] Unexpected response from remote authentication server":
		return verifier.ErrUnavailable
	}
	return nil
}

// conclude is the daemon's answer to whether this is the password.
func conclude(answer []byte, password string) error {
	reply, err := saslauthdwire.ParseReply(answer)
	switch {
	case len(answer) == 0:
		return fmt.Errorf("%w: saslauthd: closed the connection without a reply (is it newer than 2.1.28? then it wants the client's address)", verifier.ErrUnavailable)
	case errors.Is(err, saslauthdwire.ErrIncomplete):
		return fmt.Errorf("%w: saslauthd: closed the connection after %d bytes of its reply", verifier.ErrUnavailable, len(answer))
	case err != nil:
		return fmt.Errorf("%w: saslauthd: %w", verifier.ErrUnavailable, err)
	case reply.Verdict == saslauthdwire.Yes:
		return nil
	}
	class := meaning(reply.Reason)
	if class == nil {
		class = verifier.ErrWrongPassword
		if strings.Contains(reply.Reason, password) { // the server that rimap asks may repeat it
			reply.Reason = secret.Redacted
		}
	}
	return fmt.Errorf("saslauthd: it says %.200q: %w", strings.TrimSpace("NO "+reply.Reason), class)
}
