// Package saslkittest logs in without a network: for the tests of programs that
// configure a [saslkit.Authenticator], and for tools that say whether a login would
// work.
//
//	result, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, "PLAIN", "alice", "pencil")
//
// [Login] says what most tests want to say. A [Client] says everything: the realms that
// are served, whom to act as, a token. Both run a whole exchange of our client against
// the server that the Authenticator configures, message by message as SMTP and IMAP
// carry them, with its stores, its guard and its log: an attempt counts like any other.
//
// What the server offers on a channel is not asked for but tried: a mechanism that it
// does not offer fails as it would for a client that insists. The client's own policy
// forbids nothing, for the server's is what is tested.
//
// # What the errors say
//
// An error of the server says what the log has. Beneath it, for [errors.As], is the
// *[saslkit.Error] whose text is what a client learns. Test for a cause with
// [errors.Is]:
//
//	if !errors.Is(err, verifier.ErrWrongPassword) { … }
//
// Nothing here is for production, where a client and a server are two programs.
// Everything may be called concurrently.
package saslkittest
