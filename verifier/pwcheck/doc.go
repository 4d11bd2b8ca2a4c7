// Package pwcheck checks passwords with a pwcheck daemon, the forerunner of saslauthd
// for which sites have written their own.
//
//	v, err := pwcheck.New(pwcheck.Options{Socket: "/var/pwcheck/pwcheck"})
//
// The [Client] is a [verifier.Verifier] for PLAIN and LOGIN: the daemon can check a
// password and nothing else. [New] does not look whether it is there, for servers may
// start before it; until it is, logins are answered with [verifier.ErrUnavailable].
// It may be used concurrently and keeps no connection open: there is nothing to close.
//
// # What the daemon is asked
//
// The protocol knows neither service nor realm. A user in a realm is asked for as
// "user@realm", as Cyrus SASL does it, so that a password of one realm is none in
// another: a daemon that knows bare names needs a server without realms.
//
// # What it says
//
// A yes is the reply "OK", alone or followed by a space; the original takes every
// reply that begins with it. There is no word for no and nothing that says where a
// reply ends but the end of the connection: an empty one is [verifier.ErrUnavailable],
// as are the daemon's own complaints about the request, and every other is a refusal,
// with the reply in the error for the log. A daemon that fails in the middle of its
// reply cannot be told from one that refuses.
//
// The original answers one connection after the other and waits for each as long as it
// takes, so that a slow login delays all. Package saslauthd asks a daemon that does not.
package pwcheck
