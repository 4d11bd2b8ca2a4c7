// Package oauth checks bearer tokens, for OAUTHBEARER and XOAUTH2. Its two verifiers are a
// [verifier.TokenVerifier], for the Tokens of an Authenticator of package saslkit:
//
//	tokens, err := oauth.NewJWT(oauth.JWTOptions{
//		Keys:   "https://sso.example.com/jwks",
//		Checks: oauth.Checks{Issuer: "https://sso.example.com/", Audiences: []string{"mail.example.com"}},
//	})
//	auth := &saslkit.Authenticator{Verifier: db, Tokens: tokens}
//
// [Introspection] asks the authorization server about each token (RFC 7662). It takes any
// kind of token, and one that was revoked is refused at once, or when it is forgotten; the
// price is a question for each login. [JWT] looks at the signature of a token that says
// everything itself (RFC 7519), with the public keys of the issuer; such a token is good
// until it expires, whatever happens meanwhile.
//
// Both may be used concurrently. Close them when the server ends. [Several] is one verifier
// for several issuers.
//
// # What is checked
//
// Besides being genuine a token must be for this service. [Checks] says what that means:
// by whom it was issued, for whom, for what, and in which of its claims the user's name
// stands. A token that was issued for another service of the same provider must not open
// a mailbox, so JWT insists on an issuer and an audience. Clocks may be a minute apart.
//
// A claim that users can change at the provider is no name to log in with. An "email" is
// believed only if the provider does not say that it is unverified; "preferred_username"
// is what the user likes to be called. Both are right where the provider sets them itself.
//
// # Bearer tokens
//
// Who has a token can use it, again and again and from anywhere, until it expires or, with
// introspection, is revoked. Nothing here notices a replay. Tokens are never logged. They
// have at most 16 KiB. They are for connections under TLS: the zero Policy does not offer
// these mechanisms without.
//
// Whatever is neither a clear yes nor a clear no is [verifier.ErrUnavailable]: an endpoint
// that does not answer in time, refuses us, or answers nonsense; keys that cannot be had.
package oauth
