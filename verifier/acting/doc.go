// Package acting decides by rules in a text file who may act as whom: which
// authenticated user (authcid) may name which other one as the authorization identity
// (authzid). Its [Rules] are a [verifier.Authorizer], and may be used concurrently.
//
//	rules, err := acting.Load("/etc/saslkit/acting", acting.Options{Realm: policy})
//	auth := &saslkit.Authenticator{Verifier: db, Authorizer: rules}
//
// # The file
//
// A line says who acts, and then as whom. What follows a '#' at the beginning of a word
// is a comment.
//
//	alice@example.com       sales@example.com info@example.com
//	@support              = bob@example.com carol@example.com    # a group, and who is in it
//	@support                help@example.com
//	postmaster@example.com  *@example.com                        # everybody in a realm
//	root                    *                                    # everybody
//
// Who acts is a user or a group; as whom is a user, "*@realm" or "*". Other patterns do
// not exist. A group may have several lines, as may a user, and their order means
// nothing. A name without a realm is in the default one, as on the wire.
//
// Names are prepared as clients' names are and then compared byte by byte: neither the
// case of letters nor a realm is guessed. Names with spaces, '*', '#' or '"', and users
// whose name begins with '@', cannot be written.
//
// # What is promised
//
//   - Only what the file says is allowed. An empty file lets nobody act as somebody else.
//   - Rules do not add up: what counts is who was authenticated, never whom he acts as. If
//     alice may act as bob, and bob as carol, alice may not act as carol.
//   - A pattern does not cover those who act by a pattern themselves, in whatever case
//     their names are spelled: nobody becomes a master user who is not listed. A rule may
//     name one.
//   - A pattern covers only names that are in prepared form, so that there is one
//     spelling of each.
//   - What is not understood is an error with its line, and no rules at all: a line
//     without an end too, since somebody may still be writing it. So is a rule that is
//     there twice, since whoever removes one of the two would think it gone.
//
// Rules know names and not accounts: with "*" a name that is misspelt is somebody to act
// as. [Accounts] asks a store too.
package acting
