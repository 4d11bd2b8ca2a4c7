// Package saslkit logs people in to Go mail servers, and Go programs in to mail
// servers, with SASL (RFC 4422).
//
// # The one idea
//
// What a server advertises follows from what can succeed. Three facts decide:
// what the stores can serve (a password check, or which kinds of secret), what
// the policy in force permits, and what the channel has. [Authenticator] joins
// them for every connection, and [Authenticator.Validate] tells at start where
// they contradict each other.
//
// # A server
//
// An [Authenticator] is the configuration: a verifier (package verifier and its
// neighbours), a policy, a list of mechanisms. It is shared. Each connection
// has a [Peer], which has the methods that go-smtp and go-imap look for, so that
// a session embeds it and is done:
//
//	type session struct {
//		*saslkit.Peer
//		// …
//	}
//
// For other hosts, [Peer.Start] gives an [Exchange], whose Step consumes one
// client response. [Peer.Result] says who logged in.
//
// # A client
//
// [NewClient] gives a [ClientExchange], a go-sasl client. Call its Finish when
// the protocol reported success: without it a server that skipped its proof is
// believed.
//
// # Limits
//
// Names are at most 255 bytes, passwords 1,024, unless [Authenticator.Limits]
// raises them. Responses are bounded per mechanism before they are parsed.
// Nothing here starts goroutines.
package saslkit
