// Package ntlm holds the messages of NTLM and its arithmetic (MS-NLMP), for both
// sides. It keeps no state, asks nobody and knows no policy: what it reads may come
// from anybody, and what may be believed is for package mech to say.
//
// There are three messages, all little endian, each of a header of fixed size and a
// payload to which the security buffers of the header point, here marked with a star:
//
//	message           offset  size  field
//	all                    0     8  "NTLMSSP" NUL
//	                       8     4  type: 1, 2 or 3
//	1, NEGOTIATE          12     4  flags
//	                      16     8  domain *; the header may end before it
//	                      24     8  workstation *
//	2, CHALLENGE          12     8  target name *
//	                      20     4  flags
//	                      24     8  challenge
//	                      32     8  unused
//	                      40     8  target info *; the header may end before it
//	3, AUTHENTICATE       12     8  LM response *
//	                      20     8  NT response *
//	                      28     8  domain *
//	                      36     8  user *
//	                      44     8  workstation *
//	                      52     8  session key *
//	                      60     4  flags
//	                      64     8  version; the header may end before it
//	                      72    16  integrity code (MIC); the header may end before it
//
// Where the payload begins tells where the header of AUTHENTICATE ends.
//
// A security buffer is a length (2 bytes), the room that it had (2, of no meaning to
// the reader) and an offset from the start of the message (4). Trusting them was the
// fault of a dozen programs; here one function reads them.
package ntlm
