// Package ldap checks passwords with a directory, and hands out the secrets that its
// entries hold.
//
//	d, err := ldap.New(ldap.Options{
//		Servers:    []string{"ldaps://ldap1.example/", "ldaps://ldap2.example/"},
//		SearchBase: "ou=people,dc=example",
//		Filter:     "(&(objectClass=mailUser)(uid=%u))",
//		BindDN:     "cn=mail,dc=example", BindPassword: password,
//	})
//
// A [Directory] is a [verifier.Verifier], and a [verifier.SecretStore] as far as
// [Attributes] goes. It may be used concurrently; [Directory.Close] ends its connections.
// [New] does not connect: directories may start later. Put [verifier.Cache] around it
// where the same users log in many times a minute.
//
// # Methods
//
// With [SearchAndBind] the service account looks for the entry of the user, and then a
// connection of another kind binds as that entry with the password, so that the directory
// compares and the service account needs no right to read passwords. [Fastbind] makes the
// DN from a template and does not search. [Compare] asks the directory whether a value is
// one of the entry's passwords. With all of these PLAIN and LOGIN work.
//
// With [Attributes] the service account reads what is stored, and the check is made here:
// values with a {SCHEME}, passwords in the clear, SCRAM keys. What is stored in the clear
// serves every mechanism, SCRAM keys those of SCRAM with their hash.
//
// # Templates
//
// Filters and DNs are templates: %u is the name, %U what stands before its first '@', %d
// what stands behind that or else the realm, %1 to %9 the labels of %d counted from its
// end, %r the realm, %R the realm with an '@' before it, %s the service, %D the DN of the
// user, %% a per cent sign. Whatever a client sends is escaped, always, so that it cannot
// change the structure of a filter or DN. What is missing is empty.
//
// # Trouble
//
// A directory that does not answer, is busy, refuses the service account, refers to
// another server or finds several entries gives an error that matches
// [verifier.ErrUnavailable]. Servers are asked in their order; one that has not answered
// lately is passed over for some seconds. An empty password never reaches a server: a
// bind with one succeeds whoever it is for (RFC 4513 section 5.1.2).
//
// # What a wrong password costs
//
// For a user who does not exist a bind is made to a DN that does not exist either, or a
// hash is computed that costs what those of users did lately. Whether a directory needs as
// long for that bind as for a wrong password is up to it; OpenLDAP computes no hash then.
//
// # Locked accounts
//
// An account counts as expired or disabled if the server says so after the right password,
// as OpenLDAP does for expired passwords (draft-behera-ldap-password-policy) and Active
// Directory for all but locked out accounts. Who is locked out for guesses is told so by
// servers whatever the password, so that is a wrong password here. A user who is not a
// member of the group that logins need is disabled.
package ldap
