// Package dovecot checks passwords by asking a Dovecot auth process, as Postfix does
// with smtpd_sasl_type = dovecot.
//
//	v, err := dovecot.New(dovecot.Options{Socket: "/run/dovecot/auth-saslkit"})
//
// The [Client] is a [verifier.Verifier] for PLAIN and LOGIN. It may be used concurrently;
// [Client.Close] ends its connection. [New] does not connect, and until Dovecot is there
// logins are answered with [verifier.ErrUnavailable]. Package daemon of this module has
// the other end: a server that speaks Dovecot's protocol.
//
// Dovecot needs a socket for clients that we may open:
//
//	service auth {
//	  unix_listener auth-saslkit {
//	    user = ...
//	    mode = 0600
//	  }
//	}
//
// and auth_mechanisms with plain. What the name ends in tells Dovecot what a socket is
// for: "-master" and "-userdb" are not for clients, and with "-login" it keeps each
// success for another process to claim. Who can open the socket can try passwords, and over
// TCP they are not encrypted: keep that to loopback.
//
// # What Dovecot says and what it means here
//
//	OK user=NAME                 Account; the name is Dovecot's, who may fold or translate it
//	OK without user=             ErrUnavailable
//	OK ... nologin               ErrDisabled: Dovecot has checked the password
//	OK ... proxy                 ErrUnavailable: another server is to check the password
//	OK ... auth_user=            ErrWrongPassword: the password is that of a master user
//	FAIL ... code=temp_fail      ErrUnavailable, also "temp" of older ones
//	FAIL ... code=user_disabled  ErrWrongPassword, and the code is in the error for the log
//	FAIL                         ErrWrongPassword, for unknown users too
//	anything else                ErrUnavailable
//
// Dovecot 2.3.19 says user_disabled for a user who is in a passdb with "deny = yes", or
// has no usable password in shadow, whatever password is tried; and pass_expired is
// what a PAM module, a script or another server chose to say. Neither tells that the
// password was right, so both are refusals, which look like others to the peer.
//
// A user whom passdb lets in with "nopassword" is let in. With "proxy" that is how
// front ends are set up, whose back ends check the password, and Dovecot's OK does not
// tell whether it did: no login is taken from it. Give the socket's service a passdb
// without proxy.
//
// # Failures take time
//
// Dovecot answers failures together, twice a second, and after auth_failure_delay
// (default 2 s). The requests say no-penalty: without it Dovecot 2.3.19 makes who failed
// from an address wait before anybody's next try from there, 4, 8 and then 15 seconds,
// right passwords included, and one guesser would occupy all requests in flight. A
// [verifier.Guard] throttles instead.
//
// # Stopping Dovecot
//
// An auth process whose master is told to stop goes on answering on open connections:
// Dovecot 2.3.19's for 30 seconds, with the configuration that it was started with.
// Checks move to the new one when the old one ends.
package dovecot
