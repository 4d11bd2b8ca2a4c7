// Package saslkit logs people in to Go mail servers, and Go programs in to mail
// servers, with SASL (RFC 4422).
//
// # The one idea
//
// What a server advertises follows from what can succeed. Three facts decide:
// what the stores can serve (a password check, or which kinds of secret), what
// the policy in force permits, and what the channel has. [Authenticator] joins
// them for every connection, [Authenticator.Decisions] says for each mechanism
// which fact decides, and [Authenticator.Validate] tells at start where they
// contradict each other.
//
// # A server
//
// An [Authenticator] is the configuration, shared by all connections. Its fields
// are, in the order in which one meets them:
//
//   - a store: package [github.com/saslkit/saslkit/sasldb], or another
//     [verifier.Verifier]. PLAIN and LOGIN need one that checks passwords,
//     the challenge-response mechanisms a [verifier.SecretSource];
//   - the mechanisms to offer, if not the strong ones that all users can use;
//   - a [mech.Policy]. The zero one is safe: nobody anonymous, and no plaintext
//     password in the clear;
//   - a [verifier.Guard], made by [verifier.NewThrottle], which slows guessing down;
//   - a Logger, which gets one record for each login, and an Observer, which gets
//     the same as an [Event].
//
// Each connection has a [Peer], made from a [PeerConfig]: the service, a
// [realm.Policy], which says where names are cut, and a function that returns the
// [Channel] as it is now, as [ServerConn] makes it. A Peer has the methods that go-smtp
// and go-imap look for, so that a session embeds it and is done:
//
//	type session struct {
//		*saslkit.Peer
//		// …
//	}
//
// [Peer.Result] says who logged in. [Peer.Login] and [Peer.APOP] are for the
// commands of IMAP and POP3 that are no mechanisms. For other hosts [Peer.Start]
// gives an [Exchange], whose [Exchange.Step] consumes one client response. The example
// of Exchange is the whole of a server's AUTH, with its base64.
//
// What the client is told when it fails is in the [Error]: its class alone decides,
// and [mech.Error.SMTP], [mech.Error.IMAP] and [mech.Error.POP3] are the replies. Hosts
// want errors of their own types, which [PeerConfig.MapError] makes.
//
// # A client
//
// [NewClient] picks a mechanism from what the server offers, the policy, the channel
// and the credentials, and gives a [ClientExchange], a go-sasl client.
// [ClientConfig.Candidates] explains the choice; [OfferedSMTP] and its like read what
// a server offers. [Login] does it with go-smtp's and go-imap's clients, and [SMTPAuth]
// with net/smtp's. Whoever uses a ClientExchange without them calls
// [ClientExchange.Finish] when the protocol reported success: without it a server that
// skipped its proof is believed.
//
// # Traps
//
// Whether the wire is encrypted is what [Channel.Secure] says, and nobody else
// looks: behind a proxy that ends TLS the host says so. The Channel is asked for at
// every start, since STARTTLS changes it. Who guesses is known by [Channel.Remote]:
// without it a guard counts users and no addresses, and the log names nobody to ban.
//
// A [Peer] is of one connection. In one that two connections share the one is logged in
// as the other.
//
// Without [PeerConfig.MapError] go-smtp answers a wrong password with 454, which
// clients try again for ever.
//
// Realms are compared byte by byte. With the zero [realm.Policy] a sasldb's users, who
// are in a realm, do not exist; the log then says which realms the store has.
//
// A list of mechanisms that nobody can use is an error of Validate and not of the
// first login; call it.
//
// A [Peer] that is not closed leaves its last exchange unsettled, and neither guard nor
// log hear how it ended: close it when the connection ends.
//
// Without [Authenticator.DecoyKey] SCRAM's salts for names that nobody has change with
// every restart, and those of users with stored keys do not.
//
// # Limits
//
// Names are at most 255 bytes, passwords 1,024, unless [Authenticator.Limits]
// raises them. Responses are bounded per mechanism before they are parsed.
// Nothing here starts goroutines. An Authenticator may be used concurrently, a Peer, an
// Exchange and a ClientExchange by one goroutine at a time.
//
// # Compatibility
//
// Before version 1 names may still change, and CHANGELOG.md says which. What is meant to
// last: structs of configuration get new fields, whose zero value means what was meant
// before, so set fields by name; interfaces that others implement get no new methods.
// The texts of errors are for people and change: use [errors.Is] and [errors.As].
//
// # Other packages
//
// Package [verifier] has the contract of stores, and what is put around them. Package
// [mech] has the mechanisms. Package [github.com/saslkit/saslkit/cyrusconf] reads the
// configuration of Cyrus SASL, and package [github.com/saslkit/saslkit/daemon] serves
// logins to Postfix, Exim and Cyrus's programs. Package
// [github.com/saslkit/saslkit/saslkittest] logs in without a network.
package saslkit
