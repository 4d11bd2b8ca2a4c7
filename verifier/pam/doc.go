// Package pam checks passwords with the PAM stack of a service.
//
//	v, err := pam.New(pam.Options{Service: "smtp"})
//
// The [Stack] is a [verifier.Verifier] for PLAIN and LOGIN: PAM can check a password and
// nothing else. It may be used concurrently; [Stack.Close] ends what it has started. At
// start log [Stack.Faults].
//
// It is built with
//
//	go build -tags pam
//
// with cgo and PAM's headers (libpam0g-dev). Without the tag everything compiles, [Built]
// is false, and [New] returns an error that says so.
//
// # Children
//
// Modules block, leak, crash and change the process that they are loaded into, so they
// are loaded into children: this same program, started again. Its main begins with
//
//	func main() {
//		pam.Child()
//		…
//
// which does nothing in the program itself and does not return in a child; [New] finds out
// whether [Child] is there. What init functions do is done in every child.
// [Options.Program] names another program that does so, for example the command saslkit,
// and this one needs no tag then.
//
// A child serves one check at a time, 1,000 at most, and ends when it has been idle for a
// minute or the parent is no more, however it ended. It gets the password through a pipe,
// /dev/null for its standard streams, and nothing else of the parent's. One that does not
// answer within [Options.Timeout] is killed. What a module has started, such as a script of
// pam_exec, is the module's to end.
//
// # What PAM says and what it means here
//
// pam_authenticate, which is asked first:
//
//	PAM_SUCCESS                        pam_acct_mgmt is asked
//	PAM_USER_UNKNOWN                   ErrNoUser
//	PAM_AUTH_ERR, PAM_MAXTRIES         ErrWrongPassword
//	PAM_PERM_DENIED                    ErrWrongPassword; ErrUnavailable if no module has asked for the password
//	PAM_ACCT_EXPIRED and its like      ErrWrongPassword: nobody knows whether it was right
//	anything else                      ErrUnavailable
//
// pam_acct_mgmt, once the password is right:
//
//	PAM_SUCCESS                        Account; ErrUnavailable if no module has asked for the password
//	PAM_NEW_AUTHTOK_REQD, PAM_ACCT_EXPIRED, PAM_CRED_EXPIRED, PAM_AUTHTOK_EXPIRED
//	                                   ErrExpired
//	PAM_PERM_DENIED, PAM_AUTH_ERR, PAM_USER_UNKNOWN, PAM_MAXTRIES
//	                                   ErrDisabled
//	anything else                      ErrUnavailable
//
// What was said is in the error, for the log. A child that dies or hangs, and a service
// without a file, are ErrUnavailable.
//
// A yes that nobody asked for the password for is none: the process is often root, and
// then pam_rootok, which is in the stack of su, would let everybody in.
//
// A module that asks twice in the same words gets the password twice. One that asks for
// something else, a second factor, gets no answer, and the check is ErrWrongPassword
// whatever the stack makes of it.
//
// # Failures take no time
//
// libpam would sleep after a failure, two seconds with pam_unix, and hold a child for
// that. It is kept from it, for a [verifier.Guard] throttles. That pam_unix answers for
// unknown users without computing a hash is evened out: a refusal takes as long as the
// last success did, a second at most.
package pam
