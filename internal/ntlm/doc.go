// Package ntlm holds the messages of NTLM and its arithmetic (MS-NLMP), for both
// sides. It keeps no state, asks nobody and knows no policy: what it reads may come
// from anybody, and what may be believed is for package mech to say.
//
// There are three messages, all little endian, each of a header of fixed size and a
// payload to which security buffers point:
//
//	offset  size  NEGOTIATE (1)       CHALLENGE (2)      AUTHENTICATE (3)
//	     0     8  "NTLMSSP" NUL       the same           the same
//	     8     4  1                   2                  3
//	    12     8  flags (4); domain   target name        LM response
//	    20     8  … workstation       flags; challenge   NT response
//	    28     8  …                   … 8 unused bytes   domain
//	    36     8  version             … target info      user
//	    44     8                      … version          workstation
//	    52     8                                         session key
//	    60     4                                         flags
//	    64     8                                         version
//	    72    16                                         integrity code (MIC)
//
// NEGOTIATE has its flags at 12 and its buffers at 16 and 24; CHALLENGE has its flags
// at 20, the challenge at 24 and the target info at 40. Headers may end early: that of
// NEGOTIATE after 16 or 32 bytes, that of CHALLENGE after 40 without target info, and
// that of AUTHENTICATE after 64 or 72. Where the payload begins tells.
//
// A security buffer is a length (2 bytes), the room that it had (2, of no meaning to
// the reader) and an offset from the start of the message (4). Trusting them was the
// fault of a dozen programs; here one function reads them.
package ntlm
