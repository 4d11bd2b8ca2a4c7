// Package saslprep prepares user names, passwords and trace strings for
// comparison and hashing: SASLprep (RFC 4013) and the trace profile of the
// ANONYMOUS mechanism (RFC 4505 section 3), both profiles of stringprep
// (RFC 3454) and both bound to Unicode 3.2.
//
//   - [Query] is for what a peer sends or a user types. Code points that
//     Unicode 3.2 had not assigned (emoji, for one) are let through unchanged.
//   - [Stored] is for what is written to a database, when a credential is set.
//     It refuses them (RFC 3454 section 7), and is otherwise Query.
//   - [Trace] only checks: a trace string is neither mapped nor normalised.
//
// # Order
//
// SASLprep does these steps, RFC 4013 section 2:
//
//  1. map: a character of table C.1.2 becomes U+0020, then a character of
//     table B.1 is dropped (section 2.1);
//  2. normalise: NFKC of Unicode 3.2 (section 2.2);
//  3. prohibit: tables C.1.2, C.2.1, C.2.2 and C.3 to C.9 (section 2.3);
//  4. check the direction: RFC 3454 section 6 (section 2.4);
//  5. [Stored] only, refuse what table A.1 lists as unassigned (section 2.5).
//
// U+200B ZERO WIDTH SPACE is in C.1.2 and in B.1, and the RFC does not say
// which wins. We take the space, like libidn, libgsasl, PostgreSQL and Python's
// tables: "a", U+200B, "b" is "a b". A stack built on xdg-go/stringprep 1.0.4,
// which drops it, derives other keys from such a password.
//
// # Normalisation
//
// NFKC is computed here, character by character, because a library's NFKC is
// that of a later Unicode and differs in three ways that change a hash:
//
//   - Code points unassigned in 3.2 take no part: they are not decomposed,
//     reordered or composed, and marks do not move across them.
//   - Five ideographs (U+2F868, U+2F874, U+2F91F, U+2F95F, U+2F9BF) have the
//     decompositions of 3.2, which Corrigendum 4 changed in Unicode 4.0.
//   - x/text inserts U+034F into a run of more than 30 combining marks (the
//     stream-safe format); NFKC does not.
//
// In one place we follow later Unicode: Corrigendum 5 (PRI 29). The text of 3.2
// composes a few sequences across an intervening mark, such as U+0B47 U+0300
// U+0B3E, and its result is not stable under a second pass. libidn still does
// so; Python, x/text and we do not. Ordinary text has no such sequences.
//
// # Traps
//
// An empty result is not an error: U+00AD alone prepares to "". Whether a name
// or password may be empty is for the caller to say, after preparation.
//
// Names and passwords are never folded to one case, and PRECIS (RFC 8265) is
// another function with other results: keys derived after one cannot be checked
// after the other.
//
// # Figures
//
// Printable ASCII is returned as it came, without an allocation. Other input of
// n characters costs O(n log n) time and up to 2,500 n bytes of allocations,
// nearly all of them short-lived. A byte of input gives at most 11 bytes of
// result (U+FDFA: 3 bytes become 33). The caller bounds n.
//
// An [Error] never holds a character of the input, which may be a password:
// only an offset and the name of the rule.
package saslprep
