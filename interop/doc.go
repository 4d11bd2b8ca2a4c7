// Package interop shows saslkit inside go-smtp and go-imap, and holds the tests
// of saslkit against the world: both hosts with their own clients, the mail
// clients and the Postfix of a Debian system, and files that Cyrus SASL's tools
// wrote.
//
// [SMTPBackend] and [IMAPBackend] are examples to copy, not a library to depend
// on: the glue is a session that embeds a saslkit.Peer and a function that turns
// a saslkit.Error into the host's own.
package interop
